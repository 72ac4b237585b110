"""Which times of a channel somebody received, and so which times are missing.

Every reader writes down, for each channel, the spans in which lines are known to have arrived and to be
safe. A gap is what lies between the spans of all readers together: nobody has to remember that it began.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, cast

import redis.asyncio
import structlog
from redis.exceptions import RedisError, WatchError

from chat.ingest.queue import STREAM, Loss
from chat.ingest.sockets import Presence

log = structlog.get_logger(__name__)

KEY = "streamstats:ingest:coverage:{}"
DECIDED = b"decided"
SPANS_KEPT = 32
SHORTEST_GAP_MS = 1000
HEARTBEAT = 2.0
SETTLE_MS = 6000  # three heartbeats: whoever is alive has written by then
GONE_MS = 24 * 3600 * 1000
NOBODY_KNOWS = "the reader was not running"


class Span(NamedTuple):
    """[start_ms, end_ms) in which lines were received and kept, and why it ended (empty: unknown, or it has not)."""

    start_ms: int
    end_ms: int
    reason: str = ""


class Record(NamedTuple):
    """What one reader says about one channel."""

    written_ms: int
    is_open: bool  # the last span goes on
    spans: tuple[Span, ...]

    def dumps(self) -> str:
        return json.dumps([self.written_ms, self.is_open, self.spans], separators=(",", ":"))

    @classmethod
    def loads(cls, text: bytes) -> "Record":
        written_ms, is_open, spans = json.loads(text)
        return cls(written_ms, is_open, tuple(Span(*span) for span in spans))


def union(spans: Iterable[Span]) -> list[Span]:
    """Join spans that touch or overlap; the reason is that of the end which is kept."""
    joined: list[Span] = []
    for span in sorted(spans):
        last = joined[-1] if joined else None
        if last is None or span.start_ms > last.end_ms:
            joined.append(span)
        elif (span.end_ms, span.reason) > (last.end_ms, last.reason):
            joined[-1] = Span(last.start_ms, span.end_ms, span.reason)
    return joined


def without(spans: Iterable[Span], loss: Span) -> list[Span]:
    """Cut a loss out of spans; what stands before it ended for the loss's reason."""
    left: list[Span] = []
    for span in spans:
        if span.end_ms <= loss.start_ms or span.start_ms >= loss.end_ms:
            left.append(span)
            continue
        if span.start_ms < loss.start_ms:
            left.append(Span(span.start_ms, loss.start_ms, loss.reason))
        if span.end_ms > loss.end_ms:
            left.append(Span(loss.end_ms, span.end_ms, span.reason))
    return left


def until(spans: Iterable[Span], end_ms: int) -> list[Span]:
    """Cut off everything from a moment on."""
    return [span if span.end_ms <= end_ms else Span(span.start_ms, end_ms) for span in spans if span.start_ms < end_ms]


def horizon(records: Iterable[Record], now_ms: int) -> int:
    """Up to when it is certain who received what.

    A reader that is alive and connected may yet prove that it received what comes after its last proof.
    """
    unproven = [
        record.spans[-1].end_ms
        for record in records
        if record.is_open and record.spans and now_ms - record.written_ms < SETTLE_MS
    ]
    return min([now_ms - SETTLE_MS, *unproven])


def missing(records: Mapping[str, Record], decided_ms: int, now_ms: int) -> tuple[list[Span], int]:
    """Return the gaps that can be decided now and were not before, and up to when all is decided then."""
    spans = union(span for record in records.values() for span in record.spans)
    certain_ms = horizon(records.values(), now_ms)
    gaps = []
    for before, after in pairwise(spans):
        if after.start_ms > certain_ms:
            break
        if after.start_ms <= decided_ms:
            continue
        decided_ms = after.start_ms
        if after.start_ms - before.end_ms >= SHORTEST_GAP_MS:
            gaps.append(Span(before.end_ms, after.start_ms, before.reason or NOBODY_KNOWS))
    return gaps, decided_ms


