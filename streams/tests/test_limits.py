"""How often somebody may do something."""

import pytest
from django.test import RequestFactory

from streams import limits
from streams.limits import allowed, too_often


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it."""
    now = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    return now


@pytest.fixture
def redis_away(settings):
    settings.REDIS_URL = "unix:///nowhere/redis.sock"


def test_as_many_as_may_be_are_allowed_and_no_more(redis_client, clock):
    assert [allowed("ann", 2, 60, if_unknown=False) for _ in range(4)] == [True, True, False, False]


def test_everybody_is_counted_alone(redis_client, clock):
    assert [allowed(who, 1, 60, if_unknown=False) for who in ("ann", "bob")] == [True, True]


def test_the_next_window_begins_at_nothing(redis_client, clock):
    allowed("ann", 1, 60, if_unknown=False)
    clock[0] += 60
    assert allowed("ann", 1, 60, if_unknown=False)


def test_counts_do_not_stay_in_redis(redis_client, clock):
    allowed("ann", 1, 60, if_unknown=False)
    (key,) = redis_client.keys(f"{limits.PREFIX}*")
    assert 0 < redis_client.ttl(key) <= 60


def test_a_name_of_any_length_and_script_is_only_a_short_key(redis_client, clock):
    allowed("ж" * 5000, 1, 60, if_unknown=False)
    (key,) = redis_client.keys(f"{limits.PREFIX}*")
    assert len(key) < 100


@pytest.mark.parametrize("answer", [True, False])
def test_without_redis_it_is_as_the_caller_wants(redis_away, answer):
    assert allowed("ann", 1, 60, if_unknown=answer) is answer


def test_who_comes_too_often_is_told_when_to_come_back(clock):
    clock[0] = 60 * 20_000 + 20
    answer = too_often(RequestFactory().get("/"), 60)
    assert (answer.status_code, answer["Retry-After"]) == (429, "40")
    assert "Try again in 40 seconds." in answer.content.decode()


def test_a_long_wait_is_told_in_minutes(clock):
    clock[0] = 3600 * 20_000
    assert "Try again in 60 minutes." in too_often(RequestFactory().get("/"), 3600).content.decode()


def test_the_words_of_the_caller_come_first(clock):
    page = too_often(RequestFactory().get("/"), 60, words="You saved <10> times.").content.decode()
    assert "You saved &lt;10&gt; times." in page
