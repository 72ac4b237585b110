"""What was said of a viewer before, from which the next summary may grow."""

from chat.summaries.page import presentable
from streams.models import Channel
from viewers.models import Claim, Summary, Viewer


def said(channel: Channel, viewer: Viewer) -> list[str]:
    """What the version before says, but what it says by the words of others: they are asked anew each time."""
    newest = Summary.objects.of_viewer(channel, viewer).shown().order_by("-number").values("pk")[:1]
    claims = presentable(channel, Claim.objects.filter(summary=newest, people=None))
    return list(claims.values_list("text", flat=True))
