"""Deliveries are sent when their time has come: side by side, so that nobody waits for somebody else's receiver.

Of one webhook there is one on its way at a time, the oldest first. One that fails is tried again later, each time after
a longer pause, and those behind it go on; so order holds as far as retries allow. A webhook of which nothing is taken
rests, and shares a part of the places with the others of that kind: however many hang, who answers is told at once.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import aiohttp
from asgiref.sync import sync_to_async
from django.core.mail import send_mail
from django.db import DatabaseError, InterfaceError, connection, transaction
from yarl import URL

from streams.mailing import address_for
from streams.models import Delivery, Webhook
from streams.sealed import unseal
from streams.webhooks import signing
from streams.webhooks.events import KNOWN
from streams.webhooks.sending import Answer, post, session
from streams.webhooks.telling import NotTold, tell

AT_ONCE = 40
AT_ONCE_TO_FAILING = 10
AT_ONCE_TO_HOST = 8
AT_ONCE_TO_FAILING_HOST = 2
LOOKED_AT = 400
TELL_EVERY_S = 2.0
LOOK_EVERY_S = 1.0

# 10 s, 20 s, 40 s ... 4 h: sixteen tries in a day.
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=4)
TRIED_FOR = timedelta(days=1)
# A worker that is killed while it sends leaves its delivery to the next after this long.
LEASE = timedelta(minutes=2)
# After so many failures in a row a webhook rests: 10 s, 20 s ... 10 min.
RESTS_FROM = 3
LONGEST_REST = timedelta(minutes=10)
GIVEN_UP_AFTER = timedelta(days=3)
GIVEN_UP_FROM = 5

# The next delivery of each webhook that is not busy; first of those whose last one was taken, the longest due first.
NEXT = """
SELECT webhook.id, delivery.id, webhook.url, webhook.failures > 0 FROM streams_webhook webhook
CROSS JOIN LATERAL (
    SELECT id, next_at FROM streams_delivery
    WHERE webhook_id = webhook.id AND state = 'waiting' AND next_at <= %(now)s ORDER BY next_at, id LIMIT 1
) delivery
WHERE webhook.is_on AND webhook.disabled_at IS NULL AND webhook.id != ALL(%(busy)s)
    AND (webhook.rests_until IS NULL OR webhook.rests_until <= %(now)s)
