"""What a test found made, kept to be laid out again for others: the rows of all tables, Redis and files."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from redis import Redis

from streams.tests.database import may_write_past_rules, our_tables

COLUMNS = """
SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


class Kept:
    """Everything there is, as it was at one moment."""

    def __init__(self) -> None:
        self._fits = _ground()
        self._rows = {table: rows for table in _tables() if (rows := _copied(table))}
        with Redis.from_url(settings.REDIS_URL) as redis:
            self._keys = {key: (max(redis.pttl(key), 0), redis.dump(key)) for key in redis.keys("*")}
        media = Path(settings.MEDIA_ROOT)
        self._files = {path.relative_to(media): path.read_bytes() for path in media.rglob("*") if path.is_file()}

    @staticmethod
    def is_possible() -> bool:
        """Whether nothing is there yet, and this user of Postgres may write rows past triggers and foreign keys."""
        return may_write_past_rules() and not any(_copied(table) for table in _tables())

    def fits(self) -> bool:
        """Whether what rows refer to is still there."""
        return self._fits == _ground()

    def lay_out(self) -> None:
        """Put it back into empty tables, an empty Redis, and a folder for media of this test's own."""
        with transaction.atomic(), connection.cursor() as cursor:
            # They were counted, logged and looked up when they were made.
            cursor.execute("SET LOCAL session_replication_role = replica")
            for (table, columns), rows in self._rows.items():
                with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                    copy.write(rows)
        with Redis.from_url(settings.REDIS_URL) as redis:
            for key, (lasts_ms, value) in self._keys.items():
                redis.restore(key, lasts_ms, value)
        for name, content in self._files.items():
            path = Path(settings.MEDIA_ROOT) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _ground() -> tuple[Any, ...]:
    """What may be made anew between two tests: the names of models, and the months of messages."""
    names = ContentType.objects.order_by("pk").values_list("pk", "app_label", "model")
    return (*names, *_ask("SELECT inhrelid::regclass::text FROM pg_inherits ORDER BY 1"))


def _tables() -> list[tuple[str, str]]:
    """Every table of ours, with its columns."""
    return [(name, _ask(COLUMNS, name)[0][0]) for name in our_tables()]


def _copied(table: tuple[str, str]) -> bytes:
    name, columns = table
    with connection.cursor() as cursor, cursor.copy(f"COPY (SELECT {columns} FROM {name}) TO STDOUT") as copy:
        return b"".join(copy)


def _ask(query: str, *values: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())
