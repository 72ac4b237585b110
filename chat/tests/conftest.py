"""What tests of the ingest share."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamstats.local.layout import Layout
from streamstats.local.redis import EmbeddedRedis


@pytest.fixture
def own_redis() -> Iterator[EmbeddedRedis]:
    """A durable Redis of the test's own, to be killed and started at will."""
    layout = Layout(Path(tempfile.mkdtemp(prefix="streamstats-test-")).resolve())
    server = EmbeddedRedis(layout)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(layout.home, ignore_errors=True)
        shutil.rmtree(layout.sockets, ignore_errors=True)
