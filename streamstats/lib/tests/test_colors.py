import pytest

from streamstats.lib.colors import ink_on, is_color, luminance


@pytest.mark.parametrize("text", ["#5B3DF5", "#000000", "#abcdef"])
def test_a_color_is_one(text):
    assert is_color(text)


@pytest.mark.parametrize("text", ["", "red", "#fff", "#12345g", '#123456"', "#123456\n", "url(#a)"])
def test_anything_else_is_none(text):
    assert not is_color(text)


@pytest.mark.parametrize(
    ("color", "ink"), [("#ffffff", "#000000"), ("#F4E04D", "#000000"), ("#000000", "#ffffff"), ("#5B3DF5", "#ffffff")]
)
def test_ink_has_the_better_contrast(color, ink):
    assert ink_on(color) == ink


def test_luminance_ends_at_black_and_white():
    assert (luminance("#000000"), round(luminance("#ffffff"), 6)) == (0, 1)
