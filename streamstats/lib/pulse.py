"""The last hour, minute by minute, as a line. `static/streamstats.js` goes on where the page leaves off."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

MINUTE = timedelta(minutes=1)
MINUTES, STEP, HEIGHT = 60, 6, 48


class Pulse(NamedTuple):
    started_at: datetime
    messages: list[int]
    chatters: list[int]
    rate: int
    chatting: int
    line: str
    area: str
    width: int = (MINUTES - 1) * STEP
    height: int = HEIGHT


def draw(messages: Mapping[datetime, int], chatters: Mapping[datetime, int], now: datetime) -> Pulse:
    """The hour up to now; `rate` estimates the last 60 seconds."""
    present = now.replace(second=0, microsecond=0)
    first = present - (MINUTES - 1) * MINUTE
    minutes = [first + index * MINUTE for index in range(MINUTES)]
    wrote = [messages.get(minute, 0) for minute in minutes]
    writers = [chatters.get(minute, 0) for minute in minutes]
    # This minute is not over: the rest of it is taken from the one before, evenly.
    remaining = 1 - (now - present) / MINUTE
    rate = round(wrote[-2] * remaining + wrote[-1])
    # The line ends in the estimate: the bare count would fall to nothing at the start of every minute.
    line = _points([*wrote[:-1], rate])
    return Pulse(
        started_at=first,
        messages=wrote,
        chatters=writers,
        rate=rate,
        chatting=max(writers[-2:]),
        line=line,
        area=f"0,{HEIGHT} {line} {(MINUTES - 1) * STEP},{HEIGHT}",
    )


def _points(counts: list[int]) -> str:
    highest = max(counts) or 1
    return " ".join(f"{index * STEP},{HEIGHT * (1 - count / highest):.1f}" for index, count in enumerate(counts))
