"""What is due is there to be done, is not lost with the worker that took it, and does not pile up."""

from datetime import timedelta

import pytest
from celery.schedules import crontab

from streams.jobs import LONGEST_JOB_S
from streamstats.celery import app

TIMETABLE = app.conf.beat_schedule


@pytest.fixture(scope="module")
def tasks():
    app.loader.import_default_modules()
    return app.tasks


@pytest.mark.parametrize("entry", TIMETABLE)
def test_every_job_of_the_timetable_exists(tasks, entry):
    assert TIMETABLE[entry]["task"] in tasks


@pytest.mark.parametrize("entry", TIMETABLE)
def test_every_job_ends_before_its_message_is_handed_out_again(tasks, entry):
    assert tasks[TIMETABLE[entry]["task"]].time_limit <= LONGEST_JOB_S


@pytest.mark.parametrize("entry", TIMETABLE)
def test_a_worker_that_was_away_finds_no_pile(entry):
    """What runs often is not worth running late."""
    schedule = TIMETABLE[entry]["schedule"]
    assert isinstance(schedule, crontab) or timedelta(seconds=TIMETABLE[entry]["options"]["expires"]) <= schedule


def test_a_job_is_acknowledged_when_it_is_done():
    assert app.conf.task_acks_late


def test_jobs_go_through_our_redis(settings):
    assert app.conf.broker_url == settings.CELERY_BROKER_URL
