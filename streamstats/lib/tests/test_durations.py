from datetime import timedelta

import pytest

from streamstats.lib.durations import ago, exact, spoken


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(seconds=60), "1 m"),
        (timedelta(minutes=59, seconds=59), "59 m"),
        (timedelta(hours=3, minutes=40), "3 h 40 m"),
        (timedelta(hours=4), "4 h"),
        (timedelta(hours=212, minutes=30), "212 h"),
        (timedelta(hours=5212), "5,212 h"),
    ],
)
def test_lengths_in_words(span, text):
    assert spoken(span) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 m 0 s"), (59, "0 m 59 s"), (3600, "1 h 0 m 0 s"), (3600 * 1212 + 185, "1,212 h 3 m 5 s")],
)
def test_lengths_to_the_second(seconds, text):
    assert exact(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=-30), "just now"),
        (timedelta(seconds=44), "just now"),
        (timedelta(seconds=45), "1 min ago"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(hours=24), "yesterday"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=60), "2 months ago"),
        (timedelta(days=729), "24 months ago"),
        (timedelta(days=730), "2 years ago"),
    ],
)
def test_distances_in_words(span, text):
    assert ago(span) == text
