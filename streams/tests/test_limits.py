"""How often somebody may do something."""

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from streams import limits
from streams.limits import Limit

TWICE = Limit("knocking", 2, 60, "You knocked <2> times.")
ONCE = TWICE._replace(most=1)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it."""
    now = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    return now


def test_as_many_as_may_be_are_allowed_and_no_more(redis_client, clock):
    assert [TWICE.allows("ann") for _ in range(4)] == [True, True, False, False]


def test_everybody_is_counted_alone(redis_client, clock):
    assert [ONCE.allows(who) for who in ("ann", "bob")] == [True, True]


def test_everything_is_counted_alone(redis_client, clock):
    assert [limit.allows("ann") for limit in (ONCE, ONCE._replace(name="ringing"))] == [True, True]


def test_who_may_be_many_people_is_not_counted(redis_client, clock):
    assert [ONCE.allows("") for _ in range(3)] == [True, True, True]
    assert redis_client.keys(f"{limits.PREFIX}*") == []


def test_the_next_window_begins_at_nothing(redis_client, clock):
    ONCE.allows("ann")
    clock[0] += 60
    assert ONCE.allows("ann")


def test_counts_do_not_stay_in_redis(redis_client, clock):
    ONCE.allows("ann")
    (key,) = redis_client.keys(f"{limits.PREFIX}*")
    assert 0 < redis_client.ttl(key) <= 60


def test_a_name_of_any_length_and_script_is_only_a_short_key(redis_client, clock):
    ONCE.allows("ж" * 5000)
    (key,) = redis_client.keys(f"{limits.PREFIX}*")
    assert len(key) < 100


def test_a_key_does_not_say_whose_it_is(redis_client, clock, settings):
    for secret in ("one", "another" * 20):
        settings.SECRET_KEY = secret
        ONCE.allows("8.8.8.8")
    assert len(redis_client.keys(f"{limits.PREFIX}*")) == 2


def test_without_redis_everybody_is_let_through(settings):
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    assert [ONCE.allows("ann") for _ in range(3)] == [True, True, True]


def test_who_comes_too_often_is_told_when_to_come_back(clock):
    clock[0] = 60 * 20_000 + 20
    answer = TWICE.refuse(RequestFactory().get("/"))
    assert (answer.status_code, answer["Retry-After"], answer["Cache-Control"]) == (429, "40", "no-store")
    assert "You knocked &lt;2&gt; times. Try again in 40 seconds." in answer.content.decode()


def test_a_long_wait_is_told_in_minutes(clock):
    clock[0] = 3600 * 20_000
    page = TWICE._replace(per_s=3600).refuse(RequestFactory().get("/"))
    assert "Try again in 60 minutes." in page.content.decode()


def test_another_page_may_say_it(clock):
    clock[0] = 60 * 20_000 + 20
    assert TWICE.headed(HttpResponse("words that were typed"))["Retry-After"] == "40"
