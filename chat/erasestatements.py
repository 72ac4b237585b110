"""The SQL of an erasure, a batch of one viewer in one channel at a time, under the lock of the channel.

What is counted of the channel falls in the statement that takes the rows, so that a recount agrees at any moment, and
after a kill at any moment the rest is erased as if nothing had happened.
"""

from chat.anonymous import ANONYMOUS_ID, COLUMNS, UNANSWERED

# Messages

_EMPTIED = ", ".join(f"{name} = %({name})s" for name in COLUMNS)

# The next messages of the viewer, and under which id they go on.
STAGE_MESSAGES = f"""
CREATE TEMP TABLE leaving ON COMMIT DROP AS
SELECT id, {ANONYMOUS_ID.format("id")} AS new_id, sent_at, source_channel_id = '' AS counts, bits, emotes
FROM chat_message WHERE channel_id = %(channel)s AND viewer_id = %(viewer)s ORDER BY sent_at LIMIT %(most)s
"""
ANALYZE_MESSAGES = "ANALYZE leaving"
# More than one batch may be in a transaction.
UNSTAGE_MESSAGES = "DROP TABLE leaving, twin"
UNSTAGE_EVENTS = "DROP TABLE leaving"

# A line that was told twice, before and after it was asked to erase, is stored twice: as what it was, and as nobody's.
DELETE_TWINS = """
CREATE TEMP TABLE twin ON COMMIT DROP AS
WITH gone AS (
    DELETE FROM chat_message said USING leaving, chat_message twin
    WHERE said.channel_id = %(channel)s AND said.sent_at = leaving.sent_at AND said.id = leaving.id
        AND twin.channel_id = %(channel)s AND twin.sent_at = leaving.sent_at AND twin.id = leaving.new_id
    RETURNING said.id, leaving.sent_at, leaving.counts, leaving.bits, leaving.emotes
)
SELECT * FROM gone
"""
_DAY = "(sent_at AT TIME ZONE 'UTC')::date"
LOWER_TWINS = f"""
WITH days AS (
    SELECT {_DAY} AS day, count(*) AS messages, sum(cardinality(emotes)) AS emotes, sum(bits) AS bits
    FROM twin WHERE counts GROUP BY 1
),
channel_days AS (
    UPDATE streams_channelday known SET messages = greatest(known.messages - days.messages, 0),
        emotes = greatest(known.emotes - days.emotes, 0), bits = greatest(known.bits - days.bits, 0)
    FROM days WHERE known.channel_id = %(channel)s AND known.day = days.day
),
channel_totals AS (
    UPDATE streams_channeltotal known SET messages = greatest(known.messages - told.messages, 0),
        emotes = greatest(known.emotes - told.emotes, 0), bits = greatest(known.bits - told.bits, 0)
    FROM (SELECT sum(messages) AS messages, sum(emotes) AS emotes, sum(bits) AS bits FROM days) told
    WHERE known.channel_id = %(channel)s AND told.messages IS NOT NULL
),
emote_days AS (
    UPDATE chat_emoteday known SET uses = greatest(known.uses - used.uses, 0)
    FROM (
        SELECT {_DAY} AS day, emote_id, count(*) AS uses
        FROM twin, unnest(emotes) AS emote_id WHERE counts GROUP BY 1, 2
    ) used
    WHERE known.channel_id = %(channel)s AND known.day = used.day AND known.emote_id = used.emote_id
)
UPDATE chat_chatminute known SET messages = greatest(known.messages - told.messages, 0)
FROM (
    SELECT date_trunc('minute', sent_at, 'UTC') AS minute, count(*) AS messages FROM twin WHERE counts GROUP BY 1
) told
WHERE known.channel_id = %(channel)s AND known.minute = told.minute
"""

MAKE_NOBODYS = f"""
UPDATE chat_message said SET id = leaving.new_id, {_EMPTIED}
FROM leaving
WHERE said.channel_id = %(channel)s AND said.sent_at = leaving.sent_at AND said.id = leaving.id
    AND said.viewer_id = %(viewer)s
"""

