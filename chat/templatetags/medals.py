"""Pictures of achievements: a plate, and on it the sign of the group that the achievement is of."""

from functools import cache

from django import template
from django.utils.safestring import SafeString

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
