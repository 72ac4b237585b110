"""The last hour, minute by minute, as a line. `static/streamstats.js` goes on where the page leaves off."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from streamstats.lib.activity import Gap, missed

MINUTE = timedelta(minutes=1)
MINUTES, STEP, HEIGHT = 60, 6, 48


class Pulse(NamedTuple):
    """Messages are None for minutes of which nothing was received: the line is broken there."""

    started_at: datetime
    messages: list[int | None]
    chatters: list[int]
    rate: int
    chatting: int
    line: str
    area: str
    width: int = (MINUTES - 1) * STEP
    height: int = HEIGHT

    @property
    def told(self) -> str:
        return " ".join("-" if count is None else str(count) for count in self.messages)


def draw(
    messages: Mapping[datetime, int], chatters: Mapping[datetime, int], now: datetime, gaps: Sequence[Gap] = ()
) -> Pulse:
    """The hour up to now; `rate` estimates the last 60 seconds."""
    present = now.replace(second=0, microsecond=0)
    first = present - (MINUTES - 1) * MINUTE
    minutes = [first + index * MINUTE for index in range(MINUTES)]
    wrote = [messages.get(at) or _silence(at, gaps) for at in minutes]
    writers = [chatters.get(minute, 0) for minute in minutes]
    # This minute is not over: the rest of it is taken from the one before, evenly.
    remaining = 1 - (now - present) / MINUTE
    rate = round((wrote[-2] or 0) * remaining + (wrote[-1] or 0))
    # The line ends in the estimate: the bare count would fall to nothing at the start of every minute.
    runs = _runs([*wrote[:-1], rate])
    return Pulse(
        started_at=first,
        messages=wrote,
        chatters=writers,
        rate=rate,
        chatting=max(writers[-2:]),
        line="".join(f"M{' '.join(run)}" for run in runs),
        area="".join(f"M{_foot(run[0])} {' '.join(run)} {_foot(run[-1])}Z" for run in runs),
    )


def _silence(minute: datetime, gaps: Sequence[Gap]) -> int | None:
    """Nothing was written, if most of the minute was received; else nothing is known."""
    return None if missed(minute, minute + MINUTE, gaps) > MINUTE / 2 else 0


def _runs(counts: Sequence[int | None]) -> list[list[str]]:
    """The points of each stretch of minutes that were received."""
    highest = max(filter(None, counts), default=1)
    points = [
        None if count is None else f"{index * STEP},{HEIGHT * (1 - count / highest):.1f}"
        for index, count in enumerate(counts)
    ]
    stretches = (list(filter(None, run)) for _, run in groupby(points, key=lambda point: point is None))
    return [stretch for stretch in stretches if stretch]


def _foot(point: str) -> str:
    return f"{point.partition(',')[0]},{HEIGHT}"
