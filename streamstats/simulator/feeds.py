"""What the simulated Twitch has to say: the world as it goes on, or a file of raw lines."""

import asyncio
import gzip
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice
from pathlib import Path

import structlog

from streamstats.simulator.emotesets import EmoteSets, SetChange, difference
from streamstats.simulator.moments import MINUTE, moment
from streamstats.simulator.providers import with_pictures
from streamstats.simulator.schedule import SimChannel
from streamstats.simulator.server import SimulatedTwitch
from streamstats.simulator.wire import command_and_channel, room_id
from streamstats.simulator.world import World, catalogue_of
from streamstats.simulator.worldevents import SimEvent

log = structlog.get_logger(__name__)

CHUNK_MS = 5 * MINUTE
TOO_LATE_MS = 30_000
LINES_A_FRAME = 50
FRAMES_A_SECOND = 50
GZIP_MAGIC = b"\x1f\x8b"

Event = tuple[int, Callable[[], Awaitable[None]]]
"""(when, what to do then)."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class LiveWorld:
    """Plays a world in real time: chat, who comes and goes, what EventSub tells, and changes of the emote sets."""

    twitch: SimulatedTwitch
    world: World
    now_ms: Callable[[], int] = now_ms
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    is_changing_sets: bool = True
    _present: dict[str, set[str]] = field(default_factory=dict)
    _sets: EmoteSets = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.is_changing_sets:
            self._sets = self.world.emote_sets(moment(self.now_ms()))
            self.twitch.providers.catalogue = catalogue_of(self._sets, self.twitch.base_url)

    async def play(self) -> None:
        at_ms = self.now_ms()
        while True:
            # In a thread: an evening that begins is a fifth of a second's work, and connections must not wait.
            events = await asyncio.to_thread(self.events, at_ms, at_ms + CHUNK_MS)
            at_ms += CHUNK_MS
            for due_ms, deed in [*events, (at_ms - MINUTE, _nothing)]:
                await self.sleep(max(0, due_ms - self.now_ms()) / 1000)
                # After the machine slept there is no catching up: Twitch repeats nothing either.
                if due_ms > self.now_ms() - TOO_LATE_MS:
                    await deed()
            if self.is_changing_sets:
                await self.change_sets(min(at_ms, self.now_ms()))
            if self.now_ms() - at_ms > TOO_LATE_MS:
                at_ms = self.now_ms()

    def events(self, start_ms: int, end_ms: int) -> list[Event]:
        """Everything that happens in [start, end), in order."""
        events: list[Event] = []
        for channel in self.world.channels:
            lines = self.world.lines(channel, start_ms, end_ms)
            events += [(line.at_ms, partial(self.twitch.irc.send, channel.login, [line.raw()])) for line in lines]
            minutes = ((at_ms, self.world.present(channel, at_ms)) for at_ms in range(start_ms, end_ms, MINUTE))
            told = self.world.events(channel, start_ms, end_ms)
            events += [(event.at_ms, partial(self._notify, event)) for event in told]
            events += [(at_ms, partial(self._come_and_go, channel, present)) for at_ms, present in minutes]
            changes = self.world.emotes[channel].changes(start_ms, end_ms) if self.is_changing_sets else []
            events += [(at_ms, partial(self.change_sets, at_ms)) for at_ms in sorted({c.at_ms for c in changes})]
        return sorted(events, key=lambda event: event[0])

    async def _come_and_go(self, channel: SimChannel, present: set[str]) -> None:
        before = self._present.get(channel.login, set())
        self._present[channel.login] = present
        await self.twitch.irc.come_and_go(channel.login, sorted(present - before), sorted(before - present))

    async def _notify(self, event: SimEvent) -> None:
        """Tell whoever subscribed; of what moderators may hear, each moderator has a subscription of their own."""
        condition = {name: value for name, value in event.condition.items() if name != "moderator_user_id"}
        at, message_id = moment(event.at_ms), event.message_id
        await self.twitch.eventsub.notify(event.type, condition, event.event, at=at, message_id=message_id)

    async def change_sets(self, at_ms: int) -> None:
        """Make the sets what they are at a moment, whatever was missed before."""
        new = self.world.emote_sets(moment(at_ms))
        changes, self._sets = difference(at_ms, self._sets, new), new
        for change in changes:
            await self._change(change)

    async def _change(self, change: SetChange) -> None:
        provider, channel_id = change.key
        hub = self.twitch.providers
        log.info("simulator.emote_changed", deed=change.deed, name=change.emote.name, at=moment(change.at_ms))
        if change.deed == "add":
            (emote,) = with_pictures(provider, [change.emote], self.twitch.base_url)
            await hub.add(provider, channel_id, emote)
        elif change.deed == "rename":
            await hub.rename(provider, channel_id, change.emote.id, change.emote.name)
        else:
            await hub.remove(provider, channel_id, change.emote.id)


async def _nothing() -> None:
    """Mark the time by which the next minutes have to be worked out."""


@dataclass
class LineFile:
    """A file of raw lines, plain or gzipped, and the rooms that occur in it."""

    path: Path
    rooms: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Read the rooms. Raises OSError for a file that cannot be read, ValueError for one without rooms."""
        self.rooms = {}
        for line in self:
            _, channel = command_and_channel(line)
            login, twitch_id = channel.decode(errors="replace"), room_id(line).decode(errors="replace")
            if login and (twitch_id or login not in self.rooms):
                self.rooms[login] = twitch_id
        if not self.rooms:
            raise ValueError("no line in it names a channel")

    def __iter__(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            is_gzip = file.read(2) == GZIP_MAGIC
        with gzip.open(self.path) if is_gzip else self.path.open("rb") as lines:
            for line in lines:
                yield line.rstrip(b"\r\n")


async def send_lines(
    twitch: SimulatedTwitch,
    lines: Iterable[bytes],
    *,
    rate: float = 0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> int:
    """Send every line to whoever is in its channel, `rate` a second or as fast as they are taken; return how many."""
    at_once = LINES_A_FRAME if not rate else max(1, min(LINES_A_FRAME, int(rate / FRAMES_A_SECOND)))
    started, sent, remaining = clock(), 0, iter(lines)
    while batch := list(islice(remaining, at_once)):
        for channel, together in groupby(batch, key=lambda line: command_and_channel(line)[1].decode()):
            if channel:
                await twitch.irc.send(channel, list(together))
            else:
                await twitch.irc.send_all(list(together))
        sent += len(batch)
        await sleep(max(0.0, started + sent / rate - clock()) if rate else 0)
    return sent


async def serve_file(twitch: SimulatedTwitch, file: LineFile, *, rate: float, after_joins: int) -> int:
    """Send a file once, as soon as so many of its channels have been joined."""
    await twitch.irc.wait(lambda: sum(bool(twitch.irc.members(room)) for room in file.rooms) >= after_joins)
    return await send_lines(twitch, file, rate=rate)
