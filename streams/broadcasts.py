"""Streams and their segments: kept to what Twitch says in events and in its list of who is live.

Every call writes down what was said, and tells the streams around that moment again from all that was said: so it
does not matter what comes first, twice, or late. Times are whole seconds. After any of them, except a change of
title, the caller runs `viewers.presence.settle` for the channels it touched, in the same transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction

from streams.airtime import Broadcast, Label, broadcasts
from streams.helixrows import HelixStream
from streams.locks import lock_channels
from streams.models import Channel, Stream, StreamReport, StreamSample, StreamSegment

Kind = StreamReport.Kind

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Live:
    """As much of a HelixStream as is needed here."""

    id: str
    channel_id: str
    started_at: datetime
    title: str = ""
    category_id: str = ""
    category: str = ""
    viewers: int = 0
    language: str = ""


@dataclass(frozen=True)
class Observed:
    """What a poll changed. Numbers are of streams; `touched` are the channels whose time on air it changed."""

    live: int = 0
    began: int = 0
    ended: int = 0
    touched: list[int] = field(default_factory=list)


@transaction.atomic
def went_online(channel: Channel, twitch_stream_id: str, started_at: datetime, at: datetime) -> Stream:
    """Twitch told at this moment that a stream had begun; return the one it is, or is part of."""
    started_at, at = _second(started_at), _second(at)
    report = StreamReport(
        channel=channel, kind=Kind.ONLINE, at=at, until=at, twitch_id=twitch_stream_id, started_at=started_at
    )
    _tell([report], {channel.pk: min(at, started_at)})
    return Stream.objects.get(channel=channel, twitch_ids__contains=[twitch_stream_id])


@transaction.atomic
def went_offline(channel: Channel, at: datetime) -> Stream | None:
    """Twitch told that the channel went off air at this moment; return the stream that had begun before it."""
    at = _second(at)
    _tell([StreamReport(channel=channel, kind=Kind.OFFLINE, at=at, until=at)], {channel.pk: at})
    return Stream.objects.recent(channel).filter(started_at__lt=at).first()


@transaction.atomic
def changed(channel: Channel, at: datetime, title: str, category_id: str, category: str) -> None:
    """Title and category are these from this moment on, of whatever is or will be live."""
    label = _label(title, category_id, category)
    _tell(
        [StreamReport(channel=channel, kind=Kind.CHANGED, at=at, until=at, **label._asdict())],
        {channel.pk: _second(at)},
    )


@transaction.atomic
def observe(live: Sequence[Live | HelixStream], channels: Sequence[Channel], at: datetime) -> Observed:
    """Twitch's list, asked for these channels at this moment, showed these and no others of them."""
    at = _second(at)
    answers = {answer.channel_id: answer for answer in live}
    shown = {channel.pk: answers.get(channel.twitch_id or "") for channel in channels}
    moments = {pk: min(at, _second(answer.started_at)) if answer else at for pk, answer in shown.items()}
    return _tell([_poll(pk, answer, at) for pk, answer in shown.items()], moments, answers=shown)


def on_air(stream: Stream) -> list[tuple[datetime, datetime | None]]:
    """When it was on air, in order; the last span has no end while it still is."""
    return _joined(sorted(stream.segments.all(), key=lambda segment: segment.started_at))  # may be fetched already


def _joined(segments: Iterable[StreamSegment]) -> list[tuple[datetime, datetime | None]]:
    spans: list[tuple[datetime, datetime | None]] = []
    for segment in segments:
        if spans and spans[-1][1] == segment.started_at:
            spans[-1] = (spans[-1][0], segment.ended_at)
        else:
            spans.append((segment.started_at, segment.ended_at))
    return spans


# What was said


def _poll(channel: int, answer: Live | HelixStream | None, at: datetime) -> StreamReport:
    if answer is None:
        return StreamReport(channel_id=channel, kind=Kind.ABSENT, at=at, until=at)
    return StreamReport(
        channel_id=channel,
        kind=Kind.SEEN,
        at=at,
        until=at,
        twitch_id=answer.id,
        started_at=_second(answer.started_at),
        language=answer.language[:16],
        **_label(answer.title, answer.category_id, answer.category)._asdict(),
    )


def _label(title: str, category_id: str, category: str) -> Label:
    """As the columns can hold it."""
    return Label(
        *(text.replace("\x00", "")[:length] for text, length in ((title, 255), (category_id, 32), (category, 128)))
    )


def _second(at: datetime) -> datetime:
    return at.replace(microsecond=0)


