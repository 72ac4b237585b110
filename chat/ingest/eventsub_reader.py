"""EventSub over WebSocket: one connection for each account that allowed it, raw frames out.

`Link` is one socket around a `Session`, `Connection` keeps one account's subscriptions alive over as many sockets as
that takes, `EventReader` has a connection for each account.

What is missed while a connection is lost does not come again, and is no `Gap`: those are times without chat. Polling
puts streams and presence right, and chat tells most of the rest. That it happened is said in `EventSubscription`.
"""

import asyncio
import enum
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import aiohttp
import structlog

from chat.ingest import sockets
from chat.ingest.eventsub_session import (
    Connect,
    Deed,
    Malformed,
    Over,
    Phase,
    Revoked,
    Seen,
    Session,
    Subscribe,
    TakeOver,
    Timing,
    shown,
)
from chat.ingest.eventsub_topics import Topic, topics

log = structlog.get_logger(__name__)

Socket: TypeAlias = "aiohttp.ClientWebSocketResponse[Literal[False]]"
STOPPED = "the reader was stopped"
ENDED_AT_TWITCH = {
    "authorization_revoked": "the permission was taken back at Twitch: connect the channel again",
    "user_removed": "the account is gone from Twitch",
    "version_removed": "Twitch no longer has this kind of event in this version: StreamStats has to be updated",
    "moderator_removed": "the account is no longer a moderator of the channel",
}


class Pace(NamedTuple):
    """How long to wait for what, in seconds, and how much at once."""

    session: Timing = Timing()
    reconnect_base: float = 1.0
    reconnect_cap: float = 60.0
    steady: float = 60.0  # a connection that lasted so long may be replaced at once
    linger: float = 2.0  # an old connection is heard so long after its heir's welcome: frames may be under way
    again: float = 15.0  # Twitch had no answer, or too many questions: doubles up to the cap
    again_cap: float = 600.0
    refused: float = 3600.0  # Twitch said no: somebody has to do something first
    setting_up: float = 60.0  # a connection holds up others no longer than this
    tick: float = 0.25
    flush: float = 0.5
    questions_at_once: int = 4  # of one connection
    connections_at_once: int = 5  # that are being set up: each has 10 s for its first subscription


class State(enum.StrEnum):
    """What has become of a subscription."""

    ENABLED = "enabled"
    REFUSED = "refused"
    REVOKED = "revoked"
    LOST = "lost"


@dataclass(frozen=True)
class Permit:
    """What an account allowed. Another consent is another permit; fresh tokens are not."""

    grant_id: int
    twitch_id: str
    login: str = field(compare=False)
    scopes: frozenset[str]
    granted_at: datetime


class Outcome(NamedTuple):
    """What became of one thing that was asked for."""

    grant_id: int
    topic: Topic
    state: State
    at: datetime
    reason: str = ""
    twitch_id: str = ""
    cost: int = 0


class Made(NamedTuple):
    """A subscription as Twitch made it. Both are empty where it had been there before."""

    twitch_id: str = ""
    cost: int = 0


class Refused(Exception):
    """Twitch says no, and will say so again until somebody does something; the text says what."""


class NotNow(Exception):
    """Twitch could not answer, or has had enough of questions: the same may work later."""


class PermitGone(Exception):
    """Nothing can be asked for with this permit any more."""


class Unavailable(Exception):
    """What became of subscriptions cannot be written down at the moment."""


class Account(Protocol):
    """Twitch, as far as one permit goes."""

    async def subscribe(self, topic: Topic, session_id: str) -> Made:
        """Ask for a topic on a session. Raises Refused, NotNow or PermitGone."""
        ...


@dataclass(frozen=True)
class Outside:
    """What connections are handed: where to connect, whom to ask and tell, clocks and chance."""

    url: str
    deliver: Callable[[bytes, int], None]  # one frame, and when it was received (ms since epoch)
    account: Callable[[Permit], AbstractAsyncContextManager[Account]]  # raises NotNow or PermitGone
    tell: Callable[[Outcome], None]
    offered: frozenset[str]  # the permissions we ask people for at all
    pace: Pace = field(default_factory=Pace)
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    chance: random.Random = field(default_factory=random.Random)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.wall(), UTC)

    def backoff(self) -> Any:
        timing = sockets.Timing(reconnect_base=self.pace.reconnect_base, reconnect_cap=self.pace.reconnect_cap)
        return sockets.backoff(timing, self.chance)


