"""What the ingest keeps for itself: lines it could not store, and files it has read."""

from typing import ClassVar

from django.db import models


class DeadLetter(models.Model):
    """A line that could not be understood or stored, as it came, with the reason."""

    source = models.CharField(max_length=200, help_text="Where it came from: entry or file, and line number.")
    raw = models.BinaryField()
    error = models.TextField()
    received_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            # A batch that is stored again after a crash buries its dead only once.
            models.UniqueConstraint(fields=["source"], name="deadletter_once"),
        ]
        indexes: ClassVar = [
            # The newest first in the admin.
            models.Index(fields=["-received_at"], name="deadletter_recent"),
        ]

    def __str__(self) -> str:
        return self.error


class Replay(models.Model):
    """How far a file of raw lines has been read, so that a broken run goes on where it stopped."""

    digest = models.CharField(max_length=64, primary_key=True, help_text="SHA-256 of the file's first bytes and size.")
    name = models.CharField(max_length=500)
    lines_done = models.PositiveBigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.lines_done} lines"
