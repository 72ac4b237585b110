"""What docs/webhooks.md says is so."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings

from streams.webhooks import signing
from streams.webhooks.delivering import Courier
from streams.webhooks.events import NAMES
from streams.webhooks.telling import tell_test

GUIDE = (Path(settings.BASE_DIR) / "docs/webhooks.md").read_text()


def code_of(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    return str(found)


@pytest.fixture
def is_ours() -> Any:
    names: dict[str, Any] = {}
    exec(code_of("python"), names)
    return names["is_from_streamstats"]


def test_the_guide_names_every_event_and_no_other():
    assert set(re.findall(r"^\| `([a-z.]+)` \|", GUIDE, re.MULTILINE)) == NAMES


def test_the_example_is_json_of_the_shape_that_is_sent():
    assert set(json.loads(code_of("json"))) == {"type", "timestamp", "data"}


@pytest.mark.django_db
def test_the_check_of_the_guide_takes_what_was_sent_and_nothing_else(receivers, make_webhook, clock, is_ours):
    webhook = make_webhook(receivers.url("take"))
    before = webhook.secret
    after = signing.rotate(webhook, clock())
    tell_test(webhook, clock())
    async_to_sync(Courier(clock).send_all)()
    (got,) = receivers.got
    assert is_ours(before, got.headers, got.body)
    assert is_ours(after, got.headers, got.body)
    assert not is_ours(signing.make_secret(), got.headers, got.body)
    assert not is_ours(after, got.headers, got.body + b" ")
    assert not is_ours(after, {**got.headers, "webhook-id": "other"}, got.body)
    assert not is_ours(after, {**got.headers, "webhook-timestamp": str(int(time.time()) - 301)}, got.body)
