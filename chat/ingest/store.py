"""Writes batches of lines to Postgres: rows first, then counters for the rows that were new, in one transaction.

The same line may come any number of times, in any order, from any number of writers: what is stored
and counted is the same.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import structlog
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)
from psycopg.errors import ReadOnlySqlTransaction

from chat import partitions
from chat.emotesets import load_cheers, load_entries
from chat.ingest.batch import Batch, Dead, Line, sort_lines
from chat.ingest.emotes import EmoteIndex, EmoteKey, SetRow, find_emotes
from chat.ingest.rooms import Rooms
from chat.ingest.rows import moment
from chat.ingest.transaction import Stored, Transaction, insert_dead
from chat.models import Emote
from viewers.unkept import Unkept

log = structlog.get_logger(__name__)

MS_PER_DAY = 86_400_000
# How long messages wait in the default partition when somebody who reads stopped the making of their month.
MONTHS_AGAIN = timedelta(minutes=1)


class Prepared(NamedTuple):
    """Lines that only have to be committed: sorted, with the keys of their rooms and of the emotes they show."""

    lines: Sequence[Line]
    batch: Batch
    rooms: Rooms
    emotes: dict[tuple[str, str], list[int]]
    failure: Exception | None = None
    """Why they could not be prepared: one of them is to blame, and is found when they are committed."""


class Store:
    """The one door to the tables of chat. One thread may prepare lines while another commits."""

    def __init__(self, sets: Mapping[str | None, Sequence[SetRow]] | None = None) -> None:
        """Use these emote sets, by room, instead of those the database has."""
        self.index = EmoteIndex()
        self._sets = sets
        self._make_months_from = datetime.min.replace(tzinfo=UTC)
        self.rooms = Rooms()
        self.unkept = Unkept()
        self._emotes: dict[EmoteKey, int] = {}
        self._months: set[date] = set()
        self._preparing = threading.RLock()

    def load_all_sets(self) -> None:
        """Load the emote sets of everywhere and of every room met so far, as the database has them."""
        self.load_set(None)
        for key in self.rooms.all_keys():
            self.load_set(key)

    def load_set(self, channel_id: int | None) -> None:
        """Load the emote sets of one channel, or of everywhere; rooms not met yet are loaded when they are."""
        room_id = None if channel_id is None else self.rooms.room_of(channel_id)
        if channel_id is None or room_id is not None:
            with self._preparing:
                if self._sets is None:
                    self.index.load(room_id, load_entries(channel_id), load_cheers(channel_id))
                else:
                    self.index.load(room_id, self._sets.get(room_id, ()))

    def meet(self, lines: Sequence[Line]) -> list[int]:
        """Learn the channels that lines speak of; return the keys of those not met before."""
        new: list[int] = []
        for room_id, login in sort_lines(lines).rooms.items():
            with suppress(DataError, IntegrityError, ValueError):  # its lines are buried when they are to be stored
                new += self._meet({room_id: login})
        return new

    def _meet(self, rooms: dict[str, str]) -> list[int]:
        new = [self.rooms.key(room_id) for room_id in self.rooms.learn(rooms)]
        for room_id in rooms:
            if not self.index.knows(room_id):
                self.load_set(self.rooms.key(room_id))
        return new

    def forget(self) -> None:
        """Ask the database again for every key: it may be another one now, that lacks the newest rows."""
        with self._preparing:
            self.rooms = Rooms()
            self.unkept = Unkept()
            self._emotes = {}
            self._months = set()

    def write(self, lines: Sequence[Line]) -> Stored:
        """Store lines."""
        return self.commit(self.prepare(lines))

    def prepare(self, lines: Sequence[Line]) -> Prepared:
        """Find out all that can be known of lines beforehand; what is new of it is written down, and stays."""
        batch = sort_lines(lines)
        with self._preparing:
            try:
                self._meet(batch.rooms)
                self._make_partitions(batch)
                return Prepared(lines, batch, self.rooms, self._find_emotes(batch))
            except Exception as error:
                if is_away(error):
                    raise
                return Prepared(lines, batch, self.rooms, {}, error)

    def commit(self, prepared: Prepared) -> Stored:
        """Store lines. One that cannot be stored is found by halving, and buried; the others are stored."""
        try:
            return self._commit(prepared)
        except Exception as error:
            if is_away(error):
                raise
            return self._commit_halves(prepared.lines, error)

    def _commit(self, prepared: Prepared) -> Stored:
        if prepared.failure is not None:
            raise prepared.failure
        with transaction.atomic(), connection.cursor() as cursor:
            stored = Transaction(cursor, prepared.rooms, prepared.batch, prepared.emotes, self.unkept).run()
        stored.lines = len(prepared.lines)
        return stored

    def _commit_halves(self, lines: Sequence[Line], error: Exception) -> Stored:
        self.forget()  # what failed may be a key that no longer holds, and then no line is to blame
        if len(lines) == 1:
            return self._retry(lines[0], error)
        middle = len(lines) // 2
        stored = self.write(lines[:middle])
        stored.add(self.write(lines[middle:]))
        return stored

    def _retry(self, line: Line, error: Exception) -> Stored:
        """Try a line once more with nothing remembered, then bury it."""
        try:
            return self._commit(self.prepare([line]))
        except Exception as last:
            if is_away(last):
                raise
            return self._bury(line, error)

    def _bury(self, line: Line, error: Exception) -> Stored:
        reason = str(error).splitlines()[0] if isinstance(error, DatabaseError) else f"{type(error).__name__}: {error}"
        is_refused = isinstance(error, DataError | IntegrityError)
        log.warning("line.refused", source=line.source, reason=reason, exc_info=None if is_refused else error)
        with transaction.atomic(), connection.cursor() as cursor:
            insert_dead(cursor, [Dead(line, reason)], self.unkept.read(cursor))
        return Stored(lines=1, dead=1)

    def _find_emotes(self, batch: Batch) -> dict[tuple[str, str], list[int]]:
        """Emote keys used in every message that shows any."""
        found: dict[tuple[str, str], list[EmoteKey]] = {}
        for key, message in batch.messages.items():
            room_id = message.source_room_id or message.room_id
            if message.bits:
                names = self.index.names_beside_cheers(room_id, message.sent_ms, message.text)
            else:
                names = self.index.names(room_id, message.sent_ms)
            emotes = find_emotes(message.text, message.emotes, names)
            if emotes:
                found[key] = emotes
        known = self._emotes
        unknown = {emote for emotes in found.values() for emote in emotes if emote not in known}
        if unknown:
            self._learn_emotes(unknown)
        return {key: [known[emote] for emote in emotes] for key, emotes in found.items()}

    def _learn_emotes(self, unknown: set[EmoteKey]) -> None:
        """Find or make the rows of emotes not met before. On its own: it stays if the batch fails."""
        first_names = {(provider, emote_id): name for provider, emote_id, name in sorted(unknown)}
        Emote.objects.bulk_create(
            [
                Emote(provider=provider, provider_id=emote_id, name=name[:128])
                for (provider, emote_id), name in first_names.items()
            ],
            ignore_conflicts=True,
        )
        rows = Emote.objects.filter(provider_id__in={emote_id for _, emote_id in first_names})
        keys = {
            (provider, emote_id): key for key, provider, emote_id in rows.values_list("pk", "provider", "provider_id")
        }
        for emote in unknown:
            self._emotes[emote] = keys[emote[0], emote[1]]

    def _make_partitions(self, batch: Batch) -> None:
        """Make the months these messages belong to. Without one they wait in the default partition."""
        days = {message.sent_ms // MS_PER_DAY for message in batch.messages.values()}
        missing = {partitions.month_of(moment(day * MS_PER_DAY)) for day in days} - self._months
        now = datetime.now(UTC)
        if missing and now >= self._make_months_from:
            made = partitions.make(partitions.believable(missing, now))
            self._months |= missing.difference(made.busy)
            if made.busy:
                self._make_months_from = now + MONTHS_AGAIN


def is_away(error: Exception) -> bool:
    """Whether the database cannot be reached or written to, rather than refuses what it was given."""
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return isinstance(error.__cause__, ReadOnlySqlTransaction)  # a standby, while another server takes over