class Link:
    """One socket: moves frames from it to its session, and tells what the session wants done."""

    def __init__(self, outside: Outside, url: str, seen: Seen, *, is_carried: bool = False) -> None:
        self.outside = outside
        self.url = url
        self.session = Session(seen, outside.monotonic(), outside.pace.session, is_carried=is_carried)

    async def run(self, http: aiohttp.ClientSession, tell: "Callable[[Link, Deed], None]") -> None:
        """Connect and receive until the connection ends."""
        session = self.session
        try:
            await self._connect_and_receive(http, tell)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            session.give_up(f"no connection to Twitch: {shown(str(error)) or type(error).__name__}")
        except Exception:
            log.exception("eventsub.broken")
            session.give_up("an error in the reader")
        self._pass_on(tell)

    def heard_at(self) -> datetime:
        """When the last frame came."""
        silent_s = self.outside.monotonic() - self.session.heard_at
        return datetime.fromtimestamp(self.outside.wall() - silent_s, UTC)

    async def _connect_and_receive(self, http: aiohttp.ClientSession, tell: "Callable[[Link, Deed], None]") -> None:
        async with asyncio.timeout(self.outside.pace.session.welcome):
            socket = await http.ws_connect(
                self.url, decode_text=False, compress=0, timeout=aiohttp.ClientWSTimeout(ws_close=1.0)
            )
        async with socket:
            self.session.opened(self.outside.monotonic())
            ticking = asyncio.create_task(self._tick(socket))
            try:
                await self._receive(socket, tell)
            finally:
                ticking.cancel()

    async def _receive(self, socket: Socket, tell: "Callable[[Link, Deed], None]") -> None:
        while True:
            message = await socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                self.session.closed(socket.close_code)
                return
            if frame := self.session.receive(message.data, self.outside.monotonic()):
                self.outside.deliver(frame, int(self.outside.wall() * 1000))
            self._pass_on(tell)

    async def _tick(self, socket: Socket) -> None:
        while self.session.phase is not Phase.OVER:
            await asyncio.sleep(self.outside.pace.tick)
            self.session.tick(self.outside.monotonic())
        await socket.close()

    def _pass_on(self, tell: "Callable[[Link, Deed], None]") -> None:
        for deed in self.session.take_deeds():
            tell(self, deed)


@dataclass
class Want:
    """How far one topic has come on the present session."""

    due: float = 0.0
    attempts: int = 0
    is_enabled: bool = False
    made: Made = field(default_factory=Made)
    missing_since: datetime | None = None  # it was enabled until then
    missing_reason: str = ""


