"""The past of the demo's channel, through the doors that what is live comes through: chat and events through the store,
polls through streams and presence. All of it may be done again, and then adds nothing.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import groupby, islice, pairwise
from operator import itemgetter

from django.db import connection, transaction

from chat import standings, streamnumbers
from chat.ingest.batch import read_lines
from chat.ingest.store import Store
from chat.presence import SPEECH
from chat.replay import LINES_AT_ONCE
from streams import broadcasts
from streams.broadcasts import Live
from streams.models import Channel, Stream, StreamSample
from streamstats.simulator.moments import MINUTE, milliseconds, moment
from streamstats.simulator.person import BOTS
from streamstats.simulator.schedule import Broadcast
from streamstats.simulator.world import DEMO, World
from streamstats.simulator.worldevents import frame
from streamstats.simulator.worldfacts import WorldFacts
from viewers import bots, presence
from viewers.models import Viewer

SOURCE = "demo"

Told = tuple[int, str, bytes]
"""(when, through which reader, what)."""


class History:
    """Fills in what happened in the demo's channel, one broadcast after the other."""

    def __init__(self, world: World, channel: Channel, base_url: str) -> None:
        self.world, self.channel = world, channel
        self.lines = self.messages = 0
        self.streams: set[str] = set()
        self._uncounted: set[str] = set()
        self._clock = datetime.now(UTC)
        # Whoever asked then was told what the simulator would have told.
        self._facts = WorldFacts(world, lambda: self._clock, base_url)
        self._store = Store()
        self._store.load_all_sets()

    def begins(self, start: datetime, end: datetime) -> datetime:
        """When to begin so that no broadcast is cut."""
        first = self.world.broadcasts(DEMO, start, end)[:1]
        return min([start, *(moment(show.started_ms) for show in first)])

    def fill(self, start: datetime, end: datetime, show: Callable[[int], None] = lambda at_ms: None) -> None:
        """Fill in [start, end); `show` hears how far it got."""
        start_ms, end_ms = milliseconds(start), milliseconds(end)
        begun = [show.started_ms for show in self.world.broadcasts(DEMO, start, end) if show.started_ms > start_ms]
        for from_ms, to_ms in pairwise([start_ms, *begun, end_ms]):
            self._tell(from_ms, to_ms, show)
            self._know_bots(from_ms)
            for broadcast in self.world.broadcasts(DEMO, moment(from_ms), moment(to_ms)):
                with transaction.atomic():
                    self._watch(broadcast, from_ms, to_ms)

    def count(self) -> None:
        """Count the streams of which something was filled in since the last time."""
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # nobody else did so soon, and Postgres would take the tables for small
        for stream in Stream.objects.filter(pk__in=self._uncounted).order_by("started_at"):
            streamnumbers.count(stream)
        self._uncounted.clear()
        standings.rank(self.channel)

    # What was told

    def _tell(self, from_ms: int, to_ms: int, show: Callable[[int], None]) -> None:
        """Have chat and events stored."""
        told = self._told(from_ms, to_ms)
        while batch := list(islice(told, LINES_AT_ONCE)):
            read = [
                line
                for number, (at_ms, kind, raw) in enumerate(batch, start=self.lines)
                for line in read_lines(SOURCE, kind, at_ms, [raw], number)
            ]
            self.messages += self._store.write(read).messages
            self.lines += len(batch)
            show(batch[-1][0])

    def _told(self, from_ms: int, to_ms: int) -> Iterator[Told]:
        said = ((line.at_ms, "irc", line.raw()) for line in self.world.lines(DEMO, from_ms, to_ms))
        happened = ((event.at_ms, "eventsub", frame(event)) for event in self.world.events(DEMO, from_ms, to_ms))
        return merge(said, happened, key=itemgetter(0))

    # What was asked

    def _know_bots(self, at_ms: int) -> None:
        """Have bots marked before anybody takes them for people who watch."""
        names = [bot.name(at_ms) for bot in BOTS]
        unseen = [
            Viewer(twitch_id=bot.twitch_id, login=name.login, display_name=name.display_name, named_at=moment(at_ms))
            for bot, name in zip(BOTS, names, strict=True)
        ]
        Viewer.objects.bulk_create(unseen, ignore_conflicts=True)
        bots.mark_known([name.login for name in names])

    def _watch(self, broadcast: Broadcast, from_ms: int, to_ms: int) -> None:
        """Ask what is asked about a channel while it is on air."""
        first_ms, end_ms = broadcast.started_ms + MINUTE, min(broadcast.ended_ms, to_ms)
        self._look([moment(at_ms) for at_ms in range(first_ms, end_ms, MINUTE) if at_ms >= from_ms])
        stream = self._stream(broadcast.id)
        step_ms = presence.interval() // timedelta(milliseconds=1)
        self._poll(stream, [moment(at_ms) for at_ms in range(first_ms, end_ms, step_ms)])
        presence.settle_streams([stream])
        self.streams.add(stream.pk)
        self._uncounted.add(stream.pk)

    def _look(self, moments: list[datetime]) -> None:
        """Ask who is live, each minute. Answers that are the same as before are told once more when they end."""
        for _, run in groupby(((at, self._live(at)) for at in moments), key=lambda seen: _label(seen[1])):
            answers = list(run)
            for at, live in (answers[0], answers[-1]):
                broadcasts.observe([live] if live else [], [self.channel], at)
            self._sample([(at, live) for at, live in answers[1:-1] if live])

    def _sample(self, answers: list[tuple[datetime, Live]]) -> None:
        """Write down how many watched one broadcast."""
        if not answers:
            return
        stream = self._stream(answers[0][1].id)
        StreamSample.objects.bulk_create(
            [StreamSample(channel=self.channel, stream=stream, at=at, viewers=live.viewers) for at, live in answers],
            ignore_conflicts=True,
        )

    def _poll(self, stream: Stream, moments: list[datetime]) -> None:
        """Ask who is in chat, where that was not done already."""
        for at in moments:
            if stream.presence_at is None or at > stream.presence_at:
                self._clock = at
                presence.reconcile(stream, at, self._facts.chatters(DEMO.twitch_id), speech=SPEECH)

    def _stream(self, twitch_id: str) -> Stream:
        return Stream.objects.get(channel=self.channel, twitch_ids__contains=[twitch_id])

    def _live(self, at: datetime) -> Live | None:
        self._clock = at
        told = self._facts.on_air(DEMO.twitch_id)
        if told is None:
            return None
        return Live(
            told.id,
            told.channel_id,
            told.started_at,
            told.title,
            told.category_id,
            told.category,
            told.viewers,
            told.language,
        )


def _label(live: Live | None) -> tuple[str, ...]:
    """What makes one answer another one than the last."""
    return (live.id, live.title, live.category_id) if live else ()
