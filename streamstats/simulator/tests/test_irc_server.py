"""What the simulated chat server answers to a client."""

import asyncio

import pytest
from aiohttp import WSMsgType

from streamstats.simulator.server import SimulatedTwitch
from streamstats.simulator.tests.client import Chatter, connected, play

MESSAGE = "@id=1;room-id=1001;tmi-sent-ts=1 :ann!ann@ann.tmi.twitch.tv PRIVMSG #harbor :hi"


def test_it_welcomes_anonymous_readers() -> None:
    async def scene(_: SimulatedTwitch, chatter: Chatter) -> None:
        await chatter.say("CAP REQ :twitch.tv/tags twitch.tv/commands", "NICK justinfan7")
        lines = await chatter.until(" 376 ")
        assert lines[0] == ":tmi.twitch.tv CAP * ACK :twitch.tv/tags twitch.tv/commands"
        assert [line.split()[1] for line in lines[1:]] == ["001", "002", "003", "004", "375", "372", "376"]

    play(scene, is_inside=False)


def test_it_refuses_a_capability_it_does_not_know() -> None:
    async def scene(_: SimulatedTwitch, chatter: Chatter) -> None:
        await chatter.say("CAP REQ :twitch.tv/tags twitch.tv/telepathy")
        assert await chatter.answers() == [":tmi.twitch.tv CAP * NAK :twitch.tv/tags twitch.tv/telepathy"]

    play(scene, is_inside=False)


def test_it_lets_a_token_in() -> None:
    async def scene(_: SimulatedTwitch, chatter: Chatter) -> None:
        await chatter.say("CAP REQ :twitch.tv/tags twitch.tv/commands", "PASS oauth:t0k3n", "NICK reader")
        await chatter.until("GLOBALUSERSTATE")

    play(scene, is_inside=False)


@pytest.mark.parametrize(
    ("password", "notice"),
    [
        pytest.param("oauth:stolen", "Login authentication failed", id="unknown token"),
        pytest.param("t0k3n", "Improperly formatted auth", id="no oauth prefix"),
        pytest.param("", "Improperly formatted auth", id="no token"),
    ],
)
def test_it_turns_a_wrong_token_away_and_closes(password: str, notice: str) -> None:
    async def scene(_: SimulatedTwitch, chatter: Chatter) -> None:
        await chatter.say(f"PASS {password}", "NICK reader")
        await chatter.until(f":tmi.twitch.tv NOTICE * :{notice}")
        assert (await chatter.frame()).type is WSMsgType.CLOSE

    play(scene, is_inside=False)


def test_it_answers_a_join_with_echo_names_and_all_room_settings() -> None:
    async def scene(_: SimulatedTwitch, chatter: Chatter) -> None:
        await chatter.log_in()
        assert await chatter.join("harbor") == [
            ":justinfan42!justinfan42@justinfan42.tmi.twitch.tv JOIN #harbor",
            ":justinfan42.tmi.twitch.tv 353 justinfan42 = #harbor :justinfan42",
            ":justinfan42.tmi.twitch.tv 366 justinfan42 #harbor :End of /NAMES list",
            "@emote-only=0;followers-only=-1;r9k=0;room-id=1001;slow=0;subs-only=0 :tmi.twitch.tv ROOMSTATE #harbor",
        ]

    play(scene, is_inside=False)


def test_it_joins_several_channels_at_once() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        await chatter.log_in()
        await chatter.join("harbor", "quay")
        await asyncio.wait_for(twitch.irc.joined("harbor", "quay"), 1)

    play(scene, is_inside=False)


def test_it_is_silent_about_a_channel_that_does_not_exist() -> None:
    async def scene(_: SimulatedTwitch, chatter: Chatter) -> None:
        await chatter.say("JOIN #nobody")
        assert await chatter.answers() == []

    play(scene)


