"""Where the next page of a list begins, as nobody can make it up or read it: it may name who is not shown."""

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from streams.api.problems import Problem
from streams.sealed import seal, unseal

LONGEST = 1000
TIME = "t"

Of = list[Any]
"""Of which list: the resource, the channel and the order, for a place in one order is none in another."""


class Cursor(NamedTuple):
    of: Of
    place: tuple[Any, ...]
    begun: str | None
    """The sync cursor of when the first page was asked for."""

    @classmethod
    def read(cls, text: str, of: Of) -> Self | None:
        """None for no cursor. Raises a Problem for one that is not of this list."""
        if not text:
            return None
        told = unseal(text) if len(text) <= LONGEST and text.isascii() else ""
        named, *rest = json.loads(told) if told else [""]
        if named != of:
            words = "This cursor is of no page of this list in this order. Start again without it."
            raise Problem(400, words, "invalid_cursor")
        place, begun = rest
        return cls(of, tuple(_read(value) for value in place), begun)

    def __str__(self) -> str:
        return seal(json.dumps([self.of, [_written(value) for value in self.place], self.begun]))


def _written(value: Any) -> Any:
    return {TIME: value.isoformat()} if isinstance(value, datetime) else value


def _read(value: Any) -> Any:
    return datetime.fromisoformat(value[TIME]).astimezone(UTC) if isinstance(value, dict) else value
