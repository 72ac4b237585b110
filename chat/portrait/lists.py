"""The short lists of a viewer's page, all in one question: each alone would be another round trip.

Watch time is taken from the visits themselves, cut where the stretch begins and ends: a visit belongs to the hours
it lies in, and to what the stream was about then. An open visit counts up to the last proof.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from django.db import connection

from chat.portrait.person import Person
from streamstats.lib.activity import Gap

CATEGORIES = 6
BADGES = 12

VISITS = """
visit AS MATERIALIZED (
    SELECT session.stream_id, greatest(session.started_at, %(start)s) AS started_at, least(
        coalesce(session.ended_at, greatest(stream.presence_at, session.started_at)), %(end)s
    ) AS ended_at
    FROM viewers_viewsession session JOIN streams_stream stream ON stream.id = session.stream_id
    WHERE session.channel_id = %(channel)s AND session.viewer_id = %(viewer)s
        AND session.started_at < %(end)s AND coalesce(session.ended_at, 'infinity') > %(start)s
)
"""
# Weekday (1 is Monday) and hour, both UTC.
HOURS = """
SELECT 'hour' AS kind, extract(isodow FROM hour AT TIME ZONE 'UTC')::text AS name,
    extract(hour FROM hour AT TIME ZONE 'UTC')::text AS more, 0::bigint AS amount,
    sum(extract(epoch FROM least(ended_at, hour + interval '1 hour') - greatest(started_at, hour)))::bigint AS value
FROM visit, generate_series(date_trunc('hour', started_at, 'UTC'), ended_at, interval '1 hour') hour
WHERE hour < ended_at GROUP BY 2, 3
"""
WATCHED_AS = """
(SELECT 'category', segment.category, '', count(DISTINCT visit.stream_id), sum(extract(
    epoch FROM least(visit.ended_at, coalesce(segment.ended_at, 'infinity'))
        - greatest(visit.started_at, segment.started_at)
))::bigint AS seconds
FROM visit JOIN streams_streamsegment segment ON segment.stream_id = visit.stream_id
    AND segment.started_at < visit.ended_at AND coalesce(segment.ended_at, 'infinity') > visit.started_at
WHERE segment.category <> '' GROUP BY segment.category ORDER BY seconds DESC, 2 LIMIT %(categories)s)
"""
# Points that were given back were not spent. A channel has few rewards, so all of them are told.
SPENT_ON = """
(SELECT 'reward', max(reward.title), '', count(*), sum(redemption.cost)::bigint AS points
FROM chat_redemption redemption JOIN chat_reward reward ON reward.id = redemption.reward_id
WHERE redemption.channel_id = %(channel)s AND redemption.viewer_id = %(viewer)s AND redemption.status <> 'canceled'
    AND redemption.redeemed_at >= %(start)s AND redemption.redeemed_at < %(end)s
GROUP BY redemption.reward_id ORDER BY points DESC, 2)
"""
# Of the streams in which anybody knew who was there: how many there were, and to how many the viewer came.
STREAMS = """
SELECT 'streams', '', '', count(*), count(*) FILTER (WHERE came.watch_seconds > 0 OR came.messages > 0)
FROM streams_stream stream LEFT JOIN viewers_viewerstream came ON came.stream_id = stream.id
    AND came.viewer_id = %(viewer)s AND came.channel_id = %(channel)s
WHERE stream.channel_id = %(channel)s AND stream.presence_at IS NOT NULL
    AND stream.started_at >= %(start)s AND stream.started_at < %(end)s
"""
# As their newest message wears them: the channel's own picture before that of everywhere.
WORN = """
(SELECT DISTINCT ON (place) 'badge', coalesce(nullif(badge.title, ''), badge.set_id), badge.image_url, place, 0
FROM (
    SELECT badges FROM chat_message
    WHERE channel_id = %(channel)s AND viewer_id = %(viewer)s AND source_channel_id = '' AND removed_at IS NULL
    ORDER BY sent_at DESC LIMIT 1
) newest, unnest(string_to_array(badges, ',')) WITH ORDINALITY worn(name, place)
JOIN chat_badge badge ON badge.set_id = split_part(worn.name, '/', 1) AND badge.version = split_part(worn.name, '/', 2)
    AND (badge.channel_id = %(channel)s OR badge.channel_id IS NULL)
ORDER BY place, badge.channel_id NULLS LAST LIMIT %(badges)s)
"""
MISSED = """
SELECT 'gap', '', '', extract(epoch FROM started_at)::bigint, ceil(extract(epoch FROM ended_at))::bigint
FROM streams_gap WHERE channel_id = %(channel)s AND ended_at > %(calendar)s
"""
KNOWN_SINCE = """
SELECT 'since', min(day)::text, '', 0, 0 FROM streams_channelday WHERE channel_id = %(channel)s
"""
QUESTIONS = (HOURS, WATCHED_AS, SPENT_ON, STREAMS, WORN, MISSED, KNOWN_SINCE)
ALL_LISTS = f"WITH {VISITS}" + " UNION ALL ".join(QUESTIONS)


class Category(NamedTuple):
    """What streams were about, in how many of them the viewer watched it, and for how long."""

    name: str
    streams: int
    seconds: int


class Spending(NamedTuple):
    """A reward, how often the viewer took it, and the points that it cost them."""

    title: str
    times: int
    points: int


class WornBadge(NamedTuple):
    title: str
    url: str


@dataclass
class Lists:
    """`hours` are seconds by weekday (0 is Monday) and hour, UTC."""

    hours: dict[tuple[int, int], int] = field(default_factory=dict)
    categories: list[Category] = field(default_factory=list)
    rewards: list[Spending] = field(default_factory=list)
    badges: list[WornBadge] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    known_streams: int = 0
    attended_streams: int = 0
    known_since: date | None = None


def read(person: Person, start: datetime | None, end: datetime | None, calendar: datetime) -> Lists:
    """The lists of [start, end), None where it is open; gaps are those since `calendar`."""
    values: dict[str, Any] = {
        "channel": person.channel.pk,
        "viewer": person.viewer.pk,
        "start": start or datetime.min.replace(tzinfo=UTC),
        "end": end or datetime.max.replace(tzinfo=UTC),
        "calendar": calendar,
        "categories": CATEGORIES,
        "badges": BADGES,
    }
    with connection.cursor() as cursor:
        cursor.execute(ALL_LISTS, values)
        return _sorted_out(cursor.fetchall())


def _sorted_out(rows: Sequence[Any]) -> Lists:
    lists = Lists()
    for kind, name, more, amount, value in rows:
        match kind:
            case "hour":
                lists.hours[int(name) - 1, int(more)] = value
            case "category":
                lists.categories.append(Category(name, amount, value))
            case "reward":
                lists.rewards.append(Spending(name, amount, value))
            case "badge":
                lists.badges.append(WornBadge(name, more))
            case "gap":
                lists.gaps.append(Gap(datetime.fromtimestamp(amount, UTC), datetime.fromtimestamp(value, UTC), ""))
            case "streams":
                lists.known_streams, lists.attended_streams = amount, value
            case "since":
                lists.known_since = date.fromisoformat(name) if name else None
    return lists
