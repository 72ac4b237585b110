import json

import pytest

from chat.providers import Added, Removed, Renamed
from chat.providers.conversation import Missed, Switched, Told
from chat.providers.seventv_live import EventApi, emote_set, user
from chat.tests.mangled import mangled
from chat.tests.test_provider_seventv import ENTRY, entry, with_data

SET, USER = emote_set("set1"), user("user1")
OTHER_EMOTE = entry(id="other")
ID = ENTRY["id"]


def frame(op, **data):
    return json.dumps({"op": op, "d": data})


def hello(session="s1", interval=25000, limit=500):
    return frame(1, heartbeat_interval=interval, session_id=session, subscription_limit=limit)


def resumed(success):
    return frame(5, command="RESUME", data={"success": success})


def said(api):
    """What the client says, as (op, topic or session)."""
    frames = [json.loads(text) for text in api.outgoing()]
    return [(f["op"], f["d"].get("session_id") or f["d"]["condition"]["object_id"]) for f in frames]


def live(*topics):
    """A conversation that is well under way."""
    api = EventApi()
    for topic in topics:
        api.watch(topic)
    api.opened()
    api.heard(hello())
    api.outgoing()
    return api


def lost(api, code=None, session="s2"):
    """The same, connected again and greeted."""
    api.closed(code)
    api.opened()
    api.heard(hello(session))
    return api


def changed(**body):
    return {"type": "emote_set.update", "body": {"id": "set1", **body}}


def pushed(value):
    return changed(pushed=[{"key": "emotes", "value": value}])


def pulled(value):
    return changed(pulled=[{"key": "emotes", "old_value": value}])


def updated(old, new):
    return changed(updated=[{"key": "emotes", "old_value": old, "value": new}])


SWITCH = {
    "type": "user.update",
    "body": {
        "id": "user1",
        "updated": [{"key": "connections", "index": 1, "value": [{"key": "emote_set", "value": {"id": "set2"}}]}],
    },
}


def test_nothing_is_said_before_the_server_has_greeted():
    api = EventApi()
    api.watch(SET)
    api.opened()
    assert said(api) == []


def test_topics_are_subscribed_after_the_greeting():
    api = EventApi()
    api.watch(SET)
    api.opened()
    api.heard(hello())
    assert said(api) == [(35, "set1")]


def test_a_topic_that_comes_later_is_subscribed_at_once():
    api = live(SET)
    api.watch(USER)
    assert said(api) == [(35, "user1")]


def test_a_topic_that_goes_is_unsubscribed():
    api = live(SET, USER)
    api.unwatch(SET)
    assert said(api) == [(36, "set1")]


def test_what_is_said_is_said_once():
    api = live(SET)
    api.watch(USER)
    api.outgoing()
    assert said(api) == []


@pytest.mark.parametrize(
    ("data", "changes"),
    [
        pytest.param(pushed(ENTRY), ["Added"], id="added"),
        pytest.param(pushed(with_data(listed=False)), [], id="added but unlisted"),
        pytest.param(pushed(with_data(flags=1 << 24)), [], id="added but forbidden"),
        pytest.param(pushed({"id": ID}), [], id="added without data"),
        pytest.param(pulled({"id": ID, "name": "peepoHi"}), [Removed(ID)], id="removed"),
        pytest.param(pulled({"name": "peepoHi"}), [], id="removed without id"),
        pytest.param(updated({"id": ID}, {"id": ID, "name": "new"}), [Renamed(ID, "new")], id="renamed, told briefly"),
        pytest.param(updated(ENTRY, entry(name="new")), ["Added"], id="renamed, told in full"),
        pytest.param(updated(ENTRY, with_data(listed=False)), [Removed(ID)], id="became unlisted"),
        pytest.param(updated(ENTRY, OTHER_EMOTE), [Removed(ID), "Added"], id="became another emote"),
        pytest.param(changed(pushed=[{"key": "name", "value": ENTRY}]), [], id="something else of the set"),
        pytest.param({"type": "cosmetic.create", "body": {"id": "x"}}, [], id="something else altogether"),
    ],
)
def test_a_dispatch_tells_changes(data, changes):
    events = live(SET).heard(json.dumps({"op": 0, "d": data}))
    found = [change for event in events for change in event.changes]
    assert [type(change).__name__ if isinstance(change, Added) else change for change in found] == changes


def test_changes_are_told_of_their_set():
    (event,) = live(SET).heard(json.dumps({"op": 0, "d": pulled({"id": ID})}))
    assert event == Told(SET, [Removed(ID)])


def test_a_user_may_choose_another_set():
    assert live(USER).heard(json.dumps({"op": 0, "d": SWITCH})) == [Switched(USER, 1, "set2")]


