"""How far a summary is: told while it is written, and read by the page of whoever waits for it.

What is told is kept for a while, so that a page that opens late, or lost its connection, hears it all.
"""

import json
from collections.abc import AsyncGenerator
from typing import Any, cast

from django.conf import settings
from redis.asyncio import Redis

from streams.quickredis import quick_redis

PREFIX = "streamstats:summaries:"
KEPT_S = 3600
MOST = 200
"""Events of one summary; far more than one has."""
WAIT_MS = 15_000
LONGEST_WAITS = 40
"""Ten minutes: then the page asks anew, or not."""
LAST = frozenset({"done", "failed"})
HEARTBEAT = b": still here\n\n"


def tell(summary: int, event: str, **data: Any) -> None:
    """Tell whoever waits for a summary what became of it: `reading`, `claim`, `again`, then `done` or `failed`."""
    name = f"{PREFIX}{summary}"
    with quick_redis().pipeline() as pipeline:
        pipeline.xadd(name, {"event": event, "data": json.dumps(data)}, maxlen=MOST)
        pipeline.expire(name, KEPT_S)
        pipeline.execute()


def forget(summaries: list[int]) -> None:
    """What was told of these is not told to anybody any more."""
    if summaries:
        quick_redis().delete(*(f"{PREFIX}{summary}" for summary in summaries))


async def events(summary: int, after: str = "0") -> AsyncGenerator[bytes, None]:
    """Server-sent events of a summary that came after the one with this id, until the last of it."""
    client = Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5)
    try:
        for _ in range(LONGEST_WAITS):
            told = cast(Any, await client.xread({f"{PREFIX}{summary}": after}, block=WAIT_MS))
            if not told:
                yield HEARTBEAT
                continue
            for key, fields in told[0][1]:
                after, event = key.decode(), fields[b"event"]
                yield b"id: %s\nevent: %s\ndata: %s\n\n" % (key, event, fields[b"data"])
                if event.decode() in LAST:
                    return
    finally:
        await client.aclose()
