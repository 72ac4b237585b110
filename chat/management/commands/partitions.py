"""manage.py partitions: make the coming months, drop what is past retention."""

from argparse import ArgumentParser
from datetime import UTC, datetime

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
        missing = sorted(set(partitions.coming(now)) - set(partitions.existing()))
        made = missing if dry_run else partitions.make(partitions.coming(now))
        for month in made:
            self.stdout.write(f"{month:%Y-%m}: {'would be made' if dry_run else 'made'}")
        self._report(expire(now, dry_run=dry_run), dry_run=dry_run)
        self.stdout.write("Done.")

    def _report(self, expired: Expired, *, dry_run: bool) -> None:
        would = "would be " if dry_run else ""
        for month in expired.months:
            self.stdout.write(f"{month:%Y-%m}: {would}dropped")
        for what, number in (
            ("messages", expired.messages),
            ("event texts", expired.texts),
            ("dead letters", expired.dead),
        ):
            if number:
                self.stdout.write(f"{number:,} {what} past retention {would}removed")
