"""Jobs: what the timetable runs. One at a time, written down, and tried again where that can help.

@job(at_most_s=50)
def poll_streams() -> str:
    ...
    return "3 channels live"
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, Protocol, cast
from uuid import uuid4

import redis
import structlog
from celery import Task, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from celery.utils.time import get_exponential_backoff_interval
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from redis.exceptions import LockNotOwnedError, RedisError
from redis.lock import Lock

from streams.models import JobRun
from streams.oauth import NotConfigured, TwitchAway

log = structlog.get_logger(__name__)

# What passes by itself. Anything else is a mistake of ours, which a second try would only repeat.
PASSING: tuple[type[Exception], ...] = (OperationalError, InterfaceError, RedisError, TwitchAway)

TRIES_AGAIN = 4
FIRST_PAUSE_S = 3
LONGEST_PAUSE_S = 120
KEPT_FOR = timedelta(days=14)
DETAIL_LENGTH = 500
PART_TO_END_WELL = 10
# Redis hands a message out again that was not acknowledged for this long: a job has to be over by then.
LONGEST_JOB_S = 3000

P = ParamSpec("P")


class Job(Protocol[P]):
    """A job: called, it runs here and now; delayed, a worker runs it."""

    name: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> str | None: ...

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> object: ...

    def apply_async(self, **options: Any) -> object: ...


class _Taken(Exception):
    """Another run has the lock."""


def job(
    *, at_most_s: int, lock_key: Callable[..., object] | None = None
) -> Callable[[Callable[P, str | None]], Job[P]]:
    """Make a function a job, whose task is named as the function is. What it returns is written down as what it did.

    It never overlaps itself; with a `lock_key`, made of its arguments, it never overlaps itself for the same key.
    It has `at_most_s` seconds: shortly before, SoftTimeLimitExceeded is raised in it, and at their end it is killed.
    Errors that pass are tried again, each time after a longer pause; others are raised at once. Where Twitch is not
    set up (NotConfigured), the run is left out.
    """
    if at_most_s > LONGEST_JOB_S:
        raise ValueError(f"a job may take at most {LONGEST_JOB_S} s, or its message is handed out twice")

    def decorate(work: Callable[P, str | None]) -> Job[P]:
        @wraps(work)
        def run(task: Any, *args: P.args, **kwargs: P.kwargs) -> str | None:
            name = f"streamstats:job:{task.name}" + (f":{lock_key(*args, **kwargs)}" if lock_key else "")
            return _run(task, name, at_most_s, lambda: work(*args, **kwargs))

        limits = {"soft_time_limit": at_most_s - at_most_s // PART_TO_END_WELL - 1, "time_limit": at_most_s}
        return cast(Job[P], shared_task(bind=True, max_retries=TRIES_AGAIN, **limits)(run))

    return decorate


def forget_runs(now: datetime) -> int:
    """Delete what is written of runs that are long past; return how many they were."""
    deleted, _ = JobRun.objects.filter(started_at__lt=now - KEPT_FOR).delete()
    return deleted


def _run(task: Task, lock_name: str, at_most_s: int, work: Callable[[], str | None]) -> str | None:
    started_at, clock = datetime.now(UTC), time.monotonic()

    def note(outcome: JobRun.Outcome, detail: str) -> None:
        _write_down(JobRun(name=task.name, started_at=started_at, outcome=outcome, detail=detail), clock)

    try:
        did = _alone(lock_name, task.request.id or str(uuid4()), at_most_s, work)
    except (_Taken, NotConfigured) as reason:
        note(JobRun.Outcome.SKIPPED, str(reason))
        return None
    except PASSING as error:
        if task.request.called_directly or task.request.retries >= TRIES_AGAIN:
            note(JobRun.Outcome.FAILED, _sentence(error))
            raise
        note(JobRun.Outcome.RETRIED, _sentence(error))
        raise task.retry(exc=error, countdown=_pause_s(task.request.retries)) from error
    except SoftTimeLimitExceeded:
        note(JobRun.Outcome.FAILED, f"stopped, for it took nearly {at_most_s} s")
        raise
    except Exception as error:
        note(JobRun.Outcome.FAILED, _sentence(error))
        raise
    note(JobRun.Outcome.DONE, did or "")
    return did


def _alone(name: str, token: str, at_most_s: int, work: Callable[[], str | None]) -> str | None:
    with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=5) as client:
        lock = client.lock(name, timeout=at_most_s)
        if not _take(lock, token):
            raise _Taken("the run before still goes on")
        try:
            return work()
        finally:
            _let_go(lock, name)


def _take(lock: Lock, token: str) -> bool:
    """Take the lock, or keep it: a worker that was stopped gives back the message of its job, but not the lock."""
    if lock.acquire(blocking=False, token=token):
        return True
    lock.local.token = token.encode()
    try:
        return lock.reacquire()
    except LockNotOwnedError:
        return False


def _let_go(lock: Lock, name: str) -> None:
    """An error here must not hide what became of the work; a lock that stays ends by itself."""
    try:
        lock.release()
    except RedisError as error:
        log.warning("job.lock_not_released", lock=name, error=str(error))


def _pause_s(tried: int) -> int:
    """How long to wait: about twice as long each time, and not all who failed together at the same moment."""
    longest = get_exponential_backoff_interval(FIRST_PAUSE_S, tried, LONGEST_PAUSE_S)
    jitter = get_exponential_backoff_interval(FIRST_PAUSE_S, tried, LONGEST_PAUSE_S, full_jitter=True)
    return int(longest + jitter) // 2


def _write_down(run: JobRun, clock: float) -> None:
    run.took_ms = round((time.monotonic() - clock) * 1000)
    run.detail = run.detail.replace("\x00", "")[:DETAIL_LENGTH]
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()  # the one that broke under the job would not do
    try:
        run.save()
    except (DatabaseError, InterfaceError) as error:  # the job's own end counts more
        log.error("job.not_written_down", job=run.name, outcome=run.outcome, detail=run.detail, error=str(error))


def _sentence(error: Exception) -> str:
    """What went wrong, in a line. Not more: Postgres shows whole rows in the lines below."""
    lines = str(error).splitlines()
    known = isinstance(error, PASSING)
    return lines[0] if known and lines else ": ".join([type(error).__name__, *lines[:1]])
