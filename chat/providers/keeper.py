"""Keeps every followed channel's emote sets as the providers have them: reads, rereads, and listens for changes."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import NoReturn, Protocol

import aiohttp
import structlog

from chat.providers import BTTV, PROVIDERS, SEVENTV, Change, SetEntry, bttv, seventv, with_changes
from chat.providers.conversation import Conversation, Event, Missed, Switched, Told, Topic
from chat.providers.etiquette import Absent, Answer, Failed, Fetched, Key, Timetable
from chat.providers.http import Asker
from chat.providers.live import LiveSocket, SocketPool
from chat.providers.seventv_live import EventApi, emote_set, user
from chat.providers.sources import Sources

log = structlog.get_logger(__name__)

LOOK_FOR_CHANNELS_S = 5.0
TRY_TO_WRITE_S = 2.0
BETWEEN_READS_S = (0.05, 0.25)
UNKNOWN_FORMAT = Failed("a format we do not know")


class ShelfUnavailable(Exception):
    """The database is away; the same call can be made again."""


class Shelf(Protocol):
    """Where the sets are kept."""

    async def followed(self) -> dict[int, str]:
        """Return the Twitch ids of followed channels, as far as they are known, by primary key."""

    async def put(self, key: Key, entries: Sequence[SetEntry], at: datetime) -> None: ...

    async def change(self, key: Key, changes: Sequence[Change], at: datetime) -> None: ...


@dataclass(slots=True)
class _Kept:
    """What is remembered of one set between two reads."""

    twitch_id: str | None
    etag: str = ""
    links: seventv.Links = field(default_factory=seventv.Links)
    switched_to: str = ""
    """A 7TV set that was chosen and is still to be read."""
    switches: int = 0
    topics: set[Topic] = field(default_factory=set)
    told: list[Change] | None = None
    """Changes told while a read is under way, whose answer may be older than they are."""


class Keeper:
    def __init__(
        self,
        shelf: Shelf,
        session: aiohttp.ClientSession,
        sources: Sources,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        uniform: Callable[[float, float], float] = random.uniform,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._timetable = Timetable(clock, uniform)
        self._shelf = shelf
        self._session = session
        self._sources = sources
        self._asker = Asker(session, now=now)
        self._now = now
        self._uniform = uniform
        self._pause = pause
        self._kept: dict[Key, _Kept] = {}
        self._writing = asyncio.Lock()
        self._changed = {provider: asyncio.Event() for provider in PROVIDERS}
        self._tasks = asyncio.TaskGroup()
        self._pools = {
            SEVENTV: SocketPool(lambda: self._connect(sources.seventv_events_url, EventApi())),
            BTTV: SocketPool(lambda: self._connect(sources.bttv_ws_url, bttv.Rooms(sources.bttv_cdn_url))),
        }

    async def run(self) -> None:
        """Work until cancelled. An error in one part ends them all: better started again than half alive."""
        async with self._tasks as tasks:
            for provider in PROVIDERS:
                await self._keep(Key(provider, None), None)
                tasks.create_task(self._read_forever(provider), name=f"read {provider} sets")
            tasks.create_task(self._follow_forever(), name="follow channels")

    # Channels come and go.

    async def _follow_forever(self) -> NoReturn:
        while True:
            await self.follow()
            await self._pause(LOOK_FOR_CHANNELS_S)

    async def follow(self) -> None:
        """Begin to keep the sets of channels that are newly followed, and stop where they no longer are."""
        try:
            followed = await self._shelf.followed()
        except ShelfUnavailable as error:
            log.warning("emotes.channels_unknown", error=str(error))
            return
        for key, kept in list(self._kept.items()):
            if key.channel is not None and followed.get(key.channel) != kept.twitch_id:
                await self._let_go(key)
        for channel, twitch_id in followed.items():
            for provider in PROVIDERS:
                await self._keep(Key(provider, channel), twitch_id)

    async def _keep(self, key: Key, twitch_id: str | None) -> None:
        if key in self._kept:
            return
        self._kept[key] = _Kept(twitch_id)
        self._timetable.add(key)
        self._changed[key.provider].set()
        if key.provider == BTTV and twitch_id is not None:
            await self._listen_to(key.provider, self._kept[key], {bttv.room(twitch_id)})

    async def _let_go(self, key: Key) -> None:
        kept = self._kept.pop(key)
        self._timetable.discard(key)
        await self._listen_to(key.provider, kept, set())

    # Reading sets.

    async def _read_forever(self, provider: str) -> NoReturn:
        """Read the provider's sets when they are due, one after another."""
        while True:
            changed = self._changed[provider]
            changed.clear()
            key, wait_s = self._timetable.next(provider) or (None, None)
            if key is not None and not wait_s:
                await self.read(key)
                await self._pause(self._uniform(*BETWEEN_READS_S))
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), wait_s)

    async def read(self, key: Key) -> None:
        """Ask for one set and write down what it is now. What cannot be read stays as it was."""
        kept = self._kept[key]
        switches = kept.switches
        kept.told = []
        self._timetable.asked(key)
        answer = await self._asker.ask(self._url(key, kept), "" if kept.switched_to else kept.etag)
        if kept.switches == switches and self._kept.get(key) is kept:  # else it is about a set that matters no more
            answer = await self._take(key, kept, answer)
        kept.told = None
        if isinstance(answer, Failed):
            log.warning("emotes.not_read", provider=key.provider, twitch_id=kept.twitch_id, reason=answer.reason)
        if self._kept.get(key) is kept:
            self._timetable.settle(key, answer)
            if kept.switches != switches and kept.switched_to:
                self._timetable.switch(key)

    def _url(self, key: Key, kept: _Kept) -> str:
        if kept.switched_to:
            return self._sources.seventv_set_url(kept.switched_to)
        return self._sources.url(key.provider, kept.twitch_id)

    async def _take(self, key: Key, kept: _Kept, answer: Answer) -> Answer:
        """Write down what an answer says; return it, or the failure that it really is."""
        switched_to, kept.switched_to = kept.switched_to, ""
        if isinstance(answer, Absent):
            if key.channel is None or switched_to:
                return Failed("not found")
            await self._link(key, kept, seventv.Links())
            await self._put(key, kept, [])
            return answer
        if not isinstance(answer, Fetched):
            return answer
        whose = None if switched_to else kept.twitch_id  # a 7TV set on its own looks like the one for everybody
        parsed = self._sources.parse(key.provider, whose, answer.body)
        if parsed is None:
            return UNKNOWN_FORMAT
        if parsed.malformed:
            log.warning("emotes.malformed", provider=key.provider, twitch_id=kept.twitch_id, count=parsed.malformed)
        if not switched_to:
            await self._link(key, kept, seventv.links(answer.body))
        was_told = await self._put(key, kept, parsed.entries)
        kept.etag = "" if was_told or switched_to else answer.etag
        return answer

    async def _put(self, key: Key, kept: _Kept, entries: list[SetEntry]) -> bool:
        """Write a set down; say whether changes were told meanwhile, which are newer than what was read."""
        at = self._now()
        told = [] if kept.told is None else kept.told

        async def write() -> None:
            await self._shelf.put(key, with_changes(entries, told), at)

        async with self._writing:
            await self._until_written(write)
        return bool(told)

    # Listening.

    async def handle(self, event: Event) -> None:
        """Do what a live socket tells."""
        if isinstance(event, Missed):
            for key in self._listeners(*event.topics):
                self._timetable.hurry(key)
                self._changed[key.provider].set()
        elif isinstance(event, Switched):
            await self._switch(event)
        else:
            await self._change(event)

    async def _change(self, event: Told) -> None:
        at = self._now()
        for key in self._listeners(event.topic):
            kept = self._kept[key]
            kept.etag = ""  # an unchanged set would no longer be the one we have
            if kept.told is not None:
                kept.told += event.changes
            self._timetable.put_off(key)
            async with self._writing:
                await self._until_written(partial(self._shelf.change, key, event.changes, at))

    async def _switch(self, event: Switched) -> None:
        """Listen to the set that was chosen from now on, and read it."""
        for key in self._listeners(event.topic):
            kept = self._kept[key]
            if kept.links.connection != event.connection or kept.links.set_id == event.set_id:
                continue
            kept.etag, kept.switched_to = "", event.set_id
            kept.switches += 1
            await self._link(key, kept, kept.links._replace(set_id=event.set_id))
            if event.set_id:
                self._timetable.switch(key)
                self._changed[key.provider].set()
            else:
                kept.told = None
                await self._put(key, kept, [])

    async def _link(self, key: Key, kept: _Kept, links: seventv.Links) -> None:
        """Listen to the set and the user that a 7TV channel has now."""
        if key.provider != SEVENTV:
            return
        kept.links = links
        topics = {emote_set(links.set_id)} if links.set_id else set()
        await self._listen_to(key.provider, kept, topics | ({user(links.user_id)} if links.user_id else set()))

    async def _listen_to(self, provider: str, kept: _Kept, topics: set[Topic]) -> None:
        """Listen to these for a set, and to nothing else unless another set needs it."""
        gone, kept.topics = kept.topics - topics, topics
        for topic in sorted(topics):
            if self._listeners(topic):  # it may have been let go while we waited
                await self._pools[provider].watch(topic)
        for topic in gone:
            if not self._listeners(topic):
                await self._pools[provider].unwatch(topic)

    def _listeners(self, *topics: Topic) -> list[Key]:
        return [key for key, kept in self._kept.items() if not kept.topics.isdisjoint(topics)]

    def _connect(self, url: str, conversation: Conversation) -> LiveSocket:
        socket = LiveSocket(url, conversation, self._session, self.handle, uniform=self._uniform, pause=self._pause)
        self._tasks.create_task(socket.run(), name=f"listen to {url}")
        return socket

    async def _until_written(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write, however long the database is away: what waits behind keeps its order, and nothing is lost."""
        while True:
            try:
                return await write()
            except ShelfUnavailable as error:
                log.warning("emotes.not_written", error=str(error), again_in_s=TRY_TO_WRITE_S)
                await self._pause(TRY_TO_WRITE_S)
