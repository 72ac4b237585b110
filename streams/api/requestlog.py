"""What keys were used for: noted in Redis with each request, and written into the database by a job, many at once.

Nothing of what was asked for or answered, and no address. What is noted while Redis is away is lost, and so is the
oldest when the job has not run for very long.
"""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import structlog
from django.db import connection, transaction
from redis.exceptions import RedisError

from streams.models import ApiKey, ApiRequest
from streams.quickredis import quick_redis

log = structlog.get_logger(__name__)

NOTED = "streamstats:api:requests"
MOST_NOTED = 500_000
AT_ONCE = 5_000
KEPT_FOR = timedelta(days=30)
FORGOTTEN_AT_ONCE = 50_000

USED = """
UPDATE streams_apikey key SET used_at = greatest(key.used_at, used.at)
FROM (SELECT unnest(%(keys)s::bigint[]) AS id, unnest(%(times)s::timestamptz[]) AS at) used
WHERE key.id = used.id
"""
FORGET = """
DELETE FROM streams_apirequest WHERE id = ANY (ARRAY(
    SELECT id FROM streams_apirequest WHERE at < %(before)s ORDER BY at LIMIT %(most)s
))
"""


def note(key_id: int, method: str, route: str, status: int, took_ms: int, size: int) -> None:
    """Remember one request: its operation, not its address."""
    entry = json.dumps([key_id, time.time(), method[:8], route[:120], status, took_ms, size])
    try:
        if quick_redis().rpush(NOTED, entry) > MOST_NOTED:
            quick_redis().ltrim(NOTED, -MOST_NOTED, -1)
    except RedisError as error:
        log.warning("api.request_not_noted", error=str(error))


def store() -> int:
    """Write down what was noted; return how many.

    It is taken off the list first, so that nothing is written twice, and nothing is dropped that `note` cuts meanwhile.
    What cannot be written goes back; of a job that is killed right then, one portion is lost.
    """
    stored = 0
    while entries := cast("list[bytes] | None", quick_redis().lpop(NOTED, AT_ONCE)):
        try:
            stored += _store(entries)
        except BaseException:
            quick_redis().lpush(NOTED, *reversed(entries))
            raise
    return stored


def _store(entries: list[bytes]) -> int:
    read = [json.loads(entry) for entry in entries]
    with transaction.atomic():
        known = set(ApiKey.objects.filter(pk__in={row[0] for row in read}).values_list("pk", flat=True))
        rows = [_row(*row) for row in read if row[0] in known]
        ApiRequest.objects.bulk_create(rows)
        newest: dict[int, datetime] = {}
        for row in rows:
            newest[row.key_id] = max(row.at, newest.get(row.key_id, row.at))
        with connection.cursor() as cursor:
            cursor.execute(USED, {"keys": list(newest), "times": list(newest.values())})
    return len(rows)


def _row(key_id: int, at: float, method: str, route: str, status: int, took_ms: int, size: int) -> ApiRequest:
    moment = datetime.fromtimestamp(at, UTC)
    values: dict[str, Any] = {"method": method, "route": route, "status": status, "took_ms": took_ms, "size": size}
    return ApiRequest(key_id=key_id, at=moment, **values)


def forget(now: datetime) -> int:
    """Delete what is past its time; return how many."""
    forgotten = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(FORGET, {"before": now - KEPT_FOR, "most": FORGOTTEN_AT_ONCE})
            gone = int(cursor.rowcount)
            forgotten += gone
            if gone < FORGOTTEN_AT_ONCE:
                return forgotten
