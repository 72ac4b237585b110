"""What a viewer who has no summary yet can do about it, or what they wait for. It is told to them alone."""

from typing import NamedTuple

from django.db.models import Exists, OuterRef, Subquery

from chat.summaries.due import EVERY
from streams.models import Channel
from viewers.choices import WORDING
from viewers.models import Consent, Summary, SummaryPolicy, SummaryTurn, ViewerTotal


class Step(NamedTuple):
    """Where a viewer is on the way to a summary. `kind` is one of agree, write, wait, review, hidden, failed."""

    kind: str
    messages: int = 0
    """How many more they write until one comes by itself."""


KINDS = {
    Summary.State.WAITING: "wait",
    Summary.State.RUNNING: "wait",
    Summary.State.REVIEW: "review",
    Summary.State.HIDDEN: "hidden",
    Summary.State.REFUSED: "failed",
    Summary.State.FAILED: "failed",
}


def next_of(channel: Channel, total: ViewerTotal) -> Step | None:
    """The step that is next for the viewer of this total; None where the channel has no summaries. One query."""
    kind, viewer = Consent.Kind.SUMMARY, total.viewer_id
    consents = Consent.objects.filter(viewer=viewer, kind=kind, wording=WORDING[kind], withdrawn_at=None)
    versions = Summary.objects.filter(channel=OuterRef("channel"), viewer=viewer).order_by("-number")
    turns = SummaryTurn.objects.filter(channel=OuterRef("channel"), viewer=viewer)
    policies = SummaryPolicy.objects.filter(channel=channel, is_on=True).annotate(
        is_agreed=Exists(consents),
        newest=Subquery(versions.values("state")[:1]),
        written=Subquery(turns.values("messages")[:1]),
    )
    found = policies.values_list("is_agreed", "newest", "written").first()
    if found is None:
        return None
    is_agreed, newest, written = found
    if not is_agreed:
        return Step("agree")
    return Step(KINDS.get(newest, "write"), max(0, EVERY - total.messages + (written or 0)))