def test_it_says_that_a_channel_is_suspended() -> None:
    async def scene(_: SimulatedTwitch, chatter: Chatter) -> None:
        await chatter.say("JOIN #gone")
        assert [line.split()[0] for line in await chatter.answers()] == ["@msg-id=msg_channel_suspended"]

    play(scene)


def test_it_ignores_the_twenty_first_join_in_ten_seconds() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        await chatter.log_in()
        await chatter.say("JOIN " + ",".join(f"#nobody{number}" for number in range(19)) + ",#harbor,#quay")
        await chatter.answers()
        assert twitch.irc.members("harbor")
        assert not twitch.irc.members("quay")

    play(scene, is_inside=False)


def test_it_ignores_a_join_before_the_login() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        await chatter.say("JOIN #harbor")
        assert await chatter.answers() == []
        assert not twitch.irc.members("harbor")

    play(scene, is_inside=False)


def test_it_sends_nothing_more_after_a_part() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        await chatter.say("PART #harbor")
        await chatter.until("PART #harbor")
        await twitch.say("harbor", MESSAGE)
        assert await chatter.answers() == []

    play(scene)


def test_it_sends_several_lines_in_one_frame() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        await twitch.say("harbor", [MESSAGE, MESSAGE])
        assert (await chatter.frame()).data == f"{MESSAGE}\r\n{MESSAGE}\r\n"

    play(scene)


def test_it_sends_a_line_only_to_those_in_the_room() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        await twitch.say("quay", MESSAGE)
        assert await chatter.answers() == []

    play(scene)


def test_it_answers_a_ping_with_the_same_words() -> None:
    async def scene(_: SimulatedTwitch, chatter: Chatter) -> None:
        await chatter.say("PING :are you there")
        assert await chatter.until("PONG") == [":tmi.twitch.tv PONG tmi.twitch.tv :are you there"]

    play(scene)


def test_it_asks_with_a_ping_and_takes_the_answer() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        await twitch.irc.ping()
        await chatter.until("PING :tmi.twitch.tv")
        await chatter.say("PONG :tmi.twitch.tv")
        await asyncio.wait_for(twitch.irc.wait(lambda: twitch.irc.pongs == 1), 1)

    play(scene)


def test_it_drops_a_client_that_does_not_answer_its_pings() -> None:
    async def run() -> None:
        async with SimulatedTwitch({}, ping_every_s=0.01) as twitch, connected(twitch) as chatter:
            await chatter.until("PING :tmi.twitch.tv")
            message = await chatter.frame()
            while message.type is WSMsgType.TEXT:
                message = await chatter.frame()
            assert message.type is WSMsgType.CLOSE

    asyncio.run(run())


def test_it_leaves_tags_and_notices_out_for_a_client_without_capabilities() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        await chatter.say("NICK justinfan42", "JOIN #harbor")
        await chatter.until(" 366 ")
        await twitch.say("harbor", [MESSAGE, "@room-id=1001 :tmi.twitch.tv CLEARCHAT #harbor :ann"])
        assert await chatter.answers() == [":ann!ann@ann.tmi.twitch.tv PRIVMSG #harbor :hi"]

    play(scene, is_inside=False)


def test_it_tells_who_comes_and_goes_only_to_those_who_asked() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        async with connected(twitch) as curious:
            await curious.log_in("twitch.tv/tags twitch.tv/commands twitch.tv/membership")
            await curious.join("harbor")
            await twitch.irc.come_and_go("harbor", ["ann", "ben"], [])
            await twitch.irc.come_and_go("harbor", [], ["ann"])
            assert [line.split()[1] for line in await curious.answers()] == ["JOIN", "JOIN", "PART"]
            assert await chatter.answers() == []

    play(scene)


def test_it_does_not_know_a_command() -> None:
    async def scene(_: SimulatedTwitch, chatter: Chatter) -> None:
        await chatter.say("SUMMON dragon")
        assert await chatter.answers() == [":tmi.twitch.tv 421 justinfan42 SUMMON :Unknown command"]

    play(scene)
