"""The numbers of a viewer over a stretch of time, and the streams they came to in it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from chat.models.emote import picture
from chat.portrait.person import Person
from chat.portrait.stretch import Stretch
from streams.models import Stream
from streams.statement import Given, Statement
from streamstats.lib import activity, year
from streamstats.lib.activity import Gap
from viewers.models import SessionCorrection, ViewerDay, ViewerStream, ViewSession

FAVOURITES = 23
ATTENDED = 12
VISITS = 50
DAY = timedelta(days=1)


class Day(NamedTuple):
    day: date
    messages: int
    emotes: int
    watch_seconds: int
    points: int
    bits: int
    subs: int
    gifts: int


class Sums(NamedTuple):
    """What days add up to. `days` are those on which there was anything."""

    watch_seconds: int = 0
    messages: int = 0
    emotes: int = 0
    points: int = 0
    bits: int = 0
    subs: int = 0
    gifts: int = 0
    days: int = 0

    @property
    def is_empty(self) -> bool:
        return not any(self[:-1])

    @property
    def watched(self) -> timedelta:
        return timedelta(seconds=self.watch_seconds)


@dataclass(frozen=True)
class Favourite:
    """An emote, where its picture is, and how often it was used."""

    emote: int
    name: str
    provider: str
    url: str
    count: int


class Attendance(NamedTuple):
    """A stream the viewer came to, and how many percent of it they watched."""

    row: ViewerStream
    share: int


class Beside(NamedTuple):
    """Another stream that the viewer came to."""

    pk: str
    started_at: datetime


class Visit(NamedTuple):
    """A view session, and the moment up to which it counts so far."""

    session: ViewSession
    until: datetime

    @property
    def seconds(self) -> int:
        return round((self.until - self.session.started_at).total_seconds())


class Calendar(NamedTuple):
    """The year of a stretch: its picture, and the days with anything in them, the newest first.

    It shows time watched, or messages where nobody could see who watched.
    """

    year: year.Year
    days: list[Day]
    shows_time: bool

    @property
    def busiest(self) -> Day | None:
        """The day that is coloured most."""
        most = max(self.year.squares, key=lambda square: square.value, default=None)
        return next((row for row in self.days if most and row.day == most.day), None)


def days_of(person: Person, first: date, end: date) -> list[Day]:
    """The days in [first, end) with anything in them, the newest first."""
    rows = DAYS.ask(channel=person.channel.pk, viewer=person.viewer.pk, first=first, end=end)
    return [Day(*row) for row in rows]


def _days() -> QuerySet[Any, Any]:
    rows = ViewerDay.objects.filter(channel=Given("channel"), viewer=Given("viewer"))
    rows = rows.filter(day__gte=Given("first"), day__lt=Given("end"))
    return rows.order_by("-day").values_list(*Day._fields)


DAYS = Statement(_days)


def added_up(days: Iterable[Day]) -> Sums:
    """`watch_seconds` and the like, summed."""
    rows = list(days)
    return Sums(**{name: sum(getattr(row, name) for row in rows) for name in Sums._fields[:-1]}, days=len(rows))


def all_time(person: Person) -> Sums:
    return Sums(**{name: getattr(person.total, name) for name in Sums._fields[:-1]})


def of_stream(person: Person, row: ViewerStream | None, points: int) -> Sums:
    """What is counted of one stream; bits and subscriptions are counted by day alone."""
    return Sums(row.watch_seconds, row.messages, row.emotes, points) if row else Sums(points=points)


def calendar(days: list[Day], stretch: Stretch, known_since: date | None, gaps: list[Gap]) -> Calendar:
    """Days that nobody could see are drawn as such: before the channel was followed, and missed for the most part."""
    last = stretch.last_of_year
    first = year.first_day(last)
    shown = [row for row in days if first <= row.day <= last]
    shows_time = any(row.watch_seconds for row in shown)
    values = {row.day: -(-row.watch_seconds // 60) if shows_time else row.messages for row in shown}
    if shows_time:  # who wrote was there, if only for a moment
        values = {row.day: values[row.day] or min(row.messages, 1) for row in shown}
    unknown = min(((known_since or stretch.today) - first).days, (last - first).days + 1)
    missing = activity.mostly_missed(gaps) | {first + index * DAY for index in range(max(unknown, 0))}
    return Calendar(year.draw(values, last, missing, until=stretch.today), shown, shows_time)


# Added up before the names are looked up, or all rows would be sorted with them.
FAVOURITES_OF = """
SELECT emote.id, emote.name, emote.provider, emote.provider_id, emote.image_url, top.uses
FROM ({counted} GROUP BY emote_id ORDER BY uses DESC, emote_id LIMIT %(most)s) top
JOIN chat_emote emote ON emote.id = top.emote_id ORDER BY top.uses DESC, emote.id
"""
OF_ALL_TIME = """
SELECT emote_id, sum(uses)::bigint AS uses FROM chat_vieweremote
WHERE channel_id = %(channel)s AND viewer_id = %(viewer)s
"""
OF_DAYS = """
SELECT emote_id, sum(uses)::bigint AS uses FROM chat_emoteusage
WHERE channel_id = %(channel)s AND viewer_id = %(viewer)s AND day >= %(first)s AND day < %(after)s
"""
# Compare MESSAGES in chat/streamnumbers.py: what was written in a drop-out is of no stream.
OF_STREAM = """
SELECT used.id AS emote_id, count(*) AS uses FROM chat_message message, unnest(message.emotes) used(id)
WHERE message.channel_id = %(channel)s AND message.viewer_id = %(viewer)s AND message.source_channel_id = ''
    AND message.sent_at >= %(start)s AND message.sent_at < %(end)s AND EXISTS (
        SELECT FROM streams_streamsegment segment WHERE segment.stream_id = %(stream)s
            AND message.sent_at >= segment.started_at AND message.sent_at < coalesce(segment.ended_at, 'infinity')
    )
