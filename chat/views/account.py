"""What viewers see and decide of themselves, once they are logged in with Twitch.

Who it is about is never in an address or a form: it is who is logged in. Everything that changes something is posted,
answers with a sentence and leads back, so all of it works without JavaScript.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple, ParamSpec

import structlog
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from chat import export, packedfiles, tasks
from streams.jobs import Job
from streams.limits import HOUR_S, Limit
from streams.logins import LOGIN
from streams.models import Channel
from viewers import choices, owners
from viewers.access import channel_of, twitch_id_of, viewer_of
from viewers.models import Consent, Erasure, Export, Profile, Progress, Viewer, ViewerTotal
from viewers.summarypolicy import PolicyForm

log = structlog.get_logger(__name__)

MOST_PAGES = 200
READ_AT_ONCE = 64 * 1024

NOBODY = "You are logged in, but nothing is known of you that could be changed. Nothing was."
NO_CHANNEL = "No channel is called that here, so nothing was changed. Go back to your account and choose one there."
NOT_OWNER = "Only the owner of a channel decides about its pages, logged in with the channel's own Twitch account."

CHOOSING = Limit("choosing", 30, HOUR_S, "You decided this many times within the hour. Nothing was changed.")
EXPORTING = Limit("exporting", 30, HOUR_S, "You asked for this many times within the hour.")
"""Of each account: choices empty caches, and exports read everything."""

P = ParamSpec("P")
Deed = Callable[[HttpRequest, Viewer], str]
View = Callable[[HttpRequest], HttpResponseBase]


class Refused(Exception):
    """Something that cannot be done as it was asked for; the text says why. Nothing has changed."""


class Page(NamedTuple):
    """A viewer in one channel: what was counted, and whether it is shown."""

    total: ViewerTotal
    profile: Profile | None
    is_hidden_everywhere: bool

    @property
    def channel(self) -> Channel:
        return self.total.channel

    @property
    def is_removed(self) -> bool:
        return self.profile is not None and self.profile.visibility == Profile.Visibility.REMOVED

    @property
    def is_hidden(self) -> bool:
        """Whether the viewer hid it, here."""
        if self.profile is None:
            return False
        chosen = self.profile.chosen if self.is_removed else self.profile.visibility
        return chosen == Profile.Visibility.HIDDEN

    @property
    def is_wanting(self) -> bool:
        """Whether it is not shown only because nobody asked for it."""
        asked = self.profile is not None and self.profile.visibility == Profile.Visibility.SHOWN
        return not (self.channel.is_open or asked or self.is_hidden)

    @property
    def is_shown(self) -> bool:
        return not (self.is_removed or self.is_hidden or self.is_wanting or self.is_hidden_everywhere)


class Agreement(NamedTuple):
    """Something that can be agreed to: today's words, and the consent that holds, which may be to others."""

    kind: Consent.Kind
    wording: str
    given: Consent | None

    @property
    def is_given(self) -> bool:
        return self.given is not None and self.given.wording == self.wording


# Looking


@never_cache
@login_required
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    return _overview(request)


def _overview(
    request: HttpRequest, policy: PolicyForm | None = None, status: HTTPStatus = HTTPStatus.OK
) -> HttpResponse:
    """The page, with what was typed about summaries, where that cannot be kept."""
    viewer, twitch_id = viewer_of(request.user), twitch_id_of(request.user)
    erasure = _erasure(twitch_id)
    if viewer is None or erasure is not None:
        return render(request, "chat/account_empty.html", {"erasure": erasure, "twitch_id": twitch_id})
    pages, owned = list(_pages(viewer)), channel_of(request.user)
    if owned and policy is None:
        policy = PolicyForm(instance=owners.summaries_of(owned))
    context = {
        "viewer": viewer,
        "pages": pages,
        "shown": sum(page.is_shown for page in pages),
        "agreements": list(_agreements(viewer)),
        "export": _newest_export(viewer),
        "owned": owned,
        "policy": policy,
    }
    return render(request, "chat/account.html", context, status=status)


def _erasure(twitch_id: str) -> Erasure | None:
    """That of the account which holds: it goes on, or it is done and nothing is kept since."""
    if not twitch_id:
        return None
    return Erasure.objects.filter(mark=choices.mark_of(twitch_id), lifted_at=None).first()


def _pages(viewer: Viewer) -> Iterator[Page]:
    """Where the viewer was seen, the latest first. No index begins with the viewer, so channels are named."""
    channels = list(Channel.objects.listed().values_list("pk", flat=True))
    totals = ViewerTotal.objects.filter(channel__in=channels, viewer=viewer).select_related("channel")
    profiles = {
        profile.channel_id: profile
        for profile in Profile.objects.filter(viewer=viewer).select_related("current").defer("current__text")
    }
    for total in totals.order_by("-last_seen_at")[:MOST_PAGES]:
        yield Page(total, profiles.get(total.channel_id), viewer.hidden_at is not None)


