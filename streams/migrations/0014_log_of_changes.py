"""Streams and channels write what changed into the log of changes, which is pruned by its numbers."""

from django.db import migrations, models

from streams.changelog import LOG, follow, follow_updates
from streams.patience import PatientMigration

CHANNEL = (
    "id", "twitch_id", "login", "display_name", "is_followed", "page_policy", "retention_days", "created_at",
)  # fmt: skip
STREAM = (
    "id", "channel_id", "started_at", "ended_at", "off_air_seconds", "title", "category_id", "category", "language",
    "peak_viewers", "average_viewers", "messages", "chatters", "watched_by", "new_viewers", "returning_viewers",
    "watch_seconds", "presence_source",
)  # fmt: skip
SEGMENT = ("id", "stream_id", "started_at", "ended_at", "title", "category_id", "category")
SAMPLE = ("id", "channel_id", "stream_id", "at", "viewers")


class Migration(PatientMigration):
    dependencies = [("streams", "0013_webhooks_on_since")]
    operations = [
        migrations.RemoveIndex(model_name="change", name="change_by_time"),
        migrations.AddIndex(model_name="change", index=models.Index(fields=["xid"], name="change_by_number")),
        follow(
            "streams_channel", "channels", "changed.twitch_id", CHANNEL,
            channel="NULL::bigint", where="changed.twitch_id IS NOT NULL",
        ),  # fmt: skip
        # Another policy shows or hides everybody: copies from before are of no use.
        follow_updates(
            "streams_channel", "log_page_policy", ["page_policy"], f"{LOG} VALUES (NEW.id, 'anew', '');"
        ),
        follow("streams_stream", "streams", "changed.id", STREAM),
        follow(
            "streams_streamsegment", "segments", "changed.id", SEGMENT,
            channel="stream.channel_id", join="JOIN streams_stream stream ON stream.id = changed.stream_id",
        ),  # fmt: skip
        follow("streams_streamsample", "samples", "changed.id", SAMPLE),
    ]
