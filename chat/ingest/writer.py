"""The writer: takes raw lines off the queue, and acknowledges them once Postgres has committed them.

Two threads share the work: one reads lines and finds out what they mean while the other waits for
Postgres with the batch before. Batches are committed in the order in which they were read.
"""

import queue
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import NamedTuple, TypeVar

import redis
import structlog
from django.db import Error as DatabaseError
from django.db import connection
from redis.exceptions import RedisError

from chat import partitions
from chat.ingest import live
from chat.ingest.batch import Line, read_lines
from chat.ingest.emoteupdates import EmoteUpdates
from chat.ingest.queue import Entry, LineGroup
from chat.ingest.store import Prepared, Store, is_away
from chat.ingest.transaction import Stored

log = structlog.get_logger(__name__)

LINES_AT_ONCE = 10_000
BLOCK_MS = 200
# Entries that another writer has held for so long are taken over.
ABANDONED_MS = 60_000
RETRY_FIRST, RETRY_LAST = 0.1, 2.0
MOST_DOUBLINGS = 10  # past the thousandth the number would be none any more
TELL_EVERY = 30

T = TypeVar("T")


class ReadBatch(NamedTuple):
    """Entries of the queue, and what is to be committed of them."""

    ids: list[bytes]
    prepared: Prepared


class Writer:
    """Moves lines from the queue to the store until it is told to stop."""

    def __init__(self, group: LineGroup, client: "redis.Redis", store: Store, updates: EmoteUpdates) -> None:
        self.group = group
        self.client = client
        self.store = store
        self.updates = updates
        self._ready: queue.Queue[ReadBatch | None] = queue.Queue(maxsize=1)
        self._committed: queue.SimpleQueue[list[bytes]] = queue.SimpleQueue()
        self._is_over = threading.Event()
        self._failure: BaseException | None = None

    def run(self, stop: threading.Event) -> None:
        """Write until `stop`; what was read by then is still written."""
        reader = threading.Thread(target=self._read, args=(stop,), name="queue reader")
        reader.start()
        try:
            if self._persist(lambda: partitions.make(partitions.coming(datetime.now(UTC))), stop) is not None:
                self._write_all(stop)
        finally:
            stop.set()
            self._is_over.set()
            reader.join()
        self._acknowledge()
        if self._failure:
            raise self._failure

    # The reading thread: the only one that talks to the group.

    def _read(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                self._acknowledge()
                entries = self.group.read(LINES_AT_ONCE, BLOCK_MS) or self.group.claim(ABANDONED_MS)
                if entries and (batch := self._persist(partial(self._prepare, entries), stop)):
                    self._hand_over(batch)
        except BaseException as error:  # noqa: BLE001 - raised by the other thread, when it has seen the end
            self._failure = error
        finally:
            connection.close()
            self._hand_over(None)

    def _prepare(self, entries: Iterable[Entry]) -> ReadBatch:
        self.updates.apply(self.store)
        lines: list[Line] = []
        for entry in entries:
            lines += read_lines(entry.id.decode(), entry.source, entry.received_ms, entry.lines)
        return ReadBatch([entry.id for entry in entries], self.store.prepare(lines))

    def _hand_over(self, batch: ReadBatch | None) -> None:
        while not self._is_over.is_set():
            try:
                self._ready.put(batch, timeout=0.5)
            except queue.Full:
                continue
            return

    def _acknowledge(self) -> None:
        ids: list[bytes] = []
        while not self._committed.empty():
            ids += self._committed.get()
        if ids:
            self.group.ack(ids)

    # The writing thread: the only one that commits lines.

    def _write_all(self, stop: threading.Event) -> None:
        while (batch := self._ready.get()) is not None:
            stored = self._persist(partial(self.store.commit, batch.prepared), stop)
            if stored is None:
                return  # not acknowledged: the next writer gets it
            self._committed.put(batch.ids)
            self._publish(stored)

    def _persist(self, deed: Callable[[], T], stop: threading.Event) -> T | None:
        """Do something with Postgres, however long it is away; None if it still was at the stop."""
        for attempt in count():
            try:
                result = deed()
            except DatabaseError as error:
                if not is_away(error):
                    raise
                connection.close()
                if attempt % TELL_EVERY == 0:
                    log.error("postgres.away", error=str(error).strip().splitlines()[0])
                if stop.wait(min(RETRY_FIRST * 2 ** min(attempt, MOST_DOUBLINGS), RETRY_LAST)):
                    return None
                continue
            if attempt:
                self.store.forget()
                log.info("postgres.back")
            return result
        return None

    def _publish(self, stored: Stored) -> None:
        try:
            live.publish(self.client, stored.channels, datetime.now(UTC))
        except (RedisError, OSError) as error:
            log.warning("live.unpublished", error=str(error))  # pages show it with the next batch
