"""Who may be shown to a stranger, said once for every page, feed, search and picture.

A viewer is shown in a channel unless they hid themselves everywhere or there, or a moderator hid their page. In a
channel whose pages are opt-in, only who asked for a page there is shown. Erased viewers have no row that could be.
"""

from django.db.models import Exists, OuterRef, Q

from streams.models import Channel
from viewers.models import Profile

FEW = 2000
"""Up to so many pages that were asked for, who is shown in an opt-in channel is sorted, not looked for in an index."""
HIDDEN = (Profile.Visibility.HIDDEN, Profile.Visibility.REMOVED)


def shown_in(channel: Channel, viewer: str = "viewer") -> Q:
    """A condition on rows of this channel with a foreign key `viewer` ("pk" for viewers themselves).

    Bots pass: where people are ranked or counted, ask for `people_in`.
    """
    prefix = "" if viewer == "pk" else f"{viewer}__"
    decided = Profile.objects.filter(channel=channel, viewer=OuterRef(viewer if viewer == "pk" else f"{viewer}_id"))
    here = (
        ~Exists(decided.filter(visibility__in=HIDDEN))
        if channel.is_open
        else Exists(decided.filter(visibility=Profile.Visibility.SHOWN))
    )
    return Q(**{f"{prefix}hidden_at": None}) & Q(here)


def people_in(channel: Channel, viewer: str = "viewer") -> Q:
    """As `shown_in`, without bots: for boards, lists of people and what newcomers there are."""
    prefix = "" if viewer == "pk" else f"{viewer}__"
    return Q(**{f"{prefix}is_bot": False}) & shown_in(channel, viewer)


def is_sparse(channel: Channel) -> bool:
    """Whether so few asked for a page in an opt-in channel that an index would have mostly others."""
    if channel.is_open:
        return False
    asked = Profile.objects.filter(channel=channel, visibility=Profile.Visibility.SHOWN)
    return asked[: FEW + 1].count() <= FEW
