"""manage.py indexwords: make the indexes of words that searches of messages are quick by."""

from argparse import ArgumentParser
from datetime import UTC, datetime

from django.core.management.base import BaseCommand

from chat import wordindex


class Command(BaseCommand):
    help = (
        "Make the indexes of the words of messages: of every month that is over, and of this one up to last midnight."
        " The timetable does it each night; by hand it is for a site that had messages before. Chat goes on meanwhile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say which would be made, and do nothing")

    def handle(self, *, dry_run: bool, **_options: object) -> None:
        now = datetime.now(UTC)
        if dry_run:
            for index in wordindex.missing(now):
                self.stdout.write(f"{index.month:%Y-%m}: would be made, up to {index.until:%-d %b %Y}")
        else:
            wordindex.make(now, lambda index: self.stdout.write(f"{index.month:%Y-%m}, up to {index.until:%-d %b} ..."))
        self.stdout.write("Done.")
