"""What happened in chat beside messages: announcements of Twitch, and deeds of moderators."""

from typing import ClassVar

from django.db import models

from streams.models import Channel
from viewers.models import Viewer


class ChatEvent(models.Model):
    """A USERNOTICE: a subscription, gift, raid, announcement, milestone or a kind not known yet."""

    id = models.CharField(max_length=64, primary_key=True, db_collation="C", help_text="Twitch's id of the notice.")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_index=False, related_name="+")
    viewer = models.ForeignKey(
        Viewer, on_delete=models.CASCADE, null=True, blank=True, db_constraint=False, db_index=False, related_name="+"
    )
    kind = models.CharField(max_length=64, help_text="Twitch's msg-id.")
    occurred_at = models.DateTimeField()
    text = models.TextField(blank=True, help_text="What the viewer wrote with it.")
    system_text = models.TextField(blank=True, help_text="Twitch's sentence about it.")
    amount = models.PositiveIntegerField(default=0, help_text="Months, gifts, raiders or points, as the kind has it.")
    recipient_id = models.CharField(max_length=32, blank=True, help_text="Twitch id of the viewer who was given it.")
    bomb_id = models.CharField(max_length=128, blank=True, help_text="Shared by a gift bomb and its members.")
    params = models.JSONField(default=dict, help_text="All msg-param tags.")
    source_channel_id = models.CharField(max_length=32, blank=True, help_text="As on messages.")

    class Meta:
        indexes: ClassVar = [
            # The newest events of a channel.
            models.Index(fields=["channel", "-occurred_at"], name="chatevent_recent"),
            # What a viewer did, on the viewer page and for a recount.
            models.Index(fields=["channel", "viewer", "occurred_at"], name="chatevent_by_viewer"),
            # The members of a gift bomb, so that it counts once.
            models.Index(fields=["channel", "bomb_id"], condition=~models.Q(bomb_id=""), name="chatevent_of_bomb"),
        ]

    def __str__(self) -> str:
        return self.system_text or self.kind


class ModerationEvent(models.Model):
    """A ban, timeout, deleted message or cleared chat."""

    class Kind(models.TextChoices):
        BAN = "ban", "ban"
        TIMEOUT = "timeout", "timeout"
        DELETE = "delete", "message deleted"
        CLEAR = "clear", "chat cleared"
        UNBAN = "unban", "ban lifted"
        UNTIMEOUT = "untimeout", "timeout lifted"
        WARN = "warn", "warning"
        MOD = "mod", "made moderator"
        UNMOD = "unmod", "no longer moderator"
        VIP = "vip", "made VIP"
        UNVIP = "unvip", "no longer VIP"

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_index=False, related_name="+")
    kind = models.CharField(max_length=32, choices=Kind)
    occurred_at = models.DateTimeField()
    target_id = models.CharField(max_length=32, blank=True, help_text="Twitch id of the viewer.")
    target_login = models.CharField(max_length=64, blank=True)
    message_id = models.CharField(max_length=64, blank=True, help_text="The message that was deleted.")
    duration_seconds = models.PositiveIntegerField(null=True, blank=True)
    moderator_id = models.CharField(max_length=32, blank=True, help_text="IRC never tells; EventSub does.")
    reason = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            # CLEARCHAT and CLEARMSG have no id of their own: the same fact is recognised by its content.
            models.UniqueConstraint(
                fields=["channel", "target_id", "target_login", "message_id", "occurred_at", "kind"],
                name="moderationevent_once",
            ),
        ]
        indexes: ClassVar = [
            # The newest deeds in a channel; whole-chat clears that reach a late message.
            models.Index(fields=["channel", "-occurred_at"], name="moderationevent_recent"),
            # Whether a message that arrives late was already deleted.
            models.Index(fields=["message_id"], condition=~models.Q(message_id=""), name="moderationevent_of_message"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.target_login or self.message_id or 'the chat'}"
