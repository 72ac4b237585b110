"""What achievements are measured by, in SQL: facts about viewers in the order in which they came to be.

A scan gives the facts of one table, of the viewers in the relation `chosen` (viewer_id) in the channel %(channel)s:
viewer_id, at, stream_id, a `tie` that decides between facts of the same moment, and a column for each measure. A
measure is the sum of its column so far, or the highest so far; a level is earned with the fact that takes it there.

Everything is of tables that are kept for ever. What a fact says may still grow while its day or its stream goes on, but
the moment at which a level is reached does not depend on when somebody looks: days are told as their midnight UTC.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """`at` is the column with the moment; what grows with time reaches a number so many seconds after `since`.

    What was reached is the level itself, for a sum passes through it; of a fact that jumps, its own number.
    """

    is_peak: bool = False
    at: str = "at"
    since: str = ""
    is_jump: bool = False


@dataclass(frozen=True, eq=False)
class Scan:
    """`present` is a quicker way to where one viewer stands now, with the same columns."""

    rows: str
    measures: dict[str, Measure]
    present: str = ""
    is_of_days: bool = False


SUM = Measure()
PEAK = Measure(is_peak=True)
JUMP = Measure(is_peak=True, is_jump=True)

DAYS = Scan(
    """
    SELECT viewer_id, day::timestamp AT TIME ZONE 'UTC' AS at, NULL::varchar AS stream_id, day AS tie,
        messages, emotes, watch_seconds, bits, gifts, points, messages AS messages_of_a_day, 1 AS days,
        (date_trunc('month', day) IS DISTINCT FROM date_trunc('month', lag(day) OVER past))::int AS months,
        row_number() OVER (PARTITION BY viewer_id, run ORDER BY day) AS days_in_a_row,
        (extract(isodow FROM day) >= 6)::int AS weekend_days,
        (row_number() OVER (PARTITION BY viewer_id, extract(isodow FROM day) ORDER BY day) = 1)::int AS weekdays,
        extract(year FROM age(day, first_value(day) OVER past))::int AS years,
        (watch_seconds >= 3600 AND messages = 0 AND day < (now() AT TIME ZONE 'UTC')::date)::int AS quiet_days,
        (extract(doy FROM day) = 1)::int AS new_years_days,
        (to_char(day, 'MMDD') = '0229')::int AS leap_days
    FROM (
        SELECT day.*, day.day - row_number() OVER (PARTITION BY viewer_id ORDER BY day.day)::int AS run
        FROM chosen JOIN viewers_viewerday day USING (viewer_id)
        WHERE day.channel_id = %(channel)s
            AND greatest(day.messages, day.watch_seconds, day.points, day.bits, day.subs, day.gifts) > 0
    ) seen
    WINDOW past AS (PARTITION BY viewer_id ORDER BY day)
    """,
    {
        **dict.fromkeys(("messages", "emotes", "watch_seconds", "bits", "gifts", "points", "days", "months"), SUM),
        **dict.fromkeys(("weekend_days", "weekdays", "quiet_days", "new_years_days", "leap_days"), SUM),
        **dict.fromkeys(("messages_of_a_day", "days_in_a_row", "years"), PEAK),
    },
    is_of_days=True,
)

# Streams of which it is known who was there, each with its number, as for streaks.
STREAMS = Scan(
    """
    SELECT viewer_id, stream.started_at AS at, stream.ended_at AS ends_at, stream.id AS stream_id, stream.n AS tie,
        1 AS streams, visit.streak, visit.messages AS messages_of_a_stream,
        coalesce(
            visit.watch_seconds >= 0.9 * stream.seconds_on_air AND stream.seconds_on_air >= 1800, false
        )::int AS whole_streams,
        (stream.category <> '' AND row_number() OVER (
            PARTITION BY viewer_id, stream.category ORDER BY stream.n
        ) = 1)::int AS categories,
        coalesce(stream.n - lag(stream.n) OVER past - 1, 0) AS missed_before,
        coalesce(lag(stream.day) OVER past = stream.day, false)::int AS second_streams,
        (stream.n = 1)::int AS first_streams
    FROM (
        SELECT id, started_at, ended_at, (started_at AT TIME ZONE 'UTC')::date AS day,
            extract(epoch FROM ended_at - started_at) - off_air_seconds AS seconds_on_air,
            CASE WHEN ended_at IS NULL THEN '' ELSE category_id END AS category,
            row_number() OVER (ORDER BY started_at, id) AS n
        FROM streams_stream WHERE channel_id = %(channel)s AND presence_at IS NOT NULL
    ) stream
    JOIN viewers_viewerstream visit ON visit.stream_id = stream.id JOIN chosen USING (viewer_id)
    WHERE visit.channel_id = %(channel)s AND (visit.watch_seconds > 0 OR visit.messages > 0)
    WINDOW past AS (PARTITION BY viewer_id ORDER BY stream.n)
    """,
    {
        **dict.fromkeys(("streams", "categories", "second_streams", "first_streams"), SUM),
        "whole_streams": Measure(at="ends_at"),
        **dict.fromkeys(("streak", "messages_of_a_stream"), PEAK),
        "missed_before": JUMP,
    },
)

# A visit that goes on is known up to the last proof. Of one that passes an hour of the night, that hour is the moment:
# the first three and six in the morning UTC, and the first new year, after it began.
VISITS = Scan(
    """
    SELECT viewer_id, started_at AS at, stream_id, id AS tie, ends_at, at_three, at_six, year_begins,
        extract(epoch FROM until - started_at)::bigint AS visit_seconds,
        (place = 1 AND started_at < begins_at + interval '10 minutes')::int AS came_early,
        (ends_at IS NOT NULL AND until >= ends_at - interval '1 minute')::int AS stayed,
        (until > at_three)::int AS nights, (until > at_six)::int AS mornings, (until > year_begins)::int AS new_years
    FROM (
        SELECT session.viewer_id, session.started_at, session.stream_id, session.id,
            coalesce(session.ended_at, greatest(stream.presence_at, session.started_at)) AS until,
            stream.started_at AS begins_at, stream.ended_at AS ends_at,
            row_number() OVER (PARTITION BY session.viewer_id, session.stream_id ORDER BY session.started_at) AS place,
            date_trunc('day', session.started_at - interval '3 hours', 'UTC') + interval '27 hours' AS at_three,
            date_trunc('day', session.started_at - interval '6 hours', 'UTC') + interval '30 hours' AS at_six,
            date_trunc('year', session.started_at, 'UTC') + interval '1 year' AS year_begins
        FROM chosen JOIN viewers_viewsession session USING (viewer_id)
        JOIN streams_stream stream ON stream.id = session.stream_id
        WHERE session.channel_id = %(channel)s
    ) visit
    """,
    {
        "came_early": SUM,
        "stayed": Measure(at="ends_at"),
        "nights": Measure(at="at_three"),
        "mornings": Measure(at="at_six"),
        "new_years": Measure(at="year_begins"),
        "visit_seconds": Measure(is_peak=True, since="at"),
    },
)

EMOTES = Scan(
    """
    SELECT viewer_id, used.first_day::timestamp AT TIME ZONE 'UTC' AS at, NULL::varchar AS stream_id,
        used.emote_id AS tie, 1 AS different_emotes, (emote.provider = 'emoji')::int AS different_emoji,
        (row_number() OVER (PARTITION BY viewer_id, emote.provider ORDER BY used.first_day, used.emote_id) = 1)::int
            AS providers
    FROM chosen JOIN chat_vieweremote used USING (viewer_id) JOIN chat_emote emote ON emote.id = used.emote_id
    WHERE used.channel_id = %(channel)s
    """,
    dict.fromkeys(("different_emotes", "different_emoji", "providers"), SUM),
    is_of_days=True,
)

LOYALTY = Scan(
    """
    SELECT viewer_id, used.day::timestamp AT TIME ZONE 'UTC' AS at, NULL::varchar AS stream_id, used.emote_id AS tie,
        sum(used.uses) OVER (PARTITION BY viewer_id, used.emote_id ORDER BY used.day)::bigint AS uses_of_one
    FROM chosen JOIN chat_vieweremote total USING (viewer_id)
    JOIN chat_emoteusage used USING (channel_id, viewer_id, emote_id)
    WHERE total.channel_id = %(channel)s AND total.uses >= 100
    """,
    {"uses_of_one": PEAK},
    present="""
    SELECT uses AS uses_of_one FROM chosen JOIN chat_vieweremote total USING (viewer_id)
    WHERE total.channel_id = %(channel)s
    """,
    is_of_days=True,
)

EVENTS = Scan(
    """
    SELECT viewer_id, event.occurred_at AS at, NULL::varchar AS stream_id, event.id AS tie,
        CASE event.kind WHEN 'raid' THEN 0 ELSE greatest(event.amount, 1) END AS months_subscribed,
        (event.kind = 'raid')::int AS raids, CASE event.kind WHEN 'raid' THEN event.amount ELSE 0 END AS raiders
    FROM chosen JOIN chat_chatevent event USING (viewer_id)
    WHERE event.channel_id = %(channel)s AND event.source_channel_id = '' AND event.same_as = ''
        AND event.kind IN ('sub', 'resub', 'raid')
    """,
    {"months_subscribed": JUMP, "raids": SUM, "raiders": JUMP},
)

GIVEN = Scan(
    """
    SELECT chosen.viewer_id, event.occurred_at AS at, NULL::varchar AS stream_id, event.id AS tie, 1 AS given
    FROM chosen JOIN chat_chatevent event ON event.recipient_id = chosen.viewer_id
    WHERE event.channel_id = %(channel)s AND event.source_channel_id = '' AND event.same_as = ''
        AND event.kind = 'subgift' AND event.recipient_id <> ''
    """,
    {"given": SUM},
)

REDEMPTIONS = Scan(
    """
    SELECT viewer_id, spent.redeemed_at AS at, NULL::varchar AS stream_id, spent.id AS tie,
        1 AS redemptions, spent.cost AS dearest_reward,
        (row_number() OVER (PARTITION BY viewer_id, spent.reward_id ORDER BY spent.redeemed_at, spent.id) = 1)::int
            AS rewards
    FROM chosen JOIN chat_redemption spent USING (viewer_id)
    WHERE spent.channel_id = %(channel)s AND spent.status <> 'canceled'
    """,
    {"redemptions": SUM, "rewards": SUM, "dearest_reward": JUMP},
)

# A name belongs to no channel: who changed it did so everywhere.
NAMES = Scan(
    """
    SELECT viewer_id, name.first_seen_at AS at, NULL::varchar AS stream_id, name.login AS tie,
        (row_number() OVER (PARTITION BY viewer_id ORDER BY name.first_seen_at, name.login) > 1)::int AS former_names
    FROM chosen JOIN viewers_viewername name USING (viewer_id)
    """,
    {"former_names": SUM},
)

SCANS = (DAYS, STREAMS, VISITS, EMOTES, LOYALTY, EVENTS, GIVEN, REDEMPTIONS, NAMES)
SCAN_OF = {name: scan for scan in SCANS for name in scan.measures}
