"""Who may be shown to a stranger, said once for every page, feed, search and picture.

A viewer is shown in a channel unless they hid themselves everywhere or there, or a moderator hid their page. In a
channel whose pages are opt-in, only who asked for a page there is shown. Erased viewers have no row that could be.

Bots have pages, and are on no board and in no list: those of the whole site, and whom a channel's moderators say are.
"""

from django.db.models import Exists, OuterRef, Q

from streams.models import Channel
from viewers.models import Profile

FEW = 2000
"""Up to so many pages that were asked for, who is shown in an opt-in channel is sorted, not looked for in an index."""
HIDDEN = (Profile.Visibility.HIDDEN, Profile.Visibility.REMOVED)
IS_SHOWN = Q(visibility=Profile.Visibility.SHOWN)


def shown_in(channel: Channel, viewer: str = "viewer") -> Q:
    """A condition on rows of this channel with a foreign key `viewer` ("pk" for viewers themselves).

    Bots pass: where people are ranked or counted, ask for `people_in`.
    """
    return _decided(channel, viewer, is_kept_out=Q(visibility__in=HIDDEN), is_let_in=IS_SHOWN)


def people_in(channel: Channel, viewer: str = "viewer") -> Q:
    """As `shown_in`, without bots: for boards, lists of people and what newcomers there are."""
    prefix = "" if viewer == "pk" else f"{viewer}__"
    is_person = Q(**{f"{prefix}is_bot": False})
    kept_out = Q(visibility__in=HIDDEN) | Q(is_bot=True)
    return is_person & _decided(channel, viewer, is_kept_out=kept_out, is_let_in=IS_SHOWN & Q(is_bot=False))


def _decided(channel: Channel, viewer: str, *, is_kept_out: Q, is_let_in: Q) -> Q:
    """Whether what was decided about a page lets it be shown: one look at it, whatever is asked of it."""
    prefix = "" if viewer == "pk" else f"{viewer}__"
    decided = Profile.objects.filter(channel=channel, viewer=OuterRef(viewer if viewer == "pk" else f"{viewer}_id"))
    here = ~Exists(decided.filter(is_kept_out)) if channel.is_open else Exists(decided.filter(is_let_in))
    return Q(**{f"{prefix}hidden_at": None}) & Q(here)


def is_sparse(channel: Channel) -> bool:
    """Whether so few asked for a page in an opt-in channel that an index would have mostly others."""
    if channel.is_open:
        return False
    asked = Profile.objects.filter(channel=channel, visibility=Profile.Visibility.SHOWN)
    return asked[: FEW + 1].count() <= FEW
