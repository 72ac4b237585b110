"""manage.py rebuildrollups: count again from the messages and the view sessions."""

from argparse import ArgumentParser
from collections import Counter
from datetime import date

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import track

from chat import streamnumbers
from chat.rollups import countable, rebuild_day, rebuild_totals
from streams.models import Channel
from viewers.credit import recount


class Command(BaseCommand):
    help = (
        "Count messages, emotes, bits, subscriptions, gifts, points and watch time again from the stored rows, and mend"
        " every counter that differs, of days and of streams. Where messages are past retention, what was counted of"
        " them is left as it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("channels", nargs="*", metavar="CHANNEL", help="logins; all channels by default")
        parser.add_argument("--from", dest="first", type=date.fromisoformat, metavar="YYYY-MM-DD", help="first UTC day")
        parser.add_argument(
            "--to",
            dest="end",
            type=date.fromisoformat,
            metavar="YYYY-MM-DD",
            help="UTC day to end before: it is not counted itself",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what differs, and change nothing")

    def handle(
        self, *, channels: list[str], first: date | None, end: date | None, dry_run: bool, **_options: object
    ) -> None:
        if first and end and first >= end:
            raise CommandError(f"--from {first} is not before --to {end}.")
        changed: Counter[str] = Counter()
        for channel in _channels(channels):
            changed.update(self._rebuild(channel, first, end, dry_run=dry_run))
        wrong = {name: number for name, number in changed.items() if number}
        for name, number in sorted(wrong.items()):
            self.stdout.write(f"{name}: {number:,} {'differ' if dry_run else 'mended'}")
        if not wrong:
            self.stdout.write("Every counter was right.")
        self.stdout.write("Done.")

    def _rebuild(self, channel: Channel, first: date | None, end: date | None, *, dry_run: bool) -> Counter[str]:
        span = countable(channel, first, end)
        if first and first < span.first:
            self.stderr.write(
                f"{channel}: messages before {span.first} are gone, so days before it are left as they are."
            )
        changed: Counter[str] = Counter()
        console = Console(stderr=True)
        days = list(span.days())
        for day in track(days, description=str(channel), console=console, disable=not console.is_terminal):
            changed.update(rebuild_day(channel, day, dry_run=dry_run))
        changed.update(rebuild_totals(channel, dry_run=dry_run))
        changed.update(recount(channel, first or date.min, end or date.max, dry_run=dry_run))
        changed.update(streamnumbers.recount(channel, first, end, dry_run=dry_run))
        return changed


def _channels(logins: list[str]) -> list[Channel]:
    if not logins:
        return list(Channel.objects.order_by("pk"))
    found = {channel.login: channel for channel in Channel.objects.filter(login__in=[name.lower() for name in logins])}
    for login in logins:
        if login.lower() not in found:
            raise CommandError(f"No channel named {login!r} is known.")
    return list(found.values())
