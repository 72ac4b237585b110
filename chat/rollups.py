"""Counts again, from the rows themselves, what the store added up as they came.

One day of one channel at a time, under the lock that the writers of the channel take, so that it can
run beside them. A recount of what was counted right changes nothing; a dry run says what it would.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from chat import folds, standings
from chat.models import ChatEvent, Message, Redemption
from chat.numbers import BY_EMOTE_AND_DAY, BY_MINUTE, BY_VIEWER_AND_DAY, POINTS
from streams.locks import lock_channels
from streams.marks import MARK_DAYS
from streams.models import Channel

MESSAGES = """(
    SELECT channel_id, viewer_id, sent_at, bits, emotes FROM chat_message
    WHERE channel_id = %(channel)s AND sent_at >= %(start)s AND sent_at < %(end)s AND source_channel_id = ''
) said"""

# Subscriptions, bits that no message carries, points, and gift bombs by the day and giver of their first part; the
# other parts, and what only says the same once more, show that their viewer was there (compare `onefact.counts`).
FACTS = f"""
SELECT viewer_id, occurred_at AS at, (kind IN ('sub', 'resub') AND same_as = '')::int AS subs, 0 AS gifts,
    CASE WHEN told_by <> '' AND kind IN ('cheer', 'power_up', 'bits') AND same_as = '' THEN amount ELSE 0 END AS bits,
    0 AS points
FROM chat_chatevent
WHERE channel_id = %(channel)s AND occurred_at >= %(start)s AND occurred_at < %(end)s AND source_channel_id = ''
    AND (
        kind IN ('sub', 'resub', 'subgift', 'submysterygift')
        OR told_by <> '' AND kind IN ('cheer', 'power_up', 'bits')
    )
UNION ALL
SELECT (array_agg(viewer_id ORDER BY occurred_at, id))[1], min(occurred_at), 0,
    coalesce(max(amount) FILTER (WHERE kind = 'submysterygift'), count(*)), 0, 0
FROM chat_chatevent
WHERE channel_id = %(channel)s AND bomb_id <> '' AND source_channel_id = ''
    AND occurred_at >= %(start)s - interval '1 day' AND occurred_at < %(end)s + interval '1 day'
GROUP BY bomb_id HAVING min(occurred_at) >= %(start)s AND min(occurred_at) < %(end)s
UNION ALL
SELECT viewer_id, redeemed_at, 0, 0, 0, {POINTS.format("spent")} FROM chat_redemption spent
WHERE channel_id = %(channel)s AND redeemed_at >= %(start)s AND redeemed_at < %(end)s
"""

# The day is counted once; what each table should say, and what it says too much, is both asked of these.
_COUNT_VIEWERS = f"""
CREATE TEMP TABLE recount ON COMMIT DROP AS
SELECT viewer_id, sum(messages)::bigint AS messages, sum(emotes)::bigint AS emotes, sum(bits)::bigint AS bits,
    sum(subs)::bigint AS subs, sum(gifts)::bigint AS gifts, sum(points)::bigint AS points,
    min(first_at) AS first_at, max(last_at) AS last_at
