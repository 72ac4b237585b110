"""The front page with every channel that is followed, and those that were; and the streams of one channel."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from streams.access import listed_channel
from streams.models import Channel, ChannelDay, Stream, StreamSample
from streams.pages import kept_live
from streamstats.lib.keyset import Place
from streamstats.lib.methods import read_only
from streamstats.lib.month import Month, draw

DAYS = 30
CHANNELS = 100
STREAMS = 30
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
BROKEN = "This link to the next page is broken. Start again from the first one."


class Line(NamedTuple):
    """One channel on the front page."""

    channel: Channel
    today: ChannelDay
    month: Month
    live: Stream | None


@read_only
@kept_live
def front(request: HttpRequest) -> HttpResponse:
    channels = list(Channel.objects.front_page()[: CHANNELS + 1])
    shown = channels[:CHANNELS]
    live = _live(shown)
    context = {
        "lines": list(_lines(shown, live, timezone.now().date())),
        "live": len(live),
        "totals": _totals(shown) if shown == channels else _totals_of_all(),
    }
    return render(request, "streams/front.html", context)


def _totals(channels: Sequence[Channel]) -> dict[str, int]:
    return {"messages": sum(channel.counts.messages for channel in channels), "channels": len(channels)}


def _totals_of_all() -> dict[str, int]:
    return Channel.objects.front_page().aggregate(messages=Sum("total__messages", default=0), channels=Count("pk"))


def _live(channels: Sequence[Channel]) -> dict[int, Any]:
    """What is on air, by channel, each with how many Twitch last counted there."""
    last = StreamSample.objects.filter(stream=OuterRef("pk")).order_by("-at").values("viewers")[:1]
    streams = Stream.objects.live().filter(channel__in=channels).annotate(viewers_now=Subquery(last))
    return {stream.channel_id: stream for stream in streams}


def _lines(channels: Sequence[Channel], live: Mapping[int, Stream], today: date) -> Iterable[Line]:
    days: dict[int, dict[date, ChannelDay]] = defaultdict(dict)
    first = today - timedelta(days=DAYS - 1)
    for row in ChannelDay.objects.filter(channel__in=channels, day__gte=first):
        days[row.channel_id][row.day] = row
    for channel in channels:
        of_channel = days[channel.pk]
        messages = {day: row.messages for day, row in of_channel.items()}
        so_far = of_channel.get(today, ChannelDay(channel=channel, day=today))
        yield Line(channel, so_far, draw(messages, today, DAYS), live.get(channel.pk))


@read_only
@kept_live
def stream_list(request: HttpRequest, channel: str) -> HttpResponse:
    found = listed_channel(channel)
    after = request.GET.get("after", "")
    streams = _older(Stream.objects.recent(found), after) if after else Stream.objects.recent(found)
    sampled = StreamSample.objects.filter(stream=OuterRef("pk"))
    rows = list(streams.annotate(is_sampled=Exists(sampled))[: STREAMS + 1])
    following = str(_place(rows[STREAMS - 1])) if len(rows) > STREAMS else ""
    context = {
        "channel": found,
        "known": found.streams.aggregate(count=Count("pk"), first=Min("started_at")),
        "streams": rows[:STREAMS],
        "following": following,
        "is_first": not after,
    }
    return render(request, "streams/list.html", context)


def _place(stream: Stream) -> Place:
    return Place(str((stream.started_at - EPOCH) // MICROSECOND), stream.pk)


def _older(streams: QuerySet[Stream], after: str) -> QuerySet[Stream]:
    """The streams that follow this place in the order of `recent`."""
    try:
        place = Place.read(after)
        started_at = EPOCH + place.number() * MICROSECOND
    except (ValueError, OverflowError) as error:
        raise Http404(BROKEN) from error
    later = Q(started_at__lt=started_at) | Q(pk__gt=place.id)
    return streams.filter(later, started_at__lte=started_at)
