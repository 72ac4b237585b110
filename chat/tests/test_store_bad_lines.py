"""A line that cannot be stored is kept as a dead letter, and all others are stored."""

import django.db
import pytest
from django.db import connection

from chat.ingest.store import Store
from chat.ingest.transaction import Transaction
from chat.models import ChatEvent, DeadLetter, Message, ModerationEvent
from chat.tests.lines import clearchat, clearmsg, gap, moment, privmsg, read, usernotice
from chat.tests.patience import until_in_threads
from chat.tests.tables import channel, counted_again, counters
from chat.tests.writers import in_thread, waiting
from streams.models import Channel, Gap
from viewers.models import Viewer

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = [privmsg("before", at=0), privmsg("between", user="bob", at=1), privmsg("after", user="carol", at=2)]

LONG = "x" * 200
REFUSED = {
    "message id too long": privmsg(user="mallory", id=LONG),
    "viewer id too long": privmsg(user="mallory", user_id=LONG),
    "login too long": privmsg(user=LONG),
    "display name too long": privmsg(user="mallory", display_name=LONG),
    "reward too long": privmsg(user="mallory", custom_reward_id=LONG),
    "way of sending too long": privmsg(user="mallory", msg_id=LONG),
    "parent too long": privmsg(user="mallory", reply_parent_msg_id=LONG),
    "thread too long": privmsg(user="mallory", reply_thread_parent_msg_id=LONG),
    "source too long": privmsg(user="mallory", source_room_id=LONG),
    "NUL in a message's id": privmsg(user="mallory", id="a\x00b"),
    "NUL in a viewer's id": privmsg(user="mallory", user_id="a\x00b"),
    "NUL in a login": privmsg(user="a\x00b"),
    "NUL in a display name": privmsg(user="mallory", display_name="a\x00b"),
    "NUL in badges": privmsg(user="mallory", badges="\x00"),
    "NUL in a room's name": privmsg(user="mallory", room_id="31", channel="a\x00b"),
    "NUL in a room's id": privmsg(user="mallory", room_id="a\x00b"),
    "room's id too long": privmsg(user="mallory", room_id=LONG, channel="long"),
    "room's name too long": privmsg(user="mallory", room_id="32", channel=LONG),
    "notice id too long": usernotice("sub", id=LONG),
    "kind too long": usernotice(LONG),
    "recipient too long": usernotice("subgift", msg_param_recipient_id=LONG),
    "bomb too long": usernotice("subgift", msg_param_community_gift_id=LONG),
    "NUL in the name of a parameter": usernotice("sub").replace(b"badges=", b"msg-param-a\x00b=1;badges="),
    "NUL in a notice's login": usernotice("sub", login="a\x00b"),
    "banned login too long": clearchat(LONG),
    "NUL in a banned login": clearchat("a\x00b"),
    "deleted id too long": clearmsg(LONG, room_id="31", channel="other"),
    "NUL in a deleted id": clearmsg("\x00", room_id="31", channel="other"),
    "unknown command": b":tmi.twitch.tv NEWTHING #example :hi",
    "no id": privmsg(user="mallory", id=None),
    "garbage": b"\xff\xfe\x00garbage",
}


