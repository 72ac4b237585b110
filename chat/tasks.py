"""Jobs of chat. The timetable is in `streamstats/celery.py`."""

from datetime import UTC, datetime

import structlog
from celery import shared_task

from chat import partitions
from chat.retention import expire

log = structlog.get_logger(__name__)


@shared_task
def keep_partitions() -> None:
    """Make the coming months, and forget what is past retention."""
    now = datetime.now(UTC)
    made = partitions.make(partitions.coming(now))
    expired = expire(now)
    log.info(
        "partitions.kept",
        made=len(made.done),
        dropped=len(expired.months),
        left_for_next_time=len(made.busy) + len(expired.busy),
        messages=expired.messages,
    )
