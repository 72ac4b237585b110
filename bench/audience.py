"""A month that never was, and who really watched in it: the truth that watch time is held against.

Times are seconds after the month began. Everything follows from the seed.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from random import Random

MINUTE, HOUR = 60, 3600
CLOCK_STEP = 8
Span = tuple[int, int]


class Trouble(Enum):
    """What goes wrong for a while."""

    TWITCH = "Twitch does not answer"
    US = "we do not run"
    REDIS = "Redis is away: no jobs, and events come late"


@dataclass
class Show:
    """One stream: when it was on air, and which of its events never come."""

    number: int
    air: list[Span]
    missed: set[int]
    """Places in `events()` that Twitch forgets to tell."""

    @property
    def started_at(self) -> int:
        return self.air[0][0]

    @property
    def ended_at(self) -> int:
        return self.air[-1][1]

    def events(self) -> Iterator[tuple[int, str, int]]:
        """(when, online or offline, number of the part)"""
        told = [(at, kind, part) for part, span in enumerate(self.air) for at, kind in zip(span, KINDS, strict=True)]
        return (event for place, event in enumerate(told) if place not in self.missed)

    def part_at(self, at: float) -> int | None:
        """The part that is on air at a moment."""
        return next((part for part, (start, end) in enumerate(self.air) if start <= at < end), None)


KINDS = ("online", "offline")


@dataclass
class Month:
    """Streams, visits by viewer, words by viewer, and troubles."""

    shows: list[Show] = field(default_factory=list)
    visits: dict[str, list[Span]] = field(default_factory=dict)
    """When each viewer was connected to chat, on air or not."""
    words: dict[str, list[int]] = field(default_factory=dict)
    troubles: list[tuple[int, int, Trouble]] = field(default_factory=list)
    clock_ahead: Span = (0, 0)
    """When our clock is CLOCK_STEP seconds ahead."""

    def clock_ahead_at(self, at: float) -> int:
        return CLOCK_STEP if self.clock_ahead[0] <= at < self.clock_ahead[1] else 0

    def trouble_at(self, at: float) -> Trouble | None:
        return next((kind for start, end, kind in self.troubles if start <= at < end), None)

    def present(self, at: float) -> list[str]:
        """Who is connected to chat at a moment."""
        return [viewer for viewer, visits in self.visits.items() if _covers(visits, at)]

    def watched(self, viewer: str) -> list[Span]:
        """When somebody really watched: connected, while the stream was on air."""
        air = [span for show in self.shows for span in show.air]
        return [
            (max(a, start), min(b, end))
            for a, b in self.visits.get(viewer, [])
            for start, end in air
            if max(a, start) < min(b, end)
        ]


def _covers(spans: list[Span], at: float) -> bool:
    place = bisect_right(spans, (at, float("inf")))
    return place > 0 and at < spans[place - 1][1]


def make_month(seed: int = 7, *, viewers: int = 300, streams: int = 40) -> Month:
    """Streams of two to six hours, about every eighteen hours, and viewers of every kind."""
    dice = Random(seed)
    month = Month()
    at = 12 * HOUR
    for number in range(streams):
        month.shows.append(_show(dice, number, at))
        at = month.shows[-1].ended_at + round(dice.uniform(8, 20) * HOUR)
    for number in range(viewers):
        viewer = f"v{number}"
        loyalty, talk = dice.random() ** 1.5, dice.choice((0, 0, 0.5, 2, 10))
        visits = sorted(visit for show in month.shows if dice.random() < loyalty for visit in _visits(dice, show))
        month.visits[viewer] = _apart(visits)
        month.words[viewer] = sorted(_words(dice, month.visits[viewer], talk))
    month.troubles = _troubles(dice, month.shows)
    # It is put wrong, and right again, in the middle of a stream: between two of them nobody would notice.
    wrong, right = month.shows[streams // 3], month.shows[streams * 2 // 3]
    month.clock_ahead = _middle(wrong), _middle(right)
    return month


def _middle(show: Show) -> int:
    """A moment in the middle of the longest part on air."""
    start, end = max(show.air, key=lambda span: span[1] - span[0])
    return (start + end) // 2


def _show(dice: Random, number: int, start: int) -> Show:
    end = start + round(dice.uniform(2, 6) * HOUR)
    air = [(start, end)]
    if dice.random() < 0.3:  # a drop-out
        out = round(dice.uniform(start + HOUR / 2, end - HOUR / 2))
        air = [(start, out), (out + dice.randrange(40, 9 * MINUTE), end)]
    missed = {place for place in range(2 * len(air)) if dice.random() < 0.15}
    return Show(number, air, missed)


def _visits(dice: Random, show: Show) -> Iterator[Span]:
    """One to five visits, from glances to the whole stream; some come before it begins, or stay when it is over."""
    length = show.ended_at - show.started_at
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 5))):
        kind = dice.random()
        if kind < 0.3:
            begin, stay = show.started_at - dice.randrange(0, 10 * MINUTE), length + dice.randrange(0, HOUR)
        elif kind < 0.45:
            begin, stay = show.started_at + dice.randrange(length), dice.randrange(20, 8 * MINUTE)
        else:
            begin, stay = show.started_at + dice.randrange(length), round(dice.expovariate(1 / (70 * MINUTE))) + MINUTE
        yield begin, begin + stay


def _apart(visits: list[Span]) -> list[Span]:
    """Visits that overlap are one."""
    joined: list[Span] = []
    for start, end in visits:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _words(dice: Random, visits: list[Span], an_hour: float) -> Iterator[int]:
    for start, end in visits:
        at = float(start)
        while an_hour and (at := at + dice.expovariate(an_hour / HOUR)) < end:
            yield int(at)


def _troubles(dice: Random, shows: list[Show]) -> list[tuple[int, int, Trouble]]:
    """Two of each kind, most of them while a stream is on."""
    troubles = []
    for kind, show in zip([*Trouble, *Trouble], dice.sample(shows, min(6, len(shows))), strict=False):
        begin = dice.randrange(show.started_at - HOUR // 2, show.ended_at)
        troubles.append((begin, begin + dice.randrange(4 * MINUTE, 35 * MINUTE), kind))
    return troubles
