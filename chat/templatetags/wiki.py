"""Links to the text on a viewer's page."""

from django import template

from chat.portrait.person import Person

register = template.Library()


@register.simple_tag
def page_of(person: Person, page: str, *more: object) -> str:
    """The address of a page about somebody, by the name that it has in chat/urls.py."""
    return person.address_of(page, *more)


@register.filter
def named(authors: dict[int, str], user_id: int | None) -> str:
    """The name of a user, where it may be shown."""
    return authors.get(user_id, "") if user_id else ""
