"""What the jobs of the timetable did."""

from datetime import datetime
from typing import ClassVar, NamedTuple

from django.db import connection, models

# The last run of each job, found by stepping from name to name in the index: DISTINCT would read all runs of weeks.
LAST_RUNS = """
WITH RECURSIVE job AS (
    (SELECT name FROM streams_jobrun ORDER BY name LIMIT 1)
    UNION ALL
    SELECT (SELECT run.name FROM streams_jobrun run WHERE run.name > job.name ORDER BY run.name LIMIT 1)
    FROM job WHERE job.name IS NOT NULL
)
SELECT job.name, last.started_at, last.took_ms, last.outcome
FROM job CROSS JOIN LATERAL (
    SELECT started_at, took_ms, outcome FROM streams_jobrun run
    WHERE run.name = job.name ORDER BY started_at DESC LIMIT 1
) last ORDER BY job.name
"""


class LastRun(NamedTuple):
    name: str
    started_at: datetime
    took_ms: int
    outcome: str


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
            # The newest runs that failed, of all jobs, in the admin: there are few.
            models.Index(fields=["-started_at"], condition=models.Q(outcome="failed"), name="jobrun_failed"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}"


def last_runs() -> list[LastRun]:
    """Of every job that ran within the weeks that are kept, by name."""
    with connection.cursor() as cursor:
        cursor.execute(LAST_RUNS)
        return [LastRun(*row) for row in cursor.fetchall()]
