"""Anonymous Twitch chat: many channels on several WebSocket connections in, raw lines out.

`IrcSession` is the protocol without a socket, a loop or a clock. `Link` is one connection around it,
`Slot` keeps one connection for up to fifty channels alive, `ChatReader` spreads channels over slots.
"""

import asyncio
import enum
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

import aiohttp
import structlog

log = structlog.get_logger(__name__)

CHANNELS_PER_CONNECTION = 50
LONGEST_NAP = 2.0  # seconds by which the two clocks may drift apart between two ticks
CAPABILITIES = "twitch.tv/tags twitch.tv/commands"
Socket: TypeAlias = "aiohttp.ClientWebSocketResponse[Literal[False]]"


class Timing(NamedTuple):
    """How long to wait for what, in seconds."""

    silence: float = 30.0  # nothing heard: ask with a PING
    answer: float = 10.0  # no PONG, no welcome, no JOIN echo: it is not coming
    join_retry_cap: float = 600.0
    reconnect_base: float = 1.0
    reconnect_cap: float = 60.0
    refused: float = 30.0  # at least this long after a refused login
    proof: float = 2.0  # a PONG to end with
    handover: float = 60.0  # an old connection is kept no longer than this after RECONNECT
    tick: float = 0.25


class JoinLimiter:
    """Twitch allows 20 JOINs in 10 s for all connections of a reader together; this stays below."""

    def __init__(self, joins: int = 18, seconds: float = 12.5) -> None:
        self.seconds = seconds
        self.taken: deque[float] = deque([float("-inf")] * joins, maxlen=joins)

    def take(self, now: float) -> bool:
        if now - self.taken[0] < self.seconds:
            return False
        self.taken.append(now)
        return True


class ChannelState(enum.Enum):
    WAITING = "waiting for its turn to join"
    ASKED = "asked to join"
    JOINED = "joined"
    UNANSWERED = "does not answer"


class Phase(enum.Enum):
    LOGGING_IN = "logging in"
    READY = "ready"
    MOVING = "asked to reconnect"
    REFUSED = "login refused"
    DEAD = "given up"


class Change(NamedTuple):
    """A channel that came into a new state; None: it is no longer wanted on this connection."""

    channel: str
    state: ChannelState | None


@dataclass(slots=True)
class Join:
    """How far one channel has come on one connection."""

    state: ChannelState = ChannelState.WAITING
    due_at: float = 0.0  # ask again from here on, or (asked) give up waiting
    attempts: int = 0


