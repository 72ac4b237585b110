"""How far a summary is: told while it is written, and read by the page of whoever waits for it.

What is told is kept for a while, so that a page that opens late, or lost its connection, hears it all.
"""

import json
from collections.abc import AsyncGenerator, Callable
from typing import Any, cast

import structlog
from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

from streams.quickredis import quick_redis
from viewers.summaries import told_in

log = structlog.get_logger(__name__)

KEPT_S = 3600
MOST = 200
"""Events of one summary; far more than one has."""
WAIT_MS = 1000
"""So soon it is noticed that the server stops: it would wait for its connections."""
HEARTBEAT_WAITS = 15
LONGEST_WAITS = 600
"""Ten minutes: then the page asks anew, or not."""
LAST = frozenset({"done", "failed"})
HEARTBEAT = b": still here\n\n"


def tell(summary: int, event: str, **data: Any) -> None:
    """Tell whoever waits for a summary what became of it: `reading`, `claim`, `again`, then `done` or `failed`.

    It is written and paid for whether or not they can be told.
    """
    name = told_in(summary)
    try:
        with quick_redis().pipeline() as pipeline:
            pipeline.xadd(name, {"event": event, "data": json.dumps(data)}, maxlen=MOST)
            pipeline.expire(name, KEPT_S)
            pipeline.execute()
    except (RedisError, OSError) as error:
        log.warning("summary.not_told", summary=summary, told=event, error=str(error))


async def events(
    summary: int, after: str = "0", is_over: Callable[[], bool] = lambda: False
) -> AsyncGenerator[bytes, None]:
    """Server-sent events of a summary that came after the one with this id, until the last of it.

    It ends when `is_over` says so. A heartbeat is sent at once, and whenever nothing was told for a while.
    """
    client = Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5)
    try:
        for waits in range(LONGEST_WAITS):
            if is_over():
                return
            told = cast(Any, await client.xread({told_in(summary): after}, block=WAIT_MS))
            if not told:
                if waits % HEARTBEAT_WAITS == 0:
                    yield HEARTBEAT
                continue
            for key, fields in told[0][1]:
                after = key.decode()
                yield b"id: %s\n" % key + as_event(fields[b"event"], fields[b"data"])
                if fields[b"event"].decode() in LAST:
                    return
    finally:
        await client.aclose()


def as_event(name: bytes, data: bytes) -> bytes:
    """A server-sent event. `data` is JSON, which has no line breaks."""
    return b"event: %s\ndata: %s\n\n" % (name, data)
