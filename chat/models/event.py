"""What happened in chat beside messages: announcements of Twitch, and deeds of moderators."""

from typing import ClassVar, Self

from django.db import models

from streams.models import Channel
from viewers.models import Viewer


class ChatEventQuerySet(models.QuerySet["ChatEvent"]):
    def facts(self) -> Self:
        """Each fact once, however often and by whom it was told."""
        return self.filter(same_as="")


class ChatEvent(models.Model):
    """Something Twitch told of a channel: a subscription, gift, raid, poll, follower or a kind not known yet.

    Chat and EventSub tell much of it both. All that was told is kept; what says the same as something better
    known is marked, and counts for nothing: see chat/ingest/onefact.py.
    """

    id = models.CharField(
        max_length=64, primary_key=True, db_collation="C", help_text="Twitch's id of the notice, poll or message."
    )
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_index=False, related_name="+")
    viewer = models.ForeignKey(
        Viewer, on_delete=models.CASCADE, null=True, blank=True, db_constraint=False, db_index=False, related_name="+"
    )
    kind = models.CharField(max_length=64, help_text="Twitch's msg-id; a word of ours for what chat never tells.")
    occurred_at = models.DateTimeField()
    text = models.TextField(blank=True, help_text="What the viewer wrote with it.")
    system_text = models.TextField(blank=True, help_text="Twitch's sentence about it.")
    amount = models.PositiveIntegerField(default=0, help_text="Months, gifts, raiders or points, as the kind has it.")
    recipient_id = models.CharField(max_length=32, blank=True, help_text="Twitch id of the viewer who was given it.")
    bomb_id = models.CharField(max_length=128, blank=True, help_text="Shared by a gift bomb and its members.")
    params = models.JSONField(default=dict, help_text="All msg-param tags, or what else the event tells.")
    source_channel_id = models.CharField(max_length=32, blank=True, help_text="As on messages.")
    told_by = models.CharField(
        max_length=64, blank=True, db_default="", help_text="EventSub's name for the event; empty for chat."
    )
    same_as = models.CharField(
        max_length=64, blank=True, db_default="", help_text="The event or message that tells this better."
    )
    borrowed = models.CharField(
        max_length=64,
        blank=True,
        db_default="",
        editable=False,
        help_text="Fields whose value another telling of the same knew, and which are taken back if it no longer is.",
    )

    objects = ChatEventQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            # The newest events of a channel.
            models.Index(fields=["channel", "-occurred_at"], name="chatevent_recent"),
            # What a viewer did, on the viewer page and for a recount.
            models.Index(fields=["channel", "viewer", "occurred_at"], name="chatevent_by_viewer"),
            # The members of a gift bomb, so that it counts once.
            models.Index(fields=["channel", "bomb_id"], condition=~models.Q(bomb_id=""), name="chatevent_of_bomb"),
            # The same gift, told by chat and by EventSub, which does not know its giver.
            models.Index(
                fields=["channel", "recipient_id", "occurred_at"],
                condition=~models.Q(recipient_id=""),
                name="chatevent_of_recipient",
            ),
        ]

    def __str__(self) -> str:
        return self.system_text or self.kind


class ModerationEventQuerySet(models.QuerySet["ModerationEvent"]):
    def facts(self) -> Self:
        """Each deed once, however often and by whom it was told."""
        return self.filter(same_as=None)


class ModerationEvent(models.Model):
    """A deed of a moderator: a ban, timeout, deleted message, cleared chat, or any other that EventSub tells.

    Told twice, it is marked as on ChatEvent; what only the other telling knew stands with the one that counts.
    """

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
    told_by = models.CharField(
        max_length=64, blank=True, db_default="", help_text="EventSub's name for the event; empty for chat."
    )
    same_as = models.ForeignKey(
        "self",
        on_delete=models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="The row that tells this better.",
    )
    borrowed = models.CharField(
        max_length=64,
        blank=True,
        db_default="",
        editable=False,
        help_text="Fields whose value another telling of the same knew, and which are taken back if it no longer is.",
    )

    objects = ModerationEventQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            # CLEARCHAT and CLEARMSG have no id of their own: the same fact is recognised by its content. What
            # was told of one target is found by its beginning.
            models.UniqueConstraint(
                fields=["channel", "target_id", "target_login", "message_id", "occurred_at", "kind", "told_by"],
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
