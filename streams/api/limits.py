"""How often somebody may ask: each key in a minute and in a UTC day, and each address without one in a minute.

Counted in Redis, so that all processes count together and a restart of ours forgets nothing. While Redis is away nobody
is counted.
"""

import time
from hashlib import blake2b
from typing import NamedTuple

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from redis.exceptions import RedisError

from streams.api import keys, quota
from streams.models import ApiKey
from streams.quickredis import quick_redis
from streams.visitors import visitor_of

log = structlog.get_logger(__name__)

PREFIX = "streamstats:api:asked:"
MINUTE_S = 60
DAY_S = 86_400

# The first number alone, where it is beyond what it may be. In one go: were the others counted and taken back, somebody
# else would be told a number meanwhile that nobody is told again, and the mark at which an owner is warned be passed.
# With the word under which keys are remembered: a key that is known here is counted and known again in one question.
COUNT = """
local counted = {redis.call('GET', KEYS[1])}
for place = 2, #KEYS do
    if place > 2 and counted[2] > tonumber(ARGV[1]) then
        counted[place] = tonumber(redis.call('GET', KEYS[place]) or 0)
    else
        counted[place] = redis.call('INCR', KEYS[place])
        redis.call('EXPIRE', KEYS[place], ARGV[place])
    end
end
return counted
"""


class Counted(NamedTuple):
    """The word of the keys as it is now, and how often was asked."""

    generation: bytes | None
    times: list[int]
    """In the minute, and with a key in the UTC day; each with this time."""


class Allowance(NamedTuple):
    """What of a limit is left, as the RateLimit headers tell it."""

    most: int
    left: int
    reset_s: int
    is_spent: bool = False
    words: str = ""

    def head(self, response: HttpResponseBase) -> None:
        response["RateLimit-Limit"] = str(self.most)
        response["RateLimit-Remaining"] = str(max(0, self.left))
        response["RateLimit-Reset"] = str(self.reset_s)
        if self.is_spent:
            response["Retry-After"] = str(self.reset_s)


def count(key: ApiKey) -> Counted | None:
    """Count one more request with a key. What is refused for its minute is not counted to its day. None while Redis is
    away.
    """
    now = time.time()
    minute, day = _window(now, MINUTE_S), _window(now, DAY_S)
    names = {f"{PREFIX}{key.pk}:minute:{minute}": MINUTE_S, f"{PREFIX}{key.pk}:day:{day}": 2 * DAY_S}
    return _count(names, key.per_minute)


def of_key(key: ApiKey, counted: Counted | None) -> Allowance:
    """What is left to a key whose request was counted."""
    now = time.time()
    reset = _left(now, MINUTE_S)
    if counted is None:
        return Allowance(key.per_minute, key.per_minute, reset)
    in_minute, in_day = counted.times
    if in_minute > key.per_minute:
        words = f"This key may ask {key.per_minute:,} times in a minute. Try again in {reset} s."
        return Allowance(key.per_minute, 0, reset, is_spent=True, words=words)
    quota.look(key, in_day)
    if in_day > key.per_day:
        reset = _left(now, DAY_S)
        words = f"This key may ask {key.per_day:,} times in a UTC day, and did. Ask its channel's owner for more."
        return Allowance(key.per_day, 0, reset, is_spent=True, words=words)
    left = key.per_minute - in_minute
    if key.per_day - in_day < left:  # the day ends before the minute does
        return Allowance(key.per_day, key.per_day - in_day, _left(now, DAY_S))
    return Allowance(key.per_minute, left, reset)


def of_address(request: HttpRequest) -> Allowance:
    """Count one more request without a key. Whoever has no address of their own may be many people: not counted."""
    most, now = settings.API_PER_MINUTE, time.time()
    reset = _left(now, MINUTE_S)
    visitor = visitor_of(request)
    counted = _count({f"{PREFIX}{_masked(visitor)}:{_window(now, MINUTE_S)}": MINUTE_S}, most) if visitor else None
    if counted is None:
        return Allowance(most, most, reset)
    (asked,) = counted.times
    words = f"Without a key one may ask {most:,} times in a minute. Try again in {reset} s, or get a key."
    return Allowance(most, most - asked, reset, is_spent=asked > most, words=words)


def _masked(visitor: str) -> str:
    """An address as it is counted under: nobody finds out whose it is without our key."""
    key = settings.SECRET_KEY.encode()[:64]
    return blake2b(f"api {visitor}".encode(), key=key, digest_size=16).hexdigest()


def _window(now: float, length_s: int) -> int:
    return int(now // length_s)


def _left(now: float, length_s: int) -> int:
    return length_s - int(now) % length_s


def _count(names: dict[str, int], most: int) -> Counted | None:
    """How often each was counted, with this time; each is kept for so many seconds. None while Redis is away.

    What is beyond `most` of the first counts to none of the others.
    """
    try:
        generation, *times = quick_redis().eval(
            COUNT, len(names) + 1, keys.GENERATION, *names, most, *names.values()
        )  # fmt: skip
    except RedisError as error:
        log.warning("api.not_counted: redis does not answer", error=str(error))
        return None
    return Counted(generation, times)
