"""Links to what is told of a viewer."""

from django import template
from django.http import HttpRequest
from django.template.context import RequestContext
from django.urls import reverse

from chat.portrait.person import PAGE, RECAP, Name, Person
from chat.portrait.stretch import OF_STREAM
from streams.models import Channel, Stream

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
def told_of(person: Person, stream: Stream) -> str:
    """The page of a viewer about one stream."""
    return person.address_of(PAGE, stretch=f"{OF_STREAM}{stream.pk}")


@register.simple_tag
def name_in_use(person: Person, login: str) -> Name | None:
    """When a viewer had a login, in whatever case it is asked for."""
    return person.name_in_use(login) or person.name_in_use(login.lower())
