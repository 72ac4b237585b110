"""Whoever changes the counters of a channel takes its lock first, and keeps it to the end of the transaction.

What a statement saw of a channel then holds until the commit, and two who write cannot wait for each other.

The other advisory locks have their numbers here as well, so that no two share one.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from django.db import connection
from django.db.backends.utils import CursorWrapper

PARTITIONS = 7308332
"""Making months of the messages, and dropping them: one at a time. The only one that has no second number."""
CHANNELS = 7308333
"""Writing what is counted of a channel."""
COUNTS = 7308334
"""Counting streams."""
CHOICES = 7308335
"""Who is kept and who is not: shared by whoever writes about viewers, alone for whoever chooses."""
ERASURES = 7308336
"""Erasing an account."""
FOLDS = 7308337
"""Folding places, awarding, and taking rows away for good, in a channel."""
MODEL_CALLS = 7308339
"""Entering a call of a language model: what all of them may cost is one number."""
PURGES = 7308340
"""Purging a channel by a rule."""
SUMMARIES = 7308338
"""Giving out whose summary is written next."""

LOCK_CHANNELS = (
    f"SELECT pg_advisory_xact_lock({CHANNELS}, channel::int)"  # noqa: S608 (a number of ours)
    " FROM unnest(%s::bigint[]) channel ORDER BY channel"
)


# A channel may have many thousand streams, and Postgres has room for some thousand locks of everybody's.
COUNTS_OF_CHANNEL = 64
"""So many locks the streams of a channel share: two that share one are seldom counted at once, and then in turn."""
LOCK_COUNTS = f"""
SELECT pg_advisory_xact_lock({COUNTS}, %(channel)s::int * {COUNTS_OF_CHANNEL} + part)
FROM (SELECT DISTINCT hashtext(stream) & {COUNTS_OF_CHANNEL - 1} AS part FROM unnest(%(streams)s::text[]) stream) parts
ORDER BY part
"""  # noqa: S608 (numbers of ours)
LOCK_ALL_COUNTS = f"""
SELECT pg_advisory_xact_lock({COUNTS}, %(channel)s::int * {COUNTS_OF_CHANNEL} + part)
FROM generate_series(0, {COUNTS_OF_CHANNEL - 1}) part ORDER BY part
"""  # noqa: S608 (numbers of ours)


def lock_counts(cursor: CursorWrapper, channel: int, streams: Sequence[str]) -> None:
    """Wait until nobody counts these streams of a channel: before its own lock, as whoever counts does."""
    cursor.execute(LOCK_COUNTS, {"channel": channel, "streams": list(streams)})


def lock_all_counts(cursor: CursorWrapper, channel: int) -> None:
    """Wait until nobody counts any stream of a channel."""
    cursor.execute(LOCK_ALL_COUNTS, {"channel": channel})


class GoesOn(Exception):
    """Somebody else is at it already."""


@contextmanager
def alone(lock: int, key: int) -> Iterator[None]:
    """Be the only one who does something to a row, for longer than a transaction. Raises GoesOn."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s::int)", [lock, key])
        if not cursor.fetchone()[0]:
            raise GoesOn
    try:
        yield
    finally:
        if connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s::int)", [lock, key])


def lock_channels(cursor: CursorWrapper, channels: Iterable[int]) -> None:
    """Wait for the locks of these channels, in the one order that everybody takes them in."""
    cursor.execute(LOCK_CHANNELS, [sorted(channels)])
