"""How often somebody may do something: counted in Redis, in windows of fixed length."""

import time
from hashlib import blake2b
from typing import NamedTuple

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from redis.exceptions import RedisError

from streams.quickredis import quick_redis

log = structlog.get_logger(__name__)

PREFIX = "streamstats:limits:"
HOUR_S = 3600


class Limit(NamedTuple):
    """So many times in each window of so many seconds.

    Windows do not slide, so twice as many may fall on both sides of an edge.
    """

    name: str
    most: int
    per_s: int
    words: str
    """What is said to whoever comes more often."""

    def allows(self, who: str) -> bool:
        """Count one more of theirs, and say whether that is within it.

        Whoever has no name may be many people, and is not counted. Nobody is while Redis is away.
        """
        if not who:
            return True
        name = self._name(who)
        try:
            with quick_redis().pipeline() as pipeline:
                pipeline.incr(name)
                pipeline.expire(name, self.per_s)
                count, _ = pipeline.execute()
        except RedisError as error:
            log.warning("not known how often: redis does not answer", error=str(error))
            return True
        return bool(count <= self.most)

    def refuse(self, request: HttpRequest) -> HttpResponse:
        """The page that says so (429), and when to come back at the latest."""
        seconds = self.left_s()
        context = {"words": self.words, "seconds": seconds, "minutes": -(-seconds // 60)}
        return self.headed(render(request, "429.html", context, status=429))

    def headed(self, response: HttpResponse) -> HttpResponse:
        """The same on another page: its headers say when to come back."""
        response["Retry-After"] = str(self.left_s())
        response["Cache-Control"] = "no-store"
        return response

    def _name(self, who: str) -> str:
        """Without the key nobody finds out whose it is: there are few enough addresses to try them all."""
        key = settings.SECRET_KEY.encode()[:64]
        digest = blake2b(f"{self.name} {who}".encode(), key=key, digest_size=16).hexdigest()
        return f"{PREFIX}{digest}:{int(time.time() // self.per_s)}"

    def left_s(self) -> int:
        return self.per_s - int(time.time()) % self.per_s
