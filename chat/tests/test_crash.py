"""Nothing is lost and nothing is counted twice, whichever process is killed, and whenever."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import psycopg
import redis
from django.conf import settings

from chat.ingest.coverage import DECIDED, KEY, Record, missing
from chat.ingest.pipeline import CHANNELS_KEY
from chat.ingest.queue import STREAM
from chat.tests.patience import until
from streamstats.simulator.server import SimulatedTwitch

CHANNEL, ROOM = "x", "1001"
PAUSE = 0.004
PATIENCE = 250.0


class Machine:
    """The processes of the ingest, with their environment."""

    def __init__(self, home, database_url, redis_url, irc_url):
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "streamstats.settings",
            "STREAMSTATS_HOME": str(home),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "TWITCH_IRC_URL": irc_url,
            "LOG_LEVEL": "WARNING",
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def manage(self, *words):
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *words]
        return subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True).stdout

    def start(self, name):
        role = name.partition("-")[0]
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "ingest", "--role", role, "--skip-checks"]
        self.processes[name] = subprocess.Popen(command, env=self.environment)

    def kill(self, name, number=signal.SIGKILL):
        process = self.processes.pop(name)
        process.send_signal(number)
        return process.wait()

    def end(self):
        for name in list(self.processes):
            self.kill(name)


class Crowd:
    """Says numbered messages without a pause, and remembers them."""

    def __init__(self, twitch, chance):
        self.twitch = twitch
        self.chance = chance
        self.said: list[str] = []

    async def talk(self):
        while True:
            count = self.chance.randrange(1, 6)
            await self.twitch.say(CHANNEL, [self.line() for _ in range(count)])
            await asyncio.sleep(PAUSE)

    async def say_more(self, count):
        enough = len(self.said) + count
        await until(lambda: len(self.said) >= enough)

    def line(self):
        number = len(self.said)
        self.said.append(f"{number:08x}-0000-4000-8000-000000000000")
        viewer = self.chance.randrange(30)
        tags = {
            "badges": "",
            "display-name": f"Viewer{viewer}",
            "emotes": "25:0-4",
            "id": self.said[-1],
            "room-id": ROOM,
            "tmi-sent-ts": str(int(time.time() * 1000)),
            "user-id": str(5000 + viewer),
        }
        text = ";".join(f"{name}={value}" for name, value in tags.items())
        return f"@{text} :viewer{viewer}!viewer{viewer}@viewer{viewer}.tmi.twitch.tv PRIVMSG #{CHANNEL} :Kappa {number}"


@asynccontextmanager
async def talking(twitch, chance):
    crowd = Crowd(twitch, chance)
    task = asyncio.create_task(crowd.talk())
    try:
        yield crowd
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@contextmanager
def machine(home, database_url, redis_url, irc_url) -> Iterator[Machine]:
    machine = Machine(home, database_url, redis_url, irc_url)
    try:
        yield machine
    finally:
        machine.end()


def query(url, statement):
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()


def lines_in_stream(client):
    return [line for _, fields in client.xrange(STREAM) for line in fields[b"lines"].split(b"\n")]


class Scene:
    """Two readers, a writer and their servers, each to be killed and started again."""

    def __init__(self, servers, twitch, machine, crowd):
        self.servers = {"redis": servers.redis, "postgres": servers.postgres}
        self.twitch = twitch
        self.recovered_ms = now_ms()
        self.machine = machine
        self.crowd = crowd

    async def strike(self, victims):
        """Kill some, let the others go on for a while, and start them again."""
        for victim in victims:
            await self._kill(victim)
        await self.crowd.say_more(self.crowd.chance.randrange(100))
        for victim in victims:
            await self._start(victim)
        await self._recover()

    async def _kill(self, victim):
        if victim in self.servers:
            await asyncio.to_thread(self.servers[victim].kill)
            return
        is_reader = victim.startswith("reader")
        if is_reader:
            # Until it has written that down, nobody knows that the other one was there while this one was not.
            await until(lambda: heartbeats(self.servers["redis"].url) > self.recovered_ms)
        self.machine.kill(victim)
        if is_reader:
            await self.twitch.irc.wait(lambda: len(self.twitch.irc.members(CHANNEL)) < 2)

    async def _start(self, victim):
        if victim in self.servers:
            await asyncio.to_thread(self.servers[victim].start)
        else:
            self.machine.start(victim)

    async def _recover(self):
        """Wait until both readers are there, and all that was said so far is committed."""
        await self.twitch.irc.wait(lambda: len(self.twitch.irc.members(CHANNEL)) == 2)
        database, last = self.servers["postgres"].url, self.crowd.said[-1]
        await until(lambda: query(database, f"SELECT FROM chat_message WHERE id = '{last}'"))
        self.recovered_ms = now_ms()


VICTIMS = [
    ("reader-1",),
    ("redis",),
    ("writer",),
    ("postgres",),
    ("reader-2",),
    ("redis", "writer"),
    ("postgres", "reader-1"),
    ("reader-2", "redis"),
]


def test_every_message_is_there_exactly_once_after_every_process_was_killed(servers):
    seed = int(os.environ.get("CRASH_SEED", random.randrange(10_000)))
    print(f"CRASH_SEED={seed}")  # noqa: T201 - to play it again
    chance = random.Random(seed)
    strikes = chance.sample(VICTIMS, len(VICTIMS))

    async def scenario():
        async with asyncio.timeout(PATIENCE), SimulatedTwitch({CHANNEL: ROOM}) as twitch:
            with machine(servers.layout.home, servers.postgres.url, servers.redis.url, twitch.irc_url) as ingest:
                ingest.manage("migrate", "--verbosity", "0")
                ingest.manage("follow", CHANNEL)
                for name in ("reader-1", "reader-2", "writer"):
                    ingest.start(name)
                await twitch.irc.wait(lambda: len(twitch.irc.members(CHANNEL)) == 2)
                async with talking(twitch, chance) as crowd:
                    scene = Scene(servers, twitch, ingest, crowd)
                    for victims in strikes:
                        await crowd.say_more(chance.randrange(1, 200))
                        await scene.strike(victims)
                await until(lambda: not backlog(servers.redis.url))
                # Here, not after the loop's end: servers that its threads started end with those threads.
                return crowd.said, outcome(servers, ingest)

    said, (ids, recount, totals, gaps, open_gaps) = asyncio.run(scenario())
    assert ids == said
    assert "Every counter was right." in recount
    assert totals == [(len(said), len(said), 30)]
    assert (gaps, open_gaps) == ([], [])


def now_ms():
    return int(time.time() * 1000)


def coverage(url):
    with redis.Redis.from_url(url) as client:
        fields = client.hgetall(KEY.format(CHANNEL))
    return {reader: Record.loads(text) for reader, text in fields.items() if reader != DECIDED}


def heartbeats(url):
    """When the reader that has been silent for longest wrote last; 0 while one of the two never did."""
    written = [record.written_ms for record in coverage(url).values()]
    return min(written) if len(written) == 2 else 0


def backlog(url):
    with redis.Redis.from_url(url) as client:
        return client.xlen(STREAM)


def outcome(servers, machine):
    """What the database says in the end, and the gaps that would still have been found later."""
    database = servers.postgres.url
    return (
        sorted(id_ for (id_,) in query(database, "SELECT id FROM chat_message")),
        machine.manage("rebuildrollups", "--dry-run"),
        query(database, "SELECT messages, emotes, chatters FROM streams_channeltotal"),
        query(database, "SELECT * FROM streams_gap"),
        missing(coverage(servers.redis.url), 0, now_ms() + 3_600_000)[0],
    )


def test_a_reader_started_while_postgres_is_away_receives_what_was_followed_last(own_redis):
    home = own_redis.layout.home

    async def scenario():
        async with asyncio.timeout(PATIENCE), SimulatedTwitch({CHANNEL: ROOM}) as twitch:
            with (
                redis.Redis.from_url(own_redis.url) as client,
                machine(home, f"postgres://nobody@/none?host={home}", own_redis.url, twitch.irc_url) as ingest,
            ):
                client.set(CHANNELS_KEY, json.dumps([CHANNEL]))
                ingest.start("reader")
                await twitch.irc.joined(CHANNEL)
                async with talking(twitch, random.Random(1)) as crowd:
                    await crowd.say_more(500)
                await until(lambda: len(lines_in_stream(client)) > len(crowd.said))
                assert ingest.kill("reader", signal.SIGTERM) == 0
                return crowd.said, lines_in_stream(client)

    said, lines = asyncio.run(scenario())
    messages = [line for line in lines if b" PRIVMSG " in line]
    assert [f"id={id_};" in line.decode() for id_, line in zip(said, messages, strict=True)] == [True] * len(said)
