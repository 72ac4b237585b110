"""What is due is there to be done, is not lost with the worker that took it, and does not pile up."""

from datetime import timedelta
from typing import cast

import pytest
import yaml
from celery.schedules import crontab

from streams.jobs import LONGEST_JOB_S
from streamstats.celery import LONG, app
from streamstats.local.manage import PROJECT
from streamstats.local.supervisor import Supervisor
from streamstats.management.commands.run import start_programs

TIMETABLE = app.conf.beat_schedule
MUST_NOT_WAIT = [
    "chat.tasks.poll_streams",
    "chat.tasks.poll_chatters",
    "chat.tasks.poll_channel",
    "streams.tasks.check_grants",
]
OURS = ("chat.", "streams.", "viewers.")
# What other jobs, or people, begin as they need it.
BEGUN_BY_OTHERS = {
    "chat.tasks.poll_channel",
    "chat.tasks.export_account",
    "chat.tasks.write_list",
    "chat.tasks.purge_channel",
    "chat.tasks.write_summary",
    "streams.tasks.mail_about_webhook",
    "streams.tasks.tell_quota",
}


class Started:
    """A supervisor that only takes down what it was to start."""

    def __init__(self):
        self.commands = {}

    def start(self, name, command, *_, **__):
        self.commands[name] = list(command)


def queues_of(command):
    """What a worker takes jobs from; nothing if the command is no worker."""
    return command[command.index("--queues") + 1].split(",") if "worker" in command else []


def workers_of_run():
    supervisor = Started()
    start_programs(cast(Supervisor, supervisor), port=8000, simulator_port=None)
    return {name: command for name, command in supervisor.commands.items() if queues_of(command)}


def workers_of_compose():
    services = yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"]
    return {name: service for name, service in services.items() if queues_of(service.get("command", []))}


def queue_of(task):
    """Where it goes when somebody sends it."""
    return app.amqp.router.route({}, task)["queue"].name


@pytest.fixture(scope="module")
def tasks():
    app.loader.import_default_modules()
    return app.tasks


@pytest.mark.parametrize("entry", TIMETABLE)
def test_every_job_of_the_timetable_exists(tasks, entry):
    assert TIMETABLE[entry]["task"] in tasks


def test_every_job_is_due_at_some_time_or_begun_by_others(tasks):
    jobs = {name for name in tasks if name.startswith(OURS) and ".tests." not in name}
    due = {entry["task"] for entry in TIMETABLE.values()}
    assert jobs - due == BEGUN_BY_OTHERS


@pytest.mark.parametrize("entry", TIMETABLE)
def test_every_job_ends_before_its_message_is_handed_out_again(tasks, entry):
    assert tasks[TIMETABLE[entry]["task"]].time_limit <= LONGEST_JOB_S


@pytest.mark.parametrize("entry", TIMETABLE)
def test_every_job_goes_where_a_worker_of_run_takes_it_from(entry):
    taken = [queue for command in workers_of_run().values() for queue in queues_of(command)]
    assert queue_of(TIMETABLE[entry]["task"]) in taken


def test_the_workers_of_compose_take_from_the_same_queues_as_those_of_run():
    compose = {name: queues_of(service["command"]) for name, service in workers_of_compose().items()}
    assert compose == {name: queues_of(command) for name, command in workers_of_run().items()}


def test_the_workers_of_compose_are_stopped_so_that_jobs_are_given_back():
    assert {service["stop_signal"] for service in workers_of_compose().values()} == {"SIGQUIT"}


def test_no_queue_is_taken_from_by_two_workers_of_run():
    """Or long jobs would hold up the polls after all."""
    taken = [queue for command in workers_of_run().values() for queue in queues_of(command)]
    assert sorted(taken) == sorted(set(taken))


@pytest.mark.parametrize("name", MUST_NOT_WAIT)
def test_what_must_not_wait_waits_for_nothing_long(tasks, settings, name):
    """Sessions end when nobody looked for two intervals."""
    interval_s = settings.PRESENCE_MINUTES * 60
    long = {task.name for task in tasks.values() if (task.time_limit or 0) > interval_s}
    assert len(long) > 1
    assert name in tasks
    assert queue_of(name) not in map(queue_of, long)


LONG_JOBS = ["purge_channel", "write_list", "export_account", "erase_accounts"]


@pytest.mark.parametrize("name", [f"chat.tasks.{name}" for name in LONG_JOBS])
def test_what_people_begin_and_takes_long_holds_up_nothing_that_is_due_every_few_minutes(tasks, name):
    assert tasks[name].time_limit == LONGEST_JOB_S
    often = {
        entry["task"]
        for entry in TIMETABLE.values()
        if not isinstance(entry["schedule"], crontab) and entry["task"] != "chat.tasks.erase_accounts"
    }
    assert queue_of(name) not in map(queue_of, often)


def test_whatever_may_take_most_of_an_hour_is_in_the_queue_of_what_takes_long(tasks):
    longest = {name for name, task in tasks.items() if name.startswith(OURS) and task.time_limit == LONGEST_JOB_S}
    assert {queue_of(name) for name in longest} == {LONG}


@pytest.mark.parametrize("entry", TIMETABLE)
def test_a_worker_that_was_away_finds_no_pile(entry):
    """What runs often is not worth running late."""
    schedule = TIMETABLE[entry]["schedule"]
    assert isinstance(schedule, crontab) or timedelta(seconds=TIMETABLE[entry]["options"]["expires"]) <= schedule


def test_a_job_is_acknowledged_when_it_is_done():
    assert app.conf.task_acks_late


def test_jobs_go_through_our_redis(settings):
    assert app.conf.broker_url == settings.CELERY_BROKER_URL
