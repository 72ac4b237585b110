"""Recaps of streams, and what of summaries waits for a moderator: for whoever moderates a channel alone."""

from typing import Any

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from chat.summaries import page, versions
from chat.views.summary import DECIDING, NO_DEED
from streams.access import listed_channel
from streams.models import Channel, Stream
from streams.pages import NotNow
from streamstats.lib.methods import read_only
from viewers.access import may_moderate
from viewers.models import Summary

AT_ONCE = 50
LATEST = 20
MODERATORS = "Only the moderators of {channel} decide about its summaries, logged in with Twitch."
NO_STREAM = "No stream of {channel} with the number {stream} is known here."
NO_VERSION = "The recap of this stream has no version {number}."


@never_cache
@read_only
def queue(request: HttpRequest, channel: str) -> HttpResponse:
    """What waits to be read, the oldest first, and the latest recaps."""
    found = _moderated(request, channel)
    waiting = Summary.objects.filter(channel=found, state=Summary.State.REVIEW).order_by("begun_at", "pk")
    has_recap = Exists(Summary.objects.filter(stream=OuterRef("pk")))
    latest = Stream.objects.filter(has_recap, channel=found).order_by("-started_at")
    context = {
        "channel": found,
        "waiting": list(waiting.select_related("viewer", "stream")[:AT_ONCE]),
        "at_once": AT_ONCE,
        "latest": list(latest[:LATEST]),
    }
    return render(request, "chat/summary_queue.html", context)


@never_cache
@read_only
def of_stream(request: HttpRequest, channel: str, stream_id: str) -> HttpResponse:
    """Every version of the recap of a stream."""
    found = _moderated(request, channel)
    stream = _stream(found, stream_id)
    rows = list(Summary.objects.of_stream(stream).select_related("channel").order_by("-number")[:LATEST])
    shown = {version.summary.pk: version for version in page.of_all(found, rows)}
    context = {
        "channel": found,
        "stream": stream,
        "versions": [(row, shown.get(row.pk)) for row in rows],
        "current": next((row for row in rows if row.state == Summary.State.SHOWN), None),
    }
    return render(request, "chat/stream_recap.html", context)


@never_cache
@require_POST
def decide(request: HttpRequest, channel: str, stream_id: str, number: int) -> HttpResponse:
    """Hide a version, show it again, or let it through after a review."""
    found = _moderated(request, channel)
    if not DECIDING.allows(str(request.user.pk)):
        return DECIDING.refuse(request)
    rows = Summary.objects.of_stream(_stream(found, stream_id)).select_related("channel")
    version = rows.filter(number=number).first()
    if version is None:
        raise Http404(NO_VERSION.format(number=number))
    try:
        told = _decided(request.POST.get("deed", ""), version, request.user)
    except NotNow as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"Version {number} is {told}.")
    return redirect("chat:stream_recap", found.login, stream_id)


def _decided(deed: str, version: Summary, user: Any) -> str:
    """What became of it. Raises NotNow."""
    match deed:
        case "hide":
            versions.hide(version, user, Summary.Role.MODERATOR)
            return "hidden"
        case "restore":
            versions.restore(version, user, Summary.Role.MODERATOR)
        case "let-through":
            versions.let_through(version, user)
        case _:
            raise NotNow(NO_DEED)
    return "shown now"


def _moderated(request: HttpRequest, channel: str) -> Channel:
    """The channel, for who moderates it. Raises Http404 for everybody else."""
    found = listed_channel(channel)
    if not (request.user.is_authenticated and may_moderate(request.user, found)):
        raise Http404(MODERATORS.format(channel=found))
    return found


def _stream(channel: Channel, stream_id: str) -> Stream:
    found = channel.streams.filter(pk=stream_id).first()
    if found is None:
        raise Http404(NO_STREAM.format(channel=channel, stream=stream_id))
    return found
