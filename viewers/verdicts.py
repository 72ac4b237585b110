"""What moderators decided about pages outlives an erasure: else one could undo it by being erased and coming back.

Kept is the channel, the mark of the account and what was decided; the id comes back only with whoever it is of.
"""

from datetime import UTC, datetime

from django.db.backends.utils import CursorWrapper

from viewers.marks import mark_of
from viewers.models import Profile, Verdict, Viewer

# What a page says holds, whatever was kept of it before; of pages that are not there, what was kept stays.
KEEP = """
WITH page AS (
    SELECT channel_id, visibility = 'removed' AS is_removed, locked_at FROM viewers_profile
    WHERE viewer_id = %(viewer)s FOR UPDATE
), taken_back AS (
    DELETE FROM viewers_verdict known USING page
    WHERE known.mark = %(mark)s AND known.channel_id = page.channel_id
        AND NOT page.is_removed AND page.locked_at IS NULL
)
INSERT INTO viewers_verdict (channel_id, mark, is_removed, locked_at)
SELECT channel_id, %(mark)s, is_removed, locked_at FROM page WHERE is_removed OR locked_at IS NOT NULL
ON CONFLICT (channel_id, mark) DO UPDATE SET is_removed = excluded.is_removed, locked_at = excluded.locked_at
"""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def keep(cursor: CursorWrapper, viewer_id: str) -> None:
    """Before the pages of a viewer are deleted, in the same transaction."""
    cursor.execute(KEEP, {"mark": mark_of(viewer_id), "viewer": viewer_id})


def hold_again(viewer_id: str) -> None:
    """Have them hold for an account that comes back. It is called by its id until somebody hears its name."""
    kept = Verdict.objects.filter(mark=mark_of(viewer_id))
    verdicts = list(kept)
    if verdicts:
        names = {"login": viewer_id, "display_name": viewer_id, "named_at": LONG_AGO}
        Viewer.objects.get_or_create(pk=viewer_id, defaults=names)
    for verdict in verdicts:
        decided: dict[str, object] = {"locked_at": verdict.locked_at}
        if verdict.is_removed:
            decided["visibility"] = Profile.Visibility.REMOVED
        Profile.objects.update_or_create(channel_id=verdict.channel_id, viewer_id=viewer_id, defaults=decided)
    kept.delete()
