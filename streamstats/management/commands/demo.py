"""manage.py demo: a month of history to look at."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from chat.models import EmoteSet, Replay
from streams.models import Channel
from streamstats.demo.history import History
from streamstats.demo.moderators import let_in
from streamstats.demo.permission import connect
from streamstats.demo.summaries import switch_on
from streamstats.simulator.addresses import addresses
from streamstats.simulator.emotesets import EmoteSets
from streamstats.simulator.moments import milliseconds, moment
from streamstats.simulator.world import DEFAULT_SEED, DEMO, World, catalogue_of

DAYS = 30
MOST_DAYS = 366
FILLED = "demo"
"""Written down last, where files stand by their digest: without it a run was broken off."""


class Command(BaseCommand):
    help = (
        "Fill the past month of the simulated channel, up to now, through the same store that live chat goes through,"
        " connect the channel to the simulator, and switch summaries on there."
        " Running it again adds nothing; a run that was broken off is completed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="as given to `simulate`")
        parser.add_argument("--days", type=int, default=DAYS, help=f"how far back (default: {DAYS})")
        parser.add_argument("--port", type=int, help="where `simulate` will serve emotes (default: the one after PORT)")

    def handle(self, *, seed: int, days: int, port: int | None, **_options: object) -> None:
        if not 1 <= days <= MOST_DAYS:
            raise CommandError(f"--days must be from 1 to {MOST_DAYS}.")
        point_at_simulator(int(settings.PORT) + 1 if port is None else port)
        world = World.watched_at(datetime.now(UTC), seed)
        channel = Channel.objects.filter(twitch_id=DEMO.twitch_id).first()
        if channel and Replay.objects.filter(digest=FILLED).exists():
            connect(channel)
            let_in(world, channel)
            switch_on(world, channel)
            # What went on and off air since is found by those who ask all the time.
            self.stdout.write(f"{DEMO.display_name} has its history already, nothing to do. Done.")
            return
        channel = follow_demo_channel()
        connect(channel)
        let_in(world, channel)
        filled = self._fill(world, channel, timedelta(days=days))
        switch_on(world, channel)
        Replay.objects.update_or_create(
            digest=FILLED, defaults={"name": f"the history of {DEMO.display_name}", "lines_done": filled.lines}
        )
        self.stdout.write(
            f"{filled.messages:,} messages in {len(filled.streams)} streams of {DEMO.display_name}. Done."
        )

    def _fill(self, world: World, channel: Channel, span: timedelta) -> History:
        history = History(world, channel, settings.SEVENTV_URL.removesuffix("/7tv"))
        now = datetime.now(UTC)
        start = history.begins(now - span, now)
        with transaction.atomic():
            fill_emote_sets(world, channel, start, now)
        with self._progress(start, now, history) as show:
            history.fill(start, now, show)
            history.count()
            end = datetime.now(UTC)  # filling took its time, and the chat went on
            history.fill(now, end)
            history.count()
        with Redis.from_url(settings.REDIS_URL) as client:
            vouch(client, DEMO.login, "demo", Span(milliseconds(start), milliseconds(end)))
        return history

    @contextmanager
    def _progress(self, start: datetime, end: datetime, history: History) -> Iterator[Callable[[int], None]]:
        columns = (
            TextColumn("Filling the demo's history"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[lines]:,} lines"),
            TimeElapsedColumn(),
        )
        console, start_ms, total = Console(stderr=True), milliseconds(start), milliseconds(end) - milliseconds(start)
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("", total=total, lines=0)
            yield lambda at_ms: bar.update(task, completed=at_ms - start_ms, lines=history.lines)
            bar.update(task, completed=total)


def point_at_simulator(port: int) -> None:
    """Let this process see the simulator and nothing else, whatever is configured: there pictures are."""
    for name, address in addresses(port).items():
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