@pytest.mark.parametrize("bad", REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_line_is_a_dead_letter_and_the_rest_is_stored(bad):
    stored = Store().write(read(GOOD[0], bad, *GOOD[1:]))
    assert [bytes(raw) for raw in DeadLetter.objects.values_list("raw", flat=True)] == [bad]
    assert set(Message.objects.values_list("text", flat=True)) == {"before", "between", "after"}
    assert (stored.lines, stored.messages, stored.dead) == (4, 3, 1)


def test_counters_are_right_after_a_batch_with_bad_lines():
    Store().write(read(GOOD[0], privmsg(id=LONG), GOOD[1], usernotice("sub", id=LONG), GOOD[2]))
    assert counters() == counted_again()


def test_a_dead_letter_says_where_it_came_from_and_why():
    Store().write(read(*GOOD, privmsg(user="mallory", custom_reward_id=LONG), source="1-0"))
    letter = DeadLetter.objects.get()
    assert (letter.source, letter.error, letter.received_at) == (
        "1-0:3",
        "value too long for type character varying(64)",
        moment(0),
    )


def test_a_batch_that_comes_again_buries_its_dead_once():
    store = Store()
    for _ in range(2):
        store.write(read(*GOOD, privmsg(user="mallory", custom_reward_id=LONG), b"garbage"))
    assert DeadLetter.objects.count() == 2


def test_nothing_but_bad_lines_is_stored_as_such():
    Store().write(read(privmsg(custom_reward_id=LONG), b"garbage", privmsg(id=LONG)))
    assert (DeadLetter.objects.count(), Message.objects.count()) == (3, 0)


def test_a_split_batch_tells_all_that_is_new():
    stored = Store().write(read(*GOOD, privmsg(user="mallory", custom_reward_id=LONG)))
    (now,) = stored.channels.values()
    assert (now.new.messages, now.total.messages, now.total.chatters) == (3, 3, 3)


def test_a_nul_in_a_text_is_replaced():
    Store().write(read(privmsg("a\x00b")))
    assert Message.objects.get().text == "a\ufffdb"


def test_a_nul_in_a_notice_is_replaced():
    Store().write(read(usernotice("sub", text="a\x00b", system_msg="c\x00d", msg_param_x="e\x00f")))
    event = ChatEvent.objects.get()
    assert (event.text, event.system_text, event.params["x"]) == ("a\ufffdb", "c\ufffdd", "e\ufffdf")


def test_bytes_that_are_no_text_are_replaced():
    Store().write(read(privmsg("caf").rstrip() + b"\xe9"))
    assert Message.objects.get().text == "caf\ufffd"


@pytest.mark.parametrize("ts", ["1", "4102444800000", "253370764799999"], ids=["1970", "2100", "9998"])
def test_a_message_of_any_time_is_stored(ts):
    Store().write(read(privmsg(tmi_sent_ts=ts)))
    assert round(Message.objects.get().sent_at.timestamp() * 1000) == int(ts)


def test_an_amount_beyond_sense_is_none():
    Store().write(read(usernotice("raid", msg_param_viewerCount="9" * 40)))
    assert ChatEvent.objects.get().amount == 0


@pytest.mark.parametrize("emote", [LONG, "a\x00b"], ids=["too long", "with a NUL"])
def test_an_emote_that_cannot_be_one_costs_no_message(emote):
    Store().write(read(privmsg("Kappa", emotes=f"{emote}:0-4")))
    assert Message.objects.get().emotes == []


@pytest.mark.parametrize("color", [LONG, "\x00", "red", "#12345"])
def test_a_colour_that_cannot_be_one_costs_no_message(color):
    Store().write(read(privmsg(color=color)))
    assert (Message.objects.count(), Viewer.objects.get().color) == (1, "")


# Deeds and gaps that are about nothing we know


def test_a_gap_of_a_channel_nobody_knows_is_a_dead_letter():
    Store().write(read(gap("nobody"), kind="gap"))
    assert DeadLetter.objects.get().error == "no channel 'nobody' is known"


def test_a_deletion_in_a_channel_nobody_knows_is_a_dead_letter():
    deletion = clearmsg("m1", channel="nobody")
    Store().write(read(deletion))
    assert [bytes(raw) for raw in DeadLetter.objects.values_list("raw", flat=True)] == [deletion]
    assert not ModerationEvent.objects.exists()


def test_a_batch_that_is_tried_again_tells_its_dead_once():
    store = Store()
    prepared = store.prepare(read(clearmsg("m1", channel="nobody"), b"garbage"))
    assert [store.commit(prepared).dead for _ in range(2)] == [2, 2]
    assert DeadLetter.objects.count() == 2


def test_a_gap_is_written_down_once():
    store = Store()
    store.write(read(*GOOD))
    for _ in range(2):
        store.write(read(gap(start=10, end=20, reason="the line was down"), kind="gap"))
    assert list(Gap.objects.values_list("channel", "started_at", "ended_at", "reason")) == [
        (channel().pk, moment(10), moment(20), "the line was down")
    ]


@pytest.mark.parametrize(
    ("line", "gaps"),
    [
        pytest.param(gap(start=10, end=10), 0, id="without length"),
        pytest.param(gap(start=10, end=5), 0, id="backwards"),
        pytest.param(gap(reason="x" * 500), 1, id="with a long reason"),
    ],
)
def test_a_gap_that_says_nothing_is_passed_over(line, gaps):
    store = Store()
    store.write(read(*GOOD))
    store.write(read(line, kind="gap"))
    assert (Gap.objects.count(), DeadLetter.objects.count()) == (gaps, 0)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"not json", id="no JSON"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="nothing in it"),
        pytest.param(b'{"channel": "example", "from": "soon", "to": 5, "reason": ""}', id="a time that is no number"),
        pytest.param(b'{"channel": "example", "from": 1, "to": 1e999, "reason": ""}', id="an endless time"),
        pytest.param(b'{"channel": "example", "from": 1, "to": 99999999999999999999, "reason": ""}', id="too late"),
        pytest.param(b'{"channel": "example", "from": 1, "to": 999999999999999999, "reason": ""}', id="past all years"),
        pytest.param(b'{"channel": "example", "from": 1, "to": 9, "reason": "\\ud800"}', id="half a character"),
        pytest.param(b'{"channel": "exa\\u0000mple", "from": 1, "to": 9, "reason": ""}', id="a NUL"),
        pytest.param(b"[" * 100_000, id="too deep"),
    ],
)
def test_a_gap_that_makes_no_sense_is_a_dead_letter(line):
    store = Store()
    store.write(read(*GOOD))
    store.write(read(line, gap(start=30, end=40), kind="gap", source="gaps"))
    assert (Gap.objects.count(), DeadLetter.objects.count()) == (1, 1)


