import pytest

from streamstats.lib.keyset import Place


@pytest.mark.parametrize(
    "place", [Place("1234", "5678"), Place("with-dash", "1"), Place("夜空", "9"), Place("\u202egnp", "9")]
)
def test_a_place_is_read_as_it_was_written(place):
    assert Place.read(str(place)) == place


@pytest.mark.parametrize("text", ["", "-", "12", "12-", "-12", "a\x00b-1", "a\n-1", "\ud7ff\udc00-1", "9" * 200 + "-1"])
def test_a_made_up_place_is_refused(text):
    with pytest.raises(ValueError, match="not a place"):
        Place.read(text)


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "٣", "9" * 19])
def test_a_value_that_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="not a number"):
        Place(value, "1").number()


def test_a_value_can_be_a_number():
    assert Place("1234", "5678").number() == 1234
