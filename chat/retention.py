"""Forgets text when its time is over: whole months at once where no channel may keep them, rows elsewhere."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, Max, Min, OuterRef, QuerySet

from chat import partitions
from chat.models import ChatEvent, DeadLetter, Message, Redemption
from streams.locks import lock_channels
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
    """Remove messages, other texts and dead letters that are past the retention of their channel."""
    expired = Expired()
    days = Channel.objects.aggregate(longest=Max("retention_days"), shortest=Min("retention_days"))
    if days["longest"] is None:
        return expired
    expired.months = _past(now - timedelta(days=days["longest"]))
    before = {channel: now - timedelta(days=channel.retention_days) for channel in Channel.objects.order_by("pk")}
    if dry_run:
        expired.messages = sum(_old(channel, before[channel]).count() for channel in before)
        expired.texts = sum(texts.count() for channel in before for texts in _old_texts(channel, before[channel]))
    else:
        _forget(before, expired)
    dead = DeadLetter.objects.filter(received_at__lt=now - timedelta(days=days["shortest"]))
    expired.dead = dead.count() if dry_run else dead.delete()[0]
    return expired


def _past(before: datetime) -> list[date]:
    """Months that ended before a moment."""
    return sorted(m for m in partitions.existing() if partitions.next_month(m) <= before.date())


def _old(channel: Channel, before: datetime) -> QuerySet[Message]:
    return Message.objects.filter(channel=channel, sent_at__lt=before)


def _old_texts(channel: Channel, before: datetime) -> tuple[QuerySet[ChatEvent], QuerySet[Redemption]]:
    """What viewers wrote with something that is kept."""
    return (
        ChatEvent.objects.filter(channel=channel, occurred_at__lt=before).exclude(text=""),
        Redemption.objects.filter(channel=channel, redeemed_at__lt=before).exclude(text=""),
    )


def _forget(before: dict[Channel, datetime], expired: Expired) -> None:
    losing = [channel for channel in before if _note_loss(channel, before[channel])]
    expired.months, expired.busy = partitions.drop(expired.months, may_drop=_is_noted)
    for channel in losing:
        expired.messages += _delete_messages(channel, before[channel])
    for channel, moment in before.items():
        expired.texts += sum(texts.update(text="") for texts in _old_texts(channel, moment))


def _note_loss(channel: Channel, before: datetime) -> bool:
    """Say which messages are gone before any of them is; False where there are none.

    Under the lock of those who count and store: they never see a day of which only a part is left and
    take it for whole. What is gone does not come back with a longer retention.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        lock_channels(cursor, [channel.pk])
        if not _old(channel, before).exists():
            return False
        Channel.objects.filter(pk=channel.pk).exclude(messages_kept_from__gte=before).update(messages_kept_from=before)
    return True


def _is_noted(month: date) -> bool:
    """Whether all that have messages in a month say that they are gone: some may have come in only now."""
    start, end = partitions.bounds(month)
    said = Message.objects.filter(channel=OuterRef("pk"), sent_at__gte=start, sent_at__lt=end)
    return not Channel.objects.exclude(messages_kept_from__gte=end).filter(Exists(said)).exists()


def _delete_messages(channel: Channel, before: datetime) -> int:
    deleted = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(DELETE_SOME, [channel.pk, before, ROWS_AT_ONCE])
            number = int(cursor.rowcount)
            deleted += number
            if number < ROWS_AT_ONCE:
                return deleted
