"""How fast the API answers in a large installation, at 200 requests a second, and how fast messages are searched."""

import asyncio
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import aiohttp

from bench.place import installation
from bench.web import at, few, p95, web

RATE = float(os.environ.get("BENCH_API_RATE", "200"))
SECONDS = float(os.environ.get("BENCH_API_SECONDS", "60"))
WARM_UP_S = 20.0
WEB_PROCESSES = 2
SYNCED = ("streams", "viewers", "sessions", "usage", "events", "awards", "profiles", "messages")
CHANGED = 200
"""So many rows of each of these change before it is measured how fast that is told: a full page."""
DEEP_PAGES = 10
"""So many pages of each list are looked at, beside its first."""

SLOWEST = "slowest read at 200 requests/s, p95 (ms)"
MOST_SLOWEST_MS = 100
ALL = "all reads at 200 requests/s, p95 (ms)"
ERRORS = "answers other than 200 and 304"
SEARCH = "search of 10,000,000 messages, p95 (ms)"
MOST_SEARCH_MS = 300
SEARCHES = 200


class Known(NamedTuple):
    """What there is to be asked for, the most asked for first; and a key that may have all of it."""

    channel: str
    viewers: list[str]
    streams: list[str]
    emotes: list[int]
    key: str
    since: dict[str, str]
    """Cursors from before rows of these lists changed."""


Maker = Callable[[Known, Random], str]
WORDS = 50_000


def _changes(name: str) -> Maker:
    return lambda known, _random: f"{known.channel}/{name}/?since={known.since[name]}"


def word(random: Random) -> str:
    """A word of the installation, as often as people would look for it: rare ones more often than they are said."""
    return f"word{int(WORDS ** (0.2 + 0.8 * random.random()))}"


def _month(random: Random) -> str:
    month = random.randint(1, 9)
    return f"from=2026-0{month}-01T00:00:00Z&to=2026-{month + 1:02}-01T00:00:00Z"


READS: dict[str, Maker] = {
    "channels": lambda _known, _random: "",
    "channel": lambda known, _random: f"{known.channel}/",
    "streams": lambda known, _random: f"{known.channel}/streams/",
    "streams of a month": lambda known, random: f"{known.channel}/streams/?{_month(random)}",
    "stream": lambda known, random: f"{known.channel}/streams/{few(known.streams, random)}/",
    "segments": lambda known, random: f"{known.channel}/streams/{few(known.streams, random)}/segments/",
    "samples": lambda known, random: f"{known.channel}/streams/{few(known.streams, random)}/samples/",
    "viewers": lambda known, _random: f"{known.channel}/viewers/",
    "viewer": lambda known, random: f"{known.channel}/viewers/{few(known.viewers, random)}/",
    "sessions": lambda known, _random: f"{known.channel}/sessions/",
    "sessions of a viewer": lambda known, random: f"{known.channel}/sessions/?viewer={few(known.viewers, random)}",
    "emotes": lambda known, _random: f"{known.channel}/emotes/",
    "usage": lambda known, _random: f"{known.channel}/usage/",
    "usage of a viewer": lambda known, random: f"{known.channel}/usage/?viewer={few(known.viewers, random)}",
    "redemptions": lambda known, _random: f"{known.channel}/redemptions/",
    "events": lambda known, _random: f"{known.channel}/events/",
    "events of a viewer": lambda known, random: f"{known.channel}/events/?viewer={few(known.viewers, random)}",
    "awards": lambda known, _random: f"{known.channel}/awards/",
    "leaderboards": lambda known, random: (
        f"{known.channel}/leaderboards/?by={random.choice(('watched', 'messages', 'emotes', 'streak', 'points'))}"
        f"&period={random.choice(('all', '2026', '2026-10', '2026-W43'))}"
    ),
    "profiles": lambda known, _random: f"{known.channel}/profiles/",
    "search": lambda known, random: f"{known.channel}/search/?q=viewer{random.randint(1, 9999)}",
    "messages": lambda known, _random: f"{known.channel}/messages/",
    "messages of a viewer": lambda known, random: f"{known.channel}/messages/?viewer={few(known.viewers, random)}",
    "messages of words": lambda known, random: f"{known.channel}/messages/?q={word(random)}",
    "moderation": lambda known, _random: f"{known.channel}/moderation/",
    **{f"{name}, changes": _changes(name) for name in SYNCED},
}
PAGED = (
    *("streams", "viewers", "sessions", "emotes", "usage", "redemptions", "events", "awards", "leaderboards"),
    *("profiles", "messages"),
)
"""Lists that are long: further pages of them are asked for as well."""


def measure(keep: str = "") -> dict[str, float]:
    """Fill an installation, read all of the API, and search; print how each did, and return the worst of each kind."""
    home = Path(keep) if keep else None
    with installation(home) as servers:
        from datetime import UTC, datetime

        from django.core.management import call_command
        from django.db import connection

        from chat import wordindex
        from streams.models import Channel

        if not Channel.objects.exists():
            call_command("fill")
        wordindex.make(datetime.now(UTC))
        known = _know()
        searches = _searches()
        connection.close()
        environment = {"DATABASE_URL": servers.layout.database_url, "REDIS_URL": servers.layout.redis_url}
        with web(8953, environment, processes=WEB_PROCESSES) as address:
            took, errors = asyncio.run(_read(f"{address}/api/v1/channels/", known))
    return _report(took, errors, searches)


