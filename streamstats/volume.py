"""A large installation, made up by the database itself: to measure pages against, never to be looked at as true.

Everything follows from the numbers of rows through one hash function, so the same call makes the same rows anywhere.
A tenth of the people write most of what is written, as in real chats; streams are an evening long; who writes is there
for longer than they write, and some only watch. Counters are added up from these rows by SQL of the same meaning as
the store's, and what is counted of streams, places and achievements by the code that always does that.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import inf
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from chat import partitions, standings, streamnumbers
from chat.numbers import BY_EMOTE_AND_DAY, BY_MINUTE, BY_VIEWER_AND_DAY
from streams.models import Channel, Stream

BURST = 8
"""Messages that a viewer writes in a stream, each time they do."""
LURKERS = 0.6
"""People who only watch, for each who writes."""


@dataclass(frozen=True, slots=True)
class Volume:
    """How much there is to be. Days are those up to `until`, without it."""

    messages: int = 10_000_000
    viewers: int = 200_000
    streams: int = 2_000
    emotes: int = 600
    days: int = 730
    until: date = date(2026, 11, 1)

    def values(self) -> dict[str, Any]:
        bursts = self.messages // BURST
        return {
            "bursts": bursts,
            "pairs": int(bursts * (1 + LURKERS)),
            "viewers": self.viewers,
            "streams": self.streams,
            "emotes": self.emotes,
            "days": self.days,
            "burst": BURST,
            "begin": datetime.combine(self.until, datetime.min.time(), UTC) - timedelta(days=self.days),
        }


# r(n, salt): a number in [0, 1) that looks like chance and is always the same.
CHANCE = """
CREATE OR REPLACE FUNCTION pg_temp.r(n bigint, salt int) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT ((hashint8extended(n, salt) >> 11) & 4503599627370495)::float8 / 4503599627370496';
DROP TABLE IF EXISTS plan_channel, plan_stream, plan_visit, plan_day
"""

CHANNELS = """
INSERT INTO streams_channel (twitch_id, login, display_name, is_followed, page_policy, retention_days, created_at)
SELECT (900000000 + n)::text, login, initcap(login), false, 'open', 5000, %(begin)s
FROM unnest(ARRAY['volume', 'second', 'third', 'fourth']) WITH ORDINALITY AS named (login, n);
CREATE TEMP TABLE plan_channel AS
SELECT id AS channel_id, ordinal, least, most, streams, sum(streams) OVER (ORDER BY ordinal) - streams AS first
FROM (
    SELECT channel.id, ordinal, least, most, greatest((%(streams)s * part)::int, 1) AS streams
    FROM (VALUES
        ('volume', 0, 0.00, 0.70, 0.5), ('second', 1, 0.70, 0.85, 0.2),
        ('third', 2, 0.85, 0.95, 0.2), ('fourth', 3, 0.95, 1.00, 0.1)
    ) AS plan (login, ordinal, least, most, part) JOIN streams_channel channel USING (login)
) planned
"""

STREAMS = """
CREATE TEMP TABLE plan_stream AS
SELECT first + k AS n, channel_id, (800000000 + first + k)::text AS id, started_at,
    started_at + make_interval(secs => floor(2 * 3600 + 4 * 3600 * pg_temp.r(first + k, 12))) AS ended_at
FROM (
    SELECT *, date_trunc('second', %(begin)s + make_interval(days => %(days)s) * (k + 0.2 * pg_temp.r(first + k, 11))
        / streams) AS started_at
    FROM plan_channel, generate_series(0, streams - 1) AS k
) begun;
CREATE UNIQUE INDEX ON plan_stream (n);
ANALYZE plan_stream;
INSERT INTO streams_stream (id, channel_id, twitch_ids, started_at, ended_at, title, category_id, category, language,
    seen_at, presence_at, credited_at, presence_source)
SELECT id, channel_id, ARRAY[id], started_at, ended_at,
    (ARRAY['Late evening, slow game', 'Speedrun practice', 'Cooking with chat', 'Reading your letters'])[n %% 4 + 1]
        || ' #' || n,
    (n %% 12)::text, 'Category ' || n %% 12, 'en', ended_at, ended_at, ended_at, 'chatters'
