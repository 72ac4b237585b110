"""How often somebody may do something: counted in Redis, in windows of fixed length."""

import time
from hashlib import blake2b

import structlog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from redis.exceptions import RedisError

from streams.quickredis import quick_redis

log = structlog.get_logger(__name__)

PREFIX = "streamstats:limits:"


def allowed(key: str, most: int, per_s: int, *, if_unknown: bool) -> bool:
    """Count one more of `key`, and say whether that is still within `most` in this window of `per_s` seconds.

    `if_unknown` is the answer while Redis is away: True for what does no harm when it is done too often, False for
    what must not be tried without end. Windows do not slide, so twice as many may fall on both sides of an edge.
    """
    name = f"{PREFIX}{blake2b(key.encode(), digest_size=16).hexdigest()}:{per_s}:{int(time.time() // per_s)}"
    try:
        with quick_redis().pipeline() as pipeline:
            pipeline.incr(name)
            pipeline.expire(name, per_s)
            count, _ = pipeline.execute()
    except RedisError as error:
        log.warning("not known how often: redis does not answer", answered=if_unknown, error=str(error))
        return if_unknown
    return bool(count <= most)


def too_often(request: HttpRequest, per_s: int, words: str = "") -> HttpResponse:
    """The page that says so (429), and when to come back at the latest."""
    seconds = per_s - int(time.time()) % per_s
    response = render(
        request, "429.html", {"words": words, "seconds": seconds, "minutes": -(-seconds // 60)}, status=429
    )
    response["Retry-After"] = str(seconds)
    response["Cache-Control"] = "no-store"
    return response
