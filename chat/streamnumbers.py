"""What is counted of a stream: who wrote and watched in it, which emotes were used, how many watched at once.

Everything is counted from the rows, so a count may be repeated at any time. The rows are read beside the writers of
the channel; only while the result is written do they wait. Messages and emotes are those of the time on air: what
was written in a drop-out, before or after, is of no stream. Bots count as chatters, as they do for days, but watch
nothing and are neither new nor returning. The average of the viewers is the plain mean of what the polls showed,
which come once a minute. How long the drop-outs were is counted again with the rest.
"""

import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import F, Q

from chat.numbers import BY_EMOTE, BY_VIEWER
from streams.broadcasts import OFF_AIR
from streams.locks import lock_channels, lock_counts
from streams.models import Channel, Stream

READ_STREAM = """
SELECT stream.started_at, coalesce(stream.ended_at, 'infinity')::text, stream.twitch_ids,
    (SELECT array_agg((started_at, ended_at)::text ORDER BY started_at) FROM streams_streamsegment
        WHERE stream_id = stream.id),
    coalesce(channel.messages_kept_from <= stream.started_at, true) AS has_messages
FROM streams_stream stream JOIN streams_channel channel ON channel.id = stream.channel_id WHERE stream.id = %(stream)s
"""

# Compare `Message.counted`. The outer bounds find the months and the place in the index; there are few segments.
MESSAGES = """(
    SELECT message.viewer_id, message.emotes FROM chat_message message
    WHERE message.channel_id = %(channel)s AND message.source_channel_id = ''
        AND message.sent_at >= %(start)s AND message.sent_at < %(end)s AND EXISTS (
            SELECT FROM streams_streamsegment segment WHERE segment.stream_id = %(stream)s
                AND message.sent_at >= segment.started_at
                AND message.sent_at < coalesce(segment.ended_at, 'infinity')
        )
) said"""

SAID = BY_VIEWER.format(messages=MESSAGES)
# Where the messages are past retention, what was counted of them is all there is.
SAID_BEFORE = "SELECT viewer_id, messages, emotes FROM viewers_viewerstream WHERE stream_id = %(stream)s"

COUNT_VIEWERS = """
CREATE TEMP TABLE stream_viewers ON COMMIT DROP AS
SELECT viewer_id, messages, emotes, seconds, is_person, is_person AND sessions > 0 AS has_watched,
    is_person AND NOT EXISTS (
        SELECT FROM viewers_viewertotal known
        WHERE known.channel_id = %(channel)s AND known.viewer_id = counted.viewer_id
            AND known.first_seen_at < %(start)s
    ) AND NOT EXISTS (
        SELECT FROM viewers_viewsession earlier
        WHERE earlier.channel_id = %(channel)s AND earlier.viewer_id = counted.viewer_id
            AND earlier.started_at < %(start)s
    ) AS is_new
FROM (
    SELECT viewer_id, sum(messages)::bigint AS messages, sum(emotes)::bigint AS emotes,
        CASE WHEN viewer.is_bot THEN 0 ELSE sum(seconds)::bigint END AS seconds, sum(sessions) AS sessions,
        viewer.is_bot IS NOT TRUE AND viewer_id <> '' AS is_person
    FROM (
        SELECT viewer_id, messages, emotes, 0 AS seconds, 0 AS sessions FROM ({said}) wrote
        UNION ALL
        SELECT session.viewer_id, 0, 0, extract(
            epoch FROM coalesce(session.ended_at, greatest(stream.presence_at, session.started_at)) - session.started_at
        ), 1
        FROM viewers_viewsession session JOIN streams_stream stream ON stream.id = session.stream_id
        WHERE session.stream_id = %(stream)s
    ) both_kinds LEFT JOIN viewers_viewer viewer ON viewer.twitch_id = viewer_id GROUP BY viewer_id, viewer.is_bot
) counted
WHERE messages > 0 OR (is_person AND sessions > 0)
"""
COUNT_EMOTES = f"CREATE TEMP TABLE stream_emotes ON COMMIT DROP AS {BY_EMOTE.format(messages=MESSAGES)}"

