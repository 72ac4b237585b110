"""Writes batches of lines to Postgres: rows first, then counters for the rows that were new, in one transaction.

The same line may come any number of times, in any order, from any number of writers: what is stored
and counted is the same.
"""

import threading
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import structlog
from django.db import DataError, IntegrityError, connection, transaction

from chat import partitions
from chat.emotesets import load_entries
from chat.ingest.batch import Batch, Dead, Line, sort_lines
from chat.ingest.emotes import EmoteIndex, EmoteKey, find_emotes
from chat.ingest.rooms import Rooms
from chat.ingest.transaction import Stored, Transaction, insert_dead, moment
from chat.models import Emote

log = structlog.get_logger(__name__)

MS_PER_DAY = 86_400_000
# How long messages wait in the default partition when somebody who reads stopped the making of their month.
MONTHS_AGAIN = timedelta(minutes=1)


class Prepared(NamedTuple):
    """Lines that only have to be committed: sorted, with the keys of the emotes in every message that shows any."""

    lines: Sequence[Line]
    batch: Batch
    emotes: dict[tuple[str, str], list[int]]


class Store:
    """The one door to the tables of chat. One thread may prepare lines while another commits."""

    def __init__(self) -> None:
        self.index = EmoteIndex()
        self.rooms = Rooms()
        self._emotes: dict[EmoteKey, int] = {}
        self._months: set[date] = set()
        self._make_months_from = datetime.min.replace(tzinfo=UTC)
        self._preparing = threading.Lock()

    def load_all_sets(self) -> None:
        """Load the emote sets of everywhere and of every room met so far, as the database has them."""
        self.load_set(None)
        for key in self.rooms.all_keys():
            self.load_set(key)

    def load_set(self, channel_id: int | None) -> None:
        """Load the emote sets of one channel, or of everywhere; rooms not met yet are loaded when they are."""
        room_id = None if channel_id is None else self.rooms.room_of(channel_id)
        if channel_id is None or room_id is not None:
            self.index.load(room_id, load_entries(channel_id))

    def meet(self, lines: Sequence[Line]) -> list[int]:
        """Learn the channels that lines speak of; return the keys of those not met before."""
        return self._meet(sort_lines(lines))

    def _meet(self, batch: Batch) -> list[int]:
        new = [self.rooms.key(room_id) for room_id in self.rooms.learn(batch.rooms)]
        for key in new:
            self.load_set(key)
        return new

    def write(self, lines: Sequence[Line]) -> Stored:
        """Store lines."""
        return self.commit(self.prepare(lines))

    def prepare(self, lines: Sequence[Line]) -> Prepared:
        """Find out all that can be known of lines beforehand; what is new of it is written down, and stays."""
        batch = sort_lines(lines)
        with self._preparing:
            self._meet(batch)
            self._make_partitions(batch)
            return Prepared(lines, batch, self._find_emotes(batch))

    def commit(self, prepared: Prepared) -> Stored:
        """Store lines. One that Postgres refuses is found by halving, and buried; the others are stored."""
        lines = prepared.lines
        try:
            return self._commit(prepared)
        except (DataError, IntegrityError) as error:
            if len(lines) == 1:
                return self._bury(lines[0], error)
            middle = len(lines) // 2
            stored = self.write(lines[:middle])
            stored.add(self.write(lines[middle:]))
            return stored

    def _bury(self, line: Line, error: Exception) -> Stored:
        reason = str(error).splitlines()[0]
        log.warning("line.refused", source=line.source, reason=reason)
        with connection.cursor() as cursor:
            insert_dead(cursor, [Dead(line, reason)])
        return Stored(lines=1, dead=1)

    def _commit(self, prepared: Prepared) -> Stored:
        with transaction.atomic(), connection.cursor() as cursor:
            stored = Transaction(cursor, self.rooms, prepared.batch, prepared.emotes).run()
        stored.lines = len(prepared.lines)
        return stored

    def _find_emotes(self, batch: Batch) -> dict[tuple[str, str], list[int]]:
        """Emote keys used in every message that shows any."""
        found: dict[tuple[str, str], list[EmoteKey]] = {}
        for key, message in batch.messages.items():
            names = self.index.names(message.source_room_id or message.room_id, message.sent_ms)
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