# The viewer was one of the chatters of each of these minutes, unless there is more of them to come in it.
LOWER_MINUTES = """
UPDATE chat_chatminute known SET chatters = greatest(known.chatters - 1, 0)
FROM (SELECT DISTINCT date_trunc('minute', sent_at, 'UTC') AS minute FROM leaving WHERE counts) told
WHERE known.channel_id = %(channel)s AND known.minute = told.minute AND NOT EXISTS (
    SELECT FROM chat_message rest
    WHERE rest.channel_id = %(channel)s AND rest.viewer_id = %(viewer)s AND rest.source_channel_id = ''
        AND rest.sent_at >= told.minute AND rest.sent_at < told.minute + interval '1 minute'
)
"""

# That a message was deleted is told without an id of its author, sometimes.
DELETE_DEEDS_ON_MESSAGES = """
DELETE FROM chat_moderationevent deed USING leaving
WHERE deed.channel_id = %(channel)s AND deed.message_id = leaving.id AND deed.message_id <> ''
"""

# Events

# The next events of the viewer; of a gift bomb all parts at once, for they count together.
STAGE_EVENTS = """
CREATE TEMP TABLE leaving ON COMMIT DROP AS
WITH next AS (
    SELECT id, bomb_id FROM chat_chatevent WHERE channel_id = %(channel)s AND viewer_id = %(viewer)s
    ORDER BY occurred_at, id LIMIT %(most)s
)
SELECT id, kind, occurred_at, told_by, same_as, amount, bomb_id, recipient_id, source_channel_id = '' AS counts
FROM chat_chatevent WHERE id IN (SELECT id FROM next)
UNION
SELECT id, kind, occurred_at, told_by, same_as, amount, bomb_id, recipient_id, source_channel_id = ''
FROM chat_chatevent
WHERE channel_id = %(channel)s AND viewer_id = %(viewer)s AND bomb_id <> ''
    AND bomb_id IN (SELECT bomb_id FROM next WHERE bomb_id <> '')
"""

# What they counted for, as a recount has it (chat/rollups.py, FACTS), is no longer counted.
LOWER_FACTS = """
WITH facts AS (
    SELECT occurred_at AS at, (kind IN ('sub', 'resub') AND same_as = '')::int AS subs, 0 AS gifts,
        CASE
            WHEN told_by <> '' AND kind IN ('cheer', 'power_up', 'bits') AND same_as = '' THEN amount ELSE 0
        END AS bits
    FROM leaving WHERE counts
    UNION ALL
    SELECT min(occurred_at), 0, coalesce(max(amount) FILTER (WHERE kind = 'submysterygift'), count(*)), 0
    FROM leaving WHERE counts AND bomb_id <> '' GROUP BY bomb_id
),
days AS (
    SELECT (at AT TIME ZONE 'UTC')::date AS day, sum(subs) AS subs, sum(gifts) AS gifts, sum(bits) AS bits
    FROM facts GROUP BY 1 HAVING sum(subs) <> 0 OR sum(gifts) <> 0 OR sum(bits) <> 0
),
viewer_days AS (
    UPDATE viewers_viewerday known SET subs = greatest(known.subs - days.subs, 0), gifts = known.gifts - days.gifts,
        bits = greatest(known.bits - days.bits, 0)
    FROM days WHERE known.channel_id = %(channel)s AND known.viewer_id = %(viewer)s AND known.day = days.day
),
channel_days AS (
    UPDATE streams_channelday known SET subs = greatest(known.subs - days.subs, 0), gifts = known.gifts - days.gifts,
        bits = greatest(known.bits - days.bits, 0), changes = known.changes + 1
    FROM days WHERE known.channel_id = %(channel)s AND known.day = days.day
)
UPDATE streams_channeltotal known SET subs = greatest(known.subs - told.subs, 0), gifts = known.gifts - told.gifts,
    bits = greatest(known.bits - told.bits, 0)
FROM (SELECT sum(subs) AS subs, sum(gifts) AS gifts, sum(bits) AS bits FROM days) told
WHERE known.channel_id = %(channel)s AND told.subs IS NOT NULL
"""