class Ledger:
    """What this reader knows of its own coverage, channel by channel."""

    def __init__(self) -> None:
        self.channels: frozenset[str] = frozenset()
        self.past: dict[str, list[Span]] = {}
        self.losses: list[Span] = []

    def follow(self, channels: frozenset[str]) -> frozenset[str]:
        """Set the wanted channels; return those to be forgotten: what was not wanted was not missed."""
        gone = self.channels - channels
        self.channels = channels
        for channel in gone:
            self.past.pop(channel, None)
        return gone

    def left(self, presence: Presence) -> None:
        self.recall(presence.channel, [Span(presence.since_ms, presence.proof_ms, presence.reason)])

    def recall(self, channel: str, spans: Iterable[Span]) -> None:
        """Add spans of the past: of a connection that ended, or of an earlier run."""
        if channel in self.channels:
            self.past[channel] = union([*self.past.get(channel, []), *spans])[-SPANS_KEPT:]

    def lost(self, loss: Loss) -> None:
        self.losses = union([*self.losses, Span(*loss)])[-SPANS_KEPT:]

    def records(self, now_ms: int, present: Iterable[Presence], unsafe_since: int | None) -> dict[str, Record]:
        """Say for each wanted channel what was received and can no longer be lost."""
        live: dict[str, list[Span]] = {}
        for presence in present:
            live.setdefault(presence.channel, []).append(Span(presence.since_ms, presence.proof_ms))
        return {
            channel: Record(now_ms, channel in live, self._safe(channel, live.get(channel, []), unsafe_since))
            for channel in sorted(self.channels)
        }

    def _safe(self, channel: str, live: list[Span], unsafe_since: int | None) -> tuple[Span, ...]:
        spans = union([*self.past.get(channel, []), *live])
        for loss in self.losses:
            spans = without(spans, loss)
        if unsafe_since is not None:
            spans = until(spans, unsafe_since)
        return tuple(spans[-SPANS_KEPT:])


def is_outdated(record: Record, decided_ms: int, now_ms: int) -> bool:
    is_spent = not record.spans or record.spans[-1].end_ms <= decided_ms
    return is_spent and now_ms - record.written_ms > GONE_MS


def vouch(client: "redis.Redis", channel: str, reader: str, span: Span) -> None:
    """Write down what came in without a reader: from its end to where a reader begins there is a gap."""
    client.hset(KEY.format(channel), reader, Record(span.end_ms, is_open=False, spans=(span,)).dumps())


class Verdict(NamedTuple):
    """What can be said about one channel now."""

    gaps: tuple[Span, ...]
    decided_ms: int
    outdated: tuple[str, ...]  # readers that are long gone and have no say any more
    is_news: bool