FROM (
    SELECT viewer_id, messages, emotes, bits, 0 AS subs, 0 AS gifts, 0 AS points, first_at, last_at
    FROM ({BY_VIEWER_AND_DAY.format(messages=MESSAGES)}) counted
    UNION ALL
    SELECT viewer_id, 0, 0, bits, subs, gifts, points, at, at FROM ({FACTS}) told WHERE viewer_id IS NOT NULL
) both_kinds GROUP BY 1
"""
COUNT_DAY = (
    _COUNT_VIEWERS,
    f"CREATE TEMP TABLE recount_emotes ON COMMIT DROP AS {BY_EMOTE_AND_DAY.format(messages=MESSAGES)}",
    f"CREATE TEMP TABLE recount_minutes ON COMMIT DROP AS {BY_MINUTE.format(messages=MESSAGES)}",
    # Which emotes somebody turns out not to have used.
    """
    CREATE TEMP TABLE lost ON COMMIT DROP AS
    SELECT viewer_id, emote_id FROM chat_emoteusage WHERE channel_id = %(channel)s AND day = %(day)s
    EXCEPT SELECT viewer_id, emote_id FROM recount_emotes
    """,
    # Nobody else analyses them, and Postgres would take them for small.
    "ANALYZE recount, recount_emotes, recount_minutes",
)
FORGET_DAY = "DROP TABLE recount, recount_emotes, recount_minutes, lost"

COUNTS = ("messages", "emotes", "bits", "subs", "gifts")
VIEWER_COUNTS = (*COUNTS, "points")
_SET = ", ".join(f"{name} = excluded.{name}" for name in COUNTS)
_KNOWN = ", ".join(f"known.{name}" for name in COUNTS)
_EXCLUDED = ", ".join(f"excluded.{name}" for name in COUNTS)
_ZERO = ", ".join(f"{name} = 0" for name in COUNTS)
_ALL = ", ".join(COUNTS)
_OF_VIEWER = ", ".join(VIEWER_COUNTS)
_KNOWN_OF_VIEWER = f"{_KNOWN}, known.points"

# What each table should say of the day, then what it says too much. A statement counts the rows it changes.
RECOUNT_DAY = {
    "viewer days": (
        f"""
        INSERT INTO viewers_viewerday AS known (channel_id, viewer_id, day, {_OF_VIEWER}, watch_seconds)
        SELECT %(channel)s, viewer_id, %(day)s, {_OF_VIEWER}, 0 FROM recount WHERE viewer_id <> '' ORDER BY viewer_id
        ON CONFLICT (channel_id, viewer_id, day) DO UPDATE SET {_SET}, points = excluded.points
        WHERE ({_KNOWN_OF_VIEWER}) <> ({_EXCLUDED}, excluded.points)
        """,
        f"""
        UPDATE viewers_viewerday known SET {_ZERO}, points = 0
        WHERE channel_id = %(channel)s AND day = %(day)s AND ({_KNOWN_OF_VIEWER}) <> (0, 0, 0, 0, 0, 0)
            AND NOT EXISTS (SELECT FROM recount WHERE recount.viewer_id = known.viewer_id)
        """,
    ),
    "emote uses": (
        """
        INSERT INTO chat_emoteusage AS known (channel_id, viewer_id, emote_id, day, uses)
        SELECT channel_id, viewer_id, emote_id, day, uses FROM recount_emotes WHERE viewer_id <> '' ORDER BY 1, 2, 3
        ON CONFLICT (channel_id, viewer_id, emote_id, day) DO UPDATE SET uses = excluded.uses
        WHERE known.uses <> excluded.uses
        """,
        """
        DELETE FROM chat_emoteusage known WHERE channel_id = %(channel)s AND day = %(day)s AND NOT EXISTS (
            SELECT FROM recount_emotes used
            WHERE (used.viewer_id, used.emote_id) = (known.viewer_id, known.emote_id)
        )
        """,
    ),
    "emote days": (
        """
        INSERT INTO chat_emoteday AS known (channel_id, emote_id, day, uses)
        SELECT channel_id, emote_id, day, sum(uses) FROM recount_emotes GROUP BY 1, 2, 3 ORDER BY 2
        ON CONFLICT (channel_id, day, emote_id) DO UPDATE SET uses = excluded.uses WHERE known.uses <> excluded.uses
        """,
        """
        DELETE FROM chat_emoteday known WHERE channel_id = %(channel)s AND day = %(day)s
            AND NOT EXISTS (SELECT FROM recount_emotes used WHERE used.emote_id = known.emote_id)
        """,
    ),
    "minutes": (
        """
        INSERT INTO chat_chatminute AS known (channel_id, minute, messages, chatters)
        SELECT channel_id, minute, messages, chatters FROM recount_minutes ORDER BY 2
        ON CONFLICT (channel_id, minute) DO UPDATE SET messages = excluded.messages, chatters = excluded.chatters
        WHERE (known.messages, known.chatters) <> (excluded.messages, excluded.chatters)
        """,
        """
        DELETE FROM chat_chatminute known
        WHERE channel_id = %(channel)s AND minute >= %(start)s AND minute < %(end)s
            AND NOT EXISTS (SELECT FROM recount_minutes WHERE recount_minutes.minute = known.minute)
        """,
    ),
    "channel days": (
        f"""
        INSERT INTO streams_channelday AS known (channel_id, day, chatters, {_ALL})
        SELECT %(channel)s, %(day)s, count(*) FILTER (WHERE messages > 0 AND viewer_id <> ''),
            coalesce(sum(messages), 0), coalesce(sum(emotes), 0), coalesce(sum(bits), 0), coalesce(sum(subs), 0),
            coalesce(sum(gifts), 0)
        FROM recount HAVING count(*) > 0
        ON CONFLICT (channel_id, day) DO UPDATE SET chatters = excluded.chatters, {_SET}
        WHERE (known.chatters, {_KNOWN}) <> (excluded.chatters, {_EXCLUDED})
        """,
        f"""
        UPDATE streams_channelday known SET chatters = 0, {_ZERO}
        WHERE channel_id = %(channel)s AND day = %(day)s AND (known.chatters, {_KNOWN}) <> (0, 0, 0, 0, 0, 0)
            AND NOT EXISTS (SELECT FROM recount)
        """,
    ),
}

# What places and achievements are taken from.
STAND_ON = ("viewer days", "emote uses", "emote days")
MARK_DAY = MARK_DAYS.format(days="(SELECT %(channel)s AS channel_id, %(day)s::date AS day) changed")

# A viewer the totals do not know yet was seen on that day.
SEE_VIEWERS = """
INSERT INTO viewers_viewertotal AS known
    (channel_id, viewer_id, first_seen_at, last_seen_at, messages, emotes, bits, subs, gifts, watch_seconds, points)
