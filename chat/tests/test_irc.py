"""What each kind of line means."""

import random
from typing import get_args

import pytest

from chat.ingest.events import (
    ChatCleared,
    ChatMessage,
    Event,
    Ignored,
    Membership,
    MessageDeleted,
    Reconnect,
    RoomNotice,
    RoomState,
    Unreadable,
    UserNotice,
    ViewerCleared,
)
from chat.ingest.irc import parse, parse_emotes, parse_tags, unescape
from chat.tests.lines import clearchat, clearmsg, gift_bomb, mirrored, ms, number_of, privmsg, roomstate, usernotice

TMI = ":tmi.twitch.tv"
SAID = ":alice!alice@alice.tmi.twitch.tv PRIVMSG #example :hello"
NEEDED = "id=m1;room-id=1001;user-id=2002;tmi-sent-ts=1767225600123"


def said(line: bytes | str) -> ChatMessage:
    event = parse(line if isinstance(line, str) else line.decode())
    assert isinstance(event, ChatMessage), event
    return event


def noticed(line: bytes | str) -> UserNotice:
    event = parse(line if isinstance(line, str) else line.decode())
    assert isinstance(event, UserNotice), event
    return event


# Tags


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        pytest.param("mod=0;id=x", {"mod": "0", "id": "x"}, id="two tags"),
        pytest.param("mod=;id=x", {"mod": "", "id": "x"}, id="an empty value"),
        pytest.param("mod;id=x", {"mod": "", "id": "x"}, id="no equals sign"),
        pytest.param("mod;vip;id=x", {"mod": "", "vip": "", "id": "x"}, id="two neighbours without an equals sign"),
        pytest.param("mod;vip", {"mod": "", "vip": ""}, id="nothing but names"),
        pytest.param("id=a=b", {"id": "a=b"}, id="an equals sign in the value"),
        pytest.param("id=a=b=c==;mod=0", {"id": "a=b=c==", "mod": "0"}, id="many equals signs in the value"),
        pytest.param("id=a=mod;vip", {"id": "a=mod", "vip": ""}, id="a value that looks like a tag"),
        pytest.param("new-tag=1;id=x", {"new-tag": "1", "id": "x"}, id="a tag not known yet"),
        pytest.param("id=a;id=b", {"id": "b"}, id="the last of two equal tags"),
        pytest.param("id=x;", {"id": "x", "": ""}, id="a semicolon at the end"),
        pytest.param("", {"": ""}, id="nothing"),
        pytest.param(r"system-msg=a\sb\:c", {"system-msg": "a b;c"}, id="escapes"),
    ],
)
def test_tags_are_split_at_the_first_equals_sign(text, tags):
    assert parse_tags(text) == tags


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        pytest.param(r"a\:b", "a;b", id="semicolon"),
        pytest.param(r"a\sb", "a b", id="space"),
        pytest.param(r"a\\b", r"a\b", id="backslash"),
        pytest.param(r"a\rb\nc", "a\rb\nc", id="line ends"),
        pytest.param(r"a\bc", "abc", id="unknown escape"),
        pytest.param("a\\", "a", id="lone backslash at the end"),
        pytest.param("a\\\\\\", "a\\", id="backslash and a lone one"),
        pytest.param(r"\\s", r"\s", id="undone once only"),
        pytest.param(r"foo\s", "foo ", id="trailing space is kept"),
        pytest.param("\\", "", id="nothing but a backslash"),
    ],
)
def test_escapes_are_undone_once_from_left_to_right(escaped, plain):
    assert unescape(escaped) == plain


# PRIVMSG


