from typing import Any

import pytest

from chat.providers import SetEntry, seventv
from chat.tests.mangled import mangled

ENTRY: dict[str, Any] = {
    "id": "01F6MQ33FG000FFJ97ZB8MWV52",
    "name": "peepoHi",
    "flags": 0,
    "timestamp": 1,
    "actor_id": None,
    "data": {
        "id": "01F6MQ33FG000FFJ97ZB8MWV52",
        "name": "peepoHey",
        "flags": 0,
        "listed": True,
        "animated": True,
        "host": {"url": "//cdn.7tv.app/emote/01F6", "files": [{"name": "1x.webp"}, {"name": "2x.webp"}]},
    },
}
CHANNEL: dict[str, Any] = {
    "id": "1001",
    "platform": "TWITCH",
    "username": "example",
    "emote_set": {"id": "set1", "emotes": [ENTRY]},
    "user": {"id": "user1", "connections": [{"platform": "DISCORD"}, {"platform": "TWITCH"}]},
}


def entry(**changes):
    return {**ENTRY, **changes}


def with_data(**changes):
    return entry(data={**ENTRY["data"], **changes})


def parsed(*entries):
    return seventv.parse_set({"id": "set1", "emotes": list(entries)})


def test_an_entry_is_known_by_its_alias_and_its_emote_by_its_base_name():
    assert parsed(ENTRY).entries == [
        SetEntry(
            provider="7tv",
            provider_id="01F6MQ33FG000FFJ97ZB8MWV52",
            name="peepoHi",
            base_name="peepoHey",
            image_url="https://cdn.7tv.app/emote/01F6/2x.webp",
            is_zero_width=False,
            is_animated=True,
        )
    ]


@pytest.mark.parametrize(
    "left_out",
    [
        pytest.param(with_data(flags=1 << 24), id="forbidden on Twitch"),
        pytest.param(with_data(flags=1 << 24 | 256), id="forbidden among other flags"),
        pytest.param(with_data(listed=False), id="unlisted"),
        pytest.param({**ENTRY, "data": {"name": "x"}}, id="not said to be listed"),
    ],
)
def test_what_twitch_viewers_do_not_see_is_left_out(left_out):
    assert parsed(left_out, entry(id="other", name="other")) == parsed(entry(id="other", name="other"))


@pytest.mark.parametrize(
    ("value", "is_zero_width"),
    [
        pytest.param(entry(flags=1), True, id="used as an overlay here"),
        pytest.param(with_data(flags=256), False, id="only recommended as an overlay"),
        pytest.param(entry(flags=None), False, id="no flags"),
    ],
)
def test_the_flags_of_the_entry_say_whether_it_is_zero_width(value, is_zero_width):
    assert parsed(value).entries[0].is_zero_width is is_zero_width


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(entry(name=None), id="no name"),
        pytest.param(entry(name="two words"), id="a name that cannot be one word"),
        pytest.param(entry(name="nul\0"), id="a name that cannot be stored"),
        pytest.param(entry(name="x" * 129), id="a name too long"),
        pytest.param(entry(id="../../evil"), id="an id that leads elsewhere"),
        pytest.param(entry(data=None), id="no data"),
        pytest.param("what", id="no object"),
    ],
)
def test_a_bad_entry_is_counted_and_costs_no_other(bad):
    result = parsed(bad, entry(id="good", name="good"))
    assert ([found.name for found in result.entries], result.malformed) == (["good"], 1)


@pytest.mark.parametrize(
    ("files", "file"),
    [
        pytest.param([{"name": "1x.webp"}, {"name": "2x.webp"}], "2x.webp", id="double size"),
        pytest.param([{"name": "1x.webp"}], "1x.webp", id="what there is"),
        pytest.param([{"name": "1x.exe"}], "2x.webp", id="no picture known"),
        pytest.param(None, "2x.webp", id="no files"),
    ],
)
def test_a_picture_is_chosen(files, file):
    value = with_data(host={"url": "//cdn.7tv.app/emote/a", "files": files})
    assert parsed(value).entries[0].image_url == f"https://cdn.7tv.app/emote/a/{file}"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"id": "set1"}, id="without a list"),
        pytest.param({"id": "set1", "emotes": None}, id="no list"),
        pytest.param({"id": "set1", "emotes": []}, id="an empty list"),
        pytest.param({"id": "set1", "emotes": [with_data(listed=False)]}, id="all unlisted"),
    ],
)
def test_a_set_may_be_empty(body):
    assert seventv.parse_set(body) == ([], 0)


def test_a_channel_may_have_chosen_no_set():
    assert seventv.parse_channel({**CHANNEL, "emote_set": None}) == ([], 0)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"error": "oops", "status_code": 500}, id="an error"),
        pytest.param({"id": "set1", "emotes": {}}, id="no list of emotes"),
        pytest.param({"id": "set1", "emotes": [entry(name=1), "what"]}, id="not one emote understood"),
    ],
)
def test_what_is_no_set_is_not_taken_for_an_empty_one(body):
    assert seventv.parse_set(body) is None


def test_links_name_the_set_the_user_and_the_place_of_the_twitch_account():
    assert seventv.links(CHANNEL) == ("set1", "user1", 1)


def test_links_of_a_set_name_only_the_set():
    assert seventv.links({"id": "set1", "emotes": []}) == ("set1", "", 0)


def test_nothing_that_comes_makes_it_raise():
    for body in mangled(CHANNEL):
        seventv.parse_channel(body)
        seventv.links(body)