FROM plan_stream;
INSERT INTO streams_streamsegment (stream_id, started_at, ended_at, title, category_id, category)
SELECT stream.id, span.started_at, span.ended_at, title, ((stream.n + part) %% 12)::text,
    'Category ' || (stream.n + part) %% 12
FROM plan_stream stream JOIN streams_stream known USING (id), generate_series(0, 2) AS part,
    LATERAL (SELECT
        date_trunc('second', stream.started_at + (stream.ended_at - stream.started_at) * (part / 3.0)) AS started_at,
        CASE part WHEN 2 THEN stream.ended_at
            ELSE date_trunc('second', stream.started_at + (stream.ended_at - stream.started_at) * ((part + 1) / 3.0))
        END AS ended_at
    ) span;
INSERT INTO streams_streamsample (channel_id, stream_id, at, viewers)
SELECT channel_id, id, at,
    floor(200 + 4000 * pg_temp.r(n, 13) * (0.8 + 0.2 * pg_temp.r(extract(epoch FROM at)::int, 14)))
FROM plan_stream, generate_series(started_at, ended_at - interval '1 s', interval '1 minute') AS at;
INSERT INTO viewers_presencepoll (channel_id, stream_id, at, source, chatters, opened, closed, problem, took_ms)
SELECT channel_id, id, at, 'chatters', 1000, 10, 10, '', 100
FROM plan_stream, generate_series(started_at + interval '1 minute', ended_at, interval '5 minutes') AS at
"""

PEOPLE = """
INSERT INTO viewers_viewer (twitch_id, login, display_name, color, named_at, is_bot, bot_source, avatar_url,
    account_created_at, details_at, is_missing, hidden_at)
SELECT (100000000 + v)::text, 'viewer' || v, 'Viewer' || v,
    (ARRAY['', '#1E90FF', '#FF7F50', '#2E8B57'])[v %% 4 + 1],
    %(begin)s + make_interval(days => %(days)s), v %% 4000 = 7, CASE WHEN v %% 4000 = 7 THEN 'list' ELSE '' END, '',
    %(begin)s - make_interval(days => (3000 * pg_temp.r(v, 21))::int), %(begin)s, false,
    CASE WHEN v %% 100 = 3 THEN %(begin)s + make_interval(days => %(days)s) END
FROM generate_series(0, %(viewers)s - 1) AS v;
INSERT INTO viewers_viewername (viewer_id, login, display_name, first_seen_at, last_seen_at)
SELECT (100000000 + v)::text, CASE age WHEN 0 THEN 'viewer' || v ELSE 'former' || v END,
    CASE age WHEN 0 THEN 'Viewer' || v ELSE 'Former' || v END,
    %(begin)s + make_interval(days => (1 - age) * %(days)s / 3),
    %(begin)s + make_interval(days => %(days)s - age * %(days)s * 2 / 3)
FROM generate_series(0, %(viewers)s - 1) AS v, generate_series(0, CASE v %% 10 WHEN 0 THEN 1 ELSE 0 END) AS age
"""

EMOTES = """
INSERT INTO chat_emote (id, provider, provider_id, name, image_url, is_zero_width, is_animated)
SELECT e, provider, 'volume' || e, 'emote' || e,
    CASE provider WHEN '7tv' THEN 'https://cdn.7tv.app/emote/volume' || e || '/2x.webp'
        WHEN 'ffz' THEN 'https://cdn.frankerfacez.com/emote/' || e || '/2'
        WHEN 'bttv' THEN 'https://cdn.betterttv.net/emote/volume' || e || '/2x.webp' ELSE '' END, false, e %% 5 = 0
FROM (SELECT e, (ARRAY['7tv', 'bttv', 'ffz', 'twitch'])[e %% 4 + 1] AS provider
    FROM generate_series(1, %(emotes)s) AS e) made;
