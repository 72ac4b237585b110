"""Streaks: how many streams in a row a viewer came to.

Streams count in the order in which they began, those in which it was known who was there. Whoever watched or wrote
something came. A stream of which nobody knows who was there neither breaks a streak nor makes it longer, and one that
is live breaks none until it is over. Bots have streaks in the table, so that nothing has to be counted again when
somebody turns out to be none; to whoever asks they have none.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from streams.locks import lock_channels, lock_counts
from streams.marks import MARK_DAYS
from streams.models import Channel, Stream
from viewers.models import Viewer, ViewerStream

# One more than in the stream before, for those who came.
COUNT_STREAKS = """
UPDATE viewers_viewerstream known SET streak = told.streak
FROM (
    SELECT here.id, CASE
        WHEN %(is_known)s AND (here.watch_seconds > 0 OR here.messages > 0) THEN 1 + coalesce(earlier.streak, 0)
        ELSE 0
    END AS streak
    FROM viewers_viewerstream here
    LEFT JOIN viewers_viewerstream earlier ON earlier.stream_id = %(before)s AND earlier.viewer_id = here.viewer_id
    WHERE here.stream_id = %(stream)s
) told
WHERE known.id = told.id AND known.streak <> told.streak
"""

# The days of a stream: whoever was in it did something on one of them.
MARK_STREAM = MARK_DAYS.format(
    days="""(
        SELECT channel_id, generate_series(
            (started_at AT TIME ZONE 'UTC')::date,
            (greatest(coalesce(ended_at, now()), started_at) AT TIME ZONE 'UTC')::date, interval '1 day'
        )::date AS day
        FROM streams_stream WHERE id = %(stream)s
    ) days"""
)


class Walked(NamedTuple):
    """Of how many streams streaks were counted, and whether those of all are right by now."""

    counted: int
    is_done: bool


class Streaks(NamedTuple):
    """In streams: the one that goes on, the longest there was, and when the last stream of that one began."""

    now: int
    best: int
    best_until: datetime | None


NONE = Streaks(0, 0, None)


class _Stop(NamedTuple):
    """A stream on the way."""

    pk: str
    is_known: bool
    is_due: bool


def count(channel: Channel, is_enough: Callable[[], bool] = lambda: False) -> Walked:
    """Count the streaks of streams that were counted anew, and of those that follow for as long as that changes them.

    The days of streams whose streaks may have changed are marked, so that places follow.
    """
    stops, counted = _stops(channel), 0
    before = ""  # the last stream in which it was known who was there
    goes_on = False
    for index, stop in enumerate(stops):
        if stop.is_due or (goes_on and stop.is_known):
            if is_enough():
                return Walked(counted, is_done=False)
            following = next((later.pk for later in stops[index + 1 :] if later.is_known), None)
            is_changed = _count(channel, stop, before, following)
            goes_on = stop.is_due or is_changed
            counted += 1
        if stop.is_known:
            before = stop.pk
    return Walked(counted, is_done=True)


def _stops(channel: Channel) -> list[_Stop]:
    """Every stream of a channel in order. One is due if it was counted since its streaks were."""
    streams = Stream.objects.filter(channel=channel).order_by("started_at", "pk")
    return [
        _Stop(pk, presence_at is not None, counted_at is not None and counted_at != streaks_at)
        for pk, presence_at, counted_at, streaks_at in streams.values_list(
            "pk", "presence_at", "counted_at", "streaks_at"
        )
    ]


def _count(channel: Channel, stop: _Stop, before: str, following: str | None) -> bool:
    """Count the streaks of one stream; return whether any changed.

    What follows is due from then on, so that a walk that is broken off here goes on there.
    """
    values: dict[str, Any] = {"stream": stop.pk, "before": before, "is_known": stop.is_known}
    with transaction.atomic(), connection.cursor() as cursor:
        lock_counts(cursor, channel.pk, [stop.pk])
        lock_channels(cursor, [channel.pk])
        cursor.execute(COUNT_STREAKS, values)
        is_changed: bool = cursor.rowcount > 0
        Stream.objects.filter(pk=stop.pk).update(streaks_at=F("counted_at"))
        if stop.is_due or is_changed:
            cursor.execute(MARK_STREAM, values)
            Stream.objects.filter(pk=following).update(streaks_at=None)
    return is_changed


def due() -> QuerySet[Stream]:
    """Streams that were counted since their streaks were."""
    counted = Stream.objects.filter(counted_at__isnull=False)
    return counted.filter(Q(streaks_at=None) | ~Q(streaks_at=F("counted_at"))).order_by()


def forget(channel: Channel) -> None:
    """Have the streaks of all streams of a channel counted again."""
    Stream.objects.filter(channel=channel).update(streaks_at=None)


def current_streak(channel: Channel, viewer: Viewer) -> int:
    """How many streams in a row the viewer came to, up to the last one, or to the one before while one is live."""
    if viewer.is_bot:
        return 0
    came = ViewerStream.objects.filter(stream=OuterRef("pk"), viewer=viewer).values("streak")
    known = Stream.objects.filter(channel=channel, presence_at__isnull=False).order_by("-started_at", "-pk")
    return going_on(known.annotate(streak=Subquery(came)).values_list("ended_at", "streak")[:2])


def going_on(last: Iterable[tuple[Any, int | None]]) -> int:
    """The present streak, by the last two streams: whether each ended, and the streak that was reached in it."""
    for ended_at, streak in last:  # one that is live and was not come to yet is passed over
        if streak or ended_at:
            return streak or 0
    return 0


def streaks(channel: Channel, viewer: Viewer) -> Streaks:
    """The present and the longest streak of a viewer, in two queries."""
    if viewer.is_bot:
        return NONE
    of_viewer = ViewerStream.objects.filter(channel=channel, viewer=viewer, streak__gt=0)
    longest = of_viewer.order_by("-streak", "-stream__started_at").values_list("streak", "stream__started_at").first()
    return Streaks(current_streak(channel, viewer), *longest) if longest else NONE
