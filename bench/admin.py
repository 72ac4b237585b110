"""How fast the administration is in a large installation: its first page, every list, files of viewers, search."""

import asyncio
import json
import sys
from collections import defaultdict
from pathlib import Path
from random import Random
from urllib.parse import urlencode

import aiohttp

from bench.api import word
from bench.place import installation
from bench.web import few, load, p95, session_of, web

EACH = 12
"""Loads of each list."""
FILES = 60
"""Files of different viewers, and searches for different words."""

LISTS = "slowest list of the administration, p95 (ms)"
FILE = "a viewer's file, p95 (ms)"
MOST_MS = 500
FIRST = "the first page of the administration, p95 (ms)"
SEARCH = "the search page of messages, p95 (ms)"
ERRORS = "answers other than 200"
OTHERS = {"auth", "social_django"}
"""Tables of the libraries, which only superusers see."""


def measure(keep: str = "") -> dict[str, float]:
    """Fill an installation, open its administration as the owner of its largest channel; the worst of each kind."""
    home = Path(keep) if keep else None
    with installation(home) as servers:
        from datetime import UTC, datetime

        from django.contrib import admin
        from django.core.management import call_command
        from django.db import connection
        from django.urls import get_resolver, reverse

        from chat import wordindex
        from streams.models import Channel
        from viewers.models import Standing

        if not Channel.objects.exists():
            call_command("fill")
        wordindex.make(datetime.now(UTC))
        get_resolver().url_patterns  # noqa: B018 (registers what is registered by being imported)
        channel = Channel.objects.get(login="volume")
        seen = Standing.objects.filter(channel=channel, period="all").order_by("-watch_seconds")
        viewers = list(seen.values_list("viewer", flat=True)[:50_000])
        metas = [model._meta for model in admin.site._registry if model._meta.app_label not in OTHERS]  # noqa: SLF001
        lists = {
            meta.model_name or "": reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist") for meta in metas
        }
        random = Random(17)
        query = urlencode({"channel": channel.pk})
        file = reverse("admin:viewers_viewer_change", args=["0"]).replace("/0/", "/{}/")
        pages = {
            "first page": [reverse("admin:index")] * EACH,
            "a viewer's file": [f"{file.format(few(viewers, random))}?{query}" for _ in range(FILES)],
            "search": [
                f"{reverse('admin:chat_message_search')}?{query}&{urlencode({'q': word(random)})}" for _ in range(FILES)
            ],
            **{name: [f"{address}?{query}"] * EACH for name, address in lists.items()},
        }
        session = session_of(str(channel.twitch_id))
        connection.close()
        environment = {"DATABASE_URL": servers.layout.database_url, "REDIS_URL": servers.layout.redis_url}
        with web(8954, environment, processes=1) as address:
            took, errors = asyncio.run(_open(address, session, pages))
    return _report(took, errors)


async def _open(
    address: str, session: str, pages: dict[str, list[str]]
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """One moderator, one page after the other. Lists they may not see are left out of the figures."""
    took: dict[str, list[float]] = defaultdict(list)
    errors: dict[str, int] = {}
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        for _ in range(3):
            await load(client, address + pages["first page"][0], session)
        for name, addresses in pages.items():
            for each in addresses:
                seconds, status = await load(client, address + each, session)
                if status == 403 and name not in {"first page", "a viewer's file", "search"}:
                    break
                took[name].append(1000 * seconds)
                if status != 200:
                    errors[f"{name} {status}"] = errors.get(f"{name} {status}", 0) + 1
    return took, errors


def _report(took: dict[str, list[float]], errors: dict[str, int]) -> dict[str, float]:
    print(f"  {'page':<28}{'p95':>10}{'longest':>10}", file=sys.stderr)
    for name in sorted(took, key=lambda name: -p95(took[name])):
        print(f"  {name:<28}{p95(took[name]):>10.1f}{max(took[name]):>10.1f}", file=sys.stderr)
    for what, number in errors.items():
        print(f"  {what}: {number} times", file=sys.stderr)
    named = {"first page": FIRST, "a viewer's file": FILE, "search": SEARCH}
    return {
        LISTS: max(p95(times) for name, times in took.items() if name not in named),
        **{what: p95(took[name]) for name, what in named.items()},
        ERRORS: sum(errors.values()),
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1] if len(sys.argv) > 1 else "")))