# What is known around a moment: from the beginning of the last stream but one before it, so that a stream which
# turns out to go on with the one before is told whole; and the last change of title before that.
_FLOORS = """
SELECT channel, coalesce((
    SELECT started_at FROM streams_stream WHERE channel_id = channel AND started_at <= moment
    ORDER BY started_at DESC OFFSET 1 LIMIT 1
), %(long_ago)s) FROM unnest(%(channels)s::bigint[], %(moments)s::timestamptz[]) AS asked (channel, moment)
"""
_REPORTS = """
SELECT report.* FROM unnest(%(channels)s::bigint[], %(floors)s::timestamptz[]) AS asked (channel, since)
CROSS JOIN LATERAL (
    SELECT * FROM streams_streamreport
    WHERE channel_id = channel AND until >= since AND (started_at IS NULL OR started_at >= since)
    UNION ALL (
        SELECT * FROM streams_streamreport WHERE channel_id = channel AND kind = 'changed' AND until < since
        ORDER BY until DESC, title DESC, category_id DESC LIMIT 1
    )
) AS report
"""
_STREAMS = """
SELECT stream.* FROM unnest(%(channels)s::bigint[], %(floors)s::timestamptz[]) AS asked (channel, since)
JOIN streams_stream stream ON channel_id = channel AND (started_at >= since OR ended_at IS NULL)
"""


@dataclass
class _Known:
    """What was said of one channel, and how its streams are stored."""

    reports: list[StreamReport] = field(default_factory=list)
    streams: dict[str, Stream] = field(default_factory=dict)
    segments: dict[tuple[str, datetime], StreamSegment] = field(default_factory=dict)

    def last_polls(self) -> StreamReport | None:
        polls = (report for report in self.reports if report.kind in {Kind.SEEN, Kind.ABSENT})
        return max(polls, key=lambda report: report.until, default=None)


def _known(moments: Mapping[int, datetime]) -> dict[int, _Known]:
    known = {channel: _Known() for channel in moments}
    values: dict[str, Any] = {
        "channels": list(moments),
        "moments": list(moments.values()),
        "long_ago": LONG_AGO,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FLOORS, values)
        floors = dict(cursor.fetchall())
    values["floors"] = [floors[channel] for channel in moments]
    for report in StreamReport.objects.raw(_REPORTS, values):
        known[report.channel_id].reports.append(report)
    channel_of = {}
    for stream in Stream.objects.raw(_STREAMS, values):
        known[stream.channel_id].streams[stream.pk] = stream
        channel_of[stream.pk] = stream.channel_id
    for segment in StreamSegment.objects.filter(stream__in=channel_of).order_by("started_at"):
        known[channel_of[segment.stream_id]].segments[segment.stream_id, segment.started_at] = segment
    return known


def _tell(
    said: Sequence[StreamReport],
    moments: Mapping[int, datetime],
    answers: Mapping[int, Live | HelixStream | None] | None = None,
) -> Observed:
    """Write down what was said, one thing of each channel, and make the streams around these moments what they are."""
    if not moments:
        return Observed()
    with connection.cursor() as cursor:
        lock_channels(cursor, moments)
    known = _known(moments)
    news = [report for of_channel in known.values() for report in _adopted(of_channel)]
    for report in said:
        news += _news(report, known[report.channel_id])
    _write_reports(news)
    changes = _Changes()
    for of_channel in known.values():
        changes.add(of_channel, broadcasts(of_channel.reports, timedelta(minutes=settings.STREAM_BREAK_MINUTES)))
    changes.write()
    heard = {report.channel_id for report in news if report.kind == Kind.SEEN}
    shown = {pk: answer for pk, answer in (answers or {}).items() if answer}
    StreamSample.objects.bulk_create(
        [
            StreamSample(
                channel_id=pk, stream_id=changes.key_of[answer.id], at=said[0].at, viewers=max(answer.viewers, 0)
            )
            for pk, answer in shown.items()
            if pk in heard
        ],
        ignore_conflicts=True,
    )
    return Observed(len(shown), changes.began, changes.ended, sorted(changes.touched))


def _adopted(known: _Known) -> list[StreamReport]:
    """What must have been said of a live stream that somebody else wrote down."""
    told = {report.twitch_id for report in known.reports}
    adopted = []
    for stream in known.streams.values():
        if stream.ended_at or told & {stream.pk, *stream.twitch_ids}:
            continue
        segments = [segment for (pk, _), segment in known.segments.items() if pk == stream.pk]
        parts: list[Stream | StreamSegment] = [*segments] or [stream]
        for part in parts:
            until = part.ended_at or max(stream.seen_at or part.started_at, part.started_at)
            label = _label(part.title, part.category_id, part.category)
            adopted.append(
                StreamReport(
                    channel_id=stream.channel_id,
                    kind=Kind.SEEN,
                    at=part.started_at,
                    until=until,
                    twitch_id=stream.pk,
                    started_at=stream.started_at,
                    language=stream.language,
                    **label._asdict(),
                )
            )
    known.reports += adopted
    return adopted