# EventSub told of a gift without its giver: it says by itself now that somebody was given something.
FREE_TWINS = """
UPDATE chat_chatevent twin SET same_as = '' FROM leaving
WHERE leaving.recipient_id <> '' AND twin.channel_id = %(channel)s AND twin.recipient_id = leaving.recipient_id
    AND twin.same_as = leaving.id AND twin.viewer_id IS DISTINCT FROM %(viewer)s
"""
DELETE_EVENTS = "DELETE FROM chat_chatevent gone USING leaving WHERE gone.id = leaving.id"

# Gifts to the viewer stay the giver's. Their parameters name the recipient, under names we may never have heard else.
GIFTS_TO = """
SELECT id, params, system_text, text FROM chat_chatevent
WHERE channel_id = %(channel)s AND recipient_id = %(viewer)s AND recipient_id <> '' ORDER BY occurred_at LIMIT %(most)s
"""
GIVE_TO_NOBODY = """
UPDATE chat_chatevent gift SET recipient_id = '', params = told.params::jsonb, system_text = told.system_text,
    text = told.text
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS told (id, params, system_text, text)
WHERE gift.id = told.id
"""

# Deeds of moderators against the viewer: by id, or by a name that nobody else had; and whatever else tells of the same
# deleted messages.
DELETE_DEEDS = """
WITH theirs AS (
    DELETE FROM chat_moderationevent
    WHERE channel_id = %(channel)s AND (
        target_id = %(viewer)s OR target_id = '' AND target_login = ANY(%(names)s)
    )
    RETURNING id, message_id
), others AS (
    DELETE FROM chat_moderationevent same USING theirs
    WHERE theirs.message_id <> '' AND same.channel_id = %(channel)s AND same.message_id = theirs.message_id
        AND same.id NOT IN (SELECT id FROM theirs)
    RETURNING same.id
)
SELECT (SELECT count(*) FROM theirs) + (SELECT count(*) FROM others)
"""

# Streams

# Those in whose numbers the viewer may have a part: who is counted as having come, and who was there or wrote on a day.
STREAMS = """
SELECT stream.id FROM streams_stream stream
WHERE stream.channel_id = %(channel)s AND stream.id > %(after)s AND (
    EXISTS (
        SELECT FROM viewers_viewerstream came
        WHERE came.channel_id = %(channel)s AND came.viewer_id = %(viewer)s AND came.stream_id = stream.id
    ) OR EXISTS (
        SELECT FROM viewers_viewsession visit WHERE visit.stream_id = stream.id AND visit.viewer_id = %(viewer)s
    ) OR EXISTS (
        SELECT FROM viewers_viewerday was
        WHERE was.channel_id = %(channel)s AND was.viewer_id = %(viewer)s
            AND was.day >= (stream.started_at AT TIME ZONE 'UTC')::date
            AND was.day <= (coalesce(stream.ended_at, now()) AT TIME ZONE 'UTC')::date
    )
)
ORDER BY stream.id LIMIT %(most)s
"""
LEAVE_VISITS = "DELETE FROM viewers_viewsession WHERE stream_id = ANY(%(streams)s) AND viewer_id = %(viewer)s"
LEAVE_CORRECTIONS = """
DELETE FROM viewers_sessioncorrection WHERE stream_id = ANY(%(streams)s) AND viewer_id = %(viewer)s
"""
LEAVE_STREAMS = """
WITH gone AS (
    DELETE FROM viewers_viewerstream
    WHERE channel_id = %(channel)s AND viewer_id = %(viewer)s AND stream_id = ANY(%(streams)s)
    RETURNING stream_id, messages
), counted AS (
    UPDATE streams_stream known SET counted_at = NULL, chatters = CASE
        WHEN gone.messages > 0 THEN greatest(known.chatters - 1, 0) ELSE known.chatters END
    FROM unnest(%(streams)s::text[]) AS stream (id) LEFT JOIN gone ON gone.stream_id = stream.id
    WHERE known.id = stream.id
)
SELECT count(*) FROM gone
"""

