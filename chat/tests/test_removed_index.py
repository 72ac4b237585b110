"""The index of removed messages can be made in as many runs as it takes, while months come."""

from collections.abc import Iterator
from datetime import date
from importlib import import_module

import pytest
from django.db import connection

from chat import partitions

pytestmark = pytest.mark.django_db(transaction=True)

MONTHS = [date(2031, 4, 1), date(2031, 5, 1)]
ATTACHED = """
SELECT of_index.indrelid::regclass::text FROM pg_inherits JOIN pg_index of_index ON of_index.indexrelid = inhrelid
WHERE inhparent = 'message_removed'::regclass
"""


def make() -> None:
    with connection.schema_editor(atomic=False) as editor:
        import_module("chat.migrations.0016_removed_messages").make(None, editor)


def ask(statement: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return sorted(name for (name,) in cursor.fetchall()) if cursor.description else []


@pytest.fixture
def _months() -> Iterator[None]:
    partitions.drop(partitions.existing())  # those that tests before may have left
    partitions.make(MONTHS)
    yield
    partitions.drop(partitions.existing())
    make()


@pytest.mark.usefixtures("_months")
def test_a_month_that_was_made_meanwhile_has_it_already():
    make()
    assert ask(ATTACHED) == sorted([partitions.DEFAULT, *map(partitions.name_of, MONTHS)])


@pytest.mark.usefixtures("_months")
def test_months_from_before_get_it():
    ask("DROP INDEX message_removed")
    make()
    assert ask(ATTACHED) == sorted([partitions.DEFAULT, *map(partitions.name_of, MONTHS)])


@pytest.mark.usefixtures("_months")
def test_a_run_that_was_broken_off_is_gone_on_with():
    """One month has it, the next was being made, of the last there is nothing."""
    first, second = map(partitions.name_of, MONTHS)
    columns = "(channel_id, sent_at) WHERE removed_at IS NOT NULL"
    ask("DROP INDEX message_removed")
    ask(f"CREATE INDEX message_removed ON ONLY chat_message {columns}")
    ask(f"CREATE INDEX {first}_removed ON {first} {columns}")
    ask(f"ALTER INDEX message_removed ATTACH PARTITION {first}_removed")
    ask(f"CREATE INDEX {second}_removed ON {second} {columns}")
    ask(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{second}_removed'::regclass")
    make()
    assert ask(ATTACHED) == sorted([partitions.DEFAULT, first, second])
    assert ask("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid") == []
