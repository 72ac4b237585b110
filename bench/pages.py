"""How fast pages are in a large installation: alone without anything kept ready, and with a thousand people at once."""

import asyncio
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import aiohttp

from bench.place import installation
from bench.web import at, few, load, p95, session_of, timed, web

USERS = int(os.environ.get("BENCH_PAGES_USERS", "1000"))
EVERY_S = 10.0
COME_IN_S = 60.0
"""They come one after the other, not all in one second to a site that was just started."""
WARM_UP_S = float(os.environ.get("BENCH_PAGES_WARM_UP_S", "120"))
WEB_PROCESSES = 2
LOGGED_IN = 0.05
"""Part of the people who are logged in: nothing is kept ready for them."""
ALONE_EACH = 40
"""Loads of each page by one person alone, of different viewers, streams and emotes."""

MOST_QUERIES = "most queries of a page"
QUERY = "slowest query of a page, p95 (ms)"
ALONE = "slowest page alone, p95 (ms)"
TOGETHER = "slowest page at 1,000 people, p95 (ms)"
ERRORS = "answers other than 200"


class Known(NamedTuple):
    """What there is to be visited, the most visited first."""

    logins: list[str]
    streams: list[str]
    emotes: list[int]
    deep_places: list[str]
    """Where the last pages of long boards begin."""
    session: str
    """The session cookie of somebody who is logged in."""


CHANNEL = "/c/volume/"
Maker = Callable[[Known, Random], str]
PAGES: dict[str, tuple[int, Maker]] = {
    # name: how often it is looked at, and one of its addresses
    "front": (4, lambda _known, _random: "/"),
    "channel": (14, lambda _known, _random: CHANNEL),
    "viewer": (22, lambda known, random: f"{CHANNEL}viewers/{few(known.logins, random)}/"),
    "viewer in a month": (
        4,
        lambda known, random: f"{CHANNEL}viewers/{few(known.logins, random)}/?range=2026-{random.randint(1, 10):02}",
    ),
    "viewer in a stream": (
        2,
        lambda known, random: (
            f"{CHANNEL}viewers/{few(known.logins[:200], random)}/?range=stream-{few(known.streams, random)}"
        ),
    ),
    "text's history": (2, lambda known, random: f"{CHANNEL}viewers/{few(known.logins, random)}/wiki/"),
    "viewer's recap": (3, lambda known, random: f"{CHANNEL}viewers/{few(known.logins, random)}/recap/2026/"),
    "channel's recap": (1, lambda _known, random: f"{CHANNEL}recap/{random.choice((2025, 2026))}/"),
    "link picture": (2, lambda known, random: f"{CHANNEL}viewers/{few(known.logins, random)}/picture.png"),
    "streams": (4, lambda _known, _random: f"{CHANNEL}streams/"),
    "stream": (10, lambda known, random: f"{CHANNEL}streams/{few(known.streams, random)}/"),
    "emotes": (5, lambda _known, random: f"{CHANNEL}emotes/?range={random.choice(('all', '2026', '2026-10'))}"),
    "emotes nobody used": (1, lambda _known, _random: f"{CHANNEL}emotes/?show=unused-30"),
    "emote": (6, lambda known, random: f"{CHANNEL}emotes/{few(known.emotes, random)}/"),
    "board": (
        8,
        lambda _known, random: (
            f"{CHANNEL}leaderboards/?by={random.choice(('watched', 'messages', 'emotes', 'streak', 'points'))}"
            f"&range={random.choice(('all', '2026', '2026-10', '2026-W43'))}"
        ),
    ),
    "board, far down": (2, lambda known, random: f"{CHANNEL}leaderboards/?{random.choice(known.deep_places)}"),
    "board of a stream": (
        2,
        lambda known, random: f"{CHANNEL}leaderboards/?by=messages&range=stream-{few(known.streams, random)}",
    ),
    "viewers": (3, lambda _known, _random: f"{CHANNEL}viewers/"),
    "search": (4, lambda _known, random: f"{CHANNEL}viewers/?q=viewer{random.randint(1, 9999)}"),
    "achievements": (1, lambda _known, _random: f"{CHANNEL}achievements/"),
}


def measure(keep: str = "") -> dict[str, float]:
    """Fill an installation, look at its pages, print how each did, and return the worst of each kind."""
    home = Path(keep) if keep else None
    with installation(home, PAGE_CACHE_SECONDS="0") as servers:
        from django.core.management import call_command
        from django.db import connection

        from streams.models import Channel

        if not Channel.objects.exists():
            call_command("fill")
        known = _know()
        queries = _queries(known)
        connection.close()
        environment = {
            "DATABASE_URL": servers.layout.database_url,
            "REDIS_URL": servers.layout.redis_url,
        }
        with web(8951, {**environment, "PAGE_CACHE_SECONDS": "0"}, processes=1) as address:
            alone = asyncio.run(_alone(address, known))
        with web(8952, {**environment, "PAGE_CACHE_SECONDS": "300"}, processes=WEB_PROCESSES) as address:
            together, errors = asyncio.run(_together(address, known))
    return _report(queries, alone, together, errors)


