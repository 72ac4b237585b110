"""What the jobs of the timetable did."""

from typing import ClassVar

from django.db import models


class JobRun(models.Model):
    """One run of a job: when, how long, and how it ended."""

    class Outcome(models.TextChoices):
        DONE = "done", "done"
        SKIPPED = "skipped", "left out"
        RETRIED = "retried", "failed, tried again"
        FAILED = "failed", "failed"

    name = models.CharField(max_length=96)
    started_at = models.DateTimeField()
    took_ms = models.PositiveIntegerField()
    outcome = models.CharField(max_length=16, choices=Outcome)
    detail = models.TextField(blank=True, help_text="What was done, or what went wrong.")

    class Meta:
        indexes: ClassVar = [
            # The newest runs of a job in the admin, and its last one for the metrics.
            models.Index(fields=["name", "-started_at"], name="jobrun_of_job"),
            # The newest runs of all jobs in the admin, and the oldest to be forgotten.
            models.Index(fields=["-started_at"], name="jobrun_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}"