def test_a_message_keeps_everything_the_store_needs():
    line = (
        "@badge-info=subscriber/27;badges=subscriber/24,bits/1000;bits=100;color=#FF4500;custom-reward-id=r1;"
        "display-name=SomeViewer;emotes=25:0-4;first-msg=1;flags=0-4:P.3;id=m1;mod=0;msg-id=highlighted-message;"
        "reply-parent-msg-id=p1;reply-parent-user-id=3003;reply-thread-parent-msg-id=t1;returning-chatter=1;"
        "room-id=1001;subscriber=1;tmi-sent-ts=1767225600123;turbo=0;user-id=2002;user-type= "
        ":someviewer!someviewer@someviewer.tmi.twitch.tv PRIVMSG #chan :Kappa hi"
    )
    assert parse(line) == ChatMessage(
        id="m1",
        room_id="1001",
        channel="chan",
        user_id="2002",
        login="someviewer",
        display_name="SomeViewer",
        color="#FF4500",
        sent_ms=1767225600123,
        text="Kappa hi",
        is_action=False,
        is_first=True,
        is_returning=True,
        bits=100,
        badges="subscriber/24,bits/1000",
        badge_info="subscriber/27",
        notice="highlighted-message",
        reward_id="r1",
        reply_to_id="p1",
        reply_to_user_id="3003",
        thread_id="t1",
        source_id="",
        source_room_id="",
        emotes=((0, 5, "25"),),
    )


@pytest.mark.parametrize(
    ("line", "text"),
    [
        pytest.param(privmsg("hello there"), "hello there", id="several words"),
        pytest.param(f"@{NEEDED} {SAID.replace(':hello', 'hello')}", "hello", id="no colon before a single word"),
        pytest.param(privmsg(":) hi"), ":) hi", id="a text that begins with a colon"),
        pytest.param(privmsg(" :x "), " :x ", id="spaces around"),
        pytest.param(privmsg(""), "", id="an empty text"),
        pytest.param(f"@{NEEDED} :a!a@a PRIVMSG #example", "", id="no text at all"),
        pytest.param(privmsg("PRIVMSG #other :fake"), "PRIVMSG #other :fake", id="a text that looks like a line"),
        pytest.param(privmsg("你好 🎉"), "你好 🎉", id="beyond ASCII"),
        pytest.param(privmsg("a\x00b"), "a\ufffdb", id="a NUL, which Postgres cannot hold"),
    ],
)
def test_the_text_is_what_was_typed(line, text):
    assert said(line).text == text


@pytest.mark.parametrize(
    ("typed", "text", "is_action"),
    [
        pytest.param("\x01ACTION waves\x01", "waves", True, id="me"),
        pytest.param("\x01ACTION waves", "waves", True, id="me without its end"),
        pytest.param("\x01ACTION \x01", "", True, id="me without a text"),
        pytest.param("ACTION waves", "ACTION waves", False, id="only the word"),
        pytest.param("\x01VERSION\x01", "\x01VERSION\x01", False, id="another frame"),
        pytest.param("\x01ACTION a\x00b\x01", "a\ufffdb", True, id="me with a NUL"),
    ],
)
def test_the_frame_of_me_is_taken_off(typed, text, is_action):
    message = said(privmsg(typed))
    assert (message.text, message.is_action) == (text, is_action)


def test_emotes_of_me_are_counted_from_after_the_frame():
    assert said(privmsg("\x01ACTION Kappa\x01", emotes="25:0-4")).emotes == ((0, 5, "25"),)


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        pytest.param({"display_name": ""}, "display_name", "alice", id="empty display name"),
        pytest.param({"display_name": None}, "display_name", "alice", id="no display name"),
        pytest.param({"display_name": "爱丽丝"}, "display_name", "爱丽丝", id="CJK display name"),
        pytest.param({"color": ""}, "color", "", id="a colour never chosen"),
        pytest.param({"badges": "moderator,vip/1"}, "badges", "moderator,vip/1", id="a badge without a version"),
        pytest.param(
            {"badge_info": "predictions/a;b c"}, "badge_info", "predictions/a;b c", id="escapes in a badge's info"
        ),
        pytest.param({"bits": "1000"}, "bits", 1000, id="bits"),
        pytest.param({"bits": ""}, "bits", 0, id="empty bits"),
        pytest.param({"bits": "-5"}, "bits", 0, id="negative bits"),
        pytest.param({"bits": "many"}, "bits", 0, id="bits that are no number"),
        pytest.param({"bits": "9" * 30}, "bits", 0, id="bits beyond sense"),
        pytest.param({"bits": "٣"}, "bits", 0, id="bits in other digits"),
        pytest.param({"custom_reward_id": "CELEBRATION"}, "reward_id", "CELEBRATION", id="a reward that is no UUID"),
        pytest.param({"first_msg": None}, "is_first", False, id="no word of a first message"),
        pytest.param({"first_msg": "1"}, "is_first", True, id="first message"),
        pytest.param({"returning_chatter": "1"}, "is_returning", True, id="returning"),
        pytest.param({"msg_id": "animated-message"}, "notice", "animated-message", id="power-up"),
        pytest.param({"reply_parent_msg_body": "a=b; c"}, "text", "hello", id="a parent with every separator"),
        pytest.param({"client_nonce": "abc", "brand_new": "1"}, "text", "hello", id="tags of no interest"),
    ],
)
def test_a_tag_means(changes, field, value):
    assert getattr(said(privmsg(**changes)), field) == value


