"""Spans of time in words."""

from datetime import timedelta

MINUTE, HOUR, DAY = 60, 3600, 86400


def spoken(span: timedelta) -> str:
    """How long something took: "40 s", "25 m", "3 h 40 m", "212 h"."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} m"
    hours, minutes = seconds // HOUR, seconds % HOUR // MINUTE
    return f"{hours} h {minutes} m" if hours < 10 and minutes else f"{hours:,} h"


def exact(span: timedelta) -> str:
    """The same to the second: "212 h 3 m 20 s", "3 m 20 s"."""
    seconds = max(0, round(span.total_seconds()))
    hours, minutes, seconds = seconds // HOUR, seconds % HOUR // MINUTE, seconds % MINUTE
    return f"{hours:,} h {minutes} m {seconds} s" if hours else f"{minutes} m {seconds} s"


def ago(span: timedelta) -> str:
    """How long ago something was: "just now", "5 min ago", "yesterday", "3 months ago"."""
    seconds = span.total_seconds()
    if seconds < 45:
        return "just now"
    if seconds < HOUR:
        return f"{max(1, int(seconds // MINUTE))} min ago"
    if seconds < DAY:
        return f"{int(seconds // HOUR)} h ago"
    days = int(seconds // DAY)
    if days < 2:
        return "yesterday"
    if days < 60:
        return f"{days} days ago"
    return f"{days // 30} months ago" if days < 730 else f"{days // 365} years ago"
