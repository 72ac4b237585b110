"""Counts that forget: how often each key came up within the last minutes."""

from collections import Counter, deque
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Window(Generic[Key]):
    """Sums what was added within `seconds`. The caller tells the time, on any clock that only goes forward."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._added: deque[tuple[float, Mapping[Key, int]]] = deque()
        self._sums: Counter[Key] = Counter()

    def add(self, now: float, counts: Mapping[Key, int]) -> None:
        self._added.append((now, counts))
        self._sums.update(counts)

    def top(self, now: float, most: int) -> list[tuple[Key, int]]:
        """The keys with the highest sums, equal ones in the order in which they came."""
        while self._added and self._added[0][0] <= now - self._seconds:
            self._forget(self._added.popleft()[1])
        return self._sums.most_common(most)

    def _forget(self, counts: Mapping[Key, int]) -> None:
        for key, count in counts.items():
            self._sums[key] -= count
            if self._sums[key] <= 0:
                del self._sums[key]
