"""Connecting accounts in the browser: from here to Twitch, where somebody allows it, and back.

A channel is connected by its owner, a bot by superusers, who may do both. What goes out and what comes back belong
together by a state: signed, for one session, for one use, for ten minutes.
"""

import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, NamedTuple

from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from streams import grants, oauth, scopes
from streams.grants import NotConfigured, TwitchAway, WrongAccount
from streams.models import Channel, TwitchGrant
from streams.oauth import OAuthError
from streams.reach import reach_of

View = Callable[..., HttpResponse]

NOT_YOURS = "Only a channel's owner can connect it, logged in here with its Twitch account; bots, who runs this site."
SALT = "streams.connect"
LASTS = timedelta(minutes=10)
SESSION_KEY = "connects_begun"
MOST_BEGUN = 10
"""So many may be on their way in one session, in as many tabs."""


class Begun(NamedTuple):
    """What was begun with a state: to connect this channel, or a bot (None)."""

    channel_id: int | None


class BadState(Exception):
    """Nothing that was begun here; the text says why."""


def for_owners(view: View) -> View:
    """Let in who owns any channel; others may log in first. Which one they may connect is asked by `_require`."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if not (reach_of(request.user).is_superuser or reach_of(request.user).owned):
            raise PermissionDenied(NOT_YOURS)
        return view(request, *args, **kwargs)

    return never_cache(guarded)


def _require(request: HttpRequest, channel_id: int | None) -> None:
    """PermissionDenied for whoever does not own the channel; None is a bot, which is of the whole site."""
    reach = reach_of(request.user)
    if not (reach.is_superuser or (channel_id is not None and reach.owns(channel_id))):
        raise PermissionDenied(NOT_YOURS)


@for_owners
@require_http_methods(["GET", "HEAD", "POST"])
def bot(request: HttpRequest) -> HttpResponse:
    """Say what a bot is asked for; POST leads on to Twitch."""
    _require(request, None)
    return _begin(request, None, [scopes.BOT])


@for_owners
@require_http_methods(["GET", "HEAD", "POST"])
def channel(request: HttpRequest, channel_id: int) -> HttpResponse:
    """Say what the owner of a channel is asked for; POST leads on to Twitch."""
    found = Channel.objects.filter(pk=channel_id).first()
    if found is None:
        raise Http404("There is no such channel here. Choose one in the administration.")
    _require(request, found.pk)
    return _begin(request, found, list(scopes.switched_on().values()))


def _begin(request: HttpRequest, found: Channel | None, asked: list[scopes.Feature]) -> HttpResponse:
    address = callback_address(request)
    try:
        oauth.require_application()
    except NotConfigured as error:
        steps = f"The application's OAuth redirect URL has to be {address}, exactly."
        return _problem(request, "Not registered at Twitch", f"{error} {steps}", 503, again=request.path)
    if request.method != "POST":
        context = {"channel": found, "asked": asked, "address": address}
        return render(request, "streams/connect/begin.html", context)
    state = remember(request, Begun(found.pk if found else None))
    return HttpResponseRedirect(oauth.authorize_url(redirect_uri=address, scopes=grants.asked_of(found), state=state))


@for_owners
@require_safe
def callback(request: HttpRequest) -> HttpResponse:
    """What Twitch's page sends people back to: with a code, or with a no."""
    try:
        begun = recall(request, request.GET.get("state", ""))
    except BadState as error:
        return _problem(request, "That did not begin here", str(error), 400)
    _require(request, begun.channel_id)
    found, again = None, reverse("streams:connect_bot")
    if begun.channel_id is not None:
        found = Channel.objects.filter(pk=begun.channel_id).first()
        if found is None:
            return _problem(request, "No such channel", "The channel is no longer here. Nothing was connected.", 404)
        again = reverse("streams:connect_channel", args=[found.pk])
    if refusal := request.GET.get("error"):
        headline, words = _refusal(refusal, request.GET.get("error_description", ""))
        return _problem(request, headline, words, 400, again=again)
    code = request.GET.get("code", "")
    if not code:
        words = "Twitch sent you back without a code, so there is nothing to connect with. Try again."
        return _problem(request, "Something is missing", words, 400, again=again)
    return _connect(request, found, code, again)


