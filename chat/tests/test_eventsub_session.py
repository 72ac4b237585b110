"""The protocol of one EventSub connection, without a socket or a clock."""

import json

import pytest

from chat.ingest.eventsub_session import (
    CLOSE_CODES,
    LONGEST_WORD,
    Connect,
    Malformed,
    Over,
    Phase,
    Revoked,
    Seen,
    Session,
    Subscribe,
    TakeOver,
    Timing,
    shown,
)
from chat.ingest.eventsub_topics import KINDS, topics
from streams import scopes
from streamstats.simulator.eventsub import MALFORMED, UNKNOWN
from streamstats.simulator.eventsubtypes import RAID, TYPES

URL = "wss://eventsub.example/ws?keep=me&as=i%20am"
EVERYTHING = frozenset(scope for kind in KINDS for group in kind.scopes for scope in group)


def frame(kind, payload, **metadata):
    told = {"message_id": "m", "message_type": kind, "message_timestamp": "2026-01-01T00:00:00.123456789Z", **metadata}
    return json.dumps({"metadata": told, "payload": payload}).encode()


def welcome(keepalive=10, session_id="s1"):
    session = {"id": session_id, "status": "connected", "keepalive_timeout_seconds": keepalive, "reconnect_url": None}
    return frame("session_welcome", {"session": session})


def event(message_id="m1"):
    return frame("notification", {"subscription": {}, "event": {}}, message_id=message_id)


def reconnect(url=URL):
    return frame("session_reconnect", {"session": {"id": "s1", "status": "reconnecting", "reconnect_url": url}})


def new_session(*, is_carried=False, seen=None):
    return Session(seen or Seen(), 0.0, Timing(), is_carried=is_carried)


def open_session(keepalive=10, **options):
    session = new_session(**options)
    session.receive(welcome(keepalive), 1.0)
    session.take_deeds()
    return session


@pytest.mark.parametrize(
    ("is_carried", "deed"),
    [
        pytest.param(False, Subscribe("s1"), id="a first connection subscribes"),
        pytest.param(True, TakeOver("s1"), id="one after a reconnect has its subscriptions, and takes over"),
    ],
)
def test_after_the_welcome(is_carried, deed):
    session = new_session(is_carried=is_carried)
    assert session.receive(welcome(), 1.0) == b""
    assert (session.take_deeds(), session.phase) == ([deed], Phase.OPEN)


def test_a_second_welcome_asks_for_nothing_more():
    session = open_session()
    session.receive(welcome(), 2.0)
    assert session.take_deeds() == []


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(event(), id="an event"),
        pytest.param(frame("notification", {"event": {"text": "Grüße 🎉 \\n"}}), id="any text"),
        pytest.param(frame("notification", {"a new": "field"}, new="metadata"), id="unknown fields"),
    ],
)
def test_events_are_handed_on_as_they_came(raw):
    assert open_session().receive(raw, 2.0) == raw


def test_an_event_over_several_lines_becomes_one():
    raw = json.dumps(json.loads(event()), indent=2).replace("\n", "\r\n").encode()
    line = open_session().receive(raw, 2.0)
    assert b"\n" not in line
    assert b"\r" not in line
    assert json.loads(line) == json.loads(raw)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(welcome(), id="a welcome"),
        pytest.param(frame("session_keepalive", {}), id="a keepalive"),
        pytest.param(UNKNOWN.encode(), id="a kind that is not known"),
    ],
)
def test_what_is_no_event_is_not_handed_on(raw):
    session = open_session()
    assert session.receive(raw, 2.0) == b""
    assert session.take_deeds() == []


def test_the_same_message_is_handed_on_once():
    session = open_session()
    assert [bool(session.receive(event(id_), 2.0)) for id_ in "abab"] == [True, True, False, False]
    assert session.duplicates == 2


def test_two_connections_of_an_account_hand_on_a_message_once():
    seen = Seen()
    old, new = open_session(seen=seen), open_session(seen=seen, is_carried=True)
    assert [bool(session.receive(event(), 2.0)) for session in (old, new)] == [True, False]


