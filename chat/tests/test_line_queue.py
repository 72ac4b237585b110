"""The reader's end of the queue: lines in order, whatever happens to Redis."""

import asyncio
import errno
import itertools
import os
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from chat.ingest.queue import STREAM, Limits, LineGroup, LineQueue, Loss, connect_reader, connect_writer
from chat.ingest.spool import Place, Spool
from chat.tests.patience import run, until

PATIENT = Limits(memory_age=3600)  # lines stay in memory until there are too many of them
HASTY = Limits(memory_age=0, retry_base=0.01, retry_cap=0.01)  # to the spool with the first refusal


def now_ms():
    return int(time.time() * 1000)


def stored(client):
    """All lines that are in the stream."""
    return [line for _, fields in client.xrange(STREAM) for line in fields[b"lines"].split(b"\n")]


def numbered(count, start=0):
    return [f"line {n}".encode() for n in range(start, start + count)]


def has_grown(spool, size):
    return spool.size > size


class Reader:
    """A queue with its spool, and what it said it lost."""

    def __init__(self, url, folder, limits=PATIENT):
        self.losses: list[Loss] = []
        self.spool = Spool(Place.take(folder, "reader"))
        orphans = [Spool(place) for place in Place.take_abandoned(folder, "reader")]
        self.client = connect_reader(url)
        self.queue = LineQueue(self.client, self.spool, orphans=orphans, lost=self.losses.append, limits=limits)

    def put(self, lines):
        for line in lines:
            self.queue.put(line, now_ms())

    def kill(self):
        """Leave files as a SIGKILL would."""
        self.spool.close()

    @asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.queue.run())
        try:
            yield task
        finally:
            self.queue.close()
            await task
            await self.client.aclose()


@pytest.fixture
def url(redis_client, settings):
    return settings.REDIS_URL


@pytest.fixture
def own_client(own_redis):
    client = connect_writer(own_redis.url)
    yield client
    client.close()


def test_lines_arrive_in_order(redis_client, url, tmp_path):
    async def scenario():
        reader = Reader(url, tmp_path)
        async with reader.running():
            reader.put(numbered(3000))
            await until(lambda: len(stored(redis_client)) == 3000)

    run(scenario)
    assert stored(redis_client) == numbered(3000)


def test_an_entry_says_where_from_and_when(redis_client, url, tmp_path):
    async def scenario():
        reader = Reader(url, tmp_path)
        async with reader.running():
            reader.queue.put(b"a\nb", 1234)
            reader.queue.put(b"c", 1235)

    run(scenario)
    (entry,) = LineGroup(redis_client, "w").read(10, 1)
    assert entry[1:] == ("irc", 1234, [b"a", b"b", b"c"])


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        pytest.param(PATIENT._replace(entry_lines=4), [4, 4, 2], id="by lines"),
        pytest.param(PATIENT._replace(entry_bytes=21), [3, 3, 3, 1], id="by bytes"),
    ],
)
def test_entries_are_limited(redis_client, url, tmp_path, limits, sizes):
    async def scenario():
        reader = Reader(url, tmp_path, limits)
        reader.put(numbered(10))
        async with reader.running():
            pass

    run(scenario)
    assert [fields[b"lines"].count(b"\n") + 1 for _, fields in redis_client.xrange(STREAM)] == sizes


def test_closing_hands_over_what_has_just_come(redis_client, url, tmp_path):
    async def scenario():
        reader = Reader(url, tmp_path)
        async with reader.running():
            reader.put(numbered(10))

    run(scenario)
    assert stored(redis_client) == numbered(10)


def test_lines_are_unsafe_until_redis_has_them(redis_client, url, tmp_path):
    async def scenario():
        reader = Reader(url, tmp_path)
        reader.queue.put(b"a", 1234)
        reader.queue.put(b"b", 1235)
        assert reader.queue.unsafe_since() == 1234
        async with reader.running():
            await until(lambda: stored(redis_client))
            await until(lambda: reader.queue.unsafe_since() is None)

    run(scenario)


