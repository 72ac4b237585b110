"""What a frame of EventSub means; and that none can do harm."""

import json
from typing import Any

import pytest

from chat.ingest import eventsub
from chat.ingest.events import Ignored, Unreadable
from chat.ingest.eventsub_events import Deed, Notification, Person, Redeemed, StreamOnline, Told
from chat.tests.frames import (
    ban,
    bits_use,
    cheer,
    follow,
    frame,
    gift,
    moderate,
    of_channel,
    one_of_each,
    online,
    raid,
    redemption,
    resubscribe,
    subscribe,
    told,
    who,
)
from chat.tests.lines import id_of, ms, number_of

ALICE, EXAMPLE = number_of("alice"), number_of("example")
LONG = "x" * 5000
HOSTILE = "a\x00b\ud800c"
CLEAN = "a\ufffdb?c"


def parsed(raw: bytes) -> Notification:
    found = eventsub.parse(raw)
    assert isinstance(found, Notification), found
    return found


def fact(raw: bytes) -> Any:
    return parsed(raw).fact


def changed(raw: bytes, *path: str, value: Any) -> bytes:
    """The same frame, with another value somewhere in its event; ... takes it out."""
    envelope = json.loads(raw)
    place = envelope["payload"]["event"]
    for name in path[:-1]:
        place = place[name]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(envelope).encode()


def test_a_notification_says_whom_it_is_about():
    found = parsed(told("channel.unban", at=5, **who("moderator_user", "molly")))
    assert (found.type, found.sent_ms, found.room_id, found.channel) == ("channel.unban", ms(5), EXAMPLE, "example")
    assert found.people == (Person(ALICE, "alice", "Alice"), Person(number_of("molly"), "molly", "Molly"))


def test_a_user_who_changed_is_about_no_channel():
    found = parsed(frame("user.update", {**who("user", "alice"), "description": "hello"}))
    assert (found.room_id, found.people, found.fact) == ("", (Person(ALICE, "alice", "Alice"),), None)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("2026-03-14T12:00:00Z", 0),
        ("2026-03-14T12:00:00.5Z", 500),
        ("2026-03-14T12:00:00.123456789Z", 123),
        ("2026-03-14T12:00:00.000999999Z", 0),
        ("2026-03-14T13:00:00.25+01:00", 250),
    ],
)
def test_times_are_cut_to_milliseconds(text, after):
    assert fact(changed(online(), "started_at", value=text)) == StreamOnline("9001", ms(0) + after)


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-03-14", "2026-03-14T12:00:00", "2026-02-30T12:00:00Z", "2026-03-14T12:00:60Z",
     "2026-03-14T12:00:00.1234567890Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-03-14T12:00:00+99:99",
     "\u0662026-03-14T12:00:00Z", None, 5, ["2026-03-14T12:00:00Z"]],
)  # fmt: skip
def test_what_is_no_time_makes_a_frame_unreadable(text):
    assert isinstance(eventsub.parse(changed(online(), "started_at", value=text)), Unreadable)


@pytest.mark.parametrize(
    ("raw", "known"),
    [
        (follow(at=5), ("follow", ALICE, 0, "")),
        (subscribe(), ("sub", ALICE, 0, "")),
        (subscribe(is_gift=True), ("subgift", "", 1, ALICE)),
        (resubscribe(months=9), ("resub", ALICE, 9, "")),
        (gift(5), ("submysterygift", number_of("judy"), 5, "")),
        (gift(5, user=None), ("submysterygift", "", 5, "")),
        (cheer(100), ("cheer", ALICE, 100, "")),
        (cheer(100, user=None), ("cheer", "", 100, "")),
        (bits_use(100), ("cheer", ALICE, 100, "")),
        (bits_use(30, use="power_up"), ("power_up", ALICE, 30, "")),
        (bits_use(5, use="combo"), ("bits", ALICE, 5, "")),
        (raid(), ("raid", number_of("ivan"), 120, "")),
        (raid("example", "bob", is_out=True), ("raid_out", "", 120, number_of("bob"))),
    ],
)
def test_what_an_announcement_tells(raw, known):
    found = fact(raw)
    assert (found.kind, found.viewer_id, found.amount, found.recipient_id) == known


