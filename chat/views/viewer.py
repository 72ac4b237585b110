"""The page of one viewer in one channel, over any stretch of time."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from chat import awards
from chat.portrait import facts, lists, place
from chat.portrait import stretch as stretches
from chat.portrait.facts import DAY
from chat.portrait.person import PAGE, PICTURE, Person, the_one
from chat.portrait.stretch import Stretch
from chat.summaries import page, steps
from chat.views.wiki import role_of
from streams.access import listed_channel
from streams.models import Stream
from streams.pages import kept_ready
from streamstats.lib import periods, week, year
from streamstats.lib.methods import read_only
from viewers import wiki


class Tab(NamedTuple):
    """A stretch of time to look at."""

    name: str
    address: str
    is_current: bool = False


class Picker(NamedTuple):
    """Where other stretches are: of other lengths, and the ones before and after."""

    tabs: list[Tab]
    earlier: Tab | None
    later: Tab | None


@read_only
@kept_ready
def viewer_page(request: HttpRequest, channel: str, login: str) -> HttpResponse:
    found = listed_channel(channel)
    person = the_one(request, found, login)
    if isinstance(person, HttpResponse):
        return person
    told = stretches.read(found, request.GET.get("range", ""))
    context = _of_stream(person, told, told.stream) if told.stream else _of_period(person, told)
    return render(request, "chat/viewer.html", {**_always(request, person, told), **context})


def _always(request: HttpRequest, person: Person, told: Stretch) -> dict[str, object]:
    return {
        "channel": person.channel,
        "person": person,
        "viewer": person.viewer,
        "total": person.total,
        "told": told,
        "canonical": request.build_absolute_uri(person.address_of(PAGE, stretch=told.key)),
        "picture": request.build_absolute_uri(person.address_of(PICTURE)),
        **_text(person),
    }


def _text(person: Person) -> dict[str, object]:
    """What the viewer or a moderator wrote about them."""
    current = person.profile.current if person.profile else None
    return {
        "profile": person.profile,
        "wiki_html": wiki.render(current.text) if current else "",
        "may_edit": role_of(person) is not None,
    }


def _of_period(person: Person, told: Stretch) -> dict[str, object]:
    first, end = _days_to_read(told)
    days = facts.days_of(person, first, end)
    listed = _lists(person, told)
    period = told.period
    calendar = facts.calendar(days, told, listed.known_since, listed.gaps)
    inside = [row for row in days if period.first and period.end and period.first <= row.day < period.end]
    return {
        "busiest": calendar.busiest if told.is_all else _busiest(inside, shows_time=calendar.shows_time),
        "outline": _outline(calendar, period),
        "sums": facts.all_time(person) if told.is_all else facts.added_up(inside),
        "lists": listed,
        "calendar": calendar,
        "week": week.draw(listed.hours),
        "emotes": facts.favourites(person, told),
        "attended": facts.attended(person, told),
        "achievements": _achievements(person, told),
        "standings": place.of(person, period),
        "streak_now": listed.streak_now if told.is_all and not person.is_bot else 0,
        "picker": _periods(person, told),
        **(_summary(person, listed) if told.is_all else {}),
    }


def _summary(person: Person, listed: lists.Lists) -> dict[str, object]:
    """What a summary says of them; for themself, where there is none, what leads to one."""
    found = page.on_page(person.channel, person.viewer) if listed.has_summary else None
    is_asked = found is None and person.is_self
    return {"summary": found, "step": steps.next_of(person.channel, person.total) if is_asked else None}


def _busiest(days: Iterable[facts.Day], *, shows_time: bool) -> facts.Day | None:
    """The day with most of what the calendar shows; of days that share this, the newest."""
    most = max(days, key=lambda row: row.watch_seconds if shows_time else row.messages, default=None)
    return most if most and (most.watch_seconds if shows_time else most.messages) else None


def _outline(calendar: facts.Calendar, period: periods.Period) -> str:
    """A line around a month or a week in its year; a year fills the calendar, and needs none."""
    if period.first is None or period.end is None or period.kind == "year":
        return ""
    return year.outline(calendar.year, period.first, period.end)


def _achievements(person: Person, told: Stretch) -> awards.Cabinet:
    """All of them, and what comes next; of a shorter period what was earned in it. Bots have none."""
    if person.is_bot:
        return awards.NONE
    if told.started_at is None or told.ended_at is None:
        return awards.of_viewer(person.channel, person.viewer)
    return awards.earned_in(person.channel, person.viewer, told.started_at, told.ended_at)


def _of_stream(person: Person, told: Stretch, stream: Stream) -> dict[str, object]:
    first, end = _days_to_read(told)
    days = facts.days_of(person, first, end)
    listed = _lists(person, told)
    attendance = facts.attendance_of(person, stream)
    points = sum(reward.points for reward in listed.rewards)
    return {
        "sums": facts.of_stream(person, attendance.row if attendance else None, points),
        "lists": listed,
        "attendance": attendance,
        "visits": facts.visits(person, stream),
        "calendar": facts.calendar(days, told, listed.known_since, listed.gaps),
        "emotes": facts.favourites(person, told),
        "picker": _streams(person, told, stream),
    }


def _days_to_read(told: Stretch) -> tuple[date, date]:
    """The days of the calendar, and of the stretch: a week may begin in the year before."""
    last = told.last_of_year
    return (
        min(filter(None, [year.first_day(last), told.period.first])),
        max(filter(None, [last + DAY, told.period.end])),
    )


def _lists(person: Person, told: Stretch) -> lists.Lists:
    calendar = datetime.combine(year.first_day(told.last_of_year), time(), UTC)
    return lists.read(person, told.started_at, told.ended_at, calendar)


def _tabs(person: Person, told: Stretch) -> list[Tab]:
    """All time, and the year, month and week in which the stretch ends."""
    around = [periods.of(kind, told.day) for kind in periods.KINDS]
    shown = told.period if told.stream is None else None
    return [_tab(person, period, is_current=period == shown) for period in around]


def _tab(person: Person, period: periods.Period, *, is_current: bool = False) -> Tab:
    name = str(period)
    key = "" if period == periods.ALL_TIME else period.key
    return Tab(name[0].upper() + name[1:], person.address_of(PAGE, stretch=key), is_current)


def _periods(person: Person, told: Stretch) -> Picker:
    """Nothing before the viewer was first seen, nothing that lies ahead."""
    earlier, later = told.period.before(), told.period.after()
    since = person.total.first_seen_at.astimezone(UTC).date()
    is_earlier = earlier is not None and earlier.end is not None and earlier.end > since
    is_later = later is not None and later.first is not None and later.first <= told.today
    return Picker(
        _tabs(person, told),
        _tab(person, earlier) if earlier and is_earlier else None,
        _tab(person, later) if later and is_later else None,
    )


def _streams(person: Person, told: Stretch, stream: Stream) -> Picker:
    earlier, later = (of and _stream_tab(person, of) for of in facts.neighbours(person, stream))
    own = Tab("This stream", person.address_of(PAGE, stretch=told.key), is_current=True)
    return Picker([*_tabs(person, told), own], earlier, later)


def _stream_tab(person: Person, beside: facts.Beside) -> Tab:
    key = f"{stretches.OF_STREAM}{beside.pk}"
    return Tab(f"{beside.started_at:%-d %b %Y}", person.address_of(PAGE, stretch=key))
