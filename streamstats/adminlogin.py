"""The way into the administration: Twitch for everybody, a password for superusers alone.

A password can be tried a few times only, by name, by address and by both (see docs/decisions/admin.md for why nobody
can lock somebody else out). What a name that nobody has takes is what a wrong password takes: Django hashes either way.
"""

from http import HTTPStatus
from typing import Any

import structlog
from django import forms
from django.contrib.auth import authenticate, login
from django.contrib.auth.models import User
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from redis.exceptions import RedisError

from streams.limits import Limit
from streams.quickredis import quick_redis
from streams.reach import PASSWORDS, reach_of
from streams.visitors import visitor_of
from viewers.entrance import own_page

log = structlog.get_logger(__name__)

QUARTER_S, HOUR_S = 15 * 60, 60 * 60
TOO_OFTEN = "Passwords were tried too often. Log in with Twitch, or try again later."
OF_ADDRESS = Limit("password of an address", 30, QUARTER_S, TOO_OFTEN)
OF_PAIR = Limit("password of a name from an address", 5, QUARTER_S, TOO_OFTEN)
OF_NAME = Limit("password of a name", 30, HOUR_S, TOO_OFTEN)
OF_BROWSER = Limit("password from a known browser", 5, QUARTER_S, TOO_OFTEN)

# A browser in which somebody logged in with a password before: what others try elsewhere does not lock it out.
KNOWN = "password_known"
KNOWN_SALT = "streamstats.adminlogin"
KNOWN_FOR_S = 180 * 24 * HOUR_S

WRONG = "No superuser has this name and password. Both are told apart by capitals and small letters."
NOT_FOR_YOU = (
    "Passwords are for those who run this site. Whoever owns or moderates a channel logs in with Twitch, above: then"
    " Twitch says which channels are theirs."
)
REDIS_AWAY = (
    "Nobody can log in with a password at the moment: Redis does not answer, and with it nobody counts how often one is"
    " tried. Log in with Twitch, or try again in a minute."
)


NAME = {"autocomplete": "username", "autocapitalize": "none"}
PASSWORD = {"autocomplete": "current-password"}


class PasswordForm(forms.Form):
    username = forms.CharField(label="Name", max_length=150, widget=forms.TextInput(NAME))
    password = forms.CharField(max_length=1000, strip=False, widget=forms.PasswordInput(PASSWORD))


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def enter(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """Ask who somebody is; send on who may come in, and tell who may not where they can go."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    following = own_page(request, wanted, otherwise=reverse("admin:index"))
    if request.method == "POST":
        return _try(request, PasswordForm(request.POST), following)
    if reach_of(request.user):
        return HttpResponseRedirect(following)
    if request.user.is_authenticated:
        return no_channel(request)
    return _ask(request, PasswordForm(), following)


def no_channel(request: HttpRequest) -> HttpResponse:
    """Tell who is logged in, and looks after no channel, what that takes."""
    return render(request, "admin/no_channel.html", status=HTTPStatus.FORBIDDEN)


def _try(request: HttpRequest, form: PasswordForm, following: str) -> HttpResponse:
    if not form.is_valid():
        return _ask(request, form, following)
    name = form.cleaned_data["username"]
    try:
        quick_redis().ping()
    except RedisError:
        form.add_error(None, REDIS_AWAY)
        return _ask(request, form, following, HTTPStatus.SERVICE_UNAVAILABLE)
    refused = next((limit for limit, who in _counted(request, name) if not limit.allows(who)), None)
    if refused:
        log.warning("admin.password_locked", limit=refused.name, username=name)
        form.add_error(None, TOO_OFTEN)
        return refused.headed(_ask(request, form, following, HTTPStatus.TOO_MANY_REQUESTS))
    user = authenticate(request, username=name, password=form.cleaned_data["password"])
    if not isinstance(user, User) or not user.is_superuser:
        form.add_error(None, NOT_FOR_YOU if user else WRONG)
        return _ask(request, form, following, HTTPStatus.FORBIDDEN)
    login(request, user, backend=PASSWORDS)
    answer = HttpResponseRedirect(following)
    answer.set_signed_cookie(
        KNOWN, user.username, KNOWN_SALT, max_age=KNOWN_FOR_S, httponly=True, samesite="Lax", secure=request.is_secure()
    )
    return answer


def _counted(request: HttpRequest, name: str) -> list[tuple[Limit, str]]:
    """What a try counts for. In a browser that logged in with this name before, nobody else's tries do."""
    address = visitor_of(request)
    if _known_as(request) == name:
        return [(OF_BROWSER, f"{name} {request.COOKIES[KNOWN]}")]
    return [(OF_ADDRESS, address), (OF_PAIR, f"{name} {address}"), (OF_NAME, name)]


def _known_as(request: HttpRequest) -> str:
    """The name that somebody logged in with in this browser before."""
    try:
        return str(request.get_signed_cookie(KNOWN, "", KNOWN_SALT, max_age=KNOWN_FOR_S))
    except signing.BadSignature:
        return ""


def _ask(request: HttpRequest, form: PasswordForm, following: str, status: int = HTTPStatus.OK) -> HttpResponse:
    context = {"form": form, "following": following}
    return render(request, "admin/enter.html", context, status=status)
