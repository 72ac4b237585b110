"""Whether this process lives, and whether everything it needs does."""

import time
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from redis import Redis, RedisError

from chat.ingest.coverage import DECIDED, KEY, Record
from chat.ingest.queue import STREAM
from streams import grants
from streams.models import Channel
from streamstats.lib.methods import read_only

log = structlog.get_logger(__name__)

SILENT_AFTER_SECONDS = 15
# What a writer's connection did last. Before Redis 7.2, a group does not tell who asked it in vain.
QUEUE_COMMANDS = ("xreadgroup", "xautoclaim", "xack", "xdel")
CHANNELS_ASKED = 50
NAMES_TOLD = 10
# Entries hold up to some hundred lines each: with this many waiting, the writers have fallen behind by minutes.
BACKLOG_LIMIT = 5_000
# Told, but no reason to send nobody here: chat flows and pages answer, and only a person can connect again.
ONLY_TOLD = ("grants",)


class NotReady(Exception):
    """What is wrong, in words."""


@never_cache
@read_only
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer, and touch nothing else: a database that is away is no reason to restart this process."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@read_only
def readyz(request: HttpRequest) -> HttpResponse:
    with Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2) as redis:
        checks = {
            "postgres": _state(_postgres),
            "migrations": _state(_migrations),
            "redis": _state(lambda: _redis(redis)),
            "reader": _state(lambda: _reader(redis)),
            "writer": _state(lambda: _writer(redis)),
            "grants": _state(_grants),
        }
    ready = all(check["ok"] for name, check in checks.items() if name not in ONLY_TOLD)
    return JsonResponse({"ready": ready, "checks": checks}, status=200 if ready else 503)


def _state(check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"ok": True, **check()}
    except NotReady as problem:
        return {"ok": False, "problem": str(problem)}
    except (DatabaseError, RedisError) as error:
        # The text of the error may name hosts and users; the log is the place for that.
        log.warning("not ready", error=str(error))
        return {"ok": False, "problem": "does not answer"}


def _postgres() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return {}


def _migrations() -> dict[str, Any]:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if missing:
        raise NotReady(f"{missing} to apply: run `manage.py migrate`")
    return {}


def _redis(redis: "Redis") -> dict[str, Any]:
    redis.ping()
    return {}


def _reader(redis: "Redis") -> dict[str, Any]:
    """Readers write down every two seconds which channels they cover."""
    logins = list(Channel.objects.followed().values_list("login", flat=True)[:CHANNELS_ASKED])
    with redis.pipeline(transaction=False) as pipeline:
        for login in logins:
            pipeline.hgetall(KEY.format(login))
        hashes = pipeline.execute()
    records = [Record.loads(text) for fields in hashes for reader, text in fields.items() if reader != DECIDED]
    alive_since = (time.time() - SILENT_AFTER_SECONDS) * 1000
    if logins and not any(record.written_ms > alive_since for record in records):
        raise NotReady("no reader runs: start `manage.py ingest`")
    return {}


def _writer(redis: "Redis") -> dict[str, Any]:
    """Writers ask the queue for lines every two seconds, even when there are none; not while Postgres holds them up."""
    backlog = redis.xlen(STREAM)
    asking = [
        client
        for client in redis.client_list()
        if client["cmd"].startswith(QUEUE_COMMANDS) and int(client["idle"]) < SILENT_AFTER_SECONDS
    ]
    if not asking:
        raise NotReady(f"no writer has asked for lines for {SILENT_AFTER_SECONDS} s")
    if backlog > BACKLOG_LIMIT:
        raise NotReady(f"{backlog} batches of lines wait to be stored")
    return {"backlog": backlog}


def _grants() -> dict[str, Any]:
    if found := grants.ended():
        names = ", ".join(grant.login for grant in found[:NAMES_TOLD]) + (" ..." if found[NAMES_TOLD:] else "")
        raise NotReady(f"connections that no longer work: {names}; see why, and connect again, in the admin")
    return {}