"""


def favourites(person: Person, stretch: Stretch) -> list[Favourite]:
    """The emotes used most, first of all. Of one stream: from its messages, as long as they are kept."""
    values: dict[str, Any] = {"channel": person.channel.pk, "viewer": person.viewer.pk, "most": FAVOURITES}
    if stretch.stream:
        counted = OF_STREAM
        ended_at = stretch.stream.ended_at or timezone.now()
        values |= {"stream": stretch.stream.pk, "start": stretch.stream.started_at, "end": ended_at}
    elif stretch.is_all:
        counted = OF_ALL_TIME
    else:
        counted = OF_DAYS
        values |= {"first": stretch.period.first, "after": stretch.period.end}
    return most_used(counted, values)


def most_used(counted: str, values: dict[str, Any]) -> list[Favourite]:
    """The emotes of a question that counts uses by emote."""
    with connection.cursor() as cursor:
        cursor.execute(FAVOURITES_OF.format(counted=counted), values)
        return [_favourite(*row) for row in cursor.fetchall()]


def _favourite(emote: int, name: str, provider: str, provider_id: str, told: str, uses: int) -> Favourite:
    return Favourite(emote, name, provider, picture(provider, provider_id, told), uses)


def attended(person: Person, stretch: Stretch) -> list[Attendance]:
    """The latest streams of the stretch that the viewer came to."""
    of = {"channel": person.channel.pk, "viewer": person.viewer.pk}
    rows = LATEST.ask(stretch.started_at is not None, **of, start=stretch.started_at, end=stretch.ended_at)
    now = timezone.now()
    return [Attendance(row, _share(row, now)) for row in rows]


def _latest(has_bounds: bool) -> QuerySet[ViewerStream]:
    rows = _streams_of(Given("channel"), Given("viewer")).order_by("-stream__started_at", "stream")
    if has_bounds:
        rows = rows.filter(stream__started_at__gte=Given("start"), stream__started_at__lt=Given("end"))
    return rows[:ATTENDED]


LATEST = Statement(_latest)


def attendance_of(person: Person, stream: Stream) -> Attendance | None:
    row = _streams_of(person.channel, person.viewer).filter(stream=stream).first()
    return Attendance(row, _share(row, timezone.now())) if row else None


def visits(person: Person, stream: Stream) -> list[Visit]:
    """The visits to one stream, the first one first."""
    corrected = Exists(SessionCorrection.objects.filter(session=OuterRef("pk")))
    sessions = ViewSession.objects.of(person.channel, person.viewer).filter(stream=stream)
    rows = sessions.annotate(is_corrected=corrected).order_by("started_at")[:VISITS]
    return [Visit(row, row.ended_at or max(stream.presence_at or row.started_at, row.started_at)) for row in rows]


def neighbours(person: Person, stream: Stream) -> tuple[Beside | None, Beside | None]:
    """The streams before and after this one that the viewer came to."""
    came = Exists(ViewerStream.objects.filter(channel=person.channel, viewer=person.viewer, stream=OuterRef("pk")))
    streams = person.channel.streams.filter(came)
    before = streams.filter(started_at__lt=stream.started_at).order_by("-started_at").values_list("pk", "started_at")
    after = streams.filter(started_at__gt=stream.started_at).order_by("started_at").values_list("pk", "started_at")
    found = {started_at > stream.started_at: Beside(pk, started_at) for pk, started_at in before[:1].union(after[:1])}
    return found.get(False), found.get(True)


def _streams_of(channel: Any, viewer: Any) -> QuerySet[ViewerStream]:
    return ViewerStream.objects.filter(channel=channel, viewer=viewer).select_related("stream")


def _share(row: ViewerStream, now: datetime) -> int:
    """Percent of a stream's time on air that was watched, at most all: the last proof may be newer than the count."""
    on_air = row.stream.on_air_until(now)
    return min(100, round(100 * row.watch_seconds / max(on_air.total_seconds(), 1)))
