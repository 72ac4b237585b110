"""Server-sent events: the numbers on the pages move without a reload."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import cache

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET
from redis.asyncio import Redis

from chat.livefeed import LiveEmote, LiveFeed, events
from chat.views.channel import emotes_lately
from streams.access import listed_channel
from streams.models import Channel
from streams.views import CHANNELS

feed = LiveFeed(lambda: Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5))


@csrf_exempt
@require_GET
async def channel_live(request: HttpRequest, channel: str) -> HttpResponseBase:
    return _event_stream(await sync_to_async(_one_channel)(channel))


@csrf_exempt
@require_GET
async def front_live(request: HttpRequest) -> HttpResponseBase:
    return _event_stream(await sync_to_async(_all_channels)())


def _one_channel(login: str) -> Mapping[int, Mapping[LiveEmote, int]]:
    """The channel with its emotes so far, unless another page in this process already brought them."""
    try:
        channel = listed_channel(login)
        emotes = {} if feed.is_open(channel.pk) else emotes_lately(channel, timezone.now())
        return {channel.pk: emotes}
    finally:
        # The response lasts as long as the page is open; the connection must not.
        close_old_connections()


def _all_channels() -> Mapping[int, Mapping[LiveEmote, int]]:
    try:
        return {channel.pk: {} for channel in Channel.objects.front_page()[:CHANNELS]}
    finally:
        close_old_connections()


def _event_stream(channels: Mapping[int, Mapping[LiveEmote, int]]) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        _events(channels),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(channels: Mapping[int, Mapping[LiveEmote, int]]) -> AsyncGenerator[bytes, None]:
    _listen_for_the_stop()
    async with aclosing(events(feed, channels)) as stream:
        async for event in stream:
            yield event


@cache
def _listen_for_the_stop() -> None:
    """Only here the server and its loop are known to run."""
    feed.close_at_stop()
