"""Monthly partitions of the messages: made ahead, and dropped when nobody may keep their text any longer."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import partial
from typing import NamedTuple

import structlog
from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql
from psycopg.errors import LockNotAvailable

from streams.locks import PARTITIONS

log = structlog.get_logger(__name__)

PARENT = "chat_message"
DEFAULT = "chat_message_default"
# Who waits to change a table makes everybody wait who comes after; not for longer than this.
PATIENCE = "2s"
TWITCH_BEGAN = date(2011, 6, 1)


class Outcome(NamedTuple):
    """What became of months: those that were made or dropped, and those that had to wait for somebody who reads."""

    done: list[date]
    busy: list[date]


def month_of(moment: datetime) -> date:
    return moment.astimezone(UTC).date().replace(day=1)


def next_month(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def name_of(month: date) -> str:
    return f"{PARENT}_y{month.year:04}m{month.month:02}"


def existing() -> dict[date, str]:
    """Months that have a partition, with its name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = %s::regclass AND c.relname <> %s",
            [PARENT, DEFAULT],
        )
        return {month_in(name): name for (name,) in cursor.fetchall()}


def month_in(name: str) -> date:
    """The month of a partition, by its name."""
    year, month = name.removeprefix(f"{PARENT}_y").split("m")
    return date(int(year), int(month), 1)


def coming(now: datetime, ahead: int = 3) -> list[date]:
    """This month and the next ones."""
    months = [month_of(now)]
    for _ in range(ahead):
        months.append(next_month(months[-1]))
    return months


def believable(months: Iterable[date], now: datetime) -> list[date]:
    """Months that chat can be from: since Twitch began, and not later than those that are made ahead.

    A file can say any time; what it says of other months waits in the default partition.
    """
    latest = coming(now)[-1]
    return sorted(month for month in months if TWITCH_BEGAN <= month <= latest)


def make(months: Iterable[date]) -> Outcome:
    """Make the partitions that are missing, moving in what waited in the default one."""
    return _each(set(months) - set(existing()), _make)


def drop(months: Iterable[date], may_drop: Callable[[date], bool] = lambda month: True) -> Outcome:
    """Drop whole months, text and all, of which `may_drop` still says so when nobody can write to them any more."""
    return _each(set(months) & set(existing()), partial(_drop, may_drop))


def _each(months: Iterable[date], deed: Callable[[date], bool]) -> Outcome:
    """Do something with months. The first that somebody holds on to ends it: the others would stop readers too."""
    left, done = sorted(months), []
    for number, month in enumerate(left):
        try:
            if deed(month):
                done.append(month)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            log.warning("partitions.busy", month=f"{month:%Y-%m}")
            return Outcome(done, left[number:])
    return Outcome(done, [])


@contextmanager
def _tables_locked(mode: str) -> Iterator[CursorWrapper]:
    """One partition at a time, and all take the table before its partitions, as those do who read and write."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PARTITIONS])
        cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
        cursor.execute(f"LOCK TABLE ONLY {PARENT} IN {mode} MODE")
        # Rows may not appear in the default partition while another takes over a part of it.
        cursor.execute(f"LOCK TABLE {DEFAULT} IN ACCESS EXCLUSIVE MODE")
        yield cursor


def _make(month: date) -> bool:
    """Make one partition; False where somebody else just did."""
    start, end = bounds(month)
    name, default = sql.Identifier(name_of(month)), sql.Identifier(DEFAULT)
    with _tables_locked("SHARE UPDATE EXCLUSIVE") as cursor:
        if _is_there(cursor, month):
            return False
        cursor.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(name, sql.Identifier(PARENT)))
        cursor.execute(
            sql.SQL(
                "WITH moved AS (DELETE FROM {} WHERE sent_at >= %s AND sent_at < %s RETURNING *)"
                " INSERT INTO {} SELECT * FROM moved"
            ).format(default, name),
            [start, end],
        )
        cursor.execute(
            sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                sql.Identifier(PARENT), name, sql.Literal(start), sql.Literal(end)
            )
        )
    return True


def _drop(may_drop: Callable[[date], bool], month: date) -> bool:
    """Drop one partition; False where somebody else just did, or where it may not be dropped."""
    with _tables_locked("ACCESS EXCLUSIVE") as cursor:
        if not _is_there(cursor, month) or not may_drop(month):
            return False
        cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name_of(month))))
    return True


def _is_there(cursor: CursorWrapper, month: date) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name_of(month)])
    return bool(cursor.fetchone()[0])


def bounds(month: date) -> tuple[datetime, datetime]:
    after = next_month(month)
    return datetime(month.year, month.month, 1, tzinfo=UTC), datetime(after.year, after.month, 1, tzinfo=UTC)
