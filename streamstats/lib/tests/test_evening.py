from datetime import UTC, datetime, timedelta

import pytest

from streamstats.lib.activity import Gap, missed
from streamstats.lib.evening import MINUTE, MOST, Raid, Segment, draw, span_of, told_change, told_raid

START = datetime(2026, 5, 1, 20, 0, tzinfo=UTC)
HOUR = span_of(START, START + timedelta(hours=1))


def at(minutes):
    return START + minutes * MINUTE


def segment(start, end, title="Painting", category="Art"):
    return Segment(at(start), at(end), title, category)


def picture(viewers=None, messages=None, segments=(), span=HOUR, **more):
    return draw(span, viewers or {}, messages or {}, segments, **more)


# The axis


def test_the_axis_is_whole_minutes():
    span = span_of(START + timedelta(seconds=20), START + timedelta(seconds=100))
    assert (span.started_at, span.ended_at) == (START, at(2))


def test_a_stream_of_no_length_has_a_minute():
    assert len(picture(span=span_of(START, START)).slots) == 1


@pytest.mark.parametrize(("hours", "minutes"), [(1, 1), (4, 1), (5, 2), (24, 10), (100, 30), (24 * 60, 720)])
def test_minutes_share_points_in_long_streams(hours, minutes):
    span = span_of(START, START + timedelta(hours=hours))
    assert span.bucket == minutes * MINUTE
    assert len(list(span.buckets())) <= MOST


def test_ticks_are_whole_hours_of_a_long_evening():
    ticks = picture(span=span_of(at(-20), at(8 * 60))).ticks
    assert {tick.at.minute for tick in ticks} == {0}
    assert 4 <= len(ticks) <= 9


def test_ticks_leave_room_for_their_names_at_the_edges():
    assert all(5 <= tick.x <= 95 for tick in picture().ticks)


def test_a_short_stream_has_ticks_too():
    assert len(picture(span=span_of(at(-3), at(19))).ticks) == 2


def test_ticks_of_days_are_few():
    evening = picture(span=span_of(START, START + timedelta(days=3)))
    assert evening.spans_days
    assert len(evening.ticks) <= 4


# Viewers


def test_the_line_touches_the_top_where_most_watched():
    evening = picture({at(0): 5, at(1): 10})
    assert evening.line == "M8.3,50.0h0L25.0,0.0"
    assert evening.most_viewers == 10


def test_a_minute_without_a_sample_does_not_break_the_line():
    assert picture({at(0): 5, at(3): 5}).line.count("M") == 1


def test_a_long_silence_breaks_it():
    assert picture({at(0): 5, at(10): 5}).line.count("M") == 2


def test_it_is_broken_where_the_stream_was_off_air():
    segments = [segment(0, 1), segment(2, 60)]
    assert picture({at(0): 5, at(2): 5}, segments=segments).line.count("M") == 2


def test_nobody_watching_is_a_line_at_the_bottom():
    assert picture({at(0): 0, at(1): 0}).line == "M8.3,100.0h0L25.0,100.0"


def test_without_samples_nothing_is_said_of_viewers():
    evening = picture()
    assert (evening.line, evening.most_viewers, evening.slots[0].viewers) == ("", None, None)


# Messages


def test_the_area_is_steps_as_wide_as_a_point():
    assert picture(messages={at(0): 4}).area.startswith("M0.0,100V0.0H16.7V100.0H33.3")


def test_messages_of_minutes_that_share_a_point_are_told_a_minute():
    span = span_of(START, START + timedelta(hours=5))
    assert picture(messages={at(0): 30}, span=span).most_rate == 15


def test_a_gap_breaks_the_area_and_is_a_hole():
    gap = Gap(at(15), at(30), "cable eaten")
    evening = picture(messages={at(0): 4}, gaps=[gap])
    assert evening.area.count("M") == 2
    assert [(hole.x, hole.width, hole.text) for hole in evening.holes] == [(25, 25, "cable eaten")]
    assert evening.slots[20].rate is None


def test_a_gap_lowers_no_rate():
    span = span_of(START, START + timedelta(hours=5))
    gap = Gap(at(1), at(2), "")
    assert missed(at(0), at(2), [gap]) == MINUTE
    assert picture(messages={at(0): 8}, span=span, gaps=[gap]).slots[0].rate == 8


# What happened


def test_segments_of_one_category_are_one_chapter():
    segments = [segment(0, 10), segment(10, 30, title="Still painting"), segment(30, 60, category="Chess")]
    chapters = picture(segments=segments).chapters
    assert [(chapter.x, chapter.width, chapter.category) for chapter in chapters] == [(0, 50, "Art"), (50, 50, "Chess")]


def test_after_a_drop_out_a_chapter_begins_anew():
    assert len(picture(segments=[segment(0, 10), segment(11, 60)]).chapters) == 2


@pytest.mark.parametrize(
    ("minutes", "category", "room"),
    [(60, "Art", "any"), (1, "Art", ""), (15, "Software Development", "wide"), (60, "A" * 200, "")],
)
def test_a_category_is_named_where_it_has_room(minutes, category, room):
    assert picture(segments=[segment(0, minutes, category=category)]).chapters[0].room == room


def test_changes_are_marked_where_they_happened():
    segments = [segment(0, 15), segment(15, 60, category="Chess")]
    assert [(mark.x, mark.text) for mark in picture(segments=segments).changes] == [(25, "Now Chess")]


def test_a_drop_out_is_a_break():
    breaks = picture(segments=[segment(0, 15), segment(18, 60)]).breaks
    assert [(stretch.x, stretch.width) for stretch in breaks] == [(25, 5)]


def test_a_raid_is_marked():
    marks = picture(raids=[Raid(at(30), 12, "Moth")]).raids
    assert [(mark.x, mark.text) for mark in marks] == [(50, "Moth raided with 12 viewers")]


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (segment(1, 2, title="Done"), "“Done”"),
        (segment(1, 2, category=""), "Now without a category"),
        (segment(1, 2, title="", category="Chess"), "Now Chess, no title any more"),
        (segment(1, 2), "Back on air"),
    ],
)
def test_a_change_says_what_is_different(now, words):
    assert told_change(segment(0, 1), now) == words


def test_a_raid_of_nobody_told_names_nobody():
    assert told_raid(Raid(START, 1, "")) == "A raid of 1 viewer"


def test_a_raid_that_leaves_says_where_to():
    assert told_raid(Raid(START, 12, to="Moth")) == "Off to Moth, in a raid of 12 viewers"


def test_points_are_told_for_the_crosshair():
    span = span_of(START, at(3))
    evening = picture({at(1): 7}, {at(0): 3}, span=span, gaps=[Gap(at(2), at(3), "")])
    assert (evening.viewers_told, evening.rates_told) == ("- 7 -", "3 0 -")
