from datetime import date, timedelta

import pytest

from streamstats.lib.year import CELL, LEFT, STEP, TOP, draw, first_day, outline, quartiles

SUNDAY = date(2026, 5, 31)


def test_it_begins_on_a_monday():
    assert first_day(SUNDAY).weekday() == 0


def test_it_spans_a_year():
    assert SUNDAY - first_day(SUNDAY) == timedelta(days=370)


def test_the_first_day_is_top_left():
    square = draw({first_day(SUNDAY): 1}, SUNDAY).squares[0]
    assert (square.x, square.y) == (LEFT, TOP)


def test_the_last_sunday_is_bottom_right():
    picture = draw({SUNDAY: 1}, SUNDAY)
    assert (picture.squares[0].x + STEP, picture.squares[0].y + STEP) == (picture.width, picture.height)


def test_quiet_days_are_one_path():
    picture = draw({SUNDAY: 1}, SUNDAY)
    assert picture.quiet.count("M") == 370
    assert f"M{LEFT} {TOP}h{CELL}v{CELL}" in picture.quiet


def test_days_not_known_are_not_quiet():
    unknown = {SUNDAY - timedelta(days=1), SUNDAY}
    picture = draw({SUNDAY: 1}, SUNDAY, missing=unknown)
    assert (picture.missing.count("M"), picture.quiet.count("M")) == (1, 369)


def test_days_outside_are_left_out():
    assert draw({first_day(SUNDAY) - timedelta(days=1): 5, SUNDAY + timedelta(days=1): 5}, SUNDAY).squares == []


def test_levels_use_the_whole_ramp():
    values = {SUNDAY - timedelta(days=back): back + 1 for back in range(8)}
    levels = [square.level for square in draw(values, SUNDAY).squares]
    assert levels == [4, 4, 3, 3, 2, 2, 1, 1]


def test_equal_days_are_equally_light():
    values = {SUNDAY - timedelta(days=back): 5 for back in range(3)}
    assert {square.level for square in draw(values, SUNDAY).squares} == {1}


def test_a_week_is_outlined_as_a_column():
    corners = outline(draw({}, SUNDAY), SUNDAY - timedelta(days=6), SUNDAY + timedelta(days=1))
    left, right = LEFT + 52 * STEP - 1.5, LEFT + 53 * STEP - 1.5
    top, low = TOP - 1.5, TOP + 7 * STEP - 1.5
    assert corners == f"M{left} {top}L{right} {top}L{right} {low}L{left} {low}z"


def test_a_month_is_outlined_along_its_first_and_last_week():
    """May 2026 begins on a Friday and ends on a Sunday."""
    corners = outline(draw({}, SUNDAY), date(2026, 5, 1), date(2026, 6, 1))
    left, friday = LEFT + 48 * STEP - 1.5, TOP + 4 * STEP - 1.5
    assert corners.startswith(f"M{left} {friday}L{left + STEP} {friday}L{left + STEP} {TOP - 1.5}L")


def test_what_lies_outside_of_the_year_is_not_outlined():
    first = first_day(SUNDAY)
    whole = outline(draw({}, SUNDAY), first, first + timedelta(days=7))
    assert outline(draw({}, SUNDAY), first - timedelta(days=9), first + timedelta(days=7)) == whole


def test_every_month_has_its_name_once():
    names = [label.text for label in draw({}, SUNDAY).months]
    assert names == ["Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb", "Mar", "Apr", "May"]


@pytest.mark.parametrize(("values", "limits"), [([], []), ([7], [7, 7, 7]), ([4, 1, 3, 2, 5], [2, 3, 4])])
def test_quartiles(values, limits):
    assert quartiles(values) == limits
