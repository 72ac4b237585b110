import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError
from prometheus_client.parser import text_string_to_metric_families

from chat.ingest.queue import STREAM
from streams import budget
from streams.models import EventSubscription, JobRun, Stream
from streams.tests.cast import make_channel
from streams.tests.granted import BOT, OWNER, STRANGER, make_grant
from streamstats import metrics

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
QUERIES = 4


def read(client, **headers):
    """Every figure: (name without "streamstats_", labels) to value."""
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    return {
        (sample.name.removeprefix("streamstats_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def ran(name, minute, outcome=JobRun.Outcome.DONE, took_ms=1500):
    return JobRun(name=name, started_at=NOON + timedelta(minutes=minute), took_ms=took_ms, outcome=outcome)


def tell_budget(redis_client, identity, limit=800, remaining=700, reset_in=30.0):
    told = {"limit": limit, "remaining": remaining, "reset": int(time.time() + reset_in)}
    redis_client.hset(budget.KEY, identity, json.dumps(told))


def test_an_installation_that_does_nothing_yet_says_so(client):
    found = read(client)
    assert found["store_up", "postgres"] == found["store_up", "redis"] == 1
    assert found["live_streams",] == 0
    assert found["queue_entries",] == 0
    assert {name: value for name, value in found.items() if name[0] == "grants"} == {
        ("grants", "valid"): 0,
        ("grants", "dead"): 0,
        ("grants", "revoked"): 0,
    }


def test_the_backlog_is_what_waits_in_the_queue(client, redis_client):
    for number in range(3):
        redis_client.xadd(STREAM, {"lines": str(number)})
    assert read(client)["queue_entries",] == 3


def test_the_budget_is_told_for_each_account_and_the_application(client, redis_client):
    grant = make_grant(OWNER)
    tell_budget(redis_client, str(grant.pk), remaining=12)
    tell_budget(redis_client, budget.APP, remaining=799)
    tell_budget(redis_client, "999999")  # a grant that is gone
    found = read(client)
    assert {name: value for name, value in found.items() if name[0].startswith("helix")} == {
        ("helix_points_limit", "lantern"): 800,
        ("helix_points_limit", "app"): 800,
        ("helix_points_remaining", "lantern"): 12,
        ("helix_points_remaining", "app"): 799,
    }


def test_points_are_back_after_their_minute(client, redis_client):
    tell_budget(redis_client, budget.APP, remaining=0, reset_in=-1)
    assert read(client)["helix_points_remaining", "app"] == 800


def test_a_job_is_told_by_its_last_run(client):
    JobRun.objects.bulk_create(
        [
            ran("poll", 0),
            ran("poll", 2, JobRun.Outcome.FAILED, took_ms=250),
            ran("poll", 1),
            ran("count", 5),
        ]
    )
    found = read(client)
    assert found["job_last_start_timestamp_seconds", "poll"] == (NOON + timedelta(minutes=2)).timestamp()
    assert found["job_last_duration_seconds", "poll"] == 0.25
    assert found["job_last_outcome", "poll", "failed"] == 1
    assert found["job_last_outcome", "poll", "done"] == 0
    assert found["job_last_outcome", "count", "done"] == 1
    assert sum(name[0] == "job_last_duration_seconds" for name in found) == 2


def test_grants_and_subscriptions_are_told_by_state(client):
    alive, _ = make_grant(OWNER), make_grant(BOT)
    make_grant(STRANGER, state="dead")
    for number, state in enumerate(["enabled", "enabled", "refused"]):
        EventSubscription.objects.create(grant=alive, type=f"kind.{number}", version="1", state=state, updated_at=NOON)
    found = read(client)
    assert (found["grants", "valid"], found["grants", "dead"]) == (2, 1)
    assert (found["event_subscriptions", "enabled"], found["event_subscriptions", "refused"]) == (2, 1)
    assert found["event_subscriptions", "lost"] == 0


def test_live_streams_and_since_when_nobody_was_seen_there(client):
    now = datetime.now(UTC)
    Stream.objects.create(
        id="1", channel=make_channel("lantern"), started_at=NOON, presence_at=now - timedelta(minutes=10)
    )
    Stream.objects.create(id="2", channel=make_channel("harbor"), started_at=NOON)
    Stream.objects.create(id="3", channel=make_channel("quay"), started_at=NOON, ended_at=now)
    found = read(client)
    assert found["live_streams",] == 2
    assert found["presence_age_seconds", "lantern"] == pytest.approx(600, abs=5)
    assert sum(name[0] == "presence_age_seconds" for name in found) == 1


def test_a_login_cannot_write_figures_of_its_own(client, redis_client):
    grant = make_grant(OWNER, login='x"} 1\nstreamstats_live_streams 99\n')
    tell_budget(redis_client, str(grant.pk))
    found = read(client)
    assert found["live_streams",] == 0
    assert found["helix_points_limit", grant.login] == 800


def fill(number):
    for index in range(number):
        name = f"{number}x{index}"
        grant = make_grant(OWNER, twitch_id=name, login=name)
        EventSubscription.objects.create(grant=grant, type="a", version="1", state="enabled", updated_at=NOON)
        Stream.objects.create(id=name, channel=make_channel(name), started_at=NOON, presence_at=NOON)
        ran(name, 0).save()


def test_however_much_there_is_it_takes_as_many_questions(client, django_assert_num_queries):
    for more in (1, 10):
        fill(more)
        with django_assert_num_queries(QUERIES):
            read(client)


def test_postgres_away_takes_its_own_figures_away_only(client, monkeypatch, redis_client):
    def refuse():
        raise OperationalError("connection to server at 10.0.0.7 failed for user admin")

    redis_client.xadd(STREAM, {"lines": "one"})
    monkeypatch.setattr(metrics, "of_jobs", refuse)
    found = read(client)
    assert (found["store_up", "postgres"], found["store_up", "redis"]) == (0, 1)
    assert found["queue_entries",] == 1


def test_redis_away_takes_its_own_figures_away_only(client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    found = read(client)
    assert (found["store_up", "postgres"], found["store_up", "redis"]) == (1, 0)
    assert found["live_streams",] == 0
    assert ("queue_entries",) not in found


# Who may read it.


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        pytest.param("127.0.0.1", {}, 200, id="this machine"),
        pytest.param("::1", {}, 200, id="this machine, newer"),
        pytest.param("10.0.0.7", {}, 403, id="another machine"),
        pytest.param("", {}, 403, id="a socket file"),
        pytest.param("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, 403, id="a proxy on this machine"),
        pytest.param("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 403, id="somebody who writes headers"),
        pytest.param("127.0.0.1", {"Via": "1.1 proxy"}, 403, id="a proxy that says little"),
        pytest.param("10.0.0.7", {"Authorization": "Bearer "}, 403, id="no token is none"),
    ],
)
def test_without_a_token_only_this_machine_may_read(client, address, headers, status):
    answer = client.get("/metrics", headers=headers, REMOTE_ADDR=address)
    assert answer.status_code == status
    if status == 403:
        assert b"METRICS_TOKEN" in answer.content
        assert b"streamstats_" not in answer.content


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer s3cret", 200),
        ("bearer s3cret", 200),
        ("Bearer s3cre", 403),
        ("Bearer", 403),
        ("Basic s3cret", 403),
        ("s3cret", 403),
        ("Bearer \xfc", 403),
    ],
)
def test_with_the_token_one_may_read_from_anywhere(client, settings, authorization, status):
    settings.METRICS_TOKEN = "s3cret"
    answer = client.get("/metrics", headers={"Authorization": authorization}, REMOTE_ADDR="10.0.0.7")
    assert answer.status_code == status


def test_behind_a_trusted_proxy_every_request_may_be_somebody_elses(client, settings):
    settings.TRUST_PROXY = True
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 403


def test_metrics_are_read_and_never_kept(client):
    assert client.post("/metrics").status_code == 405
    assert "no-store" in client.get("/metrics")["Cache-Control"]
