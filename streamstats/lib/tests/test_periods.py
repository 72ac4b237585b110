from datetime import date

import pytest

from streamstats.lib import periods

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("written", "key", "first", "end"),
    [
        ("all", "all", None, None),
        ("year", "2026", date(2026, 1, 1), date(2027, 1, 1)),
        ("month", "2026-11", date(2026, 11, 1), date(2026, 12, 1)),
        ("week", "2026-W47", date(2026, 11, 16), date(2026, 11, 23)),
        ("2024", "2024", date(2024, 1, 1), date(2025, 1, 1)),
        ("2024-12", "2024-12", date(2024, 12, 1), date(2025, 1, 1)),
        ("2024-02", "2024-02", date(2024, 2, 1), date(2024, 3, 1)),
        ("2020-W53", "2020-W53", date(2020, 12, 28), date(2021, 1, 4)),
        ("2025-W01", "2025-W01", date(2024, 12, 30), date(2025, 1, 6)),
    ],
)
def test_a_period_is_read_from_an_address(written, key, first, end):
    assert periods.read(written, TODAY)[1:] == (key, first, end)


@pytest.mark.parametrize(
    "written",
    ["", "day", "20", "2026-13", "2026-00", "2025-W53", "2026-W00", "٢٠٢٦", "1999", "9999", "2026-1", "2026\n"],
)
def test_what_is_no_period_is_refused(written):
    with pytest.raises(ValueError, match=r"period|month|week"):
        periods.read(written, TODAY)


@pytest.mark.parametrize(
    ("written", "before", "after"),
    [("2026", "2025", "2027"), ("2026-01", "2025-12", "2026-02"), ("2026-W01", "2025-W52", "2026-W02")],
)
def test_periods_follow_each_other(written, before, after):
    period = periods.read(written, TODAY)
    assert [beside and beside.key for beside in (period.before(), period.after())] == [before, after]


def test_all_time_has_no_neighbours():
    assert periods.ALL_TIME.before() is None
    assert periods.ALL_TIME.after() is None


def test_the_first_year_has_none_before_it():
    assert periods.read("2011", TODAY).before() is None


def test_a_day_lies_in_a_period_of_each_kind():
    assert [period.key for period in periods.around(TODAY)] == ["all", "2026", "2026-11", "2026-W47"]


@pytest.mark.parametrize(
    ("written", "told"),
    [("all", "all time"), ("2026", "2026"), ("2026-11", "November 2026"), ("2026-W47", "the week of 16 Nov 2026")],
)
def test_a_period_has_a_name(written, told):
    assert str(periods.read(written, TODAY)) == told
