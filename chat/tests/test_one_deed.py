"""A deed of a moderator that chat and EventSub both tell is one deed, and removes messages once."""

import pytest

from chat.models import Message, ModerationEvent
from chat.tests.frames import ban, moderate, moderate_ban, moderate_delete, moderate_timeout, told, unban, who
from chat.tests.lines import clearchat, clearmsg, moment, number_of, privmsg, tag
from chat.tests.orders import orders, write

pytestmark = pytest.mark.django_db(transaction=True)

MOLLY = number_of("molly")
RUDE = privmsg("rude", user="erin", at=10)
RUDE_ID = tag(RUDE, "id")
ERIN = who("user", "erin")


def deeds() -> list[tuple[str, str, str]]:
    """What stands: kind, by whom and why."""
    return sorted(ModerationEvent.objects.facts().values_list("kind", "moderator_id", "reason"))


SAME = {
    "ban": ([clearchat("erin", at=20), ban(at=20), moderate_ban(at=21.2)], [("ban", MOLLY, "spam")]),
    "ban, told by EventSub alone": ([ban(at=20), moderate_ban(at=21.2)], [("ban", MOLLY, "spam")]),
    "ban, by chat alone": ([clearchat("erin", at=20)], [("ban", "", "")]),
    "ban, told twice under two ids": (
        [moderate_ban(at=20, message_id="a"), moderate_ban(at=21, message_id="b"), clearchat("erin", at=19)],
        [("ban", MOLLY, "spam")],
    ),
    "timeout": (
        [clearchat("erin", at=20, seconds=600), ban(at=20, seconds=600), moderate_timeout(at=22, ends=620)],
        [("timeout", MOLLY, "spam")],
    ),
    "timeout of a second, told after its end": (
        [clearchat("erin", at=20, seconds=1), moderate_timeout(at=24, ends=21)],
        [("timeout", MOLLY, "spam")],
    ),
    "two timeouts of other lengths": (
        [clearchat("erin", at=20, seconds=10), clearchat("erin", at=22, seconds=600), ban(at=22, seconds=600)],
        [("timeout", "", ""), ("timeout", MOLLY, "spam")],
    ),
    "timeout, then ban": (
        [clearchat("erin", at=20, seconds=600), clearchat("erin", at=25), moderate_ban(at=26)],
        [("ban", MOLLY, "spam"), ("timeout", "", "")],
    ),
    "ban of somebody else": (
        [clearchat("erin", at=20), moderate_ban("bob", at=20)],
        [("ban", "", ""), ("ban", MOLLY, "spam")],
    ),
    "ban, an hour later": (
        [clearchat("erin", at=20), moderate_ban(at=3620)],
        [("ban", "", ""), ("ban", MOLLY, "spam")],
    ),
    "deletion": ([clearmsg(RUDE_ID, user="erin", at=20), moderate_delete(RUDE_ID, at=21)], [("delete", MOLLY, "")]),
    "deletion, told late": (
        [clearmsg(RUDE_ID, user="erin", at=20), moderate_delete(RUDE_ID, at=420)],
        [("delete", MOLLY, "")],
    ),
    "clearing": ([clearchat(at=20), moderate("clear", at=21)], [("clear", MOLLY, "")]),
    "unban": ([unban(at=20), moderate("unban", ERIN, at=21)], [("unban", MOLLY, "")]),
    "end of a timeout": ([unban(at=20), moderate("untimeout", ERIN, at=21)], [("untimeout", MOLLY, "")]),
    "new moderator": (
        [told("channel.moderator.add", user="erin", at=20), moderate("mod", ERIN, at=21)],
        [("mod", MOLLY, "")],
    ),
    "no VIP any more": (
        [told("channel.vip.remove", user="erin", at=20), moderate("unvip", ERIN, at=21)],
        [("unvip", MOLLY, "")],
    ),
}


@pytest.mark.parametrize(("lines", "stand"), SAME.values(), ids=SAME.keys())
def test_what_both_tell_is_one_deed_in_any_order(lines, stand):
    write([privmsg("channel")])
    for _ in orders(*lines):
        assert deeds() == stand


