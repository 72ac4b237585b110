"""Logging in with Twitch: who somebody is, and nothing else.

No scope is asked for, and the token is given back as soon as it has told whose it is. Who logs in is known by their
Twitch id alone: a login passes from one person to another, and so may the username of somebody on our staff.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from social_core.backends.twitch import TwitchOAuth2
from social_core.exceptions import AuthAssociationError, AuthPolicyError, AuthResponseError
from social_django.models import Nonce, UserSocialAuth

from streams import helixrows, oauth
from streams.helixrows import HelixUser
from streams.oauth import OAuthError
from streams.reach import PROVIDER
from viewers import accounts
from viewers.models import Viewer
from viewers.unkept import Unkept

log = structlog.get_logger(__name__)

# How social-auth names the states that it waits for, and how long it may be waited for (it takes half an hour).
STATES = "social_core.oauth2."
STATES_LAST = timedelta(days=1)


class TwitchLogin(TwitchOAuth2[Any]):
    """Twitch, wherever the settings say it is."""

    name = PROVIDER

    def get_key_and_secret(self) -> tuple[str, str]:
        return settings.TWITCH_CLIENT_ID, settings.TWITCH_CLIENT_SECRET

    def authorization_url(self) -> str:
        return f"{settings.TWITCH_AUTH_URL.rstrip('/')}/authorize"

    def access_token_url(self) -> str:
        return f"{settings.TWITCH_AUTH_URL.rstrip('/')}/token"

    def auth_extra_arguments(self) -> dict[str, str]:
        """Have Twitch ask each time: that is where one changes the account."""
        return {"force_verify": "true"}

    def do_auth(self, access_token: str, *args: Any, **kwargs: Any) -> Any:
        """Whatever comes of it, the token has done its work then."""
        try:
            return super().do_auth(access_token, *args, **kwargs)
        finally:
            give_back(access_token)

    def user_data(self, access_token: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The account that the token is of."""
        headers = {"Authorization": f"Bearer {access_token}", "Client-Id": settings.TWITCH_CLIENT_ID}
        answer = self.get_json(f"{settings.TWITCH_HELIX_URL.rstrip('/')}/users", headers=headers)
        try:
            [row] = answer["data"]
            account = helixrows.user(row)
        except (KeyError, TypeError, ValueError) as error:
            raise AuthResponseError(self, code="malformed_response", stage="user_info") from error
        return {"id": account.id, "login": account.login, "account": account}


def give_back(token: str) -> None:
    """Twitch may forget it. If it cannot be told, the token still ends by itself, and nobody has it."""
    try:
        oauth.ask(lambda server: server.revoke(token))
    except OAuthError as error:
        log.warning("login.token_not_given_back", error=str(error))


# The steps of the pipeline that are ours: see SOCIAL_AUTH_PIPELINE.


def make_user(
    backend: TwitchLogin, uid: str, *, user: User | None = None, id_key: str = "", **context: Any
) -> dict[str, Any]:
    """The user of this Twitch id: the one who logged in with it before, or a new one.

    Never another who has its digits as username: that would be somebody of ours, with a password.
    """
    if user is None:
        return _made(backend, uid, id_key)
    if not user.is_active:
        raise AuthPolicyError(backend, code="authentication_disallowed", stage="pipeline")
    return {"is_new": False}


def remember(response: dict[str, Any], **context: Any) -> None:
    """Know the name and picture of who logs in, even if they never wrote: there may be things they want to decide.

    Of whom nothing is to be kept, nothing is.
    """
    account: HelixUser = response["account"]
    now = datetime.now(UTC)
    names = {"login": account.login, "display_name": account.display_name, "named_at": now}
    with transaction.atomic(), connection.cursor() as cursor:
        if Unkept().read(cursor).among([account.id]):
            return
        Viewer.objects.get_or_create(pk=account.id, defaults=names)
        accounts.keep([account.id], [account], now)
    accounts.forget_former_holders([account], now)


def _made(backend: TwitchLogin, uid: str, id_key: str) -> dict[str, Any]:
    try:
        with transaction.atomic():
            user = User.objects.create_user(uid)
            social = UserSocialAuth.objects.create(user=user, provider=backend.name, uid=uid, id_key=id_key)
    except IntegrityError as error:
        other = UserSocialAuth.get_social_auth(backend.name, uid)
        if other is None:
            raise AuthAssociationError(backend, code="username_in_use", stage="pipeline") from error
        return {"user": other.user, "social": other, "is_new": False}  # made in another tab, this moment
    return {"user": user, "social": social, "is_new": True}


# What is left of logins.


class Forgotten(NamedTuple):
    """How many were deleted."""

    sessions: int
    beginnings: int
    users: int

    def __str__(self) -> str:
        return f"{self.sessions:,} sessions, {self.beginnings:,} beginnings and {self.users:,} users forgotten"


def forget(now: datetime) -> Forgotten:
    """Delete sessions that are over, states that nobody came back with, and users of whom nothing else is kept."""
    sessions, _ = Session.objects.filter(expire_date__lt=now).delete()
    begun = Nonce.objects.filter(server_url__startswith=STATES, timestamp__lt=int((now - STATES_LAST).timestamp()))
    over = now - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    users = nobodies().filter(last_login__lt=over)
    return Forgotten(sessions, begun.delete()[0], delete_users(users))


def nobodies() -> QuerySet[User]:
    """Users who logged in with Twitch and of whom nothing else is kept: they were erased."""
    logins = UserSocialAuth.objects.filter(provider=PROVIDER)
    known = Exists(Viewer.objects.filter(pk=OuterRef("uid")))
    nobody = Exists(logins.filter(~known, user=OuterRef("pk")))
    return User.objects.filter(nobody, is_staff=False, is_superuser=False)


def delete_users(users: QuerySet[User]) -> int:
    """Return how many they were."""
    return users.delete()[1].get("auth.User", 0)
