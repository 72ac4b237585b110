import pytest

from chat.providers.etiquette import Absent, Failed, Fetched, Key, Timetable, Unchanged

CHANNEL, EVERYWHERE = Key("7tv", 1), Key("7tv", None)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def timetable(clock):
    found = Timetable(clock, uniform=lambda low, high: low)
    found.add(CHANNEL)
    return found


def wait_for(timetable, key=CHANNEL):
    _, wait_s = timetable.next(key.provider)
    return wait_s


def read(timetable, *answers, key=CHANNEL):
    for answer in answers:
        timetable.asked(key)
        timetable.settle(key, answer)


def test_a_new_set_is_read_now(timetable):
    assert timetable.next("7tv") == (CHANNEL, 0.0)


def test_a_provider_without_sets_has_nothing_due(timetable):
    assert timetable.next("ffz") is None


@pytest.mark.parametrize(
    ("answers", "wait_s"),
    [
        pytest.param([Fetched({}, "")], 600, id="read"),
        pytest.param([Unchanged()], 600, id="unchanged"),
        pytest.param([Absent()], 3600, id="absent"),
        pytest.param([Failed("no")], 60, id="failed"),
        pytest.param([Failed("no"), Failed("no"), Failed("no")], 240, id="failed three times"),
        pytest.param([Failed("no")] * 99, 3600, id="failed for long"),
        pytest.param([Failed("no"), Unchanged(), Failed("no")], 60, id="failed after a success"),
        pytest.param([Failed("slow down", 500.0)], 500, id="asked to wait"),
        pytest.param([Failed("slow down", 1.0)], 60, id="asked to wait for less than is polite"),
        pytest.param([Failed("slow down", 1e9)], 86400, id="asked to wait for ever"),
    ],
)
def test_the_next_read_of_a_channel_follows_from_the_last(timetable, answers, wait_s):
    read(timetable, *answers)
    assert wait_for(timetable) == wait_s


def test_sets_for_everybody_are_read_hourly(clock):
    timetable = Timetable(clock, uniform=lambda low, high: low)
    timetable.add(EVERYWHERE)
    read(timetable, Fetched([], ""), key=EVERYWHERE)
    assert wait_for(timetable, EVERYWHERE) == 3600


def test_reads_are_spread(clock):
    timetable = Timetable(clock, uniform=lambda low, high: high)
    timetable.add(CHANNEL)
    read(timetable, Unchanged())
    assert wait_for(timetable) == 900


def test_a_provider_that_asks_to_wait_is_left_alone_altogether(timetable):
    timetable.add(Key("7tv", 2))
    read(timetable, Failed("slow down", 500.0))
    assert wait_for(timetable) == 500


def test_other_providers_are_read_meanwhile(timetable):
    timetable.add(Key("ffz", 1))
    read(timetable, Failed("slow down", 500.0))
    assert timetable.next("ffz") == (Key("ffz", 1), 0.0)


@pytest.mark.parametrize(
    ("answer", "later_s", "wait_s"),
    [
        pytest.param(Unchanged(), 120, 480, id="not sooner than is polite"),
        pytest.param(Unchanged(), 599, 1, id="as soon as is polite"),
        pytest.param(Absent(), 120, 3480, id="not what is absent"),
        pytest.param(Failed("no", 500.0), 120, 380, id="not what asked to wait"),
    ],
)
def test_hurrying_stays_polite(timetable, clock, answer, later_s, wait_s):
    read(timetable, answer)
    clock.now += later_s
    timetable.hurry(CHANNEL)
    assert wait_for(timetable) == wait_s


def test_hurrying_brings_an_hourly_read_forward(clock):
    timetable = Timetable(clock, uniform=lambda low, high: low)
    timetable.add(EVERYWHERE)
    read(timetable, Unchanged(), key=EVERYWHERE)
    timetable.hurry(EVERYWHERE)
    assert wait_for(timetable, EVERYWHERE) == 600


def test_a_switch_is_read_at_once(timetable, clock):
    read(timetable, Unchanged())
    clock.now += 30
    timetable.switch(CHANNEL)
    assert wait_for(timetable) == 0


def test_switch_after_switch_is_not(timetable, clock):
    read(timetable, Unchanged())
    clock.now += 4
    timetable.switch(CHANNEL)
    assert wait_for(timetable) == 6


def test_a_live_change_puts_the_next_read_off(timetable, clock):
    read(timetable, Unchanged())
    clock.now += 590
    timetable.put_off(CHANNEL)
    assert wait_for(timetable) == 600


def test_live_changes_do_not_put_it_off_for_ever(timetable, clock):
    read(timetable, Unchanged())
    for _ in range(100):
        clock.now += 300
        timetable.put_off(CHANNEL)
    assert wait_for(timetable) == 0


def test_a_set_let_go_is_read_no_more(timetable):
    timetable.discard(CHANNEL)
    assert timetable.next("7tv") is None
