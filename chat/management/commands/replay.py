"""manage.py replay: put raw IRC lines through the store."""

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from chat.emotesets import apply_unread, read_bodies, rows_of
from chat.ingest.emotes import SetRow
from chat.ingest.store import Store
from chat.models import EmoteSet, Replay
from chat.replay import DAMAGE, ReplayFile, ReplayResult, replay_lines
from streams.models import Channel


class Command(BaseCommand):
    help = (
        "Store raw IRC lines, one a line, as if they had just been received. Safe to run twice; a run that"
        " was broken off goes on where it stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="plain or gzipped file, or - for standard input")
        parser.add_argument(
            "--emotes", type=Path, metavar="JSON", help="emote sets to use, as a file of provider -> path -> body"
        )
        parser.add_argument(
            "--no-fetch",
            action="store_true",
            help="do not ask the emote providers about channels met for the first time",
        )
        parser.add_argument("--again", action="store_true", help="start from the first line, whatever was done before")

    def handle(self, *, file: str, emotes: Path | None, no_fetch: bool, again: bool, **_options: object) -> None:
        try:
            lines = ReplayFile(file)
        except OSError as error:
            raise CommandError(f"Cannot read {file}: {error.strerror}.") from error
        store = Store(self._read_emotes(emotes)) if emotes else Store()
        progress = None if file == "-" else self._progress(lines, again=again)
        try:
            result = self._replay(lines, store, progress, should_fetch=not (no_fetch or emotes))
        except DAMAGE as error:
            raise CommandError(f"{file} is damaged: {error}. What came before is stored.") from error
        finally:
            lines.close()
        self._report(result)

    def _read_emotes(self, file: Path) -> dict[str | None, list[SetRow]]:
        """Read the sets that hold for these lines, whatever holds now."""
        try:
            sets = read_bodies(json.loads(file.read_text(encoding="utf-8")))
            apply_unread(sets)
        except (OSError, ValueError, RecursionError) as error:
            raise CommandError(f"{file}: {error}") from error
        return rows_of(sets)

    def _progress(self, lines: ReplayFile, *, again: bool) -> Replay:
        progress, _ = Replay.objects.get_or_create(digest=lines.digest(), defaults={"name": lines.name[:500]})
        if again:
            progress.lines_done = 0
        if progress.lines_done:
            self.stdout.write(f"Going on after {progress.lines_done:,} lines (--again starts over).")
        return progress

    def _replay(self, lines: ReplayFile, store: Store, progress: Replay | None, *, should_fetch: bool) -> ReplayResult:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[lines]:,} lines"),
            TimeElapsedColumn(),
        )
        console = Console(stderr=True)
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("Replaying", total=lines.size, lines=0)
            return replay_lines(
                lines,
                source=f"replay {progress.digest[:16] if progress else f'at {datetime.now(UTC).isoformat()}'}",
                store=store,
                progress=progress,
                on_progress=lambda done: bar.update(task, completed=lines.position(), lines=done),
                on_new_channels=self._fetch_emotes if should_fetch else lambda channels: None,
            )

    def _fetch_emotes(self, channels: list[int]) -> None:
        """Ask the providers about channels whose sets were never read; without them, only Twitch's emotes count."""
        known = EmoteSet.objects.filter(channel__in=channels).values("channel")
        for channel in Channel.objects.filter(pk__in=channels, login__isnull=False).exclude(pk__in=known):
            try:
                call_command("emotesets", "fetch", channel.login, stdout=self.stdout, stderr=self.stderr)
            except CommandError as error:
                self.stderr.write(f"Emotes of {channel}: {error}")

    def _report(self, result: ReplayResult) -> None:
        if result.dead:
            self.stderr.write(f"{result.dead:,} lines could not be read; the admin lists them under dead letters.")
        if result.expired:
            self.stderr.write(f"{result.expired:,} lines are past retention and were not stored.")
        self.stdout.write(f"{result.lines:,} lines read, {result.messages:,} new messages. Done.")
