"""Summaries in templates: what each sentence rests on, told as times and numbers alone.

Messages are shown to nobody here; what a summary says is plain text, which templates escape.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from django import template
from django.utils.safestring import SafeString

from chat.summaries.page import Shown
from streamstats.lib.markup import told
from streamstats.lib.numbers import counted
from viewers.models import Claim

register = template.Library()


@register.simple_tag
def source_mark(shown: Shown, claim: Claim) -> SafeString:
    """The number of a claim among those that rest on messages: a link to what it rests on."""
    if not claim.source_times:
        return SafeString("")
    number = [each.pk for each in shown.sourced].index(claim.pk) + 1
    return SafeString(
        f'<sup><a href="#source-{number}" title="{rests_on(claim)}">'
        f'<span class="hidden">Source </span>{number}</a></sup>'
    )


@register.simple_tag
def clocks_of(claim: Claim) -> SafeString:
    """The same within one evening: "from 3 messages, 20:14 to 20:31", in the reader's own zone."""
    if not claim.source_times:
        return SafeString("from numbers")
    first, last = min(claim.source_times), max(claim.source_times)
    ends = [told(at, "hour", f"{at.astimezone(UTC):%H:%M}") for at in dict.fromkeys((first, last))]
    return SafeString(f"from {counted(len(claim.source_times), 'message')}, {' to '.join(ends)}")


@register.simple_tag
def rests_on(claim: Claim) -> str:
    """How many messages a claim rests on, and from when: "from 3 messages, 2 to 9 Nov 2026"."""
    return f"from {counted(len(claim.source_times), 'message')}, {span(claim.source_times)}"


def span(times: Sequence[datetime]) -> str:
    """The days between the first and the last of some moments, UTC, each part of a date said once."""
    first, last = (at.astimezone(UTC).date() for at in (min(times), max(times)))
    return f"{last:%-d %b %Y}" if first == last else f"{_begun(first, last)} to {last:%-d %b %Y}"


def _begun(first: date, last: date) -> str:
    if first.year != last.year:
        return f"{first:%-d %b %Y}"
    return f"{first:%-d %b}" if first.month != last.month else f"{first.day}"


@register.filter
def of(found: Mapping[int, Sequence[Any]], key: int) -> Sequence[Any]:
    """What there is of one claim, by its id."""
    return found.get(key, ())
