"""The front page: every channel that is followed, and those that were."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from streams.models import Channel, ChannelDay
from streamstats.lib.methods import read_only
from streamstats.lib.month import Month, draw

DAYS = 30
CHANNELS = 100


class Line(NamedTuple):
    """One channel on the front page."""

    channel: Channel
    today: ChannelDay
    month: Month


@read_only
def front(request: HttpRequest) -> HttpResponse:
    channels = list(Channel.objects.front_page()[: CHANNELS + 1])
    shown = channels[:CHANNELS]
    context = {
        "lines": list(_lines(shown, timezone.now().date())),
        "totals": _totals(shown) if shown == channels else _totals_of_all(),
    }
    return render(request, "streams/front.html", context)


def _totals(channels: Sequence[Channel]) -> dict[str, int]:
    return {"messages": sum(channel.counts.messages for channel in channels), "channels": len(channels)}


def _totals_of_all() -> dict[str, int]:
    return Channel.objects.front_page().aggregate(messages=Sum("total__messages", default=0), channels=Count("pk"))


def _lines(channels: Sequence[Channel], today: date) -> Iterable[Line]:
    days: dict[int, dict[date, ChannelDay]] = defaultdict(dict)
    first = today - timedelta(days=DAYS - 1)
    for row in ChannelDay.objects.filter(channel__in=channels, day__gte=first):
        days[row.channel_id][row.day] = row
    for channel in channels:
        of_channel = days[channel.pk]
        messages = {day: row.messages for day, row in of_channel.items()}
        yield Line(channel, of_channel.get(today, ChannelDay(channel=channel, day=today)), draw(messages, today, DAYS))
