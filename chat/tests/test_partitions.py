"""Messages lie in monthly partitions; one whose month has none yet waits, and is never lost."""

from datetime import UTC, date, datetime
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from chat import partitions
from chat.models import Message
from chat.tasks import keep_partitions
from chat.tests.crowd import make_message
from chat.tests.factories import ChannelFactory
from chat.tests.patience import until_in_threads
from chat.tests.writers import in_thread, waiting
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
    assert [partitions.make([JUNE, MAY, MAY]) for _ in range(2)] == [[MAY, JUNE], []]


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
        assert cursor.fetchone()[0] == 3


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
        cursor.execute("SELECT pg_advisory_lock(%s)", [partitions.LOCK])
        makers = [in_thread(partitions.make, [MAY]) for _ in range(2)]
        until_in_threads(waiting(2))
        cursor.execute("SELECT pg_advisory_unlock(%s)", [partitions.LOCK])
    assert sorted(maker.result() for maker in makers) == [[], [MAY]]


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


def test_the_job_makes_the_coming_months():
    keep_partitions()
    assert list(partitions.existing()) == partitions.coming(datetime.now(UTC))
