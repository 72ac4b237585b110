"""The live feed of a channel: server-sent events that can be resumed after a drop, and miss and repeat nothing.

The log of changes (streams/sync.py) is the truth, and each event's id says how far in it its reader has come. One task
for each channel and process looks whether the log went on, whenever the ingest says that something was stored and else
every few seconds, and wakes whoever listens; each reads on from its own place, so nobody waits for a slow one. Those
who are at the same place share what was read.

Rows are told as the API has them when they are read. Who hid meanwhile is told as gone, and nothing of what is theirs.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address
from itertools import zip_longest
from typing import Any, NamedTuple, TypeVar
from weakref import WeakValueDictionary

import structlog
from django.db import DatabaseError, close_old_connections
from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from chat.api.events import TRACES
from chat.api.liveevents import ABOUT, EVENTS, TOLD, beginning, example, written
from chat.doors import Doors, Full
from chat.livefeed import HEARTBEAT_SECONDS, PAUSE_SECONDS, RETRY_SECONDS, LiveEmote, LiveFeed
from chat.livefeed import Page as Listener
from chat.views.channel import emotes_lately
from chat.views.live import COME_BACK_S, doors, feed, listen_for_the_stop
from streams import sync
from streams.api import access, keys
from streams.api.problems import Problem, invalid
from streams.api.resources import Row
from streams.api.schema import EXAMPLE_OF_SINCE, EventsSchema
from streams.api.views import ApiView, since_of
from streams.models import ApiKey, Channel, Scope
from streams.sync import Choice, Cursor, Entry, Log, Place, Written
from streams.visitors import address_of, visitor_of
from viewers.gone import gone_from

log = structlog.get_logger(__name__)

NAME = "live"
FOLLOWED = (*TOLD, sync.ANEW)
CHOICES = {sync.VISIBILITY, sync.ANEW}
"""After one of these, what was read before may name who is not shown."""
DEPARTED = "departed"
"""Of somebody whom the log does not name in the clear: they are gone, and may have come back since."""
NUMBERS = ("at", "total", "today", "minute", "emotes")
MOST = 100
"""Entries that are read together."""
LOOK_EVERY_S = 2.0
ASK_FOR_KEY_EVERY_S = 1.0
SHARED = 32
"""Stretches of the log that are remembered, for those who come to the same place."""

TOO_MANY = {
    HTTPStatus.TOO_MANY_REQUESTS: "Too many feeds are open from your address or with this key. Close some.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Too many feeds are open just now. Try again in a minute.",
}

Words = tuple[str, Row]
"""The name of an event, and what it tells."""
Standing = tuple[tuple[str, str], Place]
"""A resource of the log and a key, and where they stand."""

T = TypeVar("T")
Pause = Callable[[float], Awaitable[None]]
readers = ThreadPoolExecutor(2, thread_name_prefix="live-log")
askers = ThreadPoolExecutor(1, thread_name_prefix="live-keys")
"""Who asks for keys: nobody who reads the log waits until many were asked for."""


class Keyholder(NamedTuple):
    """Who listens with a key: which one, and from where."""

    key: ApiKey
    address: IPv4Address | IPv6Address | None


class Told(NamedTuple):
    """One event, and the place of its reader once it was sent."""

    place: Place
    event: bytes


class Stretch(NamedTuple):
    """What the log has from a place on."""

    events: list[Told]
    next: Place
    is_all: bool


class Shared(NamedTuple):
    """A stretch, and how often the log had gone on by then: who was told all of it waits until it does once more."""

    stretch: Stretch
    news: int


class Asked(NamedTuple):
    """A key as it was, None if it was gone, and when (monotonic seconds)."""

    key: ApiKey | None
    at: float


# Reading, in a thread


def read(listened: Channel, database: str, start: Place) -> Stretch:
    """The next events of a channel. Few queries, however many they are."""
    with sync.at_one_moment():
        # Feeds are open for hours, and the channel may show others by now than when this one began.
        channel = Channel.objects.get(pk=listened.pk)
        found = sync.log_of(channel.pk, FOLLOWED, start, MOST)
        named = _last_of_each(found.entries, start)
        words: dict[tuple[str, str], Words] = {}
        for resource in TOLD:
            if keys := [key for name, key in named if name == resource]:
                words |= _told(channel, resource, keys, found.entries)
    words |= {(name, key): ("anew", {"resource": key or None}) for name, key in named if name == sync.ANEW}
    words |= {(name, key): ("gone", {"viewer": key}) for name, key in named if name == DEPARTED}
    events = [
        Told(place, written(*words[of], Cursor(place, database).written(channel.pk, NAME)))
        for of, place in _behind([(of, place) for of, place in named.items() if of in words], found)
    ]
    return Stretch(events, _end_of(found, start), found.is_all)


def _behind(told: list[Standing], found: Log) -> list[Standing]:
    """Whoever was told the last of a transaction stands behind all of it: who is erased later has an entry put there,
    which is for those alone who were not told that they hid.
    """
    unread = None if found.is_all or not found.entries else found.entries[-1].place.xid
    following = [place.xid for _, place in told[1:]]
    return [
        (of, place if place.xid in (then, unread) else Place(place.xid + 1))
        for (of, place), then in zip_longest(told, following)
    ]


def _end_of(found: Log, start: Place) -> Place:
    """Where who has read so far goes on: together with all others who have."""
    if not found.entries:
        return start
    last = found.entries[-1].place
    return Place(last.xid + 1) if found.is_all else last


def _last_of_each(entries: list[Entry], start: Place) -> dict[tuple[str, str], Place]:
    """Each row once, where it is named last, in the order of the log."""
    last: dict[tuple[str, str], Place] = {}
    for entry in entries:
        if departure := entry.departure:
            if departure.viewer:
                last.pop((DEPARTED, departure.viewer), None)
                last[DEPARTED, departure.viewer] = entry.place
            continue
        is_resumed = entry.place[:3] == start[:3]
        keys = [key for key in entry.keys if not is_resumed or key > (start.after or "")]
        for key in keys:
            last.pop((entry.resource, key), None)
            last[entry.resource, key] = entry.place._replace(after=None if key == keys[-1] else key)
    return last


def _told(
    channel: Channel, resource: str, keys: Sequence[str], entries: Sequence[Entry]
) -> dict[tuple[str, str], Words]:
    """What is told of rows; nothing of those of whoever is not shown."""
    name, asked = TOLD[resource]
    rows = {asked.key_of(row): row for row in asked.find(channel, keys)}
    told: dict[tuple[str, str], Words] = {(resource, key): (name, row) for key, row in rows.items()}
    if resource == sync.VISIBILITY:
        gone = gone_from(channel, _choices(entries), traces=TRACES)
        return told | {(resource, key): ("gone", {"viewer": key}) for key in gone if key not in rows}
    # One by one, each where it stands in the log: viewers who are gone have entries of their own.
    absent = asked.absent(channel, [key for key in keys if key not in rows], _written(entries, resource))
    return told | {(resource, key): ("deleted", {"resource": asked.name, "id": key}) for key in absent.deleted}


def _choices(entries: Sequence[Entry]) -> dict[str, Choice]:
    chosen: dict[str, Choice] = {}
    for entry in entries:
        if entry.resource == sync.VISIBILITY and not entry.sealed:
            sync.note_choice(chosen, entry)
    return chosen


def _written(entries: Sequence[Entry], resource: str) -> Written:
    """What the log says of rows of a resource, beside that they changed."""
    return Written({}, {each.place.key: each.whose for each in entries if each.resource == resource and each.whose})


def _numbers(state: Mapping[str, Any]) -> Row:
    return {name: state[name] for name in NUMBERS if name in state}


def _may_listen(who: Keyholder) -> bool:
    is_usable = who.key.revoked_at is None and who.key.is_running
    return is_usable and Scope.READ in who.key.scopes and keys.is_from(*who)


async def in_thread(work: Callable[..., T], *args: Any, by: ThreadPoolExecutor = readers) -> T:
    """Ask the database without holding up the loop."""

    def run() -> T:
        try:
            return work(*args)
        finally:
            close_old_connections()  # the stream may be open for hours; the connection must not

    return await asyncio.get_running_loop().run_in_executor(by, run)


# Those who listen


class Watch:
    """Looks whether the log of one channel went on, for all in this process who listen to it."""

    def __init__(self, live: LiveFeed, channel: Channel, database: str) -> None:
        self.channel = channel
        self.listeners: set[Listener] = set()
        self.is_over = False
        self.news = 0
        """How often the log went on."""
        self._live = live
        self._database = database
        self._place: Place | None = None
        """How far it has looked, None until it began; from there on, wherever those who listen go on."""
        self._shared: dict[Place, Shared] = {}
        self._forgotten = 0
        """How often what is shared was thrown away."""
        self._keys: dict[int, Asked] = {}
        self._turns: WeakValueDictionary[Place | int, asyncio.Lock] = WeakValueDictionary()
        """Who wants the same stretch, or asks for the same key, waits for whoever came first; nobody else does."""

    async def stretch(self, start: Place) -> Shared:
        turn = self._turns.setdefault(start, asyncio.Lock())
        async with turn:
            if start in self._shared:
                return self._shared[start]
            while True:
                before, news = self._forgotten, self.news
                found = Shared(await in_thread(read, self.channel, self._database, start), news)
                if before == self._forgotten:  # else somebody chose meanwhile, and this may not know of it
                    break
            if found.stretch.next != start:
                self._shared[start] = found
                while len(self._shared) > SHARED:
                    del self._shared[next(iter(self._shared))]
            return found

    async def may_go_on(self, who: Keyholder) -> bool:
        """Whether their key works for them, as of a second ago: a busy channel wakes them twice in that time."""
        number = who.key.pk
        turn = self._turns.setdefault(number, asyncio.Lock())
        async with turn:
            asked, now = self._keys.get(number), time.monotonic()
            if asked is None or now - asked.at >= ASK_FOR_KEY_EVERY_S:
                asked = self._keys[number] = Asked(await in_thread(keys.keyring.again, who.key, by=askers), now)
        return asked.key is not None and _may_listen(who._replace(key=asked.key))

    def forget(self) -> None:
        """Throw away what was read: somebody chose, or the channel shows others, and it may name who is not shown."""
        self._shared.clear()
        self._forgotten += 1

    async def run(self, pause: Pause) -> None:
        try:
            with self._live.opened({self.channel.pk: {}}) as told:
                while True:
                    await self._look()
                    await pause(PAUSE_SECONDS)
                    await _woken(told, LOOK_EVERY_S)
                    if told.outdated:
                        self.forget()
                    told.changed, told.outdated = set(), set()
        finally:
            self.is_over = True
            self._wake()

    async def _look(self) -> None:
        try:
            found = await in_thread(self._read_on)
        except DatabaseError as error:
            log.warning("live.log_not_read", channel=self.channel.pk, error=str(error))
            return
        has_begun, self._place = self._place is None, found.next
        # Of what came before it began nothing is known to who was quicker: they look once more.
        if has_begun or any(entry.resource in CHOICES for entry in found.entries):
            self.forget()
        if has_begun or found.entries:
            self._wake()

    def _read_on(self) -> Log:
        if self._place is None:
            return Log([], sync.begin().place, is_all=True)
        return sync.log_of(self.channel.pk, FOLLOWED, self._place, MOST)

    def _wake(self) -> None:
        self.news += 1
        for listener in self.listeners:
            listener.woken.set()


class Watches:
    """The channels that are watched in this process: from the first who listens to the last who leaves."""

    def __init__(self, live: LiveFeed, pause: Pause = asyncio.sleep) -> None:
        self._live = live
        self._pause = pause
        self._known: dict[int, tuple[Watch, asyncio.Task[None]]] = {}

    @contextmanager
    def joined(self, channel: Channel, database: str, listener: Listener) -> Iterator[Watch]:
        if channel.pk not in self._known or self._known[channel.pk][0].is_over:
            watch = Watch(self._live, channel, database)
            self._known[channel.pk] = watch, asyncio.create_task(watch.run(self._pause), name=f"log of {channel.pk}")
        watch, task = self._known[channel.pk]
        watch.listeners.add(listener)
        try:
            yield watch
        finally:
            watch.listeners.discard(listener)
            if not watch.listeners:
                if self._known.get(channel.pk) == (watch, task):
                    del self._known[channel.pk]
                task.cancel()


async def _woken(listener: Listener, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await listener.woken.wait()
    except TimeoutError:
        return False
    listener.woken.clear()
    return True


async def follow(
    watches: Watches,
    live: LiveFeed,
    channel: Channel,
    start: Cursor,
    *,
    who: Keyholder | None = None,
    emotes: Mapping[LiveEmote, int] | None = None,
    heartbeat: float = HEARTBEAT_SECONDS,
    pause: Pause = asyncio.sleep,
) -> AsyncGenerator[bytes, None]:
    """Server-sent events from a place in the log on, until the reader leaves or may not go on."""
    place, read_at = start.place, -1
    with (
        live.opened({channel.pk: emotes or {}}) as listener,
        watches.joined(channel, start.database, listener) as watch,
    ):
        yield beginning(start.written(channel.pk, NAME), RETRY_SECONDS)
        while who is None or await watch.may_go_on(who):
            if watch.news != read_at:  # else there are new numbers at most, for which nobody reads the log
                stretch, news = await watch.stretch(place)
                for event in stretch.events:
                    yield event.event
                place, read_at = stretch.next, news if stretch.is_all else -1
                continue
            is_woken = await _woken(listener, heartbeat)
            if live.is_closed or watch.is_over:
                return
            # Before they are told: what changes while a slow one is told comes next.
            has_changed, listener.changed, listener.outdated = bool(listener.changed), set(), set()
            if not is_woken:
                yield b": nothing new\n\n"
            elif has_changed:
                yield written("numbers", _numbers(live.state_of(channel.pk)))
            await pause(PAUSE_SECONDS)


async def guarded(doors: Doors, who: str, events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The same where there is room for one more."""
    listen_for_the_stop()
    try:
        with doors.entered(who):
            async for event in events:
                yield event
    except Full:  # many came at the same moment: this one asks again later
        yield f"retry: {COME_BACK_S * 1000}\n\n".encode()
    finally:
        await events.aclose()


