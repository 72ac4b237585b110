"""The shape of an evening: bars of messages a minute, and the holes where nothing could be received."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


class Gap(NamedTuple):
    """[started_at, ended_at) without reception."""

    started_at: datetime
    ended_at: datetime
    reason: str


class Bar(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    started_at: datetime
    rate: float


class Hole(NamedTuple):
    x: float
    width: float
    gap: Gap


class Activity(NamedTuple):
    """A picture `width` by `height`; `bars` has an entry for every bucket that was received at least in part."""

    width: int
    height: int
    bars: list[Bar]
    holes: list[Hole]
    highest: float
    hours: list[datetime]
    span: "Span"

    @property
    def seconds(self) -> int:
        return round((self.span.ended_at - self.span.started_at).total_seconds())

    @property
    def step_seconds(self) -> int:
        return round(self.span.bucket.total_seconds())

    @property
    def shape(self) -> str:
        """All bars as one path: a shape for each of them would be most of a page."""
        return "".join(
            f"M{bar.x:g},{self.height}v-{bar.height:g}h{bar.width:g}v{bar.height:g}z" for bar in self.bars if bar.height
        )

    @property
    def told(self) -> str:
        """The rate of each bucket, for the script that says what is under the pointer; "-" where none is known."""
        rates = {bar.started_at: bar.rate for bar in self.bars}
        return " ".join(f"{rates[at]:g}" if at in rates else "-" for at in self.span.buckets())

    @property
    def hourly(self) -> list[tuple[datetime, float | None]]:
        """The mean rate of each hour that has begun; None where nothing of it was received."""
        rates: dict[datetime, list[float]] = {at: [] for at in self.hours}
        for bar in self.bars:
            rates[bar.started_at.replace(minute=0)].append(bar.rate)
        last = max(rates, default=None) if not self.bars else max(bar.started_at for bar in self.bars)
        return [
            (at, round(sum(found) / len(found), 1) if found else None)
            for at, found in rates.items()
            if last is None or at <= last
        ]


class Span(NamedTuple):
    """[started_at, ended_at), cut into buckets."""

    started_at: datetime
    ended_at: datetime
    bucket: timedelta

    def buckets(self) -> Iterable[datetime]:
        at = self.started_at
        while at < self.ended_at:
            yield at
            at += self.bucket

    def share(self, at: datetime) -> float:
        """How far into the span a moment lies, from 0 to 1."""
        return min(1.0, max(0.0, (at - self.started_at) / (self.ended_at - self.started_at)))


def last_hours(now: datetime, hours: int, bucket: timedelta) -> Span:
    """Whole hours up to the end of the present one, so that hour marks stand at equal distances."""
    end = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return Span(end - timedelta(hours=hours), end, bucket)


def draw(
    span: Span, now: datetime, minutes: Mapping[datetime, int], gaps: Sequence[Gap], *, width: int, height: int
) -> Activity:
    """Bars are messages a minute over the time that was received: a gap neither counts as silence nor lowers a bar."""
    rates = {at: _rate(at, min(at + span.bucket, now), minutes, gaps) for at in span.buckets() if at < now}
    received = {at: rate for at, rate in rates.items() if rate is not None}
    highest = max(received.values(), default=0.0)
    step = width * (span.bucket / (span.ended_at - span.started_at))
    bars = [
        _bar(span.share(at) * width, step, rate / highest * height if highest else 0.0, height, at, rate)
        for at, rate in received.items()
    ]
    holes = [_hole(span, gap, width) for gap in gaps if gap.ended_at > span.started_at and gap.started_at < now]
    hours = [at for at in span.buckets() if at.minute == 0]
    return Activity(width, height, bars, holes, highest, hours, span)


def _bar(x: float, step: float, tall: float, height: int, at: datetime, rate: float) -> Bar:
    shown = max(tall, 1.0) if rate else 0.0
    return Bar(round(x, 2), round(height - shown, 2), round(step * 0.8, 2), round(shown, 2), at, rate)


def _hole(span: Span, gap: Gap, width: int) -> Hole:
    left, right = span.share(gap.started_at) * width, span.share(gap.ended_at) * width
    return Hole(round(left, 2), round(max(right - left, 1.0), 2), gap)


def _rate(start: datetime, end: datetime, minutes: Mapping[datetime, int], gaps: Sequence[Gap]) -> float | None:
    """Messages a minute in [start, end); None where next to nothing of it could be received."""
    count = sum(minutes.get(start + index * MINUTE, 0) for index in range(-(-(end - start) // MINUTE)))
    received = (end - start) - missed(start, end, gaps)
    if received < 0.1 * (end - start):
        return float(count) or None
    rate = count / max(received / MINUTE, 1.0)
    return round(rate, 1) if rate < 10 else float(round(rate))


def missed(start: datetime, end: datetime, gaps: Sequence[Gap]) -> timedelta:
    """How much of [start, end) lies in gaps; where gaps overlap, it is missed once."""
    total, covered = timedelta(0), start
    for gap in sorted(gaps):
        left, right = max(gap.started_at, covered), min(gap.ended_at, end)
        if right > left:
            total += right - left
            covered = right
    return total


def mostly_missed(gaps: Sequence[Gap]) -> set[date]:
    """UTC days of which more than half lies in gaps; where gaps overlap, a moment is missed once."""
    lost: defaultdict[date, timedelta] = defaultdict(timedelta)
    covered = datetime.min.replace(tzinfo=UTC)
    for gap in sorted(gaps):
        at = max(gap.started_at, covered)
        while at < gap.ended_at:
            until = min(gap.ended_at, datetime.combine(at.date() + DAY, time(), UTC))
            lost[at.date()] += until - at
            at = until
        covered = max(covered, gap.ended_at)
    return {day for day, span in lost.items() if span > DAY / 2}
