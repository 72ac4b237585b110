"""Writers in threads of their own, each with its own connection."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.db import connection


def in_thread(deed: Callable[..., Any], *arguments: object) -> "Future[Any]":
    """Do something beside the test. The result raises what the deed raised."""

    def run() -> Any:
        try:
            return deed(*arguments)
        finally:
            connection.close()

    threads = ThreadPoolExecutor(max_workers=1)
    try:
        return threads.submit(run)
    finally:
        threads.shutdown(wait=False)


def waiting(number: int) -> Callable[[], bool]:
    """Whether so many connections wait for a lock."""

    def are_waiting() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
            return bool(cursor.fetchone()[0] >= number)

    return are_waiting
