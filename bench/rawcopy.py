"""The limit that the store is held against: binary COPY and a deduplicating INSERT, with no counters and no names."""

import time
import uuid

from bench.place import installation

ROWS, BATCH = 400_000, 4000
TABLE = """
CREATE TABLE bench_message (id text COLLATE "C", channel_id bigint, viewer_id text, sent_ms bigint, text text,
    badges text, PRIMARY KEY (id, sent_ms));
CREATE TEMP TABLE bench_staged (LIKE bench_message) ON COMMIT DELETE ROWS;
"""


def measure() -> dict[str, float]:
    rows = [
        (
            str(uuid.uuid4()),
            1,
            str(100_000_000 + n % 8000),
            1767225600000 + n,
            "as much text as one usually says",
            "subscriber/24",
        )
        for n in range(ROWS)
    ]
    with installation():
        from django.db import connection, transaction

        with connection.cursor() as cursor:
            cursor.execute(TABLE)
            began = time.perf_counter()
            for at in range(0, ROWS, BATCH):
                with transaction.atomic():
                    with cursor.cursor.copy("COPY bench_staged FROM STDIN (FORMAT BINARY)") as copy:
                        copy.set_types(["text", "int8", "text", "int8", "text", "text"])
                        for row in rows[at : at + BATCH]:
                            copy.write_row(row)
                    cursor.execute("INSERT INTO bench_message SELECT * FROM bench_staged ON CONFLICT DO NOTHING")
            took = time.perf_counter() - began
        connection.close()
    return {"rows a second": ROWS / took}
