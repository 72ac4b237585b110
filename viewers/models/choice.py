"""What viewers decided about themselves, and proof that it was done."""

from typing import ClassVar

from django.db import models

from viewers.models.viewer import Viewer


class ChoiceClock(models.Model):
    """One row. Its version rises with every choice that the ingest has to know of, in the same transaction."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    version = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"version {self.version}"


class Consent(models.Model):
    """Something a viewer agreed to: when, to which words, and until when."""

    class Kind(models.TextChoices):
        SUMMARY = "summary", "a summary of what they write, made by a language model"
        RECAP = "recap", "their part in recaps of streams, made by a language model"

    viewer = models.ForeignKey(Viewer, on_delete=models.CASCADE, related_name="consents")
    kind = models.CharField(max_length=16, choices=Kind)
    wording = models.TextField(help_text="The words that were agreed to.")
    given_at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            # Whether a viewer agrees at present.
            models.UniqueConstraint(
                fields=["viewer", "kind"], condition=models.Q(withdrawn_at=None), name="consent_one_present"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} to {self.kind}"


class Progress(models.TextChoices):
    """How far a job that somebody waits for has come."""

    WAITING = "waiting", "waiting for its turn"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed, will be tried again"


class PackedFile(models.Model):
    """A file that somebody asked for, and how far it is: see chat/packedfiles.py."""

    state = models.CharField(max_length=8, choices=Progress, default=Progress.WAITING)
    asked_at = models.DateTimeField(auto_now_add=True)
    rows = models.PositiveBigIntegerField(default=0, help_text="Rows written so far.")
    file = models.CharField(max_length=100, blank=True, help_text="Its name below the media folder.")
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes.")
    finished_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(
        null=True, blank=True, help_text="When its file was deleted, for it may have named somebody who was erased."
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When the file is deleted.")

    class Meta:
        abstract = True


class Export(PackedFile):
    """Everything about a viewer, in a file that only they can fetch."""

    viewer = models.ForeignKey(Viewer, on_delete=models.CASCADE, related_name="exports")
    parts_done = models.PositiveIntegerField(default=0, help_text="Tables written so far.")
    parts = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            # One at a time for each viewer.
            models.UniqueConstraint(
                fields=["viewer"],
                condition=models.Q(state__in=("waiting", "running", "failed")),
                name="export_one_open",
            ),
        ]

    def __str__(self) -> str:
        return f"export {self.pk}"


class Erasure(models.Model):
    """Proof that an account was erased, and the mark by which it is known again: no personal data, once it is done."""

    mark = models.CharField(
        max_length=64, unique=True, db_collation="C", help_text="Keyed hash of the Twitch id: see viewers/marks.py."
    )
    receipt = models.CharField(max_length=32, unique=True, db_collation="C", help_text="In the address of the receipt.")
    viewer_id = models.CharField(max_length=32, blank=True, help_text="Twitch id, until it is done.")
    state = models.CharField(max_length=8, choices=Progress, default=Progress.WAITING)
    asked_at = models.DateTimeField(auto_now_add=True)
    step = models.CharField(max_length=64, blank=True, help_text="What is being erased.")
    steps_done = models.PositiveIntegerField(default=0)
    steps = models.PositiveIntegerField(default=0)
    removed = models.JSONField(default=dict, help_text="Rows erased or made anonymous, by table.")
    finished_at = models.DateTimeField(null=True, blank=True)
    lifted_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when the account may be counted again, because its owner asked for it."
    )

    def __str__(self) -> str:
        return f"erasure {self.receipt}"