watches = Watches(feed)


class EventStream(BaseRenderer):
    """What `Accept` has to allow. It renders nothing: the view answers with a stream, and problems are answers too."""

    media_type = "text/event-stream"
    format = "sse"


class Live(ApiView):
    """What happens in a channel, as it happens."""

    http_method_names = ["get"]  # noqa: RUF012 - asked with HEAD, it would hold a place and send nothing, for ever
    schema = EventsSchema()
    operation = "live"
    tag = "live"
    renderer_classes = (EventStream,)
    about = ABOUT
    events = EVENTS
    example = example(EXAMPLE_OF_SINCE, RETRY_SECONDS)

    def get(self, request: Request, channel: str) -> HttpResponseBase:
        found, key, plain = self.channel(request, channel), access.key_of(request), request._request  # noqa: SLF001
        start = _start(request, found)
        listening = Keyholder(key, address_of(plain)) if key else None
        who = f"key {key.pk}" if key else visitor_of(plain)
        try:
            doors.check(who)
        except Full as full:
            problem = Problem(full.status, TOO_MANY[full.status])
            problem.wait = COME_BACK_S
            raise problem from full
        emotes = {} if feed.is_open(found.pk) else emotes_lately(found, timezone.now())
        events = follow(watches, feed, found, start, who=listening, emotes=emotes)
        return StreamingHttpResponse(
            guarded(doors, who, events),
            content_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )


def _start(request: Request, channel: Channel) -> Cursor:
    """Where to go on, or now. A browser that comes again names the address it came by first, and the last event."""
    if unknown := [name for name in request.GET if name != "since"]:
        raise invalid({unknown[0]: ["There is no such parameter here."]})
    text = request.headers.get("Last-Event-ID") or request.GET.get("since")
    if text is None:
        return sync.begin()
    try:
        start = since_of(text, channel.pk, NAME)
        sync.check(channel.pk, NAME, start)
    except sync.Invalid as error:
        raise Problem(400, str(error), "invalid_cursor") from error
    except sync.SyncAnew as error:
        raise Problem(410, str(error), "sync_anew") from error
    return start
