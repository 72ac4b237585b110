import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamstats.local.layout import Layout


@pytest.fixture
def layout() -> Iterator[Layout]:
    """A home of its own, with a space in its name."""
    home = Path(tempfile.mkdtemp(prefix="streamstats test ")).resolve()
    yield Layout(home)
    shutil.rmtree(home)
    shutil.rmtree(Layout(home).sockets, ignore_errors=True)
