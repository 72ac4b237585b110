"""The place of a viewer, as the fold left it."""

import re

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.portrait import place
from chat.portrait.person import find
from streams.models import Channel, ChannelTotal
from streams.tests.cast import make_channel
from streamstats.lib.periods import ALL_TIME
from viewers import visibility
from viewers.models import Profile, Standing, Viewer
from viewers.tests.cast import make_viewer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]


@pytest.fixture
def channel():
    return make_channel()


def make_standing(channel, login, messages=0, seconds=0, *, period="all", streak=0, **fields):
    viewer = make_viewer(channel, login, **fields)
    Standing.objects.create(
        channel=channel, viewer=viewer, period=period, messages=messages, watch_seconds=seconds, streak=streak
    )
    return viewer


def standings(channel, login):
    return place.of(find(channel, login, "", AnonymousUser())[0], ALL_TIME)


def test_the_place_counts_those_who_have_more(channel):
    make_standing(channel, "ann", 10, 5)
    make_standing(channel, "equal", 5, 50)
    make_standing(channel, "bob", 5, 7, streak=3)
    assert standings(channel, "bob") == (2, 2, 3)


def test_bots_and_who_is_not_shown_are_passed_over(channel):
    make_standing(channel, "nightbot", 10, is_bot=True)
    make_standing(channel, "shy", 10, hidden_at=timezone.now())
    Profile.objects.create(
        channel=channel, viewer=make_standing(channel, "gone", 10), visibility=Profile.Visibility.REMOVED
    )
    make_standing(channel, "bob", 5)
    assert standings(channel, "bob").by_messages == 1


def test_a_bot_has_no_place(channel):
    make_standing(channel, "nightbot", 10, 10, is_bot=True)
    assert standings(channel, "nightbot") == (None, None, 0)


def test_nothing_has_no_place(channel):
    make_standing(channel, "bob", 5)
    assert standings(channel, "bob") == (None, 1, 0)


def test_before_the_first_fold_there_is_no_place(channel):
    make_viewer(channel, "bob")
    assert standings(channel, "bob") == (None, None, 0)


def test_far_behind_there_is_no_place(channel, monkeypatch):
    monkeypatch.setattr(place, "RANKED", 2)
    for number in range(2):
        make_standing(channel, f"ahead{number}", 10, 10)
    make_standing(channel, "bob", 5, 20)
    assert standings(channel, "bob") == (1, None, 0)


def test_places_of_other_periods_do_not_count(channel):
    make_standing(channel, "ann", 10, period="2025")
    make_standing(channel, "bob", 5)
    assert standings(channel, "bob").by_messages == 1


def test_the_page_tells_the_place_among_all_chatters(client, channel):
    ChannelTotal.objects.create(channel=channel, chatters=8310)
    make_standing(channel, "bob", 5)
    page = client.get("/c/lantern/viewers/bob/").content.decode()
    assert " · 1st of " in page
    assert "8,310 chatters" in page


def test_the_place_leads_to_its_board(client, channel):
    make_standing(channel, "bob", 5, 9, period="2025")
    page = client.get("/c/lantern/viewers/bob/", {"range": "2025"}).content.decode()
    assert 'href="/c/lantern/leaderboards/?by=watched&amp;range=2025">1st</a>' in page


def test_the_longest_streak_is_told(client, channel):
    make_standing(channel, "bob", 5, streak=12)
    assert "12 streams</data> in a row" in client.get("/c/lantern/viewers/bob/").content.decode()


def ask(channel, login):
    """What it takes to say somebody's place: questions about who is ahead of them, and the place."""
    person = find(channel, login, "", AnonymousUser())[0]
    with CaptureQueriesContext(connection) as queries:
        found = place.of(person, ALL_TIME)
    return sum("cardinality" in query["sql"] for query in queries), found.by_messages


@pytest.fixture
def crowd(channel, monkeypatch):
    """Ten people of whom the first three have places, asked about once."""
    monkeypatch.setattr(place, "RANKED", 3)
    for number in range(10):
        make_standing(channel, f"viewer{number}", 1000 - 100 * number)
    standings(channel, "viewer0")


