"""Names are found in what others wrote, by Python and by Postgres alike, and nothing else goes with them."""

import pytest
from django.db import connection

from chat.mentions import AnyOf, Mentions

ANN = Mentions("4711234", ["ann_loves", "Ann_Loves", "anna.b", "xo", "田中", "C+(", ""])

TEXTS = {
    "hello Ann_Loves!": "hello …!",
    "@ann_loves: hi": "…: hi",
    "ANN_LOVES ann_loves": "… …",
    "ann_loves2 and xann_loves and ann": None,
    "mail@ann_loves.example": "mail@….example",
    "@@ann_loves": "@…",
    "annaxb anna.b": "annaxb …",
    "xo xo @xo @xoxo": "xo xo … @xoxo",
    "田中さん and @田中": "…さん and …",
    "id 4711234, not 47112345": "id …, not 47112345",
    "learn C++ with @C+(": "learn C++ with …",
    "ann_lovesさん": "…さん",
    "": None,
    "100 % \\ ( [": None,
}


@pytest.mark.parametrize(("text", "cleaned"), TEXTS.items())
def test_python_puts_an_ellipsis_for_names(text, cleaned):
    assert ANN.cleaned(text) == (text if cleaned is None else cleaned)
    assert ANN.are_in(text) == (cleaned is not None)


@pytest.mark.parametrize(("text", "cleaned"), TEXTS.items())
@pytest.mark.django_db
def test_postgres_does_the_same(text, cleaned):
    with connection.cursor() as cursor:
        cursor.execute("SELECT regexp_replace(%s, %s, '…', 'gi')", [text, ANN.anywhere])
        assert cursor.fetchone() == (text if cleaned is None else cleaned,)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("title", "is_addressed"),
    [("playing with @ann_loves", True), ("ann_loves the game", False), ("@ann_loves2", False), ("@xo tonight", True)],
)
def test_words_of_a_channel_name_somebody_with_an_at(title, is_addressed):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s ~* %s", [title, ANN.addressed])
        assert cursor.fetchone() == (is_addressed,)


@pytest.mark.parametrize("text", [text for text, cleaned in TEXTS.items() if cleaned is not None])
@pytest.mark.django_db
def test_what_is_looked_through_first_leaves_out_nothing_that_is_found(text):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lower(%s) LIKE ANY(%s), 'nothing 100 %% here' LIKE ANY(%s)", [text, ANN.likes, ANN.likes]
        )
        assert cursor.fetchone() == (True, False)


@pytest.mark.django_db
def test_nobody_is_found_who_has_no_name():
    nobody = Mentions("12", [])
    with connection.cursor() as cursor:
        cursor.execute("SELECT '12 and @12' ~* %s, '@12' ~* %s", [nobody.anywhere, nobody.addressed])
        assert cursor.fetchone() == (False, False)
    assert nobody.cleaned("12 and @12") == "12 and @12"


def test_in_json_only_what_is_said_changes():
    told = {"login": "ann_loves", "ann_loves": 1, "who": ["xo", "@xo", {"id": "12"}], "n": 12, "none": None}
    assert Mentions("12", ["ann_loves", "xo"]).cleaned_json(told) == {
        "login": "…",
        "ann_loves": 1,
        "who": ["xo", "…", {"id": "…"}],
        "n": 12,
        "none": None,
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("raw", "is_found"),
    [
        ("@user-id=4711234;x=1 :a!a@a PRIVMSG #b :hi", True),
        (":ann_loves!ann_loves@ann_loves.tmi.twitch.tv PRIVMSG #b :hi", True),
        ("display-name=田中;", True),
        ("さ田中", True),
        ("user-id=47112345", False),
        ("xo", True),
        ("back\\slash C+( here", True),
        ("nothing \\ here", False),
    ],
)
def test_bytes_are_searched_too(raw, is_found):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT encode(%s::bytea, 'escape') ~* %s", [raw.encode() + b"\x00\xff", AnyOf([ANN]).in_bytes()]
        )
        assert cursor.fetchone() == (is_found,)