SELECT %(channel)s, viewer_id, first_at, last_at, 0, 0, 0, 0, 0, 0, 0 FROM recount
WHERE viewer_id <> '' ORDER BY viewer_id
ON CONFLICT (channel_id, viewer_id) DO UPDATE SET
    first_seen_at = least(known.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)
WHERE known.first_seen_at > excluded.first_seen_at OR known.last_seen_at < excluded.last_seen_at
"""

RECOUNT_TOTALS = {
    "viewer totals": (
        f"""
        UPDATE viewers_viewertotal known SET {", ".join(f"{name} = days.{name}" for name in VIEWER_COUNTS)}
        FROM (
            SELECT viewer_id, {", ".join(f"sum({name}) AS {name}" for name in VIEWER_COUNTS)}
            FROM viewers_viewerday WHERE channel_id = %(channel)s GROUP BY 1
        ) days
        WHERE known.channel_id = %(channel)s AND known.viewer_id = days.viewer_id
            AND ({_KNOWN_OF_VIEWER}) <> ({", ".join(f"days.{name}" for name in VIEWER_COUNTS)})
        """,
        f"""
        UPDATE viewers_viewertotal known SET {_ZERO}, points = 0
        WHERE channel_id = %(channel)s AND ({_KNOWN_OF_VIEWER}) <> (0, 0, 0, 0, 0, 0) AND NOT EXISTS (
            SELECT FROM viewers_viewerday WHERE channel_id = %(channel)s AND viewer_id = known.viewer_id
        )
        """,
    ),
    "channel totals": (
        f"""
        INSERT INTO streams_channeltotal AS known (channel_id, chatters, last_message_at, {_ALL})
        SELECT %(channel)s,
            (SELECT count(*) FROM viewers_viewertotal WHERE channel_id = %(channel)s AND messages > 0),
            (SELECT max(sent_at) FROM chat_message WHERE channel_id = %(channel)s AND source_channel_id = ''),
            {", ".join(f"coalesce(sum({name}), 0)" for name in COUNTS)}
        FROM streams_channelday WHERE channel_id = %(channel)s HAVING count(*) > 0
        ON CONFLICT (channel_id) DO UPDATE SET chatters = excluded.chatters,
            last_message_at = greatest(known.last_message_at, excluded.last_message_at), {_SET}
        WHERE (known.chatters, {_KNOWN}) <> (excluded.chatters, {_EXCLUDED})
            OR known.last_message_at IS DISTINCT FROM greatest(known.last_message_at, excluded.last_message_at)
        """,
    ),
}


Values = dict[str, int | date]


@dataclass(frozen=True)
class Span:
    """Days [first, end) of a channel."""

    first: date
    end: date

    def days(self) -> Iterator[date]:
        day = self.first
        while day < self.end:
            yield day
            day += timedelta(days=1)


def countable(channel: Channel, first: date | None = None, end: date | None = None) -> Span:
    """The days of a channel that can be counted again: those whose messages are all still there."""
    rows: dict[str, QuerySet[Any]] = {
        "sent_at": Message.objects.filter(channel=channel),
        "occurred_at": ChatEvent.objects.filter(channel=channel),
        "redeemed_at": Redemption.objects.filter(channel=channel),
    }
    heard = [_day(at) for field, of_channel in rows.items() for at in _ends(of_channel, field)]
    if not heard:
        return Span(date.min, date.min)
    whole_from, after = min(heard), max(heard) + timedelta(days=1)
    if channel.messages_kept_from:
        whole_from = max(whole_from, _first_whole_day(channel.messages_kept_from))
    return Span(max(first or whole_from, whole_from), min(end or after, after))


def _first_whole_day(kept_from: datetime) -> date:
    return _day(kept_from - datetime.resolution) + timedelta(days=1)


def _ends(rows: QuerySet[Any], field: str) -> list[datetime]:
    """The first and the last time of rows, where there are any."""
    times = rows.order_by(field).values_list(field, flat=True)
    return [at for at in (times.first(), times.last()) if at is not None]


def rebuild_day(channel: Channel, day: date, *, dry_run: bool = False) -> Counter[str]:
    """Count one day again, if its messages are all there; return how many rows of each table were wrong."""
    values: Values = {
        "channel": channel.pk,
        "day": day,
        "start": _midnight(day),
        "end": _midnight(day + timedelta(days=1)),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        lock_channels(cursor, [channel.pk])
        folds.hold(cursor, [channel.pk])
        # Asked again under the lock: retention may have come to this day since the span was chosen.
        kept_from = Channel.objects.values_list("messages_kept_from", flat=True).get(pk=channel.pk)
        if kept_from and day < _first_whole_day(kept_from):
            return Counter()
        for statement in COUNT_DAY:
            cursor.execute(statement, values)
        changed = _run_all(cursor, RECOUNT_DAY, values)
        changed["viewers seen"] = _run(cursor, SEE_VIEWERS, values)
        if any(changed[table] for table in STAND_ON):
            cursor.execute(MARK_DAY, values)
        standings.fold_lost_uses(cursor, channel.pk)
        cursor.execute(FORGET_DAY)
        transaction.set_rollback(dry_run)
    return Counter(changed)


def rebuild_totals(channel: Channel, *, dry_run: bool = False) -> Counter[str]:
    """Sum the days of a channel up again; return how many totals were wrong."""
    with transaction.atomic(), connection.cursor() as cursor:
        lock_channels(cursor, [channel.pk])
        changed = _run_all(cursor, RECOUNT_TOTALS, {"channel": channel.pk})
        transaction.set_rollback(dry_run)
    return Counter(changed)


def rebuild(channel: Channel, span: Span, *, dry_run: bool = False) -> Counter[str]:
    """Count days and then totals of a channel again; return how many rows of each table were wrong."""
    changed: Counter[str] = Counter()
    for day in span.days():
        changed.update(rebuild_day(channel, day, dry_run=dry_run))
    changed.update(rebuild_totals(channel, dry_run=dry_run))
    return changed


def _run_all(cursor: CursorWrapper, statements: Mapping[str, Iterable[str]], values: Values) -> dict[str, int]:
    """Run the statements of each table; return how many of its rows they changed."""
    return {table: sum(_run(cursor, statement, values) for statement in of_it) for table, of_it in statements.items()}


def _run(cursor: CursorWrapper, statement: str, values: Values) -> int:
    cursor.execute(statement, values)
    return int(cursor.rowcount)


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
