"""manage.py emotesets: read the emote sets of channels now, or show what is known of them."""

import asyncio
import json
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import redis
from django.core.management.base import BaseCommand, CommandError

from chat.emotesets import SetChange, apply_file, apply_set, read_bodies, sources_from_settings
from chat.models import EmoteSet, EmoteSetEntry
from chat.models.emote import Provider
from chat.providers import PROVIDERS, ParsedSet
from chat.providers.etiquette import Absent, Failed, Fetched
from chat.providers.http import Asker, open_session
from streams.models import Channel

NOBODY_WAS_TOLD = "The sets are written, but Redis could not be told, so ingest does not know"

Wanted = tuple[str, Channel | None]


class Command(BaseCommand):
    help = "Read the emote sets of channels from 7TV, BetterTTV and FrankerFaceZ now, or show what is known of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", nargs="?", choices=["fetch", "show"], default="fetch")
        parser.add_argument("channels", nargs="*", metavar="CHANNEL", help="all followed channels by default")
        parser.add_argument(
            "--from", dest="file", type=Path, help="read from a JSON file (provider -> path -> body), not the network"
        )

    def handle(self, *, action: str, channels: list[str], file: Path | None, **_options: object) -> None:
        if file is not None and (action == "show" or channels):
            raise CommandError("--from says itself which channels it is about.")
        try:
            if file is not None:
                self._load(file)
            elif action == "show":
                self._show(_named(channels))
            else:
                self._fetch(_named(channels))
        except redis.RedisError as error:
            raise CommandError(f"{NOBODY_WAS_TOLD}: {error}") from error
        self.stdout.write("Done.")

    def _load(self, file: Path) -> None:
        try:
            done = apply_file(read_bodies(json.loads(file.read_text(encoding="utf-8"))))
        except (OSError, ValueError, RecursionError) as error:
            raise CommandError(f"{file}: {error}") from error
        for found, channel, change in done:
            self._report(found.provider, channel, found.parsed, change)

    def _fetch(self, channels: Sequence[Channel]) -> None:
        """Read each set once; what cannot be read stays as it was."""
        wanted: list[Wanted] = [(provider, channel) for channel in (None, *channels) for provider in PROVIDERS]
        failed = 0
        untold: redis.RedisError | None = None
        for (provider, channel), parsed in zip(wanted, asyncio.run(_ask(wanted)), strict=True):
            if isinstance(parsed, Failed):
                failed += 1
                self.stderr.write(f"{provider:<5} {_name(channel)}: {parsed.reason}")
                continue
            try:
                change = apply_set(channel, provider, parsed.entries)
            except redis.RedisError as error:  # after the commit: the other sets can be written all the same
                untold = error
            else:
                self._report(provider, channel, parsed, change)
        if failed:
            raise CommandError(f"{failed} of {len(wanted)} sets could not be read and stay as they were.")
        if untold:
            raise untold

    def _report(self, provider: str, channel: Channel | None, parsed: ParsedSet, change: SetChange) -> None:
        line = (
            f"{provider:<5} {_name(channel)}: {len(parsed.entries)} emotes, {change.added} new, {change.removed} gone"
        )
        self.stdout.write(line + (f", {parsed.malformed} not understood" if parsed.malformed else ""))

    def _show(self, channels: Sequence[Channel]) -> None:
        for channel in (None, *channels):
            for provider in (*PROVIDERS, *_of_twitch(channel)):
                present = EmoteSetEntry.objects.filter(channel=channel, provider=provider, until=None)
                names = list(present.order_by("name").values_list("name", flat=True))
                self.stdout.write(f"{provider:<5} {_name(channel)} ({len(names)}): {' '.join(names)}")


def _of_twitch(channel: Channel | None) -> list[str]:
    """Twitch's own set, where somebody could be asked for it."""
    return [Provider.TWITCH] if EmoteSet.objects.filter(channel=channel, provider=Provider.TWITCH).exists() else []


def _name(channel: Channel | None) -> str:
    return "everywhere" if channel is None else channel.login or str(channel)


def _named(logins: Sequence[str]) -> list[Channel]:
    """Return the channels with these logins, by default all that are followed and whose id is known."""
    if not logins:
        return list(Channel.objects.followed().exclude(twitch_id=None).order_by("login"))
    found = {channel.login: channel for channel in Channel.objects.filter(login__in=[name.lower() for name in logins])}
    for name in logins:
        channel = found.get(name.lower())
        if channel is None:
            raise CommandError(f"No channel named {name!r} is known.")
        if channel.twitch_id is None:
            raise CommandError(f"The Twitch id of {name!r} is not known yet: the first line of its chat tells it.")
    return list(found.values())


async def _ask(wanted: Sequence[Wanted]) -> list[ParsedSet | Failed]:
    sources = sources_from_settings()
    answers: list[ParsedSet | Failed] = []
    async with open_session() as session:
        asker = Asker(session, now=lambda: datetime.now(UTC))
        for provider, channel in wanted:
            twitch_id = channel.twitch_id if channel else None
            answer = await asker.ask(sources.url(provider, twitch_id))
            if isinstance(answer, Fetched):
                parsed = sources.parse(provider, twitch_id, answer.body)
                answers.append(parsed or Failed("a format we do not know"))
            elif isinstance(answer, Absent) and channel is not None:
                answers.append(ParsedSet([]))
            else:
                answers.append(answer if isinstance(answer, Failed) else Failed("not found"))
    return answers
