"""Nothing more is kept of who asked for that or was erased; what they write still counts, for nobody."""

import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from chat import rollups, streamnumbers
from chat.anonymous import COLUMNS, anonymous_id
from chat.ingest.store import Store
from chat.ingest.transaction import Transaction
from chat.models import (
    ChatEvent,
    ChatMinute,
    DeadLetter,
    EmoteDay,
    EmoteUsage,
    Message,
    ModerationEvent,
    Redemption,
)
from chat.tests import frames
from chat.tests.factories import EntryFactory
from chat.tests.lines import (
    DAY,
    MINUTE,
    clearchat,
    clearmsg,
    gift_bomb,
    id_of,
    mirrored,
    moment,
    number_of,
    privmsg,
    read,
    tag,
    usernotice,
)
from chat.tests.orders import mixed, orders, write
from chat.tests.patience import until_in_threads
from chat.tests.tables import channel, counted_again, counters, everything
from chat.tests.writers import in_thread, waiting
from streams.models import ChannelDay, ChannelTotal, Stream, StreamSegment
from viewers import choices
from viewers.models import Erasure, Progress, Viewer, ViewerDay, ViewerName, ViewerStream, ViewerTotal
from viewers.unkept import LOCK_ALONE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_client")]

ALICE = number_of("alice")
SECRET: dict[str, Any] = {
    "badges": "vip/1",
    "badge_info": "subscriber/9",
    "first_msg": "1",
    "returning_chatter": "1",
    "msg_id": "highlighted-message",
    "custom_reward_id": "reward",
    "reply_parent_msg_id": "parent",
    "reply_parent_user_id": "77",
    "reply_thread_parent_msg_id": "thread",
}


def viewer(name: str = "alice") -> Viewer:
    return Viewer.objects.get_or_create(
        pk=number_of(name), defaults={"login": name, "display_name": name.capitalize(), "named_at": moment(-DAY)}
    )[0]


def erased(name: str = "alice") -> Erasure:
    """Somebody of whom only the mark is left."""
    erasure = choices.ask_to_erase(viewer(name))
    Viewer.objects.filter(pk=number_of(name)).delete()
    Erasure.objects.filter(pk=erasure.pk).update(state=Progress.DONE, viewer_id="")
    return erasure


STOPPED_OR_ERASED = pytest.mark.parametrize("choose", [lambda: choices.stop(viewer()), erased], ids=["stop", "erase"])


# Messages


@STOPPED_OR_ERASED
def test_a_message_says_no_more_than_that_somebody_wrote(choose):
    choose()
    line = privmsg("\x01ACTION waves\x01", at=1.5, bits="5", **SECRET)
    Store().write(read(line))
    said: dict[str, object] = dict(Message.objects.values().get())
    assert said.pop("stored_in")
    assert said == {
        **COLUMNS,
        "id": anonymous_id(tag(line, "id")),
        "channel_id": channel().pk,
        "sent_at": moment(1.5),
        "bits": 5,
        "source_channel_id": "",
        "emotes": [],
        "removed_at": None,
    }


@STOPPED_OR_ERASED
def test_a_message_counts_for_its_channel_and_for_nobody(choose):
    EntryFactory.create(name="Emote")
    choose()
    store = Store()
    store.load_all_sets()
    store.write(read(privmsg("Emote Emote", bits="5"), privmsg("Emote", user="bob", at=1)))
    assert ChannelDay.objects.values_list("messages", "emotes", "bits", "chatters").get() == (2, 3, 5, 1)
    assert ChannelTotal.objects.values_list("messages", "emotes", "bits", "chatters").get() == (2, 3, 5, 1)
    assert ChatMinute.objects.values_list("messages", "chatters").get() == (2, 1)
    assert EmoteDay.objects.get().uses == 3
    assert list(EmoteUsage.objects.values_list("viewer", "uses")) == [(number_of("bob"), 1)]
    for table in (ViewerDay, ViewerTotal):
        assert list(table.objects.values_list("viewer", flat=True)) == [number_of("bob")]


