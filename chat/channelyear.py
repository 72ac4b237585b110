"""A year of a whole channel, as it is told in a few large facts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, DurationField, ExpressionWrapper, F, Max, Q, Sum
from django.db.models.functions import Coalesce, Now
from django.http import Http404

from chat.portrait.facts import Favourite, most_used
from chat.portrait.recap import Change, year_named
from chat.portrait.stretch import Stretch
from streams.models import Channel, Gap, Stream, StreamSegment
from streams.models.stream import TIME_ON_AIR
from streamstats.lib import activity
from streamstats.lib import year as years
from viewers.models import Standing
from viewers.visibility import people_in

EMOTES = 6
PEOPLE = 5
CATEGORIES = 5

OF_CHANNEL = """
SELECT emote_id, sum(uses)::bigint AS uses FROM chat_emoteyear WHERE channel_id = %(channel)s AND year = %(year)s
"""


class Day(NamedTuple):
    day: date
    messages: int
    emotes: int
    chatters: int
    subs: int
    gifts: int
    bits: int


class ChatSums(NamedTuple):
    messages: int = 0
    emotes: int = 0
    subs: int = 0
    gifts: int = 0
    bits: int = 0


@dataclass(frozen=True)
class StreamSums:
    """What the streams of a year come to: how many, how long on air in all, and how long people watched."""

    count: int
    seconds: int
    watch_seconds: int
    new_viewers: int
    peak_viewers: int


@dataclass(frozen=True)
class ChannelYear:
    year: int
    is_present: bool
    sums: ChatSums
    before: ChatSums | None
    streams: StreamSums
    streams_before: StreamSums
    largest: Stream | None
    busiest: Day
    calendar: years.Year
    days: list[Day]
    categories: list[Any]
    emotes: list[Favourite]
    people: list[Standing]
    has_earlier: bool
    has_later: bool

    @property
    def more_messages(self) -> Change | None:
        return Change(self.sums.messages - self.before.messages, self.year - 1) if self.before else None

    @property
    def more_seconds(self) -> Change | None:
        before = self.streams_before
        return Change(self.streams.seconds - before.seconds, self.year - 1) if before.count else None


def of(channel: Channel, year: int) -> ChannelYear:
    """Raises Http404 for a year of which nothing is known."""
    told = year_named(year)
    days = _days(channel, year)
    own = [row for row in days if row.day.year == year]
    streams, streams_before = _streams(channel, year)
    if not own and not streams.count:
        raise Http404(f"Nothing is known of {channel} in {year}.")
    earlier = [row for row in days if row.day.year == year - 1]
    last = told.last_of_year
    first, since = years.first_day(last), days[-1].day if days else told.today
    missing = _missed(channel, last) | {first + index * activity.DAY for index in range((since - first).days)}
    largest = channel.streams.filter(started_at__year=year).order_by("-peak_viewers", "-messages", "pk")
    return ChannelYear(
        year=year,
        is_present=told.is_present,
        sums=_added_up(own),
        before=_added_up(earlier) if earlier else None,
        streams=streams,
        streams_before=streams_before,
        largest=largest.first(),
        busiest=max(own, key=lambda row: row.messages, default=Day(told.day, 0, 0, 0, 0, 0, 0)),
        calendar=years.draw({row.day: row.messages for row in days}, last, missing, until=told.today),
        days=[row for row in own if row.messages],
        categories=_categories(channel, year),
        emotes=_emotes(channel, year),
        people=_people(channel, told),
        has_earlier=bool(earlier) or streams_before.count > 0,
        has_later=bool(days) and days[0].day.year > year,
    )


def _days(channel: Channel, year: int) -> list[Day]:
    """The days of this year, the one before and the one after, the newest first."""
    rows = channel.days.filter(day__gte=date(year - 1, 1, 1), day__lt=date(year + 2, 1, 1)).order_by("-day")
    return [Day(*row) for row in rows.values_list(*Day._fields)]


def _added_up(days: Iterable[Day]) -> ChatSums:
    rows = list(days)
    return ChatSums(*(sum(getattr(row, name) for row in rows) for name in ChatSums._fields))


def _streams(channel: Channel, year: int) -> tuple[StreamSums, StreamSums]:
    """The streams that began in this year, and in the one before."""
    rows = Stream.objects.filter(channel=channel, started_at__gte=datetime(year - 1, 1, 1, tzinfo=UTC))
    rows = rows.filter(started_at__lt=datetime(year + 1, 1, 1, tzinfo=UTC))
    found: dict[str, Any] = {}
    for key in (year, year - 1):
        own = Q(started_at__year=key)
        found |= {
            f"count_{key}": Count("pk", filter=own),
            f"on_air_{key}": Sum(TIME_ON_AIR, filter=own, default=timedelta()),
            f"watch_{key}": Sum("watch_seconds", filter=own, default=0),
            f"new_{key}": Sum("new_viewers", filter=own, default=0),
            f"peak_{key}": Max("peak_viewers", filter=own, default=0),
        }
    told = rows.aggregate(**found)
    this, before = (
        StreamSums(
            told[f"count_{key}"],
            round(told[f"on_air_{key}"].total_seconds()),
            told[f"watch_{key}"],
            told[f"new_{key}"],
            told[f"peak_{key}"],
        )
        for key in (year, year - 1)
    )
    return this, before


def _categories(channel: Channel, year: int) -> list[Any]:
    """What the channel was on air with, and for how long."""
    lasted = ExpressionWrapper(Coalesce("ended_at", Now()) - F("started_at"), output_field=DurationField())
    segments = StreamSegment.objects.filter(stream__channel=channel, stream__started_at__year=year)
    named: Any = segments.exclude(category="").values("category").annotate(lasted=Sum(lasted))
    return list(named.order_by("-lasted", "category")[:CATEGORIES])


def _emotes(channel: Channel, year: int) -> list[Favourite]:
    return most_used(OF_CHANNEL, {"channel": channel.pk, "year": year, "most": EMOTES})


def _people(channel: Channel, told: Stretch) -> list[Standing]:
    """Who watched most, of those who are shown."""
    rows = Standing.objects.filter(people_in(channel), channel=channel, period=told.period.key, watch_seconds__gt=0)
    return list(rows.select_related("viewer").order_by("-watch_seconds", "viewer")[:PEOPLE])


def _missed(channel: Channel, last: date) -> set[date]:
    since = datetime.combine(years.first_day(last), time(), UTC)
    rows = Gap.objects.filter(channel=channel, ended_at__gt=since).values_list("started_at", "ended_at", "reason")
    return activity.mostly_missed([activity.Gap(max(since, start), end, reason) for start, end, reason in rows])
