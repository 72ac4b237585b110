"""An embedded Postgres starts whatever was left behind, and keeps what it acknowledged."""

import os
from collections.abc import Iterator

import psutil
import psycopg
import pytest

from streamstats.local import postgres
from streamstats.local.errors import LocalError
from streamstats.local.postgres import EmbeddedPostgres, memory_settings


@pytest.fixture
def server(layout) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(layout, durable=False)
    yield server
    server.stop()


@pytest.fixture
def durable_server(layout) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(layout)
    yield server
    server.stop()


def ask(server, question):
    with psycopg.connect(server.url, autocommit=True) as connection:
        row = connection.execute(question).fetchone()
        return row[0] if row else None


def test_a_first_start_makes_an_empty_database(server):
    server.start()
    assert server.is_new
    assert ask(server, "SELECT current_database()") == "streamstats"


def test_a_later_start_keeps_the_database(server):
    server.start()
    server.stop()
    server.start()
    assert not server.is_new


def test_what_was_committed_outlives_a_kill(durable_server):
    durable_server.start()
    with psycopg.connect(durable_server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS number")
    durable_server.kill()
    durable_server.start()
    assert ask(durable_server, "SELECT number FROM kept") == 42


def test_it_is_set_up_for_keeps_and_for_this_machine_only(durable_server):
    durable_server.start()
    names = ["fsync", "synchronous_commit", "full_page_writes", "data_checksums", "listen_addresses"]
    assert [ask(durable_server, f"SHOW {name}") for name in names] == ["on", "on", "on", "on", ""]


def test_only_we_may_enter_its_folders(server, layout):
    server.start()
    assert [folder.stat().st_mode & 0o777 for folder in (layout.sockets, layout.postgres_data)] == [0o700, 0o700]


def test_a_server_that_lost_its_supervisor_is_replaced(server, layout):
    server.start()
    lost = psutil.Process(server.pid)
    successor = EmbeddedPostgres(layout, durable=False)
    successor.start()
    assert successor.pid != lost.pid
    assert not psutil.pid_exists(lost.pid)
    successor.stop()


def test_a_lock_file_with_the_pid_of_a_stranger_is_no_obstacle(server, layout):
    server.start()
    server.stop()
    for leftover in (layout.postgres_data / "postmaster.pid", layout.sockets / ".s.PGSQL.5432.lock"):
        leftover.write_text(f"{os.getpid()}\n{layout.postgres_data}\n")
    server.start()
    assert server.answers()


def test_a_data_folder_that_was_never_finished_is_made_again(server, layout):
    unfinished = layout.home / "postgres.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    server.start()
    assert not unfinished.exists()


def test_why_it_cannot_start_is_said(server, layout):
    server.start()
    server.stop()
    (layout.postgres_data / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(LocalError, match=r"did not start: database files are incompatible"):
        server.start()


def test_it_is_not_answering_once_stopped(server):
    server.start()
    server.stop()
    assert not server.answers()


def test_a_missing_wheel_is_named(monkeypatch):
    monkeypatch.setattr(postgres, "find_spec", lambda name: None)
    with pytest.raises(LocalError, match=r"requirements-local\.txt"):
        postgres.postgres_programs()


@pytest.mark.parametrize(
    ("memory", "buffers", "cache"),
    [(1024, "256MB", "512MB"), (24_000, "6000MB", "12000MB"), (128_000, "8192MB", "64000MB")],
)
def test_its_buffers_grow_with_the_memory_of_the_machine(memory, buffers, cache):
    assert memory_settings(memory) == {"shared_buffers": buffers, "effective_cache_size": cache}


@pytest.mark.parametrize(("limit", "expected"), [("104857600\n", 100), ("max\n", None)])
def test_the_memory_of_a_container_is_what_it_may_take(tmp_path, monkeypatch, limit, expected):
    monkeypatch.setattr(postgres, "CGROUP_LIMIT", tmp_path / "memory.max")
    machine = postgres.memory_mb()
    (tmp_path / "memory.max").write_text(limit)
    assert postgres.memory_mb() == (expected or machine)
