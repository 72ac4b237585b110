"""The SQL of what comes rarely: announcements, points, and deeds of moderators.

As in `statements.py`: values are parameters, rows come as arrays, one per column, and go in sorted by key.
"""

from chat.numbers import POINTS

INSERT_EVENTS = """
INSERT INTO chat_chatevent (id, channel_id, viewer_id, kind, occurred_at, text, system_text, amount, recipient_id,
    bomb_id, params, source_channel_id, told_by)
SELECT id, channel, nullif(viewer, ''), kind, to_timestamp(ms / 1000.0), text, system_text, amount, recipient, bomb,
    params::jsonb, source, told_by
FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::bigint[],
    %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
    AS told (id, channel, viewer, kind, ms, text, system_text, amount, recipient, bomb, params, source, told_by)
ORDER BY id
ON CONFLICT DO NOTHING
RETURNING id
"""

# Messages of this batch that carry bits, whether or not they are new.
CHEERS = """
SELECT channel_id, viewer_id, sent_ms FROM staged WHERE bits > 0 AND source_channel_id = '' AND viewer_id <> ''
"""

# Whose tellings can be the same: one arm for each, so that each can use its index. EventSub does not know who gave a
# gift to whom, so that what it tells of a recipient is nobody's.
_OF_THE_SAME = """
    SELECT {columns} FROM chat_chatevent e
    WHERE whose = 'viewer' AND e.channel_id = channel AND e.viewer_id = who AND {when}
        AND e.source_channel_id = '' AND e.kind = ANY(%(kinds)s)
    UNION ALL
    SELECT {columns} FROM chat_chatevent e
    WHERE whose = 'nobody' AND e.channel_id = channel AND e.viewer_id IS NULL AND {when}
        AND e.source_channel_id = '' AND e.kind = ANY(%(kinds)s) AND e.recipient_id = ''
    UNION ALL
    SELECT {columns} FROM chat_chatevent e
    WHERE whose = 'recipient' AND e.channel_id = channel AND e.recipient_id = who AND e.recipient_id <> '' AND {when}
        AND e.source_channel_id = '' AND e.kind = ANY(%(kinds)s)
"""
_AT_THE_EDGE = """(
    (e.occurred_at >= greatest(first - make_interval(secs => %(within)s), lowest) AND e.occurred_at < first)
    OR (e.occurred_at > last AND e.occurred_at <= least(last + make_interval(secs => %(within)s), highest))
)"""

# Everything told around some spans of time of the same viewer (nobody: of those without one), or of a gift to the
# same recipient; and the other parts of the bombs among it. A span grows for as long as something lies so near to its
# edge that it could be the same as something within: what is decided without its neighbours would be decided wrong.
# It grows no further than the reach.
RELATED_EVENTS = f"""
WITH RECURSIVE grown AS (
    SELECT whose, channel, who, to_timestamp(from_ms / 1000.0) AS first, to_timestamp(to_ms / 1000.0) AS last,
        to_timestamp((from_ms - %(reach)s) / 1000.0) AS lowest, to_timestamp((to_ms + %(reach)s) / 1000.0) AS highest
    FROM unnest(%(whose)s::text[], %(channels)s::bigint[], %(who)s::text[], %(from_ms)s::bigint[], %(to_ms)s::bigint[])
        AS span (whose, channel, who, from_ms, to_ms)
    UNION
    SELECT whose, channel, who, least(first, earliest), greatest(last, latest), lowest, highest
    FROM grown CROSS JOIN LATERAL (
        SELECT min(occurred_at) AS earliest, max(occurred_at) AS latest
        FROM ({_OF_THE_SAME.format(columns="e.occurred_at", when=_AT_THE_EDGE)}) further
    ) edge
),
span AS MATERIALIZED (
    SELECT whose, channel, who, min(first) AS first, max(last) AS last
    FROM grown GROUP BY whose, channel, who, lowest, highest
),
near AS MATERIALIZED (
    SELECT DISTINCT found.id, found.channel_id, found.bomb_id FROM span CROSS JOIN LATERAL (
        {_OF_THE_SAME.format(columns="e.id, e.channel_id, e.bomb_id", when="e.occurred_at BETWEEN first AND last")}
    ) found
)
SELECT id, channel_id, coalesce(viewer_id, ''), kind, occurred_at, amount, recipient_id, bomb_id, told_by, same_as,
    text, coalesce(params ->> 'sender-count', ''), borrowed
FROM chat_chatevent
WHERE id IN (
    SELECT id FROM near
    UNION
    SELECT e.id FROM (SELECT DISTINCT channel_id, bomb_id FROM near WHERE bomb_id <> '') bomb
    JOIN chat_chatevent e ON e.channel_id = bomb.channel_id AND e.bomb_id = bomb.bomb_id AND e.bomb_id <> ''
        AND e.source_channel_id = '' AND e.kind = ANY(%(kinds)s)
)
"""