def _news(report: StreamReport, known: _Known) -> list[StreamReport]:
    """What of a report is to be written down; a poll that says the same as the one before makes that longer."""
    if report.kind in {Kind.SEEN, Kind.ABSENT}:
        last = known.last_polls()
        if last and report.at <= last.until:
            return []
        if last and _says(last) == _says(report):
            last.second_at, last.previous_at = last.second_at or report.at, last.until
            last.until, last.language = report.at, report.language
            return [last]
    elif any((told.at, *_says(told)) == (report.at, *_says(report)) for told in known.reports):
        return []
    known.reports.append(report)
    return [report]


def _says(report: StreamReport) -> tuple[object, ...]:
    return report.kind, report.twitch_id, report.started_at, report.title, report.category_id


def _write_reports(news: Iterable[StreamReport]) -> None:
    rows = list(news)
    for row in rows:
        row.pk = None  # so that one statement does for new ones and longer ones
    StreamReport.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["channel", "kind", "at", "twitch_id", "title", "category_id"],
        update_fields=["until", "second_at", "previous_at", "language", "started_at"],
    )


# How it is stored

_STREAM = ["twitch_ids", "started_at", "ended_at", "title", "category_id", "category", "language", "seen_at"]
_SEGMENT = ["ended_at", "title", "category_id", "category"]

# Seconds of a `stream` that are in none of its segments; of a live one, up to where its last segment begins. Without
# segments nothing is known of drop-outs.
OFF_AIR = """(
    SELECT greatest(0, extract(
        epoch FROM coalesce(stream.ended_at, max(coalesce(segment.ended_at, segment.started_at))) - stream.started_at
            - sum(coalesce(segment.ended_at, stream.ended_at, segment.started_at) - segment.started_at)
    ))::integer FROM streams_streamsegment segment WHERE segment.stream_id = stream.id
)"""
_WRITE_OFF_AIR = f"UPDATE streams_stream stream SET off_air_seconds = {OFF_AIR} WHERE id = ANY(%s)"  # noqa: S608 (ours)


