"""A home's servers have one owner at a time, and others may use them."""

import os
import signal
from collections.abc import Iterator

import pytest
from redis import Redis

from streamstats.local import servers as local_servers
from streamstats.local.errors import LocalError
from streamstats.local.servers import FileLock, Servers, available_servers, owned_home


class RecordedServers(Servers):
    """Servers that only note what is asked of them."""

    def __init__(self, layout, *, is_answering=False):
        super().__init__(layout, postgres=False, redis=False)
        self.is_answering = is_answering
        self.deeds = []

    def answer(self):
        return self.is_answering

    def __enter__(self):
        self.deeds.append("start")
        return self

    def __exit__(self, *exc):
        self.deeds.append("stop")


def unheard(sentence):
    raise AssertionError(sentence)


def test_a_second_owner_is_refused(layout):
    with owned_home(layout), pytest.raises(LocalError, match="is in use by process"), owned_home(layout):
        pass


def test_a_home_is_free_after_its_owner(layout):
    with owned_home(layout):
        pass
    with owned_home(layout):
        pass


def test_a_home_that_cannot_be_made_is_said(layout):
    (layout.home / "file").touch()
    with pytest.raises(LocalError, match="cannot be written to"), owned_home(type(layout)(layout.home / "file" / "x")):
        pass


def test_servers_are_started_where_none_run(layout):
    servers = RecordedServers(layout)
    with available_servers(servers, unheard):
        assert servers.deeds == ["start"]
    assert servers.deeds == ["start", "stop"]


def test_servers_that_run_are_used(layout):
    servers = RecordedServers(layout, is_answering=True)
    with owned_home(layout), available_servers(servers, unheard):
        pass
    assert servers.deeds == []


def test_a_failing_command_stops_what_it_started(layout):
    servers = RecordedServers(layout)
    with pytest.raises(ZeroDivisionError), available_servers(servers, unheard):
        raise ZeroDivisionError
    assert servers.deeds == ["start", "stop"]


def test_servers_outlast_those_who_use_them(layout):
    servers = RecordedServers(layout)
    user = FileLock(layout.home / "users.lock")
    heard = []

    def hear(sentence):
        heard.append((sentence, list(servers.deeds)))
        user.__exit__()

    with available_servers(servers, hear):
        assert user.try_shared()
    assert heard == [("another command uses the embedded servers; they stay up until it is done", ["start"])]
    assert servers.deeds == ["start", "stop"]


def test_servers_that_never_answer_are_given_up(layout, monkeypatch):
    monkeypatch.setattr(local_servers, "WAIT_SECONDS", 0)
    with owned_home(layout), pytest.raises(LocalError, match="do not answer"):
        available_servers(RecordedServers(layout), unheard).__enter__()


# A server that dies


@pytest.fixture
def redis_alone(layout) -> Iterator[Servers]:
    with Servers(layout, postgres=False, durable=False) as servers:
        yield servers


def lose(server, number=signal.SIGKILL):
    os.kill(server.pid, number)
    os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)  # how it ended is for its owner to learn


def test_servers_that_run_are_left_alone(redis_alone):
    before = redis_alone.redis.pid
    redis_alone.revive(unheard)
    assert redis_alone.redis.pid == before


def test_a_server_that_was_killed_is_started_again(redis_alone):
    lose(redis_alone.redis)
    redis_alone.revive(lambda sentence: None)
    with Redis.from_url(redis_alone.redis.url) as client:
        assert client.ping()


@pytest.mark.parametrize(
    ("number", "fate"), [(signal.SIGKILL, "was ended by SIGKILL"), (signal.SIGTERM, "ended by itself with code 0")]
)
def test_a_new_start_is_said_with_its_reason(redis_alone, number, fate):
    heard: list[str] = []
    lose(redis_alone.redis, number)
    redis_alone.revive(heard.append)
    assert heard == [f"Redis {fate} (see {redis_alone.redis.log}). Starting it again ...", "Redis answers again."]


def lose_four_times(servers, every_seconds):
    for number in range(4):
        lose(servers.redis)
        servers.revive(lambda sentence: None, lambda at=number * every_seconds: at)


def test_a_server_that_dies_again_and_again_is_given_up(redis_alone):
    with pytest.raises(LocalError, match=r"^Redis was ended by SIGKILL, 4 times within a minute \(see .*redis\.log\)$"):
        lose_four_times(redis_alone, every_seconds=10)


def test_a_server_that_dies_now_and_then_is_not_given_up(redis_alone):
    lose_four_times(redis_alone, every_seconds=20)
    assert redis_alone.answer()
