"""The page of one viewer in one channel."""

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from django.db.models import Count, Exists, OuterRef, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from chat.models import EmoteUsage
from streams.models import Channel, Gap
from streamstats.lib import activity, year
from streamstats.lib.methods import read_only
from viewers.access import channel_with_viewers
from viewers.addresses import viewer_address
from viewers.models import SessionCorrection, Viewer, ViewerDay, ViewerStream, ViewerTotal, ViewSession

FAVOURITES = 24
ATTENDED = 8
SESSIONS = 20


class Attendance(NamedTuple):
    """A stream the viewer came to, and how many percent of it they watched."""

    row: ViewerStream
    share: int


class Visit(NamedTuple):
    """A view session, and the moment up to which it counts so far."""

    session: ViewSession
    until: datetime

    @property
    def seconds(self) -> int:
        return round((self.until - self.session.started_at).total_seconds())


@read_only
def viewer_page(request: HttpRequest, channel: str, login: str) -> HttpResponse:
    found = channel_with_viewers(channel)
    people = _people(found, login, chosen=request.GET.get("id", ""))
    if not people:
        raise Http404(f"Nobody called {login} was seen in the chat of {found}.")
    if len(people) > 1:
        return render(request, "chat/which_viewer.html", {"channel": found, "login": login, "people": people})
    viewer = people[0]
    address = viewer_address(found, viewer, by_id="id" in request.GET)
    if not address.startswith(reverse("chat:viewer", args=[channel, login])):
        return redirect(address)
    return render(request, "chat/viewer.html", _facts(found, viewer))


def _people(channel: Channel, login: str, chosen: str) -> list[Viewer]:
    """Who was seen in the channel under this login, or the chosen one, where a link said which."""
    people = Viewer.objects.seen_in(channel).prefetch_related("names")
    if chosen:
        return list(people.filter(pk=chosen)) if chosen.isprintable() else []
    return list(people.named(login)) or list(people.named(login.lower()))


def _facts(channel: Channel, viewer: Viewer) -> dict[str, object]:
    now = timezone.now()
    total = ViewerTotal.objects.select_related("viewer").get(channel=channel, viewer=viewer)
    history = ViewerDay.objects.filter(channel=channel, viewer=viewer)
    days = {row.day: row for row in history.filter(day__gte=year.first_day(now.date())).order_by("-day")}
    messages = {day: row.messages for day, row in days.items()}
    return {
        "channel": channel,
        "viewer": viewer,
        "total": total,
        "rank": total.rank() if total.messages else None,
        "watched": timedelta(seconds=total.watch_seconds),
        "days_written": history.filter(messages__gt=0).count(),
        "days": days.values(),
        "busiest": max((row for row in days.values() if row.messages), key=lambda row: row.messages, default=None),
        "year": year.draw(messages, now.date(), _unknown_days(channel, now)),
        "emotes": EmoteUsage.objects.filter(channel=channel, viewer=viewer).most_used()[:FAVOURITES],
        "streams": _streams_watched(channel, viewer),
        "attended": _attended(channel, viewer, now),
        "visits": _visits(channel, viewer),
        "names": sorted(viewer.names.all(), key=lambda name: name.last_seen_at, reverse=True),
    }


def _streams_watched(channel: Channel, viewer: Viewer) -> dict[str, int]:
    """How many streams the viewer came to, of those in which anybody knew who was there."""
    known = channel.streams.filter(presence_at__isnull=False)
    came = Exists(ViewSession.objects.filter(channel=channel, viewer=viewer, stream=OuterRef("pk")))
    return known.aggregate(known=Count("pk"), watched=Count("pk", filter=Q(came)))


def _attended(channel: Channel, viewer: Viewer, now: datetime) -> list[Attendance]:
    of_viewer = ViewerStream.objects.filter(channel=channel, viewer=viewer).select_related("stream")
    rows = of_viewer.order_by("-stream__started_at", "stream")[:ATTENDED]
    return [Attendance(row, _share(row, now)) for row in rows]


def _share(row: ViewerStream, now: datetime) -> int:
    """Percent of a stream that was watched, at most all of it: the last proof may be newer than what was counted."""
    lasted = (row.stream.ended_at or now) - row.stream.started_at
    return min(100, round(100 * row.watch_seconds / max(lasted.total_seconds(), 1)))


def _visits(channel: Channel, viewer: Viewer) -> list[Visit]:
    corrected = Exists(SessionCorrection.objects.filter(session=OuterRef("pk")))
    sessions = ViewSession.objects.of(channel, viewer).select_related("stream").annotate(is_corrected=corrected)
    return [
        Visit(session, session.ended_at or max(session.stream.presence_at or session.started_at, session.started_at))
        for session in sessions[:SESSIONS]
    ]


def _unknown_days(channel: Channel, now: datetime) -> set[date]:
    """Days of the calendar before the channel was followed, and days that were missed for the most part."""
    first = year.first_day(now.date())
    known_since = channel.days.order_by("day").values_list("day", flat=True).first() or now.date()
    missed = activity.mostly_missed(_gaps(channel, datetime.combine(first, time(), UTC)))
    return missed | {first + timedelta(days=index) for index in range((known_since - first).days)}


def _gaps(channel: Channel, since: datetime) -> list[activity.Gap]:
    rows = Gap.objects.filter(channel=channel, ended_at__gt=since).values_list("started_at", "ended_at", "reason")
    return [activity.Gap(max(since, start), end, reason) for start, end, reason in rows]
