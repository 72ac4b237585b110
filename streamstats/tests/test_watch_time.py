"""Two evenings with everything that goes wrong, through the code that keeps watch time, against who really watched;
and whether what is judged wrong there is.
"""

from datetime import timedelta

import pytest

from bench import watchtime
from bench.audience import Month, Show, Trouble, make_month
from streams.models import Channel, Stream
from streams.tests.cast import make_channel
from viewers.credit import recount
from viewers.models import ViewSession

NEVER = (watchtime.LEFT_OPEN, watchtime.OFF_AIR, watchtime.BEYOND, watchtime.TOO_FAR, watchtime.WRONG)


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


# The judge.


@pytest.fixture
def channel(db):
    return make_channel("almanac")


def judge(channel: Channel, *sessions: tuple[int, int | None]) -> dict[str, float]:
    """Judge sessions of somebody who left ten seconds before a stream of two hours came back from a drop-out."""
    show = Show(0, [(1000, 5000), (5400, 9000)], set())
    month = Month([show], visits={"v": [(2000, 5390)]})
    stream = Stream.objects.create(id="show-0-0", channel=channel, started_at=watchtime.moment(show.started_at))
    for start, end in sessions:
        ViewSession.objects.create(
            channel=channel,
            stream=stream,
            viewer_id="v",
            started_at=watchtime.moment(start),
            ended_at=None if end is None else watchtime.moment(end),
            source="chatters",
        )
    recount(channel, watchtime.BEGAN.date(), watchtime.BEGAN.date() + timedelta(days=1))
    figures = watchtime.judge(month, channel)
    return {what: figures[what] for what in NEVER if figures[what]}


@pytest.mark.parametrize(
    ("sessions", "wrong"),
    [
        pytest.param([(2000, 5000)], {}, id="true"),
        pytest.param([(2320, 5000)], {}, id="found at the next poll"),
        pytest.param([(2330, 5000)], {watchtime.TOO_FAR: 1}, id="found too late"),
        pytest.param([(2000, 5000), (5400, 5700)], {}, id="still in the list, missed at the next poll"),
        pytest.param([(2000, 5000), (5400, 5730)], {watchtime.TOO_FAR: 1}, id="missed too late"),
        pytest.param([(2000, 5200)], {watchtime.OFF_AIR: 200}, id="while off air"),
        pytest.param([(2000, 5000), (5400, None)], {watchtime.LEFT_OPEN: 1}, id="never ended"),
    ],
)
def test_it_is_judged_by_who_really_watched(channel, sessions, wrong):
    assert judge(channel, *sessions) == wrong


def test_nobody_watches_longer_than_a_stream_is(channel):
    assert judge(channel, (1000, 5000), (5400, 9001))[watchtime.BEYOND] == 1


def test_the_clock_steps_while_somebody_watches():
    month = make_month(viewers=0)
    assert [any(show.part_at(at) is not None for show in month.shows) for at in month.clock_ahead] == [True, True]
