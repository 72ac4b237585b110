"""Whose turn it is: viewers who agreed and wrote a hundred messages since their last summary, at a bounded pace.

A turn is given out once: the row of the turn moves on in the statement that makes the summary, so that whoever looks
again, also after a kill, finds that hundred gone. Whoever looks at the same time waits.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q

from streams.locks import SUMMARIES
from streams.models import Channel
from viewers.choices import WORDING
from viewers.models import Consent, Summary

EVERY = 100
"""Messages from one summary to the next."""
AGAIN_AFTER = timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6)
"""From one try to the next. The first is longer than a summary takes: what was begun before that and is not done was
killed, or nobody answered. Each may have been paid for, so the longer it goes on the more seldom it is tried."""
AGAIN_AT_ONCE = 20

# Channels take their turns one by one for as long as it takes: two who gave out turns at once would be twice as fast.
LOCK = f"SELECT pg_advisory_xact_lock({SUMMARIES})"

# How many were begun in a channel in this minute and on this day, of what may be.
BEGUN = """
SELECT count(*) FILTER (WHERE begun_at >= %(today)s) AS today, count(*) FILTER (WHERE begun_at > %(lately)s) AS lately
FROM viewers_summary
WHERE channel_id = policy.channel_id AND viewer_id IS NOT NULL AND begun_at >= least(%(today)s, %(lately)s)
"""
# Values are passed beside it, here and below.
ROOM = f"""
SELECT policy.per_minute - begun.lately, policy.per_day - begun.today
FROM viewers_summarypolicy policy CROSS JOIN LATERAL ({BEGUN}) begun
WHERE policy.channel_id = %(channel)s AND policy.is_on
"""  # noqa: S608 (statements of ours)
# Of each channel the viewers who wrote most since, as many as there is room for in this minute and on this day.
WHO = f"""
SELECT policy.channel_id, due.viewer_id, due.messages
FROM viewers_summarypolicy policy
CROSS JOIN LATERAL ({BEGUN}) begun
CROSS JOIN LATERAL (
    SELECT total.viewer_id, total.messages
    FROM viewers_consent consent
    JOIN viewers_viewertotal total
        ON total.channel_id = policy.channel_id AND total.viewer_id = consent.viewer_id AND total.messages >= %(every)s
    JOIN viewers_viewer viewer ON viewer.twitch_id = consent.viewer_id
    LEFT JOIN viewers_summaryturn turn
        ON turn.channel_id = policy.channel_id AND turn.viewer_id = consent.viewer_id
    WHERE consent.kind = %(kind)s AND consent.withdrawn_at IS NULL AND consent.wording = %(wording)s
        AND viewer.stopped_at IS NULL AND NOT viewer.is_bot AND NOT EXISTS (
            SELECT FROM viewers_profile page
            WHERE page.channel_id = policy.channel_id AND page.viewer_id = consent.viewer_id AND page.is_bot
        )
        AND total.messages - coalesce(turn.messages, 0) >= %(every)s
        AND NOT EXISTS (
            SELECT FROM viewers_summary going_on
            WHERE going_on.channel_id = policy.channel_id AND going_on.viewer_id = consent.viewer_id
                AND going_on.state IN ('waiting', 'running')
        )
    ORDER BY total.messages - coalesce(turn.messages, 0) DESC, total.viewer_id
    LIMIT greatest(least(policy.per_minute - begun.lately, policy.per_day - begun.today), 0)
) due
WHERE policy.is_on
"""  # noqa: S608
GIVE_OUT = f"""
WITH due AS ({WHO}),
turn AS (
    INSERT INTO viewers_summaryturn (channel_id, viewer_id, messages)
    SELECT channel_id, viewer_id, messages FROM due
    ON CONFLICT (channel_id, viewer_id) DO UPDATE SET messages = EXCLUDED.messages
    RETURNING channel_id, viewer_id, messages
)
INSERT INTO viewers_summary (channel_id, viewer_id, number, state, is_asked, begun_at, messages_then, made_by, provider,
    model, prompt_version, messages_read, input_tokens, output_tokens, cost, dropped, reason, decided_as)
SELECT channel_id, viewer_id, coalesce((
        SELECT max(number) FROM viewers_summary known
        WHERE known.channel_id = turn.channel_id AND known.viewer_id = turn.viewer_id
    ), 0) + 1, 'waiting', false, %(now)s, messages, '', '', '', '', 0, 0, 0, 0, '{{}}', '', ''
FROM turn
RETURNING id
"""  # noqa: S608 (statements of ours)


def give_out(now: datetime) -> list[int]:
    """The ids of the summaries whose turn begins now, the rows of which are made."""
    with transaction.atomic(), connection.cursor() as cursor:
        hold()
        cursor.execute(GIVE_OUT, _values(now))
        return [summary for (summary,) in cursor.fetchall()]


def who(now: datetime) -> list[tuple[int, str, int]]:
    """(channel, viewer, messages) of those whose turn would begin now."""
    with connection.cursor() as cursor:
        cursor.execute(WHO, _values(now))
        return [(channel, viewer, messages) for channel, viewer, messages in cursor.fetchall()]


def room(channel: Channel, now: datetime) -> tuple[int, int]:
    """How many more may be begun in a channel in this minute, and on this day: less than none, where fewer may now."""
    with connection.cursor() as cursor:
        cursor.execute(ROOM, {**_values(now), "channel": channel.pk})
        return cursor.fetchone() or (0, 0)


def hold() -> None:
    """Let nobody else begin one until the end of this transaction."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK)


def left_behind(now: datetime) -> list[Summary]:
    """Those that were given out before and are not written, the oldest first: some at once, that the pace holds."""
    known = Q(tried_at__isnull=False) | Q(begun_at__lt=now - AGAIN_AFTER[0])
    waiting = Summary.objects.filter(may_be_tried(now), known)
    return list(waiting.order_by(F("tried_at").asc(nulls_first=True), "begun_at")[:AGAIN_AT_ONCE])


def may_be_tried(now: datetime) -> Q:
    """A condition: of summaries that are not written, those that were not tried lately."""
    soon, later, last = (Q(tried_at__lt=now - pause) for pause in AGAIN_AFTER)
    is_over = Q(tried_at=None) | Q(soon, tries__lte=1) | Q(later, tries=2) | Q(last, tries__gte=3)
    return Q(is_over, state__in=(Summary.State.WAITING, Summary.State.RUNNING))


def _values(now: datetime) -> dict[str, Any]:
    kind = Consent.Kind.SUMMARY
    return {
        "now": now,
        "today": now.replace(hour=0, minute=0, second=0, microsecond=0),
        "lately": now - timedelta(minutes=1),
        "every": EVERY,
        "kind": kind,
        "wording": WORDING[kind],
    }
