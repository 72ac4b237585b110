import pytest

from chat.providers import Added, Removed, Renamed, SetEntry, collect, image_address, with_changes
from chat.providers.sources import login_in, path, twitch_id_of

CAT = SetEntry("7tv", "1", "cat", "cat", "")
DOG = SetEntry("7tv", "2", "dog", "dog", "")


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("//cdn.example/a/2x.webp", "https://cdn.example/a/2x.webp"),
        ("http://cdn.example/a", "https://cdn.example/a"),
        ("https://cdn.example/a", "https://cdn.example/a"),
        ("http://127.0.0.1:8001/cdn/a", "http://127.0.0.1:8001/cdn/a"),
        ("http://localhost/a", "http://localhost/a"),
        ("http://[::1]/a", "http://[::1]/a"),
        ("javascript:alert(1)", ""),
        ("data:image/png;base64,aa", ""),
        ("/relative", ""),
        ("https://", ""),
        ("https://[", ""),
        ("https://cdn.example/a b", ""),
        ("https://cdn.example/\n", ""),
        ("https://cdn.example/" + "a" * 500, ""),
        (None, ""),
        (7, ""),
    ],
)
def test_image_addresses_are_https_or_of_this_machine(given, url):
    assert image_address(given) == url


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        pytest.param([Added(DOG)], ["cat", "dog"], id="added"),
        pytest.param([Added(SetEntry("7tv", "1", "kitty", "cat", ""))], ["kitty"], id="added again under another name"),
        pytest.param([Renamed("1", "kitty")], ["kitty"], id="renamed"),
        pytest.param([Renamed("9", "kitty")], ["cat"], id="renamed but not there"),
        pytest.param([Removed("1")], [], id="removed"),
        pytest.param([Removed("9")], ["cat"], id="removed but not there"),
        pytest.param([Added(DOG), Removed("1"), Renamed("2", "wolf")], ["wolf"], id="one after another"),
    ],
)
def test_changes_make_another_set(changes, names):
    assert [entry.name for entry in with_changes([CAT], changes)] == names


def test_of_two_entries_with_one_name_the_later_wins():
    later = SetEntry("7tv", "2", "cat", "cat", "")
    assert collect([CAT, later]) == ([later], 0)


@pytest.mark.parametrize("provider", ["7tv", "bttv", "ffz"])
@pytest.mark.parametrize("twitch_id", [None, "1001"])
def test_a_path_tells_whose_set_it_leads_to(provider, twitch_id):
    assert twitch_id_of(provider, path(provider, twitch_id)) == twitch_id


@pytest.mark.parametrize(
    ("provider", "of_path"), [("7tv", "/users/twitch/x"), ("bttv", "/"), ("ffz", "/room/id/"), ("odd", "/set/global")]
)
def test_a_path_that_is_never_asked_for_is_refused(provider, of_path):
    with pytest.raises(ValueError, match=r"no (provider|set at)"):
        twitch_id_of(provider, of_path)


@pytest.mark.parametrize(
    ("provider", "body", "login"),
    [
        ("7tv", {"username": "Example"}, "example"),
        ("ffz", {"room": {"id": "5uppp"}}, "5uppp"),
        ("bttv", {"id": "5f1b"}, ""),
        ("7tv", {"username": "no name"}, ""),
        ("ffz", [], ""),
    ],
)
def test_some_bodies_tell_the_login(provider, body, login):
    assert login_in(provider, body) == login
