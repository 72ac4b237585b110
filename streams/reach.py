"""Which channels somebody may look after here, and as what: asked by every page of the administration and by the API.

A channel's owner is who logged in with its Twitch account. Its moderators are those Twitch names (see
chat/moderators.py). The site's own staff reach every channel: superusers may do everything, others with the
permission to change profiles what moderators may.
"""

from enum import StrEnum
from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet, Value
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
    """At most two queries, once for each user object: who is no longer a moderator is out with the next request."""
    if not (user.is_authenticated and user.is_active):
        return Reach()
    known: Any = user
    if not hasattr(known, "reach"):
        known.reach = _found(user)
    found: Reach = known.reach
    return found


def remember(user: User, owned: list[int], moderated: list[int]) -> None:
    """Spare the question: whoever read who somebody is has asked for `owned_by` and `moderated_by`, too."""
    known: Any = user
    known.reach = Reach(_everywhere(user), frozenset(owned), frozenset(moderated))


def owned_by(account: Any) -> QuerySet[Channel, int]:
    return Channel.objects.filter(twitch_id__in=account).values_list("pk", flat=True)


def moderated_by(account: Any) -> QuerySet[ChannelModerator, int]:
    return ChannelModerator.objects.filter(twitch_id__in=account).values_list("channel", flat=True)


def _found(user: User) -> Reach:
    """All of it in one question: each row says what it tells of."""
    if user.is_superuser:
        return Reach(Role.SUPERUSER)
    accounts = UserSocialAuth.objects.filter(user=user, provider=PROVIDER).values("uid")
    parts = [
        told.annotate(role=Value(role)).values_list("role", told_by)
        for role, told, told_by in (
            (Role.OWNER, owned_by(accounts), "pk"),
            (Role.MODERATOR, moderated_by(accounts), "channel"),
            (Role.STAFF, _trusted(user), "pk"),
        )
    ]
    found = set(parts[0].union(*parts[1:], all=True))
    return Reach(
        Role.STAFF if (Role.STAFF, user.pk) in found else None,
        frozenset(channel for role, channel in found if role == Role.OWNER),
        frozenset(channel for role, channel in found if role == Role.MODERATOR),
    )


def _everywhere(user: User) -> Role | None:
    if user.is_superuser:
        return Role.SUPERUSER
    return Role.STAFF if user.is_staff and _trusted(user).exists() else None


def _trusted(user: User) -> QuerySet[User]:
    """The user, if the site trusts them. As `has_perm`, which asks for every permission there is, twice."""
    return User.objects.with_perm(MAY_CHANGE_PAGES, backend=PASSWORDS).filter(pk=user.pk, is_staff=True)
