"""Who is shown no more: what is told of that to whoever has a copy, or was told of them before.

That somebody hid is told as the viewer. Nothing is told of what they do after it, nor where they were never shown:
somebody who hid everywhere and comes to a channel later was never there, as far as anybody else can know.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Case, OuterRef, QuerySet, Subquery, Value, When

from streams.models import Channel
from streams.sync import Choice
from viewers.models import Profile, Viewer, ViewerTotal
from viewers.visibility import HIDDEN, people_in, shown_in


class Trace(NamedTuple):
    """Rows of a channel that tell of viewers."""

    rows: QuerySet[Any]
    at: str
    """The column that says since when."""


COUNTED = (Trace(ViewerTotal.objects.all(), "first_seen_at"),)


def shown_of(channel: Channel, viewers: Iterable[str], *, with_bots: bool = False) -> set[str]:
    """Those of them who are shown."""
    is_shown = shown_in(channel, "pk") if with_bots else people_in(channel, "pk")
    return set(Viewer.objects.filter(is_shown, pk__in=set(viewers)).values_list("pk", flat=True))


def gone_from(
    channel: Channel, chosen: Mapping[str, Choice], *, with_bots: bool = False, traces: Sequence[Trace] = COUNTED
) -> list[str]:
    """Those of whom the log says that something was chosen, who are shown no more and were before. One query."""
    if not chosen:
        return []
    is_shown = shown_in(channel, "pk") if with_bots else people_in(channel, "pk")
    decided = Profile.objects.filter(channel=channel, viewer=OuterRef("pk")).values("visibility")
    found = Viewer.objects.filter(pk__in=list(chosen)).annotate(
        is_shown=Case(When(is_shown, then=Value(True)), default=Value(False)),
        decided=Subquery(decided),
        **{f"since_{number}": _first(channel, trace) for number, trace in enumerate(traces)},
    )
    columns = ("pk", "is_shown", "hidden_at", "decided", *(f"since_{number}" for number in range(len(traces))))
    return sorted(
        viewer
        for viewer, shown, hidden_at, visibility, *since in found.values_list(*columns)
        if not shown
        and _is_before(min((at for at in since if at), default=None), chosen[viewer].at, hidden_at)
        # Of a choice for everywhere, a page says nothing that was hidden here anyway: that has an entry of its own.
        and (chosen[viewer].is_here or _shows(channel, visibility or ""))
    )


def _first(channel: Channel, trace: Trace) -> Subquery:
    theirs = trace.rows.filter(channel=channel, viewer=OuterRef("pk"))
    return Subquery(theirs.order_by(trace.at).values(trace.at)[:1])


def _is_before(since: datetime | None, chosen_at: datetime, hidden_at: datetime | None) -> bool:
    """Whether somebody was seen in the channel, and that before they hid."""
    return since is not None and since < min(chosen_at, hidden_at or chosen_at)


def _shows(channel: Channel, decided: str) -> bool:
    """Whether a page would be shown, if its viewer had not hidden everywhere."""
    return decided not in HIDDEN if channel.is_open else decided == Profile.Visibility.SHOWN
