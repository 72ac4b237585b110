"""Monthly partitions of the messages: made ahead, and dropped when nobody may keep their text any longer."""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from django.db import connection, transaction
from psycopg import sql

PARENT = "chat_message"
DEFAULT = "chat_message_default"
# Any number will do, as long as only partition work takes it: one partition is made at a time.
LOCK = 7_308_332
TWITCH_BEGAN = date(2011, 6, 1)


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
        return {_month_in(name): name for (name,) in cursor.fetchall()}


def _month_in(name: str) -> date:
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


def make(months: Iterable[date]) -> list[date]:
    """Make the partitions that are missing, moving in what waited in the default one."""
    missing = sorted(set(months) - set(existing()))
    return [month for month in missing if _make(month)]


def _make(month: date) -> bool:
    """Make one partition; False where somebody else just did."""
    start, end = _bounds(month)
    name, default = sql.Identifier(name_of(month)), sql.Identifier(DEFAULT)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute("SELECT to_regclass(%s) IS NULL", [name_of(month)])
        if not cursor.fetchone()[0]:
            return False
        # Rows may not appear in the default partition between moving them and attaching the new one.
        cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(default))
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


def drop(months: Iterable[date]) -> None:
    """Drop whole months, text and all."""
    names = existing()
    with connection.cursor() as cursor:
        for month in sorted(months):
            if month in names:
                cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(names[month])))


def _bounds(month: date) -> tuple[datetime, datetime]:
    after = next_month(month)
    return datetime(month.year, month.month, 1, tzinfo=UTC), datetime(after.year, after.month, 1, tzinfo=UTC)
