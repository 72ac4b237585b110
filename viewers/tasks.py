"""Jobs of viewers. The timetable is in `streamstats/celery.py`."""

from streams.jobs import job
from viewers import bots
from viewers.models import BotSource


@job(at_most_s=600)
def mark_bots() -> str:
    """Make the viewers marked by our list of known bots those who are on it."""
    return str(bots.mark(bots.known(), BotSource.LIST, are_all=True))
