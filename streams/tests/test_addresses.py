import pytest

from streams.converters import ChannelLogin, ViewerLogin


@pytest.mark.parametrize("login", ["bob", "<script>", "a/b", "100%", "夜空", "a%2fb", "ü ber", "BoB", "İ", "..."])
def test_a_name_comes_back_from_its_address(login):
    assert ViewerLogin().to_python(ViewerLogin().to_url(login)) == login


def test_a_channel_in_capitals_is_the_same_channel():
    assert ChannelLogin().to_python("LanternLight") == "lanternlight"


@pytest.mark.parametrize("text", ["a\x00b", "a%00b", "a\nb", "\u202e"])
def test_what_cannot_be_seen_is_no_name(text):
    with pytest.raises(ValueError, match="not a name"):
        ViewerLogin().to_python(text)


@pytest.mark.parametrize("login", ["", ".", "..", "a\x00b", "\u202e"])
def test_what_cannot_be_in_an_address_still_has_one(login):
    assert ViewerLogin().to_url(login) == "-"
