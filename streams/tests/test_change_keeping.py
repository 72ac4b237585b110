"""Keeping the log of changes small holds nobody up: whoever asks what changed waits for every open transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from psycopg.pq import TransactionStatus

from streams import changekeeping
from streams.models import Change, ChangeMark
from streams.sync import begin

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)


@contextmanager
def deletions() -> Iterator[list[int]]:
    """How many entries of the log each transaction deletes."""
    sizes: list[int] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if "DELETE FROM" in sql and "streams_change" in sql and "streams_changemark" not in sql:
            assert not connection.in_atomic_block
            sizes.append(context["cursor"].rowcount)
        return result

    with connection.execute_wrapper(note):
        yield sizes


@pytest.fixture
def repeated(monkeypatch):
    """Seven entries of one row, all of them older than everything that is kept, and few deleted at once."""
    monkeypatch.setattr(changekeeping, "AT_ONCE", 3)
    for _ in range(7):
        Change.objects.create(resource="things", key="a")
    ChangeMark.objects.create(at=NOW - changekeeping.KEPT_FOR - timedelta(days=1), xid=begin().place.xid)


@pytest.mark.usefixtures("repeated")
def test_repeated_changes_are_deleted_a_few_at_a_time():
    with deletions() as sizes:
        assert changekeeping.thin(NOW, 2 * changekeeping.KEPT_FOR) == 6
    assert sizes == [3, 3]


@pytest.mark.usefixtures("repeated")
def test_past_changes_are_deleted_a_few_at_a_time():
    with deletions() as sizes:
        assert changekeeping.forget(NOW) == 7
    assert sizes == [3, 3, 1]


@pytest.mark.usefixtures("repeated")
def test_looking_for_repeated_changes_is_no_transaction_that_anybody_waits_for():
    with connection.chunked_cursor() as looking:
        looking.execute(changekeeping.REPEATED, [0, begin().place.xid])
        assert looking.fetchone()
        assert connection.connection.info.transaction_status == TransactionStatus.IDLE
