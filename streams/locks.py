"""Whoever changes the counters of a channel takes its lock first, and keeps it to the end of the transaction.

What a statement saw of a channel then holds until the commit, and two who write cannot wait for each other.

The other advisory locks have their numbers here as well, so that no two share one.
"""

from collections.abc import Iterable

from django.db.backends.utils import CursorWrapper

PARTITIONS = 7308332
"""Making months of the messages, and dropping them: one at a time. The only one that has no second number."""
CHANNELS = 7308333
"""Writing what is counted of a channel."""
COUNTS = 7308334
"""Counting a stream."""
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


def lock_channels(cursor: CursorWrapper, channels: Iterable[int]) -> None:
    """Wait for the locks of these channels, in the one order that everybody takes them in."""
    cursor.execute(LOCK_CHANNELS, [sorted(channels)])
