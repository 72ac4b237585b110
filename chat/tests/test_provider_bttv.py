from typing import Any

import pytest

from chat.providers import SetEntry, bttv
from chat.tests.mangled import mangled

CDN = "https://cdn.betterttv.net"
OWN = {"id": "5f1b0186", "code": "catJAM", "imageType": "gif", "animated": True, "userId": "u1"}
SHARED = {"id": "5e76d338", "code": "monkaX", "imageType": "png", "animated": False, "user": {"id": "u2"}}
CHANNEL = {"id": "c1", "bots": [], "avatar": "", "channelEmotes": [OWN], "sharedEmotes": [SHARED]}


def everywhere(*emotes) -> Any:
    return bttv.parse_global(list(emotes), CDN)


def channel(body) -> Any:
    return bttv.parse_channel(body, CDN)


def test_an_emote_has_its_code_as_name_and_its_picture_on_the_cdn():
    assert everywhere(OWN).entries == [
        SetEntry("bttv", "5f1b0186", "catJAM", "catJAM", f"{CDN}/emote/5f1b0186/2x.webp", False, True)
    ]


def test_a_channel_has_its_own_emotes_and_shared_ones():
    assert [found.name for found in channel(CHANNEL).entries] == ["catJAM", "monkaX"]


def test_a_shared_emote_wins_over_its_own_of_the_same_name():
    body = {"channelEmotes": [OWN], "sharedEmotes": [{**SHARED, "code": "catJAM"}]}
    assert [found.provider_id for found in channel(body).entries] == ["5e76d338"]


@pytest.mark.parametrize(
    "code", ["SoSnowy", "IceCold", "SantaHat", "TopHat", "ReinDeer", "CandyCane", "cvMask", "cvHazmat"]
)
def test_overlays_are_known_by_name(code):
    assert everywhere({**OWN, "code": code}).entries[0].is_zero_width


def test_an_alias_keeps_the_name_its_maker_gave():
    assert everywhere({**OWN, "codeOriginal": "catDance"}).entries[0].base_name == "catDance"


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({**OWN, "id": None}, id="no id"),
        pytest.param({**OWN, "code": ""}, id="an empty code"),
        pytest.param([], id="no object"),
    ],
)
def test_a_bad_emote_is_counted_and_costs_no_other(bad):
    result = everywhere(bad, SHARED)
    assert ([found.name for found in result.entries], result.malformed) == (["monkaX"], 1)


def test_a_channel_may_have_no_emotes():
    assert bttv.parse_channel({"channelEmotes": [], "sharedEmotes": []}, CDN) == ([], 0)


@pytest.mark.parametrize("body", [{}, [], {"message": "error"}, {"channelEmotes": None}, {"channelEmotes": [1]}])
def test_what_is_no_channel_is_not_taken_for_an_empty_one(body):
    assert bttv.parse_channel(body, CDN) is None


@pytest.mark.parametrize("body", [{}, {"message": "error"}, None, [[]]])
def test_what_is_no_list_is_not_taken_for_an_empty_one(body):
    assert bttv.parse_global(body, CDN) is None


def test_nothing_that_comes_makes_it_raise():
    for body in mangled(CHANNEL):
        bttv.parse_channel(body, CDN)
        bttv.parse_global(body, CDN)
