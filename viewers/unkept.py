"""Of whom nothing more is kept: who asked for it, and who was erased.

Whoever writes about viewers takes the lock of choices with the others, and keeps it to the end of the transaction;
a choice takes it alone. So once a choice is committed, nobody is on the way who does not know of it. Locks are
taken in one order: those of channels, this one, then rows.
"""

from collections.abc import Iterable
from typing import Self

from django.db.backends.utils import CursorWrapper

from streams.locks import CHOICES
from viewers.marks import mark_of

# Two statements in one go. The second sees what was committed while the first waited; one alone would not.
_WITH_THE_OTHERS = f"SELECT pg_advisory_xact_lock_shared({CHOICES}, 0); {{}}"
LOCK_ALONE = f"SELECT pg_advisory_xact_lock({CHOICES}, 0)"

READ_VERSION = "SELECT coalesce(max(version), 0) FROM viewers_choiceclock"
READ_UNKEPT = """
SELECT 'stopped', twitch_id FROM viewers_viewer WHERE stopped_at IS NOT NULL
UNION ALL
SELECT 'resumed', twitch_id FROM viewers_viewer WHERE resumed_at IS NOT NULL
UNION ALL
SELECT CASE WHEN lifted_at IS NULL THEN 'erased' ELSE 'lifted' END, mark FROM viewers_erasure
"""

# For SQL that speaks of viewers who have a row: those who are being erased have stopped, too.
IS_KEPT = "viewer_id NOT IN (SELECT twitch_id FROM viewers_viewer WHERE stopped_at IS NOT NULL)"


class Unkept:
    """What a process knows of it, and reads again only when somebody chose since."""

    def __init__(self) -> None:
        self._version = -1
        self._ids: frozenset[str] = frozenset()
        self._marks: frozenset[str] = frozenset()
        self._ids_kept_again: frozenset[str] = frozenset()
        self._marks_kept_again: frozenset[str] = frozenset()

    def read(self, cursor: CursorWrapper) -> Self:
        """Know what holds until the end of this transaction."""
        cursor.execute(_WITH_THE_OTHERS.format(READ_VERSION))
        cursor.nextset()
        (version,) = cursor.fetchone()
        if version != self._version:
            cursor.execute(READ_UNKEPT)
            self._take(cursor.fetchall())
            self._version = version
        return self

    @classmethod
    def now(cls, cursor: CursorWrapper) -> Self:
        """The same, for whoever asks so seldom that nothing is worth remembering."""
        cursor.execute(_WITH_THE_OTHERS.format(READ_UNKEPT))
        cursor.nextset()
        known = cls()
        known._take(cursor.fetchall())
        return known

    def _take(self, rows: Iterable[tuple[str, str]]) -> None:
        found: dict[str, set[str]] = {"stopped": set(), "resumed": set(), "erased": set(), "lifted": set()}
        for what, whose in rows:
            found[what].add(whose)
        self._ids, self._marks = frozenset(found["stopped"]), frozenset(found["erased"])
        self._ids_kept_again = frozenset(found["resumed"] - found["stopped"])
        self._marks_kept_again = frozenset(found["lifted"])

    def __bool__(self) -> bool:
        """Whether there is anybody of whom nothing is kept, or was not for some time."""
        return bool(self._ids or self._marks or self._ids_kept_again or self._marks_kept_again)

    def among(self, ids: Iterable[str]) -> frozenset[str]:
        """Those of these accounts of whom nothing is kept."""
        return _among(ids, self._ids, self._marks)

    def kept_again_among(self, ids: Iterable[str]) -> frozenset[str]:
        """Those of these accounts who are kept, but for some time were not."""
        return _among(ids, self._ids_kept_again, self._marks_kept_again)


def _among(ids: Iterable[str], known: frozenset[str], marks: frozenset[str]) -> frozenset[str]:
    ids = frozenset(ids)
    found = ids & known
    return found | {each for each in ids - found if mark_of(each) in marks} if marks else found