def test_no_name_is_learnt_of_who_is_erased():
    erased()
    write([privmsg(), usernotice("sub"), frames.follow(), frames.subscribe("alice")])
    assert not Viewer.objects.exists()
    assert not ViewerName.objects.exists()


def test_who_stopped_keeps_the_name_they_had():
    choices.stop(viewer())
    Store().write(read(privmsg(user="alice", display_name="ALICE", color="#000000")))
    assert Viewer.objects.values_list("display_name", "color").get() == ("Alice", "")


def test_a_copy_from_a_shared_chat_says_nothing_either():
    choices.stop(viewer())
    Store().write(read(mirrored(user="alice")))
    said = Message.objects.get()
    assert (said.viewer_id, said.text, said.source_id) == ("", "", "")
    assert said.source_channel_id == number_of("elsewhere")


def test_an_answer_to_them_loses_whom_it_answers():
    choices.stop(viewer())
    reply: dict[str, Any] = {"reply_parent_msg_id": "m1", "reply_thread_parent_msg_id": "m1"}
    reply["reply_parent_user_id"] = ALICE
    Store().write(read(privmsg("@Alice  yes, you", user="bob", **reply)))
    said = Message.objects.get()
    assert (said.text, said.reply_to_id, said.reply_to_viewer_id, said.thread_id) == (" yes, you", "", "", "")
    assert said.viewer_id == number_of("bob")


def test_an_answer_to_somebody_else_stays_whole():
    choices.stop(viewer())
    Store().write(read(privmsg("@Carol yes", user="bob", reply_parent_msg_id="m1", reply_parent_user_id="77")))
    assert Message.objects.values_list("text", "reply_to_viewer_id").get() == ("@Carol yes", "77")


def in_a_thread(root: bytes, *, at: float) -> bytes:
    """What carol answers to bob, in the thread that began with this message."""
    said: dict[str, Any] = {"reply_parent_msg_id": id_of("message", "of bob"), "reply_parent_user_id": number_of("bob")}
    return privmsg("@Bob me too", user="carol", at=at, reply_thread_parent_msg_id=tag(root, "id"), **said)


@pytest.mark.parametrize("lines_at_once", [1, 3])
@STOPPED_OR_ERASED
def test_an_answer_to_somebody_else_does_not_name_the_message_of_theirs_that_the_thread_began_with(
    choose, lines_at_once
):
    choose()
    root, store = privmsg("first"), Store()
    lines = [root, privmsg("of bob", user="bob", at=1), in_a_thread(root, at=2)]
    for start in range(0, len(lines), lines_at_once):
        store.write(read(*lines[start : start + lines_at_once]))
    said = Message.objects.get(text="@Bob me too")
    assert (said.thread_id, said.reply_to_viewer_id) == ("", number_of("bob"))
    assert tag(root, "id") not in repr(everything())


@pytest.mark.parametrize("lines_at_once", [1, 3])
def test_a_thread_of_others_stays_whole(lines_at_once):
    choices.stop(viewer())
    root, store = privmsg("first", user="dave"), Store()
    answer = privmsg("of bob", user="bob", at=1)
    lines = [
        root,
        answer,
        in_a_thread(root, at=2).replace(id_of("message", "of bob").encode(), tag(answer, "id").encode()),
    ]
    for start in range(0, len(lines), lines_at_once):
        store.write(read(*lines[start : start + lines_at_once]))
    said = Message.objects.get(text="@Bob me too")
    assert (said.thread_id, said.reply_to_id) == (tag(root, "id"), tag(answer, "id"))


# Once, however often it is told


LINES = [privmsg("one"), privmsg("two", at=1, bits="5"), privmsg("three", user="bob", at=2)]


def test_what_was_kept_before_the_stop_is_not_counted_again():
    store = Store()
    store.write(read(*LINES))
    before = counters()
    choices.stop(viewer())
    store.write(read(*LINES))
    assert counters() == before
    assert Message.objects.filter(viewer=ALICE).count() == 2


