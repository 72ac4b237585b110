"""The reader against a Twitch that lets it down in every way it knows."""

import asyncio
import random
import time
from contextlib import asynccontextmanager
from functools import partial

import pytest
from aiohttp import web

from chat.ingest.sockets import (
    CHANNELS_PER_CONNECTION,
    ChannelState,
    ChatReader,
    JoinLimiter,
    Outside,
    Presence,
    Timing,
    backoff,
)
from chat.tests.patience import run, until
from streamstats.simulator.server import SimulatedTwitch

QUICK = Timing(silence=0.05, answer=0.2, reconnect_base=0.01, reconnect_cap=0.02, refused=0.05, tick=0.01)


class Reading:
    """A reader of a simulated Twitch, and what it reported."""

    def __init__(self, url, timing=QUICK, wall=time.time):
        self.payloads: list[bytes] = []
        self.left: list[Presence] = []
        deliver = lambda payload, _at_ms: self.payloads.append(payload)  # noqa: E731
        self.chat = ChatReader(Outside(url, deliver, self.left.append, timing, wall=wall, chance=random.Random(7)))
        self.chat.limiter = JoinLimiter(joins=1000)

    def heard(self, text):
        return sum(payload.count(text) for payload in self.payloads)

    def joined(self, channel):
        return self.chat.states().get(channel) is ChannelState.JOINED


@asynccontextmanager
async def reading(channels, *, follow=None, wall=time.time):
    rooms = {channel: str(number) for number, channel in enumerate(channels, 1)}
    async with SimulatedTwitch(rooms) as twitch:
        reading = Reading(twitch.irc_url, wall=wall)
        async with reading.chat as chat:
            await chat.follow(frozenset(channels if follow is None else follow))
            await until(lambda: all(reading.joined(channel) for channel in channels))
            yield twitch, reading


def line(number, channel="x"):
    return f"@id={number};room-id=1 :a!a@a.tmi.twitch.tv PRIVMSG #{channel} :message {number}"


def test_what_is_said_is_delivered_as_it_came():
    async def scenario():
        async with reading(["x"]) as (twitch, reader):
            await twitch.say("x", [line(1), line(2)])
            await until(lambda: reader.heard(b"message 2"))
            assert reader.payloads[-1] == f"{line(1)}\n{line(2)}".encode()

    run(scenario)


def test_malformed_lines_are_delivered_too():
    async def scenario():
        async with reading(["x"]) as (twitch, reader):
            await twitch.fault("malformed")
            await twitch.say("x", line(1))
            await until(lambda: reader.heard(b"message 1"))
            assert reader.heard(b"SPLINES")

    run(scenario)


@pytest.mark.parametrize("fault", ["close", "abort"])
def test_it_comes_back_after_a_lost_connection(fault):
    async def scenario():
        async with reading(["x", "y"]) as (twitch, reader):
            await twitch.fault(fault)
            await until(lambda: len(reader.left) == 2)
            await until(lambda: reader.joined("x") and reader.joined("y"))
            await twitch.say("y", line(1, "y"))
            await until(lambda: reader.heard(b"message 1"))

    run(scenario)


def test_it_comes_back_from_silence():
    async def scenario():
        async with reading(["x"]) as (twitch, reader):
            await twitch.fault("silence")
            await until(lambda: reader.left)
            assert reader.left[0].reason == "the connection to Twitch fell silent"
            await until(lambda: reader.joined("x"))

    run(scenario)


def test_a_quiet_channel_is_not_a_silent_connection():
    async def scenario():
        async with reading(["x"]) as (_, reader):
            since = reader.chat.present()[0].since_ms
            await until(lambda: reader.chat.present()[0].proof_ms > since + 150)
            assert reader.left == []

    run(scenario)


def test_it_does_not_claim_to_have_received_what_the_machine_slept_through():
    asleep = [0.0]

    async def scenario():
        async with reading(["x"], wall=lambda: time.time() + asleep[0]) as (_, reader):
            (before,) = reader.chat.present()
            asleep[0] = 3600.0
            await until(lambda: reader.left and reader.joined("x"))
            (gone,), (back,) = reader.left, reader.chat.present()
            assert gone.reason == "the machine slept, or its clock was set"
            assert gone.proof_ms < before.since_ms + 60_000
            assert back.since_ms >= before.since_ms + 3_600_000

    run(scenario)


def test_it_answers_the_servers_ping():
    async def scenario():
        async with reading(["x"]) as (twitch, _):
            await twitch.irc.ping()
            await twitch.irc.wait(lambda: twitch.irc.pongs)

    run(scenario)


def test_it_comes_back_when_it_was_turned_away():
    async def scenario():
        async with reading(["x"]) as (twitch, reader):
            await twitch.fault("refuse", seconds=1000)
            await twitch.fault("abort")
            await until(lambda: reader.left)
            await twitch.fault("refuse", seconds=0)
            await until(lambda: reader.joined("x"))

    run(scenario)


