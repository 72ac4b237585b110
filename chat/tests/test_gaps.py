"""Gaps as readers write them down, in Redis."""

import asyncio
import json

import pytest
import redis

from chat.ingest.coverage import KEY, NOBODY_KNOWS, SETTLE_MS, GapKeeper, Ledger
from chat.ingest.queue import STREAM, connect_reader
from chat.ingest.sockets import Presence

T0 = 1_700_000_000_000


class Reader:
    """A reader's coverage by hand: it is told what happened and when, in seconds."""

    def __init__(self, client, folder, name="a", *, orphans=()):
        self.now_ms = T0
        self.live: dict[str, int] = {}
        self.unsafe: int | None = None
        self.ledger = Ledger()
        self.keeper = GapKeeper(
            client,
            name,
            self.ledger,
            folder / f"{name}.coverage",
            present=lambda: [Presence(channel, since, self.now_ms) for channel, since in self.live.items()],
            unsafe_since=lambda: self.unsafe,
            orphans=orphans,
            wall=lambda: self.now_ms / 1000,
        )
        self.keeper.follow(frozenset({"x"}))

    def at(self, second):
        self.now_ms = T0 + second * 1000
        return self

    def join(self, channel="x"):
        self.live[channel] = self.now_ms

    def leave(self, reason="lost", channel="x"):
        self.ledger.left(Presence(channel, self.live.pop(channel), self.now_ms, reason))

    async def beat(self, *seconds):
        for second in seconds:
            self.at(second)
            await self.keeper.beat()


@pytest.fixture
def play(redis_client, settings):
    """Run a scenario that is handed a connection to Redis; return the gaps that came of it."""

    def play(scenario):
        async def connected():
            client = connect_reader(settings.REDIS_URL)
            await scenario(client)
            await client.aclose()

        asyncio.run(connected())
        return gaps(redis_client)

    return play


def gaps(client):
    """Return (channel, from, to, reason) of each gap in the queue, in seconds."""
    lines = [line for _, fields in client.xrange(STREAM) for line in fields[b"lines"].split(b"\n")]
    found = [json.loads(line) for line in lines]
    return [(gap["channel"], (gap["from"] - T0) / 1000, (gap["to"] - T0) / 1000, gap["reason"]) for gap in found]


def test_the_first_join_is_no_gap(play, tmp_path):
    async def scenario(client):
        reader = Reader(client, tmp_path)
        reader.at(5).join()
        await reader.beat(6, 8, 20)

    assert play(scenario) == []


def test_a_lost_connection_is_a_gap(play, tmp_path, redis_client):
    async def scenario(client):
        reader = Reader(client, tmp_path)
        reader.join()
        reader.at(10).leave("the line broke")
        reader.at(20).join()
        await reader.beat(22, 24, 30, 32)

    assert play(scenario) == [("x", 10, 20, "the line broke")]
    assert redis_client.xrange(STREAM)[0][1][b"source"] == b"gap"


def test_a_killed_reader_is_a_gap_from_its_last_word(play, tmp_path):
    async def scenario(client):
        first_life = Reader(client, tmp_path)
        first_life.join()
        await first_life.beat(2, 4)
        second_life = Reader(client, tmp_path)
        second_life.at(20).join()
        await second_life.beat(22, 30)

    assert play(scenario) == [("x", 4, 20, NOBODY_KNOWS)]


def test_a_gap_is_not_forgotten_when_the_reader_dies_again(play, tmp_path):
    async def scenario(client):
        lives = [Reader(client, tmp_path) for _ in range(3)]
        for start, life in zip((0, 20, 40), lives, strict=True):
            life.at(start).join()
            await life.beat(start + 1, start + 2)
        await lives[-1].beat(60)

    assert play(scenario) == [("x", 2, 20, NOBODY_KNOWS), ("x", 22, 40, NOBODY_KNOWS)]


def test_what_another_reader_received_is_no_gap(play, tmp_path):
    async def scenario(client):
        first, second = Reader(client, tmp_path, "a"), Reader(client, tmp_path, "b")
        first.join()
        second.join()
        await second.beat(9)
        first.at(10).leave()
        await second.beat(15)
        first.at(20).join()
        for second_of_time in range(21, 40, 2):
            await first.beat(second_of_time)
            await second.beat(second_of_time)

    assert play(scenario) == []


def test_two_readers_write_the_same_gap_once(play, tmp_path):
    async def scenario(client):
        first, second = Reader(client, tmp_path, "a"), Reader(client, tmp_path, "b")
        for reader in (first, second):
            reader.at(0).join()
            reader.at(10).leave()
            reader.at(20).join()
        for second_of_time in range(21, 40, 2):
            await first.beat(second_of_time)
            await second.beat(second_of_time)

    assert play(scenario) == [("x", 10, 20, "lost")]


