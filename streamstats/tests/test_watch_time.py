"""Two evenings with everything that goes wrong, through the code that keeps watch time, against who really watched."""

import pytest

from bench import watchtime
from bench.audience import Trouble, make_month

NEVER = (watchtime.OFF_AIR, watchtime.BEYOND, watchtime.TOO_FAR, watchtime.WRONG)


@pytest.mark.django_db
def test_watch_time_is_true():
    month = make_month(4, viewers=20, streams=2)
    first = month.shows[0]
    month.troubles = [(first.started_at + 3600, first.started_at + 3600 + 600, Trouble.TWITCH)]
    figures = watchtime.play(month)
    assert {what: figures[what] for what in NEVER} == dict.fromkeys(NEVER, 0)
    # So few visits leave chance more room than a month does: that is measured by the benchmark.
    assert figures[watchtime.TOTAL] < 2 * watchtime.MOST_TOTAL_ERROR
    assert figures["hours truly watched"] > 20
