"""What goes wrong only together with something else: a retry, another writer, a key that no longer holds."""

import threading
from typing import Any

import django.db
import pytest
from django.db import connection

from chat.ingest import store as store_module
from chat.ingest.emotes import SetRow
from chat.ingest.store import Store
from chat.ingest.transaction import Transaction
from chat.models import DeadLetter, EmoteUsage, Message
from chat.tests.lines import clearmsg, id_of, privmsg, read, usernotice
from chat.tests.tables import channel
from streams.models import Channel
from viewers.models import ViewerTotal

pytestmark = pytest.mark.django_db(transaction=True)

NO_ORIGIN = "da 39 a3 ee 5e 6b 4b 0d 32 55 bf ef 95 60 18 90 af d8 07 09"


def gifts() -> dict[str, int]:
    return dict(ViewerTotal.objects.values_list("viewer__login", "gifts"))


def test_single_gifts_that_share_the_empty_origin_count_for_their_givers():
    gift: dict[str, Any] = {"msg_param_origin_id": NO_ORIGIN, "msg_param_recipient_id": "9"}
    Store().write(read(*[usernotice("subgift", user=user, at=at, **gift) for at, user in enumerate(("alice", "bob"))]))
    assert gifts() == {"alice": 1, "bob": 1}


def test_bombs_of_two_givers_with_one_id_are_two():
    bomb: dict[str, Any] = {"msg_param_origin_id": "1", "msg_param_mass_gift_count": 5}
    Store().write(read(*[usernotice("submysterygift", user=user, **bomb) for user in ("alice", "bob")]))
    assert gifts() == {"alice": 5, "bob": 5}


def test_a_number_of_five_thousand_digits_stops_nothing():
    stored = Store().write(read(usernotice("submysterygift", msg_param_mass_gift_count="9" * 5000), privmsg()))
    assert (stored.messages, stored.dead) == (1, 0)


def test_a_mistake_of_ours_buries_the_line_and_not_the_writer(monkeypatch):
    staged = Transaction._staged

    def mistaken(self, message, emotes):
        if message.text == "unlucky":
            raise ZeroDivisionError("a mistake")
        return staged(self, message, emotes)

    monkeypatch.setattr(Transaction, "_staged", mistaken)
    stored = Store().write(read(privmsg("one"), privmsg("unlucky"), privmsg("two")))
    assert (stored.messages, DeadLetter.objects.get().error) == (2, "ZeroDivisionError: a mistake")


def test_the_sets_of_a_room_are_loaded_after_a_failure_too(monkeypatch):
    failures = [django.db.OperationalError("gone")]

    def load(key: int | None) -> list[SetRow]:
        if key is not None and failures:
            raise failures.pop()
        return [SetRow("7tv", "1", "peepoHappy", None, None)] if key else []

    monkeypatch.setattr(store_module, "load_entries", load)
    store = Store()
    with pytest.raises(django.db.OperationalError):
        store.write(read(privmsg("peepoHappy")))
    store.write(read(privmsg("peepoHappy")))
    assert EmoteUsage.objects.get().uses == 1


def test_lines_are_stored_though_their_channel_got_another_key():
    store = Store()
    store.write(read(privmsg("before")))
    Channel.objects.all().delete()
    Message.objects.all().delete()
    stored = store.write(read(privmsg("after")))
    assert (stored.messages, stored.dead, Message.objects.get().channel) == (1, 0, channel())


def test_a_standby_is_postgres_being_away():
    store = Store()
    prepared = store.prepare(read(privmsg()))
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        with pytest.raises(django.db.InternalError) as caught:
            store.commit(prepared)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
    assert store_module.is_away(caught.value)


@pytest.mark.parametrize("color", ["#12ab9F", ""])
def test_a_colour_that_is_one_is_kept(color):
    Store().write(read(privmsg(color=color)))
    assert ViewerTotal.objects.get().viewer.color == color


def test_a_message_is_removed_by_a_deletion_that_another_writer_stores_at_the_same_time(monkeypatch):
    Store().write(read(privmsg("first")))
    inserted, deletion_began = threading.Event(), threading.Event()
    insert = Transaction._insert_messages

    def insert_and_wait(self) -> int:
        number = insert(self)
        inserted.set()
        deletion_began.wait(1)
        return number

    monkeypatch.setattr(Transaction, "_insert_messages", insert_and_wait)
    message = privmsg("second", at=1)

    def delete() -> None:
        inserted.wait(5)
        try:
            Store().write(read(clearmsg(id_of("message", "second", "alice", 1, "example"), at=2)))
        finally:
            connection.close()

    other = threading.Thread(target=delete)
    other.start()
    Store().write(read(message))
    other.join()
    assert Message.objects.get(text="second").removed_at is not None
