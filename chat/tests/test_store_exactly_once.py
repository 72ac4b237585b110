"""The same lines, any number of times, in any order, from any number of writers, are stored and counted once."""

import threading
from itertools import pairwise

import pytest
from django.db import connection, transaction

from chat.ingest.store import Store
from chat.models import Emote, Message
from chat.tests.evening import EVENING, shuffled
from chat.tests.factories import EntryFactory
from chat.tests.lines import privmsg, read
from chat.tests.patience import until_in_threads
from chat.tests.tables import counted_again, counters, everything
from chat.tests.writers import in_thread, waiting

pytestmark = pytest.mark.django_db(transaction=True)


def ready_store() -> Store:
    store = Store()
    store.load_all_sets()
    return store


@pytest.fixture
def store() -> Store:
    EntryFactory.create(name="Emote")
    return ready_store()


def test_counters_equal_a_count_of_the_rows(store):
    store.write(read(*EVENING))
    assert counters() == counted_again()


def test_every_message_is_stored(store):
    store.write(read(*EVENING))
    assert Message.objects.count() == sum(b" PRIVMSG " in line for line in EVENING)


def test_a_batch_that_comes_twice_changes_nothing(store):
    store.write(read(*EVENING))
    before = everything()
    store.write(read(*EVENING))
    assert everything() == before


def test_a_batch_that_comes_twice_has_nothing_new_in_it(store):
    store.write(read(*EVENING))
    assert store.write(read(*EVENING)).messages == 0


def test_lines_that_stand_twice_in_one_batch_count_once(store):
    store.write(read(*EVENING, *EVENING))
    assert counters() == counted_again()


def test_overlapping_batches_count_once(store):
    for start in range(0, len(EVENING), 5):
        store.write(read(*EVENING[start : start + 10]))
    assert counters() == counted_again()


@pytest.fixture
def at_once(store):
    """Everything there is after the evening in one batch; then it is as if nothing had been written."""
    store.write(read(*EVENING))
    found = everything()
    forget_all()
    EntryFactory.create(name="Emote", emote=Emote.objects.get(name="Emote"))
    return found


def forget_all() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE streams_channel, viewers_viewer, chat_message, chat_chatevent, chat_moderationevent,"
            " viewers_viewerday, viewers_viewertotal, chat_emoteusage, chat_emoteday, chat_chatminute CASCADE"
        )


def test_line_by_line_comes_to_the_same_as_all_at_once(at_once):
    store = ready_store()
    for line in EVENING:
        store.write(read(line))
    assert everything() == at_once


@pytest.mark.parametrize("seed", range(8))
def test_any_order_comes_to_the_same(at_once, seed):
    store = ready_store()
    for batch in shuffled(EVENING, seed):
        store.write(read(*batch))
    assert everything() == at_once


@pytest.mark.parametrize("seed", range(2))
def test_two_writers_of_the_same_lines_count_once(store, seed):
    start = threading.Barrier(2)

    def write(batches: list[list[bytes]]) -> None:
        mine = ready_store()
        start.wait(timeout=10)
        for batch in batches:
            mine.write(read(*batch))

    writers = [in_thread(write, list(shuffled(EVENING, seed * 2 + n))) for n in (0, 1)]
    for writer in writers:
        writer.result()
    assert counters() == counted_again()


def test_a_writer_waits_for_another_that_writes_to_the_same_channel(store):
    store.write(read(privmsg("before", at=-60)))
    other = ready_store()
    other.meet(read(privmsg()))
    with transaction.atomic():
        store.write(read(privmsg("one", at=1)))
        writer = in_thread(other.write, read(privmsg("two", at=2)))
        until_in_threads(waiting(1))
    writer.result()
    assert counters() == counted_again()


def test_the_first_message_of_a_viewer_in_a_minute_makes_a_chatter_however_batches_are_cut(store):
    lines = [privmsg(f"{n}", user=user, at=n) for n, user in enumerate(["alice", "bob", "alice", "carol", "bob"])]
    for first, last in pairwise((0, 1, 2, 4, 5)):
        store.write(read(*lines[first:last]))
    assert counters() == counted_again()
