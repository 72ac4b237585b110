"""manage.py partitions: make the coming months, drop what is past retention."""

from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import UTC, date, datetime

from django.core.management.base import BaseCommand

from chat import partitions
from chat.retention import Expired, expire


class Command(BaseCommand):
    help = (
        "Make the partitions of this month and the coming ones, and remove the text of messages that"
        " their channel's retention no longer allows. Totals stay."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *, dry_run: bool, **_options: object) -> None:
        now = datetime.now(UTC)
        if dry_run:
            self._tell(sorted(set(partitions.coming(now)) - set(partitions.existing())), "would be made")
        else:
            made = partitions.make(partitions.coming(now))
            self._tell(made.done, "made")
            self._tell(made.busy, "somebody reads the messages; made the next time")
        self._report(expire(now, dry_run=dry_run), dry_run=dry_run)
        self.stdout.write("Done.")

    def _report(self, expired: Expired, *, dry_run: bool) -> None:
        would = "would be " if dry_run else ""
        self._tell(expired.months, f"{would}dropped")
        self._tell(expired.busy, "somebody reads the messages; dropped the next time")
        for what, number in (
            ("messages", expired.messages),
            ("event texts", expired.texts),
            ("dead letters", expired.dead),
        ):
            if number:
                self.stdout.write(f"{number:,} {what} past retention {would}removed")

    def _tell(self, months: Iterable[date], what: str) -> None:
        for month in months:
            self.stdout.write(f"{month:%Y-%m}: {what}")
