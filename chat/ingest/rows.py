"""What rows look like on their way into the database."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta


def columns(rows: Iterable[Sequence[object]], width: int = 0) -> list[list[object]]:
    """Turn rows into one list per column, as unnest wants them; `width` is how many there are even without rows."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def moment(ms: int) -> datetime:
    """Aware UTC time of milliseconds since the epoch, exactly."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def ms_of(at: datetime) -> int:
    """Milliseconds since the epoch."""
    return round(at.timestamp() * 1000)
