from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, RequestFactory
from django.utils import timezone

from chat.doors import Doors
from chat.tests.crowd import make_emote, make_message
from chat.views import live
from streams.tests.cast import make_channel
from streams.visitors import visitor_of
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


@pytest.fixture
def few(settings, monkeypatch):
    settings.LIVE_PAGES, settings.LIVE_PAGES_PER_ADDRESS, settings.TRUST_PROXY = 3, 2, True
    monkeypatch.setattr(live, "doors", Doors())
    monkeypatch.setattr(live, "_all_channels", dict)


@async_to_sync
async def opened_together(*visitors):
    """What each of these addresses is answered, while the pages of those before are open, and after they are closed."""
    answers, streams = [], []
    for visitor in visitors:
        answer: Any = await AsyncClient().get("/live", headers={"X-Forwarded-For": visitor})
        answers.append(answer)
        if answer.streaming:
            streams.append(answer._iterator)
            await anext(streams[-1])
    for stream in streams:
        await stream.aclose()
    for visitor in visitors:
        assert (await AsyncClient().get("/live", headers={"X-Forwarded-For": visitor})).status_code == 200
    return answers


ONE, OTHER = "8.8.8.8", "9.9.9.9"


def test_who_has_as_many_open_as_one_may_is_told_to_come_back_later(redis_client, few):
    answers = opened_together(ONE, ONE, ONE, OTHER)
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200]
    refused = answers[2]
    assert (refused["Retry-After"], refused["Cache-Control"]) == ("60", "no-store")
    assert "open from your address" in refused.content.decode()


def test_there_is_an_end_of_open_pages_for_all_together(redis_client, few):
    answers = opened_together(ONE, ONE, OTHER, "1.1.1.1")
    assert [answer.status_code for answer in answers] == [200, 200, 200, 503]
    assert answers[3]["Retry-After"] == "60"
    assert "Too many people watch" in answers[3].content.decode()


def test_a_channel_has_the_same_bounds(redis_client, few, settings):
    make_channel()
    settings.LIVE_PAGES = 0
    answer, _ = opened("/c/lantern/live")
    assert answer.status_code == 503


def test_people_behind_a_proxy_that_is_not_known_are_not_taken_for_one(redis_client, few):
    answers = opened_together("127.0.0.1", "10.0.0.1", "10.0.0.1")
    assert [answer.status_code for answer in answers] == [200, 200, 200]


def test_many_who_come_at_the_same_moment_are_not_let_in_beyond_it(redis_client, few):
    @async_to_sync
    async def at_once():
        answers: list[Any] = [await AsyncClient().get("/live", headers={"X-Forwarded-For": ONE}) for _ in range(3)]
        firsts = [await anext(answer._iterator) for answer in answers]
        for answer in answers:
            await answer._iterator.aclose()
        return firsts

    assert at_once() == [b"retry: 2000\n\n", b"retry: 2000\n\n", b"retry: 60000\n\n"]


@pytest.mark.parametrize(
    ("is_behind", "address", "forwarded", "visitor"),
    [
        (False, ONE, "9.9.9.9", ONE),
        (True, "10.0.0.1", "1.2.3.4, 9.9.9.9", "9.9.9.9"),
        (True, ONE, None, ONE),
        (True, "10.0.0.1", "8.8.8.8:4711", ONE),
        (True, "10.0.0.1", "[2606:4700:1:2:3:4:5:6]:4711", "2606:4700:1:2::/64"),
        (True, "10.0.0.1", "[2606:4700:1:2:3:4:5:6]", "2606:4700:1:2::/64"),
        (True, "10.0.0.1", "made up", ""),
        (False, "2606:4700:1:2:3:4:5:6", None, "2606:4700:1:2::/64"),
        (False, "::ffff:8.8.8.8", None, ONE),
        (False, "::ffff:10.0.0.1", None, ""),
        (False, "127.0.0.1", None, ""),
        (False, "192.168.1.7", None, ""),
        (False, "", None, ""),
    ],
)
def test_a_visitor_is_known_by_what_they_cannot_choose(settings, is_behind, address, forwarded, visitor):
    settings.TRUST_PROXY = is_behind
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    assert visitor_of(RequestFactory().get("/live", REMOTE_ADDR=address, **headers)) == visitor


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
