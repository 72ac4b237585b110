"""Pages ask Postgres by prepared statements: planning was half of what their questions cost it.

Only pages do. Parameters then travel beside the statement, and of those there may be 65,535: too few for whoever writes
many rows at once. See docs/decisions/prepared-statements.md.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from django.db import NotSupportedError, connection
from django.db.backends.postgresql.base import Cursor, ServerBindingCursor

# Statements that come once, such as those with a list of emotes, would only push out others.
ASKED_BEFORE = 2
# What a connection keeps prepared: one for each form of a page's questions, and of how large its numbers are.
MOST = 200

Answer = TypeVar("Answer")


def by_prepared_statements(view: Callable[..., Answer]) -> Callable[..., Answer]:
    """For views that only read: one whose statements were prepared before the database was migrated is asked again."""

    @wraps(view)
    def answer(*args: object, **kwargs: object) -> Answer:
        try:
            with prepared():
                return view(*args, **kwargs)
        except NotSupportedError:
            if connection.connection is not None:  # else it is closed already
                connection.connection.close()
            connection.close()
            return view(*args, **kwargs)

    return answer


@contextmanager
def prepared() -> Iterator[None]:
    """Prepare what the connection of this thread asks within the block."""
    with _asking(ServerBindingCursor, ASKED_BEFORE):
        yield


@contextmanager
def planned_each_time() -> Iterator[None]:
    """Prepare nothing within the block, wherever that is: for what needs a plan for its very values.

    After a few times Postgres plans a prepared statement for any values, and then cannot know that a partial index has
    all rows of the time that is asked for.
    """
    with _asking(Cursor, None):
        yield


@contextmanager
def _asking(factory: type[Any], threshold: int | None) -> Iterator[None]:
    connection.ensure_connection()
    link: Any = connection.connection
    features: Any = connection.features
    before = link.cursor_factory, link.prepare_threshold, features.uses_server_side_binding
    link.prepared_max = MOST
    link.cursor_factory, link.prepare_threshold = factory, threshold
    features.uses_server_side_binding = factory is ServerBindingCursor
    try:
        yield
    finally:
        link.cursor_factory, link.prepare_threshold, features.uses_server_side_binding = before