SELECT setval(pg_get_serial_sequence('chat_emote', 'id'), %(emotes)s);
INSERT INTO chat_emoteset (channel_id, provider, first_read_at)
SELECT channel_id, provider, %(begin)s FROM plan_channel, unnest(ARRAY['7tv', 'bttv', 'ffz']) AS provider;
INSERT INTO chat_emotesetentry (channel_id, emote_id, provider, name, since, until)
SELECT channel_id, id, provider, name, CASE WHEN id %% 3 = 0 THEN %(begin)s + interval '30 days' END,
    CASE WHEN id %% 10 = 9 THEN %(begin)s + make_interval(days => %(days)s * 2 / 3) END
FROM chat_emote, plan_channel WHERE provider <> 'twitch'
"""

# Who was in which stream, and how many bursts they wrote there: the few write in most of them.
ATTENDANCE = """
CREATE TEMP TABLE plan_visit AS
SELECT n, v, bursts, channel_id, id AS stream_id, (100000000 + v)::text AS viewer_id, came_at, date_trunc('second',
    came_at + greatest((ended_at - came_at) * (0.2 + 0.8 * pg_temp.r(n * 1000003 + v, 32)), interval '2 minutes')
) AS left_at
FROM (
    SELECT planned.*, stream.id, stream.channel_id, ended_at, date_trunc('second',
        started_at + (ended_at - started_at) * 0.5 * pg_temp.r(n * 1000003 + v, 31) ^ 2) AS came_at
    FROM (
        SELECT first + floor(streams * pg_temp.r(p, 2))::int AS n,
            (floor(%(viewers)s * pg_temp.r(p, 3) ^ 3)::int + ordinal * (%(viewers)s / 4)) %% %(viewers)s AS v,
            count(*) FILTER (WHERE p < %(bursts)s) AS bursts
        FROM generate_series(0, %(pairs)s - 1) AS p
        JOIN plan_channel ON pg_temp.r(p, 1) >= least AND pg_temp.r(p, 1) < most
        GROUP BY 1, 2
    ) planned JOIN plan_stream stream USING (n)
) here;
CREATE INDEX ON plan_visit (n);
ANALYZE plan_visit;
INSERT INTO viewers_viewsession (channel_id, viewer_id, stream_id, started_at, ended_at, source, ended_by)
SELECT channel_id, viewer_id, stream_id, came_at, left_at, 'chatters', 'absent' FROM plan_visit
WHERE v %% 4000 <> 7 ORDER BY came_at
"""

# Words as in a language, after Zipf's law: the tenth is said a tenth as often as the first, of some 50,000.
VOCABULARY = 10.8
MESSAGES = f"""
INSERT INTO chat_message (id, channel_id, viewer_id, sent_at, text, is_action, is_first, is_returning, bits, badges,
    badge_info, notice, reward_id, reply_to_id, reply_to_viewer_id, thread_id, source_id, source_channel_id, emotes)
SELECT md5(n || ':' || v || ':' || k)::uuid::text, channel_id, viewer_id,
    date_trunc('milliseconds', came_at + (left_at - came_at) * pg_temp.r(seed, 41)),
    (SELECT string_agg('word' || floor(exp({VOCABULARY} * pg_temp.r(seed * 17 + place, 44)))::int, ' ')
        FROM generate_series(1, 4 + (seed %% 13)::int) AS place),
    false, false, false, CASE WHEN seed %% 997 = 5 THEN 100 ELSE 0 END,
    CASE WHEN v %% 3 = 0 THEN 'subscriber/12' ELSE '' END, '', '', '', '', '', '', '', '',
    CASE WHEN pg_temp.r(seed, 42) < 0.6 THEN '{{}}'::int[]
        ELSE ARRAY(SELECT 1 + floor(%(emotes)s * pg_temp.r(seed * 3 + use, 43) ^ 3)::int
            FROM generate_series(1, 1 + (seed %% 2)::int) AS use) END
