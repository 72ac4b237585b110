"""How lines are written."""

import pytest

from chat.ingest.irc import unescape
from streamstats.simulator.wire import command_and_channel, emote_tag, escape, is_emotes_only, room_id, tagged

EMOTES = {"Kappa": "25", ":)": "1"}


@pytest.mark.parametrize("text", ["plain", "a b", "a;b", "back\\slash", "a\r\nb", "\\s", "ends\\", ""])
def test_what_is_escaped_can_be_read_again(text: str) -> None:
    assert unescape(escape(text)) == text


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        pytest.param("Kappa", "25:0-4", id="alone"),
        pytest.param("hi Kappa :) Kappa", "25:3-7,12-16/1:9-10", id="several"),
        pytest.param("Kappa, Kappas kappa", "", id="not quite"),
        pytest.param("😂 👨‍👩‍👧‍👦 Kappa", "25:10-14", id="code points, not UTF-16"),
        pytest.param("a  Kappa", "25:3-7", id="two spaces"),
    ],
)
def test_emote_ranges_count_code_points(text: str, tag: str) -> None:
    assert emote_tag(text, EMOTES) == tag


@pytest.mark.parametrize(("text", "is_only"), [("Kappa :)", True), ("Kappa hi", False)])
def test_a_text_of_emotes_only_is_known(text: str, is_only: bool) -> None:
    assert is_emotes_only(text, EMOTES) is is_only


def test_tags_are_sorted_and_escaped() -> None:
    line = tagged({"system-msg": "so it is", "id": "1", "mod": 0}, ":tmi.twitch.tv USERNOTICE #harbor")
    assert line == rb"@id=1;mod=0;system-msg=so\sit\sis :tmi.twitch.tv USERNOTICE #harbor"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        pytest.param(b"@id=1 :a!a@a.tmi.twitch.tv PRIVMSG #harbor :hi #quay", (b"PRIVMSG", b"harbor"), id="message"),
        pytest.param(b":a!a@a.tmi.twitch.tv JOIN #harbor", (b"JOIN", b"harbor"), id="join"),
        pytest.param(b":a.tmi.twitch.tv 353 a = #harbor :a b", (b"353", b"harbor"), id="names"),
        pytest.param(b":tmi.twitch.tv NOTICE * :no #harbor", (b"NOTICE", b""), id="to nobody"),
        pytest.param(b":tmi.twitch.tv RECONNECT", (b"RECONNECT", b""), id="no room"),
        pytest.param(b"", (b"", b""), id="nothing"),
    ],
)
def test_the_room_of_a_line_is_found(line: bytes, found: tuple[bytes, bytes]) -> None:
    assert command_and_channel(line) == found


@pytest.mark.parametrize(
    ("line", "found"),
    [(b"@id=1;room-id=77;mod=0 X", b"77"), (b"@source-room-id=5;id=1 X", b""), (b"@room-id= X", b"")],
)
def test_the_room_id_of_a_line_is_found(line: bytes, found: bytes) -> None:
    assert room_id(line) == found
