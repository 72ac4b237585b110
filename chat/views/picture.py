"""Pictures for links: of a viewer's page and of a channel's. Who is not shown has none, whoever asks."""

from datetime import UTC, datetime, time

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from chat import pictures
from chat.pictures import Card, Figure
from chat.portrait import facts, lists
from chat.portrait import stretch as stretches
from chat.portrait.person import PICTURE, Person, the_one
from streams.access import listed_channel
from streams.models import Channel
from streams.pages import kept_ready
from streamstats.lib import durations, numbers, periods, year
from streamstats.lib.methods import read_only


@read_only
@kept_ready
def of_viewer(request: HttpRequest, channel: str, login: str) -> HttpResponse:
    found = listed_channel(channel)
    person = the_one(request, found, login, PICTURE)
    if isinstance(person, HttpResponse):
        return person
    return png(viewer_card(shown(person)))


@read_only
@kept_ready
def of_channel(request: HttpRequest, channel: str) -> HttpResponse:
    return png(channel_card(listed_channel(channel)))


def png(card: Card) -> HttpResponse:
    return HttpResponse(pictures.draw(card), content_type="image/png")


def shown(person: Person) -> Person:
    """The person, if strangers see them: a picture is made to be passed on, so nobody else gets one either."""
    if not person.is_shown:
        raise Http404(f"There is no picture of {person}.")
    return person


def viewer_card(person: Person) -> Card:
    told = stretches.Stretch(periods.ALL_TIME, timezone.now().astimezone(UTC).date())
    first = year.first_day(told.today)
    days = facts.days_of(person, first, told.today + facts.DAY)
    listed = lists.read(person, None, None, datetime.combine(first, time(), UTC))
    calendar = facts.calendar(days, told, listed.known_since, listed.gaps)
    return Card(
        headline=name_of(person),
        under=f"in the chat of {channel_name(person.channel)} since {person.total.first_seen_at:%-d %b %Y}",
        figures=figures_of(facts.all_time(person), listed),
        values={square.day: square.value for square in calendar.year.squares},
        last=told.today,
    )


def figures_of(sums: facts.Sums, listed: lists.Lists) -> list[Figure]:
    """What is large on a card; what there is nothing of is left out."""
    figures = [Figure(durations.spoken(sums.watched), "watched")] if sums.watch_seconds else []
    if sums.messages or not figures:
        figures.append(Figure(numbers.compact(sums.messages), numbers.noun(sums.messages, "message")))
    if listed.attended_streams:
        told = f"{numbers.compact(listed.attended_streams)} of {numbers.compact(listed.known_streams)}"
        figures.append(Figure(told, "streams"))
    return figures


def channel_card(channel: Channel) -> Card:
    today = timezone.now().astimezone(UTC).date()
    days = channel.days.filter(day__gte=year.first_day(today)).values_list("day", "messages")
    counts = channel.counts
    return Card(
        headline=channel_name(channel),
        under="What a Twitch chat comes to",
        figures=[
            Figure(numbers.compact(counts.messages), numbers.noun(counts.messages, "message")),
            Figure(numbers.compact(counts.chatters), numbers.noun(counts.chatters, "chatter")),
            Figure(numbers.compact(counts.emotes), numbers.noun(counts.emotes, "emote")),
        ],
        values=dict(days),
        last=today,
    )


def name_of(person: Person) -> str:
    return pictures.writable(str(person.viewer), person.viewer.login)


def channel_name(channel: Channel) -> str:
    return pictures.writable(str(channel), channel.login or "")