FROM (
    SELECT *, (n::bigint * 1000003 + v) * 512 + k AS seed
    FROM plan_visit, generate_series(1, bursts * %(burst)s) AS k WHERE n >= %(first)s AND n < %(end)s
) said
"""

POINTS_AND_EVENTS = """
INSERT INTO chat_reward (channel_id, twitch_id, title, cost, prompt, is_automatic)
SELECT channel_id, 'volume-reward-' || reward, 'Reward ' || reward, 100 * reward, '', false
FROM plan_channel, generate_series(1, 12) AS reward;
INSERT INTO chat_redemption (id, channel_id, viewer_id, reward_id, cost, status, text, redeemed_at)
SELECT md5('redemption' || n || ':' || v)::uuid::text, visit.channel_id, viewer_id, reward.id, reward.cost,
    CASE v %% 20 WHEN 1 THEN 'canceled' ELSE 'fulfilled' END, '', came_at
FROM plan_visit visit JOIN chat_reward reward
    ON reward.channel_id = visit.channel_id AND reward.twitch_id = 'volume-reward-' || (1 + v %% 12)
WHERE bursts > 0 AND (n + v) %% 8 = 0;
INSERT INTO chat_chatevent (id, channel_id, viewer_id, kind, occurred_at, text, system_text, amount, recipient_id,
    bomb_id, params, source_channel_id)
SELECT md5('event' || n || ':' || v)::uuid::text, channel_id, viewer_id, 'resub', came_at, '', '', 3, '', '', '{}', ''
FROM plan_visit WHERE bursts > 0 AND (n + v) %% 40 = 0;
INSERT INTO viewers_profile (channel_id, viewer_id, visibility, changed_at)
SELECT channel_id, (100000000 + v)::text, CASE WHEN v %% 50 = 4 THEN 'hidden' ELSE '' END, %(begin)s
FROM plan_channel, generate_series(0, %(viewers)s - 1) AS v WHERE v %% 50 IN (4, 5);
INSERT INTO viewers_wikirevision (profile_id, number, text, role, note, made_at)
SELECT id, 1, 'Here since the **beginning**. Likes [maps](https://example.org/).', 'moderator', '', %(begin)s
FROM viewers_profile WHERE visibility = '';
UPDATE viewers_profile SET current_id = revision.id FROM viewers_wikirevision revision
WHERE profile_id = viewers_profile.id
"""

_COUNTED = "(SELECT * FROM chat_message WHERE source_channel_id = '') said"
COUNTERS = f"""
CREATE TEMP TABLE plan_day AS
SELECT channel_id, viewer_id, day, sum(messages)::bigint AS messages, sum(emotes)::bigint AS emotes,
    sum(bits)::bigint AS bits, sum(subs)::bigint AS subs, sum(seconds)::bigint AS seconds,
    sum(points)::bigint AS points, min(first_at) AS first_at, max(last_at) AS last_at
FROM (
    SELECT channel_id, viewer_id, day, messages, emotes, bits, 0 AS subs, 0 AS seconds, 0 AS points, first_at, last_at
    FROM ({BY_VIEWER_AND_DAY.format(messages=_COUNTED)}) wrote
    UNION ALL
    SELECT channel_id, viewer_id, (occurred_at AT TIME ZONE 'UTC')::date, 0, 0, 0, 1, 0, 0, occurred_at, occurred_at
    FROM chat_chatevent
    UNION ALL
    SELECT channel_id, viewer_id, (redeemed_at AT TIME ZONE 'UTC')::date, 0, 0, 0, 0, 0,
        CASE status WHEN 'canceled' THEN 0 ELSE cost END, redeemed_at, redeemed_at
    FROM chat_redemption
    UNION ALL
    SELECT channel_id, viewer_id, (midnight AT TIME ZONE 'UTC')::date, 0, 0, 0, 0, extract(
        epoch FROM least(ended_at, midnight + interval '1 day') - greatest(started_at, midnight)
    )::bigint, 0, started_at, ended_at
    FROM viewers_viewsession,
        generate_series(date_trunc('day', started_at, 'UTC'), ended_at - interval '1 s', interval '1 day') AS midnight
) every GROUP BY 1, 2, 3;
INSERT INTO viewers_viewerday
    (channel_id, viewer_id, day, messages, emotes, bits, subs, gifts, watch_seconds, points)
SELECT channel_id, viewer_id, day, messages, emotes, bits, subs, 0, seconds, points FROM plan_day ORDER BY day;
INSERT INTO viewers_viewertotal (channel_id, viewer_id, first_seen_at, last_seen_at, messages, emotes, bits, subs,
    gifts, watch_seconds, points)
