"""The SQL of presence. By hand, because the ORM has no COPY, and because a poll has to be few statements
however many chatters there are: whoever stays costs no write to a session, only those who come or go do.
"""

from streams.marks import MARK_DAYS
from viewers.credit import NOT_A_BOT
from viewers.unkept import IS_KEPT

STAGE_PRESENT = """
CREATE TEMP TABLE IF NOT EXISTS present (viewer_id text, login text, display_name text) ON COMMIT DELETE ROWS
"""
STAGE_SPEECH = "CREATE TEMP TABLE IF NOT EXISTS spoke (viewer_id text, at timestamptz) ON COMMIT DELETE ROWS"

COPY_PRESENT = "COPY present FROM STDIN (FORMAT BINARY)"

# The stream as it is now, and when it was on air: segments that touch are one span.
READ_STREAM = """
SELECT stream.presence_at, stream.credited_at, channel.twitch_id, (
    SELECT range_agg(tstzrange(started_at, ended_at)) FROM streams_streamsegment WHERE stream_id = stream.id
)
FROM streams_stream stream JOIN streams_channel channel ON channel.id = stream.channel_id
WHERE stream.id = %(stream)s
FOR UPDATE OF stream
"""

# Nobody: for those who have no chat to ask.
NOBODY_SPOKE = "SELECT NULL::text AS viewer_id, NULL::timestamptz AS at WHERE false"
BRIDGED_SPEECH = "SELECT viewer_id, at FROM spoke"

