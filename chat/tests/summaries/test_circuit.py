"""A language model that fails again and again is left alone for a while."""

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from chat.summaries import circuit

NAME = "openai:gpt-4o"
OTHER = "anthropic:claude-haiku-4-5"
PATIENCE = 90


class Clock:
    def __init__(self) -> None:
        self.now = 1_767_225_600.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch, redis_client):
    clock = Clock()
    monkeypatch.setattr(circuit, "clock", clock)
    return clock


def lets_through(name: str = NAME) -> bool:
    return circuit.lets_through(name, PATIENCE)


def fail(times: int) -> None:
    for _ in range(times):
        circuit.failed(NAME)


def test_two_failures_are_borne(clock):
    fail(2)
    assert lets_through()


def test_three_failures_open_it(clock):
    fail(3)
    assert not lets_through()


def test_failures_that_are_far_apart_do_not(clock):
    fail(2)
    clock.pass_by(301)
    fail(2)
    assert lets_through()


def test_an_answer_in_between_makes_up_for_them(clock):
    fail(2)
    circuit.succeeded(NAME)
    fail(2)
    assert lets_through()


def test_others_are_asked_as_before(clock):
    fail(3)
    assert lets_through(OTHER)


def test_it_stays_open_for_five_minutes(clock):
    fail(3)
    clock.pass_by(299)
    assert not lets_through()
    clock.pass_by(2)
    assert lets_through()


def test_then_one_call_tries(clock):
    fail(3)
    clock.pass_by(301)
    assert [lets_through() for _ in range(3)] == [True, False, False]


def test_an_answer_to_that_closes_it(clock):
    fail(3)
    clock.pass_by(301)
    lets_through()
    circuit.succeeded(NAME)
    assert [lets_through() for _ in range(3)] == [True, True, True]
    fail(2)
    assert lets_through()


def test_a_failure_of_that_opens_it_again(clock):
    fail(3)
    clock.pass_by(301)
    lets_through()
    fail(1)
    clock.pass_by(299)
    assert not lets_through()
    clock.pass_by(2)
    assert lets_through()


def test_a_try_that_nobody_ends_is_not_waited_for_longer_than_a_call_takes(clock, redis_client):
    fail(3)
    clock.pass_by(301)
    lets_through()
    [trial] = redis_client.keys("*trial")
    assert 0 < redis_client.ttl(trial) <= PATIENCE


def test_a_provider_that_says_when_to_come_back_is_asked_no_sooner(clock):
    circuit.failed(NAME, retry_after_s=20)
    clock.pass_by(19)
    assert not lets_through()
    clock.pass_by(2)
    assert lets_through()


def test_what_a_provider_says_is_no_shorter_than_five_minutes_after_three_failures(clock):
    for _ in range(3):
        circuit.failed(NAME, retry_after_s=20)
    clock.pass_by(299)
    assert not lets_through()


def test_nobody_waits_longer_than_an_hour(clock):
    circuit.failed(NAME, retry_after_s=10**9)
    clock.pass_by(3599)
    assert not lets_through()
    clock.pass_by(2)
    assert lets_through()


def test_a_late_failure_does_not_make_a_pause_shorter(clock):
    circuit.failed(NAME, retry_after_s=3000)
    fail(1)
    clock.pass_by(2999)
    assert not lets_through()


def test_all_that_is_kept_of_it_ends(clock, redis_client):
    fail(3)
    assert [key for key in redis_client.keys("streamstats:ai:*") if redis_client.ttl(key) < 0] == []


@pytest.fixture
def no_redis(monkeypatch):
    away = Redis(host="127.0.0.1", port=9, socket_connect_timeout=0.2, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(circuit, "quick_redis", lambda: away)


def test_while_redis_is_away_everybody_is_asked_and_the_log_says_so(no_redis, caplog):
    fail(3)
    assert lets_through()
    assert "ai.circuit_not_known" in caplog.text
