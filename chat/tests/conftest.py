"""What tests of the ingest share."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db.backends.postgresql.operations import DatabaseOperations

from streamstats.local.layout import Layout
from streamstats.local.redis import EmbeddedRedis


@pytest.fixture(autouse=True, scope="session")
def quick_flush() -> Iterator[None]:
    """Empty tables by DELETE after tests that commit: TRUNCATE gives each table and index a new file.

    Without triggers, of which one keeps the audit log as it is.
    """

    def delete_all(_self: object, _style: object, tables: list[str], **_options: object) -> list[str]:
        return ["SET LOCAL session_replication_role = replica", *(f'DELETE FROM "{table}"' for table in tables)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", delete_all)
        yield


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
