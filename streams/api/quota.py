"""The requests a key has for a UTC day: its owner is told before they are used up."""

from datetime import UTC, date, datetime

import structlog
from django.core.mail import send_mail
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from streams.mailing import address_for
from streams.models import ApiKey, Change

log = structlog.get_logger(__name__)

WARN_AT = (90, 100)
"""Percent of a day's requests."""
RESOURCE = "quota"


def look(key: ApiKey, asked: int) -> None:
    """Tell when this very request is the one that reached a mark. Each number is given once, so each mark is, too."""
    for percent in WARN_AT:
        if asked == mark(key, percent):
            from streams.tasks import tell_quota  # noqa: PLC0415 - jobs import what this module is part of

            today = datetime.now(UTC).date()
            try:
                tell_quota.delay(key.pk, percent, today.isoformat())
            except (OperationalError, RedisError, OSError) as error:
                log.warning("api.quota_not_mailed: the queue is away", key=key.prefix, error=str(error))
                _note(key, percent, today)


def mark(key: ApiKey, percent: int) -> int:
    """The request with which so much of a day's is used."""
    return max(1, -(-key.per_day * percent // 100))


def quota_reached(key: ApiKey, percent: int, day: date) -> None:
    """Tell webhooks, and by mail whoever the key names or runs the site, as far as an address is known."""
    _note(key, percent, day)
    if not (to := address_for(key)):
        log.warning("api.quota_reached", key=key.prefix, percent=percent)
        return
    used = "all" if percent >= 100 else f"{percent} %"
    send_mail(
        f"The API key {key.name} has used {used} of today's requests",
        f"The key {key} of {key.channel} may ask {key.per_day:,} times in a UTC day, and has used {used} of {day}."
        "\nWhat comes beyond it is answered with 429 until midnight UTC. Under API keys in the administration the"
        " number can be raised, and one sees what was asked for.\n",
        None,
        [to],
    )


def _note(key: ApiKey, percent: int, day: date) -> None:
    """Have webhooks told. Noted twice, it is one event."""
    Change.objects.create(channel=key.channel, resource=RESOURCE, key=f"{key.pk}:{day.isoformat()}:{percent}")
