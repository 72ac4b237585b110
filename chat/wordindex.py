"""Indexes of the words of messages, made at night for what is no longer written.

Kept up while chat is stored, such an index takes an eighth of the ingest's speed. So months that are over have one of
all their messages, the present month one up to the last midnight, and whoever searches reads through the messages since
(see chat/search.py, docs/decisions/search.md). What comes late for a time that has an index goes into it by itself.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import structlog
from django.db import connection
from psycopg import sql

from chat import partitions

log = structlog.get_logger(__name__)

WORDS = "to_tsvector('simple', text)"
"""The words of a message, in any language as they are written."""

_EXISTING = """
SELECT of_table.relname, of_index.relname, pg_index.indisvalid, greatest(of_table.reltuples, 0)::bigint
FROM pg_inherits JOIN pg_index ON pg_index.indrelid = pg_inherits.inhrelid
JOIN pg_class of_table ON of_table.oid = pg_index.indrelid
JOIN pg_class of_index ON of_index.oid = pg_index.indexrelid
WHERE pg_inherits.inhparent = %s::regclass AND of_index.relname ~ '_words(_[0-9]{2})?$'
"""


class WordIndex(NamedTuple):
    """An index of the words of one month, of messages before `until`."""

    table: str
    month: date
    until: datetime

    @property
    def is_whole(self) -> bool:
        return self.until == partitions.bounds(self.month)[1]

    @property
    def name(self) -> str:
        return f"{self.table}_words" if self.is_whole else f"{self.table}_words_{self.until.day:02}"


def existing() -> list[tuple[WordIndex, int]]:
    """Those that can be used, with about how many messages their month has, the newest month first.

    Of each month the one that reaches furthest.
    """
    best: dict[date, tuple[WordIndex, int]] = {}
    for table, name, is_valid, rows in _found():
        index = _read(table, name)
        known = best.get(index.month)
        if is_valid and (known is None or known[0].until < index.until):
            best[index.month] = index, max(rows, 1)
    return [best[month] for month in sorted(best, reverse=True)]


def make(now: datetime, show: Callable[[WordIndex], None] = lambda index: None) -> int:
    """Make the indexes that are missing and drop those they replace; how many were made. Not in a transaction.

    Nobody who writes waits for it. Killed, it leaves an index that is not valid, which the next run makes anew.
    """
    made = 0
    for wanted in _wanted(now):
        there = {name: is_valid for table, name, is_valid, _ in _found() if table == wanted.table}
        if not there.get(wanted.name):
            show(wanted)
            _drop([wanted.name] if wanted.name in there else [])
            _create(wanted)
            made += 1
        _drop(name for name in there if name != wanted.name)
    return made


def missing(now: datetime) -> list[WordIndex]:
    """Those that `make` would make."""
    there = {name for _, name, is_valid, _ in _found() if is_valid}
    return [wanted for wanted in _wanted(now) if wanted.name not in there]


def _wanted(now: datetime) -> list[WordIndex]:
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    wanted = []
    for month, table in sorted(partitions.existing().items(), reverse=True):
        start, end = partitions.bounds(month)
        if (until := min(midnight, end)) > start:
            wanted.append(WordIndex(table, month, until))
    return wanted


def _read(table: str, name: str) -> WordIndex:
    """What the name of an index says."""
    month = partitions.month_in(table)
    start, end = partitions.bounds(month)
    days = name.removeprefix(f"{table}_words").removeprefix("_")
    return WordIndex(table, month, start + timedelta(days=int(days) - 1) if days else end)


def _found() -> list[tuple[str, str, bool, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_EXISTING, [partitions.PARENT])
        return list(cursor.fetchall())


def _create(index: WordIndex) -> None:
    until = sql.SQL("") if index.is_whole else sql.SQL(" WHERE sent_at < {}").format(sql.Literal(index.until))
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} USING gin ({}){}").format(
                sql.Identifier(index.name), sql.Identifier(index.table), sql.SQL(WORDS), until
            )
        )
        # What Postgres knows of the words of a table it learns from its indexes.
        cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(index.table)))
    log.info("words.indexed", index=index.name)


def _drop(names: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(name)))
