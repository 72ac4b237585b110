"""What was said of a viewer before: what the next summary may grow from, and what it must not say again."""

from django.db.models import Q

from chat.summaries.page import presentable
from chat.summaries.skeleton import words_of
from streams.models import Channel
from viewers.models import Claim, Summary, Viewer

State, Role = Summary.State, Summary.Role


def said(channel: Channel, viewer: Viewer) -> list[str]:
    """What the version before says, but what it says by the words of others: they are asked anew each time."""
    newest = Summary.objects.of_viewer(channel, viewer).shown().order_by("-number").values("pk")[:1]
    claims = presentable(channel, Claim.objects.filter(summary=newest, people=None))
    wrong = {tuple(words_of(text)) for text in not_again(channel, viewer)}
    return [text for text in claims.values_list("text", flat=True) if tuple(words_of(text)) not in wrong]


def not_again(channel: Channel, viewer: Viewer) -> set[str]:
    """What they said is wrong, in whichever version, and what a moderator hid that no version shows."""
    claims = Claim.objects.filter(summary__channel=channel, summary__viewer=viewer)
    hidden = Q(summary__state=State.HIDDEN, summary__decided_as=Role.MODERATOR)
    wrong = claims.filter(reported_at__isnull=False).values_list("text", flat=True)
    doubtful = claims.filter(hidden).values_list("text", flat=True)
    # Where a moderator shows an older version again, the newer ones are hidden with all that both say.
    shown = claims.filter(summary__state=State.SHOWN).values_list("text", flat=True)
    return set(wrong) | (set(doubtful) - set(shown))