def _connect(request: HttpRequest, found: Channel | None, code: str, again: str) -> HttpResponse:
    address = callback_address(request)
    try:
        tokens = oauth.ask(lambda server: server.exchange_code(code, address))
        connected = grants.connect_channel(found, tokens) if found else grants.connect_bot(tokens)
    except WrongAccount as error:
        return _problem(request, "Another account", str(error), 400, again=again)
    except TwitchAway as error:
        return _problem(request, "Twitch is away", f"{error} Nothing was connected.", 503, again=again)
    except NotConfigured as error:
        return _problem(request, "Not known at Twitch", str(error), 503, again=again)
    except OAuthError as error:
        words = f"{error} Nothing was connected. Codes last for some minutes and for one use: try again."
        return _problem(request, "Twitch refused", words, 400, again=again)
    context = {"connected": connected, "channel": found, "missing": {s: scopes.why(s) for s in connected.missing}}
    return render(request, "streams/connect/done.html", context)


@for_owners
@require_http_methods(["GET", "HEAD", "POST"])
def disconnect(request: HttpRequest, grant_id: int) -> HttpResponse:
    """Ask whether it is meant, then give the tokens back and forget them."""
    grant = TwitchGrant.objects.select_related("channel").filter(pk=grant_id).first()
    if grant is None:
        raise Http404("There is no such connection. It may have been removed already.")
    _require(request, grant.channel_id)
    if request.method != "POST":
        return render(request, "streams/connect/disconnect.html", {"grant": grant})
    was_told = grants.revoke(grant)
    return render(request, "streams/connect/disconnected.html", {"grant": grant, "was_told": was_told})


def callback_address(request: HttpRequest) -> str:
    """The redirect URL that Twitch has to know, to the letter."""
    return request.build_absolute_uri(reverse("streams:connect_callback"))


# What goes out and what comes back.


def remember(request: HttpRequest, begun: Begun) -> str:
    """Return a state for Twitch to send back."""
    nonce = secrets.token_urlsafe(16)
    request.session[SESSION_KEY] = [*request.session.get(SESSION_KEY, []), nonce][-MOST_BEGUN:]
    return signing.dumps([nonce, begun.channel_id], salt=SALT)


def recall(request: HttpRequest, state: str) -> Begun:
    """What was begun with a state; BadState for one of another session, of long ago, or that was used before."""
    try:
        nonce, channel_id = signing.loads(state, salt=SALT, max_age=LASTS)
    except signing.SignatureExpired:
        raise BadState("This took more than ten minutes, and nothing was connected. Begin again.") from None
    except signing.BadSignature:
        raise BadState(
            "You were sent here with a state that is not ours. If you did not just try to connect something, somebody"
            " may have sent you a prepared link. Nothing was connected."
        ) from None
    begun = request.session.get(SESSION_KEY, [])
    if nonce not in begun:
        raise BadState(
            "This was begun in another browser, or it is over already. If you have only loaded the page again, look"
            " whether it is connected; if not, begin again."
        )
    request.session[SESSION_KEY] = [other for other in begun if other != nonce]
    return Begun(channel_id)


def _refusal(error: str, description: str) -> tuple[str, str]:
    """What Twitch's page says, as headline and words."""
    if error == "access_denied":
        return "Not allowed", (
            "At Twitch you chose not to allow this, so nothing was connected and nothing is kept."
            " Connect again if that was a mistake."
        )
    said = f"{error}: {description}"[:200].rstrip(": ")
    return "Twitch refused", f"Twitch sent you back with “{said}”. Nothing was connected. Try again."


def _problem(request: HttpRequest, headline: str, words: str, status: int, *, again: str = "") -> HttpResponse:
    context = {"headline": headline, "words": words, "again": again}
    return render(request, "streams/connect/problem.html", context, status=status)
