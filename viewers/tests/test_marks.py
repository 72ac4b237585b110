"""Marks tell nobody whose they are, and are the same in Python and in the database."""

import hmac
from typing import Any

import pytest
from django.db import connection

from viewers.marks import ANONYMOUS_ID, anonymous_id, anonymous_keys, mark_of

MESSAGE = "0f3c4e1c-90a4-4f5a-8f33-1a7a6a3f4d7e"


def test_a_mark_is_the_same_every_time_and_another_for_everybody_else() -> None:
    assert mark_of("1001") == mark_of("1001")
    assert mark_of("1001") != mark_of("1002")
    assert len(mark_of("1001")) == 64


def test_a_mark_is_the_hmac_of_the_id(settings: Any) -> None:
    settings.PRIVACY_KEY = "a key"
    assert mark_of("of another key") == hmac.new(b"a key", b"account of another key", "sha256").hexdigest()


def test_an_anonymous_id_says_nothing_of_the_id_it_stands_for() -> None:
    assert anonymous_id(MESSAGE).startswith("anon-")
    assert len(anonymous_id(MESSAGE)) <= 64
    assert not set(MESSAGE.split("-")) & set(anonymous_id(MESSAGE).split("-"))


def test_an_anonymous_id_stays_what_it_is() -> None:
    assert anonymous_id(anonymous_id(MESSAGE)) == anonymous_id(MESSAGE)


def test_a_message_and_an_account_with_the_same_id_have_nothing_in_common() -> None:
    assert anonymous_id("1001").removeprefix("anon-") not in mark_of("1001")


def test_another_key_makes_other_marks(settings: Any) -> None:
    before = anonymous_id(MESSAGE)
    settings.PRIVACY_KEY = "another key"
    assert anonymous_id(MESSAGE) != before


@pytest.mark.django_db
@pytest.mark.parametrize(
    "key", ["short", "just as long as a block of the hash is, which is the last that", "long" * 40]
)
def test_the_database_makes_the_same_ids(settings: Any, key: str) -> None:
    settings.PRIVACY_KEY = key
    with connection.cursor() as cursor:
        for message in (MESSAGE, "käse", anonymous_id(MESSAGE)):
            cursor.execute(f"SELECT {ANONYMOUS_ID.format('%(id)s::text')}", {**anonymous_keys(), "id": message})
            assert cursor.fetchone() == (anonymous_id(message),)
