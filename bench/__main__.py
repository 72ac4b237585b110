"""Measures how fast StreamStats is on this machine: `make bench`, or `python -m bench NAME...` for some of it."""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable

from bench import admin, api, ingest, pages, parser, presence, rawcopy, replay, summaries, versus, watchtime
from bench.place import ROOT

Figures = dict[str, float]
BENCHMARKS: dict[str, tuple[str, Callable[[int], Figures]]] = {
    "parser": ("Parser, one core", lambda _: parser.measure()),
    "rawcopy": ("Limit: staged COPY with dedupe and nothing else", lambda _: rawcopy.measure()),
    "ingest": ("Ingest, socket to commit with all counters", ingest.throughput),
    "latency": ("Ingest at a steady pace: sending to commit", ingest.latency),
    "outage": ("Postgres killed for 30 s at 1,000 messages/s", lambda _: ingest.outage()),
    "replay": ("manage.py replay", lambda _: replay.measure()),
    "presence": ("Presence: a poll of 100,000 chatters", lambda _: presence.measure()),
    "watchtime": ("Watch time of a simulated month, held against the truth", lambda _: watchtime.measure()),
    "pages": ("Pages, with 10,000,000 messages, 200,000 viewers and 2,000 streams", lambda _: pages.measure()),
    "api": ("The API and searches, with the same installation", lambda _: api.measure()),
    "admin": ("The administration, with the same installation", lambda _: admin.measure()),
    "summaries": ("Summaries: who is due among 1,000,000 viewers", lambda _: summaries.measure()),
    "versus": ("The same stream, read by us and by twitchAPI's Chat", lambda _: versus.measure()),
}


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default")
    options.add_argument("--seconds", type=int, default=60, help="how long the ingest is measured (default 60)")
    options.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    unknown = set(chosen.names) - set(BENCHMARKS)
    if unknown:
        options.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    if chosen.json:
        print(json.dumps(BENCHMARKS[chosen.names[0]][1](chosen.seconds)))
        return
    results = {name: run(name, chosen.seconds) for name in chosen.names or BENCHMARKS}
    compare(results)
    if broken := broken_promises(results):
        raise SystemExit("\n".join(["", *broken]))


def run(name: str, seconds: int) -> Figures:
    """Measure in a new process, with a home and settings of its own."""
    print(f"\n{BENCHMARKS[name][0]}", flush=True)
    began = time.monotonic()
    command = [sys.executable, "-m", "bench", name, "--seconds", str(seconds), "--json"]
    answer = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if answer.returncode:
        raise SystemExit(f"The benchmark {name} failed.")
    figures: Figures = json.loads(answer.stdout.splitlines()[-1])
    for what, value in figures.items():
        print(f"  {what:<36} {value:>12,.1f}")
    print(f"  (took {time.monotonic() - began:.0f} s)", flush=True)
    return figures


def compare(results: dict[str, Figures]) -> None:
    if {"rawcopy", "ingest"} <= results.keys():
        rate, raw = results["ingest"]["messages a second"], results["rawcopy"]
        print("\nThe ingest, with all counters, beside COPY with dedupe alone in this run:")
        for what, limit in raw.items():
            print(f"  {rate / limit:>4.0%} of the {what}")


MUST_BE_NONE = (
    *(ingest.LOST, ingest.WRONG, pages.ERRORS, api.ERRORS, admin.ERRORS),
    *(watchtime.LEFT_OPEN, watchtime.OFF_AIR, watchtime.BEYOND, watchtime.TOO_FAR, watchtime.WRONG),
)
AT_MOST = {
    watchtime.TOTAL: watchtime.MOST_TOTAL_ERROR,
    watchtime.EACH: watchtime.MOST_TOTAL_ERROR,
    presence.STATEMENTS: presence.MOST_STATEMENTS,
    pages.MOST_QUERIES: 12,
    summaries.LOOKING: summaries.MOST_LOOKING_MS,
}


def broken_promises(results: dict[str, Figures]) -> list[str]:
    """Say what holds on every machine, however slow, and did not."""
    return [
        f"{name}: {figures[what]:,.1f} {what}, which must be at most {most:,.0f}"
        for name, figures in results.items()
        for what, most in (dict.fromkeys(MUST_BE_NONE, 0) | AT_MOST).items()
        if figures.get(what, 0) > most
    ]


if __name__ == "__main__":
    main()
