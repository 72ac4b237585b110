"""Spans that counts are looked at over: all time, a year, a month or a week, of UTC days."""

import re
from datetime import date, timedelta
from typing import NamedTuple

ALL = "all"
KINDS = ("all", "year", "month", "week")
_WRITTEN = re.compile(r"(?P<year>[0-9]{4})(?:-(?:(?P<month>[0-9]{2})|W(?P<week>[0-9]{2})))?", re.ASCII)
FIRST_YEAR, LAST_YEAR = 2011, 2100


class Period(NamedTuple):
    """Days [first, end), both None for all time. `key` is how it stands in addresses and in Standing.period."""

    kind: str
    key: str
    first: date | None = None
    end: date | None = None

    def __str__(self) -> str:
        if self.first is None:
            return "all time"
        if self.kind == "year":
            return str(self.first.year)
        if self.kind == "month":
            return f"{self.first:%B %Y}"
        return f"the week of {self.first.day} {self.first:%b %Y}"

    def before(self) -> "Period | None":
        """The period of the same kind before this one; None before all time, and before the first."""
        if self.first is None or self.first <= date(FIRST_YEAR, 1, 3):
            return None
        return of(self.kind, self.first - timedelta(days=1))

    def after(self) -> "Period | None":
        """The period of the same kind after this one."""
        return of(self.kind, self.end) if self.end and self.end.year <= LAST_YEAR else None


ALL_TIME = Period(ALL, ALL)


def of(kind: str, day: date) -> Period:
    """The period of a kind that a day lies in. Weeks are ISO weeks. Raises ValueError for another kind."""
    if kind == "all":
        return ALL_TIME
    if kind == "year":
        return Period(kind, f"{day.year}", date(day.year, 1, 1), date(day.year + 1, 1, 1))
    if kind == "month":
        return Period(
            kind, f"{day:%Y-%m}", day.replace(day=1), (day.replace(day=1) + timedelta(days=31)).replace(day=1)
        )
    if kind == "week":
        year, week, weekday = day.isocalendar()
        first = day - timedelta(days=weekday - 1)
        return Period(kind, f"{year}-W{week:02}", first, first + timedelta(days=7))
    raise ValueError(f"{kind!r} is no kind of period")


def read(text: str, today: date) -> Period:
    """A period from an address: all, year, month or week (the present one), 2026, 2026-11 or 2026-W47.

    Raises ValueError for anything else.
    """
    if text in KINDS:
        return of(text, today)
    found = _WRITTEN.fullmatch(text)
    if found is None or not FIRST_YEAR <= int(found["year"]) <= LAST_YEAR:
        raise ValueError(f"{text!r} is no period")
    if found["week"]:
        return of("week", date.fromisocalendar(int(found["year"]), int(found["week"]), 1))
    if found["month"]:
        return of("month", date(int(found["year"]), int(found["month"]), 1))
    return of("year", date(int(found["year"]), 1, 1))


def around(day: date) -> list[Period]:
    """Every period that a day lies in."""
    return [of(kind, day) for kind in KINDS]
