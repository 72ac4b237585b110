"""What the owner of a channel decides for everybody in it."""

import structlog
from redis.exceptions import RedisError

from streams import pages
from streams.models import Channel
from viewers.choices import AWAY, NotNow

log = structlog.get_logger(__name__)


def set_pages(channel: Channel, policy: Channel.PagePolicy) -> None:
    """Have a page for every viewer, or only for who asks. Raises NotNow, and nothing has changed then.

    Pages that were kept ready are forgotten before, or it could not be said that it holds, and after.
    """
    logins = [channel.login] if channel.login else []
    try:
        pages.forget(logins)
    except RedisError as error:
        raise NotNow(AWAY) from error
    Channel.objects.filter(pk=channel.pk).update(page_policy=policy)
    channel.page_policy = policy
    try:
        pages.forget(logins)
    except RedisError:
        log.exception("pages.not_forgotten", channels=logins)