# Messages with bits around some moments.
RELATED_CHEERS = """
SELECT DISTINCT m.id, m.channel_id, m.viewer_id, m.bits, m.sent_at
FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[]) AS seed (channel, viewer, from_ms, to_ms)
JOIN chat_message m ON m.channel_id = channel AND m.viewer_id = viewer
    AND m.sent_at >= to_timestamp(from_ms / 1000.0) AND m.sent_at <= to_timestamp(to_ms / 1000.0)
WHERE m.bits > 0 AND m.source_channel_id = ''
"""

MARK_EVENTS = """
UPDATE chat_chatevent SET same_as = told.same_as, bomb_id = told.bomb, text = told.text, amount = told.amount,
    borrowed = told.borrowed
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[])
    AS told (id, same_as, bomb, text, amount, borrowed)
WHERE chat_chatevent.id = told.id
"""

TALLY_FACTS = """
INSERT INTO tally
SELECT channel_id, viewer_id, (to_timestamp(ms / 1000.0) AT TIME ZONE 'UTC')::date, 0, 0, bits, subs, gifts, points,
    to_timestamp(ms / 1000.0), to_timestamp(ms / 1000.0)
FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
    AS fact (channel_id, viewer_id, ms, subs, gifts, bits, points)
"""

# What was counted and is not any more. Apart from what is raised: Postgres refuses a row with less than nothing
# before it sees that it would only lower one that is there. A counter that was too low, which a recount mends,
# costs no line.
_LESS = ", ".join(f"{name} = greatest(known.{name} - told.{name}, 0)" for name in ("subs", "bits"))
_LESS += ", gifts = known.gifts - told.gifts"
_SUM = ", ".join(f"sum({name})::bigint AS {name}" for name in ("subs", "gifts", "bits", "points"))
LOWER_COUNTERS = f"""
WITH told AS MATERIALIZED (
    SELECT channel_id, viewer_id, day, {_SUM}
    FROM unnest(%s::bigint[], %s::text[], %s::date[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
        AS fact (channel_id, viewer_id, day, subs, gifts, bits, points) GROUP BY 1, 2, 3
),
viewer_days AS (
    UPDATE viewers_viewerday known SET {_LESS}, points = greatest(known.points - told.points, 0) FROM told
    WHERE (known.channel_id, known.viewer_id, known.day) = (told.channel_id, told.viewer_id, told.day)
),
viewer_totals AS (
    UPDATE viewers_viewertotal known SET {_LESS}, points = greatest(known.points - told.points, 0)
    FROM (SELECT channel_id, viewer_id, {_SUM} FROM told GROUP BY 1, 2) told
    WHERE (known.channel_id, known.viewer_id) = (told.channel_id, told.viewer_id)
),
channel_days AS (
    UPDATE streams_channelday known SET {_LESS}, changes = known.changes + 1
    FROM (SELECT channel_id, day, {_SUM} FROM told GROUP BY 1, 2) told
    WHERE (known.channel_id, known.day) = (told.channel_id, told.day)
)
UPDATE streams_channeltotal known SET {_LESS}
FROM (SELECT channel_id, {_SUM} FROM told GROUP BY 1) told WHERE known.channel_id = told.channel_id
"""

# Channel points

UPSERT_REWARDS = """
INSERT INTO chat_reward AS known (channel_id, twitch_id, title, cost, prompt, is_automatic, told_at)
SELECT channel, reward, title, cost, prompt, is_automatic, to_timestamp(ms / 1000.0)
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::boolean[], %s::bigint[])
    AS told (channel, reward, title, cost, prompt, is_automatic, ms)
ORDER BY channel, reward
ON CONFLICT (channel_id, twitch_id) DO UPDATE SET
    title = excluded.title, cost = excluded.cost, prompt = excluded.prompt, told_at = excluded.told_at
WHERE known.told_at IS NULL OR known.told_at < excluded.told_at
"""

# What is settled stays settled, in whatever order it is told: the later a status in this list, the more it says.
STATUSES = ("unknown", "unfulfilled", "fulfilled", "canceled")
_SAYS = "array_position(ARRAY['unknown', 'unfulfilled', 'fulfilled', 'canceled'], {}::text)"

# Returns the points before and after of each redemption that is new or says something new.
UPSERT_REDEMPTIONS = f"""
WITH told AS MATERIALIZED (
    SELECT told.*, known.id AS reward_key
    FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::bigint[])
        AS told (id, channel, viewer, reward, cost, status, text, ms)
    JOIN chat_reward known ON known.channel_id = told.channel AND known.twitch_id = told.reward
),
before AS MATERIALIZED (
    SELECT known.id, {POINTS.format("known")} AS points FROM chat_redemption known JOIN told ON told.id = known.id
),
after AS (
    INSERT INTO chat_redemption AS known (id, channel_id, viewer_id, reward_id, cost, status, text, redeemed_at)
    SELECT id, channel, viewer, reward_key, cost, status, text, to_timestamp(ms / 1000.0) FROM told ORDER BY id
    ON CONFLICT (id) DO UPDATE SET status = excluded.status
    WHERE known.channel_id = excluded.channel_id AND {_SAYS.format("known.status")} < {_SAYS.format("excluded.status")}
    RETURNING id, channel_id, viewer_id, redeemed_at, {POINTS.format("known")} AS points
)
SELECT after.channel_id, after.viewer_id, after.redeemed_at, coalesce(before.points, 0), after.points
FROM after LEFT JOIN before USING (id)
"""

# Deeds of moderators

INSERT_DEEDS = """
INSERT INTO chat_moderationevent (channel_id, kind, occurred_at, target_id, target_login, message_id, duration_seconds,
    moderator_id, reason, told_by)
SELECT channel, kind, to_timestamp(ms / 1000.0), target, login, message, duration, moderator, reason, told_by
FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[],
    %s::text[], %s::text[])
    AS told (channel, kind, ms, target, login, message, duration, moderator, reason, told_by)
-- A message is deleted once, whether or not it was known by then who wrote it.
WHERE kind <> 'delete' OR NOT EXISTS (
    SELECT FROM chat_moderationevent known
    WHERE known.message_id = message AND known.message_id <> '' AND known.channel_id = channel
        AND known.kind = 'delete' AND known.told_by = told.told_by AND known.occurred_at = to_timestamp(ms / 1000.0)
)
ORDER BY channel, target, message, ms
ON CONFLICT DO NOTHING
RETURNING id
"""

