"""Months that are over have an index of all their words, this month one up to last midnight, coming months none."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from chat import partitions, wordindex
from chat.tasks import index_words
from chat.tests.crowd import make_message
from streams.tests.cast import make_channel
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db(transaction=True)

MAY, JUNE, JULY = date(2031, 5, 1), date(2031, 6, 1), date(2031, 7, 1)
NOW = datetime(2031, 6, 20, 18, tzinfo=UTC)


@pytest.fixture(autouse=True)
def months():
    partitions.drop(partitions.existing())
    partitions.make([MAY, JUNE, JULY])
    yield
    partitions.drop(partitions.existing())


def names():
    return [index.name for index, _ in wordindex.existing()]


def test_what_is_no_longer_written_is_indexed():
    assert wordindex.make(NOW) == 2
    assert names() == ["chat_message_y2031m06_words_20", "chat_message_y2031m05_words"]


def test_what_is_there_is_not_made_again():
    wordindex.make(NOW)
    assert wordindex.make(NOW) == 0


def test_the_next_night_one_that_reaches_further_takes_its_place():
    wordindex.make(NOW)
    assert wordindex.make(NOW + timedelta(days=1)) == 1
    assert names()[0] == "chat_message_y2031m06_words_21"


def test_a_month_that_is_over_gets_one_of_all_of_it():
    wordindex.make(NOW)
    wordindex.make(NOW + timedelta(days=11))
    assert names() == ["chat_message_y2031m06_words", "chat_message_y2031m05_words"]


def test_on_the_first_of_a_month_there_is_nothing_of_it_to_index():
    wordindex.make(datetime(2031, 6, 1, 3, tzinfo=UTC))
    assert names() == ["chat_message_y2031m05_words"]


def test_one_that_was_broken_off_is_made_anew():
    wordindex.make(NOW)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'chat_message_y2031m05_words'::regclass"
        )
    assert names() == ["chat_message_y2031m06_words_20"]
    assert wordindex.make(NOW) == 1
    assert "chat_message_y2031m05_words" in names()


def test_each_is_shown_before_it_is_made():
    shown: list[wordindex.WordIndex] = []
    wordindex.make(NOW, shown.append)
    assert [f"{index.month:%Y-%m}" for index in shown] == ["2031-06", "2031-05"]


def test_the_command_says_what_it_would_make():
    told = StringIO()
    call_command("indexwords", "--dry-run", stdout=told)
    assert "2031" not in told.getvalue()  # months to come
    assert names() == []


def test_the_command_makes_what_is_missing():
    partitions.make([date(2024, 5, 1)])
    told = StringIO()
    call_command("indexwords", stdout=told)
    assert "2024-05" in told.getvalue()
    assert names() == ["chat_message_y2024m05_words"]


def test_postgres_takes_it_for_a_search():
    channel = make_channel("lantern")
    viewer = make_viewer(channel, "ann")
    for number in range(3000):
        make_message(channel, viewer, NOW - timedelta(days=2, seconds=number), text=f"word{number} and so on")
    wordindex.make(NOW)
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN SELECT FROM chat_message_y2031m06 WHERE channel_id = %s AND sent_at < %s"
            f" AND {wordindex.WORDS} @@ websearch_to_tsquery('simple', 'word77')",
            [channel.pk, datetime(2031, 6, 20, tzinfo=UTC)],
        )
        assert "chat_message_y2031m06_words_20" in "\n".join(row for (row,) in cursor.fetchall())


def test_the_job_makes_what_is_missing():
    partitions.make([date(2024, 5, 1)])
    assert index_words() == "1 indexes made"
