"""Channel points: what they can be spent on, and who spent them."""

from typing import ClassVar

from django.db import models

from streams.models import Channel
from viewers.models import Viewer


class Reward(models.Model):
    """Something channel points buy in a channel: one of its own, or one that Twitch has everywhere."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_index=False, related_name="+")
    twitch_id = models.CharField(max_length=96, db_collation="C", help_text="For Twitch's own: its type.")
    title = models.CharField(max_length=128)
    cost = models.PositiveIntegerField(default=0, help_text="As last seen.")
    prompt = models.TextField(blank=True)
    is_automatic = models.BooleanField(default=False, help_text="One of Twitch's own.")
    told_at = models.DateTimeField(null=True, blank=True, help_text="When Twitch told what is known of it.")

    class Meta:
        constraints: ClassVar = [
            # A redemption names its reward; what is new of the reward replaces what was known.
            models.UniqueConstraint(fields=["channel", "twitch_id"], name="reward_once"),
        ]

    def __str__(self) -> str:
        return self.title


class Redemption(models.Model):
    """Channel points that a viewer spent. Points count unless it was canceled."""

    class Status(models.TextChoices):
        UNFULFILLED = "unfulfilled", "waiting"
        FULFILLED = "fulfilled", "fulfilled"
        CANCELED = "canceled", "canceled, points given back"
        UNKNOWN = "unknown", "unknown"

    id = models.CharField(max_length=64, primary_key=True, db_collation="C", help_text="Twitch's id of it.")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_index=False, related_name="+")
    viewer = models.ForeignKey(Viewer, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    reward = models.ForeignKey(Reward, on_delete=models.CASCADE, db_index=False, related_name="+")
    cost = models.PositiveIntegerField(help_text="Points at the time.")
    status = models.CharField(max_length=16, choices=Status)
    text = models.TextField(blank=True, help_text="What the viewer wrote with it.")
    redeemed_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            # The newest redemptions of a channel or stream.
            models.Index(fields=["channel", "-redeemed_at"], name="redemption_recent"),
            # What a viewer spent points on, and a recount.
            models.Index(fields=["channel", "viewer", "-redeemed_at"], name="redemption_of_viewer"),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id}: {self.reward_id}"
