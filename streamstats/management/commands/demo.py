"""manage.py demo: a month of history to look at."""

import os
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from redis import Redis
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from chat.emotesets import apply_set, read_bodies
from chat.ingest.coverage import Span, vouch
from chat.ingest.rooms import channel_of_room
from chat.models import EmoteSet
from chat.replay import ReplayResult, replay_lines
from streams.models import Channel, Stream
from streamstats.simulator.addresses import addresses
from streamstats.simulator.emotesets import EmoteSets
from streamstats.simulator.moments import milliseconds, moment
from streamstats.simulator.world import DEFAULT_SEED, DEMO, World, catalogue_of

DAYS = 30
MOST_DAYS = 366
MOMENT = timedelta(milliseconds=1)


class Command(BaseCommand):
    help = (
        "Fill the past month of the simulated channel, up to now, through the same store that live chat goes through."
        " Running it again adds nothing; a run that was broken off is completed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="as given to `simulate`")
        parser.add_argument("--days", type=int, default=DAYS, help=f"how far back (default: {DAYS})")
        parser.add_argument("--port", type=int, help="where `simulate` will serve emotes (default: the one after PORT)")

    def handle(self, *, seed: int, days: int, port: int | None, **_options: object) -> None:
        if not 1 <= days <= MOST_DAYS:
            raise CommandError(f"--days must be from 1 to {MOST_DAYS}.")
        end = datetime.now(UTC)
        channel = Channel.objects.filter(twitch_id=DEMO.twitch_id, streams__isnull=False).first()
        if channel:
            renew_streams(channel, seed, end)
            self.stdout.write(f"{DEMO.display_name} has its history already, nothing to do. Done.")
            return
        point_at_simulator(int(settings.PORT) + 1 if port is None else port)
        start, world = end - timedelta(days=days), World.watched_at(end, seed)
        channel = follow_demo_channel()
        with transaction.atomic():
            fill_emote_sets(world, channel, start, end)
        messages = self._fill_chat(world, start, end).messages
        now = datetime.now(UTC)  # filling took its time, and the chat went on
        messages += replay_lines(world.history(end, now), source="demo").messages
        with Redis.from_url(settings.REDIS_URL) as client:
            vouch(client, DEMO.login, "demo", Span(milliseconds(start), milliseconds(now)))
        streams = fill_streams(world, channel, start, now)
        self.stdout.write(f"{messages:,} messages in {streams} streams of {DEMO.display_name}. Done.")

    def _fill_chat(self, world: World, start: datetime, end: datetime) -> ReplayResult:
        columns = (
            TextColumn("Filling the demo's history"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[lines]:,} lines"),
            TimeElapsedColumn(),
        )
        console, start_ms, end_ms = Console(stderr=True), milliseconds(start), milliseconds(end)
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("", total=end_ms - start_ms, lines=0)
            reached_ms = start_ms

            def lines() -> Iterator[bytes]:
                nonlocal reached_ms
                for line in world.lines(DEMO, start_ms, end_ms):
                    reached_ms = line.at_ms
                    yield line.raw()

            def show(done: int) -> None:
                bar.update(task, completed=reached_ms - start_ms, lines=done)

            result = replay_lines(lines(), source="demo", on_progress=show)
            bar.update(task, completed=end_ms - start_ms)
        return result


def point_at_simulator(port: int) -> None:
    """Let this process see the simulator where the environment names no other place, so that pictures are found."""
    for name, address in addresses(port).items():
        if name not in os.environ:
            setattr(settings, name, address)


def follow_demo_channel() -> Channel:
    with transaction.atomic():
        channel = channel_of_room(DEMO.twitch_id, DEMO.login)
    channel.display_name, channel.is_followed = DEMO.display_name, True
    channel.save(update_fields=["display_name", "is_followed"])
    return channel


def fill_emote_sets(world: World, channel: Channel, start: datetime, end: datetime) -> None:
    """Write what the sets were at the start, and then every change at its time."""
    if EmoteSet.objects.filter(channel=channel).exists():
        return
    owners = {None: None, DEMO.twitch_id: channel}
    apply_sets(world.emotes[DEMO].sets_at(milliseconds(start)), owners, start)
    for at_ms in sorted({change.at_ms for change in world.emote_changes(DEMO, start, end)}):
        changed = {change.key for change in world.emotes[DEMO].changes(at_ms, at_ms + 1)}
        sets = world.emotes[DEMO].sets_at(at_ms)
        apply_sets({key: sets[key] for key in changed}, owners, moment(at_ms))


def apply_sets(sets: EmoteSets, owners: dict[str | None, Channel | None], at: datetime) -> None:
    base_url = settings.SEVENTV_URL.removesuffix("/7tv")
    for found in read_bodies(catalogue_of(sets, base_url).bodies):
        apply_set(owners[found.twitch_id], found.provider, found.parsed.entries, at)


def renew_streams(channel: Channel, seed: int, now: datetime) -> None:
    """End what went off air while nobody looked, and begin what is on air now."""
    for stream in channel.streams.filter(ended_at=None):
        shows = World(seed, stream.started_at).broadcasts(DEMO, stream.started_at, stream.started_at + MOMENT)
        ended_at = moment(shows[0].ended_ms) if shows else now
        if ended_at <= now:
            Stream.objects.filter(pk=stream.pk).update(ended_at=ended_at)
    fill_streams(World.watched_at(now, seed), channel, now, now + MOMENT)


def fill_streams(world: World, channel: Channel, start: datetime, end: datetime) -> int:
    streams = [
        Stream(
            id=show.id,
            channel=channel,
            started_at=moment(show.started_ms),
            ended_at=moment(show.ended_ms) if show.ended_ms <= milliseconds(end) else None,
            title=show.title,
        )
        for show in world.broadcasts(DEMO, start, end)
    ]
    Stream.objects.bulk_create(streams, ignore_conflicts=True)
    return len(streams)
