"""manage.py purge: a channel keeps nothing more of viewers who meet a rule, as its owner can have it."""

from argparse import ArgumentParser
from datetime import UTC, date, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress

from chat import purge
from streams.locks import GoesOn
from streams.models import Channel
from viewers.models import Purge

WAITING = 2


class Command(BaseCommand):
    help = (
        "Delete what a channel keeps of viewers who meet a rule: all of it that is given has to hold. Messages become"
        " nobody's, everything else of theirs in the channel is deleted; accounts, other channels and what is counted"
        " of everybody together stay. It cannot be undone. Who is there just now is left out. Killed anywhere, the jobs"
        " go on by themselves. Exit code 2 means that a job is at it already."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("channel", metavar="CHANNEL", help="its login")
        parser.add_argument("--not-seen-since", type=_day, metavar="YYYY-MM-DD", help="last seen before this day (UTC)")
        parser.add_argument("--fewer-hours", type=_number, metavar="HOURS", help="watched for fewer hours than this")
        parser.add_argument("--fewer-messages", type=_number, metavar="NUMBER", help="wrote fewer messages than this")
        parser.add_argument("--dry-run", action="store_true", help="say whom it would meet, and change nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask first")

    def handle(self, *, channel: str, dry_run: bool, yes: bool, **options: Any) -> None:
        found = Channel.objects.filter(login=channel.strip().removeprefix("#").lower()).first()
        if found is None:
            raise CommandError(f"No channel {channel!r} is followed here. Nothing was changed.")
        rule = {name: options[name] for name in ("not_seen_since", "fewer_hours", "fewer_messages")}
        try:
            asked = purge.ask(found, None, **rule)
        except purge.Refused as error:
            raise CommandError(str(error)) from error
        met = purge.count(asked)
        self._tell(met)
        if dry_run or not met:
            asked.delete()
            self.stdout.write("Nothing was changed.")
            return
        typed = purge.name_to_type(found) if yes else input(_question(found))
        try:
            purge.confirm(asked, None, typed, datetime.now(UTC))
        except purge.Refused as error:
            raise CommandError(str(error)) from error
        self._carry_out(asked)

    def _carry_out(self, asked: Purge) -> None:
        console = Console(stderr=True)
        with Progress(console=console, disable=not console.is_terminal) as progress:
            bar = progress.add_task("purging", total=None)
            try:
                done = purge.carry_out(asked.pk, lambda done, about: progress.update(bar, completed=done, total=about))
            except GoesOn:
                raise CommandError("A job carries this purge out just now.", returncode=WAITING) from None
        asked.refresh_from_db()
        self._tell(asked.removed)
        self.stdout.write(f"Done: {done}.")

    def _tell(self, rows: dict[str, int]) -> None:
        for words, number in purge.in_words(rows):
            self.stdout.write(f"{number:>12,}  {words}")


def _day(text: str) -> date:
    return date.fromisoformat(text)


def _number(text: str) -> int:
    number = int(text)
    if not 0 <= number <= purge.LARGEST:
        raise ValueError(text)
    return number


def _question(channel: Channel) -> str:
    return f"This cannot be undone. To delete these from {channel}, type {purge.name_to_type(channel)}: "
