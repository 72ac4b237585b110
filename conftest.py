"""Real servers for the tests, and no network but this machine's own."""

import ipaddress
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from redis import Redis

from streams.tests.database import may_write_past_rules, our_tables
from streamstats.local.layout import Layout
from streamstats.local.postgres import USER, EmbeddedPostgres, postgres_programs
from streamstats.local.redis import EmbeddedRedis
from streamstats.local.servers import FileLock, Servers

# Files whose tests take longest: begun last, the other workers would stand idle at the end.
LONGEST = (
    *("test_run.py", "test_crash.py", "test_admin_matrix.py", "test_erasure.py", "test_watch_time.py", "test_looks.py"),
    *("test_journeys.py", "test_without.py", "test_admin.py", "test_account.py", "test_broadcasts.py"),
    *("test_demo_history.py", "test_demo_command.py", "test_fill_command.py", "test_world.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_unconfigure() -> None:
    remove_home(settings.LAYOUT)


@pytest.fixture(scope="session")
def embedded_servers() -> Iterator[None]:
    """The servers that the settings under test name, unless the environment names others."""
    with Servers(settings.LAYOUT, postgres=settings.EMBEDS_POSTGRES, redis=settings.EMBEDS_REDIS, durable=False):
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(embedded_servers: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give pytest-django its test database on our Postgres: each worker has one of its own, and one makes it."""
    with pytest.MonkeyPatch.context() as patch:
        if settings.EMBEDS_POSTGRES and "PYTEST_XDIST_WORKER" in os.environ:
            migrated = Migrated(tmp_path_factory.getbasetemp().parent / "migrated")
            patch.setattr(connection.creation, "create_test_db", migrated.create)
        yield


class Migrated:
    """The test database as the migrations left it, in a file for all workers: they take longer than many tests do."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._creation: Any = connection.creation
        self._make = self._creation.create_test_db

    def create(self, *args: Any, **kwargs: Any) -> str:
        """As Django's own; whoever comes second waits for the first."""
        with FileLock(self._file.with_suffix(".lock")) as lock:
            lock.wait_alone()
            if self._file.exists():
                self._call("psql", "--quiet", "--command", f"CREATE DATABASE {self._name}", "postgres")
                self._call("pg_restore", "--exit-on-error", "--single-transaction", "--dbname", self._name, self._file)
                return str(self._make(*args, **kwargs | {"keepdb": True}))
            name = self._make(*args, **kwargs)
            half = self._file.with_suffix(".half")
            self._call("pg_dump", "--format=custom", "--compress=0", "--file", half, name)
            half.rename(self._file)
            return str(name)

    @property
    def _name(self) -> str:
        return str(self._creation._get_test_db_name())  # noqa: SLF001 (Django's own asks it as well)

    @staticmethod
    def _call(program: str, *words: str | Path) -> None:
        where: list[str | Path] = ["--host", settings.LAYOUT.sockets, "--port", "5432", "--username", USER]
        subprocess.run([postgres_programs() / program, *where, *words], check=True)  # noqa: S603 (words of ours)


@pytest.fixture(autouse=True, scope="session")
def quick_cleaning() -> Iterator[None]:
    """Empty tables after a test by DELETE: TRUNCATE writes each of a hundred tables and its indexes anew, and Django
    then looks for permissions to make. Now and then it is done all the same, or what was deleted would pile up.
    """
    case: Any = TransactionTestCase
    thorough, rounds = case._fixture_teardown, count(1)  # noqa: SLF001 (there is no other way in)

    def teardown(self: TransactionTestCase) -> None:
        if next(rounds) % 100 == 0 or not _empty_quickly():
            thorough(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(case, "_fixture_teardown", teardown)
        yield


def _empty_quickly() -> bool:
    """Delete every row, without triggers and foreign keys; whether we may."""
    if not may_write_past_rules():
        return False
    deletes = ";".join(f"DELETE FROM {connection.ops.quote_name(table)}" for table in our_tables())  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(f"BEGIN; SET LOCAL session_replication_role = replica; {deletes}; COMMIT")
    return True


@pytest.fixture
def redis_client(embedded_servers: None) -> Iterator[Redis]:
    """An empty Redis, the one that `settings.REDIS_URL` names."""
    client = Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    yield client
    client.close()


class ServerPair:
    """A Postgres and a Redis of a test's own, to be stopped, killed and started at will."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.postgres = EmbeddedPostgres(layout)
        self.redis = EmbeddedRedis(layout)


@pytest.fixture
def servers() -> Iterator[ServerPair]:
    """Both run, durable as the product's are: what was acknowledged has to outlive `kill()`."""
    pair = ServerPair(Layout(Path(tempfile.mkdtemp(prefix="streamstats-test-")).resolve()))
    try:
        pair.postgres.start()
        pair.redis.start()
        yield pair
    finally:
        pair.redis.stop()
        pair.postgres.stop()
        remove_home(pair.layout)


def remove_home(layout: Layout) -> None:
    shutil.rmtree(layout.home, ignore_errors=True)
    shutil.rmtree(layout.sockets, ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Refuse every connection that leaves this machine, by name or by address."""
    with pytest.MonkeyPatch.context() as patch:
        for method in ("connect", "connect_ex"):
            patch.setattr(socket.socket, method, _local_only(getattr(socket.socket, method)))
        patch.setattr(socket, "getaddrinfo", _local_names_only(socket.getaddrinfo))
        yield


def _local_only(connect: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family != socket.AF_UNIX and not _is_local(address[0]):
            raise RuntimeError(f"a test tried to reach {address}")
        return connect(self, address)

    return guarded


def _local_names_only(getaddrinfo: Any) -> Any:
    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_local(host):
            raise RuntimeError(f"a test tried to look up {host}")
        return getaddrinfo(host, *args, **kwargs)

    return guarded


def _is_local(host: Any) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in {None, "", "localhost"}:
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
