"""A job that runs when its worker is stopped ends, or another worker runs it again."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from celery import Celery
from django.conf import settings
from django.db import connection
from redis import Redis

from streams.models import JobRun
from streams.tests.stoppable import STARTED, TOLD, wait_until_told
from streamstats.management.commands.run import STOPS_IN_TIME

PATIENCE = 30
WORKER = "worker --include streams.tests.stoppable --pool prefork --concurrency 1 --loglevel error"
COMMAND = [sys.executable, "-m", "celery", "--quiet", "-A", "streamstats", *WORKER.split()]


@contextmanager
def worker():
    database = connection.settings_dict
    environment = {
        **os.environ,
        **STOPS_IN_TIME,
        "DJANGO_SETTINGS_MODULE": "streamstats.settings",
        "STREAMSTATS_HOME": str(settings.STREAMSTATS_HOME),
        "DATABASE_URL": settings.LAYOUT.database_url.replace("/streamstats?", f"/{database['NAME']}?"),
        "REDIS_URL": settings.REDIS_URL,
    }
    process = subprocess.Popen(COMMAND, env=environment, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def stop(process):
    os.killpg(process.pid, signal.SIGTERM)  # to all of its processes, as the supervisor does


def send_job():
    """To a worker: under test, jobs run where they are sent from."""
    with Celery(broker=settings.CELERY_BROKER_URL, set_as_current=False) as app:
        app.send_task(wait_until_told.name)


@pytest.fixture
def patient_redis():
    """Other clients give up after five seconds, in which a worker need not have started."""
    with Redis.from_url(settings.REDIS_URL, socket_timeout=2 * PATIENCE) as client:
        yield client


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(not settings.EMBEDS_POSTGRES, reason="the worker is pointed at the embedded Postgres")
def test_a_job_survives_the_stop_of_its_worker(redis_client, patient_redis):
    send_job()
    with worker() as process:
        assert patient_redis.blpop([STARTED], timeout=PATIENCE)
        stop(process)  # and the job does not end in time
        process.wait(PATIENCE)
    with worker() as process:
        assert patient_redis.blpop([STARTED], timeout=PATIENCE), "nobody took it up again"
        stop(process)
        redis_client.rpush(TOLD, 1)  # and the job ends in time
        process.wait(PATIENCE)
    assert list(JobRun.objects.values_list("outcome", "detail")) == [(JobRun.Outcome.DONE, "was told")]
    assert redis_client.llen("celery") == 0
