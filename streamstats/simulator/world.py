"""A small Twitch that never was: channels, their evenings, the people who watch, and what they write.

Everything follows from the seed and the calendar, so any span of time can be asked for, in any order, in
any process, and comes out the same to the byte.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from heapq import merge

from streamstats.simulator.catalogue import Catalogue
from streamstats.simulator.crowd import Crowd
from streamstats.simulator.emotesets import ChannelEmotes, EmoteSets, SetChange
from streamstats.simulator.evening import Evening, mirrored
from streamstats.simulator.moments import HOUR, day_of, milliseconds
from streamstats.simulator.person import Person, Visit
from streamstats.simulator.providers import with_pictures
from streamstats.simulator.schedule import Broadcast, Schedule, SimChannel
from streamstats.simulator.stage import Line
from streamstats.simulator.worldevents import BroadcastEvents, SimEvent, between_broadcasts

DEMO = SimChannel("moonlitmarta", "MoonlitMarta", "190000001", "marta")
PARTNER = SimChannel("captainbriny", "CaptainBriny", "190000002", "briny", size=0.4)
DEFAULT_SEED = 7
STEP_MS = 6 * HOUR
ALREADY_ON_AIR = timedelta(hours=1)


def catalogue_of(sets: EmoteSets, base_url: str) -> Catalogue:
    return Catalogue.of({key: with_pictures(key[0], emotes, base_url) for key, emotes in sets.items()})


class World:
    """Ask it what happened, or what will. From `watched_from` on the demo channel is always on air."""

    def __init__(self, seed: int = DEFAULT_SEED, watched_from: datetime | None = None) -> None:
        self.seed = seed
        self.channels = (DEMO, PARTNER)
        watched_from_ms = milliseconds(watched_from) if watched_from else None
        demo = Schedule(seed, DEMO, watched_from_ms=watched_from_ms)
        schedules = {DEMO: demo, PARTNER: Schedule(seed, PARTNER, partner=demo)}
        self.schedules = schedules
        self.crowds = {channel: Crowd(seed, schedule) for channel, schedule in schedules.items()}
        self.emotes = {channel: ChannelEmotes(schedule) for channel, schedule in schedules.items()}
        self._evening = lru_cache(maxsize=4)(self._play)
        self._events = lru_cache(maxsize=4)(self._tell)
        self._visits = lru_cache(maxsize=4)(lambda broadcast: self.crowds[broadcast.channel].visits(broadcast))

    @classmethod
    def watched_at(cls, now: datetime, seed: int = DEFAULT_SEED) -> "World":
        """The world for a demonstration: its first channel has been on air for a while."""
        return cls(seed, now - ALREADY_ON_AIR)

    def broadcasts(self, channel: SimChannel, start: datetime, end: datetime) -> list[Broadcast]:
        return self.schedules[channel].between(milliseconds(start), milliseconds(end))

    def visits(self, broadcast: Broadcast) -> list[Visit]:
        """Who really watched a broadcast, and when."""
        return self._visits(broadcast)

    def audience(self, channel: SimChannel, at_ms: int) -> list[Person]:
        """Who watches at a moment."""
        here = {
            visit.person.twitch_id: visit.person
            for broadcast in self.schedules[channel].between(at_ms, at_ms + 1)
            for visit in self.visits(broadcast)
            if visit.from_ms <= at_ms < visit.to_ms
        }
        return list(here.values())

    def present(self, channel: SimChannel, at_ms: int) -> set[str]:
        """Logins of those who watch at a moment."""
        return {person.name(at_ms).login for person in self.audience(channel, at_ms)}

    def history(self, start: datetime, end: datetime, channel: SimChannel = DEMO) -> Iterator[bytes]:
        """Raw lines of a channel in [start, end), as Twitch sent them, in order of time."""
        return (line.raw() for line in self.lines(channel, milliseconds(start), milliseconds(end)))

    def lines(self, channel: SimChannel, start_ms: int, end_ms: int | None = None) -> Iterator[Line]:
        """Lines of a channel in [start, end), without an end for ever; one broadcast is in memory at a time."""
        while end_ms is None or start_ms < end_ms:
            stop_ms = start_ms + STEP_MS if end_ms is None else min(start_ms + STEP_MS, end_ms)
            for broadcast in self.schedules[channel].between(start_ms, stop_ms):
                yield from (line for line in self.evening(broadcast) if start_ms <= line.at_ms < stop_ms)
            start_ms = stop_ms

    def events(self, channel: SimChannel, start_ms: int, end_ms: int) -> Iterator[SimEvent]:
        """What EventSub tells of a channel in [start, end), in order of time."""
        while start_ms < end_ms:
            stop_ms = min(start_ms // STEP_MS * STEP_MS + STEP_MS, end_ms)
            told = between_broadcasts(self.seed, self.crowds[channel], day_of(start_ms))
            for broadcast in self.schedules[channel].between(start_ms - 1, stop_ms):  # its last event is at its end
                told = told + self._events(broadcast)
            of_span = (event for event in told if start_ms <= event.at_ms < stop_ms)
            yield from sorted(of_span, key=lambda event: event.at_ms)
            start_ms = stop_ms

    def evening(self, broadcast: Broadcast) -> list[Line]:
        """All lines of a broadcast, with the copies that a shared chat brings."""
        own = self._evening(broadcast)
        if broadcast.shared_ms is None:
            return own
        other = PARTNER if broadcast.channel is DEMO else DEMO
        (source,) = (
            show
            for show in self.schedules[other].between(*broadcast.shared_ms)
            if show.shared_ms == broadcast.shared_ms
        )
        copies = mirrored(self._evening(source), broadcast.channel)
        return list(merge(own, copies, key=lambda line: line.at_ms))

    def emote_sets(self, at: datetime) -> EmoteSets:
        """The third-party sets of every channel at a moment."""
        sets: EmoteSets = {}
        for emotes in self.emotes.values():
            sets |= emotes.sets_at(milliseconds(at))
        return sets

    def emote_changes(self, channel: SimChannel, start: datetime, end: datetime) -> list[SetChange]:
        return self.emotes[channel].changes(milliseconds(start), milliseconds(end))

    def _play(self, broadcast: Broadcast) -> list[Line]:
        channel = broadcast.channel
        return Evening(self.seed, broadcast, self.crowds[channel], self.emotes[channel]).lines()

    def _tell(self, broadcast: Broadcast) -> list[SimEvent]:
        crowd, lines, visits = self.crowds[broadcast.channel], self._evening(broadcast), self.visits(broadcast)
        return BroadcastEvents(self.seed, crowd, broadcast, visits, lines, self.channels).events()
