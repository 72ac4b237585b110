import json

import pytest

from chat.providers import Added, Removed, Renamed, SetEntry
from chat.providers.bttv import Rooms, room
from chat.providers.conversation import Missed, Told
from chat.tests.mangled import mangled
from chat.tests.test_provider_bttv import CDN, OWN

HERE = room("1001")
ENTRY = SetEntry("bttv", "5f1b0186", "catJAM", "catJAM", f"{CDN}/emote/5f1b0186/2x.webp", False, True)


def frame(name, **data):
    return json.dumps({"name": name, "data": {**data, "channel": "twitch:1001"}})


def said(rooms):
    return [(found["name"], found["data"]["name"]) for found in map(json.loads, rooms.outgoing())]


def joined():
    rooms = Rooms(CDN)
    rooms.watch(HERE)
    rooms.opened()
    rooms.outgoing()
    return rooms


def test_rooms_are_joined_when_the_socket_is_open():
    rooms = Rooms(CDN)
    rooms.watch(HERE)
    rooms.opened()
    assert said(rooms) == [("join_channel", "twitch:1001")]


def test_a_room_that_comes_later_is_joined_at_once():
    rooms = joined()
    rooms.watch(room("2"))
    assert said(rooms) == [("join_channel", "twitch:2")]


def test_a_room_that_goes_is_left():
    rooms = joined()
    rooms.unwatch(HERE)
    assert said(rooms) == [("part_channel", "twitch:1001")]


@pytest.mark.parametrize(
    ("text", "change"),
    [
        pytest.param(frame("emote_create", emote=OWN), Added(ENTRY), id="created"),
        pytest.param(
            frame("emote_update", emote={"id": "5f1b0186", "code": "x"}), Renamed("5f1b0186", "x"), id="renamed"
        ),
        pytest.param(frame("emote_delete", emoteId="5f1b0186"), Removed("5f1b0186"), id="deleted"),
    ],
)
def test_a_frame_tells_a_change_of_its_room(text, change):
    assert joined().heard(text) == [Told(HERE, [change])]


@pytest.mark.parametrize(
    "text",
    [
        frame("lookup_user", user={}),
        frame("emote_create", emote={}),
        frame("emote_update", emote={"id": "5f1b0186"}),
        frame("emote_delete"),
        json.dumps({"name": "emote_delete", "data": {"emoteId": "5f1b0186"}}),
        "what",
        "[]",
        "",
    ],
)
def test_other_frames_tell_nothing(text):
    assert joined().heard(text) == []


def test_after_a_loss_rooms_are_joined_again_and_may_have_changed():
    rooms = joined()
    rooms.closed(1006)
    assert (rooms.opened(), said(rooms)) == ([Missed([HERE])], [("join_channel", "twitch:1001")])


def test_at_first_nothing_was_missed():
    rooms = Rooms(CDN)
    rooms.watch(HERE)
    assert rooms.opened() == []


def test_nothing_that_comes_makes_it_raise():
    for text in (frame("emote_create", emote=OWN), frame("emote_delete", emoteId="a")):
        for bad in mangled(json.loads(text)):
            joined().heard(json.dumps(bad))