SELECT channel_id, viewer_id, min(first_at), max(last_at), sum(messages), sum(emotes), sum(bits), sum(subs), 0,
    sum(seconds), sum(points) FROM plan_day GROUP BY 1, 2;
INSERT INTO streams_channelday (channel_id, day, chatters, messages, emotes, bits, subs, gifts, changes, ranked)
SELECT channel_id, day, count(*) FILTER (WHERE messages > 0), sum(messages), sum(emotes), sum(bits), sum(subs), 0, 1, 0
FROM plan_day GROUP BY 1, 2;
INSERT INTO streams_channeltotal (channel_id, chatters, last_message_at, messages, emotes, bits, subs, gifts)
SELECT total.channel_id, count(*) FILTER (WHERE messages > 0), max(last_seen_at), sum(messages), sum(emotes), sum(bits),
    sum(subs), 0 FROM viewers_viewertotal total GROUP BY 1
"""
EMOTE_COUNTERS = f"""
INSERT INTO chat_emoteusage (channel_id, viewer_id, emote_id, day, uses)
SELECT * FROM ({BY_EMOTE_AND_DAY.format(messages=_COUNTED)}) used ORDER BY day;
INSERT INTO chat_emoteday (channel_id, emote_id, day, uses)
SELECT channel_id, emote_id, day, sum(uses) FROM chat_emoteusage GROUP BY 1, 2, 3 ORDER BY day
"""
MINUTES = f"INSERT INTO chat_chatminute (channel_id, minute, messages, chatters) {BY_MINUTE.format(messages=_COUNTED)}"

Step = tuple[str, Callable[[], None]]


def steps(volume: Volume) -> Iterator[Step]:
    """What has to be done, in order, each with what to call it while it is done."""
    values = volume.values()
    yield "Channels and streams", lambda: _run(values, CHANCE, CHANNELS, STREAMS)
    yield "People and emotes", lambda: _run(values, PEOPLE, EMOTES)
    yield "Who was in which stream", lambda: _run(values, ATTENDANCE)
    yield "Months", lambda: _make_months(volume)
    chunk = max(volume.streams // 40, 1)
    for first in range(0, volume.streams + 4, chunk):  # rounding may have made a few more streams
        span = {"first": first, "end": first + chunk}
        yield "Messages", lambda span=span: _run({**values, **span}, MESSAGES)  # type: ignore[misc]
    yield "Points and events", lambda: _run(values, POINTS_AND_EVENTS)
    yield "Statistics of tables", lambda: _run({}, "ANALYZE")
    yield "Counters of people", lambda: _run(values, COUNTERS)
    yield "Counters of emotes", lambda: _run(values, EMOTE_COUNTERS)
    yield "Counters of minutes", lambda: _run(values, MINUTES)
    yield "Statistics of tables", lambda: _run({}, "ANALYZE")
    for channel in ("volume", "second", "third", "fourth"):
        yield f"Numbers of the streams of {channel}", lambda channel=channel: _count_streams(channel)  # type: ignore[misc]
    yield "Places and achievements", _rank
    yield "Statistics of tables", _vacuum


def _run(values: dict[str, Any], *statements: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        _allow_memory(cursor)
        for statement in statements:
            for part in statement.split(";\n"):
                cursor.execute(part, values or None)


def _allow_memory(cursor: CursorWrapper) -> None:
    cursor.execute("SET LOCAL work_mem = '512MB'")
    cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
    cursor.execute("SET LOCAL synchronous_commit = off")


def _make_months(volume: Volume) -> None:
    month, months = (volume.until - timedelta(days=volume.days)).replace(day=1), []
    while month <= volume.until:
        months.append(month)
        month = partitions.next_month(month)
    partitions.make(months)


def _count_streams(login: str) -> None:
    for stream in Stream.objects.filter(channel__login=login).order_by("started_at"):
        streamnumbers.count(stream)


def _rank() -> None:
    for channel in Channel.objects.order_by("pk"):
        standings.rank(channel, enough_s=inf)


def _vacuum() -> None:
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
