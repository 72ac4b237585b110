"""Which language models are left alone for a while, because they failed again and again. In Redis, for all workers.

After FAILURES in WINDOW_S the circuit of a model is open for OPEN_S: nobody asks it. Where its provider said when to
come back, it is open until then, an hour at most. Afterwards one call tries it: the circuit closes when that is
answered, and is open again when it is not. While Redis is away every circuit counts as closed.

`until` holds when it may be asked again (seconds since 1970), and stays until a call succeeds; `trial` is there while
somebody tries; `failures` is a sorted set of times.
"""

import time
from collections.abc import Callable
from secrets import token_hex
from typing import TypeVar

import structlog
from redis import Redis, RedisError

from streams.quickredis import quick_redis

log = structlog.get_logger(__name__)

KEY = "streamstats:ai:circuit:{name}:{part}"
FAILURES = 3
WINDOW_S = 300
OPEN_S = 300
LONGEST_S = 3600
# What was known of a model that nobody asks any more.
FORGOTTEN_S = 2 * LONGEST_S

T = TypeVar("T")
clock = time.time


def lets_through(name: str, patience_s: float) -> bool:
    """Whether a model may be asked now. Whoever is told so after a pause is the one who tries it.

    Another may try when that takes longer than `patience_s`: the first was killed.
    """

    def ask(redis: Redis) -> bool:
        until = _until(redis, name)
        if until is None:
            return True
        if clock() < until:
            return False
        return bool(redis.set(_key(name, "trial"), 1, nx=True, ex=max(1, round(patience_s))))

    return _told_by_redis(ask, otherwise=True)


def succeeded(name: str) -> None:
    def forget(redis: Redis) -> None:
        redis.delete(*(_key(name, part) for part in ("until", "trial", "failures")))

    _told_by_redis(forget, otherwise=None)


def failed(name: str, retry_after_s: float | None = None) -> None:
    """Count a failure. `retry_after_s`: when the provider said that it may be asked again."""

    def count(redis: Redis) -> None:
        now = clock()
        failures, until = _key(name, "failures"), _until(redis, name)
        with redis.pipeline() as pipeline:
            pipeline.zadd(failures, {token_hex(8): now})
            pipeline.zremrangebyscore(failures, "-inf", now - WINDOW_S)
            pipeline.zcard(failures)
            pipeline.expire(failures, WINDOW_S)
            pipeline.delete(_key(name, "trial"))
            recent = pipeline.execute()[2]
        pause: float = OPEN_S if recent >= FAILURES or until is not None else 0
        pause = max(pause, min(retry_after_s or 0, LONGEST_S))
        if pause:
            redis.set(_key(name, "until"), max(until or 0, now + pause), ex=FORGOTTEN_S)
            log.warning("ai.circuit_opened", model=name, seconds=round(pause))

    _told_by_redis(count, otherwise=None)


def _until(redis: Redis, name: str) -> float | None:
    kept = redis.get(_key(name, "until"))
    return float(kept) if isinstance(kept, bytes) else None


def _key(name: str, part: str) -> str:
    return KEY.format(name=name, part=part)


def _told_by_redis(ask: Callable[[Redis], T], otherwise: T) -> T:
    try:
        return ask(quick_redis())
    except (RedisError, OSError) as error:
        log.warning("ai.circuit_not_known", error=str(error))
        return otherwise
