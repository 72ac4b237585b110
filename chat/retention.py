"""Forgets text when its time is over: whole months at once where no channel may keep them, rows elsewhere."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db import connection
from django.db.models import Max, Min

from chat import partitions
from chat.models import ChatEvent, DeadLetter, Message
from streams.models import Channel

ROWS_AT_ONCE = 20_000

# A chunk at a time, so that no writer waits long for a row.
DELETE_SOME = """
DELETE FROM chat_message WHERE (id, channel_id, sent_at) IN (
    SELECT id, channel_id, sent_at FROM chat_message WHERE channel_id = %s AND sent_at < %s LIMIT %s
)
"""


@dataclass(slots=True)
class Expired:
    """What was removed, or would be."""

    months: list[date] = field(default_factory=list)
    busy: list[date] = field(default_factory=list)
    """Months that somebody was reading. They are empty, and go the next time."""
    messages: int = 0
    texts: int = 0
    dead: int = 0


def expire(now: datetime, *, dry_run: bool = False) -> Expired:
    """Remove messages, texts of events and dead letters that are past the retention of their channel."""
    expired = Expired()
    days = Channel.objects.aggregate(longest=Max("retention_days"), shortest=Min("retention_days"))
    if days["longest"] is None:
        return expired
    expired.months = _past(now - timedelta(days=days["longest"]))
    kept_from = [(channel, now - timedelta(days=channel.retention_days)) for channel in Channel.objects.order_by("pk")]
    if not dry_run:
        for channel, before in kept_from:
            _stop_recounting(channel, before)
        expired.months, expired.busy = partitions.drop(expired.months)
    for channel, before in kept_from:
        _expire_channel(channel, before, expired, dry_run=dry_run)
    dead = DeadLetter.objects.filter(received_at__lt=now - timedelta(days=days["shortest"]))
    expired.dead = dead.count() if dry_run else dead.delete()[0]
    return expired


def _past(before: datetime) -> list[date]:
    """Months that ended before a moment."""
    return sorted(m for m in partitions.existing() if partitions.next_month(m) <= before.date())


def _stop_recounting(channel: Channel, before: datetime) -> None:
    """Say which messages are gone before any of them is. They do not come back with a longer retention."""
    Channel.objects.filter(pk=channel.pk).exclude(messages_kept_from__gte=before).update(messages_kept_from=before)


def _expire_channel(channel: Channel, before: datetime, expired: Expired, *, dry_run: bool) -> None:
    texts = ChatEvent.objects.filter(channel=channel, occurred_at__lt=before).exclude(text="")
    if dry_run:
        expired.messages += Message.objects.filter(channel=channel, sent_at__lt=before).count()
        expired.texts += texts.count()
        return
    expired.messages += _delete_messages(channel, before)
    expired.texts += texts.update(text="")


def _delete_messages(channel: Channel, before: datetime) -> int:
    deleted = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(DELETE_SOME, [channel.pk, before, ROWS_AT_ONCE])
            number = int(cursor.rowcount)
            deleted += number
            if number < ROWS_AT_ONCE:
                return deleted