def test_a_raid_belongs_to_the_channel_that_asked():
    assert parsed(raid()).channel == "example"
    assert parsed(raid("example", "bob", is_out=True)).channel == "example"


@pytest.mark.parametrize(
    ("kind", "secret"),
    [("channel.poll.end", None), ("channel.prediction.end", "1390001"), ("channel.hype_train.end", "1390001")],
)
def test_who_voted_or_gave_what_is_not_kept(kind, secret):
    (raw,) = [raw for raw in one_of_each() if f'"{kind}"'.encode() in raw]
    assert secret is None or secret.encode() in raw
    assert "1390001" not in json.dumps(fact(raw).params)


def test_what_is_kept_of_a_poll():
    (raw,) = [raw for raw in one_of_each() if b'"channel.poll.end"' in raw]
    assert fact(raw).amount == 15
    assert fact(raw).params == {
        "title": "Tea?",
        "status": "completed",
        "choices": [
            {"title": "Yes", "votes": 12, "points-votes": 2},
            {"title": "No", "votes": 3, "points-votes": 0},
        ],
    }


def test_what_is_kept_of_a_prediction():
    (raw,) = [raw for raw in one_of_each() if b'"channel.prediction.end"' in raw]
    won = [(outcome["title"], outcome["won"]) for outcome in fact(raw).params["outcomes"]]
    assert (fact(raw).amount, won) == (1000, [("Yes", True), ("No", False)])


@pytest.mark.parametrize(
    "raw", [follow(at=5), *(raw for raw in one_of_each() if b".end" in raw and b"subscription.end" not in raw)]
)
def test_a_fact_with_an_id_of_its_own_keeps_it_under_every_message_id(raw):
    envelope = json.loads(raw)
    envelope["metadata"]["message_id"] = "another"
    assert fact(json.dumps(envelope).encode()).id == fact(raw).id


def test_a_message_id_that_is_too_long_is_shortened():
    assert len(fact(cheer(1, message_id="x" * 100)).id) <= 64


def test_points_of_an_old_event_are_called_cost():
    raw = told("channel.channel_points_automatic_reward_redemption.add", id="r1", redeemed_at="2026-03-14T12:00:00Z",
               reward={"type": "celebration", "cost": 100, "unlocked_emote": None}, user_input="hi")  # fmt: skip
    assert (fact(raw).cost, fact(raw).text) == (100, "hi")


def test_an_action_nobody_heard_of_is_kept_under_its_name():
    assert fact(moderate("neverheardof", who("user", "erin"), at=5))[:3] == ("neverheardof", ms(5), number_of("erin"))


# Frames that tell nothing, or cannot be


@pytest.mark.parametrize("kind", ["session_welcome", "session_keepalive", "session_reconnect", "revocation"])
def test_frames_about_the_session_are_passed_over(kind):
    raw = json.dumps({"metadata": {"message_id": "m", "message_type": kind}, "payload": {}}).encode()
    assert eventsub.parse(raw) == Ignored(kind)


@pytest.mark.parametrize("kind", sorted(eventsub.IGNORED))
def test_what_is_told_better_elsewhere_is_passed_over(kind):
    assert eventsub.parse(of_channel(kind)) == Ignored(kind)


