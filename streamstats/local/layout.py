"""Where the one-machine installation keeps its files and sockets."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

# A Unix socket path may have 107 bytes; "/.s.PGSQL.5432" takes 14 of them.
LONGEST_SOCKET_DIR = 90


@dataclass(frozen=True)
class Layout:
    """Paths below one STREAMSTATS_HOME."""

    home: Path

    @property
    def postgres_data(self) -> Path:
        return self.home / "postgres"

    @property
    def redis_data(self) -> Path:
        return self.home / "redis"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def secret_key(self) -> Path:
        return self.home / "secret_key"

    @property
    def schedule(self) -> Path:
        """When Celery's beat last did what."""
        return self.home / "schedule"

    @property
    def spool(self) -> Path:
        """Lines a reader could not hand over while Redis was away."""
        return self.home / "spool"

    @property
    def sockets(self) -> Path:
        """Folder of the server sockets: short, and without characters a URL would have to escape."""
        inside = self.home / "run"
        if len(str(inside).encode()) <= LONGEST_SOCKET_DIR and re.fullmatch(r"[\w./-]+", str(inside), re.ASCII):
            return inside
        digest = hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
        return Path(f"/tmp/streamstats-{digest}")  # noqa: S108 - made with mode 0700, its owner is checked

    @property
    def database_url(self) -> str:
        return f"postgres://postgres@/streamstats?host={self.sockets}"

    @property
    def redis_socket(self) -> Path:
        return self.sockets / "redis.sock"

    @property
    def redis_url(self) -> str:
        return f"unix://{self.redis_socket}"
