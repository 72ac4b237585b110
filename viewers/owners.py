"""What the owner of a channel decides for everybody in it."""

from streams.models import Channel
from streams.pages import forgetting


def set_pages(channel: Channel, policy: Channel.PagePolicy) -> None:
    """Have a page for every viewer, or only for who asks. Raises NotNow, and nothing has changed then."""
    with forgetting([channel.login]):
        Channel.objects.filter(pk=channel.pk).update(page_policy=policy)
        channel.page_policy = policy