def test_nobody_is_counted_for_who_is_far_behind(crowd, channel):
    assert ask(channel, "viewer9") == (0, None)


@pytest.mark.parametrize(("login", "expected"), [("viewer0", 1), ("viewer2", 3), ("viewer3", None)])
def test_who_is_near_is_counted(crowd, channel, login, expected):
    """Also just behind, for somebody ahead may hide."""
    Standing.objects.filter(viewer__login="viewer3").update(messages=790)
    assert ask(channel, login) == (1, expected)


def test_who_moves_up_when_somebody_hides_has_their_place(crowd, channel):
    Standing.objects.filter(viewer__login="viewer3").update(messages=790)
    Viewer.objects.filter(login="viewer0").update(hidden_at=timezone.now())
    assert ask(channel, "viewer3") == (1, 3)


def test_without_redis_everybody_is_counted(crowd, channel, settings):
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    assert ask(channel, "viewer9") == (1, None)


@pytest.fixture
def opt_in(channel, monkeypatch):
    """Ten people in an opt-in channel, of whom the last four asked for a page."""
    monkeypatch.setattr(visibility, "FEW", 3)
    Channel.objects.update(page_policy=Channel.PagePolicy.OPT_IN)
    channel.refresh_from_db()
    for number in range(10):
        viewer = make_standing(channel, f"viewer{number}", 1000 - 100 * number)
        if number > 5:
            Profile.objects.create(channel=channel, viewer=viewer, visibility=Profile.Visibility.SHOWN)


def test_where_many_asked_no_more_than_the_first_are_looked_at(opt_in, channel, monkeypatch):
    monkeypatch.setattr(place, "LOOKED", 8)
    assert [ask(channel, f"viewer{number}") for number in (6, 7, 8, 9)] == [(1, 1), (1, 2), (0, None), (0, None)]


def test_who_is_among_the_first_has_a_place_where_many_asked(opt_in, channel):
    assert ask(channel, "viewer9") == (1, 4)


def test_where_few_asked_each_of_them_has_a_place(opt_in, channel, monkeypatch):
    monkeypatch.setattr(visibility, "FEW", 4)
    monkeypatch.setattr(place, "LOOKED", 2)
    assert ask(channel, "viewer9") == (1, 4)


def test_without_redis_no_more_are_looked_at_where_many_asked(opt_in, channel, monkeypatch, settings):
    monkeypatch.setattr(place, "LOOKED", 8)
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    assert ask(channel, "viewer9") == (0, None)


def test_where_the_least_active_asked_no_more_of_the_index_is_read(channel, monkeypatch):
    """Else all of a large channel would be, for each page of a viewer."""
    monkeypatch.setattr(visibility, "FEW", 10)
    monkeypatch.setattr(place, "LOOKED", 1000)
    Channel.objects.update(page_policy=Channel.PagePolicy.OPT_IN)
    now = timezone.now()
    people = [Viewer(twitch_id=f"n{n}", login=f"v{n}", display_name=f"v{n}", named_at=now) for n in range(6000)]
    Viewer.objects.bulk_create(people)
    Standing.objects.bulk_create(
        Standing(channel=channel, viewer=each, period="all", messages=n, watch_seconds=n)
        for n, each in enumerate(people)
    )
    shown = Profile.Visibility.SHOWN
    people = [*people[:5010], make_standing(channel, "bob", 5005, 5005)]
    Profile.objects.bulk_create(Profile(channel=channel, viewer=each, visibility=shown) for each in people)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE viewers_viewer, viewers_standing, viewers_profile")
    person = find(Channel.objects.get(), "bob", "", AnonymousUser())[0]
    with CaptureQueriesContext(connection) as queries:
        assert place.of(person, ALL_TIME).by_messages == 5
    for query in queries:
        if "viewers_standing" in query["sql"]:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {query['sql']}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
            read = [int(rows) for rows in re.findall(r"viewers_standing.*actual rows=(\d+)", plan)]
            assert max(read) <= 1001, plan