def test_what_was_told_while_stopped_is_not_counted_again_while_stopped():
    choices.stop(viewer())
    store = Store()
    store.write(read(*LINES))
    before = everything()
    store.write(read(*LINES))
    assert everything() == before


@pytest.mark.parametrize("name", ["stop", "erase"])
def test_what_was_told_while_stopped_is_not_counted_again_afterwards(name):
    store = Store()
    if name == "stop":
        choices.stop(viewer())
    else:
        erased()
    store.write(read(*LINES))
    before = counters()
    if name == "stop":
        choices.resume(viewer())
    else:
        assert choices.allow_again(ALICE)
    store.write(read(*LINES))
    assert counters() == before
    store.write(read(privmsg("kept again", at=3)))
    assert Message.objects.get(viewer=ALICE).text == "kept again"


def test_who_stops_resumes_and_stops_again_is_counted_once():
    store = Store()
    parts = [[privmsg(f"part {n}", at=n)] for n in range(3)]
    choose = [lambda: choices.stop(viewer()), lambda: choices.resume(viewer()), lambda: choices.stop(viewer())]
    for decide, part in zip(choose, parts, strict=True):
        decide()
        store.write(read(*part))
    for part in parts:
        store.write(read(*part))
    assert list(Message.objects.order_by("sent_at").values_list("viewer_id", flat=True)) == ["", ALICE, ""]
    assert counters() == counted_again()


def test_who_is_kept_again_after_an_erasure_and_then_stops_is_counted_once():
    erased()
    choices.allow_again(ALICE)
    store = Store()
    store.write(read(*LINES))
    choices.stop(viewer())
    before = counters()
    store.write(read(*LINES))
    assert counters() == before


def test_a_recount_finds_what_was_counted():
    EntryFactory.create(name="Emote")
    store = Store()
    store.load_all_sets()
    store.write(read(privmsg("Emote one"), privmsg("Emote", user="bob", at=1)))
    choices.stop(viewer())
    store.write(read(privmsg("Emote", at=2), privmsg("Emote", at=2 * MINUTE, bits="3"), privmsg("alone", at=2 * DAY)))
    before = counters()
    assert before == counted_again()
    assert not +rollups.rebuild(channel(), rollups.countable(channel()))
    assert counters() == before


def test_a_recount_mends_the_emotes_that_nobody_used():
    EntryFactory.create(name="Emote")
    choices.stop(viewer())
    store = Store()
    store.load_all_sets()
    store.write(read(privmsg("Emote")))
    EmoteDay.objects.update(uses=7)
    rollups.rebuild(channel(), rollups.countable(channel()))
    assert EmoteDay.objects.get().uses == 1


def test_messages_of_nobody_are_of_their_stream_and_of_no_viewer():
    choices.stop(viewer())
    Store().write(read(privmsg("Kappa"), privmsg(user="bob", at=1)))
    stream = Stream.objects.create(id="1", channel=channel(), started_at=moment(-1))
    StreamSegment.objects.create(stream=stream, started_at=moment(-1), title="t")
    streamnumbers.count(stream)
    stream.refresh_from_db()
    assert (stream.messages, stream.chatters, stream.new_viewers, stream.returning_viewers) == (2, 1, 1, 0)
    assert list(ViewerStream.objects.values_list("viewer", flat=True)) == [number_of("bob")]


# What Twitch tells beside messages


