"""Pages ask by prepared statements, and nobody else does."""

import pytest
from django.db import NotSupportedError, connection
from django.http import HttpResponse
from django.test import RequestFactory

from streams.pages import kept_ready
from streams.prepared import ASKED_BEFORE, by_prepared_statements, prepared
from streams.tests.cast import make_channel

PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s"


def ask(question, *values):
    with connection.cursor() as cursor:
        cursor.execute(question, values)
        return cursor.fetchone()


def is_prepared(question):
    return ask(PREPARED, f"{question}%") != (0,)


def migrate(statement):
    """As another process does, while this one serves pages."""
    link = connection.copy()
    try:
        with link.cursor() as cursor:
            cursor.execute(statement)
    finally:
        link.close()


@pytest.mark.django_db
def test_what_a_page_asks_again_and_again_is_prepared(settings):
    settings.PAGE_CACHE_SECONDS = 0
    view = kept_ready(lambda request: HttpResponse(ask("SELECT 7 AS asked_by_page")[0]))
    for _ in range(ASKED_BEFORE + 1):
        view(RequestFactory().get("/"))
    assert is_prepared("SELECT 7 AS asked_by_page")


@pytest.mark.django_db
def test_what_others_ask_is_not():
    for _ in range(ASKED_BEFORE + 5):
        ask("SELECT 8 AS asked_by_others")
    assert not is_prepared("SELECT 8 AS asked_by_others")


@pytest.mark.django_db
def test_after_a_page_more_rows_than_parameters_go_in_can_be_written_again():
    with pytest.raises(ZeroDivisionError), prepared():
        raise ZeroDivisionError
    assert ask(f"SELECT cardinality(ARRAY[{', '.join(['%s'] * 70_000)}])", *range(70_000)) == (70_000,)


@pytest.mark.django_db(transaction=True)
def test_a_page_is_told_after_a_migration_changed_what_its_statement_gives(settings):
    settings.PAGE_CACHE_SECONDS = 0
    make_channel()
    view = kept_ready(lambda request: HttpResponse(ask("SELECT login FROM streams_channel")[0]))
    for _ in range(ASKED_BEFORE + 1):
        view(RequestFactory().get("/"))
    migrate("ALTER TABLE streams_channel ALTER login TYPE varchar(65)")
    try:
        assert view(RequestFactory().get("/")).status_code == 200
    finally:
        migrate("ALTER TABLE streams_channel ALTER login TYPE varchar(64)")


@pytest.mark.django_db(transaction=True)
def test_a_page_whose_connection_is_gone_by_then_is_told_as_well():
    tried = []

    def view(_request):
        tried.append(True)
        if len(tried) == 1:
            connection.close()
            raise NotSupportedError("cached plan must not change result type")
        return HttpResponse("told")

    assert by_prepared_statements(view)(RequestFactory().get("/")).status_code == 200
