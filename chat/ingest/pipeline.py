"""Wires the ingest: sockets to the queue, the queue to the store. Holds no rules."""

import asyncio
import gc
import json
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Generic, TypeVar

import django.db
import redis
import redis.asyncio
import structlog
import uvloop
from django.conf import settings
from django.db import connection
from redis.exceptions import RedisError

from chat import emotekeeper
from chat.ingest import eventsub_permits
from chat.ingest.coverage import GapKeeper, Ledger
from chat.ingest.emoteupdates import EmoteUpdates
from chat.ingest.eventsub_reader import EventReader, Notes, Outcome, Pace
from chat.ingest.eventsub_reader import Outside as EventOutside
from chat.ingest.queue import STREAM, LineGroup, LineQueue, connect_reader, connect_writer
from chat.ingest.sockets import ChatReader, Outside, Timing
from chat.ingest.spool import Place, Spool
from chat.ingest.store import Store
from chat.ingest.turn import Turn
from chat.ingest.writer import Writer
from streams import scopes
from streams.models import Channel

log = structlog.get_logger(__name__)

CHANNELS_KEY = "streamstats:ingest:channels"
POLL_SECONDS = 3.0
ANSWER_SECONDS = 3.0
DRAIN_SECONDS = 2.0
PERMIT_ENDED = "the permission no longer holds, or the channel is no longer followed: connect the channel again"

T = TypeVar("T")


def run_reader() -> None:
    """Read chat until SIGTERM or SIGINT."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_signalled(read_chat))


async def until_signalled(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await work(stop)


async def read_chat(
    stop: asyncio.Event, *, followed: Callable[[], frozenset[str]] | None = None, timing: Timing | None = None
) -> None:
    """Hand everything said in the followed channels to the queue."""
    folder = settings.LAYOUT.spool
    place = Place.take(folder, "reader")
    orphans = [Spool(other) for other in Place.take_abandoned(folder, "reader")]
    client = connect_reader(settings.REDIS_URL)
    spool = Spool(place)
    ledger = Ledger()
    queue = LineQueue(client, spool, orphans=orphans, lost=ledger.lost)
    chat = ChatReader(Outside(settings.TWITCH_IRC_URL, queue.put, ledger.left, timing or Timing()))
    keeper = GapKeeper(
        client,
        f"{socket.gethostname()}-{place.number}",
        ledger,
        place.path("coverage"),
        present=chat.present,
        unsafe_since=queue.unsafe_since,
        orphans=[orphan.place.path("coverage") for orphan in orphans],
    )
    source = FollowedChannels(client, followed or followed_in_postgres)
    log.info("reader.started", place=str(place), url=settings.TWITCH_IRC_URL)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(queue.run())
        async with chat:
            tasks.create_task(keeper.run(stop))
            following = tasks.create_task(keep_following(source, keeper, chat))
            await stop.wait()
            following.cancel()
        queue.close()
    await keeper.beat()
    await client.aclose()
    spool.close()
    log.info("reader.stopped")


def run_events() -> None:
    """Listen to EventSub until SIGTERM or SIGINT."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_signalled(read_events))


async def read_events(stop: asyncio.Event, *, pace: Pace | None = None) -> None:
    """Hand everything that Twitch tells about connected channels to the queue."""
    if not settings.TWITCH_CLIENT_ID:
        log.info("eventsub.idle", hint="TWITCH_CLIENT_ID is not set, so no channel can be connected")
        await stop.wait()
        return
    folder, pace = settings.LAYOUT.spool, pace or Pace()
    place = Place.take(folder, "eventsub")
    orphans = [Spool(other) for other in Place.take_abandoned(folder, "eventsub")]
    client = connect_reader(settings.REDIS_URL)
    spool = Spool(place)
    # Lines that fit nowhere are no time without chat: that the queue says so in the log has to do.
    queue = LineQueue(client, spool, orphans=orphans, lost=lambda _loss: None, source="eventsub")
    turn = Turn(client, "eventsub", f"{socket.gethostname()}-{place.number}")
    notes = Notes(_write_outcomes, pace)
    account = eventsub_permits.account_in(in_daemon_thread)
    offered = frozenset(scopes.for_channel())
    outside = EventOutside(settings.TWITCH_EVENTSUB_WS_URL, queue.put, account, notes.tell, offered, pace)
    log.info("eventsub.started", place=str(place), url=settings.TWITCH_EVENTSUB_WS_URL)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(queue.run())
        async with EventReader(outside) as reader:
            writing = tasks.create_task(notes.run())
            await keep_permitted(stop, turn, reader)
        queue.close()
        notes.close()
        await asyncio.wait({writing}, timeout=ANSWER_SECONDS)
        writing.cancel()  # if the database does not answer, whoever comes next says that nothing arrived
    await turn.release()
    await client.aclose()
    spool.close()
    log.info("eventsub.stopped")