ABOUT_ALICE = {
    "sub": usernotice("sub"),
    "resub with words": usernotice("resub", text="nine months", msg_param_cumulative_months="9"),
    "gift": usernotice("subgift", msg_param_recipient_id=number_of("bob")),
    "announcement": usernotice("announcement", text="hear me"),
    "raid": usernotice("raid", msg_param_viewerCount="3", msg_param_login="alice"),
    "unknown": usernotice("something-new", text="words"),
    "EventSub: follow": frames.follow(),
    "EventSub: sub": frames.subscribe(),
    "EventSub: sub, given": frames.subscribe(is_gift=True),
    "EventSub: resub": frames.resubscribe(),
    "EventSub: gifts": frames.gift(5, user="alice"),
    "EventSub: cheer": frames.cheer(100),
    "EventSub: bits": frames.bits_use(100),
    "EventSub: power-up": frames.bits_use(100, use="power_up"),
    "EventSub: redemption": frames.redemption(text="words"),
    "EventSub: redemption of Twitch's": frames.automatic(),
    "EventSub: raid": frames.raid("alice"),
    "EventSub: raid to her": frames.raid("example", "alice", is_out=True),
    "EventSub: ban": frames.ban("alice"),
    "EventSub: unban": frames.unban("alice"),
    "EventSub: timeout": frames.moderate_timeout("alice"),
    "EventSub: deleted": frames.moderate_delete("m1", user="alice"),
    "ban": clearchat("alice"),
    "timeout": clearchat("alice", seconds=60),
}


def rows_about_people() -> int:
    return ChatEvent.objects.count() + Redemption.objects.count() + ModerationEvent.objects.count()


def test_what_twitch_tells_of_them_is_not_kept_and_counts_for_nothing():
    erased()
    for what, line in ABOUT_ALICE.items():
        write([line, privmsg(user="bob")])
        assert rows_about_people() == 0, what
    assert counters() == counted_again()
    assert not DeadLetter.objects.exists()


def test_the_same_is_kept_of_others():
    erased("somebody")
    for number, (what, line) in enumerate(ABOUT_ALICE.items(), start=1):
        write([line])
        assert rows_about_people() == number, what


def test_bits_are_counted_once_whatever_else_tells_of_them():
    erased()
    for _ in orders(privmsg("Cheer100", bits="100"), frames.cheer(100, at=2), frames.bits_use(100, at=1)):
        assert ChannelDay.objects.get().bits == 100
        assert not ChatEvent.objects.exists()


def test_bits_of_nobody_are_not_taken_for_those_of_an_anonymous_cheerer():
    erased()
    anonymous = privmsg("Cheer100", user="ananonymouscheerer", user_id="407665396", at=1, bits="100")
    for _ in orders(privmsg("Cheer100", bits="100"), anonymous, frames.cheer(100, user=None, at=2)):
        assert ChannelDay.objects.get().bits == 200
        assert ChatEvent.objects.get().same_as == tag(anonymous, "id")


GIFT: dict[str, Any] = {
    "msg_param_recipient_id": ALICE,
    "msg_param_recipient_user_name": "alice",
    "msg_param_recipient_display_name": "Alice",
    "msg_param_sub_plan": "1000",
    "system_msg": "Bob gifted a Tier 1 sub to Alice!",
}


def test_a_gift_to_them_stays_given_but_not_to_whom():
    erased()
    Store().write(read(usernotice("subgift", user="bob", **GIFT)))
    event = ChatEvent.objects.get()
    assert (event.viewer_id, event.recipient_id, event.system_text) == (number_of("bob"), "", "")
    assert event.params == {"sub-plan": "1000"}
    assert ViewerTotal.objects.values_list("viewer", "gifts").get() == (number_of("bob"), 1)


def test_a_bomb_over_them_counts_as_announced():
    erased("bob")
    judy = gift_bomb("bob", user="judy")
    for _ in orders(*judy, frames.gift(1, at=1), frames.subscribe("bob", is_gift=True, at=2)):
        assert ViewerTotal.objects.get(viewer=number_of("judy")).gifts == 1
        assert number_of("bob") not in repr(everything())


def test_an_anonymous_gift_to_them_counts_as_ever():
    erased("bob")
    nobody: dict[str, Any] = {"user": "ananonymousgifter", "user_id": "274598607"}
    gift = usernotice("subgift", msg_param_recipient_id=number_of("bob"), **nobody)
    for _ in orders(gift, frames.gift(1, user=None, at=1), frames.subscribe("bob", is_gift=True, at=2)):
        assert ChatEvent.objects.facts().count() == 1
        assert not ViewerTotal.objects.exists()


