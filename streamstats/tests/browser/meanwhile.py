"""Work on the database while a browser runs: Playwright has its loop on the thread of the tests."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def meanwhile(work: Callable[[], T]) -> T:
    """Do it on another thread, and give its connection back."""

    def done() -> T:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(done).result()
