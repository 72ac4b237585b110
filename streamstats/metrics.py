"""`/metrics`: what this StreamStats does, in the format of Prometheus. All of it is looked up when it is asked for.

Whoever asks is on this machine, or has METRICS_TOKEN: logins and error rates are nobody else's business.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from redis import Redis, RedisError

from chat.ingest.queue import STREAM
from streams import budget
from streams.models import EventSubscription, JobRun, Stream, TwitchGrant, last_runs
from streamstats.lib.methods import read_only

log = structlog.get_logger(__name__)

REFUSED = (
    "This page is for those who look after this StreamStats. Ask from its own machine, or set METRICS_TOKEN and send"
    " `Authorization: Bearer <the token>`.\n"
)
# A request with one of these came through a proxy, so that the machine it comes from is not the one that asks.
OF_PROXIES = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip")
TIMEOUT_S = 2


@never_cache
@read_only
def metrics(request: HttpRequest) -> HttpResponse:
    if not may_read(request):
        return HttpResponse(REFUSED, status=403, content_type="text/plain; charset=utf-8")
    registry = CollectorRegistry()
    registry.register(Answers())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def may_read(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and constant_time_compare(token.strip(), settings.METRICS_TOKEN):
            return True
    return is_from_here(request)


def is_from_here(request: HttpRequest) -> bool:
    """Whether a program on this machine asks, and not a proxy on this machine for somebody else."""
    if settings.TRUST_PROXY or any(name in request.headers for name in OF_PROXIES):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:  # a socket file has no address
        return False


class Answers(Collector):
    """What Postgres and Redis say. One that is away takes away its own figures only, and is told as such."""

    def collect(self) -> Iterator[Metric]:
        up = gauge("store_up", "Whether a store answers.", "store")
        logins: dict[str, str] = {}
        with answering("postgres", up):
            grants = list(TwitchGrant.objects.values("pk", "login", "state"))
            logins = {str(grant["pk"]): grant["login"] for grant in grants}
            yield from [of_grants(grants), of_subscriptions(), *of_jobs(), *of_streams(time.time())]
        with answering("redis", up):
            yield from of_redis(logins, time.time())
        yield up


@contextmanager
def answering(store: str, up: GaugeMetricFamily) -> Iterator[None]:
    try:
        yield
    except (DatabaseError, RedisError) as error:
        log.warning("metrics.store_away", store=store, error=str(error))
        up.add_metric([store], 0)
    else:
        up.add_metric([store], 1)


def gauge(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"streamstats_{name}", meaning, labels=labels)


def counted(metric: GaugeMetricFamily, states: Iterable[str], found: Iterable[str]) -> GaugeMetricFamily:
    """How many there are in each state; none are none, for what is not told cannot raise an alarm."""
    counts = Counter(found)
    for state in states:
        metric.add_metric([state], counts[state])
    return metric


def of_grants(grants: Iterable[Mapping[str, Any]]) -> Metric:
    metric = gauge("grants", "Accounts that were connected, by state.", "state")
    return counted(metric, TwitchGrant.State.values, (grant["state"] for grant in grants))


def of_subscriptions() -> Metric:
    metric = gauge("event_subscriptions", "Kinds of events that Twitch was asked to tell, by state.", "state")
    return counted(metric, EventSubscription.State.values, EventSubscription.objects.values_list("state", flat=True))


def of_jobs() -> list[Metric]:
    started = gauge("job_last_start_timestamp_seconds", "When a job last began.", "job")
    took = gauge("job_last_duration_seconds", "How long the last run of a job took.", "job")
    ended = gauge("job_last_outcome", "1 for how the last run of a job ended.", "job", "outcome")
    for name, started_at, took_ms, outcome in last_runs():
        started.add_metric([name], started_at.timestamp())
        took.add_metric([name], took_ms / 1000)
        for known in JobRun.Outcome.values:
            ended.add_metric([name, known], known == outcome)
    return [started, took, ended]


def of_streams(now: float) -> list[Metric]:
    live = gauge("live_streams", "Streams that are live.")
    proof = gauge("presence_age_seconds", "Since when nobody could say who is in the chat of a live stream.", "channel")
    streams = list(Stream.objects.live().values_list("channel__login", "channel_id", "presence_at"))
    live.add_metric([], len(streams))
    for login, channel_id, presence_at in streams:
        if presence_at is not None:
            proof.add_metric([login or str(channel_id)], max(0.0, now - presence_at.timestamp()))
    return [live, proof]


def of_redis(logins: Mapping[str, str], now: float) -> list[Metric]:
    """`logins`: of grants, by their primary keys. What was told to a grant that is gone is left out."""
    backlog = gauge("queue_entries", "Entries that wait to be stored, each of up to some hundred lines.")
    limit = gauge("helix_points_limit", "Points that Twitch gives a minute.", "identity")
    remaining = gauge("helix_points_remaining", "Points that are left.", "identity")
    with Redis.from_url(settings.REDIS_URL, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S) as redis:
        backlog.add_metric([], int(redis.xlen(STREAM)))
        budgets = budget.budgets(redis)
    names = {**logins, budget.APP: budget.APP}
    for identity in names.keys() & budgets.keys():
        limit.add_metric([names[identity]], budgets[identity].limit)
        remaining.add_metric([names[identity]], budgets[identity].remaining_at(now))
    return [backlog, limit, remaining]
