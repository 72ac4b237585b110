"""When a channel was on air, told from everything Twitch said of it. Pure: the same reports, in whatever order they
came, tell the same.

Two sources say when a channel was live. Events (online, offline, changed) are exact, but may be missed, repeated, or
late. Polls of Twitch's list come every minute, but the list lags behind: what it says within `LAG` after an event
does not contradict the event. A part is what Twitch gave one id; parts with a short break between them are one stream.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise, zip_longest
from typing import NamedTuple

from streams.models import StreamReport

# How far Twitch's list of live streams is behind its events.
LAG = timedelta(minutes=2)

Kind = StreamReport.Kind


class Label(NamedTuple):
    """What a stream is called."""

    title: str = ""
    category_id: str = ""
    category: str = ""

    def is_as(self, other: "Label") -> bool:
        return self[:2] == other[:2]


class Segment(NamedTuple):
    """[started_at, ended_at) on air under one label; no end while it is."""

    started_at: datetime
    ended_at: datetime | None
    label: Label


class Span(NamedTuple):
    """[started_at, ended_at) on air; no end while it is."""

    started_at: datetime
    ended_at: datetime | None


class Run(NamedTuple):
    """From the first to the last of polls that showed it, one after the other."""

    first_at: datetime
    last_at: datetime


@dataclass
class Part:
    """What went by one Twitch id."""

    twitch_id: str
    started_at: datetime
    spans: list[Span]
    seen_at: datetime
    language: str

    @property
    def ended_at(self) -> datetime | None:
        return self.spans[-1].ended_at


@dataclass
class Broadcast:
    """A stream as it should be stored. Its first id is its key."""

    parts: list[Part] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    label: Label = field(default_factory=Label)

    @property
    def twitch_ids(self) -> list[str]:
        return [part.twitch_id for part in self.parts]

    @property
    def started_at(self) -> datetime:
        return self.parts[0].started_at

    @property
    def ended_at(self) -> datetime | None:
        return self.parts[-1].ended_at

    @property
    def seen_at(self) -> datetime:
        return max(part.seen_at for part in self.parts)

    @property
    def language(self) -> str:
        return next((part.language for part in reversed(self.parts) if part.language), "")


def broadcasts(reports: Iterable[StreamReport], longest_break: timedelta) -> list[Broadcast]:
    """Tell the streams of one channel, the oldest first. A break is shorter than `longest_break`."""
    reports = sorted(reports, key=lambda report: (report.at, report.title, report.category_id, report.until))
    parts = _parts(reports)
    told: list[Broadcast] = []
    for part in parts:
        before = told[-1].ended_at if told else None
        if before is None or part.started_at - before >= longest_break:
            told.append(Broadcast())
        told[-1].parts.append(part)
    labels = _labels(reports)
    for broadcast in told:
        _name(broadcast, labels)
    return told


# On air


def _parts(reports: Sequence[StreamReport]) -> list[Part]:
    starts: dict[str, datetime] = {}
    for report in reports:
        if report.twitch_id and report.started_at:
            starts[report.twitch_id] = min(report.started_at, starts.get(report.twitch_id, report.started_at))
    in_order = sorted((started_at, twitch_id) for twitch_id, started_at in starts.items())
    return [
        _part(twitch_id, started_at, following[0] if following else None, reports)
        for (started_at, twitch_id), following in zip_longest(in_order, in_order[1:])
    ]


def _part(twitch_id: str, started_at: datetime, next_at: datetime | None, reports: Sequence[StreamReport]) -> Part:
    own = [report for report in reports if report.twitch_id == twitch_id]
    seen = [report for report in own if report.kind == Kind.SEEN]
    evidence = _Evidence(
        next_at,
        [(r.started_at, r.at) for r in own if r.kind == Kind.ONLINE and r.started_at],
        [Run(max(r.at, started_at), max(r.until, started_at)) for r in seen],
        [r.at for r in reports if r.kind == Kind.OFFLINE],
        [r for r in reports if r.kind == Kind.ABSENT],
    )
    return Part(
        twitch_id,
        started_at,
        evidence.spans(started_at),
        max([started_at, *(r.until for r in seen)]),
        next((r.language for r in reversed(seen) if r.language), ""),
    )


@dataclass
class _Evidence:
    """What was said of a part."""

    next_at: datetime | None
    """When the part after it began."""
    online: list[tuple[datetime, datetime]]
    """(began, was told)"""
    seen: list[Run]
    offline: list[datetime]
    absent: list[StreamReport]

    def spans(self, started_at: datetime) -> list[Span]:
        spans: list[Span] = []
        begun: datetime | None = started_at
        while begun is not None:
            off = next((at for at in self.offline if self._ends(begun, at)), None)
            spans.append(Span(begun, off or self._end_unsaid(begun)))
            begun = self._back(off) if off else None
        return spans

    def _ends(self, begun: datetime, at: datetime) -> bool:
        """Whether an offline event ended what had begun then."""
        if at <= begun or (self.next_at and at > self.next_at):
            return False
        if any(run.first_at <= at and self._outlasts(run, at) for run in self.seen):
            return False
        decided = self._decided(self._proven(begun, at))
        return decided is None or at <= decided

    def _back(self, off: datetime) -> datetime | None:
        """When it was on air again under the same id."""
        returns = [began for began, _ in self.online if began > off]
        returns += [told for _, told in self.online if told > off + LAG]
        returns += [run.first_at for run in self.seen if run.first_at > off and self._outlasts(run, off)]
        return min((at for at in returns if self.next_at is None or at < self.next_at), default=None)

    def _end_unsaid(self, begun: datetime) -> datetime | None:
        """Where it ended, if nobody said so: where it was last proven live, by a list that lags behind."""
        proven = self._proven(begun, self.next_at)
        return max(begun, proven - LAG) if self.next_at or self._decided(proven) else None

    def _outlasts(self, run: Run, off: datetime) -> bool:
        """Whether the list went on showing it for longer than a list that lags would."""
        return min(run.last_at, self.next_at or run.last_at) > off + LAG

    def _proven(self, begun: datetime, until: datetime | None) -> datetime:
        """The last moment up to `until` at which it was proven live."""
        seen = [run for run in self.seen if until is None or run.first_at <= until]
        return max([begun, *(min(run.last_at, until or run.last_at) for run in seen)])

    def _decided(self, proven: datetime) -> datetime | None:
        """When two polls in a row had not shown it since it was last proven live."""
        moments = []
        for run in self.absent:
            if run.at > proven and run.second_at:
                moments.append(run.second_at)
            elif run.at <= proven and run.previous_at and run.previous_at > proven:
                # Of longer absences only the first and the last polls are kept: it was about then.
                moments.append(proven + LAG)
        return min(moments, default=None)


# What it was called


class _Telling(NamedTuple):
    at: datetime
    label: Label
    is_event: bool


def label_of(report: StreamReport) -> Label:
    return Label(report.title, report.category_id, report.category)


def _labels(reports: Sequence[StreamReport]) -> list[_Telling]:
    """What was said of title and category, in order. The list says a label when it first shows it, and again where
    it still shows it after an event whose change it should know by then."""
    changes = [report for report in reports if report.kind == Kind.CHANGED]
    tellings = [_Telling(report.at, label_of(report), is_event=True) for report in changes]
    blind = [(report.at, report.at + LAG) for report in changes]
    for run in reports:
        if run.kind == Kind.SEEN:
            moments = {run.at, *(over for _, over in blind if run.at < over <= run.until)}
            tellings += [
                _Telling(at, label_of(run), is_event=False)
                for at in sorted(moments)
                if not any(since <= at < over for since, over in blind)
            ]
    return sorted(tellings, key=lambda telling: telling.at)


def _name(broadcast: Broadcast, labels: Sequence[_Telling]) -> None:
    # What polls said of an earlier stream says nothing of this one. A change holds until the next.
    known = [telling for telling in labels if telling.is_event or telling.at >= broadcast.started_at]
    spans = [span for part in broadcast.parts for span in part.spans]
    for span in spans:
        broadcast.segments += _segments(span, known)
    last = broadcast.ended_at
    broadcast.label = (
        broadcast.segments[-1].label
        if broadcast.segments
        else next((t.label for t in reversed(known) if last is None or t.at <= last), Label())
    )


def _segments(span: Span, known: Sequence[_Telling]) -> list[Segment]:
    during = [t for t in known if t.at >= span.started_at and (span.ended_at is None or t.at < span.ended_at)]
    before = [t for t in known if t.at < span.started_at]
    at_start = before[-1].label if before else Label()
    # The first poll comes soon after the beginning: what it shows was so from the beginning on.
    if during and not during[0].is_event:
        at_start = during[0].label
    starts = {span.started_at: at_start}
    for telling in during:
        starts[telling.at.replace(microsecond=0)] = telling.label
    starts = _without_repeats(starts)
    ends = [*list(starts)[1:], span.ended_at]
    return [
        Segment(at, end, label)
        for (at, label), end in zip(starts.items(), ends, strict=True)
        if end is None or end > at
    ]


def _without_repeats(starts: dict[datetime, Label]) -> dict[datetime, Label]:
    in_order = sorted(starts.items())
    changed = [now for before, now in pairwise(in_order) if not now[1].is_as(before[1])]
    return dict([*in_order[:1], *changed])
