"""Since when emotes are in a channel's own sets, and until when they were: a rename ends nobody's stay."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from django.db import connection

from streams.models import Channel


class Stay(NamedTuple):
    """The latest unbroken time of an emote in a set, under the name it had last.

    `since` is None for what was there when the set was first read, `until` for what is there now. Uses are of all
    time in the channel; `last_day` is None for an emote that nobody used yet.
    """

    emote: int
    provider: str
    name: str
    since: datetime | None
    until: datetime | None
    uses: int
    last_day: date | None


# An entry begins a stay where the emote was not in the set right before it. A set has hundreds of entries, with its
# past perhaps thousands: all of a channel's are read.
_LATEST = """
WITH entry AS (
    SELECT emote_id, provider, name, since, until, coalesce(since > max(coalesce(until, 'infinity')) OVER (
        PARTITION BY provider, emote_id ORDER BY since NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), false) AS begins
    FROM chat_emotesetentry WHERE channel_id = %(channel)s AND (%(provider)s = '' OR provider = %(provider)s)
),
numbered AS (
    SELECT *, count(*) FILTER (WHERE begins) OVER (
        PARTITION BY provider, emote_id ORDER BY since NULLS FIRST
    ) AS stay, count(*) FILTER (WHERE begins) OVER (PARTITION BY provider, emote_id) AS latest
    FROM entry
),
stayed AS (
    SELECT emote_id, provider, (array_agg(name ORDER BY since DESC NULLS LAST))[1] AS name,
        CASE WHEN bool_and(since IS NOT NULL) THEN min(since) END AS since,
        CASE WHEN bool_and(until IS NOT NULL) THEN max(until) END AS until
    FROM numbered WHERE stay = latest GROUP BY emote_id, provider
)
SELECT stayed.emote_id, stayed.provider, name, since, until, coalesce(uses, 0), last_day, count(*) OVER ()
FROM stayed LEFT JOIN chat_emotetotal total ON total.channel_id = %(channel)s AND total.emote_id = stayed.emote_id
WHERE {which} ORDER BY {order} LIMIT %(most)s OFFSET %(skip)s
"""
# What came in less than so many days ago cannot have been unused for as long.
_UNUSED = _LATEST.format(
    which="until IS NULL AND (since IS NULL OR since < %(since)s) AND (last_day IS NULL OR last_day < %(day)s)",
    order="last_day NULLS FIRST, since NULLS FIRST, name, stayed.emote_id",
)
_GONE = _LATEST.format(which="until IS NOT NULL", order="until DESC, name, stayed.emote_id")


def unused(
    channel: Channel, provider: str, days: int, today: date, *, most: int, skip: int = 0
) -> tuple[list[Stay], int]:
    """Emotes in the channel's sets that nobody used in so many days, the longest unused first; and how many they are.

    An empty provider means all of them.
    """
    day = today - timedelta(days=days)
    return _read(_UNUSED, channel, provider, most, skip, day=day, since=datetime.combine(day, time(), UTC))


def gone(channel: Channel, provider: str, *, most: int, skip: int = 0) -> tuple[list[Stay], int]:
    """Emotes that are no longer in the set they were in, those that went last first; and how many they are."""
    return _read(_GONE, channel, provider, most, skip)


def _read(
    statement: str, channel: Channel, provider: str, most: int, skip: int, **values: date
) -> tuple[list[Stay], int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"channel": channel.pk, "provider": provider, "most": most, "skip": skip, **values})
        rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
    return [Stay(*row[:-1]) for row in rows], rows[0][-1] if rows else 0
