from datetime import UTC, datetime, timedelta

from streamstats.lib.activity import Gap
from streamstats.lib.pulse import HEIGHT, draw

MINUTE = timedelta(minutes=1)
NOW = datetime(2026, 5, 31, 20, 10, 15, tzinfo=UTC)
PRESENT = NOW.replace(second=0)


def test_it_is_the_hour_up_to_now():
    pulse = draw({PRESENT: 3, PRESENT - 59 * MINUTE: 7, PRESENT - 60 * MINUTE: 9}, {}, NOW)
    assert (pulse.messages[0], pulse.messages[-1], len(pulse.messages)) == (7, 3, 60)


def test_the_rate_takes_what_is_to_come_from_the_minute_before():
    assert draw({PRESENT: 10, PRESENT - MINUTE: 40}, {}, NOW).rate == 40


def test_chatting_is_the_fuller_of_two_minutes():
    assert draw({}, {PRESENT: 2, PRESENT - MINUTE: 5}, NOW).chatting == 5


def test_silence_is_a_line_at_the_bottom():
    assert {point.split(",")[1] for point in draw({}, {}, NOW).line.removeprefix("M").split()} == {f"{HEIGHT}.0"}


def test_the_highest_minute_touches_the_top():
    assert draw({PRESENT - 59 * MINUTE: 4}, {}, NOW).line.startswith("M0,0.0 ")


def test_the_line_ends_in_the_rate():
    assert draw({PRESENT - MINUTE: 4}, {}, NOW).line.endswith(f",{HEIGHT * (1 - 3 / 4):.1f}")


def test_minutes_that_were_not_received_break_the_line():
    gap = Gap(PRESENT - 40 * MINUTE, PRESENT - 20 * MINUTE, "cable eaten")
    pulse = draw({PRESENT - 50 * MINUTE: 2}, {}, NOW, [gap])
    assert pulse.told == " ".join(["0"] * 9 + ["2"] + ["0"] * 9 + ["-"] * 20 + ["0"] * 21)
    assert (pulse.line.count("M"), pulse.area.count("Z")) == (2, 2)


def test_what_was_received_of_a_broken_minute_is_shown():
    gap = Gap(PRESENT - 9.8 * MINUTE, PRESENT - 9 * MINUTE, "cable eaten")
    assert draw({PRESENT - 10 * MINUTE: 5}, {}, NOW, [gap]).messages[49] == 5
