"""A summary that comes in while it is written: server-sent events for whom it is of."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

from chat.summaries import progress
from chat.tests.summaries.written import make_summary
from chat.tests.test_wiki_pages import user_of
from chat.views import live
from chat.views import summary as pages
from streams.tests.cast import make_channel
from viewers.models import Summary
from viewers.tests.cast import make_viewer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_client")]

LIVE = "/c/lantern/viewers/ann/summary/1/live"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(progress, "WAIT_MS", 20)


@pytest.fixture
def ann():
    return make_viewer(make_channel(), "ann")


@pytest.fixture
def summary(ann):
    return make_summary(ann.totals.get().channel, ann, state="running", made_at=None)


def told(user: Any, most: int = 100, **headers: str) -> Any:
    """The answer, and the events of its stream, without what only says that it is there."""

    @async_to_sync
    async def opened():
        client = AsyncClient()
        await client.aforce_login(user, "django.contrib.auth.backends.ModelBackend")
        answer: Any = await client.get(LIVE, headers=headers)
        if not answer.streaming:
            return answer, []
        events = []
        async for event in answer.streaming_content:
            if event != progress.HEARTBEAT:
                events.append(event.decode())
            if len(events) == most:
                break
        await answer._iterator.aclose()
        return answer, events

    return opened()


def test_its_viewer_sees_it_come_in(ann, summary):
    progress.tell(summary.pk, "reading", messages=40)
    progress.tell(summary.pk, "claim", part="portrait", text="They ask.")
    progress.tell(summary.pk, "done", state="shown", claims=[])
    answer, events = told(user_of(ann.pk))
    assert answer["Content-Type"] == "text/event-stream"
    assert (answer["Cache-Control"], answer["X-Accel-Buffering"]) == ("no-store", "no")
    assert [event.split("event: ")[1].split("\n")[0] for event in events] == ["reading", "claim", "done"]
    assert 'data: {"part": "portrait", "text": "They ask."}\n\n' in events[1]


def test_whoever_lost_the_connection_hears_what_came_since(ann, summary):
    user = user_of(ann.pk)
    for event in ("reading", "claim", "done"):
        progress.tell(summary.pk, event)
    first = told(user, most=1)[1][0]
    number = first.split("id: ")[1].split("\n")[0]
    _, events = told(user, **{"Last-Event-ID": number})
    assert ["reading" in event for event in events] == [False, False]


@pytest.mark.parametrize("number", ["x", "$", "1", "1-1\n", "9" * 50 + "-1", "9" * 20 + "-0"])
def test_a_made_up_place_to_go_on_from_is_none(ann, summary, number):
    progress.tell(summary.pk, "done")
    _, events = told(user_of(ann.pk), **{"Last-Event-ID": number})
    assert len(events) == 1


def test_why_it_was_not_written_is_told_and_is_the_last(ann, summary):
    progress.tell(summary.pk, "failed", reason="Nobody answered.")
    progress.tell(summary.pk, "reading", messages=1)
    _, events = told(user_of(ann.pk))
    assert len(events) == 1
    assert '"reason": "Nobody answered."' in events[0]


@pytest.mark.parametrize("state", ["shown", "review", "failed"])
def test_of_one_that_nobody_writes_any_more_the_end_is_told(ann, summary, state):
    Summary.objects.update(state=state)
    assert told(user_of(ann.pk))[1] == ["event: done\ndata: {}\n\n"]


def test_of_one_that_was_deleted_meanwhile_too(summary):
    known = summary.pk
    assert pages._ended(known) == b""
    summary.delete()
    assert pages._ended(known) == b"event: done\ndata: {}\n\n"


def test_it_ends_when_the_server_stops(ann, summary, monkeypatch):
    monkeypatch.setattr(live.feed, "is_closed", True)
    assert told(user_of(ann.pk))[1] == []


def test_the_owner_of_the_channel_may_see_it_too(ann, summary):
    channel = summary.channel
    progress.tell(summary.pk, "done")
    assert len(told(user_of(channel.twitch_id))[1]) == 1


def test_it_counts_as_one_of_the_pages_that_may_be_open(ann, summary, settings):
    settings.LIVE_PAGES = 0
    answer, _ = told(user_of(ann.pk))
    assert answer.status_code == 503


def test_nothing_is_posted_to_it(client, ann, summary):
    assert client.post(LIVE).status_code == 405