def _know() -> Known:
    from chat.models import EmoteTotal
    from streams.models import Channel, Stream
    from viewers.models import Standing, ViewerTotal

    channel = Channel.objects.get(login="volume")
    totals = ViewerTotal.objects.filter(channel=channel, viewer__hidden_at=None)
    shown = totals.exclude(viewer__profiles__visibility="hidden").order_by("-messages")
    shown = shown.filter(last_seen_at__year__gte=2026)  # who was not here then has no recap of it
    places = []
    for by, field in (("watched", "watch_seconds"), ("messages", "messages")):
        last = Standing.objects.filter(channel=channel, period="all", **{f"{field}__gt": 0}).order_by(field)[200]
        places.append(_place_on(by, last))
    return Known(
        list(shown.values_list("viewer__login", flat=True)[:50_000]),
        list(Stream.objects.recent(channel).values_list("pk", flat=True)),
        list(EmoteTotal.objects.filter(channel=channel).order_by("-uses").values_list("emote", flat=True)),
        places,
        session_of("100000000"),
    )


def _place_on(by: str, row: Any) -> str:
    """The query string of the page of a board that follows this row."""
    from chat.views.boards import following

    return f"by={by}&range=all&after={following(row, by, 100_000)}"


def _queries(known: Known) -> dict[str, tuple[int, float]]:
    """Of each page: its most queries, and the p95 of all of its queries, in ms."""
    from django.db import connection
    from django.test import Client

    client, random = Client(SERVER_NAME="localhost"), Random(3)
    told: dict[str, tuple[int, float]] = {}
    for name, (_, make) in PAGES.items():
        times: list[float] = []
        most = 0
        for _ in range(ALONE_EACH):
            before = len(times)
            with connection.execute_wrapper(partial(timed, times)):
                answer = client.get(make(known, random), follow=True)
            if answer.status_code != 200:
                raise SystemExit(f"{name}: {answer.request['PATH_INFO']} answers {answer.status_code}.")
            most = max(most, len(times) - before)
        told[name] = (most, p95(times))
    return told


async def _alone(address: str, known: Known) -> dict[str, list[float]]:
    """One person, one page after the other, nothing kept ready."""
    random, took = Random(5), defaultdict(list)
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        for _ in range(3):
            await load(session, address + CHANNEL, "")
        for name, (_, make) in PAGES.items():
            for _ in range(ALONE_EACH):
                seconds, status = await load(session, address + make(known, random), "")
                if status != 200:
                    raise SystemExit(f"{name} answers {status}.")
                took[name].append(1000 * seconds)
    return took


async def _together(address: str, known: Known) -> tuple[dict[str, list[float]], int]:
    """Many people who each load a page every ten seconds, or as soon as they have the last one if that took longer."""
    took: dict[str, list[float]] = defaultdict(list)
    errors = 0
    names = list(PAGES)
    weights = [PAGES[name][0] for name in names]
    seconds = float(os.environ.get("BENCH_PAGES_SECONDS", "60"))
    began = time.perf_counter()
    end = began + WARM_UP_S + seconds
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)

    async def somebody(number: int, session: aiohttp.ClientSession) -> None:
        nonlocal errors
        random = Random(number)
        cookie = known.session if random.random() < LOGGED_IN else ""
        due = began + random.random() * COME_IN_S
        while due < end:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            name = random.choices(names, weights)[0]
            # From when the page was wanted, not from when we got round to asking for it.
            _, status = await load(session, address + PAGES[name][1](known, random), cookie)
            if due > began + WARM_UP_S:
                took[name].append(1000 * (time.perf_counter() - due))
                errors += status != 200
            due = max(due + EVERY_S, time.perf_counter())

    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        await asyncio.gather(*(somebody(number, session) for number in range(USERS)))
    return took, errors


def _report(
    queries: dict[str, tuple[int, float]], alone: dict[str, list[float]], together: dict[str, list[float]], errors: int
) -> dict[str, float]:
    heads = ("page", "queries", "query p95", "alone p95", "together p50", "p95", "loads")
    print(f"  {heads[0]:<22}" + "".join(f"{head:>13}" for head in heads[1:]), file=sys.stderr)
    for name in PAGES:
        most, query = queries[name]
        loads = together[name] or [0.0]
        figures = (f"{most}", *(f"{value:.1f}" for value in (query, p95(alone[name]), at(loads, 0.5), p95(loads))))
        print(f"  {name:<22}" + "".join(f"{figure:>13}" for figure in (*figures, len(loads))), file=sys.stderr)
    every = [value for loads in together.values() for value in loads]
    return {
        MOST_QUERIES: max(most for most, _ in queries.values()),
        QUERY: max(query for _, query in queries.values()),
        ALONE: max(p95(loads) for loads in alone.values()),
        TOGETHER: max(p95(loads) for loads in together.values() if loads),
        "all pages at 1,000 people, p95 (ms)": p95(every),
        "pages a second": len(every) / float(os.environ.get("BENCH_PAGES_SECONDS", "60")),
        ERRORS: errors,
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1] if len(sys.argv) > 1 else "")))
