"""The limit the store is held against: binary COPY and a deduplicating INSERT, with no parsing, counters or names."""

import time
import uuid
from collections.abc import Sequence

from bench.place import installation

ROWS, BATCH = 300_000, 4000
NARROW = """
CREATE TABLE bench_message (id text COLLATE "C", channel_id bigint, viewer_id text, sent_ms bigint, text text,
    badges text, PRIMARY KEY (id, sent_ms));
CREATE TEMP TABLE bench_staged (LIKE bench_message) ON COMMIT DELETE ROWS;
"""
TEXT, BADGES = "as much text as one usually says in a chat", "subscriber/24,bits/1000"


def measure() -> dict[str, float]:
    with installation():
        from django.db import connection

        try:
            return {"rows a second": _narrow(), "rows a second, into chat_message": _full()}
        finally:
            connection.close()


def _narrow() -> float:
    """A table of six columns and one index: as little as a message can be."""
    rows = [(str(uuid.uuid4()), 1, str(n % 8000), 1767225600000 + n, TEXT, BADGES) for n in range(ROWS)]
    return _copy(
        NARROW,
        "COPY bench_staged FROM STDIN (FORMAT BINARY)",
        ["text", "int8", "text", "int8", "text", "text"],
        rows,
        "INSERT INTO bench_message SELECT * FROM bench_staged ON CONFLICT DO NOTHING",
    )


def _full() -> float:
    """The messages as they are stored, with their three indexes."""
    from chat.ingest import statements

    now = int(time.time() * 1000)
    rest = (now, TEXT, False, False, False, 0, BADGES, "subscriber/27", *[""] * 7, "{1,2}")
    rows = [(str(uuid.uuid4()), 1, str(n % 8000), "login", "Name", "#FF4500", *rest) for n in range(ROWS)]
    return _copy(statements.STAGE, statements.COPY, statements.STAGED_TYPES, rows, statements.INSERT_MESSAGES)


def _copy(make: str, copy_in: str, types: Sequence[str], rows: Sequence[tuple[object, ...]], insert: str) -> float:
    from django.db import connection, transaction

    with connection.cursor() as cursor:
        cursor.execute(make)
        began = time.perf_counter()
        for at in range(0, len(rows), BATCH):
            with transaction.atomic():
                with cursor.cursor.copy(copy_in) as copy:
                    copy.set_types(types)
                    for row in rows[at : at + BATCH]:
                        copy.write_row(row)
                cursor.execute(insert)
        return len(rows) / (time.perf_counter() - began)
