"""How many lines a second `manage.py replay` stores, its start included."""

import time

from bench.lines import chat_lines, stamped
from bench.place import installation, run_manage

LINES = 300_000


def measure() -> dict[str, float]:
    with installation() as servers:
        file = servers.layout.home / "lines.irc"
        now_ms = int(time.time() * 1000) - LINES
        with file.open("w", encoding="utf-8", newline="") as out:
            for number, line in enumerate(chat_lines(LINES)):
                out.write(stamped(line, 0, now_ms + number) + "\r\n")
        began = time.perf_counter()
        run_manage("replay", str(file), "--no-fetch")
        took = time.perf_counter() - began
        from django.db import connection

        connection.close()
    return {"lines a second": LINES / took}
