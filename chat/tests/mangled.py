"""Every body that differs from a good one in one place: what tests of parsers are made of."""

import copy
from collections.abc import Iterator
from typing import Any

JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**400,
    1e300,
    "",
    "a\0b",
    "\ud800",
    "x" * 5000,
    "https://[",
    [],
    {},
    [None],
    {"a": []},
    [[]],
)


def mangled(body: Any) -> Iterator[Any]:
    """Yield the body with each of its parts missing, and replaced by each kind of junk."""
    yield from JUNK
    for path in _paths(body):
        for junk in JUNK:
            bad = copy.deepcopy(body)
            _parent(bad, path)[path[-1]] = copy.deepcopy(junk)
            yield bad
        bad = copy.deepcopy(body)
        del _parent(bad, path)[path[-1]]
        yield bad


def _paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*before, key)
        yield from _paths(part, (*before, key))


def _parent(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        value = value[key]
    return value
