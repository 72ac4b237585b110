from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from redis.exceptions import RedisError

from streams.logins import login_of
from streams.models import Stream, StreamSegment
from streams.tests.cast import make_channel
from viewers import bots
from viewers.credit import recredit
from viewers.models import BotSource, Viewer, ViewerDay, ViewerTotal, ViewSession
from viewers.tasks import mark_bots
from viewers.tests.cast import LATELY, make_viewer

pytestmark = pytest.mark.django_db

START = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def channel():
    return make_channel()


def watched(channel, viewer, minutes=30):
    """Somebody watched, and it was credited."""
    end = START + timedelta(minutes=minutes)
    stream, _ = Stream.objects.get_or_create(
        id=f"s{channel.pk}", channel=channel, defaults={"started_at": START, "ended_at": end, "presence_at": end}
    )
    StreamSegment.objects.get_or_create(stream=stream, started_at=START, ended_at=end)
    ViewSession.objects.create(
        channel=channel, viewer=viewer, stream=stream, started_at=START, ended_at=end, source="chatters"
    )
    recredit([viewer.pk])


def watch_seconds(viewer):
    of_days = [day.watch_seconds for day in ViewerDay.objects.filter(viewer=viewer)]
    return of_days, ViewerTotal.objects.get(viewer=viewer).watch_seconds


def said_of(viewer):
    return Viewer.objects.values_list("is_bot", "bot_source").get(pk=viewer.pk)


def test_the_list_has_logins_and_nothing_else():
    logins = bots.known()
    assert len(logins) >= 60
    assert {"nightbot", "streamelements"} <= logins
    assert all(login_of(login) == login for login in logins)


def test_a_known_bot_is_marked(channel):
    nightbot, ann = make_viewer(channel, "nightbot"), make_viewer(channel, "ann")
    assert bots.mark(bots.known(), BotSource.LIST).bots == [nightbot.pk]
    assert said_of(nightbot) == (True, BotSource.LIST)
    assert said_of(ann) == (False, "")


def test_names_are_taken_as_people_write_them(channel):
    nightbot = make_viewer(channel, "nightbot")
    assert bots.mark(["@NightBot", "", "no name", "\x00"], BotSource.CHANNEL).bots == [nightbot.pk]


def test_what_a_moderator_said_stands(channel):
    helper = make_viewer(channel, "nightbot", bot_source=BotSource.MODERATOR)
    bot = make_viewer(channel, "ann", is_bot=True, bot_source=BotSource.MODERATOR)
    assert bots.mark(["nightbot"], BotSource.LIST, are_all=True) == ([], [])
    assert said_of(helper) == (False, BotSource.MODERATOR)
    assert said_of(bot) == (True, BotSource.MODERATOR)


def test_a_login_means_whoever_had_it_last(channel):
    make_viewer(channel, "nightbot", named_at=LATELY - timedelta(days=900))
    now = make_viewer(channel, "nightbot")
    assert bots.mark(["nightbot"], BotSource.LIST).bots == [now.pk]


def test_who_is_no_longer_named_is_a_bot_no_more(channel):
    ann = make_viewer(channel, "ann", is_bot=True, bot_source=BotSource.CHANNEL)
    nightbot = make_viewer(channel, "nightbot", is_bot=True, bot_source=BotSource.LIST)
    assert bots.mark(["bob"], BotSource.CHANNEL, are_all=True).people == [ann.pk]
    assert said_of(ann) == (False, "")
    assert said_of(nightbot) == (True, BotSource.LIST)


def test_a_list_that_is_not_whole_takes_nobody_off(channel):
    make_viewer(channel, "ann", is_bot=True, bot_source=BotSource.CHANNEL)
    assert bots.mark([], BotSource.CHANNEL) == ([], [])


def test_a_bot_that_took_another_name_is_still_one(channel):
    renamed = make_viewer(channel, "nightbot2", formerly="nightbot", is_bot=True, bot_source=BotSource.LIST)
    assert bots.mark(bots.known(), BotSource.LIST, are_all=True) == ([], [])
    assert said_of(renamed) == (True, BotSource.LIST)


