"""Links to what is told of a viewer."""

from collections.abc import Iterable
from html import escape

from django import template
from django.http import HttpRequest
from django.template.context import RequestContext
from django.urls import reverse
from django.utils.safestring import SafeString

from chat.portrait.facts import Attendance
from chat.portrait.person import PAGE, RECAP, Name, Person
from chat.portrait.stretch import OF_STREAM
from streams.models import Channel
from streamstats.lib.addresses import address
from streamstats.lib.markup import count, day, lasted, share
from viewers.models import ViewerStream

register = template.Library()


@register.simple_tag(takes_context=True)
def channel_picture(context: RequestContext, channel: Channel) -> str:
    """The whole address of the picture that stands for a channel's pages."""
    request: HttpRequest = context["request"]
    return request.build_absolute_uri(reverse("chat:channel_picture", args=[channel.login]))


@register.simple_tag
def page_about(person: Person) -> str:
    return person.address_of(PAGE)


@register.simple_tag
def recap_of(person: Person, year: int) -> str:
    return person.address_of(RECAP, year)


@register.simple_tag
def streams_attended(person: Person, attended: Iterable[Attendance]) -> SafeString:
    """Streams as items of a list, each with how much of it they watched. Node by node it costs ten times as much.

    Titles and names are other people's, so they are escaped here.
    """
    return SafeString("\n".join(_attended(person, *each) for each in attended))


def _attended(person: Person, row: ViewerStream, percent: int) -> str:
    stream = row.stream
    page = escape(address("chat:stream", person.channel.login, stream.pk))
    about = escape(person.address_of(PAGE, stretch=f"{OF_STREAM}{stream.pk}"))
    when = day(stream.started_at) if stream.ended_at else '<span class="live-word">live</span>'
    watched = f"{lasted(row.watch_seconds)}, {percent} %" if row.watch_seconds else "wrote only"
    return (
        f'<li>\n<a href="{page}"><bdi>{escape(stream.title or "Untitled")}</bdi></a>\n'
        f"{share(percent, 'of the stream watched')}\n"
        f'<span class="aside">{when} · <a href="{about}" title="{escape(str(person))} in this stream">{watched}</a>'
        f" · {count(row.messages, 'message')}</span>\n</li>"
    )


@register.simple_tag
def name_in_use(person: Person, login: str) -> Name | None:
    """When a viewer had a login, in whatever case it is asked for."""
    return person.name_in_use(login) or person.name_in_use(login.lower())
