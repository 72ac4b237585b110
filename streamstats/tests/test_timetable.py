"""What is due is there to be done, and is not lost with the worker that took it."""

import pytest

from streamstats.celery import app


@pytest.fixture(scope="module")
def tasks():
    app.loader.import_default_modules()
    return app.tasks


@pytest.mark.parametrize("entry", app.conf.beat_schedule)
def test_every_job_of_the_timetable_exists(tasks, entry):
    assert app.conf.beat_schedule[entry]["task"] in tasks


def test_a_job_is_acknowledged_when_it_is_done():
    assert app.conf.task_acks_late


def test_jobs_go_through_our_redis(settings):
    assert app.conf.broker_url == settings.CELERY_BROKER_URL
