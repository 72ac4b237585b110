"""Each rule: what earns it, with its date and fact, and what just misses it."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from chat import awards
from chat.achievements import ACHIEVEMENTS, BY_KEY, GROUPS
from chat.awards import award
from chat.measures import LOYALTY, SCAN_OF
from chat.tests.crowd import make_emote
from chat.tests.deeds import DAY, HOUR, MONDAY, NOON, Deeds
from streams.tests.cast import make_channel
from viewers.models import Award, ViewerName
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db


def on(day, month=3, year=2026):
    return datetime(year, month, day, tzinfo=UTC)


def at(day, hour, minute=0, month=3, year=2026):
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def many(does, number, *args, **named):
    for _ in range(number):
        does(*args, **named)


def emote_over_days(d, *uses):
    emote = make_emote()
    for index, number in enumerate(uses):
        d.uses(emote, MONDAY + index * DAY, number)


def missing(d, number):
    """Come to a stream, and to the next after missing so many."""
    d.stream()
    for index in range(number):
        d.stream(NOON + (1 + index) * DAY, came=False)
    d.stream(NOON + (1 + number) * DAY)


def emotes_of(d, *providers):
    for index, provider in enumerate(providers):
        d.uses(make_emote(f"p{index}", provider=provider), MONDAY + index * DAY)


def rename(d, *logins):
    ViewerName.objects.filter(viewer=d.viewer).delete()
    for index, login in enumerate(logins):
        d.name(login, on(1 + index))


# What somebody does; the level, the date and the number it earns them; whether it tells of the stream.
EARNED = {
    "first-words": (lambda d: d.days(3), 1, on(2), 1),
    "messages": (lambda d: d.days(3, messages=45), 1, on(4), 100),
    "busy-day": (lambda d: [d.day(messages=49), d.day(date(2026, 3, 3), messages=50)], 1, on(3), 50),
    "busy-stream": (lambda d: [d.stream(messages=49), d.stream(NOON + DAY, messages=60)], 1, at(3, 12), 50),
    "watched": (lambda d: d.days(6, watch_seconds=2 * 3600), 1, on(6), 36000),
    "marathon": (lambda d: [d.visit(hours=3.9), d.visit(NOON + DAY, hours=5)], 1, at(3, 16), 14400),
    "quiet-company": (lambda d: d.days(4, watch_seconds=3600), 1, on(4), 3),
    "early-bird": (lambda d: d.visit(at(2, 12, 9), stream=d.stream(came=False)), 1, at(2, 12, 9), 1),
    "closing-time": (lambda d: d.visit(at(2, 13, 30), 0.5, stream=d.stream(came=False)), 1, at(2, 14), 1),
    "night-owl": (lambda d: d.visit(at(3, 2), 1.5), 1, at(3, 3), 1),
    "first-light": (lambda d: d.visit(at(2, 23), 8), 1, at(3, 6), 1),
    "days": (lambda d: d.days(8, step=2), 1, on(14), 7),
    "months": (lambda d: d.days(5, date(2026, 1, 20), step=20), 1, on(1), 3),
    "days-in-a-row": (lambda d: [d.days(2), d.days(4, date(2026, 3, 5))], 1, on(7), 3),
    "weekends": (lambda d: d.days(40), 1, on(5, 4), 10),
    "weekdays": (lambda d: d.days(7, step=8), 1, on(19, 4), 7),
    "anniversary": (lambda d: [d.day(), d.day(date(2027, 3, 1)), d.day(date(2027, 3, 5))], 1, on(5, 3, 2027), 1),
    "streams": (lambda d: d.streams(11), 1, at(11, 12), 10),
    "whole-streams": (lambda d: d.stream(watch_seconds=6480), 1, at(2, 14), 1),
    "streak": (lambda d: [d.stream(NOON + n * DAY, streak=n) for n in range(4)], 1, at(5, 12), 3),
    "categories": (lambda d: [d.stream(NOON + n * DAY, category_id=f"c{n % 3}") for n in range(5)], 1, at(4, 12), 3),
    "comeback": (lambda d: missing(d, 12), 1, at(15, 12), 12),
    "two-in-a-day": (lambda d: [d.stream(at(2, 1)), d.stream(at(2, 9))], 1, at(2, 9), 1),
    "emotes": (lambda d: d.days(3, emotes=40, messages=1), 1, on(4), 100),
    "different-emotes": (lambda d: [d.uses(day=MONDAY + n * DAY) for n in range(11)], 1, on(11), 10),
    "loyal-emote": (lambda d: [d.uses(uses=99), emote_over_days(d, 50, 49, 1)], 1, on(4), 100),
    "emoji": (lambda d: emotes_of(d, *["emoji"] * 6), 1, on(6), 5),
    "providers": (lambda d: emotes_of(d, "7tv", "7tv", "bttv"), 1, on(4), 2),
    "subscriber": (lambda d: [d.event("sub", 1), d.event("resub", 4, NOON + DAY)], 2, at(3, 12), 4),
    "gifts": (lambda d: d.day(gifts=2), 1, on(2), 1),
    "given": (lambda d: d.event("subgift", viewer=None, recipient_id=d.viewer.pk), 1, at(2, 12), 1),
    "bits": (lambda d: d.days(2, bits=60), 1, on(3), 100),
    "points": (lambda d: d.days(3, points=400), 1, on(4), 1000),
    "redemptions": (lambda d: d.spends(), 1, at(2, 12), 1),
    "rewards": (lambda d: [d.spends(at=NOON + n * DAY, reward=f"w{n // 2}") for n in range(6)], 1, at(6, 12), 3),
    "dear-reward": (lambda d: [d.spends(900), d.spends(2500, NOON + DAY)], 1, at(3, 12), 2500),
    "raids": (lambda d: d.event("raid", 3), 1, at(2, 12), 1),
    "raiders": (lambda d: [d.event("raid", 9), d.event("raid", 42, NOON + DAY)], 1, at(3, 12), 42),
    "first-stream": (lambda d: d.streams(3), 1, at(2, 12), 1),
    "over-the-year": (lambda d: d.visit(at(31, 23, month=12), 2), 1, on(1, 1, 2027), 1),
    "new-years-day": (lambda d: d.day(date(2027, 1, 1)), 1, on(1, 1, 2027), 1),
    "leap-day": (lambda d: d.day(date(2028, 2, 29)), 1, on(29, 2, 2028), 1),
    "renamed": (lambda d: rename(d, "candle", "ann"), 1, on(2), 1),
}

# What comes near it, and is not enough.
MISSED = {
    "first-words": lambda d: d.day(watch_seconds=60),
    "messages": lambda d: d.days(3, messages=33),
    "busy-day": lambda d: d.days(2, messages=49),
    "busy-stream": lambda d: d.streams(2, messages=49),
    "watched": lambda d: d.days(5, watch_seconds=7199),
    "marathon": lambda d: many(d.visit, 1, hours=3.999),
    "quiet-company": lambda d: [
        d.days(2, watch_seconds=3600),
        d.days(2, date(2026, 4, 1), watch_seconds=3600, messages=1),
    ],
    "early-bird": lambda d: d.visit(at(2, 12, 10), stream=d.stream(came=False)),
    "closing-time": lambda d: d.visit(at(2, 13), 0.9, stream=d.stream(came=False)),
    "night-owl": lambda d: [d.visit(at(3, 2), 1), d.visit(at(4, 3), 5)],
    "first-light": lambda d: [d.visit(at(3, 2), 4), d.visit(at(4, 6), 5)],
    "days": lambda d: d.days(6),
    "months": lambda d: d.days(40),
    "days-in-a-row": lambda d: [d.days(2), d.days(2, date(2026, 3, 5))],
    "weekends": lambda d: [d.days(9, date(2026, 3, 7), step=7), d.days(5)],
    "weekdays": lambda d: [d.days(6), d.days(6, date(2026, 4, 6))],
    "anniversary": lambda d: [d.day(), d.day(date(2027, 3, 1))],
    "streams": lambda d: [
        d.streams(9),
        d.stream(NOON + 20 * DAY, messages=0),
        d.stream(NOON + 21 * DAY, presence_at=None),
    ],
    "whole-streams": lambda d: [
        d.stream(watch_seconds=6479),
        d.stream(NOON + DAY, 0.4, watch_seconds=1440),
        d.stream(NOON + 2 * DAY, 0, watch_seconds=99999),
        d.stream(NOON + 3 * DAY, 0.6, watch_seconds=1740, off_air_seconds=420),
    ],
    "streak": lambda d: [d.stream(NOON + n * DAY, streak=n % 3) for n in range(6)],
    "categories": lambda d: [
        *(d.stream(NOON + n * DAY, category_id=f"c{n % 2}") for n in range(5)),
        d.stream(NOON + 8 * DAY),
        d.stream(NOON + 9 * DAY, 0, category_id="c9"),
    ],
    "comeback": lambda d: missing(d, 9),
    "two-in-a-day": lambda d: [d.stream(at(2, 23)), d.stream(at(3, 1))],
    "emotes": lambda d: d.days(3, emotes=33, messages=1),
    "different-emotes": lambda d: [d.uses(day=MONDAY + n * DAY) for n in range(9)],
    "loyal-emote": lambda d: [emote_over_days(d, 50, 49), emote_over_days(d, 99)],
    "emoji": lambda d: emotes_of(d, *["emoji"] * 4, "7tv"),
    "providers": lambda d: emotes_of(d, "7tv", "7tv"),
    "subscriber": lambda d: [
        d.event("sub", same_as="x"),
        d.event("sub", source_channel_id="9"),
        d.event("announcement"),
    ],
    "gifts": lambda d: d.day(gifts=0, messages=1),
    "given": lambda d: [
        d.event("subgift", recipient_id="somebody"),
        d.event("subgift", viewer=None, recipient_id=d.viewer.pk, same_as="x"),
    ],
    "bits": lambda d: d.days(3, bits=33),
    "points": lambda d: d.days(2, points=499),
    "redemptions": lambda d: d.spends(status="canceled"),
    "rewards": lambda d: [
        d.spends(reward="a"),
        d.spends(reward="b"),
        d.spends(reward="a"),
        d.spends(reward="c", status="canceled"),
    ],
    "dear-reward": lambda d: many(d.spends, 3, 999),
    "raids": lambda d: d.event("raid", 3, same_as="x"),
    "raiders": lambda d: many(d.event, 3, "raid", 9),
    "first-stream": lambda d: [d.stream(came=False), d.stream(NOON + DAY)],
    "over-the-year": lambda d: [
        d.visit(at(31, 22, month=12), 2),
        d.visit(at(1, 0, month=1), 2),
        d.visit(at(5, 0, month=1), 2),
    ],
    "new-years-day": lambda d: [d.day(date(2026, 12, 31)), d.day(date(2027, 1, 2))],
    "leap-day": lambda d: [d.day(date(2026, 2, 28)), d.day(date(2026, 3, 1))],
    "renamed": lambda d: rename(d, "ann"),
}


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def deeds(channel):
    return Deeds(channel, make_viewer(channel, "ann", 0))


@pytest.fixture
def only(monkeypatch):
    """Have no rule but one, which is all that a test of it needs."""

    def declare(key):
        monkeypatch.setattr(awards, "ACHIEVEMENTS", (BY_KEY[key],))
        monkeypatch.setattr(awards, "BY_KEY", {key: BY_KEY[key]})

    return declare


@pytest.mark.parametrize("key", BY_KEY)
def test_it_is_earned_with_the_date_and_the_number(channel, deeds, only, key):
    only(key)
    does, level, earned_at, value = EARNED[key]
    does(deeds)
    award(channel, None)
    rows = list(Award.objects.filter(achievement=key).order_by("level"))
    assert [row.level for row in rows] == list(range(1, level + 1))
    assert (rows[-1].viewer, rows[-1].earned_at, rows[-1].value) == (deeds.viewer, earned_at, value)


def test_who_watched_all_that_was_on_air_has_the_whole_story(channel, deeds, only):
    only("whole-streams")
    deeds.stream(hours=3, watch_seconds=153 * 60, off_air_seconds=27 * 60)
    award(channel, None)
    assert Award.objects.count() == 1


@pytest.mark.parametrize("key", BY_KEY)
def test_it_is_just_missed(channel, deeds, only, key):
    only(key)
    MISSED[key](deeds)
    award(channel, None)
    assert not Award.objects.filter(achievement=key).exists()


@pytest.mark.parametrize("key", ["busy-stream", "marathon", "early-bird", "comeback", "night-owl"])
def test_what_was_earned_in_a_stream_names_it(channel, deeds, only, key):
    only(key)
    EARNED[key][0](deeds)
    award(channel, None)
    row = Award.objects.filter(achievement=key).order_by("-level").select_related("stream").first()
    assert row
    assert row.stream
    assert row.stream.started_at <= row.earned_at <= (row.stream.ended_at or row.earned_at)


def test_all_levels_that_one_fact_reaches_are_earned_by_it(channel, deeds):
    deeds.event("resub", 12)
    award(channel, None)
    rows = Award.objects.filter(achievement="subscriber").order_by("level")
    assert [(row.level, row.value, row.earned_at) for row in rows] == [(n, 12, NOON) for n in (1, 2, 3, 4)]


def test_a_subscription_whose_months_nobody_told_is_one(channel, deeds):
    deeds.event("sub", 0)
    award(channel, None)
    assert Award.objects.get(achievement="subscriber").value == 1


def test_a_visit_that_goes_on_counts_up_to_the_last_proof(channel, deeds):
    stream = deeds.stream(NOON, 0, came=False, presence_at=NOON + 5 * HOUR)
    deeds.visit(NOON + HOUR, stream=stream, ended_at=None, ended_by="")
    award(channel, None)
    row = Award.objects.get(achievement="marathon")
    assert (row.earned_at, row.value) == (NOON + 5 * HOUR, 4 * 3600)


def test_a_day_is_not_called_quiet_before_it_is_over(channel, deeds):
    today = timezone.now().date()
    deeds.days(3, today - 2 * DAY, watch_seconds=3600)
    award(channel, None)
    assert not Award.objects.filter(achievement="quiet-company").exists()


def test_gifts_that_were_taken_back_are_given_once(channel, deeds):
    for index, gifts in enumerate((4, -3, 6)):
        deeds.day(MONDAY + index * DAY, gifts=gifts)
    award(channel, None)
    levels = Award.objects.filter(achievement="gifts").order_by("level").values_list("level", "earned_at")
    assert list(levels) == [(1, on(2)), (2, on(4))]


# The declarations


def test_there_are_many():
    assert len(ACHIEVEMENTS) >= 40


def test_each_is_declared_once():
    assert len(BY_KEY) == len(ACHIEVEMENTS) == len({each.name for each in ACHIEVEMENTS})


@pytest.mark.parametrize("each", ACHIEVEMENTS, ids=lambda each: each.key)
def test_a_declaration_can_be_read_and_kept(each):
    assert len(each.key) <= 32
    assert list(each.levels) == sorted(set(each.levels))
    assert each.levels[0] > 0
    assert each.group in GROUPS
    assert each.measure in SCAN_OF
    assert each.why.endswith(".")
    assert ("{}" in each.why) == (each.levels != (1,))


def test_no_level_of_one_emote_is_below_what_is_looked_at():
    assert f"total.uses >= {min(BY_KEY['loyal-emote'].levels)}" in LOYALTY.rows


def test_levels_are_told_in_words():
    assert BY_KEY["messages"].told(2) == "Wrote 1,000 messages here."
    assert BY_KEY["watched"].told(1) == "Watched for 10 h in all."
    assert BY_KEY["closing-time"].told(1) == "Stayed until 1 stream went off air."
    assert BY_KEY["categories"].told(9) == "Came to streams of 50 categories."


def test_a_rule_that_is_changed_is_another_one():
    versions = {each.version for each in ACHIEVEMENTS}
    assert len(versions) == len(ACHIEVEMENTS)
    assert all(len(version) == 64 for version in versions)


def test_no_row_is_told_from_the_future(channel, deeds):
    deeds.day(timezone.now().date(), messages=100)
    award(channel, None)
    assert all(row.earned_at <= timezone.now() for row in Award.objects.all())


def test_a_moment_is_told_in_utc_whatever_the_session(channel, deeds):
    deeds.day(messages=100)
    with timezone.override("America/New_York"):
        award(channel, None)
    assert Award.objects.get(achievement="messages").earned_at == on(2)
    assert timedelta(0) == Award.objects.get(achievement="messages").earned_at.utcoffset()
