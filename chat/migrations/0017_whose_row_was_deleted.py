"""Of an event or a redemption the log of changes says whose it is: of who is not shown, nothing is told."""

from django.db import migrations

from streams.changelog import tell_whose

EVENT = (
    "id", "channel_id", "viewer_id", "kind", "occurred_at", "text", "system_text", "amount", "recipient_id", "bomb_id",
    "params", "source_channel_id", "same_as",
)  # fmt: skip
REDEMPTION = ("id", "channel_id", "viewer_id", "reward_id", "cost", "status", "text", "redeemed_at")


class Migration(migrations.Migration):
    dependencies = [("chat", "0016_removed_messages"), ("streams", "0017_whose_row_was_deleted")]
    operations = [
        tell_whose("chat_chatevent", "events", EVENT),
        tell_whose("chat_redemption", "redemptions", REDEMPTION),
    ]