def test_the_memory_for_ids_is_bounded():
    seen = Seen(limit=3)
    assert all(seen.is_new(id_) for id_ in "abcd")
    assert [seen.is_new(id_) for id_ in "dba"] == [False, False, True]
    assert len(seen._ids) == 3


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
def test_what_cannot_be_read_is_told_and_handed_on_and_ends_nothing(text):
    session = open_session()
    assert session.receive(text.encode(), 2.0) == text.encode()
    assert [type(deed) for deed in session.take_deeds()] == [Malformed]
    assert (session.malformed, session.phase) == (1, Phase.OPEN)


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        pytest.param(b"\xff\xfe{", b"\xff\xfe{", id="not text"),
        pytest.param(b"half\r\nof\na frame\n", b"half  of a frame", id="several lines"),
        pytest.param("{}".encode("utf-16"), "{}".encode("utf-16"), id="JSON, but not in UTF-8"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", b'{"a":' + b"9" * 5000 + b"}", id="a number without end"),
    ],
)
def test_nonsense_stays_one_line(raw, line):
    session = open_session()
    assert session.receive(raw, 2.0) == line
    assert session.malformed == 1


@pytest.mark.parametrize("url", [None, "", 7, "https://example.com", "javascript:alert(1)"])
def test_an_address_that_is_none_leads_nowhere(url):
    session = open_session()
    session.receive(reconnect(url), 2.0)
    assert [type(deed) for deed in session.take_deeds()] == [Malformed]
    assert session.phase is Phase.OPEN


def test_asked_to_reconnect_it_names_the_address_unchanged_and_goes_on():
    session = open_session()
    session.receive(reconnect(), 2.0)
    assert session.take_deeds() == [Connect(URL)]
    assert session.receive(event(), 3.0) == event()


def test_asked_again_it_does_not_connect_twice():
    session = open_session()
    for now in (2.0, 3.0):
        session.receive(reconnect(), now)
    assert session.take_deeds() == [Connect(URL)]


def test_a_revoked_subscription_is_told():
    condition = {"broadcaster_user_id": "1", "reward_id": ""}
    subscription = {"id": "x", "type": "channel.cheer", "status": "user_removed", "condition": condition}
    session = open_session()
    assert session.receive(frame("revocation", {"subscription": subscription}), 2.0) == b""
    assert session.take_deeds() == [Revoked("channel.cheer", {"broadcaster_user_id": "1"}, "user_removed")]


@pytest.mark.parametrize(
    ("keepalive", "now", "is_over"),
    [
        pytest.param(10, 13.9, False, id="quiet, but not for long"),
        pytest.param(10, 14.0, True, id="quiet for longer than announced, and some slack"),
        pytest.param(30, 33.9, False, id="quiet, as was announced"),
        pytest.param(30, 34.0, True, id="quiet for longer than 30 s"),
        pytest.param(None, 14.0, True, id="nothing was announced"),
        pytest.param("x", 14.0, True, id="nonsense was announced"),
        pytest.param(-1, 13.9, False, id="a time before now was announced"),
    ],
)
def test_silence(keepalive, now, is_over):
    session = open_session(keepalive)
    session.tick(now)
    assert (session.phase is Phase.OVER) is is_over


@pytest.mark.parametrize("raw", [frame("session_keepalive", {}), event(), UNKNOWN.encode(), b"{"])
def test_every_frame_ends_the_silence(raw):
    session = open_session()
    session.receive(raw, 13.0)
    session.tick(25.9)
    assert session.phase is not Phase.OVER


def test_silence_is_given_as_the_reason():
    session = open_session()
    session.tick(14.0)
    assert session.take_deeds() == [Over("Twitch was silent for longer than the 10 s it had announced")]


def test_no_welcome_within_ten_seconds():
    session = new_session()
    session.tick(9.9)
    assert session.take_deeds() == []
    session.tick(10.0)
    assert session.take_deeds() == [Over("Twitch did not greet the connection")]


