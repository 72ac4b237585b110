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
from chat.streaks import going_on
from streamstats.lib import week
from streamstats.lib.activity import Gap

CATEGORIES = 6
BADGES = 12
MONDAY = 3 * 86400
"""From the Monday before 1970 to its first moment, which was a Thursday."""

# Times are seconds since 1970.
VISITS = """
visit AS MATERIALIZED (
    SELECT session.stream_id, date_part('epoch', greatest(session.started_at, %(start)s))::bigint AS started,
        date_part('epoch', least(
            coalesce(session.ended_at, greatest(stream.presence_at, session.started_at)), %(end)s
        ))::bigint AS ended
    FROM viewers_viewsession session JOIN streams_stream stream ON stream.id = session.stream_id
    WHERE session.channel_id = %(channel)s AND session.viewer_id = %(viewer)s
        AND session.started_at < %(end)s AND coalesce(session.ended_at, 'infinity') > %(start)s
)
"""
# For each hour of the week, how many visits began in it less how many ended in it, and how many seconds into it:
# streamstats/lib/week.py makes hours of that. To cut each visit into its hours here takes ten times as long.
HOURS = """
SELECT 'hour' AS kind, '' AS name, ((at + %(monday)s) / 3600 %% 168)::text AS more, sum(sign) AS amount,
    sum(sign * (at %% 3600))::bigint AS value
FROM (SELECT 1 AS sign, started AS at FROM visit UNION ALL SELECT -1, ended FROM visit) edge GROUP BY 3
"""
MIDNIGHTS = """
SELECT 'weeks', '', '', coalesce(sum(
    (ended + %(monday)s) / 604800 - (started + %(monday)s) / 604800
), 0)::bigint, 0 FROM visit
"""
WATCHED_AS = """
(SELECT 'category', category, '', count(*), sum(seconds)::bigint AS seconds
FROM (
    SELECT segment.category, sum(
        least(visit.ended, coalesce(segment.ended, visit.ended)) - greatest(visit.started, segment.started)
    ) AS seconds
    FROM visit JOIN (
        SELECT stream_id, category, date_part('epoch', started_at)::bigint AS started,
            date_part('epoch', ended_at)::bigint AS ended
        FROM streams_streamsegment WHERE category <> ''
    ) segment ON segment.stream_id = visit.stream_id
        AND segment.started < visit.ended AND coalesce(segment.ended, visit.ended) > visit.started
    GROUP BY segment.category, visit.stream_id
) in_stream
GROUP BY category ORDER BY seconds DESC, 2 LIMIT %(categories)s)
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
# In the order of chat/streaks.py: the last two, whether each is over, and the streak that was reached in it.
LATEST = """
(SELECT 'latest', '', '', (stream.ended_at IS NOT NULL)::int, coalesce(came.streak, 0)
FROM streams_stream stream LEFT JOIN viewers_viewerstream came ON came.stream_id = stream.id
    AND came.viewer_id = %(viewer)s
WHERE stream.channel_id = %(channel)s AND stream.presence_at IS NOT NULL
ORDER BY stream.started_at DESC, stream.id DESC LIMIT 2)
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
# The newest version that is shown: most viewers have none, and cost no further question.
SUMMARY = """
(SELECT 'summary', '', '', id, 0 FROM viewers_summary
WHERE channel_id = %(channel)s AND viewer_id = %(viewer)s AND state = 'shown' ORDER BY number DESC LIMIT 1)
"""
QUESTIONS = (HOURS, MIDNIGHTS, WATCHED_AS, SPENT_ON, STREAMS, LATEST, WORN, MISSED, KNOWN_SINCE, SUMMARY)
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
    latest: list[tuple[int, int]] = field(default_factory=list)
    has_summary: bool = False

    @property
    def streak_now(self) -> int:
        return going_on(self.latest)


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
        "monday": MONDAY,
    }
    with connection.cursor() as cursor:
        cursor.execute(ALL_LISTS, values)
        return _sorted_out(cursor.fetchall())


def _sorted_out(rows: Sequence[Any]) -> Lists:
    lists, edges, weeks = Lists(), {}, 0
    for kind, name, more, amount, value in rows:
        match kind:
            case "hour":
                edges[int(more)] = week.Edge(amount, value)
            case "weeks":
                weeks = amount
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
            case "latest":
                lists.latest.append((amount, value))
            case "summary":
                lists.has_summary = True
            case "since":
                lists.known_since = date.fromisoformat(name) if name else None
    lists.hours = week.hours(edges, weeks)
    return lists
