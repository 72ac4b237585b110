"""The index of the newest viewers can be made in as many runs as it takes."""

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

INDEX = "viewertotal_newest"
MIGRATION = ("viewers", "0026_newest_viewers")


@pytest.mark.django_db(transaction=True)
def test_a_run_that_was_broken_off_is_begun_again():
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [INDEX])
        loader = MigrationLoader(connection)
        before = loader.project_state(MIGRATION, at_end=False)
        with connection.schema_editor(atomic=False) as editor:
            loader.get_migration(*MIGRATION).apply(before, editor)
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass", [INDEX])
        assert cursor.fetchall() == [(True,)]