class GapKeeper:
    """Writes this reader's coverage down every few seconds, and the gaps that follow from everybody's."""

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        reader: str,
        ledger: Ledger,
        file: Path,
        *,
        present: Callable[[], Iterable[Presence]],
        unsafe_since: Callable[[], int | None],
        orphans: Sequence[Path] = (),
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.client = client
        self.reader = reader
        self.ledger = ledger
        self.file = file
        self.files = [path for path in (file, *orphans) if path.exists()]
        self.present = present
        self.unsafe_since = unsafe_since
        self.wall = wall
        self._decide_from_ms = self._now_ms() + SETTLE_MS
        self._forgotten: set[str] = set()
        self._recalled: set[str] = set()
        self._is_following = False

    def follow(self, channels: frozenset[str]) -> None:
        gone = self.ledger.follow(channels)
        self._forgotten |= gone
        self._recalled -= gone
        if not self._is_following:
            self._is_following = True
            for file in self.files:
                self._recall_file(file)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self.beat()
            except Exception:
                log.exception("coverage.unwritten")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), HEARTBEAT)

    async def beat(self) -> None:
        """Write coverage, then decide about gaps; without Redis keep the coverage in a file."""
        if not self._is_following:
            return
        try:
            await self._recall()
            await self._write()
            if self._now_ms() >= self._decide_from_ms:
                await self._decide()
        except (RedisError, OSError) as error:
            log.debug("coverage.to_file", error=str(error))
            # The others may have been cut off as well: they get time to write once Redis is back.
            self._decide_from_ms = self._now_ms() + SETTLE_MS
            self._write_file()

    async def _recall(self) -> None:
        """Take up what an earlier run wrote, after forgetting what is to be forgotten."""
        pipeline = self.client.pipeline(transaction=False)
        channels = sorted(self.ledger.channels - self._recalled)
        for channel in self._forgotten:
            pipeline.delete(KEY.format(channel))
        for channel in channels:
            pipeline.hget(KEY.format(channel), self.reader)
        answers = await pipeline.execute()
        for channel, text in zip(channels, answers[len(self._forgotten) :], strict=True):
            if text:
                self.ledger.recall(channel, Record.loads(text).spans)
        self._forgotten.clear()
        self._recalled.update(channels)

    async def _write(self) -> None:
        pipeline = self.client.pipeline(transaction=False)
        for channel, record in self._records().items():
            pipeline.hset(KEY.format(channel), self.reader, record.dumps())
        await pipeline.execute()
        while self.files:
            self.files.pop().unlink(missing_ok=True)

    async def _decide(self) -> None:
        pipeline = self.client.pipeline(transaction=False)
        channels = sorted(self.ledger.channels)
        for channel in channels:
            pipeline.hgetall(KEY.format(channel))
        for channel, fields in zip(channels, await pipeline.execute(), strict=True):
            if self._verdict(fields).is_news:
                await self._settle(channel)

    async def _settle(self, channel: str) -> None:
        """Hand over a channel's gaps and remember that they are decided, both or neither."""
        key = KEY.format(channel)
        async with self.client.pipeline(transaction=True) as pipeline:
            await pipeline.watch(key)
            verdict = self._verdict(await cast("Awaitable[dict[bytes, bytes]]", pipeline.hgetall(key)))
            pipeline.multi()  # type: ignore[no-untyped-call]
            pipeline.hset(key, DECIDED, verdict.decided_ms)
            if verdict.outdated:
                pipeline.hdel(key, *verdict.outdated)
            if verdict.gaps:
                pipeline.xadd(STREAM, {"source": "gap", "at": self._now_ms(), "lines": _lines(channel, verdict.gaps)})
            try:
                await pipeline.execute()
            except WatchError:
                return  # another reader wrote meanwhile; the next heartbeat looks again
        for gap in verdict.gaps:
            log.warning("channel.gap", channel=channel, seconds=(gap.end_ms - gap.start_ms) / 1000, reason=gap.reason)

    def _verdict(self, fields: Mapping[bytes, bytes]) -> Verdict:
        decided_ms = int(fields.get(DECIDED, 0))
        records = {reader.decode(): Record.loads(text) for reader, text in fields.items() if reader != DECIDED}
        gaps, decided_to_ms = missing(records, decided_ms, self._now_ms())
        outdated = tuple(
            reader
            for reader, record in records.items()
            if reader != self.reader and is_outdated(record, decided_to_ms, self._now_ms())
        )
        return Verdict(tuple(gaps), decided_to_ms, outdated, decided_to_ms > decided_ms or bool(outdated))

    def _recall_file(self, file: Path) -> None:
        """Take up what an earlier run could not tell Redis any more."""
        try:
            kept = json.loads(file.read_bytes())
        except (OSError, ValueError) as error:
            log.error("coverage.file_unreadable", file=str(file), error=str(error))
            return
        for channel, spans in kept.items():
            self.ledger.recall(channel, [Span(*span) for span in spans])

    def _write_file(self) -> None:
        spans = {channel: record.spans for channel, record in self._records().items()}
        new = self.file.with_suffix(".new")
        try:
            new.write_text(json.dumps(spans))
            new.replace(self.file)
            self.files = [self.file]  # what the others said is in our ledger now
        except OSError as error:
            log.error("coverage.file_unwritten", file=str(self.file), error=str(error))

    def _records(self) -> dict[str, Record]:
        return self.ledger.records(self._now_ms(), self.present(), self.unsafe_since())

    def _now_ms(self) -> int:
        return int(self.wall() * 1000)


def _lines(channel: str, gaps: Iterable[Span]) -> bytes:
    return b"\n".join(
        json.dumps({"channel": channel, "from": gap.start_ms, "to": gap.end_ms, "reason": gap.reason}).encode()
        for gap in gaps
    )
