"""Messages lie in monthly partitions; one whose month has none yet waits, and is never lost."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, transaction

from chat import partitions
from chat.ingest.store import Store
from chat.models import Message
from chat.tasks import keep_partitions
from chat.tests.crowd import make_message
from chat.tests.factories import ChannelFactory
from chat.tests.lines import privmsg
from chat.tests.lines import read as read_lines
from chat.tests.patience import PATIENCE, until_in_threads
from chat.tests.writers import in_thread, waiting
from streams.locks import PARTITIONS
from streams.models import Channel
from viewers.models import Viewer

pytestmark = pytest.mark.django_db(transaction=True)

MAY, JUNE = date(2031, 5, 1), date(2031, 6, 1)


@pytest.fixture(autouse=True)
def no_partitions():
    """Only the default partition, before and after."""
    partitions.drop(partitions.existing())
    yield
    partitions.drop(partitions.existing())


def message(at: datetime, text: str = "hello") -> Message:
    channel = Channel.objects.first() or ChannelFactory.create()
    return make_message(channel, Viewer(twitch_id="1"), at, text=text)


def where(text: str = "hello") -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM chat_message WHERE text = %s", [text])
        (name,) = cursor.fetchone()
        return str(name)


@pytest.mark.parametrize(
    ("now", "months"),
    [
        pytest.param(datetime(2031, 5, 17, tzinfo=UTC), ["2031-05", "2031-06", "2031-07", "2031-08"], id="in a year"),
        pytest.param(datetime(2031, 11, 1, tzinfo=UTC), ["2031-11", "2031-12", "2032-01", "2032-02"], id="over a year"),
        pytest.param(
            datetime.fromisoformat("2031-05-31T23:30:00-02:00"),
            ["2031-06", "2031-07", "2031-08", "2031-09"],
            id="by UTC",
        ),
    ],
)
def test_the_coming_months(now, months):
    assert [f"{month:%Y-%m}" for month in partitions.coming(now)] == months


def test_months_are_made_once():
    assert [partitions.make([JUNE, MAY, MAY]).done for _ in range(2)] == [[MAY, JUNE], []]


def test_existing_months_are_known():
    partitions.make([MAY, JUNE])
    assert partitions.existing() == {MAY: "chat_message_y2031m05", JUNE: "chat_message_y2031m06"}


@pytest.mark.parametrize(
    ("at", "partition"),
    [
        pytest.param("2031-05-01T00:00:00Z", "chat_message_y2031m05", id="first moment"),
        pytest.param("2031-05-31T23:59:59.999Z", "chat_message_y2031m05", id="last moment"),
        pytest.param("2031-06-01T00:00:00Z", "chat_message_y2031m06", id="next month"),
        pytest.param("2031-04-30T23:59:59.999Z", "chat_message_default", id="month without a partition"),
    ],
)
def test_a_message_goes_where_it_belongs(at, partition):
    partitions.make([MAY, JUNE])
    message(datetime.fromisoformat(at))
    assert where() == partition


def test_a_message_that_waited_is_moved_when_its_month_is_made():
    message(datetime(2031, 5, 17, tzinfo=UTC))
    assert where() == "chat_message_default"
    partitions.make([MAY])
    assert where() == "chat_message_y2031m05"


def test_messages_of_other_months_go_on_waiting():
    message(datetime(2031, 5, 17, tzinfo=UTC), "May")
    message(datetime(2031, 6, 1, tzinfo=UTC), "June")
    partitions.make([MAY])
    assert (where("May"), where("June")) == ("chat_message_y2031m05", "chat_message_default")


def test_a_partition_has_the_indexes_of_the_table():
    partitions.make([MAY])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid"
            " WHERE x.indrelid = 'chat_message_y2031m05'::regclass"
        )
        assert cursor.fetchone()[0] == 4


def test_dropping_a_month_takes_its_messages():
    partitions.make([MAY, JUNE])
    message(datetime(2031, 5, 17, tzinfo=UTC), "May")
    message(datetime(2031, 6, 17, tzinfo=UTC), "June")
    partitions.drop([MAY])
    assert [found.text for found in Message.objects.all()] == ["June"]


def test_dropping_a_month_that_is_not_there_is_nothing():
    partitions.drop([MAY])
    assert partitions.existing() == {}


def test_two_who_make_the_same_month_make_it_once():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [PARTITIONS])
        makers = [in_thread(partitions.make, [MAY]) for _ in range(2)]
        until_in_threads(waiting(2))
        cursor.execute("SELECT pg_advisory_unlock(%s)", [PARTITIONS])
    assert sorted(maker.result().done for maker in makers) == [[], [MAY]]


def test_months_can_be_made_and_dropped_at_the_same_time(monkeypatch):
    """Both wait for the table that a reader holds. Each would have a lock that the other asks for next."""
    monkeypatch.setattr(partitions, "PATIENCE", "30s")
    partitions.make([MAY])
    with transaction.atomic():
        Message.objects.count()
        dropper = in_thread(partitions.drop, [MAY])
        until_in_threads(waiting(1))
        maker = in_thread(partitions.make, [JUNE])
        until_in_threads(waiting(2))
    assert (dropper.result().done, maker.result().done) == ([MAY], [JUNE])
    assert list(partitions.existing()) == [JUNE]


# Beside somebody who reads for long


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(partitions, "PATIENCE", "10ms")


@contextmanager
def long_read() -> Iterator[None]:
    """The messages are being read all the while, by somebody else."""
    is_over, is_reading = threading.Event(), threading.Event()

    def read() -> None:
        with transaction.atomic():
            Message.objects.count()
            is_reading.set()
            is_over.wait(PATIENCE)

    reader = in_thread(read)
    is_reading.wait(PATIENCE)
    try:
        yield
    finally:
        is_over.set()
        reader.result()


def test_months_are_not_made_while_somebody_reads(impatient):
    with long_read():
        assert partitions.make([JUNE, MAY]) == ([], [MAY, JUNE])
    assert partitions.existing() == {}


def test_months_are_not_dropped_while_somebody_reads(impatient):
    partitions.make([MAY, JUNE])
    with long_read():
        assert partitions.drop([MAY, JUNE]) == ([], [MAY, JUNE])
    assert list(partitions.existing()) == [MAY, JUNE]


def test_what_somebody_stopped_is_done_the_next_time(impatient):
    with long_read():
        partitions.make([MAY])
    assert partitions.make([MAY]) == ([MAY], [])


def test_a_statement_that_fails_for_another_reason_is_no_reader():
    with connection.execute_wrapper(_connection_lost), pytest.raises(OperationalError, match=r"^connection lost$"):
        partitions.make([MAY])


def _connection_lost(execute: Any, sql: object, *arguments: Any) -> Any:
    if "LOCK TABLE" in str(sql):
        raise OperationalError("connection lost")
    return execute(sql, *arguments)


MARCH = "chat_message_y2026m03"


def test_a_message_waits_while_somebody_reads(impatient):
    with long_read():
        Store().write(read_lines(privmsg("waits")))
    assert where("waits") == partitions.DEFAULT


def test_the_month_is_not_tried_again_at_once(impatient):
    store = Store()
    with long_read():
        store.write(read_lines(privmsg("first")))
    store.write(read_lines(privmsg("second", at=1)))
    assert where("second") == partitions.DEFAULT


def test_the_month_is_tried_again_when_its_time_has_come(impatient, monkeypatch):
    monkeypatch.setattr("chat.ingest.store.MONTHS_AGAIN", timedelta())
    store = Store()
    with long_read():
        store.write(read_lines(privmsg("first")))
    store.write(read_lines(privmsg("second", at=1)))
    assert (where("first"), where("second")) == (MARCH, MARCH)


# The command and the job


def run_command(**options: object) -> str:
    out = StringIO()
    call_command("partitions", stdout=out, **options)
    return out.getvalue()


def test_the_command_makes_the_coming_months():
    said = run_command()
    months = partitions.coming(datetime.now(UTC))
    assert list(partitions.existing()) == months
    assert said == "".join(f"{month:%Y-%m}: made\n" for month in months) + "Done.\n"


def test_the_command_has_nothing_to_do_twice():
    run_command()
    assert run_command() == "Done.\n"


def test_a_dry_run_makes_nothing():
    assert "would be made" in run_command(dry_run=True)
    assert partitions.existing() == {}


def test_the_command_says_which_months_have_to_wait(impatient):
    months = partitions.coming(datetime.now(UTC))
    with long_read():
        said = run_command()
    assert said == "".join(f"{month:%Y-%m}: somebody reads the messages; made the next time\n" for month in months) + (
        "Done.\n"
    )


def test_the_job_makes_the_coming_months(redis_client):
    keep_partitions()
    assert list(partitions.existing()) == partitions.coming(datetime.now(UTC))
