"""Jobs of streams. The timetable is in `streamstats/celery.py`."""

from datetime import UTC, datetime

from streams import jobs
from streams.jobs import job


@job(at_most_s=600)
def forget_runs() -> str:
    """Delete what is written of jobs that ran long ago."""
    return f"{jobs.forget_runs(datetime.now(UTC)):,} forgotten"
