"""A year told in a few large facts: of a viewer in a channel, and of a channel."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from chat import channelyear
from chat.pictures import Card, Figure
from chat.portrait import recap
from chat.portrait.person import RECAP, Person, the_one
from chat.views.picture import channel_name, figures_of, name_of, png, shown
from streams.access import listed_channel
from streams.models import Channel
from streams.pages import kept_ready
from streamstats.lib import durations, numbers
from streamstats.lib.methods import read_only

PICTURE = "chat:viewer_recap_picture"
CHANNEL_PAGE = "chat:channel_recap"
CHANNEL_PICTURE = "chat:channel_recap_picture"


@read_only
@kept_ready
def of_viewer(request: HttpRequest, channel: str, login: str, year: int) -> HttpResponse:
    person = the_one(request, listed_channel(channel), login, RECAP, year)
    if isinstance(person, HttpResponse):
        return person
    told = recap.of(person, year)
    context = {
        "channel": person.channel,
        "person": person,
        "viewer": person.viewer,
        "recap": told,
        "canonical": request.build_absolute_uri(person.address_of(RECAP, year)),
        "picture": request.build_absolute_uri(person.address_of(PICTURE, year)),
        "earlier": person.address_of(RECAP, year - 1) if told.has_earlier else "",
        "later": person.address_of(RECAP, year + 1) if told.has_later else "",
    }
    return render(request, "chat/recap.html", context)


@read_only
@kept_ready
def picture_of_viewer(request: HttpRequest, channel: str, login: str, year: int) -> HttpResponse:
    person = the_one(request, listed_channel(channel), login, PICTURE, year)
    if isinstance(person, HttpResponse):
        return person
    return png(_viewer_card(shown(person), year))


@read_only
@kept_ready
def of_channel(request: HttpRequest, channel: str, year: int) -> HttpResponse:
    found = listed_channel(channel)
    told = channelyear.of(found, year)
    picture = reverse(CHANNEL_PICTURE, args=[found.login, year])
    context = {
        "channel": found,
        "recap": told,
        "picture": request.build_absolute_uri(picture),
        "earlier": reverse(CHANNEL_PAGE, args=[found.login, year - 1]) if told.has_earlier else "",
        "later": reverse(CHANNEL_PAGE, args=[found.login, year + 1]) if told.has_later else "",
    }
    return render(request, "chat/channel_recap.html", context)


@read_only
@kept_ready
def picture_of_channel(_request: HttpRequest, channel: str, year: int) -> HttpResponse:
    return png(_channel_card(listed_channel(channel), year))


def _viewer_card(person: Person, year: int) -> Card:
    told = recap.of(person, year)
    figures = figures_of(told.sums, told.lists)
    if told.standings.streak > 1:
        figures.append(Figure(str(told.standings.streak), "streams in a row"))
    return Card(
        headline=name_of(person),
        under=f"{_named(year, told.is_present)} in the chat of {channel_name(person.channel)}",
        figures=figures,
        values={square.day: square.value for square in told.calendar.year.squares},
        last=told.calendar.year.last,
        corner=str(year),
    )


def _channel_card(channel: Channel, year: int) -> Card:
    told = channelyear.of(channel, year)
    lasted = durations.spoken(timedelta(seconds=told.streams.seconds))
    return Card(
        headline=channel_name(channel),
        under=_named(year, told.is_present),
        figures=[
            Figure(lasted, "on air"),
            Figure(numbers.compact(told.streams.count), numbers.noun(told.streams.count, "stream")),
            Figure(numbers.compact(told.sums.messages), numbers.noun(told.sums.messages, "message")),
            Figure(numbers.compact(told.streams.new_viewers), "new viewers"),
        ],
        values={square.day: square.value for square in told.calendar.squares},
        last=told.calendar.last,
        corner=str(year),
    )


def _named(year: int, is_present: bool) -> str:
    return f"{year} so far" if is_present else f"The year {year}"
