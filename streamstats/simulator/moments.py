"""Days, weeks and chance: everything in the world follows from a seed and the calendar, and from nothing before."""

from datetime import UTC, date, datetime
from random import Random

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
DAY_OF_EPOCH = date(1970, 1, 1).toordinal()


def chance(*parts: object) -> Random:
    """Dice that always fall the same for the same parts."""
    return Random("/".join(map(str, parts)))  # noqa: S311 - has to be repeatable, not secret


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * SECOND)


def moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / SECOND, UTC)


def day_of(at_ms: int) -> int:
    """Ordinal of the UTC day."""
    return DAY_OF_EPOCH + at_ms // DAY


def start_of(day: int) -> int:
    return (day - DAY_OF_EPOCH) * DAY


def week_of(day: int) -> int:
    """Number of the week, Mondays first."""
    return (day - 1) // 7


def monday_of(week: int) -> int:
    return week * 7 + 1
