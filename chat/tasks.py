"""Jobs of chat. The timetable is in `streamstats/celery.py`."""

from datetime import UTC, datetime

from chat import partitions
from chat.retention import expire
from streams.jobs import job


@job(at_most_s=3000)
def keep_partitions() -> str:
    """Make the coming months, and forget what is past retention."""
    now = datetime.now(UTC)
    made = partitions.make(partitions.coming(now))
    expired = expire(now)
    busy = len(made.busy) + len(expired.busy)
    return (
        f"{len(made.done)} months made, {len(expired.months)} dropped, {busy} left for the next time; "
        f"{expired.messages:,} messages past retention deleted"
    )