# Watch time of those who stay is added at once where they are few, and now and then where they are many: a hundred
# thousand would be two hundred thousand rows each time. It is added by updates: most rows are there, and an upsert
# costs twice as much. Nobody is in it twice, and the lock of the channel keeps others away.
# {speech} is who wrote in (after, at]; {present} is who is there at that moment.
PRESENT_BY_LIST = "SELECT viewer_id FROM present"
PRESENT_BY_SPEECH = "SELECT viewer_id FROM spoken WHERE last_at > %(spoke_since)s"
RECONCILE = f"""
WITH spoken AS MATERIALIZED (
    SELECT viewer_id, date_trunc('second', min(at)) AS first_at, max(at) AS last_at FROM ({{speech}}) speech GROUP BY 1
),
here AS MATERIALIZED ({{present}}),
open AS MATERIALIZED (
    SELECT viewer_id, started_at FROM viewers_viewsession WHERE stream_id = %(stream)s AND ended_at IS NULL
),
gone AS (
    UPDATE viewers_viewsession session SET ended_at = %(at)s, ended_by = 'absent'
    WHERE stream_id = %(stream)s AND ended_at IS NULL
        AND NOT EXISTS (SELECT FROM here WHERE here.viewer_id = session.viewer_id)
    RETURNING viewer_id
),
come AS (
    INSERT INTO viewers_viewsession (channel_id, stream_id, viewer_id, started_at, ended_at, source, ended_by)
    SELECT %(channel)s, %(stream)s, viewer_id, coalesce(first_at, %(at)s),
        CASE WHEN here.viewer_id IS NULL THEN %(at)s::timestamptz END,
        CASE WHEN first_at IS NULL THEN %(source)s ELSE 'spoke' END,
        CASE WHEN here.viewer_id IS NULL THEN 'absent' ELSE '' END
    FROM here FULL JOIN spoken USING (viewer_id)
    WHERE {NOT_A_BOT} AND {IS_KEPT} AND viewer_id <> %(broadcaster)s
        AND NOT EXISTS (SELECT FROM open WHERE open.viewer_id = coalesce(here.viewer_id, spoken.viewer_id))
        AND (here.viewer_id IS NOT NULL OR first_at < %(at)s)
        -- Whose session goes on beyond this moment is in it: the stream ended while we asked, or it was put right.
        AND NOT EXISTS (
            SELECT FROM viewers_viewsession later WHERE later.stream_id = %(stream)s
                AND later.viewer_id = coalesce(here.viewer_id, spoken.viewer_id)
                AND later.ended_at > coalesce(first_at, %(at)s)
        )
    ON CONFLICT DO NOTHING
    RETURNING viewer_id, started_at, ended_at
),
pace AS MATERIALIZED (
    SELECT count(*) < %(few)s OR coalesce(%(at)s - %(credited_at)s::timestamptz >= %(seldom)s, true) AS counts FROM open
),
credit AS MATERIALIZED (
    SELECT viewer_id, greatest(started_at, %(credited_at)s) AS started_at, %(at)s::timestamptz AS ended_at FROM open
    WHERE (SELECT counts FROM pace) OR viewer_id IN (SELECT viewer_id FROM gone)
    UNION ALL
    SELECT viewer_id, started_at, %(at)s FROM come
    WHERE started_at < %(at)s AND (ended_at IS NOT NULL OR (SELECT counts FROM pace))
),
cut AS MATERIALIZED (
    SELECT viewer_id, (started_at AT TIME ZONE 'UTC')::date AS day,
        date_part('epoch', ended_at - started_at)::bigint AS seconds
    FROM credit WHERE (started_at AT TIME ZONE 'UTC')::date = %(today)s
    UNION ALL
    SELECT viewer_id, (midnight AT TIME ZONE 'UTC')::date,
        date_part('epoch', least(ended_at, midnight + interval '1 day') - greatest(started_at, midnight))::bigint
    FROM credit, generate_series(date_trunc('day', started_at, 'UTC'), ended_at, interval '1 day') AS midnight
    WHERE (started_at AT TIME ZONE 'UTC')::date <> %(today)s
),
raised_days AS (
    UPDATE viewers_viewerday known SET watch_seconds = known.watch_seconds + seconds FROM cut
    WHERE channel_id = %(channel)s AND known.viewer_id = cut.viewer_id AND known.day = cut.day
    RETURNING known.viewer_id, known.day
),
begun_days AS (
    INSERT INTO viewers_viewerday
        (channel_id, viewer_id, day, messages, emotes, bits, subs, gifts, watch_seconds, points)
    SELECT %(channel)s, viewer_id, day, 0, 0, 0, 0, 0, seconds, 0 FROM cut
    WHERE NOT EXISTS (SELECT FROM raised_days raised WHERE raised.viewer_id = cut.viewer_id AND raised.day = cut.day)
),
marked_days AS (
    {MARK_DAYS.format(days="(SELECT %(channel)s AS channel_id, day FROM cut) cut")}
),
raised_totals AS (
    UPDATE viewers_viewertotal known SET
        watch_seconds = known.watch_seconds + date_part('epoch', ended_at - started_at)::bigint,
        first_seen_at = least(first_seen_at, started_at), last_seen_at = greatest(last_seen_at, ended_at)
    FROM credit WHERE channel_id = %(channel)s AND known.viewer_id = credit.viewer_id
    RETURNING known.viewer_id
),
begun_totals AS (
    INSERT INTO viewers_viewertotal
        (channel_id, viewer_id, first_seen_at, last_seen_at, messages, emotes, bits, subs, gifts, watch_seconds, points)
    SELECT %(channel)s, viewer_id, started_at, ended_at, 0, 0, 0, 0, 0,
        date_part('epoch', ended_at - started_at)::bigint, 0
    FROM credit WHERE NOT EXISTS (SELECT FROM raised_totals raised WHERE raised.viewer_id = credit.viewer_id)
),
counts AS MATERIALIZED (
    SELECT (SELECT count(*) FROM here) + %(unnamed)s AS chatters, (SELECT count(*) FROM come) AS opened,
        (SELECT count(*) FROM gone) AS closed
),
polled AS (
    INSERT INTO viewers_presencepoll (channel_id, stream_id, at, source, chatters, opened, closed, problem, took_ms)
    SELECT %(channel)s, %(stream)s, %(at)s, %(source)s, chatters, opened, closed, '',
        extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000
    FROM counts
    ON CONFLICT (stream_id, at) DO UPDATE SET
        source = excluded.source, chatters = excluded.chatters, opened = excluded.opened, closed = excluded.closed,
        problem = '', took_ms = excluded.took_ms
),
proven AS (
    UPDATE streams_stream SET presence_at = %(at)s, presence_source = %(source)s,
        credited_at = CASE WHEN (SELECT counts FROM pace) THEN %(at)s ELSE credited_at END
    WHERE id = %(stream)s
)
SELECT chatters, opened, closed FROM counts
"""

