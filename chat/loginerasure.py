"""Erases the login of somebody: user, link to Twitch, sessions, and what the administration notes of them."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db.backends.utils import CursorWrapper
from django.db.models import Q
from social_django.models import UserSocialAuth

from chat import erasestatements as statements
from chat import packedfiles
from chat.mentions import Mentions
from streams import grants
from streams.models import ApiKey, TwitchGrant, Webhook
from streams.reach import PROVIDER
from viewers.models import ListFile

SESSIONS_AT_ONCE = 2000

Batch = Callable[[], AbstractContextManager[tuple[CursorWrapper, Counter[str]]]]
"""A transaction, and where to count what is removed in it."""


def logins_of(viewer_id: str) -> list[User]:
    """Who logs in here as a Twitch account."""
    return list(User.objects.filter(social_auth__provider=PROVIDER, social_auth__uid=viewer_id))


def leave_login(viewer_id: str, mentions: Mentions, batch: Batch) -> None:
    """Delete the login. Who has a password of this site goes on with that, without Twitch."""
    for user in logins_of(viewer_id):
        _end_sessions(batch, mentions, str(user.pk))
        with batch() as (_, removed):
            if not user.has_usable_password():  # keys and webhooks are the channel's, and stay; the address is theirs
                for model in (ApiKey, Webhook):
                    model.objects.filter(made_by=user).update(mail="")
            links = UserSocialAuth.objects.filter(user=user, provider=PROVIDER, uid=viewer_id)
            removed["social_django.UserSocialAuth"] += links.delete()[0]
            if not user.has_usable_password():
                removed["viewers.ListFile"] += packedfiles.discard(ListFile.objects.filter(asked_by=user))
                user.delete()
                removed["auth.User"] += 1
    _end_sessions(batch, mentions)
    with batch() as (cursor, removed):
        cursor.execute(statements.DELETE_BEGUN, {"anywhere": mentions.anywhere, "quoted": f'%"{viewer_id}"%'})
        removed["social_django.Partial"] += cursor.rowcount
        logged = LogEntry.objects.filter(Q(object_id=viewer_id) | Q(object_repr__iregex=mentions.anywhere))
        removed["admin.LogEntry"] += logged.delete()[0]


def _end_sessions(batch: Batch, mentions: Mentions, user: str = "") -> None:
    """Delete sessions of a user, and those that name the person. Each has to be opened to know whose it is."""
    after = ""
    while rows := list(Session.objects.filter(pk__gt=after).order_by("pk")[:SESSIONS_AT_ONCE]):
        after = rows[-1].pk
        theirs = [row.pk for row in rows if _is_theirs(row.get_decoded(), mentions, user)]
        if theirs:
            with batch() as (_, removed):
                removed["sessions.Session"] += Session.objects.filter(pk__in=theirs).delete()[0]


def _is_theirs(session: dict[str, Any], mentions: Mentions, user: str) -> bool:
    said = {name: value for name, value in session.items() if not name.startswith(("_auth", "_csrf", "social_"))}
    return (bool(user) and str(session.get("_auth_user_id")) == user) or mentions.are_in(json.dumps(said))


def end_grant(viewer_id: str, batch: Batch) -> None:
    """End what they allowed as a bot. A channel that is connected is its owner's to disconnect."""
    for grant in TwitchGrant.objects.filter(twitch_id=viewer_id, channel=None):
        grants.revoke(grant)
        with batch() as (_, removed):
            removed["streams.TwitchGrant"] += TwitchGrant.objects.filter(pk=grant.pk, channel=None).delete()[0]
