"""A year of one viewer in one channel, as it is told in a few large facts."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import NamedTuple

from django.http import Http404
from django.utils import timezone

from chat.portrait import facts, lists, place
from chat.portrait.facts import Calendar, Favourite, Sums
from chat.portrait.lists import Lists
from chat.portrait.person import Person
from chat.portrait.place import Standings
from chat.portrait.stretch import Stretch
from streamstats.lib import periods, week
from streamstats.lib import year as years


class Change(NamedTuple):
    """How much more of something there was than in the year before; negative where it was less."""

    value: int
    year: int

    @property
    def is_more(self) -> bool:
        return self.value > 0

    @property
    def size(self) -> int:
        return abs(self.value)


@dataclass(frozen=True)
class Recap:
    """`before` is what the year before came to, None where there was nothing."""

    year: int
    is_present: bool
    sums: Sums
    before: Sums | None
    calendar: Calendar
    week: week.Week
    lists: Lists
    emotes: list[Favourite]
    standings: Standings
    first: date
    last: date
    has_earlier: bool
    has_later: bool

    def more(self, name: str) -> Change | None:
        """The change of one of the sums; None without a year before."""
        return Change(getattr(self.sums, name) - getattr(self.before, name), self.year - 1) if self.before else None

    @property
    def more_watched(self) -> Change | None:
        return self.more("watch_seconds")

    @property
    def more_messages(self) -> Change | None:
        return self.more("messages")


def year_named(year: int) -> Stretch:
    """The year as a stretch. Raises Http404 for one that cannot have been."""
    today = timezone.now().astimezone(UTC).date()
    if not periods.FIRST_YEAR <= year <= today.year:
        raise Http404(f"There is no recap of the year {year}.")
    return Stretch(periods.of("year", date(year, 1, 1)), today)


def of(person: Person, year: int) -> Recap:
    """Raises Http404 for a year of which nothing is known."""
    told = year_named(year)
    days = facts.days_of(person, date(year - 1, 1, 1), date(year + 2, 1, 1))
    own = [row for row in days if row.day.year == year]
    if not own:
        raise Http404(f"Nothing is known of {person} in {person.channel} in {year}.")
    before = facts.added_up(row for row in days if row.day.year == year - 1)
    first = years.first_day(told.last_of_year)
    listed = lists.read(person, told.started_at, told.ended_at, datetime.combine(first, time(), UTC))
    return Recap(
        year=year,
        is_present=told.is_present,
        sums=facts.added_up(own),
        before=None if before.is_empty else before,
        calendar=facts.calendar(days, told, listed.known_since, listed.gaps),
        week=week.draw(listed.hours),
        lists=listed,
        emotes=facts.favourites(person, told)[:6],
        standings=place.of(person, told.period),
        first=own[-1].day,
        last=own[0].day,
        has_earlier=days[-1].day.year < year,
        has_later=days[0].day.year > year,
    )
