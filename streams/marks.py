"""Which days of a channel are to be looked at again, because what was counted of its viewers on them has changed."""

# {days} is a relation of (channel_id, day), in any number. Whoever changes days of viewers, or uses of emotes, runs it
# in the same transaction: see ChannelDay.changes. A day on which nobody wrote has a row because of it.
MARK_DAYS = """
INSERT INTO streams_channelday AS known (channel_id, day, chatters, messages, emotes, bits, subs, gifts)
SELECT DISTINCT channel_id, day, 0, 0, 0, 0, 0, 0 FROM {days} ORDER BY 1, 2
ON CONFLICT (channel_id, day) DO UPDATE SET changes = known.changes + 1
"""
