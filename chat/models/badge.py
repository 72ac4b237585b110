"""Pictures that Twitch has beside names, and the words that cheers begin with."""

from typing import ClassVar

from django.db import models

from streams.models import Channel


class Badge(models.Model):
    """One version of a badge, everywhere or in one channel."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, null=True, blank=True, related_name="badges")
    set_id = models.CharField(max_length=64)
    version = models.CharField(max_length=64)
    title = models.CharField(max_length=128, blank=True)
    image_url = models.URLField(max_length=300)

    class Meta:
        constraints: ClassVar = [
            # The picture of a badge a message wears: the channel's own before that of everywhere.
            models.UniqueConstraint(fields=["channel", "set_id", "version"], nulls_distinct=False, name="badge_once"),
        ]

    def __str__(self) -> str:
        return f"{self.set_id}/{self.version}"


class Cheermote(models.Model):
    """A word that, with a number behind it, gives bits: everywhere or in one channel."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, null=True, blank=True, related_name="cheermotes")
    prefix = models.CharField(max_length=64)
    tiers = models.JSONField(default=list, help_text="Least bits, colour and picture of each tier.")

    class Meta:
        constraints: ClassVar = [
            # Whether a word of a message with bits is a cheer.
            models.UniqueConstraint(fields=["channel", "prefix"], nulls_distinct=False, name="cheermote_once"),
        ]

    def __str__(self) -> str:
        return self.prefix