def test_after_reconnect_it_is_there_twice_before_it_leaves_the_old_connection():
    async def scenario():
        async with reading(["x"]) as (twitch, reader):
            announced = asyncio.create_task(twitch.fault("reconnect", seconds=1000))
            await twitch.irc.wait(lambda: len(twitch.irc.members("x")) == 2)
            await until(lambda: reader.left)
            await twitch.irc.wait(lambda: len(twitch.irc.members("x")) == 1)
            (old,), (new,) = reader.left, reader.chat.present()
            assert new.since_ms <= old.proof_ms
            announced.cancel()

    run(scenario)


def test_no_message_is_missed_over_a_reconnect():
    async def scenario():
        async with reading(["x"]) as (twitch, reader):
            announced = asyncio.create_task(twitch.fault("reconnect", seconds=1000))
            for number in range(1000):
                await twitch.say("x", line(f"{number:04}"))
                if number % 20 == 0:
                    await until(partial(reader.heard, f"message {number:04}".encode()))
            await until(lambda: reader.left and reader.heard(b"message 0999"))
            assert all(reader.heard(f"message {number:04}".encode()) for number in range(1000))
            announced.cancel()

    run(scenario)


def test_a_channel_that_does_not_exist_can_be_seen():
    async def scenario():
        async with reading(["x"], follow=["x", "nobody"]) as (_, reader):
            await until(lambda: reader.chat.states()["nobody"] is ChannelState.UNANSWERED)
            assert reader.joined("x")

    run(scenario)


def test_channels_are_joined_and_left_without_a_new_connection():
    async def scenario():
        async with reading(["x", "y"], follow=["x", "y"]) as (twitch, reader):
            await reader.chat.follow(frozenset({"x"}))
            await twitch.irc.wait(lambda: not twitch.irc.members("y"))
            await reader.chat.follow(frozenset({"x", "y"}))
            await twitch.irc.joined("y")
            assert len(twitch.irc.clients) == 1
            assert [presence.channel for presence in reader.left] == ["y"]

    run(scenario)


def test_many_channels_use_several_connections():
    channels = [f"c{number}" for number in range(CHANNELS_PER_CONNECTION + 1)]

    async def scenario():
        async with SimulatedTwitch(dict.fromkeys(channels, "1")) as twitch:
            reader = Reading(twitch.irc_url)
            async with reader.chat as chat:
                await chat.follow(frozenset(channels))
                await twitch.irc.wait(lambda: len(twitch.irc.clients) == 2)
                assert sorted(len(slot.channels) for slot in chat.slots) == [1, CHANNELS_PER_CONNECTION]

    run(scenario)


def test_a_connection_without_channels_is_closed():
    async def scenario():
        async with reading(["x"]) as (twitch, reader):
            await reader.chat.follow(frozenset())
            await twitch.irc.wait(lambda: not twitch.irc.clients)

    run(scenario)


def test_at_the_end_it_says_until_when_it_received():
    async def scenario():
        async with reading(["x"]) as (_, reader):
            since = reader.chat.present()[0].since_ms
        (presence,) = reader.left
        assert (presence.channel, presence.since_ms) == ("x", since)
        assert presence.reason == "the reader was stopped"

    run(scenario)


def test_a_refused_login_is_not_tried_in_a_tight_loop():
    attempts = []

    async def refuse(request):
        attempts.append(asyncio.get_running_loop().time())
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(":tmi.twitch.tv NOTICE * :Login unsuccessful\r\n")
        await socket.close()
        return socket

    async def scenario():
        app = web.Application()
        app.router.add_get("/", refuse)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        reader = Reading(f"http://127.0.0.1:{runner.addresses[0][1]}/", QUICK._replace(refused=0.2))
        async with reader.chat as chat:
            await chat.follow(frozenset({"x"}))
            await until(lambda: len(attempts) == 3)
        await runner.cleanup()

    run(scenario)
    assert attempts[2] - attempts[0] >= 0.4


def test_backoff_doubles_its_ceiling_up_to_the_cap():
    class Highest(random.Random):
        def uniform(self, a, b):
            return b

    delays = backoff(Timing(), Highest())
    assert [next(delays) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_backoff_begins_again_after_a_welcome():
    ceilings = []

    class Noting(random.Random):
        def uniform(self, a, b):
            ceilings.append(b)
            return 0

    async def scenario():
        async with SimulatedTwitch({"x": "1"}) as twitch:
            reader = Reading(twitch.irc_url, Timing(tick=0.01))
            reader.chat.outside.__dict__["chance"] = Noting()
            await twitch.fault("refuse", seconds=1000)
            async with reader.chat as chat:
                await chat.follow(frozenset({"x"}))
                await until(lambda: len(ceilings) >= 3)
                await twitch.fault("refuse", seconds=0)
                await until(lambda: reader.joined("x"))
                ceilings.clear()
                await twitch.fault("abort")
                await until(lambda: ceilings)
                assert ceilings[0] == 1

    run(scenario)
