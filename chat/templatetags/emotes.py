"""Emotes in templates: pages have dozens, and node by node of a template each costs ten times as much.

What they are called, and where their pictures are, others told us, so whoever adds a part here escapes it.
"""

from collections.abc import Iterable
from html import escape
from typing import Any

from django import template
from django.utils.safestring import SafeString

from chat.models.emote import EmoteCount
from chat.portrait.facts import Favourite
from streams.models import Channel
from streamstats.lib.addresses import address
from streamstats.lib.markup import number

register = template.Library()

LARGE, SMALL, TILE = 96, 40, 32


@register.simple_tag
def emote_picture(emote: Any, size: int) -> SafeString:
    """The picture of an emote, or its name where there is none; of anything with `url`, `name` and `provider`."""
    return _picture(emote.url, emote.name, emote.provider, size, getattr(emote, "label", ""))


@register.simple_tag
def emote_tiles(channel: Channel, emotes: Iterable[EmoteCount]) -> SafeString:
    """Emotes with how often each was used, as items of a list."""
    return _joined(
        f'<li><a class="emote-link" href="{address("chat:emote", channel.login, emote["emote"])}">'
        f"{_picture(emote['url'], emote['name'], emote['provider'], TILE)}"
        f'<span class="uses">{number(emote["count"])}</span></a></li>'
        for emote in emotes
    )


@register.simple_tag
def favourites(channel: Channel, emotes: Iterable[Favourite]) -> SafeString:
    """The same with their names, and the first one large."""
    return _joined(
        f'<li><a href="{address("chat:emote", channel.login, emote.emote)}">'
        f"{emote_picture(emote, SMALL if index else LARGE)}"
        f'<span class="name">{escape(emote.name if emote.url else emote.provider)}</span>'
        f'<span class="uses">{number(emote.count)}</span></a></li>'
        for index, emote in enumerate(emotes)
    )


def _picture(url: str, name: str, provider: str, size: int, label: str = "") -> SafeString:
    title = f'title="{escape(name)} · {escape(provider)}"'
    if not url:
        return SafeString(f'<span class="glyph" {title}>{escape(label or name)}</span>')
    return SafeString(
        f'<img src="{escape(url)}" alt="{escape(name)}" {title} width="{size:d}" height="{size:d}"'
        ' loading="lazy" decoding="async">'
    )


def _joined(items: Iterable[str]) -> SafeString:
    return SafeString("\n".join(items))
