from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from streams.models import Webhook
from streams.tests.cast import make_channel
from streams.tests.webhooks.receivers import Receivers, receiving
from streams.webhooks import signing
from streams.webhooks.events import NAMES
from streams.webhooks.telling import begin


@pytest.fixture
def receivers(settings) -> Iterator[Receivers]:
    settings.WEBHOOK_ALLOW_PRIVATE = True
    with receiving() as there:
        yield there


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def goes_on(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def channel(db):
    return make_channel()


@pytest.fixture
def make_webhook(channel, clock):
    def make(url: str, **fields: object) -> Webhook:
        webhook = Webhook(
            **{"channel": channel, "url": url, "events": sorted(NAMES), "secret": signing.make_secret(), **fields}
        )
        begin(webhook, clock())
        webhook.save()
        return webhook

    return make
