"""Puts raw IRC lines from a file, or anywhere else, through the same store that live chat goes through."""

import gzip
import hashlib
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from itertools import islice
from pathlib import Path

from chat.ingest.batch import read_lines
from chat.ingest.store import Store
from chat.models import Replay

LINES_AT_ONCE = 4000
FINGERPRINT_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
# What reading a file that is not as it should be may raise.
DAMAGE = (OSError, EOFError, zlib.error)


@dataclass(slots=True)
class ReplayResult:
    """What became of the lines."""

    lines: int = 0
    skipped: int = 0
    messages: int = 0
    dead: int = 0
    expired: int = 0


def replay_lines(
    lines: Iterable[bytes],
    *,
    source: str,
    store: Store | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
    on_new_channels: Callable[[list[int]], None] = lambda channels: None,
    progress: Replay | None = None,
) -> ReplayResult:
    """Store lines, going on after those that `progress` says are done. Running it again changes nothing.

    `on_new_channels` hears the keys of channels before their first line is stored, so that it can see
    to their emote sets; `on_progress` hears how many lines are done.
    """
    store = store or Store()
    store.load_all_sets()
    result = ReplayResult(skipped=progress.lines_done if progress else 0)
    number = result.skipped
    remaining = islice(iter(lines), number, None)
    for batch in _batches(remaining):
        now_ms = time.time_ns() // 1_000_000
        read = read_lines(source, "irc", now_ms, (line.rstrip(b"\r\n") for line in batch), number)
        if new := store.meet(read):
            on_new_channels(new)
            store.load_all_sets()
        stored = store.write(read)
        number += len(batch)
        result.lines += len(batch)
        result.messages += stored.messages
        result.dead += stored.dead
        result.expired += stored.expired
        if progress:
            progress.lines_done = number
            progress.save(update_fields=["lines_done", "updated_at"])
        on_progress(number)
    return result


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Cut lines into batches. What stands before damage comes out before the damage is told."""
    batch: list[bytes] = []
    try:
        for line in lines:
            batch.append(line)
            if len(batch) == LINES_AT_ONCE:
                yield batch
                batch = []
    except DAMAGE:
        yield batch
        raise
    if batch:
        yield batch


class ReplayFile:
    """A file of raw lines, plain or gzipped, or standard input if the name is `-`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.size = None if name == "-" else Path(name).stat().st_size
        # Opened by number, standard input is buffered like a file, so that its beginning can be looked at.
        self._file: BufferedReader = open(0 if name == "-" else name, "rb", closefd=name != "-")  # noqa: SIM115
        self._is_gzip = self._file.peek(2)[:2] == GZIP_MAGIC

    def digest(self) -> str:
        """Tells files apart by how they begin and how long they are."""
        with Path(self.name).open("rb") as file:
            return hashlib.sha256(file.read(FINGERPRINT_BYTES) + str(self.size).encode()).hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        if self._is_gzip:
            return iter(gzip.GzipFile(fileobj=self._file))
        return iter(self._file)

    def position(self) -> int:
        """Bytes of the file read so far."""
        return self._file.tell() if self._file.seekable() else 0

    def close(self) -> None:
        if self.name != "-":
            self._file.close()