class IrcSession:
    """One connection's conversation: frames and time in; payload, replies and changes out."""

    def __init__(self, nick: str, channels: Iterable[str], now: float, limiter: JoinLimiter, timing: Timing) -> None:
        self.nick = nick.encode()
        self.limiter = limiter
        self.timing = timing
        self.phase = Phase.LOGGING_IN
        self.reason = ""
        self.was_ready = False
        self.heard_at = now
        self.opened_at = now
        self.pinged_at = float("-inf")
        self.joins = {channel: Join() for channel in channels}
        self.outbox = [f"CAP REQ :{CAPABILITIES}", f"NICK {nick}"]
        self.changes: list[Change] = []

    def receive(self, frame: bytes, now: float) -> bytes:
        """Return the frame's lines that are chat, joined by a line feed."""
        self.heard_at = now
        # All chat is tagged. A frame with nothing but tagged lines is not looked into: this is the hot path.
        if frame.startswith(b"@") and frame.count(b"\n@") == frame.count(b"\n") - frame.endswith(b"\n"):
            return frame.rstrip(b"\r\n").replace(b"\r\n", b"\n")
        lines = frame.replace(b"\r\n", b"\n").split(b"\n")
        return b"\n".join(line for line in lines if line and (line.startswith(b"@") or not self._handle(line, now)))

    def tick(self, now: float) -> None:
        """Do what is due: ask for joins, ask whether anybody is there, give up."""
        if self.phase in (Phase.REFUSED, Phase.DEAD):
            return
        if self.phase is Phase.LOGGING_IN and now - self.opened_at >= self.timing.answer:
            self._end(Phase.DEAD, "Twitch did not answer the login")
        elif now - self.heard_at >= self.timing.silence + self.timing.answer:
            self._end(Phase.DEAD, "the connection to Twitch fell silent")
        elif now - self.heard_at >= self.timing.silence and self.pinged_at < self.heard_at:
            self.ask(now)
        if self.phase is Phase.READY:
            self._ask_for_joins(now)

    def ask(self, now: float) -> None:
        """Ask whether anybody is there."""
        self.pinged_at = now
        self.outbox.append("PING :streamstats")

    def give_up(self, reason: str) -> None:
        self._end(Phase.DEAD, reason)

    def want(self, channels: frozenset[str]) -> None:
        """Set the channels this connection is to be in."""
        for channel in self.joins.keys() - channels:
            if self.joins.pop(channel).state is not ChannelState.WAITING:
                self.outbox.append(f"PART #{channel}")
            self.changes.append(Change(channel, None))
        for channel in sorted(channels - self.joins.keys()):
            self.joins[channel] = Join()

    def joined(self) -> frozenset[str]:
        return frozenset(channel for channel, join in self.joins.items() if join.state is ChannelState.JOINED)

    def take_outbox(self) -> str:
        """Hand out what is to be sent, as one text frame."""
        frame = "".join(f"{line}\r\n" for line in self.outbox)
        self.outbox.clear()
        return frame

    def take_changes(self) -> list[Change]:
        changes, self.changes = self.changes, []
        return changes

    def _handle(self, line: bytes, now: float) -> bool:
        """React to a line without tags; true if it was about this connection only."""
        words = line.split(b" ")
        prefix = words.pop(0) if line.startswith(b":") else b""
        command, params = (words[0], words[1:]) if words else (b"", [])
        is_own = prefix.startswith(b":" + self.nick + b"!")
        match command:
            case b"PING":
                self.outbox.append("PONG " + b" ".join(params).decode("utf-8", "replace"))
            case b"PONG":
                pass
            case b"RECONNECT":
                self._end(Phase.MOVING, "Twitch asked for a new connection")
            case b"CAP":
                if b"NAK" in params:
                    self._end(Phase.REFUSED, "Twitch refused the capabilities")
            case b"NOTICE" if self.phase is Phase.LOGGING_IN:
                text = line.partition(b" :")[2].decode("utf-8", "replace")
                self._end(Phase.REFUSED, f"Twitch refused the login: {text}")
            case b"JOIN" if is_own and params:
                self._joined(params[0].lstrip(b":#").decode("ascii", "replace"))
            case b"PART" if is_own and params:
                self._thrown_out(params[0].lstrip(b":#").decode("ascii", "replace"), now)
            case b"353":
                # Without the membership capability the list of names holds only ourselves.
                return words[-1].lstrip(b":") == self.nick
            case _ if command.isdigit():
                if command == b"001" and self.phase is Phase.LOGGING_IN:
                    self.phase, self.was_ready = Phase.READY, True
                    self._ask_for_joins(now)
            case _:
                return False
        return True

    def _end(self, phase: Phase, reason: str) -> None:
        self.phase, self.reason = phase, reason

    def _ask_for_joins(self, now: float) -> None:
        asked = []
        for channel, join in self.joins.items():
            if join.state is ChannelState.ASKED and now >= join.due_at:
                self._unanswered(channel, join, now)
            elif join.state in (ChannelState.WAITING, ChannelState.UNANSWERED) and now >= join.due_at:
                if not self.limiter.take(now):
                    continue
                join.state, join.due_at = ChannelState.ASKED, now + self.timing.answer
                asked.append(channel)
        if asked:
            self.outbox.append("JOIN " + ",".join(f"#{channel}" for channel in asked))

    def _unanswered(self, channel: str, join: Join, now: float) -> None:
        """Wait longer each time: a login that does not exist must not use up the joins of the others."""
        join.attempts += 1
        join.state = ChannelState.UNANSWERED
        join.due_at = now + min(self.timing.answer * 2**join.attempts, self.timing.join_retry_cap)
        self.changes.append(Change(channel, ChannelState.UNANSWERED))

    def _joined(self, channel: str) -> None:
        join = self.joins.get(channel)
        if join and join.state is not ChannelState.JOINED:
            join.state, join.attempts = ChannelState.JOINED, 0
            self.changes.append(Change(channel, ChannelState.JOINED))

    def _thrown_out(self, channel: str, now: float) -> None:
        join = self.joins.get(channel)
        if join and join.state is ChannelState.JOINED:
            self._unanswered(channel, join, now)


