"""Reading ids from addresses and from the log of changes: anybody may have made them up."""

from collections.abc import Iterable

DIGITS = 18
"""Of a number that fits a bigint column."""
INT_DIGITS = 9
"""Of one that fits an integer column."""


def are_numbers(keys: Iterable[str], digits: int = DIGITS) -> list[int]:
    """Those that are numbers of a column with so many digits."""
    return [int(key) for key in keys if key.isascii() and key.isdigit() and len(key) <= digits]


def known_ids(keys: Iterable[str]) -> list[str]:
    """Those that may stand in a text column: Postgres takes no NUL."""
    return [key for key in keys if "\x00" not in key]
