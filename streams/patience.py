"""Migrations of tables that are written all the time.

Whoever waits for the lock of a table holds up all who come after. So these wait for a moment only, let everybody by,
and try again, until nobody is in the way.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from django.db import OperationalError, migrations, transaction
from psycopg.errors import LockNotAvailable

log = structlog.get_logger(__name__)

# Shorter than the second after which Postgres looks whether two wait for each other, and ends one of them.
PATIENCE = "500ms"
PAUSE_S = 1.0
TRIES = 3600
"""As long as the longest job may take, and somewhat longer."""

Answer = TypeVar("Answer")


class PatientMigration(migrations.Migration):
    """A migration that is done as a whole, as soon as nobody is in the way of it."""

    def apply(self, project_state: Any, schema_editor: Any, collect_sql: bool = False) -> Any:
        if collect_sql:
            return super().apply(project_state, schema_editor, collect_sql)
        make = super().apply
        return patiently(schema_editor, lambda: make(project_state.clone(), schema_editor))

    def unapply(self, project_state: Any, schema_editor: Any, collect_sql: bool = False) -> Any:
        if collect_sql:
            return super().unapply(project_state, schema_editor, collect_sql)
        take_back = super().unapply
        return patiently(schema_editor, lambda: take_back(project_state.clone(), schema_editor))


def patiently(schema_editor: Any, deed: Callable[[], Answer]) -> Answer:
    """Do this once it gets every lock quickly; what a try locked is let go of before the next. Raises StillBusy."""
    using, left = schema_editor.connection.alias, list(schema_editor.deferred_sql)
    for _ in range(TRIES):
        try:
            with transaction.atomic(using):
                with schema_editor.connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
                return deed()
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            schema_editor.deferred_sql[:] = left
            log.info("migration.waits", reason=str(error).partition("\n")[0])
        pause(PAUSE_S)
    raise StillBusy


def pause(seconds: float) -> None:
    time.sleep(seconds)


class StillBusy(Exception):
    """Somebody held a table all the time."""

    def __str__(self) -> str:
        return (
            "A table of the database was in use for an hour without a pause, so this migration was not made. Nothing"
            " of it is half done. See in pg_stat_activity whose transaction has been open for so long, end it, and"
            " migrate again."
        )