def _know() -> Known:
    from chat.models import EmoteTotal
    from streams.api import keys
    from streams.models import Channel, Scope, Stream
    from viewers.models import Standing

    channel = Channel.objects.get(login="volume")
    made = keys.make(None, channel=channel, name="bench", scopes=list(Scope), per_minute=10**9, per_day=10**9)
    seen = Standing.objects.filter(channel=channel, period="all", viewer__hidden_at=None, viewer__is_bot=False)
    seen = seen.exclude(viewer__profiles__visibility="hidden").order_by("-watch_seconds")
    return Known(
        str(channel.twitch_id),
        list(seen.values_list("viewer", flat=True)[:50_000]),
        list(Stream.objects.recent(channel).values_list("pk", flat=True)),
        list(EmoteTotal.objects.filter(channel=channel).order_by("-uses").values_list("emote", flat=True)),
        made.secret,
        _change(channel.pk),
    )


def _change(channel: int) -> dict[str, str]:
    """Have the log say of some rows of each list that they changed, as triggers write it; cursors from before that."""
    from chat.models import Message
    from streams import sync
    from streams.models import Change, Channel
    from streamstats.api import RESOURCES

    since, found = {}, Channel.objects.get(pk=channel)
    for name in SYNCED:
        resource: Any = RESOURCES[name]
        since[name] = sync.begin().written(channel, resource.logged)
        if name == "messages":
            keys = list(
                Message.objects.filter(channel=channel).order_by("-sent_at").values_list("pk", flat=True)[:CHANGED]
            )
        else:
            rows = resource.page(found, resource.filters.unasked(), None, CHANGED).rows
            keys = [resource.key_of(row) for row in rows]
        Change.objects.bulk_create(Change(channel=found, resource=resource.logged, key=key) for key in keys)
    return since


def _searches() -> list[tuple[float, str]]:
    """Milliseconds of searches, each for other words, and what was looked for: the engine alone, as pages call it."""
    from chat import search
    from streams.models import Channel

    random, channel = Random(7), Channel.objects.get(login="volume")
    took = []
    for number in range(SEARCHES):
        words = " ".join(word(random) for _ in range(1 + number % 2))
        words = f'"{words}"' if number % 4 == 3 else words
        began = time.perf_counter()
        found = search.find(channel.pk, search.Query(words))
        search.about(channel.pk, search.Query(words))
        took.append((1000 * (time.perf_counter() - began), f"{words}: {len(found.rows)}{'+' if found.after else ''}"))
    return took


async def _read(base: str, known: Known) -> tuple[dict[str, list[float]], int]:
    """Requests come at their times, whether those before were answered or not, as strangers' do."""
    took: dict[str, list[float]] = defaultdict(list)
    errors = 0
    random, running = Random(11), set()
    headers = {"Authorization": f"Bearer {known.key}"}
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        further = await _further(session, base, known)
        makers = READS | {name: _one_of(pages) for name, pages in further.items()}
        names = list(makers)

        async def ask(name: str, due: float) -> None:
            nonlocal errors
            address = makers[name](known, random)
            try:
                async with session.get(address if "://" in address else base + address) as answer:
                    await answer.read()
                    status = answer.status
            except (TimeoutError, aiohttp.ClientError):
                status = 0
            if due > counts_from:
                took[name].append(1000 * (time.perf_counter() - due))
                errors += status not in {200, 304}

        due = time.perf_counter()
        counts_from, end = due + WARM_UP_S, due + WARM_UP_S + SECONDS
        while due < end:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(ask(random.choice(names), due))
            running.add(task)
            task.add_done_callback(running.discard)
            due += random.expovariate(RATE)
        await asyncio.gather(*running)
    return took, errors


def _one_of(pages: list[str]) -> Maker:
    return lambda _known, random: random.choice(pages)


async def _further(session: aiohttp.ClientSession, base: str, known: Known) -> dict[str, list[str]]:
    """Addresses of further pages of long lists."""
    random, further = Random(13), {}
    for name in PAGED:
        address: str | None = base + READS[name](known, random)
        pages: list[str] = []
        while address and len(pages) <= DEEP_PAGES:
            pages.append(address)
            async with session.get(address) as answer:
                told: dict[str, Any] = await answer.json()
                if answer.status != 200:
                    raise SystemExit(f"{name} answers {answer.status}: {told}")
            address = told["next"]
        further[f"{name}, further"] = pages[1:] or pages
    return further


def _report(took: dict[str, list[float]], errors: int, searches: list[tuple[float, str]]) -> dict[str, float]:
    print(f"  {'read':<24}{'p50':>10}{'p95':>10}{'requests':>10}", file=sys.stderr)
    for name in sorted(took, key=lambda name: -p95(took[name])):
        print(f"  {name:<24}{at(took[name], 0.5):>10.1f}{p95(took[name]):>10.1f}{len(took[name]):>10}", file=sys.stderr)
    print(
        "  slowest searches: " + "; ".join(f"{ms:.0f} ms {what}" for ms, what in sorted(searches)[-5:]), file=sys.stderr
    )
    every = [value for values in took.values() for value in values]
    return {
        SLOWEST: max(p95(values) for values in took.values()),
        ALL: p95(every),
        "requests a second": len(every) / SECONDS,
        ERRORS: errors,
        SEARCH: p95([ms for ms, _ in searches]),
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1] if len(sys.argv) > 1 else "")))
