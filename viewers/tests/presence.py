"""An evening with people in it: streams, polls and who is in them. Times are minutes after EIGHT."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from streams.models import Channel, PresenceSource, Stream, StreamSegment
from streams.tests.cast import make_channel
from viewers import presence
from viewers.models import ViewerDay, ViewerTotal, ViewSession
from viewers.statements import NOBODY_SPOKE

EIGHT = datetime(2026, 5, 1, 20, tzinfo=UTC)

# Who spoke, for tests that have no chat: rows of a table that `say` fills.
SPEECH = """
SELECT word[1] AS viewer_id, word[2]::timestamptz AS at FROM (
    SELECT string_to_array(line, '@') AS word FROM unnest(string_to_array('{words}', ' ')) AS line
) spoken WHERE word[2]::timestamptz > %(after)s AND word[2]::timestamptz <= %(at)s
"""


class Chatter(NamedTuple):
    id: str
    login: str
    display_name: str


def at(minutes: float) -> datetime:
    return EIGHT + timedelta(minutes=minutes)


def chatters(names: Iterable[str]) -> list[Chatter]:
    return [Chatter(f"id-{name}", name, name.title()) for name in names]


def said(**words: float | tuple[float, ...]) -> str:
    """Who wrote when: `said(ann=3, bob=(1, 7))`."""
    times = {name: given if isinstance(given, tuple) else (given,) for name, given in words.items()}
    return SPEECH.format(words=" ".join(f"id-{n}@{at(t).isoformat()}" for n, spoken in times.items() for t in spoken))


class Evening:
    """One stream, from its first minute on."""

    def __init__(self, channel: Channel | None = None, stream_id: str = "s1", started: float = 0) -> None:
        self.channel = channel or make_channel("lantern", twitch_id="c1")
        self.stream = Stream.objects.create(id=stream_id, channel=self.channel, started_at=at(started))
        self.on_air(started)

    def on_air(self, start: float, end: float | None = None) -> None:
        StreamSegment.objects.create(
            stream=self.stream, started_at=at(start), ended_at=None if end is None else at(end), title="t"
        )

    def off_air(self, minutes: float) -> None:
        """The stream turns out to have gone off air then."""
        self.stream.segments.filter(started_at__gte=at(minutes)).delete()
        self.stream.segments.filter(ended_at=None).update(ended_at=at(minutes))
        Stream.objects.filter(pk=self.stream.pk).update(ended_at=at(minutes))

    def settle(self) -> None:
        presence.settle_streams([self.stream])

    def poll(
        self,
        minutes: float,
        *names: str,
        speech: str = NOBODY_SPOKE,
        source: PresenceSource = PresenceSource.CHATTERS,
    ) -> presence.Reconciled | None:
        return presence.reconcile(self.stream, at(minutes), chatters(names), speech=speech, source=source)

    def sessions(self, name: str) -> list[tuple[float, float | None]]:
        """From when to when somebody was there, in minutes."""
        rows = ViewSession.objects.filter(stream=self.stream, viewer=f"id-{name}").order_by("started_at")
        return [(_minutes(row.started_at), _minutes(row.ended_at) if row.ended_at else None) for row in rows]

    def watched(self, name: str) -> float:
        """Minutes credited in all; the days must say the same."""
        total = ViewerTotal.objects.filter(channel=self.channel, viewer=f"id-{name}").first()
        seconds = total.watch_seconds if total else 0
        days = ViewerDay.objects.filter(channel=self.channel, viewer=f"id-{name}")
        assert sum(day.watch_seconds for day in days) == seconds
        return seconds / 60


def _minutes(moment: datetime) -> float:
    return (moment - EIGHT).total_seconds() / 60
