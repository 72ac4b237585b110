"""The front page: every channel that is followed."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from streams.models import Channel, ChannelDay
from streamstats.lib.month import Month, draw

DAYS = 30


class Line(NamedTuple):
    """One channel on the front page."""

    channel: Channel
    today: ChannelDay
    month: Month


@require_safe
def front(request: HttpRequest) -> HttpResponse:
    today = timezone.now().date()
    lines = list(_lines(today))
    totals = {"messages": sum(line.channel.counts.messages for line in lines), "channels": len(lines)}
    return render(request, "streams/front.html", {"lines": lines, "totals": totals})


def _lines(today: date) -> Iterable[Line]:
    days: dict[int, dict[date, ChannelDay]] = defaultdict(dict)
    first = today - timedelta(days=DAYS - 1)
    for row in ChannelDay.objects.filter(channel__login__isnull=False, day__gte=first):
        days[row.channel_id][row.day] = row
    for channel in Channel.objects.listed().lately_heard_first():
        of_channel = days[channel.pk]
        messages = {day: row.messages for day, row in of_channel.items()}
        yield Line(channel, of_channel.get(today, ChannelDay(channel=channel, day=today)), draw(messages, today, DAYS))
