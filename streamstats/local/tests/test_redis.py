"""An embedded Redis starts whatever was left behind, and keeps what it acknowledged."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis

from streamstats.local import redis as local_redis
from streamstats.local.errors import LocalError
from streamstats.local.redis import EmbeddedRedis, bundled_program, redis_program


@pytest.fixture
def server(layout) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(layout)
    yield server
    server.stop()


@pytest.fixture
def client(server) -> Iterator[Redis]:
    server.start()
    client = Redis.from_url(server.url, decode_responses=True)
    yield client
    client.close()


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_what_was_acknowledged_is_there_after_any_end(server, client, end):
    client.xadd("lines", {"lines": "a"})
    getattr(server, end)()
    server.start()
    assert client.xlen("lines") == 1


def test_it_is_set_up_for_keeps_and_for_this_machine_only(client):
    wanted = {"appendonly": "yes", "appendfsync": "always", "save": "", "maxmemory-policy": "noeviction", "port": "0"}
    assert {name: client.config_get(name)[name] for name in wanted} == wanted


def test_it_is_full_before_the_machine_is(client):
    assert client.config_get("maxmemory") == {"maxmemory": str(1024**3)}


def test_a_server_that_lost_its_supervisor_is_replaced(server, client, layout):
    lost = psutil.Process(server.pid)
    client.set("kept", "yes")
    successor = EmbeddedRedis(layout)
    successor.start()
    assert not psutil.pid_exists(lost.pid)
    assert client.get("kept") == "yes"
    successor.stop()


def test_data_of_a_newer_redis_is_not_overlooked(server, layout, monkeypatch):
    monkeypatch.setattr(local_redis, "redis_program", bundled_program)
    (layout.redis_data / "appendonlydir").mkdir(parents=True)
    with pytest.raises(LocalError, match="written by Redis 7"):
        server.start()


@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
def test_a_server_on_the_path_comes_first(tmp_path, monkeypatch, name):
    program = tmp_path / name
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_program() == program


def test_without_one_on_the_path_the_wheel_serves(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_program() == bundled_program()


def test_that_there_is_none_is_said(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(local_redis, "bundled_program", lambda: None)
    with pytest.raises(LocalError, match="REDIS_URL is not set"):
        redis_program()


def test_the_wheel_has_its_program(monkeypatch):
    program = bundled_program()
    assert isinstance(program, Path)
    assert program.name == "redis-server"
