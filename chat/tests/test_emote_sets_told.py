"""Who is told of a changed set, and when."""

from datetime import UTC, datetime

import pytest

from chat.emotesets import apply_changes, apply_set
from chat.providers import Removed, SetEntry
from streams.models import Channel

AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
CAT = SetEntry("7tv", "id1", "cat", "cat", "")


@pytest.fixture
def heard(redis_client):
    """What was said on Redis since the last time it was asked."""
    listener = redis_client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("streamstats:emotes")
    listener.get_message(timeout=1)

    def since():
        messages = []
        redis_client.publish("streamstats:emotes", "end")
        while (message := listener.get_message(timeout=1)) is None or message["data"] != b"end":
            messages += [message["data"]] if message else []
        return messages

    yield since
    listener.close()


@pytest.fixture
def channel(db):
    return Channel.objects.create(login="example", twitch_id="1001")


def test_a_changed_set_is_told_by_the_key_of_its_channel(channel, heard, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        apply_set(channel, "7tv", [CAT], AT)
    assert heard() == [str(channel.pk).encode()]


def test_the_set_for_everybody_is_told_as_global(db, heard, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        apply_set(None, "7tv", [CAT], AT)
    assert heard() == [b"global"]


def test_a_live_change_is_told(channel, heard, django_capture_on_commit_callbacks):
    apply_set(channel, "7tv", [CAT], AT)
    with django_capture_on_commit_callbacks(execute=True):
        apply_changes(channel, "7tv", [Removed("id1")], AT)
    assert heard() == [str(channel.pk).encode()]


def test_nothing_is_told_before_the_commit(channel, heard):
    apply_set(channel, "7tv", [CAT], AT)
    assert heard() == []


def test_an_unchanged_set_is_not_told(channel, heard, django_capture_on_commit_callbacks):
    apply_set(channel, "7tv", [CAT], AT)
    with django_capture_on_commit_callbacks(execute=True):
        apply_set(channel, "7tv", [CAT], AT)
    assert heard() == []
