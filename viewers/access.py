"""Whose pages a stranger may see, and who somebody who is logged in is to us: said once for every page."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from social_django.models import UserSocialAuth

from streams.models import Channel
from streams.reach import PROVIDER, moderated_by, owned_by, reach_of, remember
from viewers.models import Viewer


def twitch_id_of(user: User | AnonymousUser) -> str:
    """The Twitch id that somebody logged in with; empty for strangers, and for staff with a password.

    The username says nothing: staff may have any.
    """
    viewer = viewer_of(user)
    if viewer is not None:
        return viewer.pk
    known = _logged_in_with(user).first() if user.is_authenticated else None
    return str(known or "")


def viewer_of(user: User | AnonymousUser) -> Viewer | None:
    """Who somebody is in chat; nobody for strangers, for staff with a password, and for who was never seen or erased.

    One query, once for each user object.
    """
    if not user.is_authenticated:
        return None
    known: Any = user
    if not hasattr(known, "as_viewer"):
        account = [OuterRef("pk")]
        lists = {"owned": ArraySubquery(owned_by(account)), "moderated": ArraySubquery(moderated_by(account))}
        known.as_viewer = Viewer.objects.filter(pk__in=_logged_in_with(user)).annotate(**lists).first()
        if known.as_viewer:
            remember(user, known.as_viewer.owned, known.as_viewer.moderated)
    found: Viewer | None = known.as_viewer
    return found


def _logged_in_with(user: User) -> Any:
    return UserSocialAuth.objects.filter(user=user, provider=PROVIDER).values_list("uid", flat=True)


def may_moderate(user: User | AnonymousUser, channel: Channel) -> bool:
    """Whether somebody may change what others wrote in a channel."""
    return reach_of(user).moderates(channel.pk)


def let_moderate(user: User | None, channel: Channel) -> None:
    """Raises PermissionDenied where somebody does not moderate a channel; nobody is whoever runs a command."""
    if user is not None and not may_moderate(user, channel):
        raise PermissionDenied(f"Only the moderators of {channel} do this.")


def channel_of(user: User | AnonymousUser) -> Channel | None:
    """The channel with a page here that belongs to somebody's own Twitch account."""
    twitch_id = twitch_id_of(user)
    return Channel.objects.listed().filter(twitch_id=twitch_id).first() if twitch_id else None


def visitor(request: HttpRequest) -> dict[str, Any]:
    """For templates: whether one can log in here, and as whom one is. Nothing is asked before a template asks."""
    return {
        "can_log_in": bool(settings.TWITCH_CLIENT_ID and settings.TWITCH_CLIENT_SECRET),
        "me": SimpleLazyObject(lambda: viewer_of(request.user)),
    }