@pytest.mark.parametrize("value", ["1", "0", ""])
def test_the_presence_of_vip_disturbs_nothing(value):
    assert said(privmsg(vip=value, badges="vip/1")).badges == "vip/1"


def test_a_reply_names_its_parent_and_its_thread():
    message = said(
        privmsg("@Bob yes", reply_parent_msg_id="p", reply_parent_user_id="7", reply_thread_parent_msg_id="t")
    )
    assert (message.reply_to_id, message.reply_to_user_id, message.thread_id) == ("p", "7", "t")


def test_a_copy_of_a_shared_chat_tells_where_it_was_written():
    message = said(mirrored(source="elsewhere", source_id="original"))
    assert (message.source_room_id, message.source_id) == (number_of("elsewhere"), "original")


def test_an_own_message_during_a_shared_chat_is_no_copy():
    message = said(privmsg(id="m1", source_id="m1", source_room_id=number_of("example")))
    assert (message.source_room_id, message.source_id) == ("", "")


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param("room-id=1;user-id=2;tmi-sent-ts=1767225600123", id="no id"),
        pytest.param("id=;room-id=1;user-id=2;tmi-sent-ts=1767225600123", id="empty id"),
        pytest.param("id=m;user-id=2;tmi-sent-ts=1767225600123", id="no room"),
        pytest.param("id=m;room-id=1;tmi-sent-ts=1767225600123", id="no user"),
        pytest.param("id=m;room-id=1;user-id=2", id="no time"),
        pytest.param("id=m;room-id=1;user-id=2;tmi-sent-ts=soon", id="a time that is no number"),
        pytest.param("id=m;room-id=1;user-id=2;tmi-sent-ts=0", id="time zero"),
        pytest.param("id=m;room-id=1;user-id=2;tmi-sent-ts=-5", id="a negative time"),
        pytest.param("id=m;room-id=1;user-id=2;tmi-sent-ts=253402300799000", id="the last second of the calendar"),
        pytest.param(f"id=m;room-id=1;user-id=2;tmi-sent-ts={'9' * 5000}", id="a time without end"),
    ],
)
def test_a_message_without_what_it_needs_is_unreadable(tags):
    assert isinstance(parse(f"@{tags} {SAID}"), Unreadable)


@pytest.mark.parametrize("target", ["", "#", "example", ":hello", "* :hello"])
@pytest.mark.parametrize("command", ["PRIVMSG", "USERNOTICE", "CLEARCHAT", "CLEARMSG", "ROOMSTATE"])
def test_a_line_without_a_channel_is_unreadable(command, target):
    event = parse(f"@{NEEDED};msg-id=sub;target-msg-id=x {TMI} {command} {target}")
    assert isinstance(event, Unreadable)


# Emote ranges


