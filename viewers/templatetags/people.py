"""People in templates. A page has fifty of them, and node by node of a template each costs ten times as much.

What they are called is theirs, so whoever adds a part here escapes it.
"""

from html import escape
from typing import Any

from django import template
from django.utils.safestring import SafeString

from streams.models import Channel
from streamstats.lib.colors import ink_on, is_color
from viewers.addresses import viewer_address

register = template.Library()

register.simple_tag(viewer_address)


@register.simple_tag
def face(viewer: Any, size: int) -> SafeString:
    """Their picture, or their first letter in their colour."""
    if viewer.avatar_url:
        return SafeString(
            f'<img class="face" src="{escape(viewer.avatar_url)}" alt="" width="{size:d}" height="{size:d}"'
            ' loading="lazy" decoding="async">'
        )
    fill, ink, plain = "", "", ' class="plain"'
    if is_color(viewer.color):
        fill, ink, plain = f' fill="{viewer.color}"', f' fill="{ink_on(viewer.color)}"', ""
    return SafeString(
        f'<svg class="face" width="{size:d}" height="{size:d}" viewBox="0 0 40 40" aria-hidden="true">'
        f'<circle{plain} cx="20" cy="20" r="20"{fill}/><text{plain} x="20" y="26.5" text-anchor="middle"{ink}>'
        f"{escape(viewer.display_name[:1].upper())}</text></svg>"
    )


@register.simple_tag
def login_of(viewer: Any) -> SafeString:
    """Their login, where their name tells another."""
    if not viewer.display_name or viewer.display_name.lower() == viewer.login:
        return SafeString("")
    return SafeString(f' <span class="muted login"><bdi>{escape(viewer.login)}</bdi></span>')


@register.simple_tag
def person(channel: Channel, viewer: Any, place: int = 0, size: int = 28) -> SafeString:
    """Face and name, and the place before them if there is one: a link to their page."""
    before = f'<span class="place">{place:d}</span>' if place else ""
    return SafeString(
        f'<a class="person" href="{escape(viewer_address(channel, viewer))}">{before}{face(viewer, size)}'
        f"<bdi>{escape(str(viewer))}</bdi></a>"
    )