# After too long a silence. Each viewer's proofs (the last poll, then what they wrote) fall into stretches with no
# longer pause than is trusted. The stretch that reaches the present goes on; the others ended with their last proof.
BRIDGE = f"""
WITH open AS MATERIALIZED (
    SELECT id, viewer_id, started_at FROM viewers_viewsession WHERE stream_id = %(stream)s AND ended_at IS NULL
),
proof AS (
    SELECT viewer_id, %(after)s::timestamptz AS at, true AS is_poll FROM open
    UNION ALL
    SELECT viewer_id, date_trunc('second', at), false FROM ({{speech}}) speech
),
paused AS (SELECT *, at - lag(at) OVER by_time > %(trusted)s AS is_new FROM proof WINDOW by_time AS (
    PARTITION BY viewer_id ORDER BY at
)),
stretch AS MATERIALIZED (
    SELECT viewer_id, number, min(at) AS started_at, max(at) AS ended_at, bool_or(is_poll) AS goes_on FROM (
        SELECT viewer_id, at, is_poll, count(*) FILTER (WHERE is_new) OVER (
            PARTITION BY viewer_id ORDER BY at
        ) AS number FROM paused
    ) numbered GROUP BY 1, 2
),
ended AS MATERIALIZED (
    SELECT open.id, open.viewer_id, greatest(stretch.ended_at, open.started_at) AS ended_at, open.started_at
    FROM open JOIN stretch USING (viewer_id)
    WHERE goes_on AND stretch.ended_at < %(at)s - %(trusted)s
),
closed AS (
    UPDATE viewers_viewsession session SET ended_at = ended.ended_at, ended_by = 'silence'
    FROM ended WHERE session.id = ended.id AND ended.ended_at > ended.started_at
),
dropped AS (
    DELETE FROM viewers_viewsession session USING ended
    WHERE session.id = ended.id AND ended.ended_at <= ended.started_at
),
between AS (
    INSERT INTO viewers_viewsession (channel_id, stream_id, viewer_id, started_at, ended_at, source, ended_by)
    SELECT %(channel)s, %(stream)s, viewer_id, started_at, ended_at, 'spoke', 'silence' FROM stretch
    WHERE NOT goes_on AND ended_at > started_at AND ended_at < %(at)s - %(trusted)s AND viewer_id <> %(broadcaster)s
        AND {NOT_A_BOT} AND {IS_KEPT}
    ON CONFLICT DO NOTHING
    RETURNING viewer_id, started_at, ended_at
),
lately AS (
    INSERT INTO spoke
    SELECT viewer_id, unnest(ARRAY[started_at, ended_at]) FROM stretch
    WHERE ended_at >= %(at)s - %(trusted)s AND NOT (goes_on AND ended_at = %(after)s)
)
INSERT INTO credit
SELECT %(channel)s, viewer_id, greatest(started_at, %(credited_at)s), ended_at, 1 FROM ended
WHERE ended_at > greatest(started_at, %(credited_at)s)
UNION ALL
SELECT %(channel)s, viewer_id, started_at, ended_at, 1 FROM between
"""

POLL_FAILED = """
INSERT INTO viewers_presencepoll (channel_id, stream_id, at, source, chatters, opened, closed, problem, took_ms)
SELECT channel_id, id, %(at)s, %(source)s, NULL, 0, 0, %(problem)s, %(took_ms)s
FROM streams_stream WHERE id = %(stream)s FOR KEY SHARE
ON CONFLICT (stream_id, at) DO NOTHING
"""