class Presence(NamedTuple):
    """One connection's time in one channel: joined at, last proof that lines still arrived (ms since epoch)."""

    channel: str
    since_ms: int
    proof_ms: int
    reason: str = ""  # why it ended


@dataclass(frozen=True)
class Outside:
    """What the sockets are handed: where to connect, whom to tell, clocks and chance."""

    url: str
    deliver: Callable[[bytes, int], None]  # chat lines, and when they were received (ms since epoch)
    left: Callable[[Presence], None]
    timing: Timing = field(default_factory=Timing)
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    chance: random.Random = field(default_factory=random.Random)


def backoff(timing: Timing, chance: random.Random) -> Iterator[float]:
    """Full jitter: any wait up to a ceiling that doubles."""
    ceiling = timing.reconnect_base
    while True:
        yield chance.uniform(0, ceiling)
        ceiling = min(ceiling * 2, timing.reconnect_cap)


class Link:
    """One WebSocket connection: moves frames between the socket and its session."""

    def __init__(self, outside: Outside, channels: frozenset[str], limiter: JoinLimiter) -> None:
        self.outside = outside
        nick = f"justinfan{outside.chance.randrange(10_000, 1_000_000)}"
        self.session = IrcSession(nick, sorted(channels), outside.monotonic(), limiter, outside.timing)
        self.since_ms: dict[str, int] = {}
        self._wall_ahead = outside.wall() - outside.monotonic()
        self.news = asyncio.Event()  # a channel or the phase changed
        self.replaced = asyncio.Event()  # another link is in all our channels
        self._phase_told = self.session.phase
        self._socket: Socket | None = None

    async def run(self, http: aiohttp.ClientSession) -> str:
        """Connect and receive until the connection ends; return why it ended."""
        try:
            reason = await self._connect_and_receive(http)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            reason = f"no connection to Twitch: {str(error) or type(error).__name__}"
        except Exception:
            log.exception("chat.broken")
            reason = "an error in the reader"
        finally:
            self._socket = None
        reason = self.session.reason or reason
        for channel in list(self.since_ms):
            self._leave(channel, reason)
        self.session.joins.clear()
        return reason

    async def want(self, channels: frozenset[str]) -> None:
        self.session.want(channels)
        self.session.tick(self.outside.monotonic())
        await self._after()

    async def close(self, running: "asyncio.Task[str]", reason: str) -> str:
        """End the connection in good order; return why it ended."""
        self.session.reason = self.session.reason or reason
        if socket := self._socket:
            await self._prove(running)
            await socket.close()
        else:
            running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        return self.session.reason

    def present(self) -> list[Presence]:
        proof_ms = self._proof_ms()
        return [Presence(channel, since, max(since, proof_ms)) for channel, since in self.since_ms.items()]

    async def _prove(self, running: "asyncio.Task[str]") -> None:
        """Have the last moments confirmed: a quiet channel may have proved nothing for half a minute."""
        asked_at = self.outside.monotonic()
        self.session.ask(asked_at)
        await self._after()
        while self.session.heard_at <= asked_at and not running.done():
            if self.outside.monotonic() - asked_at >= self.outside.timing.proof:
                return
            await asyncio.sleep(self.outside.timing.tick)

    async def _connect_and_receive(self, http: aiohttp.ClientSession) -> str:
        async with asyncio.timeout(self.outside.timing.answer):
            socket = await http.ws_connect(
                self.outside.url,
                decode_text=False,  # lines stay bytes up to the parser
                compress=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )
        async with socket:
            self._socket = socket
            self.session.opened_at = self.session.heard_at = self.outside.monotonic()
            self._wall_ahead = self.outside.wall() - self.session.heard_at
            ticking = asyncio.create_task(self._tick(socket))
            try:
                await self._after()
                return await self._receive(socket)
            finally:
                ticking.cancel()

    async def _receive(self, socket: Socket) -> str:
        session, deliver = self.session, self.outside.deliver
        monotonic, wall = self.outside.monotonic, self.outside.wall
        text = aiohttp.WSMsgType.TEXT
        while True:
            message = await socket.receive()
            if message.type is not text:
                return self._farewell(message.type, message.data, socket)
            payload = session.receive(message.data, monotonic())
            if payload:
                deliver(payload, int(wall() * 1000))
            if session.outbox or session.changes or session.phase is not Phase.READY:
                await self._after()
                if session.phase is Phase.REFUSED:
                    return session.reason

    def _farewell(self, kind: aiohttp.WSMsgType, code: object, socket: Socket) -> str:
        if kind is aiohttp.WSMsgType.CLOSE:
            # It stands behind every line that was sent, so it proves that none is missing.
            self.session.heard_at = self.outside.monotonic()
            return f"Twitch closed the connection (code {code})"
        error = socket.exception()
        return f"the connection to Twitch was lost{f': {error}' if error else ''}"

    async def _tick(self, socket: Socket) -> None:
        while self.session.phase is not Phase.DEAD:
            await asyncio.sleep(self.outside.timing.tick)
            self._compare_clocks()
            self.session.tick(self.outside.monotonic())
            await self._after()
        await socket.close()

    async def _after(self) -> None:
        """Tell what the session's last step changed, and send what it wants to say."""
        for change in self.session.take_changes():
            self._note(change)
            self.news.set()
        if self.session.phase is not self._phase_told:
            self._phase_told = self.session.phase
            self.news.set()
        if self.session.outbox and self._socket is not None:
            with suppress(OSError, aiohttp.ClientError):  # receiving fails too, and says why
                await self._socket.send_str(self.session.take_outbox())

    def _note(self, change: Change) -> None:
        channel, state = change
        if state is ChannelState.JOINED:
            self.since_ms[channel] = int(self.outside.wall() * 1000)
            log.info("channel.joined", channel=channel)
        elif channel in self.since_ms:
            self._leave(channel, "no longer followed" if state is None else "the channel put us out")
            log.info("channel.left", channel=channel, is_wanted=state is not None)
        elif state is ChannelState.UNANSWERED and self.session.joins[channel].attempts == 1:
            log.warning("channel.unanswered", channel=channel, hint="does it exist?")

    def _leave(self, channel: str, reason: str) -> None:
        since = self.since_ms.pop(channel)
        self.outside.left(Presence(channel, since, max(since, self._proof_ms()), reason))

    def _proof_ms(self) -> int:
        return int((self.session.heard_at + self._wall_ahead) * 1000)

    def _compare_clocks(self) -> None:
        """Give a connection up that the machine slept through: nothing it says now proves that we were there.

        The monotonic clock stands still in that time, and the lines that wait are as old as the sleep.
        """
        wall_ahead = self.outside.wall() - self.outside.monotonic()
        if abs(wall_ahead - self._wall_ahead) > LONGEST_NAP:
            self.session.give_up("the machine slept, or its clock was set")
        else:
            self._wall_ahead = wall_ahead


