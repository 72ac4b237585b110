"""What happened in chat is written into the log of changes: see streams/sync.py."""

from streams.changelog import LOG, follow, follow_updates
from streams.patience import PatientMigration

EVENT = (
    "id", "channel_id", "viewer_id", "kind", "occurred_at", "text", "system_text", "amount", "recipient_id", "bomb_id",
    "params", "source_channel_id", "same_as",
)  # fmt: skip
DEED = (
    "id", "channel_id", "kind", "occurred_at", "target_id", "target_login", "message_id", "duration_seconds",
    "moderator_id", "reason", "same_as_id",
)  # fmt: skip
REDEMPTION = ("id", "channel_id", "viewer_id", "reward_id", "cost", "status", "text", "redeemed_at")
EMOTE_TOTAL = ("channel_id", "emote_id", "uses", "first_day", "last_day")
VIEWER_EMOTE = ("channel_id", "viewer_id", "emote_id", "uses", "first_day", "last_day")

# An emote is told with its name where it was used.
RENAMED = f"""
{LOG} SELECT channel.id, 'emotes', NEW.id FROM streams_channel channel WHERE EXISTS (
    SELECT FROM chat_emotetotal used WHERE used.channel_id = channel.id AND used.emote_id = NEW.id
);
"""


class Migration(PatientMigration):
    dependencies = [("chat", "0013_emotes_of_a_year"), ("streams", "0014_log_of_changes")]
    operations = [
        follow("chat_chatevent", "events", "changed.id", EVENT),
        follow("chat_moderationevent", "moderation", "changed.id", DEED),
        follow("chat_redemption", "redemptions", "changed.id", REDEMPTION),
        follow("chat_emotetotal", "emotes", "changed.emote_id", EMOTE_TOTAL),
        follow("chat_vieweremote", "usage", "changed.viewer_id || ':' || changed.emote_id", VIEWER_EMOTE),
        follow_updates("chat_emote", "log_emote_names", ["name", "image_url"], RENAMED),
    ]