def test_a_sub_that_goes_on_after_their_gift_does_not_say_whose_it_was():
    erased()
    names: dict[str, Any] = {"msg_param_sender_login": "alice", "msg_param_sender_name": "Alice"}
    Store().write(read(usernotice("giftpaidupgrade", user="bob", system_msg="Alice's gift goes on", **names)))
    assert ChatEvent.objects.values_list("params", "system_text").get() == ({}, "")


def test_who_moderated_is_not_kept_of_them():
    erased("molly")
    write([frames.ban("erin", by="molly", reason="I know you")])
    assert ModerationEvent.objects.values_list("target_login", "moderator_id", "reason").get() == ("erin", "", "")


# Deleted messages, of which Twitch tells the name alone


def deletion_of(user: str, *, is_known: bool) -> tuple[bytes, bytes]:
    line = privmsg("rude", user=user)
    return (line if is_known else privmsg("else", user="bob")), clearmsg(tag(line, "id"), user=user, at=1)


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "unknown"])
def test_a_deleted_message_of_theirs_names_nobody(is_known):
    erased()
    write(list(deletion_of("alice", is_known=is_known)))
    assert ModerationEvent.objects.get().target_login == ""


def test_a_deleted_message_of_somebody_known_names_them():
    erased()
    write(list(deletion_of("carol", is_known=True)))
    assert ModerationEvent.objects.get().target_login == "carol"
    assert Message.objects.get().removed_at == moment(1)


def test_a_message_is_deleted_once_whether_or_not_it_was_known():
    erased()
    said, deleted = deletion_of("carol", is_known=True)
    write([privmsg("else", user="bob")], [deleted], [said], [deleted])
    assert ModerationEvent.objects.get().target_login == ""
    assert Message.objects.get(viewer=number_of("carol")).removed_at == moment(1)


def test_a_message_they_wrote_before_is_still_removed():
    said, deleted = deletion_of("alice", is_known=True)
    write([said])
    choices.stop(viewer())
    write([deleted])
    assert Message.objects.get().removed_at == moment(1)
    assert ModerationEvent.objects.get().target_login == ""


def test_a_ban_of_nobody_removes_no_message_of_nobody():
    choices.stop(viewer())
    nameless = clearchat("", at=5).replace(b"CLEARCHAT #example", b"CLEARCHAT #example :whoever")
    write([privmsg()], [nameless], [privmsg("late", at=1)])
    assert ModerationEvent.objects.values_list("kind", "target_login").get() == ("ban", "")
    assert not Message.objects.exclude(removed_at=None).exists()


# Lines that nobody can use


@pytest.mark.parametrize(
    "raw",
    [
        f"@user-id={ALICE};display-name=Alice :alice PRIVMSG #example :words of alice".encode(),
        f"@reply-parent-user-id={ALICE} :bob PRIVMSG #example :@alice words of alice".encode(),
    ],
)
def test_a_line_that_nobody_can_use_is_only_counted(raw):
    erased()
    assert Store().write(read(raw)).dead == 1
    letter = DeadLetter.objects.get()
    assert bytes(letter.raw) == b""
    assert letter.error == "KeyError: …"


def test_a_frame_that_nobody_can_use_is_only_counted():
    erased()
    raw = frames.told("channel.follow", user="alice", user_login="alice\n", followed_at="alice")
    write([raw])
    letter = DeadLetter.objects.get()
    assert (bytes(letter.raw), "alice" in letter.error) == (b"", False)


def test_a_line_that_the_database_refuses_is_only_counted():
    erased()
    Store().write(read(privmsg("words of alice", id="x" * 70, room_id="y" * 70)))
    assert bytes(DeadLetter.objects.get().raw) == b""


def test_a_deletion_in_a_channel_that_is_not_known_is_only_counted():
    erased()
    write([clearmsg("m1", user="alice")])
    assert bytes(DeadLetter.objects.get().raw) == b""


