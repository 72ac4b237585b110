import pytest

from streamstats.lib.numbers import compact, counted, ordinal


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (18_204, "18,204"),
        (99_999, "99,999"),
        (100_000, "100 k"),
        (318_499, "318 k"),
        (999_499, "999 k"),
        (999_500, "1 M"),
        (1_318_204, "1.32 M"),
        (48_000_000, "48 M"),
        (999_400_000, "999 M"),
        (999_500_000, "1.00 bn"),
        (1_234_000_000_000, "1,234.00 bn"),
        (-250_000, "-250 k"),
    ],
)
def test_long_numbers_are_rounded(number, text):
    assert compact(number).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (101, "101st"),
        (111, "111th"),
        (1022, "1,022nd"),
    ],
)
def test_places_have_their_ending(number, text):
    assert ordinal(number) == text


def test_one_of_a_kind_is_singular():
    assert counted(1, "message") == "1 message"


def test_several_are_plural():
    assert counted(2, "message") == "2 messages"


def test_an_unusual_plural_is_given():
    assert counted(0, "person", "people") == "0 people"
