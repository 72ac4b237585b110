import hashlib
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from chat.models import Message
from streams.models import Channel, Stream
from viewers.models import Standing, Viewer

SMALL = {"messages": 2000, "viewers": 200, "streams": 20, "days": 20}


def fill() -> None:
    call_command("fill", **SMALL, stdout=StringIO())


def digest_of_messages() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg((m.id, m.viewer_id, m.sent_at)::text, ',' ORDER BY m.id) FROM chat_message m")
        return hashlib.sha256(cursor.fetchone()[0].encode()).hexdigest()


@pytest.mark.django_db(transaction=True)
def test_an_empty_database_is_filled_with_what_was_asked_for():
    fill()
    assert (Message.objects.count(), Viewer.objects.count(), Stream.objects.count()) == (2000, 200, 20)
    assert Standing.objects.filter(period="all", messages__gt=0).exists()


@pytest.mark.django_db(transaction=True)
def test_what_is_filled_in_counts_as_it_would_have_been_counted():
    fill()
    said = StringIO()
    for login in ("volume", "fourth"):
        call_command("rebuildrollups", login, dry_run=True, stdout=said)
    assert said.getvalue().count("Every counter was right.") == 2


@pytest.mark.django_db(transaction=True)
def test_the_same_call_makes_the_same_rows():
    fill()
    first = digest_of_messages()
    call_command("flush", verbosity=0, interactive=False)
    fill()
    assert digest_of_messages() == first


@pytest.mark.django_db
def test_a_database_that_is_in_use_is_left_alone():
    Channel.objects.create(login="real")
    with pytest.raises(CommandError, match="has channels already"):
        fill()


@pytest.mark.django_db
def test_too_little_is_refused():
    with pytest.raises(CommandError, match="too little"):
        call_command("fill", messages=10)