# What each table should say of the stream, then what it says too much. A statement counts the rows it changes.
WRITE_VIEWERS = (
    """
    INSERT INTO viewers_viewerstream AS known
        (channel_id, stream_id, viewer_id, messages, emotes, watch_seconds, is_new)
    SELECT %(channel)s, %(stream)s, viewer_id, messages, emotes, seconds, is_new FROM stream_viewers
    WHERE viewer_id <> '' ORDER BY viewer_id
    ON CONFLICT (stream_id, viewer_id) DO UPDATE SET messages = excluded.messages, emotes = excluded.emotes,
        watch_seconds = excluded.watch_seconds, is_new = excluded.is_new
    WHERE (known.messages, known.emotes, known.watch_seconds, known.is_new)
        <> (excluded.messages, excluded.emotes, excluded.watch_seconds, excluded.is_new)
    """,
    """
    DELETE FROM viewers_viewerstream known WHERE stream_id = %(stream)s AND NOT EXISTS (
        SELECT FROM stream_viewers WHERE stream_viewers.viewer_id = known.viewer_id
    )
    """,
)
WRITE_EMOTES = (
    """
    INSERT INTO chat_emotestream AS known (channel_id, stream_id, emote_id, uses)
    SELECT %(channel)s, %(stream)s, emote_id, uses FROM stream_emotes ORDER BY emote_id
    ON CONFLICT (stream_id, emote_id) DO UPDATE SET uses = excluded.uses WHERE known.uses <> excluded.uses
    """,
    """
    DELETE FROM chat_emotestream known WHERE stream_id = %(stream)s AND NOT EXISTS (
        SELECT FROM stream_emotes WHERE stream_emotes.emote_id = known.emote_id
    )
    """,
)
WRITE_STREAM = f"""
UPDATE streams_stream known SET messages = told.messages, chatters = told.chatters, watched_by = told.watched_by,
    watch_seconds = told.seconds, new_viewers = told.new, returning_viewers = told.returning,
    peak_viewers = told.peak, average_viewers = told.average, off_air_seconds = told.off_air
FROM (
    SELECT
        CASE WHEN %(has_messages)s THEN seen.messages ELSE stream.messages END AS messages,
        CASE WHEN %(has_messages)s THEN seen.chatters ELSE stream.chatters END AS chatters,
        seen.watched_by, seen.seconds, seen.new, seen.returning, samples.peak, samples.average,
        {OFF_AIR} AS off_air
    FROM streams_stream stream, (
        SELECT coalesce(sum(messages), 0) AS messages,
            count(*) FILTER (WHERE messages > 0 AND viewer_id <> '') AS chatters,
            count(*) FILTER (WHERE has_watched) AS watched_by, coalesce(sum(seconds), 0) AS seconds,
            count(*) FILTER (WHERE is_new) AS new, count(*) FILTER (WHERE is_person AND NOT is_new) AS returning
        FROM stream_viewers
    ) seen, (
        SELECT coalesce(max(viewers), 0) AS peak, coalesce(round(avg(viewers)), 0) AS average FROM streams_streamsample
        WHERE stream_id = %(stream)s AND at >= %(start)s AND at < %(end)s
    ) samples
    WHERE stream.id = %(stream)s
) told
WHERE known.id = %(stream)s AND (
    known.messages, known.chatters, known.watched_by, known.watch_seconds, known.new_viewers, known.returning_viewers,
    known.peak_viewers, known.average_viewers, known.off_air_seconds
) <> (
    told.messages, told.chatters, told.watched_by, told.seconds, told.new, told.returning, told.peak, told.average,
    told.off_air
)
"""  # noqa: S608 (ours)