# Days and totals: the viewer is no longer among the chatters of the days on which they wrote.
LEAVE_DAYS = """
WITH gone AS (
    DELETE FROM viewers_viewerday WHERE channel_id = %(channel)s AND viewer_id = %(viewer)s RETURNING day, messages
), lowered AS (
    UPDATE streams_channelday known SET changes = known.changes + 1, chatters = CASE
        WHEN gone.messages > 0 THEN greatest(known.chatters - 1, 0) ELSE known.chatters END
    FROM gone WHERE known.channel_id = %(channel)s AND known.day = gone.day
)
SELECT count(*) FROM gone
"""
LEAVE_TOTAL = """
WITH gone AS (
    DELETE FROM viewers_viewertotal WHERE channel_id = %(channel)s AND viewer_id = %(viewer)s RETURNING messages
), lowered AS (
    UPDATE streams_channeltotal known SET chatters = greatest(known.chatters - 1, 0)
    FROM gone WHERE known.channel_id = %(channel)s AND gone.messages > 0
)
SELECT count(*) FROM gone
"""

# Messages of others

# Where the next span of a channel's messages ends: an index says.
END_OF_SPAN = """
SELECT sent_at FROM chat_message WHERE channel_id = %s AND sent_at > %s ORDER BY sent_at OFFSET %s LIMIT 1
"""
_NAMES_THEM = """
(lower(said.text) LIKE ANY(%(likes)s) AND said.text ~* %(anywhere)s OR said.reply_to_viewer_id = ANY(%(viewers)s))
"""
MENTIONING = f"""
SELECT id, sent_at FROM chat_message said
WHERE channel_id = %(channel)s AND sent_at > %(after)s AND sent_at <= %(end)s AND {_NAMES_THEM}
"""
_ANSWERS = ", ".join(
    f"{name} = CASE WHEN said.reply_to_viewer_id = ANY(%(viewers)s) THEN '' ELSE said.{name} END" for name in UNANSWERED
)
CLEAN_MESSAGES = f"""
UPDATE chat_message said SET text = regexp_replace(said.text, %(anywhere)s, %(gone)s, 'gi'), {_ANSWERS}
FROM unnest(%(ids)s::text[], %(sent)s::timestamptz[]) AS told (id, sent_at)
WHERE said.channel_id = %(channel)s AND said.sent_at = told.sent_at AND said.id = told.id AND {_NAMES_THEM}
"""

# An answer keeps which message it answers and which one its thread began with while these are here: once they are
# nobody's, they have another id, and Twitch's would still say whose they were. Threads do not last for weeks.
_IS_HERE = """(
    SELECT 1 FROM chat_message earlier
    WHERE earlier.id = said.{0}
        AND earlier.sent_at <= said.sent_at AND earlier.sent_at > said.sent_at - interval '7 days'
    LIMIT 1
) IS NOT NULL"""
_IDS = ("reply_to_id", "thread_id")
_IS_TIED = " OR ".join(f"said.{name} <> '' AND NOT {_IS_HERE.format(name)}" for name in _IDS)
TIED = f"""
SELECT id, sent_at FROM chat_message said
WHERE channel_id = %(channel)s AND sent_at > %(after)s AND sent_at <= %(end)s AND ({_IS_TIED})
"""
_UNTIED = ", ".join(f"{name} = CASE WHEN {_IS_HERE.format(name)} THEN said.{name} ELSE '' END" for name in _IDS)
UNTIE = f"""
UPDATE chat_message said SET {_UNTIED}
FROM unnest(%(ids)s::text[], %(sent)s::timestamptz[]) AS told (id, sent_at)
WHERE said.channel_id = %(channel)s AND said.sent_at = told.sent_at AND said.id = told.id
"""

_IS_DEAD = "(encode(raw, 'escape') ~* %(in_bytes)s OR error ~* %(anywhere)s OR error ~* %(in_bytes)s)"
FIND_DEAD = f"SELECT id FROM chat_deadletter WHERE {_IS_DEAD}"
DELETE_DEAD = f"DELETE FROM chat_deadletter WHERE id = ANY(%(keys)s) AND {_IS_DEAD}"

DELETE_VIEWER = "DELETE FROM viewers_viewer WHERE twitch_id = %(viewer)s"

DELETE_BEGUN = """
DELETE FROM social_auth_partial WHERE data::text ~* %(anywhere)s OR data::text LIKE %(quoted)s
"""