def test_lines_of_others_that_nobody_can_use_are_kept():
    erased()
    raw = b"@user-id=77 :bob PRIVMSG #example :words"
    Store().write(read(raw))
    assert bytes(DeadLetter.objects.get().raw) == raw


# Everything together


def everything_of_alice() -> list[bytes]:
    return [
        *ABOUT_ALICE.values(),
        privmsg("words of alice", **SECRET),
        privmsg("@Alice answered", user="bob", at=2, reply_parent_user_id=ALICE, reply_parent_msg_id="m1"),
        mirrored("words of alice elsewhere", user="alice"),
        clearmsg("unheard", user="alice"),
        usernotice("subgift", user="bob", **GIFT),
        f"@user-id={ALICE} :alice PRIVMSG #example :words of alice".encode(),
    ]


def test_nothing_of_an_erased_account_comes_back():
    erased()
    write(everything_of_alice())
    found = repr(everything())
    for trace in (ALICE, "alice", "Alice", "words", "nine months", "hear me", id_of("message", "words of alice")):
        assert trace not in found, trace
    assert counters() == counted_again()


def test_it_does_not_matter_in_which_batches_it_comes():
    erased()
    lines = everything_of_alice()
    write(lines)
    whole = {**everything(), "dead letters": len(everything()["dead letters"])}
    Store().write(mixed(*reversed(lines)))
    for line in lines:
        write([line])
    again = everything()
    again["dead letters"] = whole["dead letters"] = []
    assert again == whole


# Beside others


def test_a_choice_waits_for_a_batch_that_does_not_know_of_it(monkeypatch):
    Store().write(read(privmsg("before", at=-1)))
    reached, go_on = threading.Event(), threading.Event()
    insert = Transaction._insert_messages

    def slowly(self):
        reached.set()
        assert go_on.wait(20)
        return insert(self)

    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "_insert_messages", slowly)
        written = in_thread(Store().write, read(privmsg("on its way")))
        assert reached.wait(20)
        stopped = in_thread(choices.stop, viewer())
        until_in_threads(waiting(1))
        assert Viewer.objects.get().stopped_at is None
        go_on.set()
        written.result(20)
        stopped.result(20)
    assert Message.objects.filter(viewer=ALICE).count() == 2
    Store().write(read(privmsg("after", at=1)))
    assert Message.objects.filter(viewer=ALICE).count() == 2


def test_a_batch_waits_for_a_choice_and_then_knows_of_it():
    store = Store()
    store.write(read(privmsg("before", at=-1)))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_ALONE)
        written = in_thread(store.write, read(privmsg("on its way")))
        until_in_threads(waiting(1))
        Viewer.objects.update(stopped_at=moment(0))
        cursor.execute(choices.RAISE_CLOCK)
    written.result(20)
    assert Message.objects.get(sent_at=moment(0)).viewer_id == ""


def test_two_batches_do_not_wait_for_each_other(monkeypatch):
    reached, go_on = threading.Event(), threading.Event()
    insert = Transaction._insert_messages

    def slowly(self):
        if "example" in self.batch.rooms.values():
            reached.set()
            assert go_on.wait(20)
        return insert(self)

    monkeypatch.setattr(Transaction, "_insert_messages", slowly)
    slow = in_thread(Store().write, read(privmsg()))
    assert reached.wait(20)
    in_thread(Store().write, read(privmsg(channel="elsewhere", user="bob"))).result(20)
    go_on.set()
    slow.result(20)


def test_who_is_not_kept_is_read_again_only_when_somebody_chose():
    choices.stop(viewer())
    store = Store()

    def asks_who(text: str) -> bool:
        with CaptureQueriesContext(connection) as captured:
            store.write(read(privmsg(text, user="bob")))
        return any("viewers_erasure" in query["sql"] for query in captured)

    assert [asks_who("one"), asks_who("two")] == [True, False]
    choices.resume(viewer())
    assert [asks_who("three"), asks_who("four")] == [True, False]
    store.forget()
    assert asks_who("five")