def test_lines_wait_in_memory_while_redis_is_away(own_redis, own_client, tmp_path):
    async def scenario():
        reader = Reader(own_redis.url, tmp_path)
        own_redis.kill()
        async with reader.running():
            reader.put(numbered(1000))
            await until(lambda: reader.queue.waiting_bytes)
            own_redis.start()  # from this thread: a server ends with the thread that started it
            reader.put(numbered(1000, 1000))
            await until(lambda: reader.queue.unsafe_since() is None)
            assert not reader.spool

    run(scenario)
    assert stored(own_client) == numbered(2000)


def test_lines_go_to_the_spool_when_memory_is_full(own_redis, own_client, tmp_path):
    async def scenario():
        reader = Reader(own_redis.url, tmp_path, PATIENT._replace(memory_bytes=2000))
        own_redis.kill()
        async with reader.running():
            reader.put(numbered(1000))
            await until(lambda: reader.spool)
            assert reader.queue.unsafe_since() is None

    run(scenario)


def test_lines_go_to_the_spool_when_they_have_waited_too_long(own_redis, tmp_path):
    async def scenario():
        reader = Reader(own_redis.url, tmp_path, HASTY)
        own_redis.kill()
        async with reader.running():
            reader.put([b"a"])
            await until(lambda: reader.spool)

    run(scenario)


def test_the_spool_is_handed_over_before_newer_lines(own_redis, own_client, tmp_path):
    async def scenario():
        reader = Reader(own_redis.url, tmp_path, HASTY)
        own_redis.kill()
        async with reader.running():
            for start in range(0, 500, 100):
                reader.put(numbered(100, start))
                await until(partial(has_grown, reader.spool, reader.spool.size))
            own_redis.start()  # from this thread: a server ends with the thread that started it
            reader.put(numbered(100, 500))
            await until(lambda: not reader.spool and reader.queue.unsafe_since() is None)

    run(scenario)
    assert list(dict.fromkeys(stored(own_client))) == numbered(600)


def test_a_killed_reader_loses_nothing_that_was_spooled(own_redis, own_client, tmp_path):
    async def first_life():
        reader = Reader(own_redis.url, tmp_path, HASTY)
        own_redis.kill()
        task = asyncio.create_task(reader.queue.run())
        reader.put(numbered(500))
        await until(lambda: reader.spool and reader.queue.unsafe_since() is None)
        task.cancel()
        reader.kill()

    async def second_life():
        reader = Reader(own_redis.url, tmp_path, HASTY)
        async with reader.running():
            reader.put(numbered(500, 500))
            await until(lambda: not reader.spool and reader.queue.unsafe_since() is None)

    run(first_life)
    own_redis.start()
    run(second_life)
    assert stored(own_client) == numbered(1000)


def test_a_spool_is_handed_over_without_a_new_line(redis_client, url, tmp_path):
    spool = Spool(Place.take(tmp_path, "reader"))
    reader_before = LineQueue(connect_reader(url), spool, lost=print, limits=PATIENT)
    reader_before.put(b"a", now_ms())
    asyncio.run(reader_before._spill())
    spool.close()

    async def scenario():
        reader = Reader(url, tmp_path)
        async with reader.running():
            await until(lambda: not reader.spool)

    run(scenario)
    assert stored(redis_client) == [b"a"]


def test_the_spool_of_a_reader_that_never_came_back_is_handed_over(redis_client, url, tmp_path):
    Place.take(tmp_path, "reader")  # the first place is in use, so the dead reader had the second
    gone = Reader(url, tmp_path)
    gone.put([b"a"])
    asyncio.run(gone.queue._spill())
    gone.kill()
    (tmp_path / "reader-0.lock").unlink()

    async def scenario():
        reader = Reader(url, tmp_path)
        async with reader.running():
            await until(lambda: stored(redis_client))

    run(scenario)
    assert stored(redis_client) == [b"a"]


