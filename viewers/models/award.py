"""Achievements: who earned which, when, and by what."""

from typing import ClassVar

from django.db import models

from streams.models import Channel, Stream
from viewers.models.viewer import Viewer


class Award(models.Model):
    """One level of one achievement, earned. What the achievements are: chat/achievements.py."""

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    viewer = models.ForeignKey(
        Viewer, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="awards"
    )
    achievement = models.CharField(max_length=32, db_collation="C")
    level = models.PositiveSmallIntegerField()
    earned_at = models.DateTimeField()
    value = models.PositiveBigIntegerField(default=0, help_text="What was reached, in the achievement's unit.")
    stream = models.ForeignKey(
        Stream, on_delete=models.SET_NULL, null=True, blank=True, db_constraint=False, db_index=False, related_name="+"
    )

    class Meta:
        constraints: ClassVar = [
            # Awarded once, however often the rules are asked; the achievements on the viewer page.
            models.UniqueConstraint(fields=["channel", "viewer", "achievement", "level"], name="award_once"),
        ]
        indexes: ClassVar = [
            # Who earned a level of an achievement, the latest first.
            models.Index(fields=["channel", "achievement", "level", "-earned_at", "viewer"], name="award_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.achievement} {self.level} of {self.viewer_id}"


class AwardRule(models.Model):
    """How far a rule, as it is now, was applied to everybody in a channel: from then on only to who changed."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_index=False, related_name="+")
    achievement = models.CharField(max_length=32, db_collation="C")
    version = models.CharField(max_length=64, help_text="A hash of the rule: another one is a new rule.")
    parts_done = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="While it is applied: to how many parts of the viewers, see chat/awards.py."
    )
    applied_at = models.DateTimeField(null=True, blank=True, help_text="When it had been applied to everybody.")
    holders = models.JSONField(default=dict, help_text="How many have each level.")
    counted_at = models.DateTimeField(null=True, blank=True, help_text="When these were counted.")

    class Meta:
        constraints: ClassVar = [
            # Whether a rule is new in a channel.
            models.UniqueConstraint(fields=["channel", "achievement"], name="awardrule_once"),
        ]

    def __str__(self) -> str:
        return f"{self.achievement} in {self.channel_id}"
