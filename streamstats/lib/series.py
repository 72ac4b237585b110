"""A count over a long time, in steps few enough to look at one by one."""

from collections.abc import Container, Mapping
from datetime import date, timedelta
from typing import NamedTuple

from streamstats.lib.periods import Period, of

DAY = timedelta(days=1)
# So many days of each kind of step fill a picture; longer ones are told in months.
MOST_DAYS = {"day": 92, "week": 730}


class Step(NamedTuple):
    """Days [first, end). None is a step of which nothing was received."""

    first: date
    end: date
    value: int | None


class Series(NamedTuple):
    """Steps without a hole between them, of one unit: day, week or month. The first and the last may be shorter."""

    unit: str
    steps: list[Step]


def draw(days: Mapping[date, int], first: date, last: date, unknown: Container[date] = ()) -> Series:
    """What was counted on each day from first to last, both included; a day without a count is a zero."""
    unit = next((unit for unit, most in MOST_DAYS.items() if (last - first).days < most), "month")
    steps: list[Step] = []
    at = first
    while at <= last:
        end = min(_end(unit, at), last + DAY)
        steps.append(Step(at, end, _sum(days, at, end, unknown)))
        at = end
    return Series(unit, steps)


def _end(unit: str, day: date) -> date:
    if unit == "day":
        return day + DAY
    period: Period = of(unit, day)
    return period.end or day + DAY


def _sum(days: Mapping[date, int], first: date, end: date, unknown: Container[date]) -> int | None:
    span = [first + index * DAY for index in range((end - first).days)]
    count = sum(days.get(day, 0) for day in span)
    return None if not count and all(day in unknown for day in span) else count
