"""Who folds, awards or erases in a channel takes turns with the others who do."""

from collections.abc import Iterable

from django.db.backends.utils import CursorWrapper

from streams.locks import FOLDS

HOLD = (
    f"SELECT pg_advisory_xact_lock({FOLDS}, channel::int)"  # noqa: S608 (a number of ours)
    " FROM unnest(%s::bigint[]) channel ORDER BY channel"
)


def hold(cursor: CursorWrapper, channels: Iterable[int]) -> None:
    """Keep folds out of these channels until the transaction ends. After the locks of channels, before any row.

    For whoever takes rows of a viewer away for good: a fold that had read them already would bring totals back.
    """
    cursor.execute(HOLD, [sorted(channels)])
