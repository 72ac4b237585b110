"""Which channels somebody may look after here, and as what: asked by every page of the administration and by the API.

A channel's owner is who logged in with its Twitch account. Its moderators are those Twitch names (see
streams/moderators.py). The site's own staff reach every channel: superusers may do everything, others with the
permission to change profiles what moderators may.
"""

from enum import StrEnum
from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet
from social_django.models import UserSocialAuth

from streams.models import Channel, ChannelModerator

PROVIDER = "twitch"
MAY_CHANGE_PAGES = "viewers.change_profile"
PASSWORDS = "django.contrib.auth.backends.ModelBackend"


class Role(StrEnum):
    """As what somebody does something, as the audit log names it."""

    MODERATOR = "moderator"
    OWNER = "owner"
    STAFF = "staff"
    SUPERUSER = "superuser"
    COMMAND = "command"


class Reach(NamedTuple):
    """The channels (their keys) that somebody moderates and owns; `everywhere` is what the site trusts them with."""

    everywhere: Role | None = None
    owned: frozenset[int] = frozenset()
    moderated: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.everywhere or self.owned or self.moderated)

    @property
    def is_superuser(self) -> bool:
        return self.everywhere is Role.SUPERUSER

    @property
    def channels(self) -> frozenset[int]:
        """Those they may moderate as themselves; who reaches every channel is not told of each."""
        return self.owned | self.moderated

    def moderates(self, channel_id: int) -> bool:
        return self.everywhere is not None or channel_id in self.channels

    def owns(self, channel_id: int) -> bool:
        """Whether they may see its connections, settings and keys."""
        return self.is_superuser or channel_id in self.owned

    def role_in(self, channel_id: int | None) -> Role:
        """As what they act there. Raises LookupError where they have no place."""
        if channel_id in self.owned:
            return Role.OWNER
        if self.everywhere:
            return self.everywhere
        if channel_id in self.moderated:
            return Role.MODERATOR
        raise LookupError("This is not a channel that they moderate.")

    def limit(self, rows: QuerySet[Any], path: str = "channel", *, owned: bool = False) -> QuerySet[Any]:
        """Those of these rows that are of channels within reach; with `owned`, of channels they own."""
        if self.is_superuser or (self.everywhere and not owned):
            return rows
        return rows.filter(**{f"{path}__in": self.owned if owned else self.channels})


def reach_of(user: User | AnonymousUser) -> Reach:
    """At most four queries, once for each user object: who is no longer a moderator is out with the next request."""
    if not (user.is_authenticated and user.is_active):
        return Reach()
    known: Any = user
    if not hasattr(known, "reach"):
        known.reach = _found(user)
    found: Reach = known.reach
    return found


def _found(user: User) -> Reach:
    if user.is_superuser:
        return Reach(Role.SUPERUSER)
    everywhere = Role.STAFF if user.is_staff and _may_change_pages(user) else None
    accounts = list(UserSocialAuth.objects.filter(user=user, provider=PROVIDER).values_list("uid", flat=True))
    if not accounts:
        return Reach(everywhere)
    owned = Channel.objects.filter(twitch_id__in=accounts).values_list("pk", flat=True)
    moderated = ChannelModerator.objects.filter(twitch_id__in=accounts).values_list("channel", flat=True)
    return Reach(everywhere, frozenset(owned), frozenset(moderated))


def _may_change_pages(user: User) -> bool:
    """As `has_perm`, which asks for every permission there is, twice: one query."""
    return User.objects.with_perm(MAY_CHANGE_PAGES, backend=PASSWORDS).filter(pk=user.pk).exists()
