"""What people named themselves, their streams and their emotes is words in every list, never markup."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from chat.achievements import ACHIEVEMENTS
from chat.awards import Coming, Earned, Where
from chat.portrait.facts import Attendance, Favourite
from chat.portrait.person import Person
from chat.templatetags.emotes import emote_picture, emote_tiles, favourites
from chat.templatetags.medals import honours, honours_to_come
from chat.templatetags.portrait import streams_attended
from streams.models import Channel, Stream
from viewers.models import Viewer, ViewerStream, ViewerTotal
from viewers.templatetags.people import face, login_of, person

BAD = """<b>"x'&"""
GOOD = "&lt;b&gt;&quot;x&#x27;&amp;"
THEN = datetime(2026, 3, 14, tzinfo=UTC)
CHANNEL = Channel(login="lantern", display_name=BAD)
VIEWER = Viewer(twitch_id="1", login=BAD, display_name=BAD, avatar_url=BAD, color=BAD)
STREAM = Stream(pk="s1", channel=CHANNEL, title=BAD, started_at=THEN, ended_at=THEN)
ATTENDED = ViewerStream(stream=STREAM, watch_seconds=9, messages=2)
SOMEBODY = Person(CHANNEL, VIEWER, ViewerTotal(), None, [], is_shown=True)
EMOTE = Favourite(7, BAD, BAD, BAD, 3)
WORD = Favourite(7, BAD, BAD, "", 3)


def tile(emote):
    return {"emote": emote.emote, "name": emote.name, "provider": emote.provider, "url": emote.url, "count": 3}


@pytest.mark.parametrize(
    "told",
    [
        face(VIEWER, 28),
        face(Viewer(login="x", display_name="<i>", avatar_url="", color=""), 28),
        login_of(Viewer(login=BAD, display_name="Ann")),
        person(CHANNEL, VIEWER, 1),
        emote_picture(EMOTE, 28),
        emote_picture(WORD, 28),
        emote_picture(SimpleNamespace(url="", name="n", provider="p", label=BAD), 28),
        emote_tiles(CHANNEL, [tile(EMOTE), tile(WORD)]),
        favourites(CHANNEL, [EMOTE, WORD]),
        honours(CHANNEL, [Earned(ACHIEVEMENTS[0], 1, THEN, 1, Where("s1", BAD))]),
        streams_attended(SOMEBODY, [Attendance(ATTENDED, 50)]),
    ],
)
def test_a_hostile_name_stays_words(told):
    assert "<b>" not in told
    assert "x'" not in told
    assert '"x' not in told
    assert "&lt;" in told


def test_a_name_is_told_as_it_is():
    assert GOOD in person(CHANNEL, VIEWER)


def test_what_comes_next_tells_how_far_it_is():
    nearest = next(each for each in ACHIEVEMENTS if each.levels[0] % 2 == 0)
    told = honours_to_come([Coming(nearest, 1, nearest.levels[0] // 2)])
    assert 'aria-label="50 % of the way"' in told
