"""Achievements in templates. Their pictures are a plate, and on it the sign of the group that the achievement is of.

A page has thirty, and node by node of a template each costs ten times as much. What a stream is called is its
streamer's, so whoever adds a part here escapes it.
"""

from collections.abc import Iterable
from functools import cache
from html import escape

from django import template
from django.utils.safestring import SafeString

from chat.awards import Coming, Earned
from streams.models import Channel
from streamstats.lib.addresses import address
from streamstats.lib.markup import day, share

register = template.Library()

PLATE = "M20 1.5 35.5 10.2v19.6L20 38.5 4.5 29.8V10.2z"
SIGNS = {
    "words": "M11 12h18v13H19l-5 4v-4h-3z",
    "time": "M20 10a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm-1 4h2v5.4l4 2.3-1 1.8-5-2.9z",
    "days": "M11 12h3v-2h2v2h8v-2h2v2h3v17H11zm2 6v9h14v-9zm2 2h4v4h-4z",
    "streams": "M11 12h18v13H11zm6 3.5v6l6-3zM15 27h10v2H15z",
    "emotes": "M20 10a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm-4 6h2v3h-2zm6 0h2v3h-2zm-7 6h10a5 4 0 0 1-10 0z",
    "giving": "M20 30l-8.5-8.6a5.2 5.2 0 0 1 7.4-7.4l1.1 1.1 1.1-1.1a5.2 5.2 0 0 1 7.4 7.4z",
}
STAR = "M20 9l3.2 6.9 7.5.9-5.5 5.2 1.4 7.5-6.6-3.7-6.6 3.7 1.4-7.5-5.5-5.2 7.5-.9z"


@register.simple_tag
@cache
def medal(group: str, is_open: bool = False) -> SafeString:
    """The medal of a group; open, with nothing but its outline, for what is still to come."""
    return SafeString(
        f'<svg class="medal of-{group}{" open" if is_open else ""}" width="40" height="40" viewBox="0 0 40 40"'
        f' aria-hidden="true"><path class="plate" d="{PLATE}"/>'
        f'<path class="sign" d="{SIGNS.get(group, STAR)}" fill-rule="evenodd"/></svg>'
    )


@register.simple_tag
def honours(channel: Channel, earned: Iterable[Earned]) -> SafeString:
    """What somebody has, as items of a list."""
    return SafeString("\n".join(_honour(channel, each) for each in earned))


@register.simple_tag
def honours_to_come(coming: Iterable[Coming]) -> SafeString:
    """What comes next, and how far it is."""
    return SafeString(
        "\n".join(
            _item(
                medal(each.achievement.group, is_open=True),
                _named(each, ""),
                f"<p>{escape(each.why)}</p>",
                share(each.share, "of the way"),
                f'<p class="muted">{escape(each.reached)} so far</p>',
            )
            for each in coming
        )
    )


def _honour(channel: Channel, each: Earned) -> str:
    amount = f' <span class="muted">It was {escape(each.amount)}.</span>' if each.amount else ""
    at = each.earned_at
    when = f'<time datetime="{at:%Y-%m-%d}">{at:%-d %b %Y}</time>' if each.is_of_a_day else day(at)
    where = ""
    if each.stream:
        stream = escape(address("chat:stream", channel.login, each.stream.pk))
        where = f' · <a href="{stream}"><bdi>{escape(each.stream.title or "the stream")}</bdi></a>'
    return _item(
        medal(each.achievement.group),
        _named(each, ", the highest" if each.is_highest else ""),
        f"<p>{escape(each.why)}{amount}</p>",
        f'<p class="muted">{when}{where}</p>',
    )


def _item(picture: str, *lines: str) -> str:
    return "\n".join(["<li>", picture, "<div>", *lines, "</div>", "</li>"])


def _named(each: Earned | Coming, more: str) -> str:
    level = "" if each.achievement.is_single else f' <span class="muted">level {each.level}{more}</span>'
    return f'<p class="name">{escape(each.achievement.name)}{level}</p>'
