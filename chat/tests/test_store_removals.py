"""What moderators remove is marked, in whatever order the lines arrive."""

from datetime import datetime
from itertools import permutations

import pytest

from chat.ingest.store import Store
from chat.models import Message, ModerationEvent
from chat.tests.lines import DAY, clearchat, clearmsg, mirrored, moment, number_of, privmsg, read, roomstate, tag
from streams.models import Channel

pytestmark = pytest.mark.django_db(transaction=True)

RUDE = privmsg("rude", user="erin", at=10)
RUDE_ID = tag(RUDE, "id")


@pytest.fixture
def store() -> Store:
    store = Store()
    store.write(read(roomstate()))
    return store


def removed_at(text: str = "rude") -> datetime | None:
    return Message.objects.get(text=text).removed_at


@pytest.mark.parametrize(
    "deed",
    [
        pytest.param(clearmsg(RUDE_ID, user="erin", at=20), id="deleted, without a room id"),
        pytest.param(clearmsg(RUDE_ID, user="erin", at=20, room_id=number_of("example")), id="deleted"),
        pytest.param(clearchat("erin", at=20, seconds=600), id="timeout"),
        pytest.param(clearchat("erin", at=20), id="ban"),
        pytest.param(clearchat(at=20), id="chat cleared"),
        pytest.param(clearchat("erin", at=10), id="ban in the same millisecond"),
    ],
)
@pytest.mark.parametrize("arrival", ["message first", "deed first", "together", "together, deed first"])
def test_a_message_is_removed_by(store, deed, arrival):
    orders = {
        "message first": [[RUDE], [deed]],
        "deed first": [[deed], [RUDE]],
        "together": [[RUDE, deed]],
        "together, deed first": [[deed, RUDE]],
    }
    for batch in orders[arrival]:
        store.write(read(*batch))
    assert removed_at() == ModerationEvent.objects.get().occurred_at


@pytest.mark.parametrize(
    "deed",
    [
        pytest.param(clearmsg("another-id", user="erin", at=20), id="deletion of another message"),
        pytest.param(clearmsg(RUDE_ID, at=20, room_id=number_of("another"), channel="another"), id="another channel"),
        pytest.param(clearchat("bob", at=20), id="ban of another viewer"),
        pytest.param(clearchat("erin", at=9.999), id="ban before the message"),
        pytest.param(clearchat("erin", at=20, channel="another"), id="ban in another channel"),
        pytest.param(clearchat(at=9.999), id="chat cleared before"),
        pytest.param(clearchat(at=20, channel="another"), id="another chat cleared"),
        pytest.param(clearchat(at=10 + DAY), id="chat cleared when nobody could see it any more"),
    ],
)
@pytest.mark.parametrize("is_deed_first", [False, True])
def test_a_message_stays_after(store, deed, is_deed_first):
    for line in (deed, RUDE) if is_deed_first else (RUDE, deed):
        store.write(read(line))
    assert removed_at() is None


def test_a_ban_reaches_back_over_months(store):
    store.write(read(privmsg("long ago", user="erin", at=-100 * DAY)))
    store.write(read(clearchat("erin", at=0)))
    assert removed_at("long ago") == moment(0)


def test_a_message_after_a_timeout_stays(store):
    store.write(read(clearchat("erin", at=10, seconds=5), privmsg("sorry", user="erin", at=16)))
    assert removed_at("sorry") is None


TWICE_REMOVED = [RUDE, clearmsg(RUDE_ID, user="erin", at=15), clearchat("erin", at=20, seconds=5)]


@pytest.mark.parametrize("order", list(permutations(range(len(TWICE_REMOVED)))), ids=str)
def test_the_earliest_deed_removed_the_message(store, order):
    for place in order:
        store.write(read(TWICE_REMOVED[place]))
    assert removed_at() == moment(15)


def test_a_copy_of_a_shared_chat_is_removed_even_if_it_comes_late(store):
    copy = mirrored("copied", user="erin", at=10)
    store.write(read(clearmsg(tag(copy, "id"), user="erin", at=20)))
    store.write(read(copy))
    assert removed_at("copied") == moment(20)


def test_a_deed_is_written_down_once(store):
    deeds = [clearmsg(RUDE_ID, at=20), clearchat("erin", at=21, seconds=5), clearchat("erin", at=22), clearchat(at=23)]
    for _ in range(2):
        store.write(read(*deeds))
    assert sorted(ModerationEvent.objects.values_list("kind", flat=True)) == ["ban", "clear", "delete", "timeout"]


def test_a_timeout_keeps_its_length(store):
    store.write(read(clearchat("erin", at=20, seconds=600)))
    event = ModerationEvent.objects.get()
    assert (event.target_id, event.target_login, event.duration_seconds) == (number_of("erin"), "erin", 600)


def test_removed_messages_still_count(store):
    store.write(read(RUDE, clearchat("erin", at=20)))
    assert Channel.objects.get().counts.messages == 1


def test_only_messages_that_were_not_removed_are_shown(store):
    store.write(read(RUDE, privmsg("kind"), clearchat("erin", at=20)))
    assert [message.text for message in Message.objects.shown()] == ["kind"]
