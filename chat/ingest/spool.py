"""Lines on disk for the time that Redis is away: appended, read back in order, then truncated.

File: 8 bytes offset of the first record not yet handed over, then records. Record: length of the payload,
time received, CRC-32 of both and the payload, payload. SIGKILL or a power cut can tear only the last record.
"""

import fcntl
import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import structlog

log = structlog.get_logger(__name__)

START = struct.Struct("<Q")
HEAD = struct.Struct("<IQI")
LONGEST_PAYLOAD = 64 * 1024 * 1024


class Batch(NamedTuple):
    """Lines that were received together, joined by a line feed."""

    received_ms: int
    payload: bytes


class Place:
    """A numbered place in a folder, held by one process at a time: the same number after a restart."""

    def __init__(self, folder: Path, role: str, number: int, lock: int) -> None:
        self.folder = folder
        self.role = role
        self.number = number
        self._lock = lock

    @classmethod
    def take(cls, folder: Path, role: str) -> "Place":
        """Take the lowest place that is free."""
        number = 0
        while (place := cls.take_number(folder, role, number)) is None:
            number += 1
        return place

    @classmethod
    def take_number(cls, folder: Path, role: str, number: int) -> "Place | None":
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / f"{role}-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel lets go when the process dies
        except BlockingIOError:
            os.close(lock)
            return None
        return cls(folder, role, number, lock)

    @classmethod
    def take_abandoned(cls, folder: Path, role: str) -> "list[Place]":
        """Take the places whose spool holds something that nobody is there to hand over."""
        filled = (path for path in sorted(folder.glob(f"{role}-*.spool")) if path.stat().st_size > START.size)
        numbers = (int(path.stem.rpartition("-")[2]) for path in filled)
        return [place for number in numbers if (place := cls.take_number(folder, role, number))]

    def path(self, suffix: str) -> Path:
        return self.folder / f"{self.role}-{self.number}.{suffix}"

    def release(self) -> None:
        os.close(self._lock)

    def __str__(self) -> str:
        return f"{self.role}-{self.number}"


class Spool:
    """An append-only file of batches, with a mark for what has been handed over."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.path = place.path("spool")
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._start = self._read_start()
        self._end = self._find_end()

    def __bool__(self) -> bool:
        """Whether something waits to be handed over."""
        return self._start < self._end

    @property
    def size(self) -> int:
        return self._end - self._start

    def append(self, batches: list[Batch]) -> None:
        """Write batches at the end and wait for the disk; on an error none of them is in the spool."""
        data = b"".join(_record(batch) for batch in batches)
        try:
            _write_all(self._file, data, self._end)
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._end += len(data)

    def batches(self) -> Iterator[tuple[int, Batch]]:
        """Give each waiting batch with the mark that `done_to` takes once it has been handed over."""
        position = self._start
        while position < self._end:
            batch = self._read(position)
            if batch is None:  # it could be read when it was written: the disk is failing
                self._set_aside(position, self._end - position)
                self._end = position
                return
            position += HEAD.size + len(batch.payload)
            yield position, batch

    def done_to(self, mark: int) -> None:
        """Remember what was handed over; give the disk space back when that is all."""
        if mark >= self._end:
            mark = self._end = START.size
            _write_all(self._file, START.pack(mark), 0)
            os.ftruncate(self._file, mark)
        else:
            _write_all(self._file, START.pack(mark), 0)
        self._start = mark

    def close(self) -> None:
        """Let another process have the file and its place."""
        os.close(self._file)
        self.place.release()

    def _read_start(self) -> int:
        head = os.pread(self._file, START.size, 0)
        if len(head) == START.size:
            return int(START.unpack(head)[0])
        _write_all(self._file, START.pack(START.size), 0)
        return START.size

    def _find_end(self) -> int:
        position = self._start
        while (batch := self._read(position)) is not None:
            position += HEAD.size + len(batch.payload)
        torn = os.fstat(self._file).st_size - position
        if torn > 0:
            self._set_aside(position, torn)
        return position

    def _set_aside(self, position: int, length: int) -> None:
        """Keep what cannot be read beside the spool, so that appending does not write over it."""
        aside = self.path.with_suffix(".torn")
        with self.path.open("rb") as source, aside.open("ab") as target:
            source.seek(position)
            shutil.copyfileobj(source, target)
        os.ftruncate(self._file, position)
        log.error("spool.torn", spool=str(self.path), bytes=length, kept_in=str(aside))

    def _read(self, position: int) -> Batch | None:
        head = os.pread(self._file, HEAD.size, position)
        if len(head) < HEAD.size:
            return None
        length, received_ms, checksum = HEAD.unpack(head)
        if not 0 < length <= LONGEST_PAYLOAD:  # zeros are what a power cut can leave
            return None
        payload = os.pread(self._file, length, position + HEAD.size)
        if len(payload) < length or _checksum(received_ms, payload) != checksum:
            return None
        return Batch(received_ms, payload)


def _record(batch: Batch) -> bytes:
    checksum = _checksum(batch.received_ms, batch.payload)
    return HEAD.pack(len(batch.payload), batch.received_ms, checksum) + batch.payload


def _checksum(received_ms: int, payload: bytes) -> int:
    return zlib.crc32(payload, received_ms & 0xFFFFFFFF)


def _write_all(file: int, data: bytes, position: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, position)
        view, position = view[written:], position + written