@pytest.mark.parametrize(
    ("tag", "length", "ranges"),
    [
        pytest.param("25:0-4", 10, ((0, 5, "25"),), id="one"),
        pytest.param("25:0-4,6-10", 11, ((0, 5, "25"), (6, 11, "25")), id="one twice"),
        pytest.param("33:6-7/25:0-4", 11, ((0, 5, "25"), (6, 8, "33")), id="two, out of order"),
        pytest.param("emotesv2_ab:0-4", 5, ((0, 5, "emotesv2_ab"),), id="a new id"),
        pytest.param("25:0-0", 1, ((0, 1, "25"),), id="one character"),
        pytest.param("25:0-5", 5, (), id="beyond the text"),
        pytest.param("25:0-5,0-4", 5, ((0, 5, "25"),), id="only the one beyond the text goes"),
        pytest.param("25:4-0", 9, (), id="reversed"),
        pytest.param("25:04", 9, (), id="no hyphen"),
        pytest.param("25:a-b", 9, (), id="no numbers"),
        pytest.param("25:-1-4", 9, (), id="negative"),
        pytest.param("25", 9, (), id="no colon"),
        pytest.param("25:", 9, (), id="no ranges"),
        pytest.param(":0-4", 9, (), id="no id"),
        pytest.param("25:0-4/", 9, ((0, 5, "25"),), id="a slash at the end"),
        pytest.param(f"25:0-{'9' * 5000}", 9, (), id="a number without end"),
        pytest.param("25:0-4/26:0-4", 9, ((0, 5, "25"), (0, 5, "26")), id="the same place twice"),
        pytest.param("25:0-4/26:2-6", 9, ((0, 5, "25"), (2, 7, "26")), id="overlapping"),
    ],
)
def test_emote_ranges(tag, length, ranges):
    assert parse_emotes(tag, length) == ranges


def test_positions_are_code_points():
    message = said(privmsg("🎉🎊 Kappa", emotes="25:3-7"))
    ((start, end, _),) = message.emotes
    assert message.text[start:end] == "Kappa"


# USERNOTICE


@pytest.mark.parametrize(
    "kind",
    [
        "sub",
        "resub",
        "subgift",
        "submysterygift",
        "giftpaidupgrade",
        "anongiftpaidupgrade",
        "primepaidupgrade",
        "standardpayforward",
        "communitypayforward",
        "rewardgift",
        "charitydonation",
        "raid",
        "unraid",
        "announcement",
        "viewermilestone",
        "modiversary",
        "bitsbadgetier",
        "socialsharingbadge",
        "onetapgiftredeemed",
        "ritual",
        "something-of-next-year",
    ],
)
def test_a_notice_of_any_kind_is_kept(kind):
    assert noticed(usernotice(kind, msg_param_value="7")).kind == kind


def test_a_notice_keeps_everything_the_store_needs():
    line = usernotice(
        "resub", text="still here", at=5, id="n1", msg_param_cumulative_months="9", system_msg="9 months;"
    )
    assert parse(line.decode()) == UserNotice(
        id="n1",
        room_id=number_of("example"),
        channel="example",
        user_id=number_of("alice"),
        login="alice",
        display_name="Alice",
        color="#FF4500",
        sent_ms=ms(5),
        kind="resub",
        text="still here",
        system_text="9 months;",
        params={"cumulative-months": "9"},
        source_room_id="",
    )


def test_a_notice_need_not_have_a_text():
    assert noticed(usernotice("raid")).text == ""


def test_a_notice_without_a_login_is_named_by_nobody():
    notice = noticed(usernotice("sub", login=None, display_name=None))
    assert (notice.login, notice.display_name) == ("", "")


def test_the_members_of_a_gift_bomb_share_its_id():
    ids = {noticed(line).params["community-gift-id"] for line in gift_bomb("bob", "carol")}
    assert ids == {"bomb"}


def test_an_anonymous_gifter_is_as_twitch_names_them():
    assert noticed(usernotice("subgift", user="ananonymousgifter", user_id="274598607")).user_id == "274598607"


def test_a_mirrored_notice_has_the_kind_of_the_original():
    notice = noticed(usernotice("sharedchatnotice", source_msg_id="raid", source_room_id="77"))
    assert (notice.kind, notice.source_room_id) == ("raid", "77")