# Postgres away, and others at work


def test_a_batch_that_postgres_could_not_take_is_stored_afterwards():
    store = Store()
    store.write(read(GOOD[0]))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        ours = cursor.fetchone()[0]
    in_thread(_kill, ours).result()
    with pytest.raises((django.db.OperationalError, django.db.InterfaceError)):
        store.write(read(*GOOD))
    connection.close()
    store.write(read(*GOOD))
    assert Message.objects.count() == 3


def _kill(backend: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [backend])


def test_a_connection_that_breaks_while_messages_are_copied_is_postgres_being_away(monkeypatch):
    store = Store()
    store.write(read(GOOD[0]))
    staged = _killing(monkeypatch)
    with pytest.raises((django.db.OperationalError, django.db.InterfaceError)):
        store.write(read(*GOOD))
    assert staged
    connection.close()


def _killing(monkeypatch) -> list[bool]:
    """Let our connection be killed when the first row is about to be copied."""
    plain = Transaction._staged
    calls: list[bool] = []

    def staged(self, *args):
        if not calls:
            self.cursor.connection.pgconn.finish()
        calls.append(True)
        return plain(self, *args)

    monkeypatch.setattr(Transaction, "_staged", staged)
    return calls


def test_a_channel_that_somebody_else_adds_meanwhile_costs_no_line():
    with django.db.transaction.atomic():
        Channel.objects.create(login="example")
        writer = in_thread(Store().write, read(GOOD[0]))
        until_in_threads(waiting(1))
    writer.result()
    assert (Message.objects.count(), DeadLetter.objects.count()) == (1, 0)


def test_writers_that_name_the_same_viewers_in_another_order_do_not_block_each_other():
    first, second = Store(), Store()
    first.write(read(privmsg(user="alice", at=-9), privmsg(user="bob", at=-9), privmsg(channel="another", at=-9)))
    second.meet(read(privmsg(), privmsg(channel="another")))
    with django.db.transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE chat_message IN SHARE MODE")
        theirs = [
            privmsg(user="alice", color="#000001"),
            usernotice("raid", user="bob", color="#000002"),
        ]
        ours = [
            privmsg(user="bob", color="#000003", channel="another"),
            usernotice("raid", user="alice", color="#000004", channel="another"),
        ]
        writers = [in_thread(first.write, read(*theirs)), in_thread(second.write, read(*ours))]
        until_in_threads(waiting(2))
    assert [writer.result().lines for writer in writers] == [2, 2]
