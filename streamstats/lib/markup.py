"""Numbers, times and shares as HTML, for templates and for the tags that write their long lists.

They are made of numbers, dates and our own words, so nothing in them needs to be escaped, which takes five times as
long.
"""

from datetime import UTC, datetime, timedelta

from django.utils.safestring import SafeString

from streamstats.lib import durations, numbers


def number(value: int, live: str = "") -> SafeString:
    """A number rounded for reading, the exact one on hover and for machines; `live` names what moves it."""
    moved = f' data-live="{live}"' if live else ""
    return SafeString(f'<data value="{value:d}" title="{value:,d}"{moved}>{numbers.compact(value)}</data>')


def count(value: int, singular: str, plural: str = "") -> SafeString:
    """A number with its noun, the exact number on hover."""
    text = numbers.counted(value, singular, plural)
    return SafeString(f'<data value="{value:d}" title="{value:,d}">{text}</data>')


def lasted(seconds: int) -> SafeString:
    """A length of time as people say it, the exact one on hover."""
    span = timedelta(seconds=seconds)
    return SafeString(f'<data value="{seconds:d}" title="{durations.exact(span)}">{durations.spoken(span)}</data>')


def day(at: datetime) -> SafeString:
    return told(at, "day", f"{at:%-d %b %Y}")


def told(at: datetime, kind: str, text: str) -> SafeString:
    """A time as `text` in UTC; the script tells it in the reader's own zone, in the way that `kind` names."""
    utc = at.astimezone(UTC)
    machine, exact = f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{utc:%-d %b %Y, %H:%M:%S}"
    return SafeString(f'<time datetime="{machine}" title="{exact} UTC" data-as="{kind}">{text}</time>')


def share(percent: int, of: str) -> SafeString:
    """A bar that is so far filled."""
    return SafeString(
        f'<svg class="share" width="100%" height="6" role="img" aria-label="{percent:d} % {of}">'
        '<rect class="whole" width="100%" height="6" rx="3"/>'
        f'<rect width="{percent:d}%" height="6" rx="3"/></svg>'
    )