def test_an_event_nobody_heard_of_is_unreadable():
    assert eventsub.parse(of_channel("channel.neverheardof")) == Unreadable(
        "eventsub: unknown event 'channel.neverheardof'"
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"not json", b"[]", b"{}", b"null", b'"text"', b"[" * 100_000, b"\xff\xfe\x00", b"\x00", b"9" * 5000,
        b'{"metadata": [], "payload": {}}',
        b'{"metadata": {"message_type": "notification"}, "payload": {}}',
        b'{"metadata": {"message_type": "notification"}, "payload": {"subscription": 5}}',
        b'{"metadata": {"message_type": "notification"}, "payload": {"subscription": {"type": "channel.follow"}}}',
        b'{"metadata": {"message_type": "notification"}, "payload": {"subscription": {"type": ["channel.follow"]}}}',
    ],
    ids=range(15),
)  # fmt: skip
def test_what_is_no_frame_is_unreadable(raw):
    assert isinstance(eventsub.parse(raw), Unreadable)


BROKEN: tuple[Any, ...] = (
    ...,
    None,
    "",
    5,
    -1,
    1.5,
    True,
    [],
    {},
    "a\x00b",
    "\ud800",
    LONG,
    [{}],
    {"id": "\ud800"},
    10**400,
)
FRAMES = one_of_each()


@pytest.mark.parametrize("raw", FRAMES, ids=lambda raw: json.loads(raw)["payload"]["subscription"]["type"])
def test_a_frame_with_any_value_broken_never_raises_and_fits_into_text(raw):
    event = json.loads(raw)["payload"]["event"]
    paths: list[tuple[str, ...]] = [(name,) for name in event]
    paths += [(name, inner) for name, value in event.items() if isinstance(value, dict) for inner in value]
    for path in paths:
        for value in BROKEN:
            found = eventsub.parse(changed(raw, *path, value=value))
            assert isinstance(found, Notification | Unreadable), (path, value)
            written = repr(found).encode()  # half a character could not be
            assert b"\\x00" not in written or isinstance(found, Unreadable), (path, value)


def test_texts_are_cleaned_and_cut():
    assert fact(cheer(1, text=HOSTILE)).text == CLEAN
    assert len(fact(cheer(1, text=LONG)).text) == 2000
    assert fact(redemption(text=HOSTILE)).text == CLEAN
    assert fact(ban(reason=HOSTILE)).reason == CLEAN
    assert len(fact(changed(redemption(), "reward", "title", value=LONG)).title) == 128


@pytest.mark.parametrize("value", ["", "a b", "a\x00b", "\ud800", "x" * 33, "ünicode", 5, None, ["1"], "a\nb"])
def test_what_cannot_be_an_id_makes_a_frame_unreadable(value):
    assert isinstance(eventsub.parse(changed(subscribe(), "user_id", value=value)), Unreadable)


@pytest.mark.parametrize("value", ["", "x" * 65, "a\x00b", "\ud800", 5, None])
def test_what_cannot_be_a_login_makes_a_frame_unreadable(value):
    assert isinstance(eventsub.parse(changed(subscribe(), "user_login", value=value)), Unreadable)


@pytest.mark.parametrize("value", [None, "100", 1.5, -1, True, [1]])
def test_what_is_no_amount_makes_a_frame_unreadable(value):
    assert isinstance(eventsub.parse(changed(cheer(1), "bits", value=value)), Unreadable)


def test_an_amount_beyond_sense_is_the_largest_that_can_be_kept():
    assert fact(changed(cheer(1), "bits", value=10**12)).amount == 2**31 - 1


def test_the_reason_for_being_unreadable_is_clear():
    found = eventsub.parse(changed(subscribe(), "tier", value=...))
    assert found == Unreadable("eventsub: KeyError: 'tier'")
    found = eventsub.parse(changed(cheer(1), "bits", value="many"))
    assert found == Unreadable("eventsub: ValueError: 'many' is no amount")


def test_facts_are_of_one_kind_each():
    kinds = {type(fact(raw)) for raw in FRAMES}
    assert {Told, Deed, Redeemed, StreamOnline} <= kinds
    assert fact(redemption()).id == id_of("redemption", "alice", 0, "hydrate", 1)
