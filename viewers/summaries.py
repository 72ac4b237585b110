"""What becomes of summaries when a viewer takes back what they agreed to, or is erased."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet

from streams.quickredis import quick_redis
from viewers.models import Claim, Consent, Summary, SummaryTurn

PREFIX = "streamstats:summaries:"


def told_in(summary: int) -> str:
    """Where in Redis it is told how far a summary is, with the claims there are by then."""
    return f"{PREFIX}{summary}"


def forget(viewer_id: str, *kinds: Consent.Kind, channel_id: int | None = None) -> Counter[str]:
    """Delete every version of what was made with these consents, in a channel or in all; how many rows of each table.

    Whoever keeps one holds the row of the viewer, and asks again whether they agree: hold it too. Raises RedisError,
    for what is told of them while they are written is deleted, too. When their next one is due stays known: whoever
    agreed again would have the same hundred messages summarised again.
    """
    found: list[QuerySet[Any]] = []
    if Consent.Kind.SUMMARY in kinds:
        summaries = Summary.objects.filter(_in(channel_id), viewer=viewer_id)
        tell_no_more(summaries.values_list("pk", flat=True))
        found.append(summaries)
        # What rests on answers to them, in summaries of others.
        found.append(Claim.objects.filter(_in(channel_id, "summary__"), people=viewer_id, summary__stream=None))
    if Consent.Kind.RECAP in kinds:
        found.append(Claim.objects.filter(_in(channel_id, "summary__"), people=viewer_id, summary__viewer=None))
    return sum((Counter(rows.delete()[1]) for rows in found), Counter())


def erase(viewer_id: str, channel_id: int | None = None) -> Counter[str]:
    """Delete all that summaries and recaps have of a viewer, in a channel or in all; how many rows of each table."""
    turns = SummaryTurn.objects.filter(_in(channel_id), viewer=viewer_id)
    return forget(viewer_id, *Consent.Kind, channel_id=channel_id) + Counter(turns.delete()[1])


def _in(channel_id: int | None, path: str = "") -> Q:
    return Q() if channel_id is None else Q(**{f"{path}channel": channel_id})


def tell_no_more(summaries: Iterable[int]) -> None:
    if names := [told_in(summary) for summary in summaries]:
        quick_redis().delete(*names)
