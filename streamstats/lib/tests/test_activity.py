from datetime import UTC, date, datetime, timedelta

import pytest

from streamstats.lib.activity import MINUTE, Gap, Span, draw, last_hours, missed, mostly_missed

START = datetime(2026, 5, 1, 20, 0, tzinfo=UTC)
FIVE = timedelta(minutes=5)
SPAN = Span(START, START + timedelta(hours=1), FIVE)
END = SPAN.ended_at


def at(minutes):
    return START + minutes * MINUTE


def test_a_bar_is_messages_a_minute():
    picture = draw(SPAN, END, {at(0): 10, at(4): 5}, [], width=120, height=50)
    assert picture.bars[0].rate == 3


def test_the_highest_bar_fills_the_picture():
    picture = draw(SPAN, END, {at(0): 10, at(5): 20}, [], width=120, height=50)
    assert [(bar.y, bar.height) for bar in picture.bars[:2]] == [(25, 25), (0, 50)]


def test_little_is_still_seen():
    picture = draw(SPAN, END, {at(0): 1, at(5): 100_000}, [], width=120, height=50)
    assert picture.bars[0].height == 1


def test_silence_is_no_bar():
    picture = draw(SPAN, END, {}, [], width=120, height=50)
    assert {bar.height for bar in picture.bars} == {0}


def test_the_future_has_no_bars():
    assert len(draw(SPAN, at(12), {}, [], width=120, height=50).bars) == 3


def test_a_gap_is_a_hole_and_no_bar():
    gap = Gap(at(10), at(20), "lost")
    picture = draw(SPAN, END, {at(0): 5}, [gap], width=120, height=50)
    assert [(hole.x, hole.width) for hole in picture.holes] == [(20, 20)]
    assert not {at(10), at(15)} & {bar.started_at for bar in picture.bars}


def test_a_gap_lowers_no_bar():
    gap = Gap(at(2), at(5), "lost")
    picture = draw(SPAN, END, {at(0): 8, at(1): 8}, [gap], width=120, height=50)
    assert picture.bars[0].rate == 8


def test_the_minutes_still_to_come_lower_no_bar():
    picture = draw(SPAN, at(2), {at(0): 8, at(1): 8}, [], width=120, height=50)
    assert picture.bars[0].rate == 8


def test_messages_within_a_gap_are_shown():
    picture = draw(SPAN, END, {at(11): 3}, [Gap(at(10), at(15), "lost")], width=120, height=50)
    assert next(bar.rate for bar in picture.bars if bar.started_at == at(10)) == 3


def test_a_gap_that_began_before_is_cut_at_the_edge():
    picture = draw(SPAN, END, {}, [Gap(at(-60), at(5), "lost")], width=120, height=50)
    assert [(hole.x, hole.width) for hole in picture.holes] == [(0, 10)]


def test_the_span_ends_with_the_hour():
    span = last_hours(at(12), 12, FIVE)
    assert (span.started_at, span.ended_at) == (at(60) - timedelta(hours=12), at(60))


@pytest.mark.parametrize(
    ("gaps", "minutes"),
    [
        ([], 0),
        ([Gap(at(1), at(3), "")], 2),
        ([Gap(at(1), at(3), ""), Gap(at(2), at(4), "")], 3),
        ([Gap(at(2), at(9), ""), Gap(at(-5), at(1), "")], 4),
        ([Gap(at(6), at(9), "")], 0),
    ],
    ids=["none", "one", "overlapping are missed once", "cut at both ends", "outside"],
)
def test_missed_time(gaps, minutes):
    assert missed(at(0), at(5), gaps) == minutes * MINUTE


def test_a_day_is_missed_when_most_of_it_is():
    gap = Gap(datetime(2026, 5, 1, 11, tzinfo=UTC), datetime(2026, 5, 3, 11, tzinfo=UTC), "")
    assert mostly_missed([gap]) == {date(2026, 5, 1), date(2026, 5, 2)}


def test_all_bars_are_one_shape():
    picture = draw(SPAN, END, {at(0): 10, at(5): 20}, [], width=120, height=50)
    assert picture.shape == "M0,50v-25h8v25zM10,50v-50h8v50z"


def test_what_was_not_received_is_told_as_such():
    picture = draw(SPAN, at(15), {at(0): 10, at(10): 2}, [Gap(at(5), at(10), "lost")], width=120, height=50)
    assert picture.told == "2 - 0.4" + " -" * 9


def test_hours_are_told_as_the_mean_of_what_was_received():
    span = Span(START, START + timedelta(hours=4), FIVE)
    gaps = [Gap(at(30), at(60), "lost"), Gap(at(60), at(120), "lost")]
    picture = draw(span, at(125), {at(0): 60, at(121): 10}, gaps, width=120, height=50)
    assert picture.hourly == [(at(0), 2.0), (at(60), None), (at(120), 2.0)]


def test_hours_of_which_nothing_was_received_are_told_too():
    assert [rate for _, rate in draw(SPAN, END, {}, [Gap(at(0), at(60), "lost")], width=9, height=9).hourly] == [None]
