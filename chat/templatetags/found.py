"""What was looked for, marked where it was found."""

import re

from django import template
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter
def marking(text: str, marks: "re.Pattern[str] | None") -> SafeString:
    """A text of chat, escaped; every other part of what splits it is what was looked for."""
    if not marks:
        return conditional_escape(text)
    parts = (
        format_html("<mark>{}</mark>", part) if number % 2 else conditional_escape(part)
        for number, part in enumerate(marks.split(text))
    )
    return mark_safe("".join(parts))  # noqa: S308  # each part is escaped
