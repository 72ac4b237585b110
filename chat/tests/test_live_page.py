from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from django.utils import timezone

from chat.tests.crowd import make_emote, make_message
from chat.views import live
from streams.tests.cast import make_channel
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db


@async_to_sync
async def opened(address):
    """The answer, and the first event of its stream, if it is one."""
    answer: Any = await AsyncClient().get(address)
    if not answer.streaming:
        return answer, b""
    stream = answer.streaming_content
    first = await anext(stream)
    await stream.aclose()
    return answer, first


def test_it_is_a_stream_of_events(redis_client):
    make_channel()
    answer, first = opened("/c/lantern/live")
    assert (answer["Content-Type"], first) == ("text/event-stream", b"retry: 2000\n\n")


def test_nothing_on_the_way_may_hold_it_back(redis_client):
    make_channel()
    answer, _ = opened("/c/lantern/live")
    assert (answer["Cache-Control"], answer["X-Accel-Buffering"]) == ("no-store", "no")


def test_the_front_page_has_one_too(redis_client):
    make_channel()
    answer, _ = opened("/live")
    assert answer["Content-Type"] == "text/event-stream"


def test_an_unknown_channel_is_not_found():
    answer, _ = opened("/c/nobody/live")
    assert answer.status_code == 404


def test_it_starts_with_the_emotes_of_the_last_minutes():
    channel, emote = make_channel(), make_emote("Kappa")
    make_message(channel, make_viewer(channel, "ann"), timezone.now(), emotes=[emote.pk, emote.pk])
    ((_, emotes),) = live._one_channel("lantern").items()
    assert [(emote.name, uses) for emote, uses in emotes.items()] == [("Kappa", 2)]


def test_opening_it_costs_two_queries(django_assert_num_queries):
    channel = make_channel()
    make_message(channel, make_viewer(channel, "ann"), timezone.now(), emotes=[make_emote("Kappa").pk])
    with django_assert_num_queries(2):
        live._one_channel("lantern")
