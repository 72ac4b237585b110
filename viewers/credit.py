"""Watch time: what view sessions add up to, for each viewer by day and in all.

Whoever changes sessions stages, in the same transaction, which spans are credited from now on and which no longer
are; `fold` adds that to the counters. A recount asks the sessions themselves and must find the same.
A bot never has credit, whatever sessions it had before somebody noticed.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from streams.locks import lock_channels
from streams.marks import MARK_DAYS
from streams.models import Channel
from viewers.models import ViewSession

# Spans of whole seconds. Sign is 1 for what is credited now, -1 for what no longer is.
STAGE_CREDIT = """
CREATE TEMP TABLE IF NOT EXISTS credit (
    channel_id bigint, viewer_id text, started_at timestamptz, ended_at timestamptz, sign int
) ON COMMIT DELETE ROWS
"""

NOT_A_BOT = "viewer_id NOT IN (SELECT twitch_id FROM viewers_viewer WHERE is_bot)"

# channel, viewer, day -> seconds of {spans}, cut at midnight UTC. Most spans lie within one day and need no cutting.
BY_VIEWER_AND_DAY = f"""
SELECT channel_id, viewer_id, day, sum(seconds)::bigint AS seconds FROM (
    SELECT channel_id, viewer_id, (started_at AT TIME ZONE 'UTC')::date AS day,
        extract(epoch FROM ended_at - started_at)::bigint * sign AS seconds
    FROM {{spans}} WHERE (started_at AT TIME ZONE 'UTC')::date = (ended_at AT TIME ZONE 'UTC')::date
    UNION ALL
    SELECT channel_id, viewer_id, (midnight AT TIME ZONE 'UTC')::date, extract(
        epoch FROM least(ended_at, midnight + interval '1 day') - greatest(started_at, midnight)
    )::bigint * sign
    FROM {{spans}}, generate_series(date_trunc('day', started_at, 'UTC'), ended_at, interval '1 day') AS midnight
    WHERE (started_at AT TIME ZONE 'UTC')::date <> (ended_at AT TIME ZONE 'UTC')::date
) cut WHERE {NOT_A_BOT} GROUP BY 1, 2, 3 HAVING sum(seconds) <> 0
"""

# Parts of one statement, so that a poll needs few; `credit` is the staged table, or an earlier part of that name.
# What is lowered goes another way than what is raised: Postgres refuses a row with less than nothing before it sees
# that it would only lower one that is there. A counter that is wrong already must not stop everything that follows:
# it stays at nothing, until it is counted again.
FOLD = f"""
told AS MATERIALIZED ({BY_VIEWER_AND_DAY.format(spans="credit")}),
seen AS MATERIALIZED (
    SELECT channel_id, viewer_id, min(started_at) AS first_at, max(ended_at) AS last_at FROM credit
    WHERE sign > 0 GROUP BY 1, 2
),
sums AS MATERIALIZED (
    SELECT channel_id, viewer_id, sum(seconds)::bigint AS seconds, min(first_at) AS first_at, max(last_at) AS last_at
    FROM told LEFT JOIN seen USING (channel_id, viewer_id) GROUP BY 1, 2
),
raised_days AS (
    INSERT INTO viewers_viewerday AS known
        (channel_id, viewer_id, day, messages, emotes, bits, subs, gifts, watch_seconds, points)
    SELECT channel_id, viewer_id, day, 0, 0, 0, 0, 0, seconds, 0 FROM told WHERE seconds > 0 ORDER BY 1, 2, 3
    ON CONFLICT (channel_id, viewer_id, day) DO UPDATE SET watch_seconds = known.watch_seconds + excluded.watch_seconds
),
lowered_days AS (
    UPDATE viewers_viewerday known SET watch_seconds = greatest(known.watch_seconds + told.seconds, 0)
    FROM told WHERE told.seconds < 0
        AND (known.channel_id, known.viewer_id, known.day) = (told.channel_id, told.viewer_id, told.day)
),
marked_days AS (
    {MARK_DAYS.format(days="told")}
),
raised_totals AS (
    INSERT INTO viewers_viewertotal AS known
        (channel_id, viewer_id, first_seen_at, last_seen_at, messages, emotes, bits, subs, gifts, watch_seconds, points)
    SELECT channel_id, viewer_id, first_at, last_at, 0, 0, 0, 0, 0, seconds, 0 FROM sums WHERE seconds > 0 ORDER BY 1, 2
    ON CONFLICT (channel_id, viewer_id) DO UPDATE SET
        first_seen_at = least(known.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at),
        watch_seconds = known.watch_seconds + excluded.watch_seconds
),
lowered_totals AS (
    UPDATE viewers_viewertotal known SET watch_seconds = greatest(known.watch_seconds + sums.seconds, 0)
    FROM sums WHERE sums.seconds < 0 AND (known.channel_id, known.viewer_id) = (sums.channel_id, sums.viewer_id)
)
"""


def fold(cursor: CursorWrapper) -> None:
    """Add what is staged in `credit` to the counters, whose channels' locks are held, and forget it."""
    cursor.execute(f"WITH {FOLD} SELECT count(*) FROM told")
    cursor.execute("TRUNCATE credit")


# What is credited of sessions: closed ones whole, open ones as far as their stream says.
_CREDITED = """(
    SELECT session.channel_id, session.viewer_id, session.started_at,
        coalesce(session.ended_at, greatest(stream.credited_at, session.started_at)) AS ended_at, 1 AS sign
    FROM viewers_viewsession session JOIN streams_stream stream ON stream.id = session.stream_id
    WHERE session.channel_id = %(channel)s AND {which}
) credited"""
_DAYS = "day >= %(first)s AND day < %(end)s"
_OF_THESE_DAYS = "session.started_at < %(to)s AND (session.ended_at IS NULL OR session.ended_at > %(from)s)"
_OF_THESE_VIEWERS = "{}viewer_id = ANY(%(viewers)s)"


