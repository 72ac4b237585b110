"""A job that ends when it is told to, for the worker of `test_stopped_worker.py`."""

from django.conf import settings
from redis import Redis

from streams.jobs import job
from streamstats.celery import app

app.conf.worker_soft_shutdown_timeout = 1

STARTED, TOLD = "tests:started", "tests:told"


@job(at_most_s=60)
def wait_until_told() -> str:
    with Redis.from_url(settings.REDIS_URL) as client:
        client.rpush(STARTED, 1)
        client.blpop([TOLD], timeout=30)
    return "was told"
