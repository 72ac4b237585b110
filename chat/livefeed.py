"""The live feed: one Redis subscription a process, fanned out to every page that is open.

A page never holds the others up. Each is only told that its channel changed, and takes the newest
state when it is ready for it; what came in between is already part of that state.

When a viewer chose who may see them, pages are told to look again (`refresh`, see streams/pages.py): the feed itself
names nobody, but what stands beside it on a page may.
"""

import asyncio
import json
import signal
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from streams.topics import PREFIX, topic
from streamstats.lib.windows import Window

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 15.0
PAUSE_SECONDS = 0.5
RETRY_SECONDS = 2.0
EMOTES_WITHIN_SECONDS = 600
EMOTES_SHOWN = 12
# What pages are told of a summary. The last two are missing where a batch had no message that counts.
PARTS = ("at", "total", "today", "minute")


class LiveEmote(NamedTuple):
    id: int
    name: str
    url: str
    provider: str


class Page:
    """An open page: which of its channels changed since it was last told, and which it has to look at again."""

    def __init__(self) -> None:
        self.changed: set[int] = set()
        self.outdated: set[int] = set()
        self.woken = asyncio.Event()


class Room:
    """The newest state of one channel, and the pages that show it."""

    def __init__(self, channel: int) -> None:
        self.channel = channel
        self.pages: set[Page] = set()
        self.emotes: Window[LiveEmote] = Window(EMOTES_WITHIN_SECONDS)
        self.news = b""
        self.state: dict[str, Any] = {"channel": channel}

    def take(self, summary: Mapping[str, Any], now: float) -> None:
        """Fold in what one commit of the ingest told, and wake the pages."""
        new = {LiveEmote(row["id"], row["name"], row["url"], row["provider"]): row["uses"] for row in summary["emotes"]}
        self.emotes.add(now, new)
        top = [{**emote._asdict(), "uses": uses} for emote, uses in self.emotes.top(now, EMOTES_SHOWN)]
        self.state |= {name: summary[name] for name in PARTS if name in summary} | {"emotes": top}
        self.news = b"event: live\ndata: " + json.dumps(self.state, separators=(",", ":")).encode() + b"\n\n"
        for page in self.pages:
            page.changed.add(self.channel)
            page.woken.set()

    def refresh(self) -> None:
        """Have the pages look again at who is named on them."""
        for page in self.pages:
            page.outdated.add(self.channel)
            page.woken.set()


class LiveFeed:
    """All rooms of this process. Made once; connects when the first page opens, lets go after the last."""

    def __init__(
        self,
        connect: Callable[[], "Redis"],
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._pause = pause
        self._rooms: dict[int, Room] = {}
        self._reader: asyncio.Task[None] | None = None
        self.is_closed = False

    def close(self) -> None:
        """End every page's stream, and those that come; their browsers ask again, and find the next process."""
        self.is_closed = True
        for room in self._rooms.values():
            for page in room.pages:
                page.woken.set()

    def close_at_stop(self) -> None:
        """Close when the server is told to stop: it would wait for its connections, and these never end."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            servers = signal.getsignal(number)
            if callable(servers):
                signal.signal(number, partial(self._stop, loop, servers))

    def _stop(
        self, loop: asyncio.AbstractEventLoop, servers: Callable[[int, Any], object], number: int, frame: Any
    ) -> None:
        loop.call_soon_threadsafe(self.close)
        servers(number, frame)

    def is_open(self, channel: int) -> bool:
        return channel in self._rooms

    def state_of(self, channel: int) -> Mapping[str, Any]:
        """The newest numbers of a channel that a page is open on: PARTS and `emotes`, as far as they were told."""
        return self._rooms[channel].state

    @contextmanager
    def opened(self, channels: Mapping[int, Mapping[LiveEmote, int]]) -> Iterator[Page]:
        """A page on these channels; each comes with its emotes so far, which count if it is the first page there."""
        page = Page()
        for channel, emotes in channels.items():
            if channel not in self._rooms:
                self._rooms[channel] = Room(channel)
                self._rooms[channel].emotes.add(self._clock(), emotes)
            self._rooms[channel].pages.add(page)
        if self._rooms and self._reader is None:
            self._reader = asyncio.create_task(self._read(), name="live feed")
        try:
            yield page
        finally:
            self._leave(page, channels)

    def _leave(self, page: Page, channels: Mapping[int, object]) -> None:
        for channel in channels:
            room = self._rooms[channel]
            room.pages.discard(page)
            if not room.pages:
                del self._rooms[channel]
        if not self._rooms and self._reader:
            self._reader.cancel()
            self._reader = None

    def news_for(self, page: Page) -> bytes:
        """What is to be looked at again, and the newest state of every channel that changed, as server-sent events."""
        page.woken.clear()
        changed, page.changed = page.changed, set()
        outdated, page.outdated = page.outdated, set()
        refreshes = [b'event: refresh\ndata: {"channel":%d}\n\n' % channel for channel in sorted(outdated)]
        return b"".join([*refreshes, *(self._rooms[channel].news for channel in sorted(changed))])

    async def _read(self) -> None:
        has_missed = False
        while True:
            try:
                await self._listen(has_missed=has_missed)
            except (RedisError, OSError) as error:
                log.warning("live feed lost redis", error=str(error))
                has_missed = True
                await self._pause(RETRY_SECONDS)

    async def _listen(self, *, has_missed: bool) -> None:
        """Hand out what is told; if some of it was missed, pages look again once nothing more can be."""
        async with self._connect() as redis, redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            heard: set[int] = set()
            while True:
                heard = await self._follow_rooms(pubsub, heard)
                if has_missed:
                    has_missed = False
                    for room in self._rooms.values():
                        room.refresh()
                message = await pubsub.get_message(timeout=PAUSE_SECONDS)
                if message is not None:
                    self._hand_out(message)

    async def _follow_rooms(self, pubsub: PubSub, heard: set[int]) -> set[int]:
        """Subscribe to rooms that opened and unsubscribe from those that closed; only the reader does either."""
        wanted = set(self._rooms)
        if opened := wanted - heard:
            await pubsub.subscribe(*(topic(channel) for channel in opened))
        if closed := heard - wanted:
            await pubsub.unsubscribe(*(topic(channel) for channel in closed))
        return wanted

    def _hand_out(self, message: Mapping[str, Any]) -> None:
        channel = int(message["channel"].decode().removeprefix(PREFIX))
        if room := self._rooms.get(channel):
            try:
                told = json.loads(message["data"])
                if told.get("refresh"):
                    room.refresh()
                else:
                    room.take(told, self._clock())
            except (ValueError, KeyError, TypeError, AttributeError):
                log.exception("live feed cannot read a summary", channel=channel)


async def events(
    feed: LiveFeed,
    channels: Mapping[int, Mapping[LiveEmote, int]],
    *,
    heartbeat: float = HEARTBEAT_SECONDS,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[bytes, None]:
    """Server-sent events for one page until it is closed: news at most twice a second, else a sign of life."""
    with feed.opened(channels) as page:
        yield f"retry: {RETRY_SECONDS * 1000:.0f}\n\n".encode()
        while not feed.is_closed:
            try:
                async with asyncio.timeout(heartbeat):
                    await page.woken.wait()
            except TimeoutError:
                yield b": nothing new\n\n"
                continue
            if not feed.is_closed:
                yield feed.news_for(page)
                await pause(PAUSE_SECONDS)