PART_SPENT = 100
"""A live stream is counted again after a hundredth of its time, so that the longest ones cost no more than others."""
LATE = timedelta(hours=1)
RECENT = timedelta(days=1)
ENOUGH_S = 200
"""How long one run counts before it leaves the rest for the next."""


def count(stream: Stream, *, dry_run: bool = False) -> Counter[str]:
    """Count a stream again; return how many rows of each table were wrong."""
    changed: Counter[str] = Counter()
    values: dict[str, Any] = {"stream": stream.pk, "channel": stream.channel_id}
    with transaction.atomic(), connection.cursor() as cursor:
        # Two who count one stream at once would write over each other what they read at different times.
        lock_counts(cursor, stream.channel_id, [stream.pk])
        before = _read(cursor, values)
        if before is None:
            return changed
        values["start"], values["end"], *_, values["has_messages"] = before
        has_messages = values["has_messages"]
        now = datetime.now(UTC)
        cursor.execute(COUNT_VIEWERS.format(said=SAID if has_messages else SAID_BEFORE), values)
        if has_messages:
            cursor.execute(COUNT_EMOTES, values)
        cursor.execute("ANALYZE stream_viewers")  # nobody else does, and Postgres would take it for small
        lock_channels(cursor, [stream.channel_id])
        after = _read(cursor, values)
        if after is not None:
            changed["viewers of streams"] = _run(cursor, WRITE_VIEWERS, values)
            changed["emotes of streams"] = _run(cursor, WRITE_EMOTES, values) if has_messages else 0
            changed["streams"] = _run(cursor, (WRITE_STREAM,), values)
        if after == before:  # else what was counted is of other times already, and has to be counted soon
            Stream.objects.filter(pk=stream.pk).update(counted_at=now)
        cursor.execute("DROP TABLE IF EXISTS stream_viewers, stream_emotes")
        transaction.set_rollback(dry_run)
    return changed


def count_due(now: datetime) -> str:
    """Count the streams that are due; say how many they were."""
    began, counted = time.monotonic(), 0
    streams = due(now)
    for stream in streams:
        if time.monotonic() - began > ENOUGH_S:
            break
        count(stream)
        counted += 1
    left = len(streams) - counted
    return f"{counted:,} counted" + (f", {left:,} left for the next time" if left else "")


def due(now: datetime) -> list[Stream]:
    """Streams to be counted, those first that were counted least lately.

    Live ones are, and less often the longer they last; those that ended are until an hour later, for what comes late.
    """
    fresh = Q(ended_at__gt=now - RECENT, counted_at__lt=F("ended_at") + LATE)
    streams = Stream.objects.filter(Q(ended_at=None) | Q(counted_at=None) | fresh)
    return [s for s in streams.order_by(F("counted_at").asc(nulls_first=True), "pk") if _is_due(s, now)]


def _is_due(stream: Stream, now: datetime) -> bool:
    if stream.ended_at or stream.counted_at is None:
        return True
    return now - stream.counted_at >= (now - stream.started_at) / PART_SPENT


def recount(channel: Channel, first: date | None, end: date | None, *, dry_run: bool = False) -> Counter[str]:
    """Count the streams again that were on air on days [first, end); return how many rows of each table were wrong."""
    streams = Stream.objects.filter(channel=channel)
    if first:
        streams = streams.filter(Q(ended_at=None) | Q(ended_at__gt=_midnight(first)))
    if end:
        streams = streams.filter(started_at__lt=_midnight(end))
    changed: Counter[str] = Counter()
    for stream in streams.order_by("started_at"):
        changed.update(count(stream, dry_run=dry_run))
    return changed


def _read(cursor: CursorWrapper, values: dict[str, Any]) -> Any:
    cursor.execute(READ_STREAM, values)
    return cursor.fetchone()


def _run(cursor: CursorWrapper, statements: Iterable[str], values: dict[str, Any]) -> int:
    changed = 0
    for statement in statements:
        cursor.execute(statement, values)
        changed += cursor.rowcount
    return changed


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), tzinfo=UTC)
