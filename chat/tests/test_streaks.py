"""Streaks follow what is known of who came to which stream, however late it becomes known."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from chat import streaks
from chat.streaks import NONE, count, current_streak
from chat.streaks import streaks as streaks_of
from streams.models import ChannelDay, Stream
from streams.tests.cast import make_channel
from viewers.models import ViewerStream
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

EIGHT = datetime(2026, 5, 1, 20, tzinfo=UTC)


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def ann(channel):
    return make_viewer(channel, "ann")


def hold(channel, number, *viewers, is_known=True, is_live=False, **numbers):
    """The stream of this day of May, with who was there."""
    began = EIGHT + timedelta(days=number)
    stream = Stream.objects.create(
        id=f"s{number}", channel=channel, started_at=began, ended_at=None if is_live else began + timedelta(hours=2),
        presence_at=began if is_known else None, counted_at=began + timedelta(hours=3),
    )  # fmt: skip
    for viewer in viewers:
        came(stream, viewer, **numbers)
    return stream


def came(stream, viewer, **numbers):
    numbers = numbers or {"watch_seconds": 60}
    ViewerStream.objects.create(channel=stream.channel, stream=stream, viewer=viewer, **numbers)


def recount(stream):
    """It was counted again."""
    Stream.objects.filter(pk=stream.pk).update(counted_at=F("counted_at") + timedelta(minutes=5))


def row(viewer):
    """The streaks of a viewer, stream after stream."""
    found = ViewerStream.objects.filter(viewer=viewer).order_by("stream__started_at")
    return list(found.values_list("streak", flat=True))


HERE, AWAY, UNKNOWN = "here", "away", "unknown"


@pytest.mark.parametrize(
    ("evenings", "expected"),
    [
        ([HERE], [1]),
        ([HERE, HERE, HERE], [1, 2, 3]),
        ([HERE, AWAY, HERE], [1, 0, 1]),
        ([HERE, HERE, AWAY, AWAY, HERE, HERE], [1, 2, 0, 0, 1, 2]),
        pytest.param([HERE, UNKNOWN, HERE], [1, 0, 2], id="an unknown stream does not break a streak"),
        pytest.param([UNKNOWN, HERE], [0, 1], id="an unknown stream does not make a streak longer"),
        pytest.param([HERE, UNKNOWN, AWAY, HERE], [1, 0, 0, 1], id="unknown and away"),
    ],
)
def test_a_streak_is_how_many_streams_in_a_row_somebody_came_to(channel, ann, evenings, expected):
    for number, evening in enumerate(evenings):
        seconds = 0 if evening == AWAY else 60
        hold(channel, number, ann, is_known=evening != UNKNOWN, watch_seconds=seconds)
    count(channel)
    assert row(ann) == expected


def test_who_has_no_row_in_a_stream_was_away(channel, ann):
    hold(channel, 1, ann)
    hold(channel, 2)
    hold(channel, 3, ann)
    count(channel)
    assert row(ann) == [1, 1]


def test_who_only_wrote_came_too(channel, ann):
    hold(channel, 1, ann, messages=1)
    hold(channel, 2, ann, messages=1)
    count(channel)
    assert row(ann) == [1, 2]


def test_everybody_has_their_own(channel, ann):
    bob = make_viewer(channel, "bob")
    hold(channel, 1, ann, bob)
    hold(channel, 2, bob)
    count(channel)
    assert (row(ann), row(bob)) == ([1], [1, 2])


def test_other_channels_do_not_matter(channel, ann):
    hold(channel, 1, ann)
    hold(make_channel("other"), 2)
    hold(channel, 3, ann)
    count(channel)
    assert row(ann) == [1, 2]


# What becomes known later


def test_what_was_counted_is_not_counted_again(channel, ann):
    hold(channel, 1, ann)
    assert count(channel).counted == 1
    assert count(channel).counted == 0


def test_a_stream_that_was_counted_again_changes_those_that_follow(channel, ann):
    streams = [hold(channel, number, *([ann] if number != 2 else [])) for number in (1, 2, 3, 4)]
    count(channel)
    assert row(ann) == [1, 1, 2]
    came(streams[1], ann)
    recount(streams[1])
    count(channel)
    assert row(ann) == [1, 2, 3, 4]


def test_a_streak_that_turns_out_to_be_none_breaks_what_follows(channel, ann):
    streams = [hold(channel, number, ann) for number in (1, 2, 3, 4)]
    count(channel)
    ViewerStream.objects.filter(stream=streams[1]).delete()
    recount(streams[1])
    count(channel)
    assert row(ann) == [1, 1, 2]


def test_it_is_counted_only_as_far_as_it_changes(channel, ann):
    bob = make_viewer(channel, "bob")
    streams = [hold(channel, number, *([ann, bob] if number != 3 else [ann])) for number in range(1, 9)]
    count(channel)
    came(streams[2], make_viewer(channel, "carl"))
    recount(streams[2])
    assert count(channel).counted == 2  # itself, and the next, which is as it was


def test_a_stream_that_becomes_known_in_between_makes_streaks_longer(channel, ann):
    hold(channel, 1, ann)
    hold(channel, 3, ann)
    count(channel)
    hold(channel, 2, ann)
    count(channel)
    assert row(ann) == [1, 2, 3]


def test_a_stream_that_was_two_is_counted_once(channel, ann):
    streams = [hold(channel, number, ann) for number in (1, 2, 3)]
    count(channel)
    streams[1].delete()  # it belonged to the first, which is counted again
    recount(streams[0])
    count(channel)
    assert row(ann) == [1, 2]


def test_a_stream_of_which_it_becomes_known_who_was_there_counts(channel, ann):
    hold(channel, 1, ann)
    unknown = hold(channel, 2, ann, is_known=False)
    hold(channel, 3, ann)
    count(channel)
    Stream.objects.filter(pk=unknown.pk).update(presence_at=EIGHT)
    recount(unknown)
    count(channel)
    assert row(ann) == [1, 2, 3]


def test_a_walk_that_is_broken_off_goes_on_where_it_was(channel, ann):
    streams = [hold(channel, number, *([ann] if number != 1 else [])) for number in range(6)]
    count(channel)
    came(streams[1], ann)
    recount(streams[1])
    answers = iter([False, False, True])
    assert not count(channel, lambda: next(answers)).is_done
    assert count(channel).is_done
    assert row(ann) == [1, 2, 3, 4, 5, 6]


def test_all_can_be_counted_again(channel, ann):
    hold(channel, 1, ann)
    hold(channel, 2, ann)
    count(channel)
    ViewerStream.objects.update(streak=77)
    streaks.forget(channel)
    count(channel)
    assert row(ann) == [1, 2]


def test_the_days_of_streams_that_changed_are_marked(channel, ann):
    hold(channel, 1, ann)
    hold(channel, 2, ann)
    count(channel)
    ChannelDay.objects.update(ranked=F("changes"))
    came(hold(channel, 0), ann)
    count(channel)
    marked = ChannelDay.objects.exclude(changes=F("ranked")).values_list("day", flat=True)
    assert set(marked) == {(EIGHT + timedelta(days=number)).date() for number in (0, 1, 2)}


def test_a_stream_takes_as_many_statements_for_many(channel, django_assert_num_queries):
    hold(channel, 1, *(make_viewer(channel, f"viewer{number}") for number in range(30)))
    with django_assert_num_queries(9):
        count(channel)


# Of one viewer


@pytest.mark.parametrize(
    ("came_to", "is_live", "expected"),
    [
        pytest.param([1, 2, 3], False, 3, id="up to the last"),
        pytest.param([1, 2], False, 0, id="the last was missed"),
        pytest.param([1, 2], True, 2, id="one that is live breaks none"),
        pytest.param([1, 2, 3], True, 3, id="one that is live counts for who came"),
        pytest.param([1], True, 0, id="the one before was missed"),
        pytest.param([], False, 0, id="never came"),
    ],
)
def test_the_present_streak(channel, ann, came_to, is_live, expected):
    for number in (1, 2, 3):
        hold(channel, number, *([ann] if number in came_to else []), is_live=is_live and number == 3)
    count(channel)
    assert current_streak(channel, ann) == expected


def test_an_unknown_stream_after_the_last_does_not_end_it(channel, ann):
    hold(channel, 1, ann)
    hold(channel, 2, is_known=False)
    count(channel)
    assert current_streak(channel, ann) == 1


def test_the_longest_streak_is_told_with_when_it_ended(channel, ann):
    for number in range(6):
        hold(channel, number, *([ann] if number != 3 else []))
    count(channel)
    assert streaks_of(channel, ann) == (2, 3, EIGHT + timedelta(days=2))


def test_of_two_that_are_as_long_the_later_is_told(channel, ann):
    for number in range(5):
        hold(channel, number, *([ann] if number != 2 else []))
    count(channel)
    assert streaks_of(channel, ann) == (2, 2, EIGHT + timedelta(days=4))


def test_a_bot_has_none(channel):
    bot = make_viewer(channel, "bot", is_bot=True)
    hold(channel, 1, bot, messages=3)
    count(channel)
    assert (current_streak(channel, bot), streaks_of(channel, bot)) == (0, NONE)


def test_who_turns_out_to_be_no_bot_has_theirs_at_once(channel):
    bot = make_viewer(channel, "bot", is_bot=True)
    hold(channel, 1, bot, messages=3)
    count(channel)
    bot.is_bot = False
    assert current_streak(channel, bot) == 1


def test_who_never_came_has_none(channel, ann):
    hold(channel, 1)
    count(channel)
    assert streaks_of(channel, ann) == NONE


def test_asking_costs_two_queries(channel, ann, django_assert_max_num_queries):
    hold(channel, 1, ann)
    count(channel)
    with django_assert_max_num_queries(2):
        streaks_of(channel, ann)
