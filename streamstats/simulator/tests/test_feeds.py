"""What is sent without being asked: a file, or the world as it goes on."""

import asyncio
import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import ClientSession

from streamstats.simulator.feeds import CHUNK_MS, LineFile, LiveWorld, send_lines, serve_file
from streamstats.simulator.moments import milliseconds
from streamstats.simulator.server import SimulatedTwitch
from streamstats.simulator.tests.client import Chatter, connected, play
from streamstats.simulator.world import DEMO, World

EVENING = datetime(2026, 3, 6, 21, tzinfo=UTC)


def message(number: int, channel: str = "harbor", room: str = "1001") -> bytes:
    prefix = ":ann!ann@ann.tmi.twitch.tv"
    return f"@id={number};room-id={room};tmi-sent-ts={number + 1} {prefix} PRIVMSG #{channel} :line {number}".encode()


@pytest.mark.parametrize("pack", [pytest.param(bytes, id="plain"), pytest.param(gzip.compress, id="gzipped")])
def test_a_file_knows_its_rooms(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    file = tmp_path / "chat.irc"
    file.write_bytes(pack(b"\n".join([message(1), message(2, "quay", "1002"), b":tmi.twitch.tv RECONNECT"])))
    assert LineFile(file).rooms == {"harbor": "1001", "quay": "1002"}


def test_a_file_without_rooms_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "shopping.txt"
    file.write_text("milk\nbread\n")
    with pytest.raises(ValueError, match="names a channel"):
        LineFile(file)


def test_every_line_goes_to_its_room_in_order() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        lines = [message(number, "harbor" if number % 3 else "quay") for number in range(200)]
        assert await send_lines(twitch, lines) == 200
        assert await chatter.answers() == [line.decode() for line in lines if b"#harbor" in line]

    play(scene)


def test_lines_that_concern_no_room_go_to_everybody() -> None:
    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        await send_lines(twitch, [b":tmi.twitch.tv RECONNECT"])
        assert await chatter.answers() == [":tmi.twitch.tv RECONNECT"]

    play(scene)


def test_a_file_waits_until_its_channel_is_joined(tmp_path: Path) -> None:
    file = tmp_path / "chat.irc"
    file.write_bytes(message(1))

    async def scene(twitch: SimulatedTwitch, chatter: Chatter) -> None:
        await chatter.log_in()
        sending = twitch.start(_serve(twitch, LineFile(file)))
        assert await chatter.answers() == []
        await chatter.join("harbor")
        assert await chatter.until("line 1") == [message(1).decode()]
        await sending

    play(scene, is_inside=False)


async def _serve(twitch: SimulatedTwitch, file: LineFile) -> None:
    await serve_file(twitch, file, rate=0, after_joins=1)


def test_lines_are_sent_at_the_rate_that_was_asked_for() -> None:
    clock = FakeClock()

    async def scene(twitch: SimulatedTwitch, _: Chatter) -> None:
        await send_lines(twitch, [message(n) for n in range(500)], rate=100, clock=clock.seconds, sleep=clock.sleep)
        assert clock.seconds() == pytest.approx(5)

    play(scene)


class FakeClock:
    """Time that passes only by sleeping."""

    def __init__(self, start_ms: int = 0) -> None:
        self.now_ms = start_ms

    def milliseconds(self) -> int:
        return self.now_ms

    def seconds(self) -> float:
        return self.now_ms / 1000

    async def sleep(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)
        await asyncio.sleep(0)


def test_the_world_goes_on_from_now() -> None:
    start_ms = milliseconds(EVENING)
    world = World(seed=11)
    expected = [line.raw().decode() for line in world.lines(DEMO, start_ms, start_ms + CHUNK_MS // 2)]
    assert expected

    async def run() -> None:
        clock = FakeClock(start_ms)
        channels = {channel.login: channel.twitch_id for channel in world.channels}
        async with SimulatedTwitch(channels) as twitch, connected(twitch) as chatter:
            await chatter.log_in()
            await chatter.join(DEMO.login)
            twitch.start(LiveWorld(twitch, world, clock.milliseconds, clock.sleep).play())
            assert [(await chatter.until(" "))[0] for _ in expected] == expected

    asyncio.run(run())


def test_emote_sets_change_while_the_world_goes_on() -> None:
    world = World(seed=11)
    show = world.broadcasts(DEMO, EVENING, EVENING + timedelta(minutes=1))[0]
    guest = world.emotes[DEMO].guest(show)
    change = next(c for c in world.emotes[DEMO].changes(show.started_ms, show.ended_ms) if c.emote.name == guest)

    async def run() -> None:
        async with SimulatedTwitch() as twitch:
            live = LiveWorld(twitch, world, FakeClock(change.at_ms - 1).milliseconds)
            before = await seventv_names(twitch)
            await live.change_sets(change.at_ms)
            assert await seventv_names(twitch) - before == {guest}

    asyncio.run(run())


def test_sets_are_put_right_after_any_time_missed() -> None:
    world = World(seed=11)

    async def run() -> None:
        async with SimulatedTwitch() as twitch:
            live = LiveWorld(twitch, world, FakeClock(milliseconds(EVENING)).milliseconds)
            for days in (40, 3):  # a machine that slept, and one whose clock was put back
                later = EVENING + timedelta(days=days)
                await live.change_sets(milliseconds(later))
                present = world.emote_sets(later)["7tv", DEMO.twitch_id]
                assert await seventv_names(twitch) == {emote.name for emote in present}

    asyncio.run(run())


async def seventv_names(twitch: SimulatedTwitch) -> set[str]:
    url = f"{twitch.addresses['SEVENTV_URL']}/users/twitch/{DEMO.twitch_id}"
    async with ClientSession() as session, session.get(url) as answer:
        return {emote["name"] for emote in (await answer.json())["emote_set"]["emotes"]}