def test_a_mirrored_notice_may_hide_its_kind():
    assert noticed(usernotice("sharedchatnotice", source_room_id="77")).kind == "sharedchatnotice"


def test_a_mirrored_resub_is_told_by_its_room():
    assert noticed(usernotice("resub", source_room_id="77")).source_room_id == "77"


def test_an_own_notice_during_a_shared_chat_is_no_copy():
    assert noticed(usernotice("resub", source_room_id=number_of("example"))).source_room_id == ""


def test_a_notice_has_no_nul_in_it():
    notice = noticed(usernotice("sub", text="a\x00", system_msg="b\x00", msg_param_sub_plan_name="c\x00"))
    assert "\x00" not in f"{notice.text}{notice.system_text}{notice.params}"


@pytest.mark.parametrize("missing", ["id", "room_id", "msg_id", "tmi_sent_ts"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_notice_without_what_it_needs_is_unreadable(missing, value):
    assert isinstance(parse(usernotice("sub", **{missing: value}).decode()), Unreadable)


# Deeds of moderators


@pytest.mark.parametrize(
    ("line", "duration"),
    [
        pytest.param(clearchat("bob"), None, id="ban"),
        pytest.param(clearchat("bob", seconds=600), 600, id="timeout"),
        pytest.param(clearchat("bob", seconds=0), 0, id="timeout of no time"),
    ],
)
def test_a_viewer_is_cleared(line, duration):
    assert parse(line.decode()) == ViewerCleared(
        number_of("example"), "example", number_of("bob"), "bob", ms(0), duration
    )


def test_a_duration_that_is_no_number_is_still_a_timeout():
    event = parse(f"@ban-duration=x;room-id=1;target-user-id=2;tmi-sent-ts=5 {TMI} CLEARCHAT #example :bob")
    assert isinstance(event, ViewerCleared)
    assert event.duration_seconds == 0


def test_a_chat_is_cleared():
    assert parse(clearchat(at=3).decode()) == ChatCleared(number_of("example"), "example", ms(3))


@pytest.mark.parametrize("room_id", ["", number_of("example")])
def test_a_message_is_deleted_with_or_without_a_room_id(room_id):
    event = parse(clearmsg("m1", user="bob", at=3, room_id=room_id).decode())
    assert event == MessageDeleted(room_id, "example", "bob", "m1", ms(3))


def test_a_deletion_of_nothing_is_unreadable():
    assert isinstance(parse(clearmsg("").decode()), Unreadable)


# Rooms and ourselves


def test_a_room_tells_its_id_and_settings():
    event = parse(roomstate(slow="30").decode())
    assert event == RoomState(number_of("example"), "example", {"emote-only": "0", "slow": "30"})


def test_a_room_tells_only_what_changed():
    assert parse(f"@room-id=1;slow=10 {TMI} ROOMSTATE #example") == RoomState("1", "example", {"slow": "10"})


@pytest.mark.parametrize(
    ("line", "notice"),
    [
        pytest.param(
            f"@msg-id=slow_off {TMI} NOTICE #example :Slow mode is off.",
            RoomNotice("example", "slow_off", "Slow mode is off."),
            id="of a room",
        ),
        pytest.param(
            f"{TMI} NOTICE * :Login authentication failed",
            RoomNotice("", "", "Login authentication failed"),
            id="of no room",
        ),
    ],
)
def test_a_word_from_twitch(line, notice):
    assert parse(line) == notice


@pytest.mark.parametrize(
    ("line", "membership"),
    [
        pytest.param(":bob!bob@bob JOIN #example", Membership("example", ("bob",), True), id="join"),
        pytest.param(":bob!bob@bob JOIN :#example", Membership("example", ("bob",), True), id="join with a colon"),
        pytest.param(":bob!bob@bob PART #example", Membership("example", ("bob",), False), id="part"),
        pytest.param(
            ":me.tmi.twitch.tv 353 me = #example :bob carol", Membership("example", ("bob", "carol"), True), id="names"
        ),
        pytest.param(
            ":me.tmi.twitch.tv 353 me = #example bob", Membership("example", ("bob",), True), id="one name, no colon"
        ),
    ],
)
def test_who_is_there(line, membership):
    assert parse(line) == membership


def test_the_server_wants_us_to_connect_again():
    assert parse(f"{TMI} RECONNECT") == Reconnect()


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("PING :tmi.twitch.tv", "PING"),
        (f"{TMI} PONG tmi.twitch.tv :x", "PONG"),
        (f"{TMI} CAP * ACK :twitch.tv/tags", "CAP"),
        (f"{TMI} 001 justinfan1 :Welcome, GLHF!", "001"),
        (f"{TMI} 366 justinfan1 #example :End of /NAMES list", "366"),
        (f"@emote-sets= {TMI} GLOBALUSERSTATE", "GLOBALUSERSTATE"),
        (f"@mod=0 {TMI} USERSTATE #example", "USERSTATE"),
        (f"{TMI} HOSTTARGET #example :-", "HOSTTARGET"),
    ],
)
def test_a_line_that_says_nothing_about_the_chat_is_ignored(line, command):
    assert parse(line) == Ignored(command)