class Slot:
    """Keeps up to fifty channels on a connection, on two while one takes over from the other."""

    def __init__(self, outside: Outside, limiter: JoinLimiter) -> None:
        self.outside = outside
        self.limiter = limiter
        self.channels: frozenset[str] = frozenset()
        self.link: Link | None = None
        self.retiring: dict[Link, asyncio.Task[str]] = {}

    async def run(self, http: aiohttp.ClientSession) -> None:
        """Connect again and again, with back-off."""
        timing, chance = self.outside.timing, self.outside.chance
        delays = backoff(timing, chance)
        try:
            while True:
                link = self.link = Link(self.outside, self.channels, self.limiter)
                reason = await self._serve(link, http)
                self.link = None
                if link.session.was_ready:
                    delays = backoff(timing, chance)
                delay = next(delays) + (timing.refused if link.session.phase is Phase.REFUSED else 0)
                log.warning("chat.reconnecting", reason=reason, channels=len(self.channels), in_s=round(delay, 1))
                await asyncio.sleep(delay)
        finally:
            await self._let_go(self.retiring)

    async def want(self, channels: frozenset[str]) -> None:
        self.channels = channels
        for link in self.links():
            await link.want(channels)

    def links(self) -> list[Link]:
        return [*self.retiring, *([self.link] if self.link else [])]

    async def _serve(self, link: Link, http: aiohttp.ClientSession) -> str:
        """Follow one link to its end, or until Twitch wants it replaced: then it goes on beside the next."""
        running = asyncio.create_task(link.run(http))
        try:
            while not running.done() and link.session.phase is not Phase.MOVING:
                link.news.clear()
                for old in self.retiring:
                    if old.session.joined() <= link.session.joined():
                        old.replaced.set()
                await _first(running, link.news.wait())
        except asyncio.CancelledError:
            await link.close(running, "the reader was stopped")
            raise
        if running.done():
            return running.result()
        self.retiring[link] = asyncio.create_task(self._retire(link, running))
        return link.session.reason

    async def _retire(self, link: Link, running: "asyncio.Task[str]") -> str:
        """Go on receiving until the next link has taken over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.outside.timing.handover):
                await _first(running, link.replaced.wait())
        reason = await link.close(running, "replaced by another connection")
        del self.retiring[link]
        return reason

    async def _let_go(self, links: "dict[Link, asyncio.Task[str]]") -> None:
        tasks = list(links.values())
        for link in links:
            link.replaced.set()
        await asyncio.gather(*tasks)


async def _first(running: "asyncio.Task[str]", other: Coroutine[Any, Any, object]) -> None:
    """Wait until one of the two is done; the second is dropped."""
    waiting = asyncio.ensure_future(other)
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


class ChatReader:
    """Reads the wanted channels, over as many connections as they need."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        self.limiter = JoinLimiter()
        self.slots: dict[Slot, asyncio.Task[None]] = {}

    async def __aenter__(self) -> "ChatReader":
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        return self

    async def __aexit__(self, *error: object) -> None:
        await asyncio.gather(*(self._close(slot) for slot in list(self.slots)))
        await self._http.close()

    async def follow(self, channels: frozenset[str]) -> None:
        """Join and part until these are the channels that are read."""
        for slot in list(self.slots):
            kept = slot.channels & channels
            if kept != slot.channels:
                await slot.want(kept)
            if not kept:
                await self._close(slot)
        missing = sorted(channels - self._assigned())
        while missing:
            slot = self._roomy_slot()
            room = CHANNELS_PER_CONNECTION - len(slot.channels)
            taken, missing = missing[:room], missing[room:]
            await slot.want(slot.channels | frozenset(taken))
            if slot not in self.slots:
                self.slots[slot] = asyncio.create_task(slot.run(self._http))

    def present(self) -> list[Presence]:
        """Say, for each connection and channel, since when and until when lines are known to arrive."""
        return [presence for slot in self.slots for link in slot.links() for presence in link.present()]

    def states(self) -> dict[str, ChannelState]:
        """Say how far each wanted channel is."""
        states = {channel: ChannelState.WAITING for slot in self.slots for channel in slot.channels}
        for slot in self.slots:
            for link in slot.links():
                states.update({channel: join.state for channel, join in link.session.joins.items()})
        return states

    def _assigned(self) -> frozenset[str]:
        return frozenset(channel for slot in self.slots for channel in slot.channels)

    def _roomy_slot(self) -> Slot:
        roomy = (slot for slot in self.slots if len(slot.channels) < CHANNELS_PER_CONNECTION)
        return next(roomy, None) or Slot(self.outside, self.limiter)

    async def _close(self, slot: Slot) -> None:
        task = self.slots.pop(slot)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
