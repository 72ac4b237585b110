"""The summaries of a viewer: every version, what each rests on, and what is decided about them.

Only the viewer and the moderators of the channel come here, for here are the texts of the messages that summaries rest
on. For everybody else there is no such page.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, NamedTuple

import structlog
from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth.models import User
from django.db import close_old_connections
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from chat import tasks
from chat.doors import Full
from chat.portrait.person import Person, the_one
from chat.summaries import page, progress, versions
from chat.summaries.reading import kept
from chat.views.live import COME_BACK_S, doors, feed, listen_for_the_stop, refused
from streams.access import listed_channel
from streams.limits import HOUR_S, Limit
from streams.pages import NotNow
from streams.visitors import visitor_of
from streamstats.lib.methods import read_only
from viewers import wiki
from viewers.models import Claim, Summary

log = structlog.get_logger(__name__)

VERSIONS = "chat:summary"
VERSION = "chat:summary_version"
LIVE = "chat:summary_live"
AT_ONCE = 50
NOT_THEIRS = "Only {person} and the moderators of {channel} see these summaries, logged in with Twitch."
NO_VERSION = "There is no version {number} of the summary of {person}. It may have been deleted."
BROKEN = "This link to another version is broken. Start again from the list."
NO_CLAIM = "This sentence is not there any more. Nothing was changed."
NO_DEED = "This is nothing that can be done with a version. Nothing was changed."
SHOWN = "Version {number} is shown now."
TO_BE_READ = "Version {number} waits for a moderator to read it, and is shown then."
MODERATORS = "Only the moderators of {channel} decide what is shown after a review."
QUEUE_AWAY = "It begins by itself within a quarter of an hour: whoever writes summaries cannot be reached just now."
COME_BACK = f"retry: {COME_BACK_S * 1000}\n\n".encode()
EVENT_ID = re.compile(r"\d{1,19}-\d{1,19}", re.ASCII)

ASKING = Limit("asking for a summary", 10, HOUR_S, "You asked for a summary this often within the hour.")
DECIDING = Limit("deciding about summaries", 120, HOUR_S, "You decided about summaries very often within the hour.")


class Asked(NamedTuple):
    """Somebody who may see the summaries of a viewer."""

    person: Person
    user: User

    @property
    def role(self) -> Summary.Role:
        return Summary.Role.MODERATOR if self.person.is_moderated else Summary.Role.VIEWER


class Source(NamedTuple):
    """A message that a claim rests on; without its text where it is not kept any more."""

    at: datetime
    text: str


# Reading


@never_cache
@read_only
def all_versions(request: HttpRequest, channel: str, login: str) -> HttpResponse:
    asked = _asked(request, channel, login, VERSIONS)
    if isinstance(asked, HttpResponse):
        return asked
    person = asked.person
    rows = _versions(person)
    before = request.GET.get("before", "")
    if before:
        rows = rows.filter(number__lt=_number(before))
    found = list(rows.order_by("-number")[: AT_ONCE + 1])
    why_not = versions.why_not(person.channel, person.viewer, datetime.now(UTC)) if person.is_self else ""
    context = {
        "versions": found[:AT_ONCE],
        "following": found[AT_ONCE - 1].number if len(found) > AT_ONCE else None,
        "is_first": not before,
        "current": None if before else _current(person),
        "going_on": next((row for row in found if row.is_open), None),
        "why_not": why_not,
        "is_to_agree": why_not == versions.NOT_AGREED,
    }
    return render(request, "chat/summaries.html", {**_about(person), **context})


@never_cache
@read_only
def one_version(request: HttpRequest, channel: str, login: str, number: int) -> HttpResponse:
    """A version with the messages behind each sentence, and what is different from another one."""
    asked = _asked(request, channel, login, VERSION, number)
    if isinstance(asked, HttpResponse):
        return asked
    person = asked.person
    version = _version(person, number)
    written = [row for row in _versions(person).order_by("-number")[: versions.VERSIONS] if row.made_at]
    other = _other(request, written, version)
    shown = page.version(version)
    claims = [claim for section in shown.sections for claim in section.claims]
    context = {
        "version": version,
        "current": next((row for row in written if row.state == Summary.State.SHOWN), None),
        "shown": shown,
        "sources": _sources(person, claims),
        "reported": version.reported,
        "withheld": max(0, version.written - version.reported - len(claims)),
        "others": [row.number for row in written if row.pk != version.pk],
        "other": other,
        "lines": wiki.differences(_as_text(page.version(other)), _as_text(shown)) if other else [],
    }
    return render(request, "chat/summary_version.html", {**_about(person), **context})


def _about(person: Person) -> dict[str, object]:
    return {"channel": person.channel, "viewer": person.viewer, "person": person}


def _versions(person: Person) -> Any:
    return Summary.objects.of_viewer(person.channel, person.viewer)


def _current(person: Person) -> Summary | None:
    """The version that is on the page, however many newer ones are hidden."""
    found: Summary | None = _versions(person).shown().order_by("-number").first()
    return found


def _version(person: Person, number: int) -> Any:
    """A version, with how many sentences were written in it, and how many were reported. Raises Http404."""
    counted = _versions(person).annotate(written=Count("claims"), reported=Count("claims__reported_at"))
    found = counted.filter(number=number).select_related("channel").first()
    if found is None:
        raise Http404(NO_VERSION.format(person=person, number=number))
    return found


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Http404(BROKEN)
    return int(text)


def _other(request: HttpRequest, written: list[Summary], version: Summary) -> Summary | None:
    """The version to compare with: the one that was asked for, else the one before."""
    chosen = request.GET.get("with", "")
    if chosen:
        number = _number(chosen)
        return next((row for row in written if row.number == number and row.pk != version.pk), None)
    return next((row for row in written if row.number < version.number), None) if version.made_at else None


def _as_text(shown: page.Shown) -> str:
    return "\n".join(
        f"{section.part.label.capitalize()}: {claim.text}" for section in shown.sections for claim in section.claims
    )


def _sources(person: Person, claims: list[Claim]) -> dict[int, list[Source]]:
    """What each claim rests on, by its id. Texts that are past retention are no longer there. One query."""
    known = {message_id: at for claim in claims for message_id, at in claim.sources}
    rows = kept(person.channel).filter(viewer=person.viewer, sent_at__in=set(known.values()), id__in=set(known))
    texts = dict(rows.values_list("id", "text")) if known else {}
    return {claim.pk: [Source(at, texts.get(message_id, "")) for message_id, at in claim.sources] for claim in claims}


# Deciding


@never_cache
@require_POST
def ask(request: HttpRequest, channel: str, login: str) -> HttpResponse:
    """Have a fresh one written, for the viewer themself."""
    asked = _asked(request, channel, login, VERSIONS)
    if isinstance(asked, HttpResponse):
        return asked
    person = asked.person
    if not person.is_self:
        raise Http404(NOT_THEIRS.format(person=person, channel=person.channel))
    if not ASKING.allows(str(asked.user.pk)):
        return ASKING.refuse(request)
    try:
        summary = versions.ask_for(person.channel, person.viewer, datetime.now(UTC))
    except NotNow as refusal:
        messages.error(request, str(refusal))
    else:
        _begin(request, summary)
    return redirect(person.address_of(VERSIONS))


def _begin(request: HttpRequest, summary: Summary) -> None:
    try:
        tasks.write_summary.delay(summary.pk)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("summary.job_waits", error=str(error))
        messages.warning(request, QUEUE_AWAY)


@never_cache
@require_POST
def decide(request: HttpRequest, channel: str, login: str, number: int) -> HttpResponse:
    """Hide a version, show it again, or let it through after a review."""
    asked = _within_limit(request, _asked(request, channel, login, VERSION, number))
    if isinstance(asked, HttpResponse):
        return asked
    version = _version(asked.person, number)
    try:
        messages.success(request, _decided(request.POST.get("deed", ""), asked, version))
    except NotNow as refusal:
        messages.error(request, str(refusal))
    return redirect(asked.person.address_of(VERSION, number))


def _decided(deed: str, asked: Asked, version: Summary) -> str:
    """What was done, in a sentence. Raises NotNow."""
    match deed:
        case "hide":
            versions.hide(version, asked.user, asked.role)
            return f"Version {version.number} is hidden."
        case "restore":
            state = versions.restore(version, asked.user, asked.role)
            return (SHOWN if state == Summary.State.SHOWN else TO_BE_READ).format(number=version.number)
        case "let-through" if asked.role == Summary.Role.MODERATOR:
            versions.let_through(version, asked.user)
            return SHOWN.format(number=version.number)
        case "let-through":
            raise NotNow(MODERATORS.format(channel=asked.person.channel))
    raise NotNow(NO_DEED)


@never_cache
@require_POST
def report(request: HttpRequest, channel: str, login: str, number: int) -> HttpResponse:
    """Say that a sentence is wrong, which hides it: for the viewer themself."""
    asked = _within_limit(request, _asked(request, channel, login, VERSION, number))
    if isinstance(asked, HttpResponse):
        return asked
    person = asked.person
    if not person.is_self:
        raise Http404(NOT_THEIRS.format(person=person, channel=person.channel))
    try:
        versions.report(_claim(_version(person, number), request.POST.get("claim", "")))
    except NotNow as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "Thank you. This sentence is shown to nobody any more.")
    return redirect(person.address_of(VERSION, number))


def _claim(version: Summary, place: str) -> Claim:
    """The claim at a place of a version. Raises NotNow."""
    is_number = place.isascii() and place.isdigit() and len(place) <= 4
    claims = Claim.objects.filter(summary=version).select_related("summary__channel")
    found = claims.filter(position=int(place)).first() if is_number else None
    if found is None:
        raise NotNow(NO_CLAIM)
    return found


def _asked(request: HttpRequest, channel: str, login: str, address: str, *more: object) -> Asked | HttpResponse:
    """Whoever may see the summaries of a viewer; else what to answer. Raises Http404 for everybody else."""
    person = the_one(request, listed_channel(channel), login, address, *more)
    if isinstance(person, HttpResponse):
        return person
    if not (request.user.is_authenticated and (person.is_self or person.is_moderated)):
        raise Http404(NOT_THEIRS.format(person=person, channel=person.channel))
    return Asked(person, request.user)


def _within_limit(request: HttpRequest, asked: Asked | HttpResponse) -> Asked | HttpResponse:
    if isinstance(asked, HttpResponse) or DECIDING.allows(str(asked.user.pk)):
        return asked
    return DECIDING.refuse(request)


# Seeing one come in


@csrf_exempt
@require_GET
async def live(request: HttpRequest, channel: str, login: str, number: int) -> HttpResponseBase:
    """What becomes of a version while it is written, as server-sent events that end with it."""
    visitor = visitor_of(request)
    try:
        doors.check(visitor)
    except Full as full:
        return refused(full)
    found = await sync_to_async(_followed)(request, channel, login, number)
    if isinstance(found, HttpResponse):
        return found
    last = request.headers.get("Last-Event-ID", "")
    events = _events(visitor, found, last if EVENT_ID.fullmatch(last) else "0")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(events, content_type="text/event-stream", headers=headers)


def _followed(request: HttpRequest, channel: str, login: str, number: int) -> int | HttpResponse:
    """The id of a version that whoever asks may follow; else what to answer."""
    asked = _asked(request, channel, login, LIVE, number)
    if isinstance(asked, HttpResponse):
        return asked
    found: int = _version(asked.person, number).pk
    # The response lasts as long as the page is open; the connection must not.
    close_old_connections()
    return found


async def _events(visitor: str, summary: int, after: str) -> AsyncGenerator[bytes, None]:
    listen_for_the_stop()
    try:
        with doors.entered(visitor):
            async with aclosing(progress.events(summary, after, lambda: feed.is_closed)) as told:
                async for event in told:
                    yield event
                    if event == progress.HEARTBEAT and (end := await sync_to_async(_ended)(summary)):
                        yield end
                        return
    except (Full, RedisError, OSError) as error:  # many came at the same moment, or Redis is away
        log.warning("summary.not_followed", error=str(error))
        yield COME_BACK


def _ended(summary: int) -> bytes:
    """The last event of a version of which nothing is told, because nobody writes it any more; else empty."""
    try:
        found = Summary.objects.filter(pk=summary).values_list("state").first()
    finally:
        close_old_connections()
    is_open = found and found[0] in (Summary.State.WAITING, Summary.State.RUNNING)
    return b"" if is_open else progress.as_event(b"done", b"{}")
