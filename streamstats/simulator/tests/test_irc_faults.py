"""What goes wrong when it is asked to."""

import asyncio

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError

from streamstats.simulator.irc import MALFORMED, Room
from streamstats.simulator.oneofeach import NOTICES, one_of_each
from streamstats.simulator.server import SimulatedTwitch
from streamstats.simulator.tests.client import Chatter, connected, play

MESSAGE = "@id=1;room-id=1001;tmi-sent-ts=1 :ann!ann@ann.tmi.twitch.tv PRIVMSG #harbor :hi"


def test_it_closes_with_the_code_that_was_asked_for() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        closing = asyncio.create_task(twitch.fault("close", code=1012))
        assert (await chatter.frame()).type is WSMsgType.CLOSE
        await closing
        assert chatter.socket.close_code == 1012

    play(scene)


def test_it_says_reconnect_before_it_closes() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        closing = asyncio.create_task(twitch.fault("reconnect", seconds=0))
        assert await chatter.until("RECONNECT") == [":tmi.twitch.tv RECONNECT"]
        assert (await chatter.frame()).type is WSMsgType.CLOSE
        await closing

    play(scene)


def test_it_lets_connections_made_after_reconnect_live() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        closing = asyncio.create_task(twitch.fault("reconnect", seconds=0.05))
        await chatter.until("RECONNECT")
        async with connected(twitch) as another:
            await another.log_in()
            await chatter.frame()
            await closing
            assert await another.answers() == []

    play(scene)


def test_it_breaks_the_connection() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        await twitch.fault("abort")
        assert (await chatter.frame()).type is WSMsgType.CLOSED
        assert chatter.socket.close_code == 1006

    play(scene)


def test_a_silent_connection_answers_nothing_and_stays_open() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        await twitch.fault("silence")
        await chatter.say("PING :hello")
        await chatter.socket.ping(b"hello")
        await twitch.say("harbor", MESSAGE)
        async with connected(twitch) as another:  # by the time this one is served, the first would have been
            await another.log_in()
        assert len(twitch.irc.members("harbor")) == 1
        await twitch.fault("abort")
        assert (await chatter.frame()).type is WSMsgType.CLOSED

    play(scene)


def test_it_sends_as_many_lines_twice_as_it_was_asked() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        await twitch.fault("duplicate", lines=2)
        await twitch.say("harbor", ["one #harbor", "two #harbor", "three #harbor"])
        await twitch.say("harbor", ["four #harbor"])
        heard = [line.split()[0] for line in await chatter.answers()]
        assert heard == ["one", "one", "two", "two", "three", "four"]

    play(scene)


def test_it_sends_one_of_every_malformed_line() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        await twitch.fault("malformed", channel="harbor")
        assert len(await chatter.answers()) == len(MALFORMED)

    play(scene)


def test_it_sends_one_line_of_every_kind() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        await twitch.fault("oneofeach", channel="harbor")
        heard = await chatter.answers()
        assert len(heard) == len(one_of_each(Room("harbor", "1001")))
        assert all(any(f"msg-id={kind};" in line for line in heard) for kind, _, _ in NOTICES)

    play(scene)


def test_it_turns_new_connections_away_until_it_lets_them_in_again() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        twitch.irc.refuse()
        with pytest.raises(WSServerHandshakeError, match="503"):
            async with connected(twitch):
                pass
        await twitch.fault("refuse", seconds=0)
        async with connected(twitch) as another:
            await another.log_in()
        assert await chatter.answers() == []

    play(scene)


def test_it_knows_its_faults() -> None:
    async def scene(twitch: SimulatedTwitch, _: Chatter) -> None:
        with pytest.raises(ValueError, match="no fault is named 'meteor'"):
            await twitch.fault("meteor")

    play(scene)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("abort", 200, id="a fault"),
        pytest.param("meteor", 400, id="no such fault"),
        pytest.param("refuse?seconds=-1", 400, id="a time that cannot be"),
        pytest.param("malformed?channel=nowhere", 400, id="no such channel"),
        pytest.param("oneofeach?channel=harbor", 200, id="one of each"),
        pytest.param("provider?provider=ffz&fault=mend", 200, id="a provider that is mended"),
        pytest.param("provider?provider=ffz&fault=drop", 400, id="no live socket to cut"),
        pytest.param("provider?provider=bttv&fault=meteor", 400, id="no such fault of a provider"),
        pytest.param("provider?fault=error", 400, id="no provider"),
    ],
)
def test_faults_can_be_asked_for_over_http(path: str, status: int) -> None:
    async def scene(twitch: SimulatedTwitch, _: Chatter) -> None:
        async with ClientSession() as session, session.post(f"{twitch.base_url}/control/{path}") as answer:
            assert answer.status == status

    play(scene)


def test_lines_can_be_sent_over_http() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        async with ClientSession() as session:
            await session.post(f"{twitch.base_url}/control/say?channel=harbor", data=MESSAGE.encode())
        assert await chatter.answers() == [MESSAGE]

    play(scene)


def test_the_state_can_be_read_over_http() -> None:
    async def scene(twitch: SimulatedTwitch, _: Chatter) -> None:
        async with ClientSession() as session, session.get(f"{twitch.base_url}/control") as answer:
            shown = await answer.json()
        assert shown["clients"] == [{"login": "justinfan42", "channels": ["harbor"], "is_mute": False}]

    play(scene)
