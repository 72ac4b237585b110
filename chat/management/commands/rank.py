"""manage.py rank: fold places now."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress

from chat import standings
from streams.models import Channel


class Command(BaseCommand):
    help = (
        "Bring leaderboards, streaks and totals of emotes up to date. A job does that every few minutes;"
        " here nothing is left for the next time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("channel", nargs="?", metavar="CHANNEL", help="login; all channels by default")
        parser.add_argument("--all", action="store_true", help="everything again, not only what has changed")

    def handle(self, *, channel: str | None, all: bool, **_options: object) -> None:  # noqa: A002 (as it is typed)
        for each in _channels(channel):
            if all:
                standings.again(each)
            self.stdout.write(f"{each}: {self._rank(each)}")
        self.stdout.write("Done.")

    def _rank(self, channel: Channel) -> str:
        console = Console(stderr=True)
        with Progress(console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task(str(channel), total=None)
            return standings.rank(
                channel,
                enough_s=float("inf"),
                show=lambda done, days: bar.update(task, completed=done, total=days),
            )


def _channels(login: str | None) -> list[Channel]:
    if login is None:
        return list(Channel.objects.order_by("pk"))
    found = list(Channel.objects.filter(login=login.lower()))
    if not found:
        raise CommandError(f"No channel named {login!r} is known.")
    return found
