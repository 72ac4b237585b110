"""Numbers, times and pictures in templates. Each line hands over to `streamstats.lib`.

A page has a hundred of them. They are made of numbers, dates and the template's own words, so nothing in them needs to
be escaped, which takes five times as long.
"""

from datetime import UTC, datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString

from streamstats.lib import colors, durations, numbers
from streamstats.lib.evening import Evening

register = template.Library()

NONE = "&ndash;"

register.filter("grouped", numbers.grouped)
register.filter("compact", numbers.compact)
register.filter("ordinal", numbers.ordinal)
register.filter("is_color", colors.is_color)
register.filter("ink_on", colors.ink_on)


@register.simple_tag
def number(value: int, live: str = "") -> SafeString:
    """A number rounded for reading, the exact one on hover and for machines; `live` names what moves it."""
    moved = f' data-live="{live}"' if live else ""
    return SafeString(f'<data value="{value:d}" title="{value:,d}"{moved}>{numbers.compact(value)}</data>')


@register.simple_tag
def count(value: int, singular: str, plural: str = "") -> SafeString:
    """A number with its noun, the exact number on hover."""
    text = numbers.counted(value, singular, plural)
    return SafeString(f'<data value="{value:d}" title="{value:,d}">{text}</data>')


@register.simple_tag
def noun(value: int, singular: str, live: str) -> SafeString:
    """The noun of a number that stands elsewhere, and that `live` moves."""
    many, shown = numbers.noun(2, singular), numbers.noun(value, singular)
    return SafeString(f'<span data-noun="{live}" data-one="{singular}" data-many="{many}">{shown}</span>')


@register.simple_tag
def moment(at: datetime) -> SafeString:
    """A date and time: UTC as written by the server, the reader's own zone once the script has run."""
    return _time(at, "moment", f"{at:%-d %b %Y, %H:%M} UTC")


@register.simple_tag
def day(at: datetime) -> SafeString:
    return _time(at, "day", f"{at:%-d %b %Y}")


@register.simple_tag
def ago(at: datetime) -> SafeString:
    return _time(at, "ago", durations.ago(timezone.now() - at))


@register.simple_tag
def clock(at: datetime) -> SafeString:
    """An hour and minute, where the day is known."""
    return _time(at, "hour", f"{at:%H:%M}")


@register.simple_tag
def dated_clock(at: datetime) -> SafeString:
    """An hour and minute, where the year is known."""
    return _time(at, "short", f"{at:%-d %b, %H:%M}")


@register.filter
def spoken(span: timedelta) -> str:
    return durations.spoken(span)


@register.simple_tag
def lasted(seconds: int) -> SafeString:
    """A length of time as people say it, the exact one on hover."""
    span = timedelta(seconds=seconds)
    return SafeString(f'<data value="{seconds:d}" title="{durations.exact(span)}">{durations.spoken(span)}</data>')


@register.simple_tag
def evening_rows(evening: Evening) -> SafeString:
    """The rows of the table behind the picture of a stream: hundreds, too many for a template."""
    kind, shown = ("short", "%-d %b, %H:%M") if evening.spans_days else ("hour", "%H:%M")
    rows = (
        f'<tr><th scope="row">{_time(slot.at, kind, f"{slot.at:{shown}}")}</th>'
        f'<td class="number">{NONE if slot.viewers is None else f"{slot.viewers:,d}"}</td>'
        f'<td class="number">{_rate(slot.rate)}</td></tr>'
        for slot in evening.slots
    )
    return SafeString("\n".join(rows))


def _rate(rate: float | None) -> str:
    return "not received" if rate is None else f"{rate:,.1f}".removesuffix(".0")


def _time(at: datetime, kind: str, text: str) -> SafeString:
    utc = at.astimezone(UTC)
    machine, exact = f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{utc:%-d %b %Y, %H:%M:%S}"
    return SafeString(f'<time datetime="{machine}" title="{exact} UTC" data-as="{kind}">{text}</time>')
