"""Is watch time true? A month is played through the code that keeps it, minute by minute, and held against truth."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from bench.audience import CLOCK_STEP, MINUTE, Month, Show, Trouble, make_month
from bench.place import installation

BEGAN = datetime(2026, 3, 2, tzinfo=UTC)
TICK = MINUTE
LIST_LAG = 45
"""Twitch's list of live streams lags behind by up to so many seconds ..."""
CHATTERS_LAG = 15
"""... and its list of chatters by up to so many."""
LEFT_OPEN = "sessions left open"
OFF_AIR = "seconds credited while off air"
BEYOND = "seconds credited beyond a stream's length"
WRONG = "counters that differ from a recount"
TOO_FAR = "sessions off by more than an interval at an end"
MOST_OFF = 5 * MINUTE + CHATTERS_LAG + CLOCK_STEP + 1
"""Seconds: from one poll to the next, and how far both may be from the truth about their moment."""
TOTAL = "total error (%)"
EACH = "mean error of a viewer (%), either way"
MOST_TOTAL_ERROR = 3.0


class Chatter(NamedTuple):
    id: str
    login: str
    display_name: str


def measure() -> dict[str, float]:
    with installation():
        from django.db import connection

        try:
            return play(make_month())
        finally:
            connection.close()


def play(month: Month, seed: int = 7) -> dict[str, float]:
    """Play a month into an empty database, and say how far the numbers are from the truth."""
    from streams.models import Channel

    channel = Channel.objects.create(login="almanac", twitch_id="bench-1", display_name="Almanac")
    Observer(month, channel, Random(seed)).run()
    return judge(month, channel)


def moment(at: float) -> datetime:
    return BEGAN + timedelta(seconds=at)


@dataclass(order=True)
class Due:
    """Something that reaches us at a moment."""

    at: float
    order: int
    deed: Any = field(compare=False)


class Observer:
    """We, with what Twitch tells us, when we run and when it answers."""

    def __init__(self, month: Month, channel: Any, dice: Random) -> None:
        self.month = month
        self.channel = channel
        self.dice = dice
        self._due: list[Due] = []

    def run(self) -> None:
        for show in self.month.shows:
            self._plan(show)
        self._write_words()
        while self._due:
            due = heapq.heappop(self._due)
            due.deed(due.at)

    def _plan(self, show: Show) -> None:
        for at, kind, part in show.events():
            self._tell_later(at, kind, show, part)
        # Ticks of the timetable around the stream; between streams they would find nothing.
        first = (show.started_at - 10 * MINUTE) // TICK * TICK + self.dice.randrange(TICK)
        for at in range(first, show.ended_at + 30 * MINUTE, TICK):
            self._push(at, self._tick)

    def _push(self, at: float, deed: Any) -> None:
        heapq.heappush(self._due, Due(at, len(self._due) + self.dice.randrange(1_000_000) * 1000, deed))

    # Events

    def _tell_later(self, at: int, kind: str, show: Show, part: int) -> None:
        trouble = self.month.trouble_at(at)
        if trouble is Trouble.US:
            return  # nobody heard it
        reached = at + self.dice.uniform(0.2, 20)
        if trouble is Trouble.REDIS:
            reached = next(end for start, end, _ in self.month.troubles if start <= at < end) + 1
        self._push(reached, lambda _now: self._tell(at, kind, show, part))

    def _tell(self, at: int, kind: str, show: Show, part: int) -> None:
        from django.db import transaction

        from streams.broadcasts import went_offline, went_online
        from viewers.presence import settle

        with transaction.atomic():
            if kind == "online":
                went_online(self.channel, stream_id(show, part), moment(show.air[part][0]), moment(at))
            else:
                went_offline(self.channel, moment(at))
            settle([self.channel.pk], moment(at))

    # Polls

    def _tick(self, at: float) -> None:
        trouble = self.month.trouble_at(at)
        if trouble in (Trouble.US, Trouble.REDIS):
            return
        now = moment(at + self.month.clock_ahead_at(at))
        if trouble is None:
            self._observe(at, now)
        self._look(at, now, fails=trouble is Trouble.TWITCH)

    def _observe(self, at: float, now: datetime) -> None:
        from django.db import transaction

        from streams.broadcasts import observe
        from viewers.presence import settle

        with transaction.atomic():
            observed = observe(list(self._live(at - self.dice.uniform(0, LIST_LAG))), [self.channel], now)
            settle(observed.touched, now)

    def _live(self, at: float) -> Iterator[Any]:
        from streams.broadcasts import Live

        for show in self.month.shows:
            part = show.part_at(at)
            if part is not None:
                yield Live(
                    stream_id(show, part), self.channel.twitch_id, moment(show.air[part][0]), "title", "1", "Chess"
                )

    def _look(self, at: float, now: datetime, *, fails: bool) -> None:
        from chat.presence import SPEECH, due, unsettled
        from viewers import presence

        presence.settle(unsettled(), now)
        for stream in due(now):
            if fails:
                presence.poll_failed(stream, now, "Twitch does not answer")
            else:
                # Joins and leaves show in the list some seconds late.
                names = self.month.present(at - self.dice.uniform(0, CHATTERS_LAG))
                presence.reconcile(stream, now, [Chatter(name, name, name) for name in names], speech=SPEECH)

    def _write_words(self) -> None:
        """All of the month's words: polls see those of their time. Those said while we did not run were not heard."""
        from chat.models import Message
        from chat.partitions import coming, make

        make(coming(BEGAN))
        said = [(at, viewer) for viewer, times in self.month.words.items() for at in times]
        Message.objects.bulk_create(
            [
                Message(
                    id=f"word-{number}",
                    channel=self.channel,
                    viewer_id=viewer,
                    sent_at=moment(at),
                    text="hello",
                    badges="",
                )
                for number, (at, viewer) in enumerate(said)
                if self.month.trouble_at(at) is not Trouble.US
            ],
            batch_size=5000,
        )


