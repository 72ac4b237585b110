"""A year as a calendar: one column a week, one square a day."""

from collections.abc import Container, Mapping
from datetime import date, timedelta
from typing import NamedTuple

CELL, GAP, LEFT, TOP = 11, 3, 28, 18
STEP = CELL + GAP
WEEKS = 53


class Square(NamedTuple):
    day: date
    value: int
    level: int
    x: int
    y: int


class Label(NamedTuple):
    text: str
    x: int
    y: int


class Year(NamedTuple):
    """Squares of days with something in them; the others are two paths, which keeps the page small."""

    width: int
    height: int
    cell: int
    squares: list[Square]
    quiet: str
    missing: str
    months: list[Label]
    weekdays: list[Label]
    first: date
    last: date


def first_day(last: date) -> date:
    """The Monday on which the calendar that ends on `last` begins."""
    return last - timedelta(weeks=WEEKS - 1, days=last.weekday())


def draw(values: Mapping[date, int], last: date, missing: Container[date] = (), until: date | None = None) -> Year:
    """Draw the 53 weeks up to `last`; `missing` are days of which nothing is known, those past `until` are to come."""
    first = first_day(last)
    days = [first + timedelta(days=index) for index in range((last - first).days + 1)]
    limits = quartiles([value for day in days if (value := values.get(day, 0))])
    squares = [_square(day, values[day], limits, first) for day in days if values.get(day)]
    blank = [day for day in days if not values.get(day) and (until is None or day <= until)]
    return Year(
        width=LEFT + WEEKS * STEP,
        height=TOP + 7 * STEP,
        cell=CELL,
        squares=squares,
        quiet="".join(_outline(day, first) for day in blank if day not in missing),
        missing="".join(_outline(day, first) for day in blank if day in missing),
        months=_months(days, first),
        weekdays=[Label(text, 0, TOP + row * STEP + 9) for text, row in (("Mon", 0), ("Wed", 2), ("Fri", 4))],
        first=first,
        last=last,
    )


def quartiles(values: list[int]) -> list[int]:
    """The three values that part the others into quarters, so that every calendar uses its whole ramp."""
    ranked = sorted(values)
    return [ranked[(len(ranked) - 1) * quarter // 4] for quarter in (1, 2, 3)] if ranked else []


def _place(day: date, first: date) -> tuple[int, int]:
    week, weekday = divmod((day - first).days, 7)
    return LEFT + week * STEP, TOP + weekday * STEP


def _square(day: date, value: int, limits: list[int], first: date) -> Square:
    return Square(day, value, 1 + sum(value > limit for limit in limits), *_place(day, first))


def _outline(day: date, first: date) -> str:
    x, y = _place(day, first)
    return f"M{x} {y}h{CELL}v{CELL}h-{CELL}z"


def outline(year: Year, first: date, end: date) -> str:
    """A line around the days [first, end): one week, or some that follow each other and are longer than one."""
    first, last = max(first, year.first), min(end - timedelta(days=1), year.last)
    (left, top), (right, bottom) = _place(first, year.first), _place(last, year.first)
    far, low, floor = right + STEP, bottom + STEP, TOP + 7 * STEP
    if left == right:
        corners = [(left, top), (far, top), (far, low), (left, low)]
    else:
        head = [(left, top), (left + STEP, top), (left + STEP, TOP), (far, TOP)]
        corners = [*head, (far, low), (right, low), (right, floor), (left, floor)]
    return f"M{'L'.join(f'{x - GAP / 2} {y - GAP / 2}' for x, y in corners)}z"


def _months(days: list[date], first: date) -> list[Label]:
    """A name over the week in which a month begins; none where the next name would touch it."""
    starts = [day for day in days if day.day == 1]
    return [Label(f"{day:%b}", _place(day, first)[0], 10) for day in starts if (days[-1] - day).days >= 7]
