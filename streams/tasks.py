"""Jobs of streams. The timetable is in `streamstats/celery.py`."""

from datetime import UTC, datetime

from streams import grants, jobs
from streams.jobs import job
from streams.oauth import TwitchAway


@job(at_most_s=600)
def forget_runs() -> str:
    """Delete what is written of jobs that ran long ago."""
    return f"{jobs.forget_runs(datetime.now(UTC)):,} forgotten"


@job(at_most_s=280)
def check_grants() -> str:
    """Ask Twitch about every connection, as it demands of whoever keeps tokens: those that ended stop here."""
    checked = grants.validate_all()
    if checked.unreachable:
        raise TwitchAway(str(checked))
    return str(checked)
