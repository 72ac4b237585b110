"""The way in and out: a page that says what logging in is, then Twitch, then back here."""

from http import HTTPStatus
from typing import NamedTuple, cast

import structlog
from django.contrib.auth import login, logout
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from social_core.exceptions import (
    AuthAssociationError,
    AuthCanceled,
    AuthConfigurationError,
    AuthInputError,
    AuthPolicyError,
    AuthProviderError,
    AuthSessionError,
    SocialAuthBaseException,
)
from social_django.models import DjangoStorage
from social_django.strategy import DjangoStrategy

from streams.limits import Limit
from streams.oauth import NotConfigured, require_application
from streams.reach import PROVIDER
from streams.visitors import visitor_of
from viewers.login import TwitchLogin, delete_users, nobodies

log = structlog.get_logger(__name__)

LEADS_TO = "login_leads_to"
LONGEST_ADDRESS = 2000
TEN_MINUTES_S = 600
BEGINNING = Limit("beginning", 100, TEN_MINUTES_S, "From your address very many logins were begun.")
COMING_BACK = Limit("coming back", 100, TEN_MINUTES_S, "Very many logins came from your address. Nobody was logged in.")
"""Of each address: a beginning is a row, and who comes back is asked about at Twitch. Many people may share one."""


class Problem(NamedTuple):
    """What a page says about a login that did not come about."""

    status: HTTPStatus
    headline: str
    words: str


AWAY = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Twitch is away",
    "Twitch does not answer, or with nothing that makes sense, so nobody was logged in. Try again in a minute.",
)
NOT_KNOWN = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Not known at Twitch",
    "Twitch does not know this StreamStats, so nobody can log in. Whoever runs it has to compare TWITCH_CLIENT_ID and"
    " TWITCH_CLIENT_SECRET with https://dev.twitch.tv/console.",
)
PROBLEMS: tuple[tuple[type[SocialAuthBaseException], Problem], ...] = (
    (
        AuthCanceled,
        Problem(
            HTTPStatus.BAD_REQUEST,
            "Not logged in",
            "At Twitch you chose not to say who you are, and that is fine: nothing is kept of it, and every public page"
            " is open to you as before.",
        ),
    ),
    (
        AuthInputError,
        Problem(
            HTTPStatus.BAD_REQUEST,
            "That did not begin here",
            "You were sent here without what a login begins with. If you did not just try to log in, somebody may have"
            " sent you a prepared link. Nobody was logged in.",
        ),
    ),
    (
        AuthSessionError,
        Problem(
            HTTPStatus.BAD_REQUEST,
            "That did not begin here",
            "This login was begun in another browser, took longer than half an hour, or is over already. Nobody was"
            " logged in by it. Begin again.",
        ),
    ),
    (
        AuthPolicyError,
        Problem(
            HTTPStatus.FORBIDDEN,
            "Not allowed",
            "Whoever runs this StreamStats has closed this account. To have it opened again, ask them.",
        ),
    ),
    (
        AuthAssociationError,
        Problem(
            HTTPStatus.CONFLICT,
            "That name is taken",
            "Somebody who works on this StreamStats has your Twitch id as username, so you cannot have it. Ask whoever"
            " runs it to rename that account.",
        ),
    ),
    (AuthConfigurationError, NOT_KNOWN),
)
CODE_IS_DEAD = Problem(
    HTTPStatus.BAD_REQUEST,
    "Too late",
    "What Twitch sent you back with lasts for some minutes and for one use. Nobody was logged in by it. Begin again.",
)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def begin(request: HttpRequest, backend: str) -> HttpResponse:
    """Say what Twitch will be asked; POST leads on to Twitch."""
    try:
        require_application()
    except NotConfigured as error:
        address = request.build_absolute_uri(reverse("social:complete", args=[backend]))
        context = {"words": str(error), "address": address}
        return render(request, "viewers/login_missing.html", context, status=HTTPStatus.SERVICE_UNAVAILABLE)
    following = own_page(request, request.POST.get("next") or request.GET.get("next", ""))
    if request.method != "POST":
        return render(request, "viewers/login.html", {"following": following})
    if not BEGINNING.allows(visitor_of(request)):
        return BEGINNING.refuse(request)
    request.session[LEADS_TO] = following
    return cast(HttpResponse, _twitch(request).start())


@never_cache
@require_GET
def complete(request: HttpRequest, backend: str) -> HttpResponse:
    """What Twitch sends people back to: with a code, or with a no.

    Whoever was logged in before makes no difference: a login never adds an account to another.
    """
    if not COMING_BACK.allows(visitor_of(request)):
        return COMING_BACK.refuse(request)
    try:
        require_application()
        user = cast(User, _twitch(request).complete())
    except SocialAuthBaseException as error:
        return _problem(request, _of(error))
    except NotConfigured:
        return _problem(request, NOT_KNOWN)
    following = request.session.pop(LEADS_TO, "")
    login(request, user)
    return HttpResponseRedirect(own_page(request, following))


@never_cache
@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """Log out; of whom nothing is kept, the id that they logged in with goes too."""
    user = request.user.pk
    logout(request)
    if user is not None:
        delete_users(nobodies().filter(pk=user))
    return HttpResponseRedirect(own_page(request, request.POST.get("next", ""), otherwise=reverse("streams:front")))


def own_page(request: HttpRequest, address: str, *, otherwise: str = "") -> str:
    """The address, if it is one of our own pages; else the account."""
    own = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
    if own and address.startswith("/") and len(address) <= LONGEST_ADDRESS and address.isprintable():
        return address
    return otherwise or reverse("chat:account")


def _twitch(request: HttpRequest) -> TwitchLogin:
    back = reverse("social:complete", args=[PROVIDER])
    return cast(TwitchLogin, DjangoStrategy(DjangoStorage, request).get_backend(PROVIDER, redirect_uri=back))


def _of(error: SocialAuthBaseException) -> Problem:
    for kind, problem in PROBLEMS:
        if isinstance(error, kind):
            return problem
    log.warning("login.failed", code=error.code, stage=error.stage, status=error.status_code)
    if isinstance(error, AuthProviderError) and error.stage == "token_exchange":
        if error.status_code == HTTPStatus.BAD_REQUEST:
            return CODE_IS_DEAD
        if error.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
            return NOT_KNOWN
    return AWAY


def _problem(request: HttpRequest, problem: Problem) -> HttpResponse:
    return render(request, "viewers/login_problem.html", {"problem": problem}, status=problem.status)
