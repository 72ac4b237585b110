"""Squares and rows of calendars. A page has hundreds of them, and node by node of a template each costs ten times as
much. They are made of numbers and dates alone, so nothing in them needs to be escaped."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django import template
from django.utils.safestring import SafeString

from streamstats.lib import durations
from streamstats.lib.week import Week
from streamstats.lib.year import Label, Year

register = template.Library()

NONE = "&ndash;"


@register.simple_tag
def labels(told: Iterable[Label]) -> SafeString:
    """The words beside squares: names of months, days and hours, all of them our own."""
    return SafeString("".join(f'<text x="{label.x}" y="{label.y}">{label.text}</text>' for label in told))


@register.simple_tag
def day_squares(year: Year, as_time: bool) -> SafeString:
    """The days of a calendar with anything in them; values are minutes if `as_time`."""
    size = f'width="{year.cell}" height="{year.cell}"'
    return _joined(
        f'<rect class="l{day.level}" x="{day.x}" y="{day.y}" {size}><title>{day.day:%a} {_dated(day.day)}: '
        f"{_lasted(60 * day.value) if as_time else f'{day.value:,}'}</title></rect>"
        for day in year.squares
    )


@register.simple_tag
def day_rows(days: Iterable[Any], with_time: bool) -> SafeString:
    """The same days as rows of a table: of anything with `day`, `messages` and `emotes`, and `watch_seconds`."""
    return _joined(
        f'<tr><th scope="row">{_dated(row.day)}</th>{_cell(f"{row.messages:,}")}{_cell(f"{row.emotes:,}")}'
        f"{_time_cell(row.watch_seconds) if with_time else ''}</tr>"
        for row in days
    )


@register.simple_tag
def hour_squares(week: Week) -> SafeString:
    """The hours of a week with anything in them."""
    size = f'width="{week.cell}" height="{week.cell}"'
    return _joined(
        f'<rect class="l{cell.level}" x="{cell.x}" y="{cell.y}" {size}>'
        f"<title>{cell.when}: {_lasted(cell.value)}</title></rect>"
        for cell in week.cells
    )


@register.simple_tag
def hour_rows(week: Week) -> SafeString:
    """The same hours as rows of a table, a column a weekday."""
    return _joined(
        f'<tr><th scope="row">{row.told}</th>{"".join(map(_time_cell, row.values))}</tr>' for row in week.rows
    )


def _cell(text: str) -> str:
    return f'<td class="number">{text}</td>'


def _time_cell(seconds: int) -> str:
    return _cell(_lasted(seconds) if seconds else NONE)


def _dated(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _lasted(seconds: int) -> str:
    return durations.spoken(timedelta(seconds=seconds))


def _joined(parts: Iterable[str]) -> SafeString:
    return SafeString("\n".join(parts))
