"""What people allowed us to do at Twitch, and what we asked Twitch to tell us with it."""

from typing import ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models

from streams.models.channel import Channel
from streams.sealed import SealedTextField


class TwitchGrantQuerySet(models.QuerySet["TwitchGrant"]):
    def valid(self) -> Self:
        return self.filter(state=TwitchGrant.State.VALID)


class TwitchGrant(models.Model):
    """One Twitch account's permission: as the channel it owns, as the bot that moderates others, or both."""

    class State(models.TextChoices):
        VALID = "valid", "works"
        DEAD = "dead", "no longer works"
        REVOKED = "revoked", "taken back"

    twitch_id = models.CharField(max_length=32, unique=True, db_collation="C")
    login = models.CharField(max_length=64, db_collation="C")
    display_name = models.CharField(max_length=64, blank=True)
    channel = models.OneToOneField(Channel, on_delete=models.SET_NULL, null=True, blank=True, related_name="grant")
    is_bot = models.BooleanField(default=False, help_text="Reads who is there in channels it moderates.")
    scopes = ArrayField(models.CharField(max_length=64), default=list)
    access_token = SealedTextField(editable=False)
    refresh_token = SealedTextField(editable=False)
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=State, default=State.VALID)
    problem = models.TextField(blank=True, help_text="Why it no longer works, and what to do.")
    granted_at = models.DateTimeField()
    refreshed_at = models.DateTimeField(null=True, blank=True)
    validated_at = models.DateTimeField(null=True, blank=True)
    moderators_at = models.DateTimeField(null=True, blank=True, help_text="When it was asked who moderates.")

    objects = TwitchGrantQuerySet.as_manager()

    class Meta:
        verbose_name = "connection"

    def __str__(self) -> str:
        return self.display_name or self.login


class EventSubscription(models.Model):
    """One kind of event we asked Twitch for with a grant, and what Twitch said."""

    class State(models.TextChoices):
        ENABLED = "enabled", "arrives"
        REFUSED = "refused", "refused by Twitch"
        REVOKED = "revoked", "ended by Twitch"
        LOST = "lost", "connection lost, asked for again soon"

    grant = models.ForeignKey(TwitchGrant, on_delete=models.CASCADE, db_index=False, related_name="subscriptions")
    type = models.CharField(max_length=96)
    version = models.CharField(max_length=8)
    condition = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=State)
    reason = models.TextField(blank=True, help_text="Why Twitch refused or ended it, and what to do.")
    twitch_id = models.CharField(max_length=64, blank=True)
    cost = models.PositiveSmallIntegerField(default=0)
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            # What was said of one kind of event, replaced by what is said next.
            models.UniqueConstraint(fields=["grant", "type", "condition"], name="eventsubscription_once"),
        ]

    def __str__(self) -> str:
        return f"{self.type} of {self.grant}: {self.get_state_display()}"
