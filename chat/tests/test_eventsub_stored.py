"""Streams, names and bad frames: what else notifications change."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat.ingest.store import Store
from chat.models import ChatEvent, DeadLetter, Message, ModerationEvent, Redemption
from chat.tests.frames import (
    cheer,
    follow,
    frame,
    gift,
    moderate_ban,
    of_channel,
    online,
    redemption,
    resubscribe,
    subscribe,
)
from chat.tests.lines import DAY, MINUTE, clearchat, moment, number_of, privmsg, read, usernotice
from chat.tests.orders import mixed, orders, write
from chat.tests.tables import channel, counted_again, counters
from streams.models import Channel, Stream
from viewers.models import Viewer, ViewerName, ViewerTotal, ViewSession

pytestmark = pytest.mark.django_db(transaction=True)

OFFLINE = of_channel("stream.offline", at=60 * MINUTE)
TITLE = of_channel(
    "channel.update", at=30 * MINUTE, title="Now cooking", category_id="1", category_name="Food", language="en"
)


def on_air() -> tuple[object, ...]:
    stream = Stream.objects.get()
    return stream.pk, stream.started_at, stream.ended_at, stream.title, stream.category


@pytest.mark.parametrize(
    ("frames", "known"),
    [
        ([online()], ("9001", moment(0), None, "", "")),
        ([online(), OFFLINE], ("9001", moment(0), moment(60 * MINUTE), "", "")),
        ([online(), TITLE, OFFLINE], ("9001", moment(0), moment(60 * MINUTE), "Now cooking", "Food")),
        ([OFFLINE, TITLE, online()], ("9001", moment(0), moment(60 * MINUTE), "Now cooking", "Food")),
    ],
    ids=["on air", "ended", "with a title", "in another order"],
)
def test_streams_are_told(frames, known):
    for raw in frames:
        write([raw])
    assert on_air() == known


def test_streams_of_one_batch_are_told_in_the_order_of_their_time():
    write([OFFLINE, TITLE, online()])
    assert on_air()[2:] == (moment(60 * MINUTE), "Now cooking", "Food")


def test_view_sessions_end_with_the_stream():
    write([online(), privmsg(user="bob")])
    ViewSession.objects.create(
        channel=channel(), stream_id="9001", viewer_id=number_of("bob"), started_at=moment(0), source="chatters"
    )
    Stream.objects.update(presence_at=moment(59 * MINUTE), presence_source="chatters")
    write([OFFLINE])
    session = ViewSession.objects.get()
    assert (session.ended_at, session.ended_by) == (moment(60 * MINUTE), "offline")


@pytest.mark.parametrize(
    ("frames", "settled"),
    [
        ([TITLE], []),
        ([online()], [moment(0)]),
        ([OFFLINE], [moment(60 * MINUTE)]),
        ([TITLE, OFFLINE], [moment(60 * MINUTE)]),
    ],
    ids=["a title", "on air", "off air", "a title, then off air"],
)
def test_sessions_are_settled_only_where_the_time_on_air_was_told(monkeypatch, frames, settled):
    write([of_channel("channel.update", at=-DAY, title="Before", category_id="", category_name="", language="en")])
    calls = []
    monkeypatch.setattr("chat.ingest.facts.presence.settle", lambda channels, at: calls.append((list(channels), at)))
    write(frames)
    assert calls == [([channel().pk], at) for at in settled]


def test_everybody_in_a_notification_is_named():
    write([moderate_ban("erin", at=5)])
    assert sorted(Viewer.objects.values_list("login", flat=True)) == ["erin", "molly"]


def test_a_rename_is_in_the_history():
    renamed = {"user_id": number_of("alice"), "user_login": "alicia", "user_name": "Alicia"}
    for _ in orders(privmsg(user="alice", at=0), frame("user.update", {**renamed, "description": ""}, at=DAY)):
        assert Viewer.objects.get().login == "alicia"
        assert list(ViewerName.objects.order_by("first_seen_at").values_list("login", flat=True)) == ["alice", "alicia"]


def test_a_notification_does_not_take_a_colour_away():
    write([privmsg(color="#123456", at=0)], [follow(at=60)])
    assert Viewer.objects.get().color == "#123456"


def test_a_follower_is_not_thereby_a_viewer_of_the_channel():
    write([follow()])
    assert (ChatEvent.objects.get().kind, ViewerTotal.objects.count()) == ("follow", 0)


def test_a_follower_who_is_told_twice_is_one():
    write([follow(message_id="a")], [follow(message_id="b", at=0)])
    assert ChatEvent.objects.count() == 1


def test_what_is_older_than_what_the_channel_kept_is_left_out():
    write([privmsg()])
    Channel.objects.update(messages_kept_from=moment(0))
    stored = Store().write(mixed(cheer(100, at=-DAY), subscribe(at=-DAY), subscribe("bob", at=1)))
    assert (stored.expired, ChatEvent.objects.count()) == (2, 1)


BAD = {
    "not JSON": b"not json",
    "unknown event": of_channel("channel.neverheardof"),
    "viewer's id": subscribe().replace(number_of("alice").encode(), b"a\\u0000b"),
    "half a character in a login": subscribe().replace(b'"user_login": "alice"', b'"user_login": "\\ud800"'),
    "channel that cannot be one": subscribe(channel="no channel"),
    "stream's id": online("x" * 40),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_frame_is_a_dead_letter_and_the_rest_is_stored(bad):
    good = [privmsg(), redemption(), resubscribe(), moderate_ban(at=5)]
    lines = mixed(*good)
    stored = Store().write([*lines[:2], *read(bad, kind="eventsub", source="bad"), *lines[2:]])
    assert [bytes(raw) for raw in DeadLetter.objects.values_list("raw", flat=True)] == [bad]
    assert [model.objects.count() for model in (Message, Redemption, ChatEvent, ModerationEvent)] == [1, 1, 1, 1]
    assert stored.dead == 1
    assert counters() == counted_again()


def test_texts_that_postgres_could_not_hold_are_cleaned():
    write([cheer(5, text="a\x00b"), redemption(text="c\ud800d"), moderate_ban(reason="e\x00f")])
    assert not DeadLetter.objects.exists()
    assert ChatEvent.objects.get().text == "a\ufffdb"
    assert Redemption.objects.get().text == "c?d"
    assert ModerationEvent.objects.get().reason == "e\ufffdf"


def test_a_dead_letter_says_where_it_came_from():
    Store().write(read(b"not json", kind="eventsub", source="5-0"))
    letter = DeadLetter.objects.get()
    assert (letter.source, letter.received_at) == ("5-0:0", moment(0))
    assert letter.error.startswith("eventsub: JSONDecodeError")


def test_notifications_of_two_channels_do_not_mix():
    write([subscribe(), subscribe(channel="another", at=1)])
    assert ViewerTotal.objects.filter(viewer=number_of("alice"), subs=1).count() == 2


@pytest.mark.parametrize("number", [1, 40])
def test_a_batch_costs_as_many_queries_however_much_it_tells(number):
    """A stream that begins or ends asks more; that is rare, and one at a time."""
    store = Store()
    store.write(mixed(privmsg()))
    told = [
        raw
        for n in range(number)
        for raw in (
            subscribe(f"viewer{n}", at=n),
            gift(5, user=f"giver{n}", at=n),
            cheer(n + 1, at=n),
            redemption(user=f"viewer{n}", at=n),
            moderate_ban(f"rude{n}", at=n),
        )
    ]
    prepared = store.prepare(mixed(*told))
    with CaptureQueriesContext(connection) as captured:
        store.commit(prepared)
    assert len(captured) == 25


def test_what_chat_tells_beside_messages_costs_few_queries_more():
    store = Store()
    store.write(mixed(privmsg()))
    costs = []
    for lines in ([privmsg("a")], [privmsg("b"), usernotice("sub")], [privmsg("c"), clearchat("erin")]):
        prepared = store.prepare(mixed(*lines))
        with CaptureQueriesContext(connection) as captured:
            store.commit(prepared)
        costs.append(len(captured))
    assert [cost - costs[0] for cost in costs] == [0, 3, 3]
