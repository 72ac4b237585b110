"""A channel as it is now."""

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import BooleanField, Case, OuterRef, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from chat.livefeed import LiveEmote
from chat.models import Message, Redemption
from chat.models.emote import EmoteCount, label, picture
from streams.access import listed_channel
from streams.models import Channel, ChannelDay, Gap, Stream, StreamSample
from streams.pages import kept_briefly, kept_live
from streamstats.lib import activity, periods, pulse
from streamstats.lib.methods import read_only
from viewers.models import Standing, Viewer
from viewers.visibility import people_in, shown_in

HOURS = 12
BUCKET = timedelta(minutes=5)
NEWEST_MESSAGES = 1000
EMOTES_WITHIN = timedelta(minutes=10)
WEEK = timedelta(days=6)
NEWCOMERS_WITHIN = timedelta(days=2)
RECENT = 5
NEWCOMERS = 6
REDEMPTIONS = 6
LEADERS = 6
TOP_EMOTES = 12

_MINUTES = """
SELECT minute, messages, chatters FROM chat_chatminute WHERE channel_id = %s AND minute >= %s AND minute < %s
"""
# The emotes of the newest messages. Only these few thousand uses are counted while somebody waits.
_LATELY = """
SELECT 'lately' AS told, emote_id, count(*) AS uses
FROM (
    SELECT emotes FROM chat_message
    WHERE channel_id = %(channel)s AND source_channel_id = '' AND removed_at IS NULL AND sent_at >= %(since)s
    ORDER BY sent_at DESC LIMIT %(messages)s
) newest, unnest(newest.emotes) AS emote_id
GROUP BY emote_id ORDER BY uses DESC, emote_id LIMIT %(most)s
"""
_WEEK = """
SELECT 'week' AS told, emote_id, sum(uses) AS uses FROM chat_emoteday
WHERE channel_id = %(channel)s AND day >= %(day)s GROUP BY emote_id ORDER BY uses DESC, emote_id LIMIT %(most)s
"""
_NAMED = """
SELECT told, emote.id, name, provider, provider_id, image_url, uses::bigint
FROM ({top}) top JOIN chat_emote emote ON emote.id = emote_id ORDER BY told, uses DESC, emote.id
"""


class Newcomer(NamedTuple):
    viewer: Viewer
    at: datetime


@read_only
@kept_live
def overview(request: HttpRequest, channel: str) -> HttpResponse:
    found = listed_channel(channel)
    now = timezone.now()
    span = activity.last_hours(now, HOURS, BUCKET)
    messages, chatters = _minutes(found, span)
    gaps = gaps_within(found, span)
    streams = _streams(found)
    emotes = _top_emotes(found, now, f"({_LATELY}) UNION ALL ({_WEEK})")
    context = {
        "channel": found,
        "today": found.days.filter(day=now.date()).first() or ChannelDay(channel=found, day=now.date()),
        "pulse": pulse.draw(messages, chatters, now, gaps),
        "activity": activity.draw(span, now, messages, gaps, width=720, height=120),
        "emotes_now": emotes.get("lately", []),
        "emotes_week": emotes.get("week", []),
        "streams": streams,
        "live": next((stream for stream in streams if stream.ended_at is None), None),
        **_people(found, now),
    }
    return render(request, "chat/overview.html", context)


@read_only
@kept_briefly
def now(request: HttpRequest, channel: str) -> HttpResponse:
    """The part of the page that names people. Open pages fetch it again when something happened, or somebody chose."""
    found = listed_channel(channel)
    return render(request, "chat/_now.html", {"channel": found, **_people(found, timezone.now())})


def _streams(channel: Channel) -> list[Any]:
    """The latest streams, each with how many Twitch last counted there."""
    last = StreamSample.objects.filter(stream=OuterRef("pk")).order_by("-at").values("viewers")[:1]
    return list(Stream.objects.recent(channel).annotate(viewers_now=Subquery(last))[:RECENT])


