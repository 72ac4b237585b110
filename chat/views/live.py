"""Server-sent events: the numbers on the pages move without a reload."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import cache
from http import HTTPStatus

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET
from redis.asyncio import Redis

from chat.doors import Doors, Full
from chat.livefeed import LiveEmote, LiveFeed, events
from chat.views.channel import emotes_lately
from streams.access import listed_channel
from streams.models import Channel
from streams.views import CHANNELS
from streams.visitors import visitor_of

feed = LiveFeed(lambda: Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5))
doors = Doors()

COME_BACK_S = 60
REFUSED = {
    HTTPStatus.TOO_MANY_REQUESTS: "Too many pages that move by themselves are open from your address. Close some.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Too many people watch just now. Numbers come when the page is loaded again.",
}


@csrf_exempt
@require_GET
async def channel_live(request: HttpRequest, channel: str) -> HttpResponseBase:
    visitor = visitor_of(request)
    try:
        doors.check(visitor)
    except Full as full:
        return refused(full)
    return _event_stream(visitor, await sync_to_async(_one_channel)(channel))


@csrf_exempt
@require_GET
async def front_live(request: HttpRequest) -> HttpResponseBase:
    visitor = visitor_of(request)
    try:
        doors.check(visitor)
    except Full as full:
        return refused(full)
    return _event_stream(visitor, await sync_to_async(_all_channels)())


def refused(full: Full) -> HttpResponse:
    headers = {"Cache-Control": "no-store", "Retry-After": str(COME_BACK_S)}
    return HttpResponse(REFUSED[full.status], status=full.status, content_type="text/plain", headers=headers)


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


def _event_stream(visitor: str, channels: Mapping[int, Mapping[LiveEmote, int]]) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        _events(visitor, channels),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(visitor: str, channels: Mapping[int, Mapping[LiveEmote, int]]) -> AsyncGenerator[bytes, None]:
    listen_for_the_stop()
    try:
        with doors.entered(visitor):
            async with aclosing(events(feed, channels)) as stream:
                async for event in stream:
                    yield event
    except Full:  # many came at the same moment: this one asks again later
        yield f"retry: {COME_BACK_S * 1000}\n\n".encode()


@cache
def listen_for_the_stop() -> None:
    """Only here the server and its loop are known to run."""
    feed.close_at_stop()
