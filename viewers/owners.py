"""What the owner of a channel decides for everybody in it."""

from streams.models import Channel
from streams.pages import forgetting
from viewers.models import SummaryPolicy


def set_pages(channel: Channel, policy: Channel.PagePolicy) -> None:
    """Have a page for every viewer, or only for who asks. Raises NotNow, and nothing has changed then."""
    with forgetting([channel.login]):
        Channel.objects.filter(pk=channel.pk).update(page_policy=policy)
        channel.page_policy = policy


def summaries_of(channel: Channel) -> SummaryPolicy:
    """What was decided about summaries, or what holds where nothing was."""
    return SummaryPolicy.objects.filter(channel=channel).first() or SummaryPolicy(channel=channel)


def set_summaries(policy: SummaryPolicy) -> None:
    """Decide about the summaries that are made from now on. Those that are there stay, so no page has to be told."""
    policy.save()
