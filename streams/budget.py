"""How many questions Twitch still lets us ask: told with every answer, kept in Redis for whoever looks.

The hash `streamstats:helix:budget` has a field for each identity that asks (the primary key of a grant, or "app") with
what Twitch said last, as JSON: {"limit": 800, "remaining": 799, "reset": 1767225600}.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self, cast

import redis.asyncio
import structlog
from django.conf import settings
from redis import Redis, RedisError

log = structlog.get_logger(__name__)

KEY = "streamstats:helix:budget"
APP = "app"
TIMEOUT_S = 1.0
LARGEST = 2**53


@dataclass(frozen=True)
class Budget:
    """Points a minute, how many of them are left, and when (seconds since 1970) all are there again."""

    limit: int
    remaining: int
    reset: int

    def remaining_at(self, now: float) -> int:
        """How many are left by now, if nobody has asked since."""
        return self.limit if now >= self.reset else self.remaining


def told(headers: Mapping[str, str]) -> Budget | None:
    """What the headers of an answer say; None where they say nothing."""
    return _budget([headers.get(f"Ratelimit-{name}") for name in ("Limit", "Remaining", "Reset")])


def budgets(client: "Redis") -> dict[str, Budget]:
    """What was told last to each identity. One question to Redis."""
    found = {
        field.decode(errors="replace"): _read(text)
        for field, text in cast(dict[bytes, bytes], client.hgetall(KEY)).items()
    }
    return {identity: budget for identity, budget in found.items() if budget}


class Notebook:
    """Writes down what an identity was told. Asking goes on without it: the first failure is logged, and ends it."""

    def __init__(self, grant_id: int | None) -> None:
        self._identity = APP if grant_id is None else str(grant_id)
        self._client: redis.asyncio.Redis | None = None

    async def __aenter__(self) -> Self:
        self._client = redis.asyncio.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def note(self, budget: Budget | None) -> None:
        if budget is None or self._client is None:
            return
        try:
            await cast(Any, self._client.hset(KEY, self._identity, json.dumps(asdict(budget))))
        except (RedisError, OSError) as error:
            log.warning("helix.budget_not_written", error=str(error))
            await self._client.aclose()
            self._client = None


def _read(text: bytes) -> Budget | None:
    try:
        kept = json.loads(text)
        return _budget([str(kept[name]) for name in ("limit", "remaining", "reset")])
    except (ValueError, TypeError, KeyError):
        return None


def _budget(texts: list[str | None]) -> Budget | None:
    numbers = [int(text[:16]) for text in texts if text and text.isascii() and text.isdigit()]
    return Budget(*numbers) if len(numbers) == 3 and max(numbers) < LARGEST else None
