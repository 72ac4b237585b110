"""Redis for what a page waits for: it answers at once, or the page does without."""

from functools import cache

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PATIENCE_SECONDS = 0.5


def quick_redis() -> Redis:
    """The client that all threads of this process share."""
    return _connected_to(settings.REDIS_URL)


@cache
def _connected_to(url: str) -> Redis:
    # The second try is for connections that Redis closed while nobody used them.
    return Redis.from_url(
        url,
        socket_connect_timeout=PATIENCE_SECONDS,
        socket_timeout=PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )
