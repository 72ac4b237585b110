"""The SQL of the store. By hand, because the ORM has no COPY and no counting upsert.

Messages come by COPY into a temporary table, and everything that follows from them is one statement
per table, set against set, in the database: nothing is looped over and nothing comes back but sums.
Values are parameters, rare rows come as arrays, one per column. Rows go in sorted by key.
"""

from chat.numbers import BY_EMOTE_AND_DAY, BY_VIEWER_AND_DAY
from viewers import names

# What is on its way in, and what of it was new and counts. One of each per connection, emptied at commit.
STAGE = """
CREATE TEMP TABLE IF NOT EXISTS staged (
    id text, channel_id bigint, viewer_id text, login text, display_name text, color text, sent_ms bigint, text text,
    is_action boolean, is_first boolean, is_returning boolean, bits bigint, badges text, badge_info text, notice text,
    reward_id text, reply_to_id text, reply_to_viewer_id text, thread_id text, source_id text, source_channel_id text,
    emotes text
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS fresh (
    channel_id bigint, viewer_id text, sent_at timestamptz, bits bigint, emotes int[]
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS tally (
    channel_id bigint, viewer_id text, day date, messages bigint, emotes bigint, bits bigint, subs bigint,
    gifts bigint, points bigint, first_at timestamptz, last_at timestamptz
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS emote_tally (
    channel_id bigint, viewer_id text, emote_id int, day date, uses bigint
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS new_speaker (
    channel_id bigint, viewer_id text, minute timestamptz
) ON COMMIT DELETE ROWS
"""

COPY = "COPY staged FROM STDIN (FORMAT BINARY)"

STAGED_TYPES = ["text", "int8", *["text"] * 4, "int8", "text", *["bool"] * 3, "int8", *["text"] * 10]

# From when channels have all their messages, in milliseconds. Those that never lost any are left out.
KEPT_FROM = """
SELECT id, ceil(extract(epoch FROM messages_kept_from) * 1000)::bigint FROM streams_channel
WHERE id = ANY(%s) AND messages_kept_from IS NOT NULL
"""

# Which of these messages are stored, and who wrote those of which it is known.
FIND_STORED = """
SELECT told.id, told.channel
FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS told (id, channel, ms)
WHERE EXISTS (
    SELECT FROM chat_message stored
    WHERE stored.id = told.id AND stored.channel_id = told.channel AND stored.sent_at = to_timestamp(told.ms / 1000.0)
)
"""
STORED_IDS = "SELECT id FROM chat_message WHERE id = ANY(%s)"
AUTHORS = "SELECT id, viewer_id FROM chat_message WHERE id = ANY(%s) AND viewer_id <> ''"

# Those of messages and those of notices in one go: two would take their locks in two orders.
_TOLD = """(
    SELECT viewer_id, login, display_name, color, sent_ms FROM staged
    UNION ALL
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
) named"""

NAME_VIEWERS = names.learn(_TOLD, moment="sent_ms", time="to_timestamp({} / 1000.0)")

# Who of this batch had not written in a minute before: asked before the messages go in. Rows are compared
# rather than columns, and asked for in the order of `message_by_viewer`, so that each speaker is one probe
# of that index whatever Postgres knows of the table: otherwise it may read a whole minute for each.
FIND_NEW_SPEAKERS = """
INSERT INTO new_speaker
SELECT * FROM (
    SELECT DISTINCT channel_id, viewer_id, to_timestamp(sent_ms / 60000 * 60) AS minute
    FROM staged WHERE source_channel_id = '' AND viewer_id <> ''
) speaker
WHERE (
    SELECT sent_at FROM chat_message said
    WHERE said.channel_id = speaker.channel_id AND said.source_channel_id = ''
        AND (said.viewer_id, said.sent_at) >= (speaker.viewer_id, speaker.minute)
        AND (said.viewer_id, said.sent_at) < (speaker.viewer_id, speaker.minute + interval '1 minute')
    ORDER BY said.channel_id, said.viewer_id, said.sent_at LIMIT 1
) IS NULL
"""

# For who syncs messages, the log of changes says in which minutes there are new ones, not which: see chat/synced.py.
INSERT_MESSAGES = """
WITH inserted AS (
    INSERT INTO chat_message (
        id, channel_id, viewer_id, sent_at, text, is_action, is_first, is_returning, bits, badges, badge_info, notice,
        reward_id, reply_to_id, reply_to_viewer_id, thread_id, source_id, source_channel_id, emotes
    )
    SELECT id, channel_id, viewer_id, to_timestamp(sent_ms / 1000.0), text, is_action, is_first, is_returning, bits,
        badges, badge_info, notice, reward_id, reply_to_id, reply_to_viewer_id, thread_id, source_id,
        source_channel_id, emotes::int[]
    FROM staged
    ON CONFLICT DO NOTHING
    RETURNING channel_id, viewer_id, sent_at, bits, emotes, source_channel_id
), logged AS (
    INSERT INTO streams_change (channel_id, resource, key)
    SELECT DISTINCT channel_id, 'stored', (sent_ms / 60000)::text FROM staged
)
INSERT INTO fresh SELECT channel_id, viewer_id, sent_at, bits, emotes FROM inserted WHERE source_channel_id = ''
"""

TALLY_MESSAGES = f"""
INSERT INTO tally
SELECT channel_id, viewer_id, day, messages, emotes, bits, 0, 0, 0, first_at, last_at
FROM ({BY_VIEWER_AND_DAY.format(messages="fresh")})
"""

TALLY_EMOTES = f"INSERT INTO emote_tally {BY_EMOTE_AND_DAY.format(messages='fresh')}"

_RAISE = """
    messages = known.messages + excluded.messages, emotes = known.emotes + excluded.emotes,
    bits = known.bits + excluded.bits, subs = known.subs + excluded.subs, gifts = known.gifts + excluded.gifts"""
_SUMS = """
    sum(messages)::bigint AS messages, sum(emotes) AS emotes, sum(bits) AS bits, sum(subs) AS subs,
    sum(gifts) AS gifts"""
_RAISE_POINTS = f"{_RAISE}, points = known.points + excluded.points"
_SUMS_AND_POINTS = f"{_SUMS}, sum(points) AS points"

# Each returns how many viewers wrote for the first time: those whose row now says just what was added. What nobody
# wrote (see chat/anonymous.py) counts for the channel, its minutes and emotes, but for no viewer.
ADD_VIEWER_DAYS = f"""
WITH told AS (
    SELECT channel_id, viewer_id, day, {_SUMS_AND_POINTS} FROM tally WHERE viewer_id <> '' GROUP BY 1, 2, 3
), added AS (
    INSERT INTO viewers_viewerday AS known
        (channel_id, viewer_id, day, messages, emotes, bits, subs, gifts, points, watch_seconds)
    SELECT *, 0 FROM told ORDER BY 1, 2, 3
    ON CONFLICT (channel_id, viewer_id, day) DO UPDATE SET {_RAISE_POINTS}
    RETURNING channel_id, viewer_id, day, messages
)
SELECT channel_id, day, count(*) FROM told JOIN added USING (channel_id, viewer_id, day, messages)
WHERE messages > 0 GROUP BY 1, 2
"""

ADD_VIEWER_TOTALS = f"""
WITH told AS (
    SELECT channel_id, viewer_id, min(first_at) AS first_at, max(last_at) AS last_at, {_SUMS_AND_POINTS}
    FROM tally WHERE viewer_id <> '' GROUP BY 1, 2
), added AS (
    INSERT INTO viewers_viewertotal AS known
        (channel_id, viewer_id, first_seen_at, last_seen_at, messages, emotes, bits, subs, gifts, points, watch_seconds)
    SELECT *, 0 FROM told ORDER BY 1, 2
    ON CONFLICT (channel_id, viewer_id) DO UPDATE SET
        first_seen_at = least(known.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at), {_RAISE_POINTS}
    RETURNING channel_id, viewer_id, messages
)
SELECT channel_id, count(*) FROM told JOIN added USING (channel_id, viewer_id, messages)
WHERE messages > 0 GROUP BY 1
"""

ADD_EMOTE_USAGE = """
INSERT INTO chat_emoteusage AS known (channel_id, viewer_id, emote_id, day, uses)
SELECT * FROM emote_tally WHERE viewer_id <> '' ORDER BY 1, 2, 3, 4
ON CONFLICT (channel_id, viewer_id, emote_id, day) DO UPDATE SET uses = known.uses + excluded.uses
"""

ADD_EMOTE_DAYS = """
INSERT INTO chat_emoteday AS known (channel_id, emote_id, day, uses)
SELECT channel_id, emote_id, day, sum(uses) FROM emote_tally GROUP BY 1, 2, 3 ORDER BY 1, 3, 2
ON CONFLICT (channel_id, day, emote_id) DO UPDATE SET uses = known.uses + excluded.uses
"""

ADD_MINUTES = """
INSERT INTO chat_chatminute AS known (channel_id, minute, messages, chatters)
SELECT channel_id, minute, count(*), count(DISTINCT new_speaker.viewer_id)
FROM (SELECT channel_id, viewer_id, date_trunc('minute', sent_at, 'UTC') AS minute FROM fresh) said
LEFT JOIN new_speaker USING (channel_id, viewer_id, minute)
GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (channel_id, minute) DO UPDATE SET
    messages = known.messages + excluded.messages, chatters = known.chatters + excluded.chatters
RETURNING channel_id, minute, messages, chatters
"""

ADD_CHANNEL_DAYS = f"""
INSERT INTO streams_channelday AS known (channel_id, day, chatters, messages, emotes, bits, subs, gifts)
SELECT channel_id, day, coalesce(max(chatters), 0), {_SUMS}
FROM tally LEFT JOIN unnest(%s::bigint[], %s::date[], %s::bigint[]) AS first_time (channel_id, day, chatters)
    USING (channel_id, day)
GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (channel_id, day) DO UPDATE SET
    chatters = known.chatters + excluded.chatters, changes = known.changes + 1, {_RAISE}
RETURNING channel_id, day, messages, chatters, emotes
"""

ADD_CHANNEL_TOTALS = f"""
INSERT INTO streams_channeltotal AS known (channel_id, chatters, last_message_at, messages, emotes, bits, subs, gifts)
SELECT channel_id, coalesce(max(chatters), 0), max(last_at), {_SUMS}
FROM tally LEFT JOIN unnest(%s::bigint[], %s::bigint[]) AS first_time (channel_id, chatters) USING (channel_id)
GROUP BY 1 ORDER BY 1
ON CONFLICT (channel_id) DO UPDATE SET
    chatters = known.chatters + excluded.chatters,
    last_message_at = greatest(known.last_message_at, excluded.last_message_at), {_RAISE}
RETURNING channel_id, messages, chatters
"""

# What a batch added to each channel, and its most used emotes, for the live feed.
ADDED_TO_CHANNELS = "SELECT channel_id, sum(messages)::bigint, sum(emotes)::bigint FROM tally GROUP BY 1"
TOP_EMOTES = """
SELECT channel_id, emote_id, name, provider, provider_id, image_url, uses
FROM (
    SELECT channel_id, emote_id, sum(uses)::bigint AS uses,
        row_number() OVER (PARTITION BY channel_id ORDER BY sum(uses) DESC, emote_id) AS place
    FROM emote_tally GROUP BY 1, 2
) used JOIN chat_emote ON chat_emote.id = emote_id
WHERE place <= %s ORDER BY channel_id, place
"""

# Bans and timeouts reach back over everything the viewer wrote; a cleared chat over what could still be seen.
# The earliest deed that reaches a message removed it, in whatever order they arrive.
_REMOVE = """
UPDATE chat_message m SET removed_at = reached.at
FROM (
    SELECT id, channel_id, sent_at, min(at) AS at FROM ({reached}) reached GROUP BY 1, 2, 3
) reached
WHERE m.id = reached.id AND m.channel_id = reached.channel_id AND m.sent_at = reached.sent_at
    AND (m.removed_at IS NULL OR m.removed_at > reached.at)
"""

# New deeds of moderators: mark what they reach. One arm for each kind, so that each can use its index.
REMOVE_REACHED = _REMOVE.format(
    reached="""
    SELECT m.id, m.channel_id, m.sent_at, e.occurred_at AS at FROM chat_moderationevent e
        JOIN chat_message m ON m.id = e.message_id AND m.channel_id = e.channel_id
        WHERE e.id = ANY(%(deeds)s) AND e.kind = 'delete'
    UNION ALL
    SELECT m.id, m.channel_id, m.sent_at, e.occurred_at FROM chat_moderationevent e
        JOIN chat_message m ON m.channel_id = e.channel_id AND m.viewer_id = e.target_id AND m.sent_at <= e.occurred_at
        WHERE e.id = ANY(%(deeds)s) AND e.kind IN ('ban', 'timeout') AND e.target_id <> ''
            AND (m.removed_at IS NULL OR m.removed_at > e.occurred_at)
    UNION ALL
    SELECT m.id, m.channel_id, m.sent_at, e.occurred_at FROM chat_moderationevent e
        JOIN chat_message m ON m.channel_id = e.channel_id
            AND m.sent_at <= e.occurred_at AND m.sent_at > e.occurred_at - interval '1 day'
        WHERE e.id = ANY(%(deeds)s) AND e.kind = 'clear'
            AND (m.removed_at IS NULL OR m.removed_at > e.occurred_at)
    """
)

# Whether any deed in these channels is as late as the oldest of these messages: nearly always none. And whether any
# message carries bits, of which EventSub may have told.
WHAT_ELSE = """
SELECT EXISTS (
    SELECT FROM unnest(%s::bigint[], %s::bigint[]) AS told (channel, ms)
    WHERE EXISTS (
        SELECT FROM chat_moderationevent e
        WHERE e.channel_id = told.channel AND e.occurred_at >= to_timestamp(told.ms / 1000.0)
            AND e.kind IN ('ban', 'timeout', 'delete', 'clear') AND e.same_as_id IS NULL
    )
), EXISTS (SELECT FROM staged WHERE bits > 0 AND source_channel_id = '' AND viewer_id <> '')
"""

# Messages that arrived after the deed that removed them.
REMOVE_LATE = _REMOVE.format(
    reached="""
    SELECT m.id, m.channel_id, to_timestamp(m.sent_ms / 1000.0) AS sent_at, e.occurred_at AS at FROM staged m
        JOIN chat_moderationevent e ON e.message_id = m.id AND e.message_id <> '' AND e.channel_id = m.channel_id
            AND e.kind = 'delete' AND e.same_as_id IS NULL
    UNION ALL
    SELECT m.id, m.channel_id, to_timestamp(m.sent_ms / 1000.0), e.occurred_at FROM staged m
        JOIN chat_moderationevent e ON e.channel_id = m.channel_id AND e.target_id = m.viewer_id AND m.viewer_id <> ''
            AND e.occurred_at >= to_timestamp(m.sent_ms / 1000.0) AND e.kind IN ('ban', 'timeout')
            AND e.same_as_id IS NULL
    UNION ALL
    SELECT m.id, m.channel_id, to_timestamp(m.sent_ms / 1000.0), e.occurred_at FROM staged m
        JOIN chat_moderationevent e ON e.channel_id = m.channel_id
            AND e.occurred_at >= to_timestamp(m.sent_ms / 1000.0)
            AND e.occurred_at < to_timestamp(m.sent_ms / 1000.0) + interval '1 day' AND e.kind = 'clear'
            AND e.same_as_id IS NULL
    """
)

INSERT_GAPS = """
INSERT INTO streams_gap (channel_id, started_at, ended_at, reason)
SELECT channel, to_timestamp(told.from_ms / 1000.0), to_timestamp(told.to_ms / 1000.0), left(told.reason, 200)
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[]) AS told (channel, from_ms, to_ms, reason)
WHERE told.to_ms > told.from_ms
ON CONFLICT DO NOTHING
"""

INSERT_DEAD = """
INSERT INTO chat_deadletter (source, raw, error, received_at)
SELECT left(source, 200), raw, error, to_timestamp(ms / 1000.0)
FROM unnest(%s::text[], %s::bytea[], %s::text[], %s::bigint[]) AS told (source, raw, error, ms)
ON CONFLICT DO NOTHING
"""