LATE = privmsg("sorry", user="erin", at=20.5)
REMOVED = {
    "ban by chat": ([clearchat("erin", at=20), moderate_ban(at=21)], 20),
    "ban by EventSub alone": ([moderate_ban(at=20)], 20),
    "timeout by channel.ban alone": ([ban(at=20, told_at=22, seconds=5)], 20),
    "timeout told late": ([clearchat("erin", at=20, seconds=600), moderate_timeout(at=21, ends=620)], 20),
    "deletion by EventSub alone": ([moderate_delete(RUDE_ID, at=20)], 20),
    "deletion by both": ([clearmsg(RUDE_ID, user="erin", at=20), moderate_delete(RUDE_ID, at=21)], 20),
    "deletion, told earlier by EventSub": (
        [clearmsg(RUDE_ID, user="erin", at=20), moderate_delete(RUDE_ID, at=19)],
        20,
    ),
    "clearing": ([clearchat(at=20), moderate("clear", at=21)], 20),
}


@pytest.mark.parametrize(("lines", "removed_at"), REMOVED.values(), ids=REMOVED.keys())
def test_messages_are_removed_at_the_time_of_the_deed_in_any_order(lines, removed_at):
    write([privmsg("channel")])
    for _ in orders([RUDE, LATE], *lines):
        assert dict(Message.objects.values_list("text", "removed_at")) == {"rude": moment(removed_at), "sorry": None}


@pytest.mark.parametrize(
    "deed",
    [unban(at=20), moderate("unban", ERIN, at=20), moderate("warn", {**ERIN, "reason": "x"}, at=20), moderate("slow")],
    ids=["unban", "unban by both", "warning", "slow mode"],
)  # fmt: skip
def test_other_deeds_remove_nothing(deed):
    for _ in orders(RUDE, deed):
        assert Message.objects.get().removed_at is None


def test_another_deed_removes_what_a_telling_no_longer_does():
    """EventSub's clock said 25; chat says 30, and there was a deletion in between."""
    lines = [RUDE, moderate_ban(at=25), clearchat("erin", at=30), clearmsg(RUDE_ID, user="erin", at=27)]
    for _ in orders(*lines):
        assert Message.objects.get().removed_at == moment(27)


@pytest.mark.parametrize(
    ("frame", "known"),
    [
        (ban(at=20.5, seconds=600), ("timeout", 600, "spam", moment(20.5))),
        (ban(at=20), ("ban", None, "spam", moment(20))),
        (moderate_timeout(at=20, ends=80), ("timeout", 60, "spam", moment(20))),
        (moderate("slow", {"wait_time_seconds": 30}, at=20), ("slow", 30, "", moment(20))),
        (moderate("followers", {"follow_duration_minutes": 10}, at=20), ("followers", 600, "", moment(20))),
        (moderate("emoteonly", at=20), ("emoteonly", None, "", moment(20))),
        (
            moderate("warn", {**ERIN, "reason": "language", "chat_rules_cited": ["Be kind", "No spam"]}, at=20),
            ("warn", None, "language: Be kind, No spam", moment(20)),
        ),
        (
            moderate("approve_unban_request", {**ERIN, "moderator_message": "hi"}, within="unban_request", at=20),
            ("approve_unban_request", None, "hi", moment(20)),
        ),
        (
            moderate("add_blocked_term", {"terms": ["odd", "words"]}, within="automod_terms", at=20),
            ("add_blocked_term", None, "odd, words", moment(20)),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_is_known_of_a_deed(frame, known):
    write([frame])
    deed = ModerationEvent.objects.get()
    assert (deed.kind, deed.duration_seconds, deed.reason, deed.occurred_at) == known
    assert deed.moderator_id == MOLLY


def test_a_deed_by_whoever_moderates_names_both():
    write([moderate_ban(at=20)])
    deed = ModerationEvent.objects.get()
    assert (deed.target_id, deed.target_login) == (number_of("erin"), "erin")


def test_what_is_one_deed_stays_one_when_another_comes_later():
    write([clearchat("erin", at=0), moderate_ban(at=2)], [unban(at=601)])
    assert deeds() == [("ban", MOLLY, "spam"), ("unban", MOLLY, "")]


def test_what_a_deed_borrowed_is_taken_back_when_it_belongs_to_another():
    for _ in orders(clearchat("erin", at=0), moderate_ban(at=20), clearchat("erin", at=30)):
        assert deeds() == [("ban", "", ""), ("ban", MOLLY, "spam")]