# What nobody has seen yet


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        "@",
        "@ ",
        "@a=b",
        ":",
        "@a=b :c",
        "PRIVMSG",
        f"{TMI} NEWTHING #example :x",
        "privmsg #example :hello",
        "\x00\x01\x02",
        "\ufffd\ufffd\ufffd",
        "GET / HTTP/1.1",
        "@@@@ :::: ####",
    ],
)
def test_garbage_is_unreadable(line):
    assert isinstance(parse(line), Unreadable)


def test_an_unreadable_line_says_why():
    assert parse(f"{TMI} NEWTHING #example :x") == Unreadable("unknown command 'NEWTHING'")


GOOD = [
    *(line.decode() for line in gift_bomb("bob", "carol")),
    privmsg(
        "Kappa 🎉 hi", emotes="25:0-4", badges="vip/1", bits="5", vip="1", reply_parent_msg_body="a b;c\\"
    ).decode(),
    mirrored("\x01ACTION waves\x01").decode(),
    usernotice("sharedchatnotice", source_msg_id="sub", source_room_id="7").decode(),
    clearchat("bob", seconds=5).decode(),
    clearchat().decode(),
    clearmsg("m1").decode(),
    roomstate().decode(),
    f"@msg-id=slow_off {TMI} NOTICE #example :Slow mode is off.",
    ":me.tmi.twitch.tv 353 me = #example :bob carol",
    ":bob!bob@bob JOIN #example",
]
PIECES = [*";= :@#\\/,-\x00\x01\r\n🎉é", "9" * 30, "emotes=", ""]


def mangled(line: str, chance: random.Random) -> str:
    """Cut, repeat, swap and insert at a few places."""
    for _ in range(chance.randint(1, 4)):
        start, end = sorted((chance.randint(0, len(line)), chance.randint(0, len(line))))
        if chance.random() < 0.5:
            end = min(start + chance.randint(0, 3), len(line))
        filling = chance.choice([chance.choice(PIECES), line[start:end] * 2, ""])
        line = line[:start] + filling + line[end:]
    return line


def is_event(event: object) -> bool:
    return isinstance(event, get_args(Event))


@pytest.mark.parametrize("good", GOOD, ids=lambda line: line.partition(" :")[2][:30])
def test_a_mangled_line_is_an_event_all_the_same(good):
    chance = random.Random(20260314)
    wrong = [line for line in (mangled(good, chance) for _ in range(2000)) if not is_event(parse(line))]
    assert wrong == []


def test_noise_is_an_event_all_the_same():
    chance = random.Random(20260314)
    noise = (chance.randbytes(chance.randint(0, 200)).decode("utf-8", "replace") for _ in range(5000))
    assert all(is_event(parse(line)) for line in noise)