# All that was told of the same message, or of the same target for as long as one telling follows closely on another.
_OF_THE_TARGET = "e.channel_id = channel AND e.target_id = target AND e.message_id = ''"
RELATED_DEEDS = f"""
WITH RECURSIVE grown AS (
    SELECT id, channel_id AS channel, target_id AS target, occurred_at AS first, occurred_at AS last
    FROM chat_moderationevent WHERE id = ANY(%(new)s) AND message_id = ''
    UNION
    SELECT id, channel, target, least(first, earliest), greatest(last, latest)
    FROM grown CROSS JOIN LATERAL (
        SELECT min(e.occurred_at) AS earliest, max(e.occurred_at) AS latest FROM chat_moderationevent e
        WHERE {_OF_THE_TARGET} AND (
            (e.occurred_at >= first - make_interval(secs => %(within)s) AND e.occurred_at < first)
            OR (e.occurred_at > last AND e.occurred_at <= last + make_interval(secs => %(within)s))
        )
    ) edge
),
span AS MATERIALIZED (
    SELECT DISTINCT channel, target, min(first) AS first, max(last) AS last FROM grown GROUP BY id, channel, target
)
SELECT id, channel_id, kind, occurred_at, target_id, message_id, duration_seconds, moderator_id, reason, told_by,
    same_as_id, borrowed
FROM (
    SELECT e.* FROM chat_moderationevent new JOIN chat_moderationevent e
        ON e.message_id = new.message_id AND e.message_id <> '' AND e.channel_id = new.channel_id
    WHERE new.id = ANY(%(new)s)
    UNION
    SELECT e.* FROM span JOIN chat_moderationevent e ON {_OF_THE_TARGET} AND e.occurred_at BETWEEN first AND last
) related
"""

MARK_DEEDS = """
UPDATE chat_moderationevent SET same_as_id = told.same_as, moderator_id = told.moderator, reason = told.reason,
    borrowed = told.borrowed
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[])
    AS told (id, same_as, moderator, reason, borrowed)
WHERE chat_moderationevent.id = told.id
"""

# Messages that were removed at the time of a deed that no longer stands: whichever does removed them, if any.
REMOVE_AGAIN = """
UPDATE chat_message m SET removed_at = least(
    (
        SELECT min(e.occurred_at) FROM chat_moderationevent e
        WHERE e.message_id = m.id AND e.message_id <> '' AND e.channel_id = m.channel_id AND e.kind = 'delete'
            AND e.same_as_id IS NULL
    ), (
        SELECT min(e.occurred_at) FROM chat_moderationevent e
        WHERE e.channel_id = m.channel_id AND e.target_id = m.viewer_id AND m.viewer_id <> ''
            AND e.occurred_at >= m.sent_at AND e.kind IN ('ban', 'timeout') AND e.same_as_id IS NULL
    ), (
        SELECT min(e.occurred_at) FROM chat_moderationevent e
        WHERE e.channel_id = m.channel_id AND e.occurred_at >= m.sent_at
            AND e.occurred_at < m.sent_at + interval '1 day' AND e.kind = 'clear' AND e.same_as_id IS NULL
    )
)
FROM (
    SELECT m.id, m.channel_id, m.sent_at FROM chat_moderationevent e
        JOIN chat_message m ON m.id = e.message_id AND m.channel_id = e.channel_id
        WHERE e.id = ANY(%(gone)s) AND e.kind = 'delete' AND m.removed_at = e.occurred_at
    UNION
    SELECT m.id, m.channel_id, m.sent_at FROM chat_moderationevent e
        JOIN chat_message m ON m.channel_id = e.channel_id AND m.viewer_id = e.target_id AND m.sent_at <= e.occurred_at
        WHERE e.id = ANY(%(gone)s) AND e.kind IN ('ban', 'timeout') AND e.target_id <> ''
            AND m.removed_at = e.occurred_at
    UNION
    SELECT m.id, m.channel_id, m.sent_at FROM chat_moderationevent e
        JOIN chat_message m ON m.channel_id = e.channel_id
            AND m.sent_at <= e.occurred_at AND m.sent_at > e.occurred_at - interval '1 day'
        WHERE e.id = ANY(%(gone)s) AND e.kind = 'clear' AND m.removed_at = e.occurred_at
) reached
WHERE m.id = reached.id AND m.channel_id = reached.channel_id AND m.sent_at = reached.sent_at
"""