async def keep_permitted(stop: asyncio.Event, turn: Turn, reader: EventReader) -> None:
    """Have a connection for everybody who allows it, until `stop`.

    One process does it: the same events told twice over two connections have different ids.
    """
    source, beginning = Question(eventsub_permits.permits), Question(eventsub_permits.begin)
    has_begun = is_away = False
    while not stop.is_set():
        if await turn.take():
            try:
                if not has_begun:
                    await beginning.ask()
                    has_begun = True
                await reader.follow(await source.ask(), PERMIT_ENDED)
                is_away = False
            except (django.db.Error, TimeoutError) as error:  # whoever is connected stays so
                if not is_away:
                    log.error("postgres.away", error=str(error).strip())
                is_away = True
        else:
            has_begun = False
            await reader.follow(frozenset(), "")  # what becomes of subscriptions now, another process says
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await stop.wait()


async def _write_outcomes(outcomes: list[Outcome]) -> None:
    await in_daemon_thread(partial(eventsub_permits.write, outcomes))


async def keep_following(source: "FollowedChannels", keeper: GapKeeper, chat: ChatReader) -> None:
    while True:
        channels = await source.poll()
        if channels is not None:
            keeper.follow(channels)
            await chat.follow(channels)
        await asyncio.sleep(POLL_SECONDS)


class Question(Generic[T]):
    """A blocking call that may take for ever, asked again and again."""

    def __init__(self, read: Callable[[], T]) -> None:
        self.read = read
        self._asking: asyncio.Future[T] | None = None

    async def ask(self) -> T:
        """Return the answer; a question without one goes on, and is not asked again meanwhile."""
        self._asking = self._asking or asyncio.ensure_future(in_daemon_thread(self.read))
        await asyncio.wait({self._asking}, timeout=ANSWER_SECONDS)
        if not self._asking.done():
            raise TimeoutError("no answer yet")
        asked, self._asking = self._asking, None
        return asked.result()


class FollowedChannels:
    """The channels to read: as Postgres says, or as it said last, also to a reader that has just started."""

    def __init__(self, client: "redis.asyncio.Redis", read: Callable[[], frozenset[str]]) -> None:
        self.client = client
        self._question = Question(read)
        self._last: frozenset[str] | None = None
        self._kept: frozenset[str] | None = None
        self._is_away = False

    async def poll(self) -> frozenset[str] | None:
        """Return the channels; None while nobody can say."""
        try:
            self._last = await self._question.ask()
        except (django.db.Error, TimeoutError) as error:
            if not self._is_away:
                log.error("postgres.away", error=str(error).strip())
            self._is_away = True
            return self._last if self._last is not None else await self._recall()
        if self._is_away:
            log.info("postgres.back")
            self._is_away = False
        await self._keep(self._last)
        return self._last

    async def _keep(self, channels: frozenset[str]) -> None:
        if channels == self._kept:
            return
        with suppress(RedisError, OSError):  # tried again at the next poll; the queue says that Redis is away
            await self.client.set(CHANNELS_KEY, json.dumps(sorted(channels)))
            self._kept = channels

    async def _recall(self) -> frozenset[str] | None:
        with suppress(RedisError, OSError):
            if text := await self.client.get(CHANNELS_KEY):
                self._last = frozenset(json.loads(text))
        return self._last


def followed_in_postgres() -> frozenset[str]:
    try:
        return frozenset(login for login in Channel.objects.followed().values_list("login", flat=True) if login)
    finally:
        connection.close()  # each call runs in a thread of its own


async def in_daemon_thread(read: Callable[[], T]) -> T:
    """Wait for a blocking call, but let the process end in the middle of it."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def work() -> None:
        try:
            future.set_result(read())
        except Exception as error:  # noqa: BLE001 - raised again where it is awaited
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return await asyncio.wrap_future(future)


def run_writer() -> None:
    """Write to Postgres until SIGTERM or SIGINT; what is in the queue by then is written, if it does not take long."""
    place = Place.take(settings.LAYOUT.spool, "writer")
    client = connect_writer(settings.REDIS_URL)
    group = LineGroup(connect_writer(settings.REDIS_URL), f"{socket.gethostname()}-{place.number}")
    writer = Writer(group, client, Store(), EmoteUpdates(client))
    stop = threading.Event()

    def drain_and_stop(_number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=stop_when_empty, args=(client, stop), daemon=True).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, drain_and_stop)
    log.info("writer.started", place=str(place))
    # A batch is some ten thousand tuples that all die together: looking for cycles among them every few
    # hundred costs a sixth of the writer's time and finds none.
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    writer.run(stop)
    log.info("writer.stopped")


def stop_when_empty(client: "redis.Redis", stop: threading.Event) -> None:
    """Set `stop` once the queue is empty, or not much later."""
    deadline = time.monotonic() + DRAIN_SECONDS
    try:
        while client.xlen(STREAM) and time.monotonic() < deadline:
            stop.wait(0.05)
    except (RedisError, OSError) as error:
        log.info("writer.not_drained", error=str(error))
    stop.set()


def run_emotes() -> None:
    """Keep the emote sets until SIGTERM or SIGINT."""
    asyncio.run(until_signalled(emotekeeper.keep))