def test_readers_that_decide_at_the_same_moment_write_a_gap_once(play, tmp_path, monkeypatch):
    async def scenario(client):
        first, second = Reader(client, tmp_path, "a"), Reader(client, tmp_path, "b")
        for reader in (first, second):
            reader.at(0).join()
            reader.at(10).leave()
            reader.at(20).join()
            await reader.beat(21)
        for reader in (first, second):
            reader.at(30)
            reader.keeper._decide_from_ms = 0
            await reader.keeper._write()
        await asyncio.gather(first.keeper._decide(), second.keeper._decide())

    assert play(scenario) == [("x", 10, 20, "lost")]


def test_a_channel_unfollowed_and_followed_again_has_no_gap(play, tmp_path, redis_client):
    async def scenario(client):
        reader = Reader(client, tmp_path)
        reader.join()
        await reader.beat(2)
        reader.at(10).leave("no longer followed")
        reader.keeper.follow(frozenset())
        await reader.beat(12)
        reader.keeper.follow(frozenset({"x"}))
        reader.at(60).join()
        await reader.beat(62, 70, 80)

    assert play(scenario) == []


def test_an_unfollowed_channel_is_forgotten_by_every_reader(play, tmp_path, redis_client):
    async def scenario(client):
        first, second = Reader(client, tmp_path, "a"), Reader(client, tmp_path, "b")
        for reader in (first, second):
            reader.join()
            await reader.beat(2)
        first.keeper.follow(frozenset())
        await first.beat(4)
        await second.beat(5)  # it has not heard yet
        second.keeper.follow(frozenset())
        await second.beat(6)

    play(scenario)
    assert not redis_client.exists(KEY.format("x"))


def test_unsafe_lines_of_a_killed_reader_are_in_the_gap(play, tmp_path):
    async def scenario(client):
        first_life = Reader(client, tmp_path)
        first_life.join()
        first_life.unsafe = T0 + 3000
        await first_life.beat(8)
        second_life = Reader(client, tmp_path)
        second_life.at(20).join()
        await second_life.beat(22, 30)

    assert play(scenario) == [("x", 3, 20, NOBODY_KNOWS)]


def test_nothing_is_decided_before_redis_is_back_for_a_while(own_redis, tmp_path):
    async def scenario():
        client = connect_reader(own_redis.url)
        reader = Reader(client, tmp_path)
        reader.join()
        await reader.beat(2, 10)
        own_redis.kill()
        reader.at(12).leave()
        reader.at(20).join()
        await reader.beat(30)
        own_redis.start()
        await reader.beat(30.5)
        with redis.Redis.from_url(own_redis.url) as other:
            assert gaps(other) == []
            await reader.beat(30 + SETTLE_MS / 1000)
            assert gaps(other) == [("x", 12, 20, "lost")]
        await client.aclose()

    asyncio.run(scenario())


def test_coverage_of_the_time_without_redis_outlives_the_reader(own_redis, tmp_path):
    async def scenario():
        client = connect_reader(own_redis.url)
        first_life = Reader(client, tmp_path)
        first_life.join()
        await first_life.beat(2)
        own_redis.kill()
        await first_life.beat(10)
        own_redis.start()
        second_life = Reader(client, tmp_path)
        second_life.at(20).join()
        await second_life.beat(22, 30)
        with redis.Redis.from_url(own_redis.url) as other:
            assert gaps(other) == [("x", 10, 20, NOBODY_KNOWS)]
        assert not second_life.keeper.file.exists()
        await client.aclose()

    asyncio.run(scenario())


def test_coverage_kept_by_a_reader_that_never_came_back_counts(play, tmp_path):
    (tmp_path / "gone.coverage").write_text(json.dumps({"x": [[T0, T0 + 9000, ""]]}))

    async def scenario(client):
        reader = Reader(client, tmp_path, orphans=[tmp_path / "gone.coverage"])
        reader.at(20).join()
        await reader.beat(22, 30)

    assert play(scenario) == [("x", 9, 20, NOBODY_KNOWS)]


def test_a_file_that_cannot_be_read_does_not_stop_the_reader(play, tmp_path, redis_client):
    (tmp_path / "a.coverage").write_text("{")

    async def scenario(client):
        reader = Reader(client, tmp_path)
        reader.join()
        await reader.beat(2)

    play(scenario)
    assert redis_client.hexists(KEY.format("x"), "a")


def test_a_reader_that_is_long_gone_leaves_the_books(play, tmp_path, redis_client):
    async def scenario(client):
        gone = Reader(client, tmp_path, "gone")
        gone.join()
        await gone.beat(2)
        heir = Reader(client, tmp_path, "heir")
        heir.at(90_000).join()
        await heir.beat(90_002, 90_010, 90_012)

    assert play(scenario) == [("x", 2, 90_000, NOBODY_KNOWS)]
    assert redis_client.hkeys(KEY.format("x")) == [b"heir", b"decided"]
