"""A migration of a busy table waits for those who use it, and lets everybody else by meanwhile."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, migrations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from streams import patience
from streams.models import Channel
from streams.patience import PatientMigration, StillBusy
from streams.tests.cast import make_channel

pytestmark = pytest.mark.django_db(transaction=True)

FUNCTION = "CREATE FUNCTION half_done() RETURNS int LANGUAGE sql AS 'SELECT 1'"
LOCK = "LOCK TABLE streams_channel IN ACCESS EXCLUSIVE MODE"


class Migration(PatientMigration):
    operations = [migrations.RunSQL(FUNCTION, "DROP FUNCTION half_done()"), migrations.RunSQL(LOCK, LOCK)]  # noqa: RUF012


def migrate(way: str = "apply") -> None:
    with connection.schema_editor(atomic=True) as editor:
        getattr(Migration("any", "streams"), way)(ProjectState(), editor)


def is_done() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regproc('half_done') IS NOT NULL")
        return bool(cursor.fetchone()[0])


@pytest.fixture
def reader() -> Iterator[Any]:
    """Somebody who reads a table in a long transaction."""
    link = connection.copy()
    with link.cursor() as cursor:
        cursor.execute("BEGIN; SELECT FROM streams_channel")
    yield link
    link.close()


@pytest.fixture(autouse=True)
def _is_quick(monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE", "20ms")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION IF EXISTS half_done()")


def test_it_is_made_when_the_reader_is_through_and_others_write_meanwhile(reader, monkeypatch):
    others = connection.copy()
    pauses = []

    def pause(seconds):
        with others.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1s'")
            cursor.execute("UPDATE streams_channel SET display_name = 'written'")
        assert not is_seen_by(others)
        pauses.append(seconds)
        if len(pauses) == 3:
            reader.close()

    make_channel()
    monkeypatch.setattr(patience, "pause", pause)
    try:
        migrate()
    finally:
        others.close()
    assert pauses == [patience.PAUSE_S] * 3
    assert is_done()
    assert Channel.objects.get().display_name == "written"


def is_seen_by(link: Any) -> bool:
    with link.cursor() as cursor:
        cursor.execute("SELECT to_regproc('half_done') IS NOT NULL")
        return bool(cursor.fetchone()[0])


def test_it_is_taken_back_as_patiently(reader, monkeypatch):
    monkeypatch.setattr(patience, "pause", lambda _seconds: reader.close())
    with connection.cursor() as cursor:
        cursor.execute(FUNCTION)
    migrate("unapply")
    assert not is_done()


def test_after_an_hour_it_says_what_to_do_and_nothing_is_half_done(reader, monkeypatch):
    monkeypatch.setattr(patience, "pause", lambda _seconds: None)
    monkeypatch.setattr(patience, "TRIES", 3)
    with pytest.raises(StillBusy, match="pg_stat_activity"):
        migrate()
    assert not is_done()


def test_whatever_makes_triggers_waits_so():
    """All of them are on tables that are written all the time."""
    loader = MigrationLoader(None)
    impatient = [
        str(migration)
        for migration in loader.disk_migrations.values()
        if not isinstance(migration, PatientMigration)
        for operation in migration.operations
        if isinstance(operation, migrations.RunSQL) and "CREATE TRIGGER" in str(operation.sql)
    ]
    assert impatient == []
