"""The events of the live feed are told as the document says, and its example of a stream is true."""

import json
import re
from datetime import UTC, date, datetime

import pytest

from chat.api import live
from chat.api.liveevents import EVENTS, EXAMPLES
from chat.ingest.live import summary
from chat.ingest.transaction import ChannelNow, Counted, EmoteUse
from chat.livefeed import Room
from chat.models import Redemption
from chat.tests.api.test_examples import GUIDE, check
from chat.tests.api.world import make_world, under
from streams import sync
from streams.api.schema import document
from streams.models import Change
from viewers import choices

LIVE = document()["paths"]["/api/v1/channels/{channel}/live/"]["get"]


def parsed(text):
    """(name, data) of every event that has data."""
    for part in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in part.splitlines())
        if "data" in fields:
            yield fields["event"], json.loads(fields["data"])


def keeps_to_the_document(name, data):
    check(LIVE["x-events"][name], data)


def test_the_example_of_a_stream_has_one_event_of_each_kind_as_its_schema_says():
    (example,) = LIVE["responses"]["200"]["content"]["text/event-stream"]["examples"].values()
    told = list(parsed(example["value"]))
    assert sorted(name for name, _ in told) == sorted(EVENTS) == sorted(LIVE["x-events"])
    for name, data in told:
        keeps_to_the_document(name, data)
        assert data == EXAMPLES[name]


def test_the_guide_names_every_event_and_no_other():
    told = GUIDE.partition("## What happens now")[2]
    assert set(EVENTS) <= set(re.findall(r"`([a-z]+)`", told))
    assert set(re.findall(r'addEventListener\("([^"]+)"', told)) <= set(EVENTS)


@pytest.mark.django_db(transaction=True)
def test_what_happens_is_told_as_in_the_example(redis_client):
    def since(cursor):
        told = live.read(world.channel, cursor.database, cursor.place).events
        return [event for each in told for event in parsed(each.event.decode())]

    begun = sync.begin()
    world = make_world()
    told = since(begun)
    for name in ("stream", "event", "redemption", "achievement"):
        assert (name, EXAMPLES[name]) in told

    begun = sync.begin()
    Redemption.objects.get(pk="r1").delete()
    told += (later := since(begun))
    assert later == [("deleted", EXAMPLES["deleted"])]

    begun = sync.begin()
    choices.hide(world.wren)
    told += (later := since(begun))
    assert later == [("gone", EXAMPLES["gone"])]

    begun = sync.begin()
    choices.show(world.wren)
    Change.objects.create(channel=world.channel, resource=sync.ANEW, key="")
    told += (later := since(begun))
    assert ("viewer", EXAMPLES["viewer"]) in later
    assert ("anew", EXAMPLES["anew"]) in later

    for name, data in told:
        keeps_to_the_document(name, data)


@pytest.mark.django_db
def test_the_feed_is_not_asked_with_head_which_would_hold_a_place_for_nothing(client, redis_client):
    make_world()
    answer = client.head(f"{under()}live/")
    assert (answer.status_code, answer["Allow"]) == (405, "GET")


def test_numbers_are_told_as_in_the_example():
    (emote,) = EXAMPLES["numbers"]["emotes"]
    now = ChannelNow(
        total=Counted(1204, chatters=96),
        day=(date(2026, 5, 1), Counted(310, chatters=41, emotes=58)),
        minute=(datetime(2026, 5, 1, 12, 30, tzinfo=UTC), Counted(7, chatters=5)),
        emotes=[EmoteUse(**emote)],
    )
    room = Room(1)
    room.take(summary(now, datetime(2026, 5, 1, 12, 30, 2, 250_000, tzinfo=UTC)), 0)
    assert live._numbers(room.state) == EXAMPLES["numbers"]


def test_numbers_of_a_quiet_channel_keep_to_the_document():
    room = Room(1)
    room.take(summary(ChannelNow(total=Counted(0)), datetime(2026, 5, 1, tzinfo=UTC)), 0)
    keeps_to_the_document("numbers", live._numbers(room.state))
