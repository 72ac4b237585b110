from datetime import date, timedelta

import pytest

from streamstats.lib.series import draw

MAY = date(2026, 5, 1)


def steps(days, first, last, unknown=()):
    return [(step.first, step.end, step.value) for step in draw(days, first, last, unknown).steps]


def test_a_short_time_is_told_in_days_with_zeros_between():
    assert steps({MAY: 3, date(2026, 5, 3): 4}, MAY, date(2026, 5, 3)) == [
        (MAY, date(2026, 5, 2), 3),
        (date(2026, 5, 2), date(2026, 5, 3), 0),
        (date(2026, 5, 3), date(2026, 5, 4), 4),
    ]


@pytest.mark.parametrize(
    ("days", "unit"), [(1, "day"), (92, "day"), (93, "week"), (730, "week"), (731, "month"), (4000, "month")]
)
def test_a_longer_time_is_told_in_longer_steps(days, unit):
    assert draw({}, MAY, MAY + timedelta(days=days - 1)).unit == unit


def test_weeks_begin_on_mondays_but_for_the_first():
    found = steps({}, MAY, MAY + timedelta(days=99))
    assert found[0][:2] == (MAY, date(2026, 5, 4))
    assert all(first.weekday() == 0 for first, _, _ in found[1:])


@pytest.mark.parametrize("length", [50, 500, 1500])
def test_steps_follow_each_other_and_lose_nothing(length):
    days = {MAY + timedelta(days=index): index for index in range(length)}
    last = MAY + timedelta(days=length - 1)
    found = steps(days, MAY, last)
    assert found[0][0] == MAY
    assert [end for _, end, _ in found[:-1]] == [first for first, _, _ in found[1:]]
    assert found[-1][1] == last + timedelta(days=1)
    assert sum(value for _, _, value in found) == sum(days.values())


def test_a_day_of_which_nothing_was_received_is_no_zero():
    assert [value for _, _, value in steps({}, MAY, date(2026, 5, 2), {MAY})] == [None, 0]


def test_a_count_on_a_day_that_was_mostly_missed_stands():
    assert steps({MAY: 3}, MAY, MAY, {MAY})[0][2] == 3


def test_a_week_is_unknown_only_where_all_of_its_days_are():
    monday = date(2026, 5, 4)
    unknown = {monday + timedelta(days=index) for index in range(7)}
    last = monday + timedelta(days=99)
    assert draw({}, monday, last, unknown).steps[0].value is None
    assert draw({}, monday, last, unknown - {monday}).steps[0].value == 0


def test_one_step_at_least():
    assert len(draw({}, MAY, MAY).steps) == 1