def test_closing_while_redis_is_away_leaves_nothing_in_memory(own_redis, own_client, tmp_path):
    async def first_life():
        reader = Reader(own_redis.url, tmp_path)
        own_redis.kill()
        async with reader.running():
            reader.put(numbered(10))
        reader.kill()

    async def second_life():
        reader = Reader(own_redis.url, tmp_path)
        async with reader.running():
            await until(lambda: not reader.spool)

    run(first_life)
    own_redis.start()
    run(second_life)
    assert stored(own_client) == numbered(10)


def test_a_full_redis_is_as_good_as_none(own_redis, own_client, tmp_path):
    async def scenario():
        reader = Reader(own_redis.url, tmp_path, HASTY)
        own_client.config_set("maxmemory", "1")
        async with reader.running():
            reader.put(numbered(10))
            await until(lambda: reader.spool)
            own_client.config_set("maxmemory", "0")
            await until(lambda: not reader.spool)

    run(scenario)
    assert stored(own_client) == numbered(10)


def test_a_full_redis_can_be_emptied(own_client):
    writer = LineGroup(own_client, "w")
    writer.read(10, 1)
    own_client.xadd(STREAM, {"source": "irc", "at": 1, "lines": b"a"})
    own_client.config_set("maxmemory", "1")
    writer.ack([entry.id for entry in writer.read(10, 1)])
    assert own_client.xlen(STREAM) == 0


class RefusesSome:
    """A Redis that takes the first entry of a pipeline, and refuses the rest of it once."""

    def __init__(self, client):
        self.client = client
        self.has_refused = False

    def pipeline(self, **options):
        return RefusingPipeline(self, self.client.pipeline(**options))


class RefusingPipeline:
    def __init__(self, redis, pipeline):
        self.redis = redis
        self.pipeline = pipeline
        self.calls = itertools.count()

    def xadd(self, name, fields):
        if self.redis.has_refused or next(self.calls) == 0:
            self.pipeline.xadd(name, fields)
        else:
            self.pipeline.execute_command("XADD", name, "0-0", "lines", "x")

    async def execute(self, **options):
        self.redis.has_refused = True
        return await self.pipeline.execute(**options)


def test_only_what_was_refused_is_sent_again(redis_client, url, tmp_path):
    async def scenario():
        reader = Reader(url, tmp_path, PATIENT._replace(entry_lines=1, retry_base=0.01))
        refusing: Any = RefusesSome(reader.client)
        reader.queue.client = refusing
        async with reader.running():
            reader.put(numbered(5))
            await until(lambda: len(stored(redis_client)) >= 5)

    run(scenario)
    assert stored(redis_client) == numbered(5)


def test_a_full_disk_keeps_lines_in_memory_as_long_as_there_is_room(own_redis, own_client, tmp_path, monkeypatch):
    async def scenario():
        reader = Reader(own_redis.url, tmp_path, HASTY)
        own_redis.kill()
        failures = fail_to_write(monkeypatch)
        async with reader.running():
            reader.put(numbered(10))
            await until(lambda: len(failures) > 2)
            own_redis.start()  # from this thread: a server ends with the thread that started it
            await until(lambda: reader.queue.unsafe_since() is None)
        assert reader.losses == []

    run(scenario)
    assert stored(own_client) == numbered(10)


def test_what_fits_nowhere_is_lost_and_said_to_be(own_redis, tmp_path, monkeypatch):
    losses = []

    async def scenario():
        reader = Reader(own_redis.url, tmp_path, HASTY._replace(memory_bytes=20))
        own_redis.kill()
        fail_to_write(monkeypatch)
        async with reader.running():
            for at_ms in (1000, 2000, 3000):
                reader.queue.put(b"a line of chat", at_ms)
            await until(lambda: reader.losses)
        losses.extend(reader.losses)

    run(scenario)
    (loss,) = losses
    assert loss.start_ms == 1000
    assert loss.end_ms > 3000
    assert loss.reason == "no room to keep lines: No space left on device"


def fail_to_write(monkeypatch):
    failures = []

    def pwrite(_file, _data, _position):
        failures.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", pwrite)
    return failures