def test_a_bot_loses_its_watch_time_and_nobody_else(channel):
    nightbot, ann = make_viewer(channel, "nightbot"), make_viewer(channel, "ann")
    for viewer in (nightbot, ann):
        watched(channel, viewer)
    bots.mark(["nightbot"], BotSource.LIST)
    assert watch_seconds(nightbot) == ([0], 0)
    assert watch_seconds(ann) == ([1800], 1800)


def test_who_was_no_bot_after_all_has_the_watch_time_again(channel):
    ann = make_viewer(channel, "ann")
    watched(channel, ann)
    bots.mark(["ann"], BotSource.CHANNEL, are_all=True)
    bots.mark([], BotSource.CHANNEL, are_all=True)
    assert watch_seconds(ann) == ([1800], 1800)


def test_only_known_names_of_those_just_met_are_looked_for(channel):
    ann = make_viewer(channel, "ann")
    nightbot = make_viewer(channel, "nightbot")
    make_viewer(channel, "moobot")
    assert bots.mark_known(["ann", "nightbot"]).bots == [nightbot.pk]
    assert not said_of(ann)[0]


def test_it_takes_as_many_queries_for_many(channel):
    def queries(logins):
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert len(bots.mark(logins, BotSource.LIST).bots) == len(logins)
        return len(captured)

    known = sorted(bots.known())[:31]
    for login in known:
        watched(channel, make_viewer(channel, login))
    assert queries(known[:1]) == queries(known[1:])


def test_the_job_marks_those_on_the_list(channel, redis_client):
    make_viewer(channel, "nightbot")
    assert mark_bots() == "1 marked as bots, 0 no longer"


# What strangers see of it


@pytest.fixture
def forgotten(monkeypatch):
    """The channels whose pages were forgotten, each time."""
    calls: list[list[str]] = []
    monkeypatch.setattr("streams.pages.forget", lambda logins: calls.append(sorted(logins)))
    return calls


@pytest.fixture
def elsewhere():
    """A channel in which nobody was seen."""
    return make_channel("elsewhere")


@pytest.mark.parametrize("is_bot", [True, False])
def test_what_a_moderator_says_is_seen_at_once_wherever_they_were(
    channel, elsewhere, forgotten, django_capture_on_commit_callbacks, is_bot
):
    ann = make_viewer(channel, "ann")
    with django_capture_on_commit_callbacks(execute=True):
        bots.say(ann.pk, is_bot=is_bot)
        assert forgotten == []  # what is rendered before the commit does not know of it
    assert forgotten == [["lantern"]]


def test_what_a_list_says_is_seen_at_once(channel, elsewhere, forgotten, django_capture_on_commit_callbacks):
    make_viewer(channel, "nightbot")
    for logins in (["nightbot"], []):
        with django_capture_on_commit_callbacks(execute=True):
            bots.mark(logins, BotSource.LIST, are_all=True)
    assert forgotten == [["lantern"], ["lantern"]]


def test_a_list_that_says_nothing_new_empties_nothing(channel, forgotten, django_capture_on_commit_callbacks):
    make_viewer(channel, "nightbot")
    bots.mark(["nightbot"], BotSource.LIST)
    with django_capture_on_commit_callbacks(execute=True):
        bots.mark(["nightbot", "stranger"], BotSource.LIST, are_all=True)
    assert forgotten == []


def test_without_redis_a_bot_is_marked_all_the_same(channel, monkeypatch, django_capture_on_commit_callbacks, caplog):
    def away(logins):
        raise RedisError("away")

    monkeypatch.setattr("streams.pages.forget", away)
    ann = make_viewer(channel, "ann")
    with django_capture_on_commit_callbacks(execute=True):
        bots.say(ann.pk, is_bot=True)
    assert said_of(ann) == (True, BotSource.MODERATOR)
    assert "pages.not_forgotten" in caplog.text
