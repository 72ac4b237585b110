from datetime import UTC, datetime, timedelta

import pytest
from celery import current_app
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway

from streams.jobs import LONGEST_JOB_S, TRIES_AGAIN, forget_runs, job
from streams.models import JobRun
from streams.oauth import NotConfigured, TwitchAway

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

Outcome = JobRun.Outcome
called: list[object] = []
errors: list[Exception] = []  # what the next runs end with


@pytest.fixture(autouse=True)
def _nothing_happened():
    called.clear()
    errors.clear()


@pytest.fixture
def tried_again():
    """Retries run here and at once."""
    current_app.conf.task_eager_propagates = False
    yield
    current_app.conf.task_eager_propagates = True


@job(at_most_s=30)
def count_sheep() -> str:
    if errors:
        raise errors.pop(0)
    return "3 sheep"


@job(at_most_s=30)
def count_again() -> str:
    called.append("again")
    if len(called) == 1:
        count_again.delay()
    return "done"


@job(at_most_s=30, lock_key=lambda herd: herd)
def count_herd(herd: int) -> None:
    called.append(herd)
    if herd < 3:
        count_herd.delay(herd + 1)
    count_herd.delay(1)


def locks():
    with Redis.from_url(settings.REDIS_URL) as client:
        return client.keys("streamstats:job:*")


def outcomes():
    return list(JobRun.objects.order_by("pk").values_list("outcome", flat=True))


def test_it_is_a_task_with_the_name_of_the_function():
    assert count_sheep.name == "streams.tests.test_jobs.count_sheep"


def test_it_has_limits_and_time_to_end_well_before_the_last():
    task = current_app.tasks[count_sheep.name]
    assert 0 < task.soft_time_limit < task.time_limit == 30


def test_a_run_is_written_down_with_what_it_did():
    before = datetime.now(UTC)
    count_sheep.delay()
    run = JobRun.objects.get()
    assert (run.name, run.outcome, run.detail) == (count_sheep.name, Outcome.DONE, "3 sheep")
    assert before <= run.started_at <= datetime.now(UTC)
    assert run.took_ms < 10_000


def test_a_run_that_is_called_is_written_down_too():
    assert count_sheep() == "3 sheep"
    assert outcomes() == [Outcome.DONE]


def test_it_does_not_overlap_itself():
    count_again.delay()
    assert called == ["again"]
    assert outcomes() == [Outcome.SKIPPED, Outcome.DONE]


def test_runs_with_different_keys_may_overlap():
    count_herd.delay(1)
    assert called == [1, 2, 3]


def test_it_is_left_out_where_twitch_is_not_set_up():
    errors.append(NotConfigured("Set TWITCH_CLIENT_ID."))
    count_sheep.delay()
    assert list(JobRun.objects.values_list("outcome", "detail")) == [(Outcome.SKIPPED, "Set TWITCH_CLIENT_ID.")]


def test_it_can_run_again_after_it_ended():
    count_sheep.delay()
    count_sheep.delay()
    assert outcomes() == [Outcome.DONE, Outcome.DONE]
    assert locks() == []


def test_it_can_run_again_after_it_failed():
    errors.append(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        count_sheep.delay()
    assert locks() == []


def test_a_worker_that_was_stopped_does_not_lock_out_the_one_that_takes_over():
    with Redis.from_url(settings.REDIS_URL) as client:
        client.set(f"streamstats:job:{count_sheep.name}", "this very message", px=60_000)
    count_sheep.apply_async(task_id="this very message")
    assert outcomes() == [Outcome.DONE]


def test_the_lock_of_another_run_is_left_alone():
    with Redis.from_url(settings.REDIS_URL) as client:
        client.set(f"streamstats:job:{count_sheep.name}", "another message", px=60_000)
    count_sheep.delay()
    assert outcomes() == [Outcome.SKIPPED]
    assert len(locks()) == 1


@pytest.mark.usefixtures("tried_again")
@pytest.mark.parametrize(
    "error", [OperationalError("gone"), InterfaceError("gone"), RedisAway("gone"), TwitchAway("gone")]
)
def test_it_is_tried_again_after_an_error_that_passes(error):
    errors.extend([error] * 2)
    count_sheep.delay()
    assert outcomes() == [Outcome.RETRIED, Outcome.RETRIED, Outcome.DONE]
    assert JobRun.objects.earliest("pk").detail == "gone"


@pytest.mark.usefixtures("tried_again")
def test_it_is_not_tried_for_ever():
    errors.extend([OperationalError("gone")] * 99)
    count_sheep.delay()
    assert outcomes() == [*[Outcome.RETRIED] * TRIES_AGAIN, Outcome.FAILED]


@pytest.mark.usefixtures("tried_again")
def test_the_pauses_grow(monkeypatch):
    errors.extend([OperationalError("gone")] * 99)
    pauses = []
    task = current_app.tasks[count_sheep.name]
    retry = task.retry

    def noting(**options):
        pauses.append(options["countdown"])
        return retry(**options)

    monkeypatch.setattr(task, "retry", noting)
    count_sheep.delay()
    assert [low <= pause <= 2 * low + 1 for pause, low in zip(pauses, [1, 3, 6, 12], strict=True)] == [True] * 4


def test_any_other_error_is_raised_at_once_and_written_down():
    errors.append(ValueError("no such sheep\nrow: (secret)"))
    with pytest.raises(ValueError, match="no such sheep"):
        count_sheep.delay()
    run = JobRun.objects.get()
    assert (run.outcome, run.detail) == (Outcome.FAILED, "ValueError: no such sheep")


def test_an_error_is_raised_to_whoever_calls_it():
    errors.append(OperationalError("gone"))
    with pytest.raises(OperationalError):
        count_sheep()
    assert outcomes() == [Outcome.FAILED]


def test_a_run_that_takes_too_long_says_so():
    errors.append(SoftTimeLimitExceeded())
    with pytest.raises(SoftTimeLimitExceeded):
        count_sheep.delay()
    assert JobRun.objects.get().detail == "stopped, for it took nearly 30 s"


def test_what_cannot_be_written_as_it_is_is_written_as_it_can_be():
    errors.append(ValueError("\x00" + "sheep" * 1000))
    with pytest.raises(ValueError, match="sheep"):
        count_sheep.delay()
    assert len(JobRun.objects.get().detail) == 500


@job(at_most_s=30)
def break_connection() -> None:
    called.append(1)
    if len(called) == 1:
        connection.cursor().execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.usefixtures("tried_again")
@pytest.mark.django_db(transaction=True)
def test_a_run_is_written_down_though_its_connection_broke():
    break_connection.delay()
    assert outcomes() == [Outcome.RETRIED, Outcome.DONE]


def test_a_job_may_not_outlast_its_message():
    with pytest.raises(ValueError, match="handed out twice"):
        job(at_most_s=LONGEST_JOB_S + 1)


def test_old_runs_are_forgotten():
    now = datetime.now(UTC)
    for days in (0, 13, 15, 40):
        JobRun.objects.create(name="x", started_at=now - timedelta(days=days), took_ms=1, outcome=Outcome.DONE)
    assert forget_runs(now) == 2
    assert JobRun.objects.count() == 2