# Makes the sessions of streams fit the time these were on air, whatever became known of it since. A session that is
# open, or that ended with the stream, ends when the stream went off air, if the last proof is not too long before;
# any other as it says. What lies off air is cut out, credit is taken back, and nothing else is touched.
FIND_UNSETTLED = f"""
CREATE TEMP TABLE unsettled AS WITH span AS MATERIALIZED (
    SELECT stream.id AS stream_id, lower(part) AS started_at, upper(part) AS ended_at
    FROM streams_stream stream, unnest((
        SELECT range_agg(tstzrange(started_at, ended_at)) FROM streams_streamsegment WHERE stream_id = stream.id
    ) * tstzmultirange(tstzrange(NULL, %(until)s::timestamptz))) AS part
    WHERE stream.id = ANY(%(streams)s)
),
air AS MATERIALIZED (
    SELECT stream.id AS stream_id, credited_at, least(presence_at, %(until)s::timestamptz) AS proof,
        coalesce((
            SELECT range_agg(tstzrange(started_at, ended_at)) FROM span WHERE stream_id = stream.id
        ), '{{}}'::tstzmultirange) AS spans
    FROM streams_stream stream WHERE stream.id = ANY(%(streams)s)
),
claim AS (
    SELECT session.*, air.spans, air.credited_at, off_air.at AS off_air_at,
        session.ended_at IS NULL OR session.ended_by = 'offline' AS ends_with_stream,
        coalesce(session.ended_at, greatest(air.credited_at, session.started_at)) AS credited_to,
        greatest(least(air.proof, coalesce(session.ended_at, air.proof)), session.started_at) AS proof
    FROM viewers_viewsession session JOIN air USING (stream_id)
    LEFT JOIN LATERAL (
        SELECT span.ended_at AS at FROM span
        WHERE span.stream_id = session.stream_id
            AND span.started_at < coalesce(session.ended_at, greatest(air.proof, session.started_at) + interval '1 s')
        ORDER BY span.started_at DESC LIMIT 1
    ) off_air ON true
),
target AS (
    SELECT *, CASE
        WHEN NOT ends_with_stream THEN ended_at
        WHEN off_air_at IS NULL AND (ended_at IS NULL OR proof <= ended_at AND NOT is_followed AND {IS_KEPT}) THEN NULL
        WHEN off_air_at IS NULL THEN ended_at
        WHEN off_air_at - proof <= %(trusted)s THEN off_air_at
        ELSE proof
    END AS ends_at
    FROM (
        SELECT claim.*, EXISTS (
            SELECT FROM viewers_viewsession later
            WHERE later.stream_id = claim.stream_id AND later.viewer_id = claim.viewer_id
                AND later.started_at > claim.started_at AND claim.ended_by = 'offline'
        ) AS is_followed FROM claim
    ) known
),
changed AS MATERIALIZED (
    SELECT * FROM (
        SELECT *, CASE WHEN ends_at IS NULL THEN tstzrange(started_at, proof, '[]')
            ELSE tstzrange(started_at, greatest(started_at, ends_at)) END AS claimed
        FROM target
    ) claims
    WHERE ends_at IS DISTINCT FROM ended_at OR NOT spans @> started_at OR NOT claimed <@ spans
),
piece AS (
    SELECT id, part, row_number() OVER ordered AS number,
        row_number() OVER ordered = count(*) OVER (PARTITION BY id) AS is_last
    FROM changed, unnest(tstzmultirange(claimed) * spans) AS part
    WINDOW ordered AS (PARTITION BY id ORDER BY lower(part))
)
SELECT changed.*, coalesce(number, 0) AS number, lower(part) AS new_start,
    CASE WHEN upper_inc(part) THEN greatest(lower(part), least(upper(part), coalesce(credited_at, lower(part))))
        ELSE upper(part) END AS new_credit,
    CASE WHEN NOT upper_inc(part) THEN upper(part) END AS new_end,
    CASE
        WHEN upper_inc(part) THEN ''
        WHEN NOT is_last OR upper(part) IS DISTINCT FROM ends_at THEN 'offline'
        WHEN NOT ends_with_stream THEN ended_by
        WHEN ends_at = off_air_at THEN 'offline'
        ELSE 'silence'
    END AS new_ended_by
FROM changed LEFT JOIN piece USING (id)
"""
SETTLE = (
    "UPDATE streams_stream SET counted_at = NULL WHERE id IN (SELECT stream_id FROM unsettled)",
    # What was written down of a correction stays, when it turns out that there was nothing to correct.
    """
    UPDATE viewers_sessioncorrection SET session_id = NULL
    WHERE session_id IN (SELECT id FROM unsettled WHERE number = 0)
    """,
    "DELETE FROM viewers_viewsession WHERE id IN (SELECT id FROM unsettled WHERE number = 0)",
    """
    UPDATE viewers_viewsession session SET started_at = new_start, ended_at = new_end, ended_by = new_ended_by
    FROM unsettled WHERE session.id = unsettled.id AND number = 1
    """,
    """
    INSERT INTO viewers_viewsession (channel_id, stream_id, viewer_id, started_at, ended_at, source, ended_by)
    SELECT channel_id, stream_id, viewer_id, new_start, new_end, source, new_ended_by FROM unsettled WHERE number > 1
    """,
    """
    INSERT INTO credit
    SELECT channel_id, viewer_id, started_at, credited_to, -1 FROM unsettled WHERE number <= 1
    UNION ALL
    SELECT channel_id, viewer_id, new_start, new_credit, 1 FROM unsettled WHERE number > 0
    """,
)

# Probed channel by channel: no index begins with the viewer.
CHANNELS_OF_OPEN_SESSIONS = """
SELECT channel.id FROM streams_channel channel CROSS JOIN LATERAL (
    SELECT FROM viewers_viewsession session
    WHERE session.channel_id = channel.id AND session.viewer_id = %s AND session.ended_at IS NULL LIMIT 1
) open
"""
END_SESSIONS = """
WITH open AS MATERIALIZED (
    SELECT session.id, session.channel_id, session.viewer_id, session.started_at, stream.credited_at,
        stream.presence_at AS proof
    FROM viewers_viewsession session JOIN streams_stream stream ON stream.id = session.stream_id
    WHERE session.channel_id = ANY(%(channels)s) AND session.viewer_id = %(viewer)s AND session.ended_at IS NULL
),
ended AS (
    UPDATE viewers_viewsession session SET ended_at = proof, ended_by = 'stopped'
    FROM open WHERE session.id = open.id AND proof > open.started_at
),
dropped AS (
    DELETE FROM viewers_viewsession session USING open
    WHERE session.id = open.id AND (proof <= open.started_at) IS NOT FALSE
)
INSERT INTO credit SELECT channel_id, viewer_id, greatest(started_at, credited_at), proof, 1 FROM open
WHERE proof > greatest(started_at, credited_at)
"""

IS_ON_AIR = """
SELECT coalesce(tstzrange(%(start)s, %(end)s) <@ range_agg(tstzrange(started_at, ended_at)), false), coalesce((
    SELECT %(end)s > presence_at FROM streams_stream WHERE id = %(stream)s AND ended_at IS NULL
), false)
FROM streams_streamsegment WHERE stream_id = %(stream)s
"""