def stream_id(show: Show, part: int) -> str:
    return f"show-{show.number}-{part}"


# The judgement


def judge(month: Month, channel: Any) -> dict[str, float]:
    from viewers.credit import recount
    from viewers.models import ViewerTotal, ViewSession

    credited = dict(ViewerTotal.objects.filter(channel=channel).values_list("viewer", "watch_seconds"))
    truth = {viewer: sum(end - start for start, end in month.watched(viewer)) for viewer in month.visits}
    sessions = [
        (row.viewer_id, (row.started_at - BEGAN).total_seconds(), (row.ended_at - BEGAN).total_seconds())
        for row in ViewSession.objects.filter(channel=channel)
        if row.ended_at
    ]
    air = sorted(span for show in month.shows for span in show.air)
    true_total = sum(truth.values())
    first = BEGAN.date()
    off = [_off_by(session, month, air) for session in sessions]
    calm = [error for session, error in zip(sessions, off, strict=True) if not _is_troubled(session, month)]
    return {
        "viewers": len(truth),
        "streams": len(month.shows),
        "sessions": len(sessions),
        LEFT_OPEN: ViewSession.objects.filter(channel=channel, ended_at=None).count(),
        "hours truly watched": true_total / 3600,
        "hours credited": sum(credited.values()) / 3600,
        TOTAL: abs(sum(credited.values()) - true_total) / true_total * 100,
        EACH: _mean(
            abs(credited.get(v, 0) - seconds) / seconds * 100 for v, seconds in truth.items() if seconds > 5 * 3600
        ),
        OFF_AIR: sum(_outside((a, b), air) for _, a, b in sessions),
        BEYOND: _beyond(sessions, month),
        "largest error at an end (s), calm": max((max(error) for error in calm), default=0),
        "largest error at an end (s), all": max((max(error) for error in off), default=0),
        TOO_FAR: sum(max(error) > MOST_OFF for error in calm),
        WRONG: sum(recount(channel, first, first + timedelta(days=60), dry_run=True).values()),
    }


def _off_by(session: tuple[str, float, float], month: Month, air: list[tuple[int, int]]) -> tuple[float, float]:
    """How far a session is from where the viewer came or the stream came on air, and from where either was over."""
    viewer, start, end = session
    visits = month.visits[viewer]
    came = [a for a, _ in visits]
    came += [a for a, _ in air if any(since <= a <= until + CHATTERS_LAG for since, until in visits)]
    left = [b for _, b in visits]
    left += [b for _, b in air if any(since <= b <= until + CHATTERS_LAG for since, until in visits)]
    return min(abs(start - at) for at in came), min(abs(end - at) for at in left)


def _is_troubled(session: tuple[str, float, float], month: Month) -> bool:
    """Whether something went wrong during a session, or so shortly before or after it that it could touch its ends."""
    _, start, end = session
    near = 11 * MINUTE
    return any(start - near < until and end + near > since for since, until, _ in month.troubles)


def _outside(span: tuple[float, float], air: Iterable[tuple[int, int]]) -> float:
    return span[1] - span[0] - sum(max(0, min(span[1], b) - max(span[0], a)) for a, b in air)


def _beyond(sessions: Iterable[tuple[str, float, float]], month: Month) -> float:
    """Seconds that anybody has in a stream beyond its time on air."""
    seconds: dict[tuple[str, int], float] = {}
    for viewer, start, end in sessions:
        show = max((show for show in month.shows if show.started_at <= start), key=lambda show: show.started_at)
        seconds[viewer, show.number] = seconds.get((viewer, show.number), 0) + end - start
    lengths = {show.number: sum(b - a for a, b in show.air) for show in month.shows}
    return sum(max(0, watched - lengths[number]) for (_, number), watched in seconds.items())


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known) if known else 0.0