def test_the_old_connection_is_kept_for_thirty_seconds():
    session = open_session()
    session.receive(reconnect(), 2.0)
    session.take_deeds()
    for now in (10.0, 20.0, 30.0):
        session.receive(event(str(now)), now)
        session.tick(now)
    assert session.take_deeds() == []
    session.tick(32.0)
    assert session.take_deeds() == [Over(CLOSE_CODES[4004])]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (4000, "Twitch had an error of its own (code 4000)"),
        (4001, "Twitch says that we sent data, where only it may speak (code 4001)"),
        (4002, "Twitch got no answer to its pings (code 4002)"),
        (4003, "no subscription was made in the seconds that Twitch allows for it (code 4003)"),
        (4004, "the time that Twitch gives for changing to a new connection ran out (code 4004)"),
        (4005, "Twitch waited too long for the network (code 4005)"),
        (4006, "the network failed Twitch (code 4006)"),
        (4007, "Twitch did not know the address it had given for the new connection (code 4007)"),
        (1000, "Twitch ended the connection (code 1000)"),
        (1001, "the server at Twitch is going away (code 1001)"),
        (1009, "a message was larger than is ever expected (code 1009)"),
        (4999, "Twitch closed the connection (code 4999)"),
        (None, "the connection to Twitch broke off without a word (code 1006)"),
    ],
)
def test_every_close_code_has_words(code, words):
    session = open_session()
    session.closed(code)
    assert session.take_deeds() == [Over(words)]


def test_the_first_reason_for_an_end_holds():
    session = open_session()
    session.give_up("first")
    session.closed(4000)
    session.tick(1000.0)
    assert (session.reason, session.take_deeds()) == ("first", [Over("first")])


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain words", "plain words"),
        ("two\nlines\x00\x1b[31m", "two lines  [31m"),
        ("half \ud800 a character", "half   a character"),
        ("x" * 1000, "x" * LONGEST_WORD),
    ],
)
def test_words_of_twitch_are_made_fit_for_people(text, seen):
    assert shown(text) == seen


class TestTopics:
    def test_with_every_permission_everything_is_asked_for(self):
        assert [objection for _, objection in topics("1", EVERYTHING, EVERYTHING)] == [""] * len(KINDS)

    def test_without_any_only_what_needs_none(self):
        asked = {topic.type for topic, objection in topics("1", (), EVERYTHING) if not objection}
        assert asked == {kind.type for kind in KINDS if not kind.scopes}

    def test_what_is_missing_is_named_with_what_to_do(self):
        reasons = {topic.type: objection for topic, objection in topics("1", ["bits:read"], EVERYTHING)}
        assert reasons["channel.cheer"] == ""
        assert reasons["channel.poll.end"] == "needs the permission channel:read:polls: connect the channel again"
        assert reasons["channel.moderate"].startswith("needs the permissions moderator:read:blocked_terms, moderator:")

    def test_who_may_manage_may_read(self):
        reasons = {topic.type: objection for topic, objection in topics("1", ["channel:manage:polls"], EVERYTHING)}
        assert reasons["channel.poll.end"] == ""

    def test_what_is_switched_off_is_not_asked_for(self):
        reasons = {topic.type: objection for topic, objection in topics("1", EVERYTHING, ["bits:read"])}
        assert reasons["channel.cheer"] == ""
        assert reasons["channel.poll.end"] == "switched off: TWITCH_FEATURES leaves it out"

    def test_all_of_it_is_about_the_owner_and_so_costs_nothing(self):
        assert {value for topic, _ in topics("1", (), ()) for _, value in topic.condition} == {"1"}

    def test_no_topic_stands_in_it_twice(self):
        found = [topic for topic, _ in topics("1", (), ())]
        assert len(set(found)) == len(found) == 29

    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.type} {kind.condition[0]}")
    def test_twitch_has_it_in_this_version_for_these_permissions(self, kind):
        there = TYPES[kind.type]
        conditions = RAID if there.condition == RAID else there.condition
        assert kind.version == there.version
        assert set(kind.condition) <= set(conditions)
        assert [frozenset(group) for group in kind.scopes] == list(there.scopes)

    def test_people_are_asked_for_every_permission_that_it_needs(self):
        assert {group[0] for kind in KINDS for group in kind.scopes} <= set(scopes.for_channel())
