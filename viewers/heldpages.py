"""The rows of viewers' pages in a channel, held while something is decided about them."""

from collections.abc import Collection

from streams.models import Channel
from viewers.models import Profile, Viewer


def hold(channel: Channel, viewers: Collection[str]) -> list[Profile]:
    """What was decided about these pages so far, with their viewers, held until the transaction ends.

    Rows that are not there are made; who is not known here has none. In the one order that everybody takes them in.
    """
    held = Viewer.objects.select_for_update(no_key=True).filter(pk__in=viewers).order_by("pk")
    known = {viewer.pk: viewer for viewer in held}
    rows = (Profile(channel_id=channel.pk, viewer_id=viewer_id) for viewer_id in known)
    Profile.objects.bulk_create(rows, ignore_conflicts=True)
    pages = Profile.objects.select_for_update().filter(channel=channel, viewer__in=known).order_by("pk")
    for page in (found := list(pages)):
        page.viewer = known[page.viewer_id]
    return found