def test_a_user_may_choose_no_set():
    body = {
        "id": "user1",
        "updated": [{"key": "connections", "index": 0, "value": [{"key": "emote_set", "value": None}]}],
    }
    event = json.dumps({"op": 0, "d": {"type": "user.update", "body": body}})
    assert live(USER).heard(event) == [Switched(USER, 0, "")]


def test_after_a_loss_it_asks_for_its_old_session():
    assert said(lost(live(SET))) == [(34, "s1")]


def test_a_session_taken_up_again_needs_nothing_more():
    api = lost(live(SET))
    api.outgoing()
    assert (api.heard(resumed(True)), said(api)) == ([], [])


def test_topics_that_changed_meanwhile_are_put_right_after_a_resume():
    api = live(SET)
    api.closed(None)
    api.unwatch(SET)
    api.watch(USER)
    api.opened()
    api.heard(hello("s2"))
    api.outgoing()
    api.heard(resumed(True))
    assert said(api) == [(36, "set1"), (35, "user1")]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(resumed(False), id="refused"),
        pytest.param(frame(5, command="RESUME"), id="answered without a word"),
        pytest.param(frame(6, message="unknown session"), id="an error"),
        pytest.param(frame(2, count=1), id="a heartbeat before an answer"),
    ],
)
def test_a_session_that_is_gone_is_begun_anew_and_its_topics_may_have_changed(answer):
    api = lost(live(SET))
    api.outgoing()
    assert (api.heard(answer), said(api)) == ([Missed([SET])], [(35, "set1")])


def test_the_session_to_resume_is_always_the_last_one():
    api = lost(live(SET), session="s2")
    api.heard(resumed(True))
    api.outgoing()
    assert said(lost(api, session="s3")) == [(34, "s2")]


def test_dispatches_are_heard_while_a_session_is_taken_up():
    api = lost(live(SET))
    assert api.heard(json.dumps({"op": 0, "d": pulled({"id": ID})})) == [Told(SET, [Removed(ID)])]


@pytest.mark.parametrize(
    ("code", "wait_s"),
    [
        (None, 0),
        (1000, 0),
        (1006, 0),
        (4000, 0),
        (4006, 0),
        (4008, 0),
        (4005, 300),
        (4007, 300),
        *((code, 3600) for code in (4001, 4002, 4003, 4004, 4009, 4010, 4011)),
    ],
)
def test_the_close_code_says_how_long_to_stay_away(code, wait_s):
    assert live(SET).closed(code) == wait_s


@pytest.mark.parametrize("end", [frame(4, reason="restart"), frame(7, code=4006)])
def test_a_server_that_wants_to_be_left_is_left(end):
    api = live(SET)
    api.heard(end)
    assert api.is_leaving


def test_the_end_of_the_stream_tells_the_code_before_the_socket_does():
    api = live(SET)
    api.heard(frame(7, code=4007))
    assert api.closed(1006) == 300


def test_it_stays_after_it_has_come_back():
    api = live(SET)
    api.heard(frame(4))
    assert not lost(api).is_leaving


@pytest.mark.parametrize(
    ("interval", "patience_s"), [(25000, 75), (0, 60), (-1, 60), ("soon", 60), (10**400, 900), (None, 60)]
)
def test_three_heartbeats_may_be_missed(interval, patience_s):
    api = EventApi()
    api.opened()
    api.heard(hello(interval=interval))
    assert api.patience_s == patience_s


def test_a_server_that_does_not_greet_is_given_up():
    api = live(SET)
    api.closed(None)
    api.opened()
    assert api.patience_s == 20


@pytest.mark.parametrize(("limit", "max_topics"), [(500, 100), (7, 7), (0, 100), (None, 100)])
def test_a_socket_has_no_more_topics_than_the_server_allows(limit, max_topics):
    api = EventApi()
    api.opened()
    api.heard(hello(limit=limit))
    assert api.max_topics == max_topics


def test_topics_beyond_the_limit_are_not_subscribed():
    api = EventApi()
    for number in range(3):
        api.watch(emote_set(str(number)))
    api.opened()
    api.heard(hello(limit=2))
    assert said(api) == [(35, "0"), (35, "1")]


def test_nothing_that_comes_makes_it_raise():
    good = [pushed(ENTRY), pulled(ENTRY), updated(ENTRY, OTHER_EMOTE), SWITCH]
    frames = [{"op": 0, "d": data} for data in good] + [json.loads(hello()), json.loads(resumed(True))]
    for text in (json.dumps(bad) for good in frames for bad in mangled(good)):
        live(SET).heard(text)
        lost(live(SET)).heard(text)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\0"])
def test_what_is_no_json_is_passed_over(text):
    assert live(SET).heard(text) == []
