"""Who asks: a key, somebody who is logged in here, or anybody."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.request import Request

from streams.api import limits
from streams.api.keys import is_from, keyring
from streams.api.problems import Problem
from streams.limits import Limit
from streams.models import ApiKey, Channel, Scope
from streams.visitors import address_of, visitor_of

BEARER = "Bearer"
TRYING = Limit("trying-keys", 60, 60, "From your address came many keys within a minute that are not known here.")
REALM = f'{BEARER} realm="StreamStats"'


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer ss_...`: nobody is logged in, and `request.auth` is the key."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        parts = get_authorization_header(request).split()
        if not parts:
            return None
        if len(parts) != 2 or parts[0].lower() != BEARER.lower().encode():
            raise _refused("Keys are sent as: Authorization: Bearer ss_...")
        secret = parts[1].decode("latin-1")
        key = _known(secret, request) or _looked_up(secret, request)
        if key is None:
            raise _refused("No key is like this one. Look whether all of it was copied.")
        if problem := _problem_of(key, request):
            raise _refused(problem)
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return REALM


class BrowsingAuthentication(SessionAuthentication):
    """Whoever is logged in here may look around with their browser. Everything is read, so nothing can be forged."""

    def enforce_csrf(self, request: Any) -> None:
        """Not asked: whatever would write is refused for its method."""


def _known(secret: str, request: Request) -> ApiKey | None:
    """A key that this process knows already, and counts: that nobody changed it since is said with the numbers."""
    known = keyring.remembered(secret)
    if known is None or _problem_of(known.key, request):
        return None
    counted = request._request.api_counted = limits.count(known.key)  # type: ignore[attr-defined] # noqa: SLF001
    is_current = counted and counted.generation and counted.generation == known.generation
    return known.key if is_current else None


def _looked_up(secret: str, request: Request) -> ApiKey | None:
    """A key as the database has it. Whoever tries one after the other does not ask it each time."""
    if not TRYING.allows(visitor_of(request._request)):  # noqa: SLF001
        problem = Problem(429, TRYING.words)
        problem.wait = TRYING.left_s()
        raise problem
    return keyring.find(secret)


def counted(request: HttpRequest, key: ApiKey) -> limits.Counted | None:
    """How often a key asked, with this request. It is counted once, also where it was read anew meanwhile."""
    if not hasattr(request, "api_counted"):
        request.api_counted = limits.count(key)  # type: ignore[attr-defined]
    return request.api_counted  # type: ignore[attr-defined,no-any-return]


def _problem_of(key: ApiKey, request: Request) -> str:
    """Why a key may not be used, in a sentence; empty where it may."""
    if key.revoked_at:
        return "This key was taken back. Ask the channel's owner for another."
    if not key.is_running:
        return f"This key ran out on {key.expires_at:%Y-%m-%d %H:%M} UTC. Ask the channel's owner for another."
    if not is_from(key, address_of(request._request)):  # noqa: SLF001
        return "This key may not be used from this address: its owner chose the networks from which it may."
    return ""


def _refused(words: str) -> Problem:
    problem = Problem(401, words)
    problem.auth_header = REALM  # type: ignore[attr-defined]
    return problem


def key_of(request: Request) -> ApiKey | None:
    return request.auth if isinstance(request.auth, ApiKey) else None


def check(key: ApiKey | None, scope: Scope | None, channel: Channel | None) -> None:
    """Raise the problem of whoever may not have this: `scope` is what a key needs, None what anybody may have."""
    if scope is None:
        if key and Scope.READ not in key.scopes:
            raise Problem(403, "This key has no scope `read`.", "scope_missing")
        return
    if key is None:
        raise _refused(f"This takes a key of the channel with the scope `{scope}`, which its owner makes.")
    if scope not in key.scopes:
        raise Problem(403, f"This key has no scope `{scope}`.", "scope_missing")
    if channel is None or key.channel_id != channel.pk:
        raise Problem(403, "This key is of another channel.", "other_channel")
