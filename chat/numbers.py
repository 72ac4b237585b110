"""What is counted, in SQL, once: the store asks it of a batch's new messages, a recount of all of them.

Each is a SELECT over a relation of messages that count (see `Message.counted`): {messages} has
channel_id, viewer_id, sent_at, bits and emotes. What nobody wrote has an empty viewer_id (see
chat/anonymous.py): it counts, and is no chatter's.
"""

DAY = "(sent_at AT TIME ZONE 'UTC')::date"

# channel, viewer, day -> messages, emotes, bits, first and last time
BY_VIEWER_AND_DAY = f"""
SELECT channel_id, viewer_id, {DAY} AS day, count(*) AS messages, sum(cardinality(emotes)) AS emotes,
    sum(bits) AS bits, min(sent_at) AS first_at, max(sent_at) AS last_at
FROM {{messages}} GROUP BY 1, 2, 3
"""

# channel, viewer, emote, day -> uses
BY_EMOTE_AND_DAY = f"""
SELECT channel_id, viewer_id, emote_id, {DAY} AS day, count(*) AS uses
FROM {{messages}}, unnest(emotes) AS emote_id GROUP BY 1, 2, 3, 4
"""

# channel, minute -> messages, and how many viewers wrote them
BY_MINUTE = """
SELECT channel_id, date_trunc('minute', sent_at, 'UTC') AS minute, count(*) AS messages,
    count(DISTINCT nullif(viewer_id, '')) AS chatters
FROM {messages} GROUP BY 1, 2
"""

# viewer -> messages, emotes
BY_VIEWER = """
SELECT viewer_id, count(*) AS messages, sum(cardinality(emotes)) AS emotes FROM {messages} GROUP BY 1
"""

# emote -> uses
BY_EMOTE = """
SELECT emote_id, count(*) AS uses FROM {messages}, unnest(emotes) AS emote_id GROUP BY 1
"""

# Points of a redemption: whoever has them back has spent none.
POINTS = "CASE WHEN {0}.status = 'canceled' THEN 0 ELSE {0}.cost END"