ORDER BY webhook.failures > 0, delivery.next_at LIMIT %(most)s
"""


class Due(NamedTuple):
    """A delivery whose time has come."""

    webhook: int
    delivery: int
    host: str
    is_failing: bool


class Outgoing(NamedTuple):
    """One attempt, signed and ready."""

    delivery: int
    webhook: int
    url: str
    headers: dict[str, str]
    body: bytes


Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


class Courier:
    """Sends what is due. All of its questions to the database come from the thread that called it.

    `given_up` is called with the id of a webhook that was switched off for it.
    """

    def __init__(self, clock: Clock = _now, given_up: Callable[[int], object] = lambda _: None) -> None:
        self._clock = clock
        self._given_up = given_up
        self._on_the_way: dict[asyncio.Task[bool], Due] = {}
        self._mistakes: list[BaseException] = []
        self.taken = 0
        self.failed = 0

    async def work(self, seconds: float) -> None:
        """Look for what is new and send what is due, for so long; then wait for what is on its way."""
        loop = asyncio.get_running_loop()
        async with session() as client:
            ends, told = loop.time() + seconds, loop.time() - TELL_EVERY_S
            while loop.time() < ends:
                if loop.time() - told >= TELL_EVERY_S:
                    await self._tell()
                    told = loop.time()
                await self._send_due(client)
                await self._wait(LOOK_EVERY_S)
            while self._on_the_way:
                await self._wait(None)
        self._own_up()

    async def _tell(self) -> None:
        """What cannot be told of one channel is owned up to at the end: all others are told."""
        try:
            await sync_to_async(tell)(self._clock())
        except NotTold as mistake:
            self._mistakes.append(mistake)

    async def send_all(self) -> None:
        """Send everything that is due now."""
        async with session() as client:
            while await self._send_due(client) or self._on_the_way:
                await self._wait(None)
        self._own_up()

    async def _send_due(self, client: aiohttp.ClientSession) -> int:
        busy = list(self._on_the_way.values())
        if len(busy) >= AT_ONCE:
            return 0
        chosen = choose(await sync_to_async(due)(self._clock(), [each.webhook for each in busy]), busy)
        for each in chosen:
            self._on_the_way[asyncio.create_task(self._send(client, each))] = each
        return len(chosen)

    async def _wait(self, seconds: float | None) -> None:
        """Until one that was on its way arrived, or nothing did for so long."""
        if not self._on_the_way:
            await asyncio.sleep(seconds or 0)
            return
        done, _ = await asyncio.wait(self._on_the_way, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            due = self._on_the_way.pop(task)
            if error := task.exception():
                await self._put_off(due, error)

    async def _put_off(self, due: Due, error: BaseException) -> None:
        """A mistake of ours in one delivery must not keep all others from being sent: it is told at the end."""
        if isinstance(error, DatabaseError | InterfaceError):
            raise error
        self._mistakes.append(error)
        await sync_to_async(put_off)(due.delivery, self._clock())

    def _own_up(self) -> None:
        if self._mistakes:
            raise self._mistakes[0]

    async def _send(self, client: aiohttp.ClientSession, due: Due) -> bool:
        outgoing = await sync_to_async(take)(due.delivery, self._clock())
        if outgoing is None:
            return False
        answer = await post(client, outgoing.url, outgoing.headers, outgoing.body)
        if await sync_to_async(settle)(outgoing, answer, self._clock()):
            await sync_to_async(self._given_up)(outgoing.webhook)
        self.taken += answer.is_taken
        self.failed += not answer.is_taken
        return answer.is_taken


def due(now: datetime, busy: list[int]) -> list[Due]:
    with connection.cursor() as cursor:
        cursor.execute(NEXT, {"now": now, "busy": busy, "most": LOOKED_AT})
        return [
            Due(webhook, delivery, URL(url).host or "", failing)
            for webhook, delivery, url, failing in cursor.fetchall()
        ]


def choose(waiting: list[Due], busy: list[Due]) -> list[Due]:
    """Those that are sent now, beside those on their way: a few to one host, and a part to who does not take them."""
    chosen: list[Due] = []
    hosts = Counter(each.host for each in busy)
    failing = Counter(each.host for each in busy if each.is_failing)
    for each in waiting:
        if len(busy) + len(chosen) == AT_ONCE:
            break
        has_room = hosts[each.host] < AT_ONCE_TO_HOST and (not each.is_failing or _is_room_for_failing(each, failing))
        if has_room:
            chosen.append(each)
            hosts[each.host] += 1
            failing[each.host] += each.is_failing
    return chosen


def _is_room_for_failing(due: Due, failing: Counter[str]) -> bool:
    return failing.total() < AT_ONCE_TO_FAILING and failing[due.host] < AT_ONCE_TO_FAILING_HOST


@transaction.atomic
def take(delivery_id: int, now: datetime) -> Outgoing | None:
    """Take a delivery on its way. None if that is done, or what it tells of is not for everybody any more."""
    waiting = Delivery.objects.select_related("webhook__channel").select_for_update(of=("self",), skip_locked=True)
    delivery = waiting.filter(pk=delivery_id, state=Delivery.State.WAITING, next_at__lte=now).first()
    if delivery is None:
        return None
    content = content_of(delivery)
    if content is None:
        delivery.state, delivery.next_at = Delivery.State.GONE, None
        delivery.body, delivery.answer, delivery.sealed = None, "", ""
        delivery.save(update_fields=["state", "next_at", "body", "answer", "sealed"])
        return None
    delivery.body = None if delivery.sealed else content
    delivery.attempts, delivery.tried_at, delivery.next_at = delivery.attempts + 1, now, now + LEASE
    delivery.save(update_fields=["body", "attempts", "tried_at", "next_at"])
    webhook = delivery.webhook
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    headers = signing.headers(signing.secrets_of(webhook, now), delivery.event_id, now, body)
    return Outgoing(
        delivery.pk, webhook.pk, webhook.url, {**headers, "Content-Type": "application/json; charset=utf-8"}, body
    )


def content_of(delivery: Delivery) -> dict[str, Any] | None:
    """What is sent, as it is now."""
    channel = delivery.webhook.channel
    key = unseal(delivery.sealed) if delivery.sealed else delivery.key
    source = KNOWN.by_event.get(delivery.event)
    told = source.told(channel, delivery.event, key) if source else None
    if told is None:
        return None
    return {
        "type": delivery.event,
        "timestamp": delivery.happened_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": {"channel": channel.twitch_id, **told},
    }


def put_off(delivery_id: int, now: datetime) -> None:
    waiting = Delivery.objects.filter(pk=delivery_id, state=Delivery.State.WAITING)
    waiting.update(next_at=now + LONGEST_PAUSE, problem="It could not be put together: a mistake of this server.")


def settle(outgoing: Outgoing, answer: Answer, now: datetime) -> bool:
    """Write down what came of it; return whether the webhook was given up. Of one that was deleted nothing is."""
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update().filter(pk=outgoing.webhook).first()
        delivery = Delivery.objects.select_for_update().filter(pk=outgoing.delivery).first()
        if webhook is None or delivery is None:
            return False
        # A receiver may answer with what it was sent, and whom a sealed delivery names must stand nowhere in the clear.
        delivery.answer = "" if delivery.sealed else answer.text
        delivery.status, delivery.problem = answer.status, answer.problem
        delivery.took_ms = answer.took_ms
        is_given_up = (
            _settle_taken(webhook, delivery) if answer.is_taken else _settle_failed(webhook, delivery, answer, now)
        )
        delivery.save()
        webhook.save(update_fields=["failures", "failing_since", "rests_until", "disabled_at", "problem"])
    return is_given_up


def _settle_taken(webhook: Webhook, delivery: Delivery) -> bool:
    delivery.state, delivery.next_at, delivery.sealed = Delivery.State.DONE, None, ""
    if webhook.failures >= RESTS_FROM:  # it is back: what waits for a pause to end need not
        waiting = Delivery.objects.filter(webhook=webhook, state=Delivery.State.WAITING).exclude(pk=delivery.pk)
        waiting.filter(next_at__gt=delivery.tried_at).update(next_at=delivery.tried_at)
    webhook.failures, webhook.failing_since, webhook.rests_until = 0, None, None
    return False


def _settle_failed(webhook: Webhook, delivery: Delivery, answer: Answer, now: datetime) -> bool:
    """Say when it is tried again, if it is. Returns whether the webhook was given up."""
    if now - delivery.made_at < TRIED_FOR:
        delivery.next_at = now + _pause(delivery.attempts, LONGEST_PAUSE)
    else:
        delivery.state, delivery.next_at, delivery.sealed = Delivery.State.FAILED, None, ""
    webhook.failures = failures = webhook.failures + 1
    webhook.failing_since = webhook.failing_since or now
    if failures >= RESTS_FROM:
        webhook.rests_until = now + _pause(failures - RESTS_FROM + 1, LONGEST_REST)
    if answer.later_s:
        webhook.rests_until = now + timedelta(seconds=answer.later_s)
    if answer.is_gone:
        webhook.problem = "The address answered 410: it is gone. Enter another one, or delete this webhook."
    elif failures >= GIVEN_UP_FROM and now - webhook.failing_since >= GIVEN_UP_AFTER:
        webhook.problem = (
            f"Nothing was taken for three days. The last time: {answer.problem} Put it right there, then switch it on."
        )
    else:
        return False
    webhook.disabled_at = now
    return True


def _pause(tries: int, longest: timedelta) -> timedelta:
    """About twice as long after each try, and not all who failed together at the same moment."""
    pause: timedelta = min(FIRST_PAUSE * 2 ** min(tries - 1, 20), longest)
    return pause * random.uniform(0.8, 1.2)  # noqa: S311 (no secret)


def tell_owner(webhook_id: int) -> str:
    """Say by mail that a webhook was given up, where an address is known; the administration says it in any case."""
    webhook = Webhook.objects.select_related("made_by", "channel").get(pk=webhook_id)
    if not (to := address_for(webhook)):
        return "no address is known"
    words = f"{webhook.url} is told of nothing more.\n\n{webhook.problem}\n"
    send_mail(f"A webhook of {webhook.channel} was switched off", words, None, [to])
    return "told by mail"
