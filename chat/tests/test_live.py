"""After each commit the pages are told what changed, in numbers, and nobody is named."""

import json

import pytest

from chat.ingest import live
from chat.ingest.store import Store
from chat.ingest.transaction import ChannelNow, Counted, EmoteUse
from chat.tests.evening import EVENING
from chat.tests.factories import EntryFactory
from chat.tests.lines import DAY, NOON, mirrored, privmsg, read, usernotice
from chat.tests.tables import channel
from streams.topics import topic

pytestmark = pytest.mark.django_db(transaction=True)


def ready_store() -> Store:
    store = Store()
    store.load_all_sets()
    return store


def summary_of(*lines: bytes, store: Store | None = None) -> dict[str, object]:
    """What is told after these lines, which are all of one channel."""
    stored = (store or ready_store()).write(read(*lines))
    (now,) = stored.channels.values()
    return live.summary(now, NOON)


def test_a_summary_tells_what_changed():
    entry = EntryFactory.create(name="Emote")
    store = ready_store()
    store.write(read(privmsg("before", user="alice", at=0)))
    assert summary_of(privmsg("Emote Emote", user="alice", at=1), privmsg("hi", user="bob", at=2), store=store) == {
        "at": "2026-03-14T12:00:00+00:00",
        "new": {"messages": 2, "emotes": 2},
        "total": {"messages": 3, "chatters": 2},
        "today": {"day": "2026-03-14", "messages": 3, "chatters": 2, "emotes": 2},
        "minute": {"at": "2026-03-14T12:00:00+00:00", "messages": 3, "chatters": 2},
        "emotes": [{"id": entry.emote_id, "name": "Emote", "provider": "7tv", "url": entry.emote.image_url, "uses": 2}],
    }


def test_the_newest_day_and_minute_are_told():
    told = summary_of(privmsg("late", at=DAY), privmsg("early", at=0))
    assert told["today"] == {"day": "2026-03-15", "messages": 1, "chatters": 1, "emotes": 0}
    assert told["minute"] == {"at": "2026-03-15T12:00:00+00:00", "messages": 1, "chatters": 1}


def test_the_ten_most_used_emotes_are_told_in_order():
    text = " ".join(f"Emote{n} " * n for n in range(1, 13))
    for n in range(1, 13):
        EntryFactory.create(name=f"Emote{n}")
    emotes = summary_of(privmsg(text))["emotes"]
    assert isinstance(emotes, list)
    assert [emote["uses"] for emote in emotes] == [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]


def test_an_emoji_is_told_as_itself():
    emotes = summary_of(privmsg("hello 🐸"))["emotes"]
    assert isinstance(emotes, list)
    assert [emote["name"] for emote in emotes] == ["🐸"]


def test_a_subscription_alone_tells_no_minute():
    assert "minute" not in summary_of(usernotice("sub"))


@pytest.mark.parametrize("line", [pytest.param(mirrored(), id="a copy"), pytest.param(usernotice("raid"), id="a raid")])
def test_what_counts_nothing_tells_nothing(line):
    assert ready_store().write(read(line)).channels == {}


def test_a_message_that_was_there_already_tells_nothing():
    store = ready_store()
    store.write(read(privmsg()))
    assert store.write(read(privmsg())).channels == {}


def test_nobody_is_named():
    EntryFactory.create(name="Emote")
    stored = ready_store().write(read(*EVENING))
    told = json.dumps([live.summary(now, NOON) for now in stored.channels.values()]).lower()
    names = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "judy"]
    assert [name for name in names if name in told] == []


def test_no_text_is_told():
    assert "hello" not in json.dumps(summary_of(privmsg("hello world")))


# On Redis


NOW = ChannelNow(total=Counted(5, 2), new=Counted(1), emotes=[EmoteUse(7, "Emote", "7tv", "https://cdn.example/1", 1)])


def test_each_channel_has_a_topic_of_its_own(redis_client):
    with redis_client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(topic(1), topic(2))
        for _ in range(2):
            pubsub.get_message(timeout=5)
        live.publish(redis_client, {1: NOW, 2: NOW}, NOON)
        told = [pubsub.get_message(timeout=5) for _ in range(2)]
    assert [message["channel"] for message in told] == [b"streamstats:live:1", b"streamstats:live:2"]
    assert json.loads(told[0]["data"]) == live.summary(NOW, NOON)


def test_nothing_new_is_not_worth_a_word():
    live.publish(None, {}, NOON)  # type: ignore[arg-type]


# A batch in two parts


def test_two_parts_of_a_batch_tell_what_both_added():
    EntryFactory.create(name="Emote")
    EntryFactory.create(name="Other")
    store = ready_store()
    stored = store.write(read(privmsg("Emote Other", at=DAY)))
    stored.add(store.write(read(privmsg("Emote", user="bob", at=0), b"garbage")))
    (now,) = stored.channels.values()
    assert (stored.lines, stored.messages, stored.dead) == (3, 2, 1)
    assert (now.total, now.new) == (Counted(2, 2), Counted(2, emotes=3))
    assert [(emote.name, emote.uses) for emote in now.emotes] == [("Emote", 2), ("Other", 1)]
    assert live.summary(now, NOON)["today"]["day"] == "2026-03-15"
    assert channel().counts.messages == 2
