from typing import Any

import pytest

from chat.providers import SetEntry, ffz
from chat.tests.mangled import mangled

EMOTE = {
    "id": 28136,
    "name": "LilZ",
    "public": True,
    "hidden": False,
    "modifier": False,
    "urls": {"1": "//cdn.frankerfacez.com/emote/28136/1", "2": "//cdn.frankerfacez.com/emote/28136/2"},
}
ROOM = {"room": {"id": "example", "set": 77}, "sets": {"77": {"id": 77, "emoticons": [EMOTE]}}}
GLOBAL = {
    "default_sets": [3],
    "sets": {"3": {"id": 3, "emoticons": [EMOTE]}, "4": {"id": 4, "emoticons": [{**EMOTE, "id": 4, "name": "Few"}]}},
    "users": {"4": ["someone"]},
}


def room_of(*emotes) -> Any:
    return ffz.parse_channel({"sets": {"1": {"emoticons": list(emotes)}}})


def names(parsed: Any):
    return [found.name for found in parsed.entries]


def only(emote):
    (found,) = room_of(emote).entries
    return found


def test_an_emote_has_a_number_as_id_and_an_https_picture():
    assert only(EMOTE) == SetEntry("ffz", "28136", "LilZ", "LilZ", "https://cdn.frankerfacez.com/emote/28136/2")


def test_only_default_sets_are_for_everybody():
    assert names(ffz.parse_global(GLOBAL)) == ["LilZ"]


def test_a_room_has_all_its_sets():
    body = {"sets": {"1": {"emoticons": [EMOTE]}, "2": {"emoticons": [{**EMOTE, "id": 2, "name": "Two"}]}}}
    assert names(ffz.parse_channel(body)) == ["LilZ", "Two"]


def test_the_animated_picture_is_preferred():
    found = only({**EMOTE, "animated": {"1": "https://cdn/a/1.webp", "4": "https://cdn/a/4.webp"}})
    assert (found.image_url, found.is_animated) == ("https://cdn/a/4.webp", True)


def test_a_modifier_is_zero_width():
    assert only({**EMOTE, "modifier": True}).is_zero_width


def test_an_emote_hidden_from_lists_can_be_used():
    assert only({**EMOTE, "hidden": True}).name == "LilZ"


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({**EMOTE, "id": True}, id="an id that is no number"),
        pytest.param({**EMOTE, "name": 7}, id="a name that is no text"),
        pytest.param(None, id="no object"),
    ],
)
def test_a_bad_emote_is_counted_and_costs_no_other(bad):
    result = room_of(bad, EMOTE)
    assert ([found.name for found in result.entries], result.malformed) == (["LilZ"], 1)


@pytest.mark.parametrize("body", [{}, [], {"error": "no"}, {"sets": []}, {"sets": {"1": {"emoticons": [1]}}}])
def test_what_is_no_room_is_not_taken_for_an_empty_one(body):
    assert ffz.parse_channel(body) is None


def test_a_body_without_default_sets_is_none():
    assert ffz.parse_global({"sets": {}}) is None


def test_nothing_that_comes_makes_it_raise():
    for body in [*mangled(ROOM), *mangled(GLOBAL)]:
        ffz.parse_channel(body)
        ffz.parse_global(body)
