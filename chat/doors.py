"""How many pages may be told of news at once: each is a connection that stays open, and costs us while it does."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from django.conf import settings


class Full(Exception):
    """No more pages are let in: `status` says whether it is this visitor's fault."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class Doors:
    """Counts the pages of this process that are open, in all and of each visitor. Any thread may ask."""

    def __init__(self) -> None:
        self._inside: Counter[str] = Counter()
        self._all = 0
        self._lock = threading.Lock()

    def check(self, visitor: str) -> None:
        """Raise Full where nobody can come in."""
        if self._all >= settings.LIVE_PAGES:
            raise Full(HTTPStatus.SERVICE_UNAVAILABLE)
        if visitor and self._inside[visitor] >= settings.LIVE_PAGES_PER_ADDRESS:
            raise Full(HTTPStatus.TOO_MANY_REQUESTS)

    @contextmanager
    def entered(self, visitor: str) -> Iterator[None]:
        """One page inside, until it is left. Raises Full: others may have come in since it was checked."""
        with self._lock:
            self.check(visitor)
            self._all += 1
            self._inside[visitor] += 1
        try:
            yield
        finally:
            with self._lock:
                self._all -= 1
                self._inside[visitor] -= 1
                if not self._inside[visitor]:
                    del self._inside[visitor]