def _minutes(channel: Channel, span: activity.Span) -> tuple[dict[datetime, int], dict[datetime, int]]:
    """Messages, and chatters, in each minute."""
    with connection.cursor() as cursor:  # hundreds of rows: as objects they would cost more than all the others
        cursor.execute(_MINUTES, [channel.pk, span.started_at, span.ended_at])
        counts = cursor.fetchall()
    return {minute: messages for minute, messages, _ in counts}, {minute: chatters for minute, _, chatters in counts}


def gaps_within(channel: Channel, span: activity.Span) -> list[activity.Gap]:
    """The gaps that touch a span, as long as they were."""
    rows = Gap.objects.filter(channel=channel, started_at__lt=span.ended_at, ended_at__gt=span.started_at)
    rows = rows.order_by("started_at")
    return [activity.Gap(*row) for row in rows.values_list("started_at", "ended_at", "reason")]


# Emotes.


def emotes_lately(channel: Channel, now: datetime) -> dict[LiveEmote, int]:
    """The emotes of the last minutes, as the live feed goes on from."""
    lately = _top_emotes(channel, now, _LATELY).get("lately", [])
    return {LiveEmote(row["emote"], row["name"], row["url"], row["provider"]): row["count"] for row in lately}


def _top_emotes(channel: Channel, now: datetime, top: str) -> dict[str, list[EmoteCount]]:
    values: dict[str, int | date] = {
        "channel": channel.pk,
        "since": now - EMOTES_WITHIN,
        "messages": NEWEST_MESSAGES,
        "day": now.date() - WEEK,
        "most": TOP_EMOTES,
    }
    found: dict[str, list[EmoteCount]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_NAMED.format(top=top), values)
        for told, emote, name, provider, provider_id, image_url, uses in cursor.fetchall():
            url = picture(provider, provider_id, image_url)
            shown = label(provider, provider_id, name)
            count = EmoteCount(emote=emote, name=shown, url=url, provider=provider, count=uses)
            found.setdefault(told, []).append(count)
    return found


# People.


def _people(channel: Channel, now: datetime) -> dict[str, object]:
    month = periods.of("month", now.date())
    by, leaders = _leaders(channel, month)
    return {
        "newcomers": _newcomers(channel, now),
        "redemptions": _redemptions(channel),
        "month": month,
        "by": by,
        "leaders": leaders,
    }


def _newcomers(channel: Channel, now: datetime) -> list[Newcomer]:
    """Who wrote for the first time within the newest messages, the last of them first."""
    first = now - NEWCOMERS_WITHIN
    newest = Message.objects.newest(channel, first, NEWEST_MESSAGES)
    oldest = Coalesce(Subquery(newest.values("sent_at")[NEWEST_MESSAGES - 1 :]), Value(first))
    rows = Message.objects.counted().shown().filter(people_in(channel), channel=channel, is_first=True)
    # The first bound says which months to look into, the second one how far.
    rows = rows.filter(sent_at__gte=first).filter(sent_at__gte=oldest).select_related("viewer").order_by("-sent_at")
    named = ("sent_at", "viewer__login", "viewer__display_name", "viewer__color", "viewer__avatar_url")
    return [Newcomer(row.viewer, row.sent_at) for row in rows.only(*named)[:NEWCOMERS]]


def _redemptions(channel: Channel) -> list[Any]:
    """What points were spent on last; by whom, where they are shown, and never with what words."""
    kept = Redemption.objects.filter(channel=channel).exclude(status=Redemption.Status.CANCELED)
    is_shown = Case(When(shown_in(channel), then=Value(True)), default=Value(False), output_field=BooleanField())
    rows = kept.annotate(is_shown=is_shown).select_related("viewer", "reward").defer("text", "reward__prompt")
    return list(rows.order_by("-redeemed_at")[:REDEMPTIONS])


def _leaders(channel: Channel, month: periods.Period) -> tuple[str, list[Standing]]:
    """Who watched most this month; who wrote most, where nobody knows who watched."""
    board = Standing.objects.filter(people_in(channel), channel=channel, period=month.key).select_related("viewer")
    for by, measure in (("watched", "watch_seconds"), ("messages", "messages")):
        if found := list(board.filter(**{f"{measure}__gt": 0}).order_by(f"-{measure}", "viewer")[:LEADERS]):
            return by, found
    return "watched", []
