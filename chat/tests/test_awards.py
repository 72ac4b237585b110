"""When awards are made, for whom, and what is told of them."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import achievements, awards, folds, standings
from chat.achievements import ACHIEVEMENTS, BY_KEY, Achievement
from chat.awards import award, of_viewer
from chat.tests.deeds import DAY, MONDAY, NOON, Deeds
from chat.tests.test_achievements import EARNED
from streams.models import ChannelDay
from streams.tests.cast import make_channel
from viewers.models import Award, AwardRule, Viewer, ViewerDay
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

ALL_DAYS = {MONDAY + n * DAY for n in range(800)}


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def deeds(channel):
    return Deeds(channel, make_viewer(channel, "ann", 0))


@pytest.fixture
def busy(channel):
    """Some viewers, who each did something else."""
    people = [Deeds(channel, make_viewer(channel, f"v{index}", 0)) for index in range(len(EARNED))]
    for doer, (does, *_) in zip(people, EARNED.values(), strict=True):
        if does is not EARNED["first-stream"][0]:
            does(doer)
        doer.day(date(2028, 3, 1))
    return people


def rows():
    return set(Award.objects.values_list("channel", "viewer", "achievement", "level", "earned_at", "value", "stream"))


@pytest.fixture
def with_rules(monkeypatch):
    """Other rules than the declared ones."""

    def declare(*rules):
        monkeypatch.setattr(awards, "ACHIEVEMENTS", rules)
        monkeypatch.setattr(awards, "BY_KEY", {rule.key: rule for rule in rules})

    return declare


TALK = Achievement("talk", "Talk", "Wrote {}.", achievements.WORDS, "messages", (10, 20), "message")
STAY = Achievement("stay", "Stay", "Was here on {}.", achievements.DAYS, "days", (2,), "day")


# Once


def test_awarding_again_changes_nothing(channel, busy):
    made = award(channel, None)
    before = rows()
    assert made == len(before) > len(ACHIEVEMENTS)
    assert award(channel, None) == award(channel, ALL_DAYS) == 0
    assert rows() == before


def test_day_by_day_comes_to_the_same_as_all_at_once(channel, busy):
    days = sorted(set(ViewerDay.objects.values_list("day", flat=True)))
    award(channel, set())
    Award.objects.all().delete()
    for first in range(0, len(days), 10):
        award(channel, set(days[first : first + 10]))
    in_steps = rows()
    Award.objects.all().delete()
    award(channel, None)
    assert in_steps == rows()


def test_what_grows_is_awarded_with_the_same_words_as_what_is_whole(channel, deeds):
    """A count of today goes on after it was looked at."""
    deeds.day(messages=120)
    award(channel, {MONDAY})
    early = rows()
    ViewerDay.objects.update(messages=900)
    award(channel, {MONDAY})
    assert early <= rows()
    seen = rows()
    Award.objects.all().delete()
    award(channel, None)
    assert rows() == seen


def test_only_who_was_here_on_these_days_is_looked_at(channel, deeds):
    award(channel, None)
    deeds.day(messages=500)
    assert award(channel, {MONDAY + DAY}) == 0
    assert award(channel, {MONDAY}) > 0


def test_nothing_changed_is_nothing_to_do(channel, deeds):
    award(channel, None)
    with CaptureQueriesContext(connection) as queries:
        assert award(channel, set()) == 0
    assert len(queries) <= 8


def test_channels_are_apart(channel, deeds):
    other = Deeds(make_channel("elsewhere"), deeds.viewer)
    deeds.day(messages=60)
    other.day(messages=60)
    award(channel, None)
    assert not Award.objects.filter(achievement="messages").exists()
    assert not Award.objects.filter(channel=other.channel).exists()


# For whom


@pytest.mark.parametrize("fields", [{"is_bot": True}, {"stopped_at": NOON}])
@pytest.mark.parametrize("days", [None, {MONDAY}])
def test_nothing_is_awarded_to_bots_nor_to_who_wants_nothing_kept(channel, deeds, fields, days):
    Viewer.objects.update(**fields)
    deeds.day(messages=1000)
    assert award(channel, days) == 0


def test_what_is_nobodys_is_awarded_to_nobody(channel, deeds):
    ViewerDay.objects.create(channel=channel, viewer_id="", day=MONDAY, messages=1000)
    assert award(channel, {MONDAY}) == 0
    assert award(channel, None) == 0


def test_what_was_earned_stays_when_it_is_corrected(channel, deeds):
    deeds.day(messages=100)
    award(channel, {MONDAY})
    before = rows()
    ViewerDay.objects.update(messages=5)
    award(channel, {MONDAY})
    award(channel, None)
    assert rows() == before


# New rules


def test_a_new_rule_awards_backwards(channel, deeds, with_rules):
    with_rules(TALK)
    deeds.days(4, messages=6)
    award(channel, set(ALL_DAYS))
    with_rules(TALK, STAY)
    assert award(channel, set()) == 1
    assert Award.objects.get(achievement="stay").earned_at == datetime(2026, 3, 3, tzinfo=UTC)


def test_a_changed_rule_is_awarded_anew(channel, deeds, with_rules):
    with_rules(TALK)
    deeds.days(4, messages=6)
    award(channel, None)
    with_rules(Achievement("talk", "Talk", "Wrote {}.", achievements.WORDS, "messages", (13,), "message"))
    award(channel, set())
    assert list(Award.objects.values_list("level", "value")) == [(1, 13)]


def test_a_rule_that_is_gone_leaves_nothing(channel, deeds, with_rules):
    with_rules(TALK, STAY)
    deeds.days(4, messages=6)
    award(channel, None)
    with_rules(STAY)
    award(channel, set())
    assert set(Award.objects.values_list("achievement", flat=True)) == {"stay"}
    assert AwardRule.objects.get().achievement == "stay"


def test_other_words_for_the_same_rule_change_nothing(channel, deeds, with_rules):
    with_rules(TALK)
    deeds.days(4, messages=6)
    award(channel, None)
    with_rules(Achievement("talk", "Speech", "Said {}.", achievements.RARE, "messages", (10, 20), "thing"))
    before = set(Award.objects.values_list("pk", flat=True))
    award(channel, set())
    assert set(Award.objects.values_list("pk", flat=True)) == before


def test_a_run_that_takes_too_long_goes_on_the_next_time(channel, busy, monkeypatch):
    award(channel, None)
    whole = rows()
    Award.objects.all().delete()
    monkeypatch.setattr(awards, "AT_ONCE", 5)
    AwardRule.objects.update(applied_at=None, parts_done=0)
    runs = 0
    while AwardRule.objects.filter(applied_at=None).exists():
        ticks = iter([0.0, 0.0, *[9.0] * 100])
        monkeypatch.setattr("chat.awards.time.monotonic", lambda ticks=ticks: next(ticks))
        award(channel, set(), enough_s=5)
        runs += 1
    assert 3 < runs < awards.PARTS
    assert rows() == whole


def test_a_rule_that_is_not_applied_to_all_yet_is_seen(channel, deeds):
    assert list(awards.due()) == [channel.pk]
    award(channel, set())
    assert list(awards.due()) == []
    AwardRule.objects.filter(achievement="messages").update(version="another")
    assert list(awards.due()) == [channel.pk]


def test_where_very_many_changed_everybody_is_asked_in_parts(channel, busy, monkeypatch):
    award(channel, set())
    whole = rows()
    Award.objects.all().delete()
    monkeypatch.setattr(awards, "MANY", 3)
    monkeypatch.setattr(awards, "CHANGED", awards.CHANGED.replace("LIMIT 50001", "LIMIT 4"))
    award(channel, ALL_DAYS)
    assert rows() == whole


# With what else goes on


@pytest.mark.parametrize("many", [31, 1])
def test_folding_days_awards_who_was_here_on_them(channel, deeds, monkeypatch, many):
    monkeypatch.setattr(standings, "MANY_DAYS", many)
    award(channel, set())
    deeds.days(2, messages=60)
    for day in (MONDAY, MONDAY + DAY):
        ChannelDay.objects.create(channel=channel, day=day)
    told = standings.rank(channel)
    assert Award.objects.filter(achievement="messages").exists()
    assert "levels awarded" in told


def test_days_of_which_nobody_was_awarded_are_folded_again(channel, deeds, monkeypatch):
    def killed(*_asked, **_more):
        raise InterruptedError

    monkeypatch.setattr("chat.awards.award", killed)
    deeds.day(messages=100)
    ChannelDay.objects.create(channel=channel, day=MONDAY)
    with pytest.raises(InterruptedError):
        standings.rank(channel)
    monkeypatch.undo()
    standings.rank(channel)
    assert Award.objects.filter(achievement="messages").exists()


def test_a_channel_with_a_new_rule_is_ranked_though_nothing_happened(channel, deeds):
    deeds.day(messages=100)
    ChannelDay.objects.create(channel=channel, day=MONDAY)
    standings.rank()
    AwardRule.objects.filter(achievement="messages").update(version="another")
    Award.objects.all().delete()
    standings.rank()
    assert set(Award.objects.values_list("achievement", flat=True)) == {"messages"}


def test_nobody_is_erased_while_somebody_is_awarded(channel, deeds, monkeypatch):
    held: list[int] = []

    def hold(cursor, channels):
        held.extend(channels)
        folds.hold(cursor, channels)

    monkeypatch.setattr(awards, "hold", hold)
    deeds.day(messages=100)
    award(channel, {MONDAY})
    assert held == [channel.pk] * 3  # to look at the rules, for who was here, and for everybody


# How many have it


def test_holders_are_counted_without_bots(channel, deeds):
    other = Deeds(channel, make_viewer(channel, "bob", 0))
    deeds.days(40)
    other.days(8)
    award(channel, None)
    assert AwardRule.objects.get(achievement="days").holders == {"1": 2, "2": 1}
    Viewer.objects.filter(pk=other.viewer.pk).update(is_bot=True)
    AwardRule.objects.update(counted_at=timezone.now() - timedelta(hours=2))
    award(channel, set())
    assert AwardRule.objects.get(achievement="days").holders == {"1": 1, "2": 1}


def test_holders_are_not_counted_every_time(channel, deeds):
    award(channel, None)
    counted_at = AwardRule.objects.get(achievement="days").counted_at
    deeds.days(8)
    award(channel, ALL_DAYS)
    assert AwardRule.objects.get(achievement="days").counted_at == counted_at


# What a viewer is told


def test_the_highest_level_is_told_with_its_day(channel, deeds):
    deeds.days(12, messages=100)
    award(channel, None)
    earned = {each.achievement.key: each for each in of_viewer(channel, deeds.viewer).earned}
    messages = earned["messages"]
    assert (messages.level, messages.why, messages.earned_at) == (
        2,
        "Wrote 1,000 messages here.",
        datetime(2026, 3, 11, tzinfo=UTC),
    )


def test_the_latest_come_first(channel, deeds):
    deeds.days(12, messages=100)
    award(channel, None)
    moments = [each.earned_at for each in of_viewer(channel, deeds.viewer).earned]
    assert moments == sorted(moments, reverse=True)


def test_the_nearest_levels_are_told_with_the_way_to_them(channel, deeds):
    deeds.days(5, messages=18)
    award(channel, None)
    coming = of_viewer(channel, deeds.viewer).coming
    assert (coming[0].achievement.key, coming[0].level, coming[0].value, coming[0].share) == ("messages", 1, 90, 90)
    assert coming[0].reached == "90 messages"
    assert [each.share for each in coming] == sorted((each.share for each in coming), reverse=True)
    assert len(coming) <= awards.NEXT


def test_what_was_not_begun_is_not_told(channel, deeds):
    award(channel, None)
    assert of_viewer(channel, deeds.viewer) == ([], [])


def test_what_is_complete_does_not_come_again(channel, deeds):
    deeds.stream()
    award(channel, None)
    cabinet = of_viewer(channel, deeds.viewer)
    assert [each.is_highest for each in cabinet.earned if each.achievement.key == "first-stream"] == [True]
    assert "first-stream" not in {each.achievement.key for each in cabinet.coming}


def test_a_level_that_is_due_is_told_as_the_whole_way(channel, deeds):
    deeds.day(messages=700)
    coming = {each.achievement.key: each for each in of_viewer(channel, deeds.viewer).coming}
    assert (coming["messages"].share, coming["messages"].reached) == (100, "100 messages")


def test_levels_of_rules_that_are_gone_are_not_told(channel, deeds):
    Award.objects.create(channel=channel, viewer=deeds.viewer, achievement="gone", level=1, earned_at=NOON)
    Award.objects.create(channel=channel, viewer=deeds.viewer, achievement="leap-day", level=7, earned_at=NOON)
    earned = of_viewer(channel, deeds.viewer).earned
    assert [(each.achievement.key, each.is_highest, each.amount) for each in earned] == [("leap-day", True, "")]


def test_bots_are_told_nothing(channel, deeds):
    deeds.day(messages=700)
    award(channel, None)
    Viewer.objects.update(is_bot=True)
    assert of_viewer(channel, Viewer.objects.get()) == ([], [])


def test_it_costs_one_query(channel, busy, django_assert_num_queries):
    award(channel, None)
    with django_assert_num_queries(1):
        assert of_viewer(channel, busy[0].viewer).earned


def test_where_a_viewer_stands_is_where_the_rule_sees_them(channel, busy):
    """The way to the next level and the award are measured alike: after an award, nobody is past what comes next."""
    award(channel, None)
    for doer in busy:
        cabinet = of_viewer(channel, doer.viewer)
        assert all(each.value < each.threshold for each in cabinet.coming)
        assert cabinet.earned


@pytest.mark.parametrize("key", BY_KEY)
def test_what_is_due_is_as_far_as_what_is_earned(channel, deeds, key, monkeypatch):
    monkeypatch.setattr(awards, "NEXT", 100)
    does, level, *_ = EARNED[key]
    does(deeds)
    coming = {each.achievement.key: each for each in of_viewer(channel, deeds.viewer).coming}
    assert coming[key].value >= BY_KEY[key].levels[level - 1]
