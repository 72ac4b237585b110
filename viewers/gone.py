"""Who is shown no more: what is told of that to whoever has a copy, or was told of them before.

That somebody hid is told as the viewer. Nothing is told of what they do after it, nor where they were never shown:
somebody who hid everywhere and comes to a channel later was never there, as far as anybody else can know.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Subquery, Value, When

from streams.models import Change, Channel
from streams.sync import VISIBILITY, Choice
from viewers.models import Profile, Viewer, ViewerTotal
from viewers.visibility import HIDDEN, people_in, shown_in

OVERLAP = timedelta(minutes=1)
"""What was chosen so shortly one after the other may have overlapped, and either may have come first."""


class Trace(NamedTuple):
    """Rows of a channel that tell of viewers."""

    rows: QuerySet[Any]
    at: str
    """The column that says since when."""


COUNTED = (Trace(ViewerTotal.objects.all(), "first_seen_at"),)


class End(NamedTuple):
    """Until when somebody was shown in a channel."""

    at: datetime
    was_seen: bool
    """Whether anything there told of them by then."""


def shown_of(channel: Channel, viewers: Iterable[str], *, with_bots: bool = False) -> set[str]:
    """Those of them who are shown."""
    return _of(viewers, shown_in(channel, "pk") if with_bots else people_in(channel, "pk"))


def met_of(channel: Channel, viewers: Iterable[str], traces: Sequence[Trace] = COUNTED) -> set[str]:
    """Those of them who are shown, bots too, and of whom there is anything that tells of them."""
    theirs = (Exists(trace.rows.filter(channel=channel, viewer=OuterRef("pk"))) for trace in traces)
    leaves_traces = Q()
    for each in theirs:
        leaves_traces |= Q(each)
    return _of(viewers, shown_in(channel, "pk") & leaves_traces)


def _of(viewers: Iterable[str], are_meant: Q) -> set[str]:
    return set(Viewer.objects.filter(are_meant, pk__in=set(viewers)).values_list("pk", flat=True))


def gone_from(
    channel: Channel, chosen: Mapping[str, Choice], *, with_bots: bool = False, traces: Sequence[Trace] = COUNTED
) -> list[str]:
    """Those of whom the log says that something was chosen, who are shown no more and were before. One query."""
    ends = ends_of(channel, chosen, with_bots=with_bots, traces=traces)
    return sorted(viewer for viewer, end in ends.items() if end.was_seen)


def ends_of(
    channel: Channel, chosen: Mapping[str, Choice], *, with_bots: bool = False, traces: Sequence[Trace] = COUNTED
) -> dict[str, End]:
    """Until when these viewers were shown, of whom that was ended by what they chose. One query."""
    if not chosen:
        return {}
    is_shown = shown_in(channel, "pk") if with_bots else people_in(channel, "pk")
    decided = Profile.objects.filter(channel=channel, viewer=OuterRef("pk")).values("visibility")
    # The log says of a choice for one channel only where it would have shown or hidden them.
    since_hidden = Change.objects.filter(
        channel=channel, resource=VISIBILITY, key=OuterRef("pk"), sealed="", at__gt=OuterRef("hidden_at")
    )
    found = Viewer.objects.filter(pk__in=list(chosen)).annotate(
        is_shown=Case(When(is_shown, then=Value(True)), default=Value(False)),
        decided=Subquery(decided),
        is_decided_since=Exists(since_hidden),
        **{f"since_{number}": _first(channel, trace) for number, trace in enumerate(traces)},
    )
    columns = ("pk", "is_shown", "hidden_at", "decided", "is_decided_since")
    ends: dict[str, End] = {}
    for viewer, shown, hidden_at, visibility, is_decided_since, *since in found.values_list(
        *columns, *(f"since_{number}" for number in range(len(traces)))
    ):
        was_shown = is_decided_since or _shows(channel, visibility or "")
        at = None if shown else _ended_at(chosen[viewer], hidden_at, was_shown=was_shown)
        first = min(filter(None, since), default=None)
        if at:
            ends[viewer] = End(at, was_seen=first is not None and first < at)
    return ends


def _first(channel: Channel, trace: Trace) -> Subquery:
    theirs = trace.rows.filter(channel=channel, viewer=OuterRef("pk"))
    return Subquery(theirs.order_by(trace.at).values(trace.at)[:1])


def _ended_at(choice: Choice, hidden_at: datetime | None, *, was_shown: bool) -> datetime | None:
    """When these choices ended that somebody was shown; None where they were not shown, or that ended otherwise.

    Who is hidden everywhere already is not hidden anew in one channel, by a moderator either. And of a choice for
    everywhere, a page says nothing that was hidden there before: that has an entry of its own.
    """
    ends: list[datetime] = []
    if choice.here and not (hidden_at and hidden_at < choice.here - OVERLAP):
        ends.append(choice.here)
    if choice.everywhere and was_shown:
        ends.append(min(choice.everywhere, hidden_at or choice.everywhere))
    return max(ends, default=None)


def _shows(channel: Channel, decided: str) -> bool:
    """Whether a page would be shown, if its viewer had not hidden everywhere."""
    return decided not in HIDDEN if channel.is_open else decided == Profile.Visibility.SHOWN