class _Changes:
    """What has to be written so that the rows say what was told; of many channels at once."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.segments: list[StreamSegment] = []
        self.surplus: list[int] = []
        self.moves: list[_Move] = []
        self.key_of: dict[str, str] = {}
        self.touched: set[int] = set()
        self.touched_streams: set[str] = set()
        self.began = self.ended = 0

    def add(self, known: _Known, told: Sequence[Broadcast]) -> None:
        key_of = {twitch_id: stream.twitch_ids[0] for stream in told for twitch_id in stream.twitch_ids}
        self.key_of |= key_of
        if move := _move_of(known, told, key_of):
            self.moves.append(move)
        for broadcast in told:
            self._add_stream(known, broadcast)
            self._add_segments(known, broadcast)

    def _add_stream(self, known: _Known, broadcast: Broadcast) -> None:
        key = broadcast.twitch_ids[0]
        stream = known.streams.get(key)
        if is_new := stream is None:
            stream = Stream(id=key, channel_id=known.reports[0].channel_id)
            self.began += 1
        before = _values(stream, _STREAM)
        was_live = not is_new and stream.ended_at is None
        stream.twitch_ids = broadcast.twitch_ids
        stream.started_at, stream.ended_at = broadcast.started_at, broadcast.ended_at
        stream.title, stream.category_id, stream.category = broadcast.label
        stream.language, stream.seen_at = broadcast.language, broadcast.seen_at
        after = _values(stream, _STREAM)
        self.ended += was_live and stream.ended_at is not None
        if is_new or before != after:
            self.streams.append(stream)
        if is_new or before[:3] != after[:3]:
            self._touch(key, known)

    def _add_segments(self, known: _Known, broadcast: Broadcast) -> None:
        key = broadcast.twitch_ids[0]
        stored = {at: segment for (pk, at), segment in known.segments.items() if pk == key}
        told = [
            StreamSegment(stream_id=key, started_at=started_at, ended_at=ended_at, **label._asdict())
            for started_at, ended_at, label in broadcast.segments
        ]
        if _joined(stored.values()) != _joined(told):
            self._touch(key, known)
        for new in told:
            old = stored.pop(new.started_at, None)
            if old is None or _values(old, _SEGMENT) != _values(new, _SEGMENT):
                self.segments.append(new)
        self.surplus += [segment.pk for segment in stored.values()]

    def _touch(self, key: str, known: _Known) -> None:
        """Another time on air is another time to watch in, and to be counted; another title is not."""
        self.touched.add(known.reports[0].channel_id)
        self.touched_streams.add(key)

    def write(self) -> None:
        for move in self.moves:
            move.write()
        # One that ended goes first: a channel has one that is live.
        self.streams.sort(key=lambda stream: (stream.ended_at is None, stream.pk))
        Stream.objects.bulk_create(self.streams, update_conflicts=True, unique_fields=["id"], update_fields=_STREAM)
        if self.surplus:
            StreamSegment.objects.filter(pk__in=self.surplus).delete()
        StreamSegment.objects.bulk_create(
            self.segments, update_conflicts=True, unique_fields=["stream", "started_at"], update_fields=_SEGMENT
        )
        if self.touched_streams:
            with connection.cursor() as cursor:
                cursor.execute(_WRITE_OFF_AIR, [sorted(self.touched_streams)])
            # What was counted of them is of other times than theirs now. Live ones are counted soon anyway.
            past = Stream.objects.filter(pk__in=self.touched_streams, ended_at__isnull=False)
            past.exclude(counted_at=None).update(counted_at=None)


def _values(row: models.Model, names: Iterable[str]) -> list[object]:
    return [getattr(row, name) for name in names]


@dataclass
class _Move:
    """Streams that turn out to be one, or several, or to have begun under another id: what is about them follows."""

    affected: list[Stream]
    targets: list[Broadcast]

    def write(self) -> None:
        keys = [target.twitch_ids[0] for target in self.targets]
        channel, pks = self.affected[0].channel_id, [stream.pk for stream in self.affected]
        Stream.objects.bulk_create(
            [
                Stream(id=key, channel_id=channel, started_at=target.started_at, ended_at=target.started_at)
                for key, target in zip(keys, self.targets, strict=True)
            ],
            ignore_conflicts=True,
        )
        ends = [*(target.started_at for target in self.targets[1:]), None]
        spans = list(zip(keys, [LONG_AGO, *ends[:-1]], ends, strict=True))
        for relation in Stream._meta.related_objects:  # noqa: SLF001 (public, whatever its name)
            _follow(relation.related_model, pks, spans)
        self._hand_on_presence(keys)
        Stream.objects.filter(pk__in=set(pks) - set(keys)).delete()

    def _hand_on_presence(self, keys: list[str]) -> None:
        """Open sessions are proven and credited as the last of these streams was, whichever of them they are in now:
        what lies beyond its end is taken back when they are settled."""
        proven = [stream for stream in self.affected if stream.presence_at]
        if proven:
            last = max(proven, key=lambda stream: stream.presence_at or LONG_AGO)
            Stream.objects.filter(pk__in=keys).update(
                presence_at=last.presence_at, presence_source=last.presence_source, credited_at=last.credited_at
            )


def _follow(model: Any, pks: list[str], spans: Iterable[tuple[str, datetime | None, datetime | None]]) -> None:
    """Give rows about these streams to the stream of their moment; what has none is counted anew."""
    rows = model.objects.filter(stream__in=pks)
    names = {field.name for field in model._meta.fields}  # noqa: SLF001 (public, whatever its name)
    moment = next((name for name in ("at", "started_at", "started_before") if name in names), None)
    if moment is None or model is StreamSegment:
        rows.delete()
        return
    for key, since, until in spans:
        during = rows.filter(**{f"{moment}__gte": since})
        if until:
            during = during.filter(**{f"{moment}__lt": until})
        during.update(stream=key)


def _move_of(known: _Known, told: Sequence[Broadcast], key_of: Mapping[str, str]) -> _Move | None:
    """What has to follow its stream elsewhere, if any; what then is gone is no longer known."""
    affected, keys = [], set()
    for stream in list(known.streams.values()):
        now = {key_of[twitch_id] for twitch_id in {stream.pk, *stream.twitch_ids} if twitch_id in key_of}
        if not now or now == {stream.pk}:
            continue
        affected.append(stream)
        keys |= now
        known.segments = {place: segment for place, segment in known.segments.items() if place[0] != stream.pk}
        if stream.pk not in key_of.values():
            del known.streams[stream.pk]
    if not affected:
        return None
    return _Move(affected, [broadcast for broadcast in told if broadcast.twitch_ids[0] in keys])