def recount(channel: Channel, first: date, end: date, *, dry_run: bool = False) -> Counter[str]:
    """Count the watch time of days [first, end) again from the sessions; return how many rows were wrong."""
    values = {"channel": channel.pk, "first": first, "end": end, "from": _midnight(first), "to": _midnight(end)}
    with transaction.atomic(), connection.cursor() as cursor:
        lock_channels(cursor, [channel.pk])
        changed = _recount(cursor, values, which=_OF_THESE_DAYS)
        transaction.set_rollback(dry_run)
    return changed


def recredit(viewers: Sequence[str]) -> None:
    """Count the watch time of some viewers again, in every channel: one is a bot now, or is none any more.

    An open session of a bot ends where it was last proven.
    """
    channels = set(ViewSession.objects.filter(viewer__in=viewers).values_list("channel", flat=True))
    values: dict[str, Any] = {"viewers": list(viewers), "first": date.min, "end": date.max}
    whose = _OF_THESE_VIEWERS.format("")
    with transaction.atomic(), connection.cursor() as cursor:
        lock_channels(cursor, channels)
        for statement in (*END_BOTS, COUNT_STREAMS_AGAIN):
            cursor.execute(statement, values)
        for channel in sorted(channels):
            which = _OF_THESE_VIEWERS.format("session.")
            _recount(cursor, {**values, "channel": channel}, which=which, whose=whose)


END_BOTS = (
    """
    UPDATE viewers_viewsession session SET ended_at = stream.presence_at, ended_by = 'bot'
    FROM streams_stream stream, viewers_viewer viewer
    WHERE session.ended_at IS NULL AND session.viewer_id = ANY(%(viewers)s) AND stream.id = session.stream_id
        AND viewer.twitch_id = session.viewer_id AND viewer.is_bot AND stream.presence_at > session.started_at
    """,
    """
    DELETE FROM viewers_viewsession session USING viewers_viewer viewer
    WHERE session.ended_at IS NULL AND session.viewer_id = ANY(%(viewers)s)
        AND viewer.twitch_id = session.viewer_id AND viewer.is_bot
    """,
)


COUNT_STREAMS_AGAIN = """
UPDATE streams_stream SET counted_at = NULL
WHERE id IN (SELECT stream_id FROM viewers_viewsession WHERE viewer_id = ANY(%(viewers)s)) AND counted_at IS NOT NULL
"""

# Who has sessions but was a bot when they were credited has no total yet.
MEET = f"""
INSERT INTO viewers_viewertotal
    (channel_id, viewer_id, first_seen_at, last_seen_at, messages, emotes, bits, subs, gifts, watch_seconds, points)
SELECT channel_id, viewer_id, min(started_at), max(ended_at), 0, 0, 0, 0, 0, 0, 0
FROM {{credited}} WHERE {NOT_A_BOT} GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (channel_id, viewer_id) DO NOTHING
"""

# Changes days of viewers, marks those days, and says how many rows it changed.
_CHANGE_DAYS = f"""
WITH changed AS ({{change}} RETURNING known.channel_id, known.day),
marked AS ({MARK_DAYS.format(days="changed")})
SELECT count(*) FROM changed
"""


def _recount(cursor: CursorWrapper, values: dict[str, Any], *, which: str, whose: str = "true") -> Counter[str]:
    """Put right the days of `whose` viewers by the sessions `which` concern them, then the totals."""
    right = BY_VIEWER_AND_DAY.format(spans=_CREDITED.format(which=which))
    changed: Counter[str] = Counter()
    cursor.execute(
        f"CREATE TEMP TABLE right_credit ON COMMIT DROP AS SELECT * FROM ({right}) AS counted WHERE {_DAYS}", values
    )
    raise_days = """
        INSERT INTO viewers_viewerday AS known
            (channel_id, viewer_id, day, messages, emotes, bits, subs, gifts, watch_seconds, points)
        SELECT channel_id, viewer_id, day, 0, 0, 0, 0, 0, seconds, 0 FROM right_credit ORDER BY 1, 2, 3
        ON CONFLICT (channel_id, viewer_id, day) DO UPDATE SET watch_seconds = excluded.watch_seconds
        WHERE known.watch_seconds <> excluded.watch_seconds
    """
    empty_days = f"""
        UPDATE viewers_viewerday known SET watch_seconds = 0
        WHERE channel_id = %(channel)s AND {_DAYS} AND {whose} AND watch_seconds <> 0 AND NOT EXISTS (
            SELECT FROM right_credit WHERE (right_credit.viewer_id, right_credit.day) = (known.viewer_id, known.day)
        )
    """
    for statement in (raise_days, empty_days):
        cursor.execute(_CHANGE_DAYS.format(change=statement), values)
        changed["watch time of days"] += cursor.fetchone()[0]
    cursor.execute(MEET.format(credited=_CREDITED.format(which=which)), values)
    cursor.execute(
        f"""
        UPDATE viewers_viewertotal known SET watch_seconds = counted.seconds
        FROM (
            SELECT viewer_id, coalesce(sum(day.watch_seconds), 0)::bigint AS seconds
            FROM viewers_viewertotal total LEFT JOIN viewers_viewerday day USING (channel_id, viewer_id)
            WHERE channel_id = %(channel)s AND {whose} GROUP BY 1
        ) counted
        WHERE known.channel_id = %(channel)s AND known.viewer_id = counted.viewer_id
            AND known.watch_seconds <> counted.seconds
        """,
        values,
    )
    changed["watch time in all"] += cursor.rowcount
    cursor.execute("DROP TABLE right_credit")
    return changed


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
