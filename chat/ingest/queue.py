"""Raw lines in a Redis stream: readers append them, a group of writers reads and acknowledges them.

One stream entry is one batch of lines from one source. `LineQueue` is the reader's end (asyncio),
`LineGroup` the writers' (threads).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

import redis
import redis.asyncio
import structlog
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from chat.ingest.spool import Batch, Spool

log = structlog.get_logger(__name__)

STREAM = "streamstats:ingest"
GROUP = "writers"
ENTRIES_AT_ONCE = 64
# Repeats are decided here, where it is known what may be sent twice; the client must not wait on its own.
PATIENCE: dict[str, Any] = {"socket_connect_timeout": 2.0, "socket_timeout": 5.0}
LONGEST_BLOCK_MS = 2000

T = TypeVar("T")
Found: TypeAlias = "list[tuple[bytes, dict[bytes, bytes]]]"


class Entry(NamedTuple):
    """One stream entry: lines that one source received together."""

    id: bytes
    source: str
    received_ms: int
    lines: list[bytes]


class Loss(NamedTuple):
    """[start_ms, end_ms) of what was received and could be kept nowhere."""

    start_ms: int
    end_ms: int
    reason: str


class Limits(NamedTuple):
    entry_bytes: int = 64 * 1024
    entry_lines: int = 500
    entry_age: float = 0.02  # seconds a line may wait for company
    entries_at_once: int = 16
    memory_bytes: int = 32 * 1024 * 1024
    memory_age: float = 2.0  # seconds a line may be here only, where a SIGKILL would take it
    retry_base: float = 0.05
    retry_cap: float = 1.0


def connect_reader(url: str) -> "redis.asyncio.Redis":
    return redis.asyncio.Redis.from_url(url, retry=AsyncRetry(NoBackoff(), 0), **PATIENCE)


def connect_writer(url: str) -> "redis.Redis":
    return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **PATIENCE)


class LineQueue:
    """Takes lines without ever waiting and hands them to Redis in order; meanwhile memory, then the spool.

    All of them come from one source, and so does what is in the spool: a spool belongs to one role.
    """

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        spool: Spool,
        *,
        orphans: Sequence[Spool] = (),
        lost: Callable[[Loss], None],
        source: str = "irc",
        limits: Limits | None = None,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self.spool = spool
        self.lost = lost
        self.source = source
        self.limits = limits or Limits()
        self.wall = wall
        self.monotonic = monotonic
        self.waiting_bytes = 0
        self._orphans = list(orphans)
        self._sealed: deque[Batch] = deque()
        self._open: list[bytes] = []
        self._open_ms = 0
        self._open_bytes = self._open_lines = 0
        self._away_since: float | None = None
        self._delay = 0.0
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._closing = asyncio.Event()

    def put(self, payload: bytes, at_ms: int) -> None:
        """Take lines, joined by a line feed."""
        if not self._open:
            self._open_ms = at_ms
            self._arrived.set()
        self._open.append(payload)
        self._open_bytes += len(payload) + 1
        self._open_lines += payload.count(b"\n") + 1
        if self._open_bytes >= self.limits.entry_bytes or self._open_lines >= self.limits.entry_lines:
            self._seal()
            self._full.set()

    def unsafe_since(self) -> int | None:
        """When the oldest line was received that a SIGKILL now would lose; None: there is none."""
        if self._sealed:
            return self._sealed[0].received_ms
        return self._open_ms if self._open else None

    def close(self) -> None:
        """Let `run` come to its end: what is in memory goes to Redis, or else to the spool."""
        self._closing.set()
        self._arrived.set()
        self._full.set()

    async def run(self) -> None:
        while not self._closing.is_set():
            await self._gather()
            await self._hand_over()
        await self._finish()

    async def _gather(self) -> None:
        """Wait for a line, then a moment for more of them."""
        if self._has_spooled():
            return
        if not self._sealed:
            await self._arrived.wait()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), self.limits.entry_age)

    def _seal(self) -> None:
        if self._open:
            self._sealed.append(Batch(self._open_ms, b"\n".join(self._open)))
            self.waiting_bytes += self._open_bytes
            self._open = []
            self._open_bytes = self._open_lines = 0
            if not self._closing.is_set():
                self._arrived.clear()
                self._full.clear()

    async def _hand_over(self) -> None:
        """Move what waits one step on, oldest first."""
        try:
            if self._has_spooled():
                await self._drain_some()
            else:
                await self._send_sealed()
        except (RedisError, OSError) as error:
            await self._wait_for_redis(error)
        else:
            self._redis_is_back()
        if self._is_too_much_to_hold():
            await self._spill()

    async def _send_sealed(self) -> None:
        if len(self._sealed) < self.limits.entries_at_once:
            self._seal()
        batches = [self._sealed[n] for n in range(min(len(self._sealed), self.limits.entries_at_once))]
        taken, error = await self._send(batches)
        for _ in range(taken):
            self.waiting_bytes -= len(self._sealed.popleft().payload) + 1
        if error:
            raise error

    async def _drain_some(self) -> None:
        """Hand over the oldest batches of the first spool that has any."""
        spool = next(spool for spool in (*self._orphans, self.spool) if spool)
        marked = await asyncio.to_thread(_first_batches, spool, self.limits.entries_at_once)
        taken, error = await self._send([batch for _, batch in marked])
        if taken:
            spool.done_to(marked[taken - 1][0])
            if not spool:
                log.info("queue.spool_drained", spool=str(spool.path))
                if spool in self._orphans:
                    self._orphans.remove(spool)
                    spool.close()
        if error:
            raise error

    async def _send(self, batches: list[Batch]) -> tuple[int, Exception | None]:
        """Append batches to the stream; how many were taken before the first refusal, and that."""
        if not batches:
            return 0, None
        pipeline = self.client.pipeline(transaction=False)
        for batch in batches:
            pipeline.xadd(STREAM, {"source": self.source, "at": batch.received_ms, "lines": batch.payload})
        for taken, answer in enumerate(await pipeline.execute(raise_on_error=False)):
            if isinstance(answer, Exception):
                return taken, answer
        return len(batches), None

    def _redis_is_back(self) -> None:
        if self._away_since is not None:
            log.info("queue.redis_back", after_s=round(self.monotonic() - self._away_since, 1))
        self._away_since = None
        self._delay = 0.0

    async def _wait_for_redis(self, error: Exception) -> None:
        if self._away_since is None:
            self._away_since = self.monotonic()
            log.error("queue.redis_away", error=str(error))
        self._delay = min(max(self._delay * 2, self.limits.retry_base), self.limits.retry_cap)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), self._delay)

    def _has_spooled(self) -> bool:
        return bool(self.spool) or any(self._orphans)

    def _is_too_much_to_hold(self) -> bool:
        since = self.unsafe_since()
        is_old = since is not None and self.wall() - since / 1000 > self.limits.memory_age
        return is_old or self.waiting_bytes + self._open_bytes > self.limits.memory_bytes

    async def _spill(self) -> None:
        """Move everything from memory to the spool; what fits nowhere is lost, and that is said."""
        self._seal()
        batches = list(self._sealed)
        if not batches:
            return
        if not self.spool:
            log.warning("queue.spooling", spool=str(self.spool.path))
        try:
            await asyncio.to_thread(self.spool.append, batches)
        except OSError as error:
            if self.waiting_bytes <= self.limits.memory_bytes and not self._closing.is_set():
                log.error("queue.spool_failed", error=str(error))
                return
            self._lose(batches, error)
        self._forget(len(batches))

    def _lose(self, batches: list[Batch], error: OSError) -> None:
        lines = sum(batch.payload.count(b"\n") + 1 for batch in batches)
        log.critical("queue.lines_lost", lines=lines, error=str(error))
        following = self._sealed[len(batches)].received_ms if len(self._sealed) > len(batches) else None
        end_ms = following or (self._open_ms if self._open else int(self.wall() * 1000))
        self.lost(Loss(batches[0].received_ms, end_ms, f"no room to keep lines: {error.strerror or error}"))

    def _forget(self, batches: int) -> None:
        for _ in range(batches):
            self.waiting_bytes -= len(self._sealed.popleft().payload) + 1

    async def _finish(self) -> None:
        """Empty memory: to Redis as long as it takes lines, else to the spool."""
        try:
            while not self._has_spooled() and (self._sealed or self._open):
                await self._send_sealed()
        except (RedisError, OSError) as error:
            log.warning("queue.rest_spooled", error=str(error))
        await self._spill()


def _first_batches(spool: Spool, count: int) -> list[tuple[int, Batch]]:
    return [marked for marked, _ in zip(spool.batches(), range(count), strict=False)]


class LineGroup:
    """One writer's place in the group that shares the stream. Outlives restarts of Redis, even empty ones."""

    def __init__(self, client: "redis.Redis", consumer: str) -> None:
        self.client = client
        self.consumer = consumer
        self._ahead: deque[Entry] = deque()  # read, not given out yet
        self._held: set[bytes] = set()  # read, not acknowledged yet
        self._done: list[bytes] = []  # committed, but Redis does not know yet
        self._pending_after: bytes | None = b"0"  # None: all we ever read is in `_held`
        self._claim_from: bytes = b"0-0"
        self._is_away = False
        self._had_group = False

    def read(self, max_lines: int, block_ms: int) -> list[Entry]:
        """Return whole entries of about `max_lines` lines: what is there, waiting only for the first."""
        self.ack(())
        lines = sum(len(entry.lines) for entry in self._ahead)
        while lines < max_lines:
            more = self._ask(partial(self._read_more, 0 if lines else block_ms), wait_ms=0 if lines else block_ms)
            if not more:
                break
            lines += sum(len(entry.lines) for entry in more)
            self._ahead.extend(more)
        return self._give_out(max_lines)

    def claim(self, idle_ms: int) -> list[Entry]:
        """Take over some of what other writers read and left lying for so long."""
        return self._ask(partial(self._claim, idle_ms)) or []

    def ack(self, ids: Iterable[bytes]) -> None:
        """Take committed entries out of the stream, now or when Redis is back."""
        self._done.extend(ids)
        if self._done:
            self._ask(self._acknowledge)

    def backlog(self) -> int:
        """Entries that are not acknowledged, read or not. Raises while Redis is away."""
        return int(self.client.xlen(STREAM))

    def _give_out(self, max_lines: int) -> list[Entry]:
        entries: list[Entry] = []
        lines = 0
        while self._ahead and (not entries or lines + len(self._ahead[0].lines) <= max_lines):
            entries.append(self._ahead.popleft())
            lines += len(entries[-1].lines)
        return entries

    def _read_more(self, block_ms: int) -> list[Entry]:
        if self._pending_after is not None:
            entries = self._read_own_pending(self._pending_after)
            if entries:
                return entries
        return self._hold(self._read_group(b">", min(block_ms, LONGEST_BLOCK_MS) or None))

    def _read_own_pending(self, after: bytes) -> list[Entry]:
        """Read again what was given to this consumer before a restart, or in an answer that got lost."""
        while found := self._read_group(after, None):
            self._pending_after = after = found[-1][0]
            if entries := self._hold(found):
                return entries
        self._pending_after = None
        return []

    def _read_group(self, after: bytes, block_ms: int | None) -> Found:
        answer: Any = self.client.xreadgroup(
            GROUP, self.consumer, {STREAM: after}, count=ENTRIES_AT_ONCE, block=block_ms
        )
        return cast("Found", answer[0][1]) if answer else []

    def _claim(self, idle_ms: int) -> list[Entry]:
        answer: Any = self.client.xautoclaim(
            STREAM, GROUP, self.consumer, idle_ms, self._claim_from, count=ENTRIES_AT_ONCE
        )
        self._claim_from = answer[0]
        return self._hold(answer[1])

    def _acknowledge(self) -> None:
        # Not in a transaction: a full Redis refuses those, whatever is in them, and this is what makes room.
        with self.client.pipeline(transaction=False) as pipeline:
            # In this order: an entry that is pending and gone is passed over, one that nobody will read would stay.
            pipeline.xdel(STREAM, *self._done)  # the stream holds what is not committed yet, and nothing else
            pipeline.xack(STREAM, GROUP, *self._done)
            pipeline.execute()
        self._held.difference_update(self._done)
        self._done.clear()

    def _hold(self, found: Found) -> list[Entry]:
        """Keep what is new to us: an own entry can be read and claimed twice, a deleted one has no fields."""
        entries = [_entry(id_, fields) for id_, fields in found if id_ and fields and id_ not in self._held]
        self._held.update(entry.id for entry in entries)
        return entries

    def _ask(self, action: Callable[[], T], wait_ms: int = 0) -> T | None:
        """Do something with Redis; None while it is away, after a wait as long as reading would have taken."""
        try:
            result = self._with_group(action)
        except (RedisError, OSError) as error:
            # An answer may have been lost with entries in it: they are pending, and must be read again.
            self._pending_after = b"0"
            if not self._is_away:
                log.error("queue.redis_away", error=str(error))
            self._is_away = True
            time.sleep(wait_ms / 1000)
            return None
        if self._is_away:
            log.info("queue.redis_back")
            self._is_away = False
        self._had_group = True
        return result

    def _with_group(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
        if self._had_group:
            log.warning("queue.group_gone", stream=STREAM, hint="Redis lost its data; making the group again")
            self._held.clear()  # a new entry can have the id of one that is gone
        with suppress(ResponseError):  # BUSYGROUP: another writer was quicker
            self.client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        return action()


def _entry(id_: bytes, fields: dict[bytes, bytes]) -> Entry:
    return Entry(id_, fields[b"source"].decode(), int(fields[b"at"]), fields[b"lines"].split(b"\n"))
