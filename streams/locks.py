"""Whoever changes the counters of a channel takes its lock first, and keeps it to the end of the transaction.

What a statement saw of a channel then holds until the commit, and two who write cannot wait for each other.
"""

from collections.abc import Iterable

from django.db.backends.utils import CursorWrapper

LOCK_CHANNELS = "SELECT pg_advisory_xact_lock(7308333, channel::int) FROM unnest(%s::bigint[]) channel ORDER BY channel"


def lock_channels(cursor: CursorWrapper, channels: Iterable[int]) -> None:
    """Wait for the locks of these channels, in the one order that everybody takes them in."""
    cursor.execute(LOCK_CHANNELS, [sorted(channels)])
