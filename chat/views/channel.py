"""A channel as it is now."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from chat.livefeed import LiveEmote
from chat.models import ChatMinute, Emote, EmoteDay, Message
from streams.access import listed_channel
from streams.models import Channel, ChannelDay, Gap, Stream, StreamSample
from streamstats.lib import activity, pulse
from streamstats.lib.methods import read_only
from viewers.models import Viewer, ViewerTotal

HOURS = 12
BUCKET = timedelta(minutes=5)
NEWEST_MESSAGES = 1000
EMOTES_WITHIN = timedelta(minutes=10)
NEWCOMERS_WITHIN = timedelta(days=2)
RECENT = 5
NEWCOMERS = 8
TOP_EMOTES = 12


@read_only
def overview(request: HttpRequest, channel: str) -> HttpResponse:
    found = listed_channel(channel)
    now = timezone.now()
    span = activity.last_hours(now, HOURS, BUCKET)
    messages, chatters = _minutes(found, span)
    gaps = gaps_within(found, span)
    recent = recent_chat(found, now)
    streams = _streams(found)
    this_week = EmoteDay.objects.filter(channel=found).since(now.date() - timedelta(days=6))
    context = {
        "channel": found,
        "today": found.days.filter(day=now.date()).first() or ChannelDay(channel=found, day=now.date()),
        "pulse": pulse.draw(messages, chatters, now, gaps),
        "activity": activity.draw(span, now, messages, gaps, width=720, height=120),
        "emotes_now": [{**emote._asdict(), "count": uses} for emote, uses in recent.emotes.items()],
        "emotes_week": this_week.most_used()[:TOP_EMOTES],
        "newcomers": recent.newcomers if found.is_open else [],
        "leaders": ViewerTotal.objects.most_messages(found)[:RECENT] if found.is_open else [],
        "streams": streams,
        "live": next((stream for stream in streams if stream.ended_at is None), None),
    }
    return render(request, "chat/overview.html", context)


def _streams(channel: Channel) -> list[Any]:
    """The latest streams, each with how many Twitch last counted there."""
    last = StreamSample.objects.filter(stream=OuterRef("pk")).order_by("-at").values("viewers")[:1]
    return list(Stream.objects.recent(channel).annotate(viewers_now=Subquery(last))[:RECENT])


class Recent(NamedTuple):
    """What the newest messages tell."""

    emotes: dict[LiveEmote, int]
    newcomers: list[tuple[Viewer, datetime]]


def _minutes(channel: Channel, span: activity.Span) -> tuple[dict[datetime, int], dict[datetime, int]]:
    """Messages, and chatters, in each minute."""
    rows = ChatMinute.objects.filter(channel=channel, minute__gte=span.started_at, minute__lt=span.ended_at)
    counts = list(rows.values_list("minute", "messages", "chatters"))
    return {minute: messages for minute, messages, _ in counts}, {minute: chatters for minute, _, chatters in counts}


def gaps_within(channel: Channel, span: activity.Span) -> list[activity.Gap]:
    """The gaps that touch a span, as long as they were."""
    rows = Gap.objects.filter(channel=channel, started_at__lt=span.ended_at, ended_at__gt=span.started_at)
    rows = rows.order_by("started_at")
    return [activity.Gap(*row) for row in rows.values_list("started_at", "ended_at", "reason")]


def recent_chat(channel: Channel, now: datetime) -> Recent:
    rows = Message.objects.newest(channel, now - NEWCOMERS_WITHIN, NEWEST_MESSAGES)
    used: Counter[int] = Counter()
    first_said: dict[str, datetime] = {}
    for viewer_id, sent_at, is_first, emotes in rows.values_list("viewer_id", "sent_at", "is_first", "emotes"):
        if sent_at > now - EMOTES_WITHIN:
            used.update(emotes)
        if is_first and len(first_said) < NEWCOMERS:
            first_said.setdefault(viewer_id, sent_at)
    viewers = Viewer.objects.filter(is_bot=False).in_bulk(first_said)
    newcomers = [(viewers[pk], at) for pk, at in first_said.items() if pk in viewers]
    return Recent(_named(used), newcomers)


def _named(used: Counter[int]) -> dict[LiveEmote, int]:
    top = dict(used.most_common(TOP_EMOTES))
    emotes = Emote.objects.in_bulk(top)
    return {
        LiveEmote(emote.name, emote.url, emote.provider): uses for pk, uses in top.items() if (emote := emotes.get(pk))
    }
