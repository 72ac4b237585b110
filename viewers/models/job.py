"""Long work that moderators ask for and watch: purges, and files of what a list shows."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from streams.models import Channel
from viewers.models.choice import PackedFile, Progress


class Purge(models.Model):
    """Viewers of whom a channel keeps nothing more, by a rule: first counted, then deleted when somebody confirms."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="+")
    not_seen_since = models.DateField(null=True, blank=True, help_text="Last seen before this day (UTC).")
    fewer_hours = models.PositiveIntegerField(null=True, blank=True, help_text="Watched for fewer hours than this.")
    fewer_messages = models.PositiveIntegerField(null=True, blank=True, help_text="Wrote fewer messages than this.")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    counted_at = models.DateTimeField(null=True, blank=True, help_text="When it was counted whom it would meet.")
    would_meet: Any = models.JSONField(default=dict, help_text="How many viewers and rows, by table.")
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    confirmed_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=8, choices=Progress, default=Progress.WAITING)
    viewers_done = models.PositiveIntegerField(default=0)
    removed: Any = models.JSONField(default=dict, help_text="Rows deleted, by table.")
    problem = models.TextField(blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"purge {self.pk} of {self.channel}"


MOST_TRIES = 3
"""As often a file is begun; then it is given up."""


class ListFile(PackedFile):
    """What a list of the administration shows, as a file for the one who asked for it."""

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        JSON_LINES = "jsonl", "JSON lines"

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_index=False, related_name="+")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    what = models.CharField(max_length=32, help_text="Which list.")
    query: Any = models.JSONField(default=dict, help_text="What the list was asked with.")
    format = models.CharField(max_length=8, choices=Format)
    expected = models.PositiveBigIntegerField(null=True, blank=True, help_text="About how many there are.")
    tries = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="How often it was begun.")
    problem = models.TextField(blank=True)

    class Meta:
        verbose_name = "file of a list"
        verbose_name_plural = "files of lists"
        constraints: ClassVar = [
            # One at a time for each person, until it is there or given up.
            models.UniqueConstraint(
                fields=["asked_by"],
                condition=models.Q(state__in=("waiting", "running")) | models.Q(state="failed", tries__lt=MOST_TRIES),
                name="listfile_one_open",
            ),
        ]
        indexes: ClassVar = [
            # The newest files of a channel.
            models.Index(fields=["channel", "-asked_at"], name="listfile_of_channel"),
        ]

    def __str__(self) -> str:
        return f"{self.what} of {self.channel} as {self.format}"
