"""Pages lead on to where people want to go next, and call everybody by a name that can be typed."""

import pytest
from django.contrib.auth.models import User

from streams.models import Channel
from streams.tests.cast import make_channel
from viewers import wiki
from viewers.models import Standing
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

HOME = "/c/lantern/"
SEARCH = f'action="{HOME}viewers/"'


@pytest.fixture
def channel():
    return make_channel()


def text(client, address):
    return client.get(address).content.decode()


def test_the_page_of_a_channel_finds_viewers_and_leads_to_achievements(client, channel):
    page = text(client, HOME)
    assert SEARCH in page
    assert f'href="{HOME}achievements/"' in page


def test_the_front_page_leads_to_the_viewers_of_each_channel(client, channel):
    assert f'href="{HOME}viewers/">find a viewer' in text(client, "/")


def test_where_nobody_is_the_search_is_offered(client, channel):
    assert f'href="{HOME}viewers/">Search the viewers' in text(client, f"{HOME}viewers/nobody/")


def test_what_else_is_missing_offers_no_search_of_viewers(client, channel):
    assert "Search the viewers" not in text(client, f"{HOME}streams/nothing/")


@pytest.mark.parametrize("page", ["viewers/", "viewers/ann/", "leaderboards/?by=messages"])
def test_a_name_that_is_not_the_login_has_the_login_beside_it(client, channel, page):
    viewer = make_viewer(channel, "ann", display_name="安娜")
    Standing.objects.create(channel=channel, viewer=viewer, period="all", messages=1)
    assert 'login"><bdi>ann</bdi>' in text(client, f"{HOME}{page}")
    viewer.display_name = "ANN"
    viewer.save()
    assert 'login"><bdi>' not in text(client, f"{HOME}{page}")


def test_where_nobody_asked_for_a_page_a_board_says_who_could(client, channel):
    make_viewer(channel, "ann")
    Channel.objects.update(page_policy=Channel.PagePolicy.OPT_IN)
    page = text(client, f"{HOME}leaderboards/")
    assert "only viewers who asked for a page, and none of them has a place" in page
    assert "Nobody is known to have watched" not in page


def test_a_description_ends_without_a_space_before_its_full_stop(client, channel):
    make_viewer(channel, "ann", 3)
    assert '3 messages.">' in text(client, f"{HOME}viewers/ann/")


def test_what_is_shown_after_a_version_is_withdrawn_is_known_before(channel):
    ann, user = make_viewer(channel, "ann"), User.objects.create_user("ann")
    for number, words in enumerate(["one", "two", "one"]):
        wiki.save(channel, ann, words, user, "viewer", based_on=number)
    profile = ann.profiles.get()
    told = wiki.shown_without(profile, [1, 3]), wiki.shown_without(profile, [2]), wiki.shown_without(profile, [1, 2, 3])
    assert [version and version.number for version in told] == [2, 3, None]
