"""Who starts the embedded servers of a home, and who uses those that run."""

import fcntl
import os
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from streamstats.local.errors import LocalError
from streamstats.local.layout import Layout
from streamstats.local.postgres import EmbeddedPostgres
from streamstats.local.redis import EmbeddedRedis
from streamstats.local.server import EmbeddedServer

POLL_SECONDS = 0.1
# A server that repairs a crash may take this long before it answers somebody else's first question.
WAIT_SECONDS = 300
# A server that ends more often than this has a reason that another start does not remove.
RESTARTS = 3
RESTARTS_SECONDS = 60


class FileLock:
    """A lock between processes that ends with the process, and says who has it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+", encoding="utf-8")

    def try_alone(self) -> bool:
        return self._try(fcntl.LOCK_EX | fcntl.LOCK_NB)

    def try_shared(self) -> bool:
        return self._try(fcntl.LOCK_SH | fcntl.LOCK_NB)

    def wait_alone(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def sign(self, text: str) -> None:
        self._file.truncate(0)
        self._file.write(text)
        self._file.flush()

    def signature(self) -> str:
        self._file.seek(0)
        return self._file.read().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def _try(self, operation: int) -> bool:
        try:
            fcntl.flock(self._file, operation)
        except BlockingIOError:
            return False
        return True


class Servers:
    """The embedded servers of one home, of those that are wanted; they run while this is entered."""

    def __init__(self, layout: Layout, *, postgres: bool = True, redis: bool = True, durable: bool = True) -> None:
        self.layout = layout
        self.postgres = EmbeddedPostgres(layout, durable=durable) if postgres else None
        self.redis = EmbeddedRedis(layout, durable=durable) if redis else None
        self._restarted: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=RESTARTS))

    @property
    def has_new_database(self) -> bool:
        return self.postgres is not None and self.postgres.is_new

    def answer(self) -> bool:
        return all(server.answers() for server in self._wanted())

    def revive(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        """Start again, and say so, what ended unasked; refuse where that did not help before."""
        for server in self._wanted():
            if fate := server.fate():
                self._count_restart(server, fate, clock())
                say(f"{server.name} {fate} (see {server.log}). Starting it again ...")
                server.start_again()
                say(f"{server.name} answers again.")

    def _count_restart(self, server: EmbeddedServer, fate: str, now: float) -> None:
        before = self._restarted[server.name]
        if len(before) == RESTARTS and now - before[0] < RESTARTS_SECONDS:
            raise LocalError(f"{server.name} {fate}, {RESTARTS + 1} times within a minute (see {server.log})")
        before.append(now)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for server in self._wanted():
                server.start()
                stack.callback(server.stop)
            self._stop = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.close()

    def _wanted(self) -> list[EmbeddedServer]:
        return [server for server in (self.postgres, self.redis) if server]


@contextmanager
def owned_home(layout: Layout) -> Iterator[None]:
    """Be the one process that may start and stop the servers of this home; refuse if there is one."""
    with _home_lock(layout) as lock:
        if not lock.try_alone():
            raise LocalError(f"{layout.home} is in use by {lock.signature()}: stop that first")
        lock.sign(_who_we_are())
        yield


@contextmanager
def available_servers(servers: Servers, say: Callable[[str], None]) -> Iterator[None]:
    """Use the servers that run, or start them; those that we started outlast everybody who uses them."""
    with _home_lock(servers.layout) as lock, FileLock(servers.layout.home / "users.lock") as users:
        if not _becomes_owner(lock, users, servers):
            yield
            return
        lock.sign(_who_we_are())
        with servers:
            try:
                yield
            finally:
                if not users.try_alone():
                    say("another command uses the embedded servers; they stay up until it is done")
                    users.wait_alone()


def _becomes_owner(lock: FileLock, users: FileLock, servers: Servers) -> bool:
    """Return True once the home is ours, False once the servers of its owner answer."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if lock.try_alone():
            return True
        # An owner on its way out holds this alone; then it is our turn in a moment.
        if users.try_shared() and servers.answer():
            return False
        time.sleep(POLL_SECONDS)
    raise LocalError(f"the servers of {lock.signature()} do not answer")


def _home_lock(layout: Layout) -> FileLock:
    try:
        return FileLock(layout.home / "servers.lock")
    except OSError as error:
        raise LocalError(
            f"{layout.home} cannot be written to ({error.strerror}): set STREAMSTATS_HOME to a folder of your own"
        ) from error


def _who_we_are() -> str:
    return f"process {os.getpid()} ({' '.join(sys.argv)})"
