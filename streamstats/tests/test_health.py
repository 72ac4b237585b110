import time

import pytest
from django.conf import settings
from django.db import DatabaseError
from django.db.migrations.recorder import MigrationRecorder
from redis import Redis

from chat.ingest.coverage import DECIDED, KEY, Record
from chat.ingest.queue import GROUP, STREAM
from streams.tests.cast import make_channel
from streams.tests.granted import BOT, make_grant
from streamstats import health


@pytest.fixture
def writer(redis_client):
    """A writer has just asked for lines."""
    redis_client.xgroup_create(STREAM, GROUP, mkstream=True)
    redis_client.xreadgroup(GROUP, "one", {STREAM: ">"})


@pytest.fixture
def reader(redis_client, db):
    """A reader has just told what it covers."""
    make_channel("lantern")
    tell(redis_client, written_at=time.time())


def tell(redis_client, written_at):
    record = Record(int(written_at * 1000), is_open=True, spans=())
    redis_client.hset(KEY.format("lantern"), mapping={"one": record.dumps(), DECIDED: 5})


def checks(client):
    answer = client.get("/readyz")
    return answer.status_code, answer.json()["checks"]


def test_a_living_process_says_so(client):
    assert client.get("/healthz").content == b"ok\n"


def test_being_alive_needs_no_database(client, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        client.get("/healthz")


@pytest.mark.django_db
def test_with_everything_there_it_is_ready(client, reader, writer):
    status, found = checks(client)
    assert (status, {name: check["ok"] for name, check in found.items()}) == (
        200,
        {"postgres": True, "migrations": True, "redis": True, "reader": True, "writer": True, "grants": True},
    )


@pytest.mark.django_db
def test_without_a_writer_it_is_not_ready(client, redis_client):
    redis_client.ping()
    status, found = checks(client)
    assert (status, found["writer"]["problem"]) == (503, "no writer has asked for lines for 15 s")


@pytest.mark.django_db
def test_a_silent_writer_is_none(client, writer, monkeypatch):
    monkeypatch.setattr(health, "SILENT_AFTER_SECONDS", 0)
    assert not checks(client)[1]["writer"]["ok"]


@pytest.mark.django_db
def test_without_a_reader_it_is_not_ready(client, writer):
    make_channel()
    status, found = checks(client)
    assert (status, found["reader"]["problem"]) == (503, "no reader runs: start `manage.py ingest`")


def test_a_reader_that_fell_silent_is_none(client, reader, redis_client):
    tell(redis_client, written_at=time.time() - 60)
    assert not checks(client)[1]["reader"]["ok"]


@pytest.mark.django_db
def test_with_no_channel_to_follow_no_reader_is_missed(client, writer):
    assert checks(client)[1]["reader"] == {"ok": True}


@pytest.mark.django_db
def test_a_backlog_is_told(client, redis_client, writer):
    with Redis.from_url(settings.REDIS_URL) as reader:
        reader.xadd(STREAM, {"lines": b"x"})
    assert checks(client)[1]["writer"] == {"ok": True, "backlog": 1}


@pytest.mark.django_db
def test_writers_that_fell_behind_are_not_ready(client, writer, monkeypatch):
    monkeypatch.setattr(health, "BACKLOG_LIMIT", -1)
    status, found = checks(client)
    assert (status, found["writer"]["problem"]) == (503, "0 batches of lines wait to be stored")


@pytest.mark.django_db
def test_a_missing_migration_is_not_ready(client, writer):
    MigrationRecorder.Migration.objects.filter(app="chat").latest("id").delete()
    status, found = checks(client)
    assert (status, found["migrations"]["ok"]) == (503, False)


@pytest.mark.django_db
def test_redis_away_is_told_without_its_address(client, settings):
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    status, found = checks(client)
    assert (status, found["redis"], found["writer"]) == (503, *[{"ok": False, "problem": "does not answer"}] * 2)


@pytest.mark.django_db
def test_postgres_away_is_told_without_its_address(client, writer, monkeypatch):
    def refuse():
        raise DatabaseError("connection to server at 10.0.0.7 failed for user admin")

    monkeypatch.setattr(health, "_postgres", refuse)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert b"10.0.0.7" not in answer.content


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
@pytest.mark.django_db
def test_answers_are_never_kept(client, writer, address):
    assert "no-store" in client.get(address)["Cache-Control"]


@pytest.mark.django_db
def test_a_connection_that_ended_is_told_but_chat_flows_on(client, reader, writer):
    make_grant(state="dead", problem="It ended.")
    make_grant(BOT, state="revoked")
    status, found = checks(client)
    assert (status, found["grants"]["ok"]) == (200, False)
    assert "connections that no longer work: lantern;" in found["grants"]["problem"]


@pytest.mark.django_db
def test_a_connection_that_no_key_opens_is_told(client, reader, writer, settings):
    make_grant()
    settings.TOKEN_KEYS = ["another"]
    assert not checks(client)[1]["grants"]["ok"]
