from datetime import date, timedelta

from streamstats.lib.month import HEIGHT, draw

TODAY = date(2026, 5, 31)


def test_there_is_a_bar_for_every_day():
    assert [bar.day for bar in draw({}, TODAY, 3).bars] == [date(2026, 5, 29), date(2026, 5, 30), TODAY]


def test_the_highest_day_fills_the_picture():
    bars = draw({TODAY: 10, TODAY - timedelta(days=1): 5}, TODAY, 2).bars
    assert [(bar.y, bar.height) for bar in bars] == [(HEIGHT / 2, HEIGHT / 2), (0, HEIGHT)]


def test_little_is_still_seen():
    bars = draw({TODAY: 10_000, TODAY - timedelta(days=1): 1}, TODAY, 2).bars
    assert bars[0].height == 2


def test_all_days_are_two_shapes():
    month = draw({TODAY: 100}, TODAY, 2)
    assert month.shape == f"M6,{HEIGHT}v-{HEIGHT}h4v{HEIGHT}z"
    assert month.quiet == f"M0,{HEIGHT}v-1h4v1z"


def test_the_highest_day_is_known():
    assert draw({TODAY: 100}, TODAY, 30).highest.day == TODAY
