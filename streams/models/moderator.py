"""Who moderates a channel at Twitch, and so may look after it here."""

from typing import ClassVar

from django.db import models

from streams.models.channel import Channel


class ChannelModerator(models.Model):
    """One moderator of one channel, as Twitch last told: by events as they come, and asked for once a day.

    Whose account it is may not be known here otherwise, so it is an id and not a viewer.
    """

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_index=False, related_name="moderators")
    twitch_id = models.CharField(max_length=32, db_collation="C")
    login = models.CharField(max_length=64, blank=True, db_collation="C", help_text="As Twitch last told.")
    since = models.DateTimeField(help_text="When Twitch first told.")
    told_at = models.DateTimeField(help_text="When Twitch last told.")

    class Meta:
        constraints: ClassVar = [
            # The moderators of a channel; told twice is told once.
            models.UniqueConstraint(fields=["channel", "twitch_id"], name="channelmoderator_once"),
        ]
        indexes: ClassVar = [
            # The channels that somebody who is logged in moderates: asked on every page of the administration.
            models.Index(fields=["twitch_id"], name="channelmoderator_of_account"),
        ]

    def __str__(self) -> str:
        return f"{self.login or self.twitch_id} in {self.channel}"
