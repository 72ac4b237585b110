"""A stream as one picture: viewers and messages over one time axis, with what happened marked on it.

Places along the axis are percent of the width, so that the picture fits any screen without stretching its words.
The two paths are drawn in a box of `WIDTH` by `HEIGHT`, which may be stretched.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from streamstats.lib.activity import Gap, Span, missed

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
WIDTH, HEIGHT = 1000, 100

# Minutes that share a point. More points than MOST are closer together than a screen shows them.
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 240, 720, 1440)
MOST = 240
# Viewers are asked for every minute; after a longer pause nobody knows, and the line is broken.
PAUSE = timedelta(minutes=5)
TICKS = 9
TICK_STEPS = (15, 30, 60, 120, 180, 240, 360, 720, 1440, 2880, 7200, 14400, 43200)
# The width of the picture on a phone and on a desk, and of a letter in it, in pixels.
PHONE, DESK, LETTER = 340, 1060, 7.5


class Segment(NamedTuple):
    """[started_at, ended_at) on air with one title and category."""

    started_at: datetime
    ended_at: datetime
    title: str
    category: str


class Raid(NamedTuple):
    """Viewers that another channel sent over, or that were sent `to` another. `by` is empty where it is not told."""

    at: datetime
    viewers: int
    by: str = ""
    to: str = ""


class Slot(NamedTuple):
    """A point of the picture. None is: not known."""

    at: datetime
    viewers: int | None
    rate: float | None


class Chapter(NamedTuple):
    """A stretch of one category. `room` says where its name has room: "any" screen, a "wide" one, or "" for none."""

    x: float
    width: float
    category: str
    room: str


class Mark(NamedTuple):
    x: float
    at: datetime
    text: str


class Stretch(NamedTuple):
    """Part of the axis about which there is something to say."""

    x: float
    width: float
    started_at: datetime
    ended_at: datetime
    text: str


class Evening(NamedTuple):
    span: Span
    slots: list[Slot]
    line: str
    area: str
    most_viewers: int | None
    most_rate: float
    chapters: list[Chapter]
    changes: list[Mark]
    raids: list[Mark]
    holes: list[Stretch]
    breaks: list[Stretch]
    ticks: list[Mark]
    spans_days: bool
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def seconds(self) -> int:
        return round((self.span.ended_at - self.span.started_at).total_seconds())

    @property
    def step_seconds(self) -> int:
        return round(self.span.bucket.total_seconds())

    @property
    def viewers_told(self) -> str:
        return " ".join("-" if slot.viewers is None else str(slot.viewers) for slot in self.slots)

    @property
    def rates_told(self) -> str:
        return " ".join("-" if slot.rate is None else f"{slot.rate:g}" for slot in self.slots)


def span_of(started_at: datetime, ended_at: datetime) -> Span:
    """The time from the first to the last minute, cut into as many points as a screen shows."""
    first = started_at.replace(second=0, microsecond=0)
    last = max(first + MINUTE, -(-(ended_at - first) // MINUTE) * MINUTE + first)
    minutes = (last - first) // MINUTE
    return Span(first, last, next((step for step in STEPS if minutes <= step * MOST), STEPS[-1]) * MINUTE)


def draw(
    span: Span,
    viewers: Mapping[datetime, int],
    messages: Mapping[datetime, int],
    segments: Sequence[Segment],
    *,
    raids: Iterable[Raid] = (),
    gaps: Sequence[Gap] = (),
) -> Evening:
    """Draw a stream. `viewers` (average) and `messages` (sum) are by the start of each point of the span."""
    slots = [Slot(at, viewers.get(at), _rate(at, span, messages.get(at, 0), gaps)) for at in span.buckets()]
    off_air = [
        (before.ended_at, after.started_at)
        for before, after in pairwise(segments)
        if before.ended_at < after.started_at
    ]
    most_viewers = max((slot.viewers for slot in slots if slot.viewers is not None), default=None)
    most_rate = max((slot.rate for slot in slots if slot.rate is not None), default=0.0)
    return Evening(
        span=span,
        slots=slots,
        line=_line(span, slots, most_viewers or 1, off_air),
        area=_area(span, slots, most_rate or 1.0),
        most_viewers=most_viewers,
        most_rate=most_rate,
        chapters=_chapters(span, segments),
        changes=[
            Mark(_x(span, now.started_at), now.started_at, told_change(before, now))
            for before, now in pairwise(segments)
        ],
        raids=[Mark(_x(span, raid.at), raid.at, told_raid(raid)) for raid in raids],
        holes=[_stretch(span, gap.started_at, gap.ended_at, gap.reason) for gap in gaps],
        breaks=[_stretch(span, start, end, "off air") for start, end in off_air],
        ticks=_ticks(span),
        spans_days=span.ended_at - span.started_at > 24 * HOUR,
    )


def told_change(before: Segment, now: Segment) -> str:
    """What is different from one segment to the next."""
    parts = []
    if now.category != before.category:
        parts.append(f"Now {now.category or 'without a category'}")
    if now.title != before.title:
        parts.append(f"“{now.title}”" if now.title else "no title any more")
    return ", ".join(parts) or "Back on air"


def told_raid(raid: Raid) -> str:
    people = f"{raid.viewers:,} {'viewer' if raid.viewers == 1 else 'viewers'}"
    if raid.to:
        return f"Off to {raid.to}, in a raid of {people}"
    return f"{raid.by} raided with {people}" if raid.by else f"A raid of {people}"


def _x(span: Span, at: datetime) -> float:
    return round(span.share(at) * 100, 2)


def _rate(at: datetime, span: Span, count: int, gaps: Sequence[Gap]) -> float | None:
    """Messages a minute over the time that was received; None where next to nothing of it was."""
    end = min(at + span.bucket, span.ended_at)
    received = (end - at) - missed(at, end, gaps)
    if received < 0.1 * (end - at):
        return float(count) or None
    rate = count / max(received / MINUTE, 1.0)
    return round(rate, 1) if rate < 10 else float(round(rate))


def _line(span: Span, slots: Sequence[Slot], highest: int, off_air: Sequence[tuple[datetime, datetime]]) -> str:
    """A line through the middles of the points, broken where the stream was off air or nobody knows."""
    path, before = "", None
    for slot in slots:
        if slot.viewers is None:
            continue
        at = min(slot.at + span.bucket / 2, span.ended_at)
        place = f"{span.share(at) * WIDTH:.1f},{HEIGHT * (1 - slot.viewers / highest):.1f}"
        # A stroke of no length is drawn as a dot: one point alone is seen too.
        path += f"L{place}" if before and _holds(before, at, span, off_air) else f"M{place}h0"
        before = at
    return path


def _holds(before: datetime, at: datetime, span: Span, off_air: Sequence[tuple[datetime, datetime]]) -> bool:
    was_off = any(before < end and start < at for start, end in off_air)
    return not was_off and at - before <= max(PAUSE, 2 * span.bucket)


def _area(span: Span, slots: Sequence[Slot], highest: float) -> str:
    """Steps as wide as the points are, so that a single one has its width too; none where nothing is known."""
    path, is_down = "", False
    for slot in slots:
        if slot.rate is None:
            path, is_down = path + (f"V{HEIGHT}Z" if is_down else ""), False
            continue
        left, right = (span.share(at) * WIDTH for at in (slot.at, slot.at + span.bucket))
        path += "" if is_down else f"M{left:.1f},{HEIGHT}"
        path += f"V{HEIGHT * (1 - slot.rate / highest):.1f}H{right:.1f}"
        is_down = True
    return path + (f"V{HEIGHT}Z" if is_down else "")


def _chapters(span: Span, segments: Sequence[Segment]) -> list[Chapter]:
    """Segments of one category that touch are one chapter."""
    joined: list[Segment] = []
    for segment in segments:
        last = joined[-1] if joined else None
        if last and last.ended_at == segment.started_at and last.category == segment.category:
            joined[-1] = last._replace(ended_at=segment.ended_at)
        else:
            joined.append(segment)
    return [_chapter(span, segment) for segment in joined]


def _chapter(span: Span, segment: Segment) -> Chapter:
    x = _x(span, segment.started_at)
    width = round(_x(span, segment.ended_at) - x, 2)
    needed = len(segment.category) * LETTER + 16
    room = "any" if needed <= width / 100 * PHONE else "wide" if needed <= width / 100 * DESK else ""
    return Chapter(x, width, segment.category, room)


def _stretch(span: Span, started_at: datetime, ended_at: datetime, text: str) -> Stretch:
    left, right = _x(span, started_at), _x(span, ended_at)
    return Stretch(left, round(max(right - left, 0.2), 2), started_at, ended_at, text)


def _ticks(span: Span) -> list[Mark]:
    """Marks at round times, far enough apart to have their names, and far enough from the edges."""
    length = span.ended_at - span.started_at
    most = TICKS if length <= 24 * HOUR else TICKS // 2
    step = next((step for step in TICK_STEPS if length <= most * step * MINUTE), TICK_STEPS[-1]) * MINUTE
    margin = 5 if length <= 24 * HOUR else 14
    midnight = datetime.combine(span.started_at.date(), datetime.min.time(), UTC)
    ticks, at = [], midnight
    while at < span.ended_at:
        if at >= span.started_at and margin <= (x := _x(span, at)) <= 100 - margin:
            ticks.append(Mark(x, at, ""))
        at += step
    return ticks
