"""Deliveries are made from the log of changes: one for each event and each webhook that wants it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from datetime import datetime, timedelta

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, transaction

from streams import sync
from streams.models import Channel, Delivery, Webhook
from streams.sealed import seal
from streams.sync import Entry, Place, log_of
from streams.webhooks.events import KNOWN, NAMES, TEST, Found

log = structlog.get_logger(__name__)

# What happened longer ago is no news: a month of old chat that is read again rings nobody's bell.
NEWS_FOR = timedelta(days=3)
# So much of the log is looked at in one go.
MOST_AT_ONCE = 2000
# Who does not take what waits is told of no more until they do: it stays in the log.
MOST_WAITING = 10_000
KEPT_FOR = timedelta(days=14)
MADE_AT_ONCE = 1000
FORGOTTEN_AT_ONCE = 5000

# Channels with a webhook that was not told of something yet, whatever it is.
CHANNELS_WITH_NEWS = """
SELECT DISTINCT webhook.channel_id FROM streams_webhook webhook
WHERE webhook.is_on AND webhook.disabled_at IS NULL AND (
    EXISTS (
        SELECT FROM streams_change change
        WHERE change.channel_id = webhook.channel_id AND change.resource = ANY(%(resources)s)
            AND change.xid >= webhook.told_until AND change.xid < %(horizon)s
    ) OR EXISTS (
        SELECT FROM streams_change change
        WHERE change.channel_id IS NULL AND change.resource = ANY(%(resources)s)
            AND change.xid >= webhook.told_until AND change.xid < %(horizon)s
    )
)
"""


class NotTold(Exception):
    """Of some channels nothing could be told, by a mistake of ours; all others were. Says which."""


def tell(now: datetime) -> int:
    """Make the deliveries of everything that changed since they were made last; return how many.

    Raises NotTold when all others were made.
    """
    until = sync.begin().place.xid
    Webhook.objects.filter(told_until__gt=until).update(told_until=until)  # of another database: this one was restored
    resources = _resources(NAMES)
    with connection.cursor() as cursor:
        cursor.execute(CHANNELS_WITH_NEWS, {"resources": resources, "horizon": until})
        channels = [channel for (channel,) in cursor.fetchall()]
    made = 0
    wrong: dict[int, Exception] = {}
    for channel in channels:
        try:
            made += _tell_of(channel, until, now)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            if not connection.is_usable():
                raise
            # Not what the error says: it may be a row.
            log.error("webhooks.not_told", channel=channel, error=type(error).__name__)
            wrong[channel] = error
    if wrong:
        told = ", ".join(f"channel {channel} ({type(error).__name__})" for channel, error in wrong.items())
        raise NotTold(f"Nothing could be told of {told}") from next(iter(wrong.values()))
    return made


class StillWaits(Exception):
    """A test of this webhook was not sent yet; the text is a sentence that says what to do."""


@transaction.atomic
def tell_test(webhook: Webhook, now: datetime) -> Delivery:
    """A delivery that says nothing, for an owner who wants to see one arrive. Raises StillWaits."""
    Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)  # who asks twice at once asks one after the other
    if webhook.deliveries.filter(event=TEST, state=Delivery.State.WAITING).exists():
        raise StillWaits("A test of it waits already. See what came of it in what it was told, then send the next.")
    event_id = f"{TEST}.{now:%Y%m%d%H%M%S%f}"
    return Delivery.objects.create(webhook=webhook, event=TEST, event_id=event_id, happened_at=now, next_at=now)


def tell_again(delivery: Delivery, now: datetime) -> None:
    """Have it sent once more; a day after it was made, this is tried once."""
    delivery.state, delivery.next_at = Delivery.State.WAITING, now
    delivery.save(update_fields=["state", "next_at"])


BEGUN = ["is_on", "disabled_at", "problem", "failures", "failing_since", "rests_until", "told_until", "on_since"]


def begin(webhook: Webhook, now: datetime) -> None:
    """From now on it is told; what was before is not. For one that is new, or switched on again: save BEGUN."""
    webhook.is_on, webhook.disabled_at, webhook.problem = True, None, ""
    webhook.failures, webhook.failing_since, webhook.rests_until = 0, None, None
    webhook.told_until, webhook.on_since = sync.begin().place.xid, now


def forget(now: datetime) -> int:
    """Delete what was delivered, or was not, long ago; return how many they were."""
    forgotten = 0
    while True:
        oldest = Delivery.objects.filter(made_at__lt=now - KEPT_FOR).order_by("made_at")
        old = list(oldest.values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
        with transaction.atomic():
            # In the order in which an erasure takes them, or each could wait for the other.
            list(Delivery.objects.select_for_update().filter(pk__in=old).order_by("pk").values_list("pk"))
            deleted, _ = Delivery.objects.filter(pk__in=old).delete()
        forgotten += deleted
        if len(old) < FORGOTTEN_AT_ONCE:
            return forgotten


@transaction.atomic
def _tell_of(channel_id: int, horizon: int, now: datetime) -> int:
    webhooks = [
        webhook
        for webhook in Webhook.objects.working().filter(channel=channel_id).select_for_update().order_by("pk")
        if webhook.told_until < horizon and not _is_full(webhook)
    ]
    if not webhooks:
        return 0
    resources = _resources(frozenset(name for webhook in webhooks for name in webhook.events))
    since = min(webhook.told_until for webhook in webhooks)
    entries, until = _entries(channel_id, resources, since) if resources else ([], horizon)
    found = _found(Channel.objects.get(pk=channel_id), entries)
    deliveries = [
        _delivery(webhook, each, now) for webhook in webhooks for each in found if _is_told(webhook, each, now)
    ]
    Delivery.objects.bulk_create(deliveries, MADE_AT_ONCE, ignore_conflicts=True)
    Webhook.objects.filter(pk__in=[each.pk for each in webhooks], told_until__lt=until).update(told_until=until)
    return len(deliveries)


def _resources(events: Set[str]) -> list[str]:
    """What is looked at in the log for these."""
    known = KNOWN.by_resource.values()
    return [source.resource for source in known if source.resource and not events.isdisjoint(source.events)]


def _entries(channel_id: int, resources: Sequence[str], since: int) -> tuple[list[Entry], int]:
    """The next entries of the log, and the transaction that they go up to: of each transaction all, or none."""
    entries: list[Entry] = []
    place = Place(since)
    while True:
        page = log_of(channel_id, resources, place, MOST_AT_ONCE)
        entries += page.entries
        place = page.next
        if page.is_all:
            return entries, place.xid
        last = entries[-1].place.xid
        if entries[0].place.xid < last:
            return [entry for entry in entries if entry.place.xid < last], last


def _found(channel: Channel, entries: Iterable[Entry]) -> list[Found]:
    """The events that these are, each once: in the order of transactions, and within one as they happened."""
    by_resource: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_resource[entry.resource].append(entry)
    found = [each for name, part in by_resource.items() for each in KNOWN.by_resource[name].found(channel, part)]
    found.sort(key=lambda each: (each.entry.place.xid, each.at, each.entry.place.key))
    once: dict[str, Found] = {}
    for each in found:
        once.setdefault(each.id, each)
    return list(once.values())


def _is_told(webhook: Webhook, found: Found, now: datetime) -> bool:
    is_news = found.at >= max(webhook.on_since, now - NEWS_FOR)
    return found.event in webhook.events and found.entry.place.xid >= webhook.told_until and is_news


def _delivery(webhook: Webhook, found: Found, now: datetime) -> Delivery:
    return Delivery(
        webhook=webhook,
        event=found.event,
        event_id=found.id,
        key="" if found.is_secret else found.key,
        viewer_id="" if found.is_secret else found.viewer_id,
        sealed=seal(found.key) if found.is_secret else "",
        happened_at=found.at,
        next_at=now,
    )


def _is_full(webhook: Webhook) -> bool:
    """Whether so much waits for it that there is no room for more. Counted only where something failed."""
    if not webhook.failures:
        return False
    waiting = Delivery.objects.filter(webhook=webhook, state=Delivery.State.WAITING)
    return waiting.order_by("next_at", "pk")[MOST_WAITING - 1 : MOST_WAITING].exists()
