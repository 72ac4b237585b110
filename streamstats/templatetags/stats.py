"""Numbers and times in templates, a hundred on a page. Each line hands over to `streamstats.lib`.

They are made of numbers, dates and the template's own words, so nothing in them needs to be escaped.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString

from streamstats.lib import durations, numbers
from streamstats.lib.evening import Evening
from streamstats.lib.markup import count, day, lasted, number, told
from streamstats.lib.series import Step

register = template.Library()

NONE = "&ndash;"

register.filter("grouped", numbers.grouped)
register.filter("compact", numbers.compact)
register.filter("ordinal", numbers.ordinal)
register.simple_tag(number)
register.simple_tag(count)
register.simple_tag(lasted)
register.simple_tag(day)


@register.simple_tag
def noun(value: int, singular: str, live: str) -> SafeString:
    """The noun of a number that stands elsewhere, and that `live` moves."""
    many, shown = numbers.noun(2, singular), numbers.noun(value, singular)
    return SafeString(f'<span data-noun="{live}" data-one="{singular}" data-many="{many}">{shown}</span>')


@register.simple_tag
def moment(at: datetime) -> SafeString:
    """A date and time: UTC as written by the server, the reader's own zone once the script has run."""
    return told(at, "moment", f"{at:%-d %b %Y, %H:%M} UTC")


@register.simple_tag
def ago(at: datetime) -> SafeString:
    return told(at, "ago", durations.ago(timezone.now() - at))


@register.simple_tag
def clock(at: datetime) -> SafeString:
    """An hour and minute, where the day is known."""
    return told(at, "hour", f"{at:%H:%M}")


@register.simple_tag
def dated_clock(at: datetime) -> SafeString:
    """An hour and minute, where the year is known."""
    return told(at, "short", f"{at:%-d %b, %H:%M}")


@register.filter
def spoken(span: timedelta) -> str:
    return durations.spoken(span)


@register.simple_tag
def step_rows(steps: Iterable[Step]) -> SafeString:
    """The steps of a series as rows of a table, the latest first."""
    return SafeString(
        "\n".join(
            f'<tr><th scope="row"><time datetime="{step.first:%Y-%m-%d}">{step.first:%-d %b %Y}</time>'
            f'{"" if index else " so far"}</th><td class="number">{_stepped(step.value)}</td></tr>'
            for index, step in enumerate(reversed(list(steps)))
        )
    )


def _stepped(value: int | None) -> str:
    return "not received" if value is None else f'<data value="{value:d}">{numbers.grouped(value)}</data>'


@register.simple_tag
def evening_rows(evening: Evening) -> SafeString:
    """The rows of the table behind the picture of a stream: hundreds, too many for a template."""
    kind, shown = ("short", "%-d %b, %H:%M") if evening.spans_days else ("hour", "%H:%M")
    rows = (
        f'<tr><th scope="row">{told(slot.at, kind, f"{slot.at:{shown}}")}</th>'
        f'<td class="number">{NONE if slot.viewers is None else f"{slot.viewers:,d}"}</td>'
        f'<td class="number">{_rate(slot.rate)}</td></tr>'
        for slot in evening.slots
    )
    return SafeString("\n".join(rows))


def _rate(rate: float | None) -> str:
    return "not received" if rate is None else f"{rate:,.1f}".removesuffix(".0")
