"""Where things are kept on one machine."""

from pathlib import Path

import pytest

from streamstats.local.layout import LONGEST_SOCKET_DIR, Layout
from streamstats.local.secret_key import read_or_make_secret_key


def test_sockets_are_kept_in_the_home():
    assert Layout(Path("/srv/streamstats")).sockets == Path("/srv/streamstats/run")


@pytest.mark.parametrize("home", ["/srv/" + "long" * 30, "/srv/with space", "/srv/100%", "/srv/schön"])
def test_sockets_of_a_home_with_an_unfit_name_are_kept_elsewhere(home):
    sockets = str(Layout(Path(home)).sockets)
    assert sockets.startswith("/tmp/streamstats-")
    assert len(sockets) <= LONGEST_SOCKET_DIR


def test_two_homes_have_sockets_of_their_own():
    assert Layout(Path("/srv/a b")).sockets != Layout(Path("/srv/c d")).sockets


def test_a_secret_key_is_made_once(tmp_path):
    path = tmp_path / "new" / "secret_key"
    first = read_or_make_secret_key(path)
    assert len(first) > 50
    assert read_or_make_secret_key(path) == first


def test_two_homes_have_keys_of_their_own(tmp_path):
    assert read_or_make_secret_key(tmp_path / "a") != read_or_make_secret_key(tmp_path / "b")


def test_a_secret_key_is_for_its_owner_only(tmp_path):
    read_or_make_secret_key(tmp_path / "secret_key")
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600


def test_nothing_but_the_key_is_left(tmp_path):
    read_or_make_secret_key(tmp_path / "secret_key")
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_where_none_can_be_kept_there_is_none(tmp_path):
    (tmp_path / "file").touch()
    assert read_or_make_secret_key(tmp_path / "file" / "secret_key") == ""
