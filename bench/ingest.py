"""From the socket to the commit, all counters raised: how many messages a second, and how long one takes.

Sender, reader, Redis, writer and Postgres share the machine, each in processes of their own. For the
throughput the sender stays a bounded number of lines ahead of what is committed, so what comes out is
what can be kept up for good; for the latency it sends at a fixed pace.
"""

import json
import statistics
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
import redis

from bench import lines
from bench.place import installation, manage
from bench.sender import Pace, Sender
from streamstats.local.servers import Servers

PORT = 8197
WARM_UP_SECONDS = 5
OUTAGE_SECONDS = 30
LOST, WRONG = "messages lost", "counters that differ from a recount"


@dataclass
class Watch:
    """What was seen while the ingest ran, and the servers it ran on."""

    servers: Servers
    commits: list[tuple[int, float]] = field(default_factory=list)
    """(messages committed so far, when)."""
    lags: list[int] = field(default_factory=list)
    """Lines sent and not committed, ten times a second."""
    memory: list[int] = field(default_factory=list)
    """Bytes resident in reader and writer together."""


@contextmanager
def ingesting(sender: Sender) -> Iterator[Watch]:
    """Run sender, reader and writer, watched."""
    with installation(TWITCH_IRC_URL=f"http://127.0.0.1:{sender.port}/irc") as servers:
        _prepare()
        parts = [manage("ingest", "--role", role, "--skip-checks") for role in ("reader", "writer")]
        sending = sender.start()
        watch, done = Watch(servers), threading.Event()
        watchers = [
            threading.Thread(target=_watch_commits, args=(servers.layout.redis_url, sender, watch, done)),
            threading.Thread(target=_watch_machine, args=([part.pid for part in parts], sender, watch, done)),
        ]
        for watcher in watchers:
            watcher.start()
        try:
            yield watch
        finally:
            done.set()
            for watcher in watchers:
                watcher.join()
            sending.kill()
            for part in parts:
                part.terminate()
            for part in parts:
                part.wait()


def _prepare() -> None:
    from chat.emotesets import apply_set
    from streams.models import Channel

    channel = Channel.objects.create(twitch_id=lines.ROOM, login=lines.LOGIN)
    for provider, entries in lines.sets().items():
        apply_set(channel, provider, entries)


def _watch_commits(url: str, sender: Sender, watch: Watch, done: threading.Event) -> None:
    """The live feed tells after each commit how many messages there are."""
    from streams.models import Channel
    from streams.topics import topic

    client: Any = redis.Redis.from_url(url)
    listening = client.pubsub(ignore_subscribe_messages=True)
    listening.subscribe(topic(Channel.objects.get().pk))
    while not done.is_set():
        message = listening.get_message(timeout=0.1)
        if message:
            total = json.loads(message["data"])["total"]["messages"]
            watch.commits.append((total, time.time()))
            sender.committed.value = total


def _watch_machine(pids: list[int], sender: Sender, watch: Watch, done: threading.Event) -> None:
    processes = [psutil.Process(pid) for pid in pids]
    while not done.wait(0.1):
        watch.lags.append(sender.sent.value - sender.committed.value)
        watch.memory.append(sum(process.memory_info().rss for process in processes))


def throughput(seconds: int, window: int = 40_000) -> dict[str, float]:
    """Messages a second from socket to commit, kept up for so long."""
    sender = Sender(PORT, Pace(window=window))
    with ingesting(sender) as watch:
        sender.go.set()
        _wait_for_commit(watch)
        time.sleep(WARM_UP_SECONDS)
        watch.lags.clear()
        first = watch.commits[-1]
        time.sleep(seconds)
        last = watch.commits[-1]
        lags = list(watch.lags)
        third = len(lags) // 3
        return {
            "messages a second": (last[0] - first[0]) / (last[1] - first[1]),
            "lag, first third (lines)": statistics.mean(lags[:third]),
            "lag, last third (lines)": statistics.mean(lags[-third:]),
            "reader and writer (MB)": max(watch.memory) / 1e6,
        }


def latency(seconds: int, per_second: int = 2000) -> dict[str, float]:
    """Milliseconds from sending to commit at a fixed pace."""
    sender = Sender(
        PORT, Pace(per_second=per_second, lines_per_frame=5, frames_per_block=4, limit=per_second * seconds)
    )
    with ingesting(sender) as watch:
        sender.go.set()
        _wait_for_commit(watch)
        blocks = [sender.times.get(timeout=60) for _ in range(per_second * seconds // 20)]
        deadline = time.monotonic() + 30
        while watch.commits[-1][0] < per_second * seconds and time.monotonic() < deadline:
            time.sleep(0.05)
        totals = [total for total, _ in watch.commits]
        waits = sorted(watch.commits[bisect_left(totals, number)][1] - sent for number, sent in blocks)
    return {
        "messages a second": per_second,
        "median (ms)": waits[len(waits) // 2] * 1000,
        "95th percentile (ms)": waits[len(waits) * 95 // 100] * 1000,
        "longest (ms)": waits[-1] * 1000,
    }


def outage(per_second: int = 1000) -> dict[str, float]:
    """Postgres is killed for half a minute while chat goes on: what is lost, and how soon the rest is stored."""
    number = per_second * (OUTAGE_SECONDS + 20)
    sender = Sender(PORT, Pace(per_second=per_second, lines_per_frame=5, frames_per_block=4, limit=number))
    with ingesting(sender) as watch:
        postgres = watch.servers.postgres
        if postgres is None:
            raise SystemExit("This is measured on an embedded Postgres only.")
        sender.go.set()
        _wait_for_commit(watch)
        time.sleep(WARM_UP_SECONDS)
        postgres.kill()
        time.sleep(OUTAGE_SECONDS)
        behind = sender.sent.value - sender.committed.value
        postgres.start()
        back = time.monotonic()
        while sender.sent.value - sender.committed.value > per_second and time.monotonic() < back + 60:
            time.sleep(0.05)
        caught_up = time.monotonic() - back
        while sender.committed.value < number and time.monotonic() < back + 120:
            time.sleep(0.1)
        return {
            "waiting when Postgres came back": behind,
            "caught up after (s)": caught_up,
            LOST: number - _stored(),
            WRONG: _wrong_counters(),
        }


def _stored() -> int:
    from django.db import connection

    connection.close()  # it broke when the server was killed
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT id) FROM chat_message")
        return int(cursor.fetchone()[0])


def _wrong_counters() -> int:
    from chat.rollups import countable, rebuild
    from streams.models import Channel

    channel = Channel.objects.get()
    return sum(rebuild(channel, countable(channel), dry_run=True).values())


def _wait_for_commit(watch: Watch) -> None:
    deadline = time.monotonic() + 60
    while not watch.commits:
        if time.monotonic() > deadline:
            raise SystemExit("No message was committed within a minute.")
        time.sleep(0.05)
