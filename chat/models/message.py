"""Messages, and how many there were in each minute."""

from datetime import datetime
from typing import ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models

from streams.models import Channel
from streams.models.change import ThisTransaction
from viewers.models import Viewer


class MessageQuerySet(models.QuerySet["Message"]):
    def counted(self) -> Self:
        """Messages written in their own channel; copies from a shared chat count where they were written."""
        return self.filter(source_channel_id="")

    def shown(self) -> Self:
        """Messages that no moderator removed."""
        return self.filter(removed_at=None)

    def newest(self, channel: Channel, since: datetime, most: int) -> Self:
        """The newest messages that count in a channel: an index gives them, however long the table is."""
        of_channel = self.counted().shown().filter(channel=channel, sent_at__gte=since)
        return of_channel.order_by("-sent_at")[:most]


class Message(models.Model):
    """One chat message.

    The table is partitioned by month of `sent_at` (see `chat/partitions.py`), so its primary key in
    the database is (id, channel_id, sent_at). Channel and viewer carry no database constraint: the
    store writes both in the same transaction, and a check per row would cost a fifth of the ingest.
    """

    id = models.CharField(max_length=64, primary_key=True, db_collation="C", help_text="Twitch's id of the message.")
    channel = models.ForeignKey(
        Channel, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    viewer = models.ForeignKey(
        Viewer, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    sent_at = models.DateTimeField(help_text="When Twitch received it.")
    text = models.TextField()
    is_action = models.BooleanField(default=False, help_text="Written with /me.")
    is_first = models.BooleanField(default=False, help_text="The viewer's first message in this channel.")
    is_returning = models.BooleanField(default=False)
    bits = models.PositiveIntegerField(default=0)
    badges = models.TextField(blank=True, help_text="set/version, separated by commas, as Twitch sent them.")
    badge_info = models.TextField(blank=True)
    notice = models.CharField(max_length=64, blank=True, help_text="How it was sent, such as highlighted-message.")
    reward_id = models.CharField(max_length=64, blank=True)
    reply_to_id = models.CharField(max_length=64, blank=True)
    reply_to_viewer_id = models.CharField(max_length=32, blank=True)
    thread_id = models.CharField(max_length=64, blank=True)
    source_id = models.CharField(max_length=64, blank=True, help_text="Id of the original, for a shared-chat copy.")
    source_channel_id = models.CharField(
        max_length=32, blank=True, help_text="Twitch id of the channel it was written in, for a shared-chat copy."
    )
    emotes = ArrayField(models.IntegerField(), default=list, help_text="Emote keys, one per use, in order.")
    removed_at = models.DateTimeField(null=True, blank=True, help_text="When a moderator removed it.")
    stored_in = models.BigIntegerField(
        db_default=ThisTransaction(), editable=False, help_text="Transaction that wrote it: see chat/synced.py."
    )

    objects = MessageQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            # A viewer's messages, the messages a ban removes, and whether a viewer already spoke in a minute.
            models.Index(fields=["channel", "viewer", "sent_at"], name="message_by_viewer"),
            # A channel's newest messages, and a span of them for a recount.
            models.Index(fields=["channel", "sent_at"], name="message_by_time"),
            # What moderators removed, among many times as much that they did not: see chat/search.py.
            models.Index(
                fields=["channel", "sent_at"], condition=models.Q(removed_at__isnull=False), name="message_removed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id}: {self.text[:60]}"


class ChatMinute(models.Model):
    """One channel in one UTC minute: [minute, minute + 60 s)."""

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    minute = models.DateTimeField()
    messages = models.PositiveIntegerField(default=0)
    chatters = models.PositiveIntegerField(default=0, help_text="Different viewers who wrote.")

    class Meta:
        constraints: ClassVar = [
            # The store's upsert, and charts of an evening.
            models.UniqueConstraint(fields=["channel", "minute"], name="chatminute_once"),
        ]

    def __str__(self) -> str:
        return f"{self.channel_id} at {self.minute:%Y-%m-%d %H:%M}"