class Connection:
    """Keeps the subscriptions of one account alive."""

    def __init__(self, outside: Outside, permit: Permit, places: asyncio.Semaphore) -> None:
        self.outside = outside
        self.permit = permit
        self.places = places
        self.farewell = STOPPED
        self.wants: dict[Topic, Want] = {}
        self.session_id = ""
        self._http: aiohttp.ClientSession
        self._seen = Seen()
        self._inbox: asyncio.Queue[tuple[Link | None, Deed]] = asyncio.Queue()
        self._current: Link | None = None  # has the subscriptions
        self._next: Link | None = None  # is to have them
        self._tasks: dict[asyncio.Task[None], Link | None] = {}
        self._settled = asyncio.Event()  # not between two connections
        self._due_changed = asyncio.Event()
        self._was_useful = False
        self._is_gone = False

    async def run(self, http: aiohttp.ClientSession) -> None:
        """Connect again and again, with back-off."""
        self._http = http
        self._choose()
        delays = self.outside.backoff()
        try:
            while True:
                began = self.outside.monotonic()
                reason = await self._hold_safely()
                self._lost(reason)
                if self._was_useful and self.outside.monotonic() - began >= self.outside.pace.steady:
                    delays = self.outside.backoff()
                delay = next(delays) + (self.outside.pace.again if self._is_gone else 0)
                log.warning("eventsub.reconnecting", login=self.permit.login, reason=reason, in_s=round(delay, 1))
                await asyncio.sleep(delay)
        finally:
            self._lost(self.farewell)

    def _choose(self) -> None:
        """Want what the permit allows, and say what it does not."""
        for topic, objection in topics(self.permit.twitch_id, self.permit.scopes, self.outside.offered):
            if objection:
                self._tell(topic, State.REFUSED, objection)
            else:
                self.wants[topic] = Want()

    def _tell(self, topic: Topic, state: State, reason: str = "", made: Made | None = None) -> None:
        made = made or Made()
        self.outside.tell(
            Outcome(self.permit.grant_id, topic, state, self.outside.now(), reason, made.twitch_id, made.cost)
        )

    # One session, over however many sockets.

    async def _hold_safely(self) -> str:
        try:
            return await self._hold()
        except Exception:
            log.exception("eventsub.broken", login=self.permit.login)
            return "an error in the reader"

    async def _hold(self) -> str:
        """Have one session until it is lost; return why."""
        self._inbox = asyncio.Queue()
        self._settled.clear()
        self._was_useful = self._is_gone = False
        async with _Place(self.places, self.outside.pace.setting_up) as place:
            try:
                self._current = self._open(self.outside.url)
                while True:
                    link, deed = await self._inbox.get()
                    if reason := self._obey(link, deed, place):
                        return reason
            finally:
                await self._let_go()

    def _obey(self, link: Link | None, deed: Deed, place: "_Place") -> str:
        """Do what a link asks for; return why the session is lost, if it is."""
        match deed:
            case Subscribe(session_id):
                self._settle(session_id)
                self._start(self._keep_subscribed(place))
            case TakeOver(session_id) if link is self._next:
                self._hand_over(session_id)
            case Connect(url) if link is self._current:
                log.info("eventsub.moving", login=self.permit.login)
                self._settled.clear()
                self._next = self._open(url, is_carried=True)
            case Revoked():
                self._revoked(deed)
            case Malformed(reason):
                count = link.session.malformed if link else 0
                log.warning("eventsub.malformed", login=self.permit.login, reason=reason, count=count)
            case Over(reason):
                return self._over(link, reason)
            case _:
                pass  # from a link that is no longer needed
        return ""

    def _open(self, url: str, *, is_carried: bool = False) -> Link:
        link = Link(self.outside, url, self._seen, is_carried=is_carried)
        self._start(link.run(self._http, lambda link, deed: self._inbox.put_nowait((link, deed))), link)
        return link

    def _start(self, work: Any, link: Link | None = None) -> None:
        task = asyncio.create_task(work)
        self._tasks[task] = link
        task.add_done_callback(lambda task: self._tasks.pop(task, None))

    def _settle(self, session_id: str) -> None:
        self.session_id = session_id
        self._settled.set()

    def _hand_over(self, session_id: str) -> None:
        """Go on with the new link; the old one is heard until nothing can be under way on it."""
        old, self._current, self._next = self._current, self._next, None
        self._settle(session_id)
        log.info("eventsub.moved", login=self.permit.login)
        for task, link in self._tasks.items():
            if link is old and old is not None:
                asyncio.get_running_loop().call_later(self.outside.pace.linger, task.cancel)
        for topic, want in self.wants.items():
            if want.is_enabled and want.missing_since:  # the old one did not last until now
                self._enabled(topic, want.made)

    def _over(self, link: Link | None, reason: str) -> str:
        if link is None:  # it was not the link that failed
            return reason
        if link is self._current:
            self._note_missing(link.heard_at(), reason)
            self._current = None
        elif link is self._next:
            self._next = None
            if self._current is not None:
                log.warning("eventsub.not_moved", login=self.permit.login, reason=reason)
                self._start(self._move_again(link.url))
        return "" if self._current or self._next else reason

    async def _move_again(self, url: str) -> None:
        """Try the address of a reconnect once more: until the old connection is closed nothing is missed."""
        await asyncio.sleep(self.outside.chance.uniform(0, self.outside.pace.reconnect_base))
        if self._current is not None and self._next is None:
            self._next = self._open(url, is_carried=True)

    async def _let_go(self) -> None:
        """End every task of the session that was."""
        self._current = self._next = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _note_missing(self, since: datetime, reason: str) -> None:
        for want in self.wants.values():
            if want.is_enabled and want.missing_since is None:
                want.missing_since, want.missing_reason = since, reason

    def _lost(self, reason: str) -> None:
        """Say of all that arrived until now that it no longer does; without a reason others will say so."""
        self._note_missing(self.outside.now(), reason)
        for topic, want in self.wants.items():
            if want.is_enabled and reason:
                self._tell(topic, State.LOST, reason)
            want.is_enabled = False
            want.due, want.attempts = 0.0, 0

    # Asking.

    async def _keep_subscribed(self, place: "_Place") -> None:
        """Ask for everything that is due, now and whenever something is due again."""
        while not self._is_gone:
            self._due_changed.clear()
            now = self.outside.monotonic()
            due = [topic for topic, want in self.wants.items() if not want.is_enabled and want.due <= now]
            if due:
                await self._ask_for(due)
                place.give_back()
            waiting = [want.due for want in self.wants.values() if not want.is_enabled]
            in_s = max(0.0, min(waiting) - self.outside.monotonic()) if waiting else None
            await _wait(self._due_changed, in_s)

    async def _ask_for(self, due: Iterable[Topic]) -> None:
        turn = asyncio.Semaphore(self.outside.pace.questions_at_once)
        due = list(due)
        try:
            async with self.outside.account(self.permit) as account:
                await asyncio.gather(*(self._ask(account, topic, turn) for topic in due))
        except PermitGone as error:
            self._permit_is_gone(str(error))
        except NotNow as error:
            for topic in due:
                self._ask_later(topic, str(error))
        wants = [self.wants[topic] for topic in due]
        enabled = sum(want.is_enabled for want in wants)
        log.info("eventsub.subscribed", login=self.permit.login, enabled=enabled, others=len(wants) - enabled)

    async def _ask(self, account: Account, topic: Topic, turn: asyncio.Semaphore) -> None:
        async with turn:
            await self._settled.wait()
            if self._is_gone:
                return
            session_id = self.session_id
            try:
                made = await account.subscribe(topic, session_id)
            except PermitGone as error:
                self._permit_is_gone(str(error))
            except NotNow as error:
                self._ask_later(topic, str(error))
            except Refused as error:
                if session_id == self.session_id and self._settled.is_set():
                    self._refused(topic, str(error))
                # Else Twitch may only have refused a session that was about to move: it is still due.
            except Exception:
                log.exception("eventsub.broken", login=self.permit.login)
                self._ask_later(topic, "an error in the reader")
            else:
                self._enabled(topic, made)

    def _enabled(self, topic: Topic, made: Made) -> None:
        want = self.wants[topic]
        missed = ""
        if since := want.missing_since:
            missed = f"Nothing arrived from {since:%Y-%m-%d %H:%M:%S} to {self.outside.now():%H:%M:%S} UTC: "
            missed += want.missing_reason
        want.is_enabled, want.made, want.attempts = True, made, 0
        want.missing_since, want.missing_reason = None, ""
        self._was_useful = True
        self._tell(topic, State.ENABLED, missed, made)

    def _refused(self, topic: Topic, reason: str) -> None:
        self.wants[topic].due = self.outside.monotonic() + self.outside.pace.refused
        self._tell(topic, State.REFUSED, reason)

    def _ask_later(self, topic: Topic, reason: str) -> None:
        want, pace = self.wants[topic], self.outside.pace
        in_s = min(pace.again * 2 ** min(want.attempts, 10), pace.again_cap)
        want.attempts += 1
        want.due = self.outside.monotonic() + in_s
        self._tell(topic, State.LOST, f"{reason}; asked for again in {in_s:.0f} s")

    def _permit_is_gone(self, reason: str) -> None:
        if not self._is_gone:
            self._is_gone = True
            self._inbox.put_nowait((None, Over(reason)))

    def _revoked(self, revoked: Revoked) -> None:
        """Note what Twitch ended. Asking again tells whether the whole permission is gone."""
        for topic, want in self.wants.items():
            if topic.asks_for(revoked.type, revoked.condition):
                reason = ENDED_AT_TWITCH.get(revoked.status, f"Twitch ended it ({shown(revoked.status)})")
                log.warning("eventsub.revoked", login=self.permit.login, type=topic.type, status=shown(revoked.status))
                want.is_enabled = False
                is_all = revoked.status == "authorization_revoked"
                want.due = self.outside.monotonic() + (self.outside.pace.again if is_all else self.outside.pace.refused)
                self._tell(topic, State.REVOKED, reason)
        self._due_changed.set()