def _agreements(viewer: Viewer) -> Iterator[Agreement]:
    given = {consent.kind: consent for consent in Consent.objects.filter(viewer=viewer, withdrawn_at=None)}
    for kind, wording in choices.WORDING.items():
        yield Agreement(kind, wording, given.get(kind))


def _newest_export(viewer: Viewer) -> Export | None:
    return Export.objects.filter(viewer=viewer).order_by("-asked_at").first()


# Deciding


def deed(done: Deed) -> View:
    """A view that does something for whoever is logged in, says what came of it, and leads back to their account."""

    @never_cache
    @require_POST
    @wraps(done)
    def view(request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(reverse("chat:account"))
        viewer = viewer_of(request.user)
        if viewer is None:
            messages.error(request, NOBODY)
            return redirect("chat:account")
        if not CHOOSING.allows(str(request.user.pk)):
            return CHOOSING.refuse(request)
        try:
            messages.success(request, done(request, viewer))
        except (Refused, choices.NotNow) as refusal:
            messages.error(request, str(refusal))
        return redirect("chat:account")

    return view


@deed
def hide(request: HttpRequest, viewer: Viewer) -> str:
    channel = _channel(request)
    choices.hide(viewer, channel)
    if channel is None:
        return "All your pages are hidden now, and you are in no list, search or leaderboard."
    return f"Your page in {channel} is hidden now, and you are in none of its lists."


@deed
def show(request: HttpRequest, viewer: Viewer) -> str:
    channel = _channel(request)
    choices.show(viewer, channel)
    if channel is None:
        return "Your pages are shown again, but for those that you hid one by one."
    if viewer.hidden_at:
        return f"Your page in {channel} is shown as soon as you no longer hide all of them."
    return f"Your page in {channel} is shown now."


@deed
def stop(request: HttpRequest, viewer: Viewer) -> str:
    choices.stop(viewer)
    return "From now on nothing more is kept of you. What was kept before is still there: hide it, or erase it."


@deed
def resume(request: HttpRequest, viewer: Viewer) -> str:
    choices.resume(viewer)
    return "From now on you are counted again."


@deed
def agree(request: HttpRequest, viewer: Viewer) -> str:
    choices.agree(viewer, _kind(request))
    return "Thank you. You can take this back here at any time."


@deed
def withdraw(request: HttpRequest, viewer: Viewer) -> str:
    choices.withdraw(viewer, _kind(request))
    return "You no longer agree to it."


@never_cache
@require_POST
def set_pages(request: HttpRequest) -> HttpResponse:
    """Which viewers have a page in the channel of whoever is logged in."""
    if not request.user.is_authenticated:
        return redirect_to_login(reverse("chat:account"))
    owned = channel_of(request.user)
    wanted = request.POST.get("pages", "")
    if owned is None or wanted not in Channel.PagePolicy.values:
        messages.error(request, NOT_OWNER if owned is None else "Choose one of the two.")
        return redirect("chat:account")
    if not CHOOSING.allows(str(request.user.pk)):
        return CHOOSING.refuse(request)
    try:
        owners.set_pages(owned, Channel.PagePolicy(wanted))
    except choices.NotNow as refusal:
        messages.error(request, str(refusal))
    else:
        told = "Every viewer has a page" if owned.is_open else "Only viewers who asked for one have a page"
        messages.success(request, f"{told} in {owned} now.")
    return redirect("chat:account")


@never_cache
@require_POST
def set_summaries(request: HttpRequest) -> HttpResponse:
    """What holds for summaries in the channel of whoever is logged in."""
    if not request.user.is_authenticated:
        return redirect_to_login(reverse("chat:account"))
    owned = channel_of(request.user)
    if owned is None:
        messages.error(request, NOT_OWNER)
        return redirect("chat:account")
    if not CHOOSING.allows(str(request.user.pk)):
        return CHOOSING.refuse(request)
    form = PolicyForm(request.POST, instance=owners.summaries_of(owned))
    if not form.is_valid():
        messages.error(request, "This was not saved. What has to be different is said below.")
        return _overview(request, form, HTTPStatus.BAD_REQUEST)
    owners.set_summaries(form.instance)
    messages.success(request, f"This holds for summaries in {owned} from now on.")
    return redirect("chat:account")


def _channel(request: HttpRequest) -> Channel | None:
    """The channel that a form names; None where it names none, and means all of them."""
    if "channel" not in request.POST:
        return None
    login = request.POST["channel"]
    found = Channel.objects.listed().filter(login=login).first() if LOGIN.fullmatch(login) else None
    if found is None:
        raise Refused(NO_CHANNEL)
    return found


def _kind(request: HttpRequest) -> str:
    kind = request.POST.get("kind", "")
    if kind not in choices.WORDING:
        raise Refused("There is nothing of that kind to agree to. Nothing was changed.")
    return kind


# Leaving, and coming back


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def erase(request: HttpRequest) -> HttpResponse:
    """Say what it means; it begins when their login was typed, and ends at a receipt that needs no login."""
    viewer = viewer_of(request.user)
    if viewer is None or _erasure(viewer.pk) is not None:
        return redirect("chat:account")
    if request.method != "POST":
        return render(request, "chat/account_erase.html", {"viewer": viewer})
    typed = request.POST.get("login", "").strip().removeprefix("@").lower()
    if typed != viewer.login:
        problem = f"That is not your login. To erase everything, type {viewer.login}. Nothing was erased."
        return _not_erased(request, viewer, problem, HTTPStatus.BAD_REQUEST)
    try:
        erasure = choices.ask_to_erase(viewer)
    except choices.TooSoon as refusal:
        return _not_erased(request, viewer, str(refusal), HTTPStatus.TOO_MANY_REQUESTS)
    except choices.NotNow as refusal:
        return _not_erased(request, viewer, str(refusal), HTTPStatus.SERVICE_UNAVAILABLE)
    logout(request)
    _begin(tasks.erase_accounts)
    return redirect("chat:erased", erasure.receipt)


def _not_erased(request: HttpRequest, viewer: Viewer, problem: str, status: HTTPStatus) -> HttpResponse:
    return render(request, "chat/account_erase.html", {"viewer": viewer, "problem": problem}, status=status)


@never_cache
@require_POST
def allow(request: HttpRequest) -> HttpResponse:
    """Let an erased account be counted again, by whoever can log in as it."""
    if not request.user.is_authenticated:
        return redirect_to_login(reverse("chat:account"))
    if not CHOOSING.allows(str(request.user.pk)):
        return CHOOSING.refuse(request)
    try:
        allowed = choices.allow_again(twitch_id_of(request.user))
    except choices.NotNow as refusal:
        messages.error(request, str(refusal))
    else:
        told = "From now on you are counted again. What was erased is gone for good."
        messages.success(request, told if allowed else NOBODY)
    return redirect("chat:account")


# Taking everything along


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def export_page(request: HttpRequest) -> HttpResponse:
    """How far an export is; POST asks for one."""
    viewer = viewer_of(request.user)
    if viewer is None:
        return redirect("chat:account")
    if request.method == "POST":
        if not EXPORTING.allows(str(request.user.pk)):
            return EXPORTING.refuse(request)
        try:
            _begin(tasks.export_account, export.ask(viewer, datetime.now(UTC)).pk)
        except packedfiles.TooSoon as refusal:
            messages.error(request, str(refusal))
        return redirect("chat:account_export")
    newest = _newest_export(viewer)
    context = {
        "export": newest,
        "is_waiting": newest is not None and newest.state in export.OPEN,
        "may_ask": not export.why_not(newest, datetime.now(UTC)),
    }
    return render(request, "chat/account_export.html", context)


@never_cache
@require_safe
def export_file(request: HttpRequest, export_id: int) -> HttpResponseBase:
    """The file of an export, for whom it is about. For anybody else there is nothing here."""
    viewer = viewer_of(request.user)
    ready = Export.objects.filter(state=Progress.DONE, withdrawn_at=None)
    found = ready.filter(pk=export_id, viewer=viewer).first() if viewer else None
    path = packedfiles.place(found.file) if found else None
    if viewer is None or found is None or path is None or not path.is_file():
        raise Http404("There is no such export. It may be older than a week, or withdrawn: ask for another one.")
    response = StreamingHttpResponse(_read(path), content_type="application/gzip")
    name = f"streamstats-{viewer.login}-{found.asked_at:%Y-%m-%d}.json.gz"
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name)
    response["Content-Length"] = str(found.size)
    return response


async def _read(path: Path) -> AsyncIterator[bytes]:
    """A file piece by piece, without holding up everybody else."""
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, READ_AT_ONCE):
            yield piece


def _begin(job: Job[P], *args: P.args, **kwargs: P.kwargs) -> None:
    """Have a job begin now. If its queue is away, the timetable begins it."""
    try:
        job.delay(*args, **kwargs)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("account.job_waits", job=job.name, error=str(error))
