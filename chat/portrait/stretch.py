"""The time a page tells of, a viewer's, a board or emotes: all of it, a year, a month, a week, or one stream."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.http import Http404
from django.utils import timezone

from streams.models import Channel, Stream
from streamstats.lib import periods
from streamstats.lib.periods import ALL_TIME, Period

OF_STREAM = "stream-"
LONGEST = 64
TRY = "Try all, 2026, 2026-11, 2026-W47, year, month or week."
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Stretch:
    """A period, or a stream (then `period` is all time). Days are UTC days."""

    period: Period
    today: date
    stream: Stream | None = None

    def __str__(self) -> str:
        return f"the stream of {self.stream.started_at:%-d %B %Y}" if self.stream else str(self.period)

    @property
    def key(self) -> str:
        """As it stands in the address; empty for all time."""
        if self.stream:
            return f"{OF_STREAM}{self.stream.pk}"
        return "" if self.is_all else self.period.key

    @property
    def span(self) -> Period | Stream:
        return self.stream or self.period

    @property
    def is_all(self) -> bool:
        return self.stream is None and self.period.first is None

    @property
    def is_present(self) -> bool:
        """Whether it is not over yet."""
        if self.stream:
            return self.stream.ended_at is None
        return self.period.end is None or self.period.end > self.today

    @property
    def day(self) -> date:
        """A day of it: the last one that there was so far."""
        if self.stream:
            return self.stream.started_at.astimezone(UTC).date()
        return min(self.period.end - DAY, self.today) if self.period.end else self.today

    @property
    def started_at(self) -> datetime | None:
        return self.stream.started_at if self.stream else _midnight(self.period.first)

    @property
    def ended_at(self) -> datetime | None:
        return self.stream.ended_at if self.stream else _midnight(self.period.end)

    @property
    def last_of_year(self) -> date:
        """The last day of its calendar: that of the year in which it ends, or today for all time."""
        return self.today if self.is_all else date(self.day.year, 12, 31)


def read(channel: Channel, text: str) -> Stretch:
    """What `?range=` says. Raises Http404, in words, where it is nothing that could be told of."""
    today = timezone.now().astimezone(UTC).date()
    if text.startswith(OF_STREAM):
        return Stretch(ALL_TIME, today, _stream(channel, text.removeprefix(OF_STREAM)))
    try:
        period = periods.read(text or periods.ALL, today)
    except ValueError as error:
        raise Http404(f"There is no such span of time. {TRY}") from error
    if period.first and period.first > today:
        raise Http404(f"Nothing can be told of {period} yet: it lies ahead.")
    return Stretch(period, today)


def _stream(channel: Channel, stream_id: str) -> Stream:
    """A stream by its number, or by that of a part which had one of its own."""
    streams = channel.streams.all()
    found = None
    if stream_id.isprintable() and len(stream_id) <= LONGEST:
        found = streams.filter(pk=stream_id).first() or streams.filter(twitch_ids__contains=[stream_id]).first()
    if found is None:
        raise Http404(f"No stream of {channel} with this number is known here.")
    return found


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None
