"""manage.py follow and unfollow."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from streams.logins import login_of
from streams.models import Channel

pytestmark = pytest.mark.django_db


def run(command, *names):
    out = StringIO()
    call_command(command, *names, stdout=out)
    return out.getvalue().splitlines()


def followed():
    return set(Channel.objects.followed().values_list("login", flat=True))


def test_it_follows_several_channels():
    assert run("follow", "one", "two") == ["Following one.", "Following two."]
    assert followed() == {"one", "two"}


def test_following_twice_changes_nothing():
    run("follow", "one")
    assert run("follow", "one") == ["one is followed already."]
    assert Channel.objects.count() == 1


def test_a_channel_can_be_followed_again():
    run("follow", "one")
    run("unfollow", "one")
    assert run("follow", "one") == ["Following one."]
    assert followed() == {"one"}


def test_one_wrong_name_and_none_is_followed():
    with pytest.raises(CommandError, match="'t w o' is not a channel"):
        run("follow", "one", "t w o")
    assert followed() == set()


def test_an_unfollowed_channel_keeps_its_row():
    run("follow", "one")
    assert run("unfollow", "#One") == ["No longer following one."]
    assert (followed(), Channel.objects.count()) == (set(), 1)


def test_unfollowing_twice_changes_nothing():
    run("follow", "one")
    run("unfollow", "one")
    assert run("unfollow", "one") == ["one is not followed."]


def test_an_unknown_channel_cannot_be_unfollowed():
    run("follow", "one")
    with pytest.raises(CommandError, match="No channel named two, three is known"):
        run("unfollow", "one", "two", "three")
    assert followed() == {"one"}


@pytest.mark.parametrize(
    ("text", "login"),
    [
        ("name", "name"),
        (" Name_1 ", "name_1"),
        ("#name", "name"),
        ("@name", "name"),
        ("twitch.tv/name", "name"),
        ("https://www.twitch.tv/Name", "name"),
        ("http://m.twitch.tv/name/videos?filter=all", "name"),
        ("a" * 25, "a" * 25),
        ("a" * 26, None),
        ("", None),
        ("#", None),
        ("two words", None),
        ("naïve", None),
        ("https://example.com/name", None),
        ("https://twitch.tv/", None),
        ("a,b", None),
        ("name\n", "name"),
    ],
)
def test_what_people_type_for_a_channel(text, login):
    assert login_of(text) == login