class _Place:
    """A place among the connections that are set up at the same time; given back early, or when it took too long."""

    def __init__(self, places: asyncio.Semaphore, at_most_s: float) -> None:
        self.places = places
        self.at_most_s = at_most_s
        self._is_taken = False

    async def __aenter__(self) -> "_Place":
        await self.places.acquire()
        self._is_taken = True
        self._timer = asyncio.get_running_loop().call_later(self.at_most_s, self.give_back)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.give_back()

    def give_back(self) -> None:
        if self._is_taken:
            self._is_taken = False
            self._timer.cancel()
            self.places.release()


async def _wait(event: asyncio.Event, at_most_s: float | None) -> None:
    # Not `wait_for`: if the event comes with a cancellation, it keeps the cancellation to itself.
    with suppress(TimeoutError):
        async with asyncio.timeout(at_most_s):
            await event.wait()


class EventReader:
    """Has a connection for each permit."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        self.connections: dict[Permit, tuple[Connection, asyncio.Task[None]]] = {}
        self._places = asyncio.Semaphore(outside.pace.connections_at_once)
        self._ending: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "EventReader":
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._end(list(self.connections), STOPPED)
        await self._http.close()

    async def follow(self, permits: frozenset[Permit], reason: str) -> None:
        """Begin and end connections until there is one for each of these; why some end is told, unless it is empty."""
        await self._end(self.connections.keys() - permits, reason)
        for permit in sorted(permits - self.connections.keys(), key=lambda permit: permit.grant_id):
            connection = Connection(self.outside, permit, self._places)
            self.connections[permit] = (connection, asyncio.create_task(connection.run(self._http)))

    async def _end(self, permits: Iterable[Permit], reason: str) -> None:
        for permit in list(permits):
            connection, task = self.connections.pop(permit)
            connection.farewell = reason
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        if self._ending:  # also those that an earlier call was kept from waiting for
            await asyncio.wait(set(self._ending))


class Notes:
    """What became of subscriptions, on its way to the database: the last word on each, as soon as it can be written."""

    def __init__(self, write: Callable[[list[Outcome]], Awaitable[None]], pace: Pace) -> None:
        self.write = write
        self.pace = pace
        self._new: dict[tuple[int, Topic], Outcome] = {}
        self._is_away = False
        self._closing = asyncio.Event()

    def tell(self, outcome: Outcome) -> None:
        self._new[outcome.grant_id, outcome.topic] = outcome

    def close(self) -> None:
        """Let `run` come to its end once it has written what there is."""
        self._closing.set()

    async def run(self) -> None:
        while not self._closing.is_set():
            await _wait(self._closing, self.pace.flush)
            await self.flush()

    async def flush(self) -> None:
        new, self._new = self._new, {}
        if not new:
            return
        try:
            await self.write(list(new.values()))
        except Unavailable as error:
            self._new = new | self._new
            if not self._is_away:
                log.error("eventsub.not_written", error=str(error))
            self._is_away = True
        else:
            self._is_away = False
