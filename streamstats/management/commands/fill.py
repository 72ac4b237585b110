"""manage.py fill: a large installation of made-up rows, to measure pages against."""

import time
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from streams.models import Channel
from streamstats.volume import Volume, steps

USUAL = Volume()


class Command(BaseCommand):
    help = (
        "Fill an empty database with made-up channels, streams, people and messages, as many as told: the same call"
        " makes the same rows. It is what `make bench` measures pages against."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name in ("messages", "viewers", "streams"):
            usual = getattr(USUAL, name)
            parser.add_argument(f"--{name}", type=int, default=usual, help=f"how many (default: {usual:,})")
        parser.add_argument("--days", type=int, default=USUAL.days, help="over how many days (default: %(default)s)")

    def handle(self, *, messages: int, viewers: int, streams: int, days: int, **_options: object) -> None:
        if messages < 1000 or viewers < 100 or streams < 10 or not 10 <= days <= 3000:
            raise CommandError("That is too little: 1,000 messages, 100 viewers, 10 streams and 10 days at least.")
        if Channel.objects.exists():
            raise CommandError("This database has channels already. Made-up rows belong in an empty one of their own.")
        began = time.monotonic()
        volume = Volume(messages=messages, viewers=viewers, streams=streams, days=days)
        plan = list(steps(volume))
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
            bar = progress.add_task("", total=len(plan))
            for what, do in plan:
                progress.update(bar, description=f"{what:<32}")
                do()
                progress.advance(bar)
        self.stdout.write(f"{messages:,} messages by {viewers:,} viewers, in {time.monotonic() - began:.0f} s. Done.")
