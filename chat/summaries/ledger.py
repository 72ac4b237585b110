"""What calls of language models cost: each is entered before it is made, and today's may not pass AI_DAILY_BUDGET.

A call is entered with the most that it can come to, under a lock that all workers take in turn, so that any number of
them together stay within the budget. It is closed with what it did cost. Nothing of anybody's text is entered.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_UP, Decimal
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from streams.locks import MODEL_CALLS
from streams.models import Channel
from viewers.models import ModelCall, Summary

LOCK = f"SELECT pg_advisory_xact_lock({MODEL_CALLS}, 0)"
# Nobody waits for an answer that long: whoever asked was killed.
FORGOTTEN = timedelta(hours=1)
MICRODOLLAR = Decimal("0.000001")
DAYS = 30
LONGEST_DETAIL = 200


class Spent(NamedTuple):
    """What a channel spent at a provider on one UTC day."""

    day: date
    provider: str
    calls: int
    answered: int
    unpriced: int
    input_tokens: int
    output_tokens: int
    cost: Decimal


class NoMoney(Exception):
    """The call could make today dearer than AI_DAILY_BUDGET."""


class NoSummary(Exception):
    """What the call is for was deleted."""


def budget() -> Decimal:
    """What the calls of one UTC day may cost, in US dollars. Raises ArithmeticError where the setting is no number."""
    return Decimal(settings.AI_DAILY_BUDGET)


def enter(
    channel: Channel, summary: Summary | None, provider: str, model: str, most: Decimal, *, is_priced: bool
) -> int:
    """Enter a call that is about to be made and can cost so much; its primary key. Raises NoMoney, NoSummary.

    In a transaction of its own: others wait for the lock, and have to see the entry.
    """
    now = timezone.now()
    with transaction.atomic(durable=True):
        if summary and not Summary.objects.select_for_update(no_key=True).filter(pk=summary.pk).exists():
            raise NoSummary
        with connection.cursor() as cursor:
            cursor.execute(LOCK)
        _close_forgotten(now)
        most = rounded(most)
        is_within = _spent_on_day_of(now) + most <= budget()
        if is_within:
            entry = ModelCall.objects.create(
                channel=channel,
                summary=summary,
                provider=provider,
                model=model,
                began_at=now,
                cost=most,
                is_priced=is_priced,
            )
    # Not before: what was closed stays so.
    if not is_within:
        raise NoMoney
    return entry.pk


def close(
    entry: int,
    outcome: ModelCall.Outcome,
    *,
    took_ms: int,
    input_tokens: int = 0,
    output_tokens: int = 0,
    cost: Decimal | None = None,
    detail: str = "",
) -> None:
    """Say how a call ended. Without a cost, it is taken to have cost the most that it could."""
    known = {"is_priced": False} if cost is None else {"cost": rounded(cost)}
    ModelCall.objects.filter(pk=entry).update(
        outcome=outcome,
        took_ms=took_ms,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        detail=detail[:LONGEST_DETAIL],
        **known,
    )


def totals(channel: Channel, days: int = DAYS) -> list[Spent]:
    """What a channel spent at each provider on each of the last days, newest first. One query."""
    since = _start_of_day(timezone.now()) - timedelta(days=days - 1)
    rows = (
        ModelCall.objects.filter(channel=channel, began_at__gte=since)
        .annotate(day=TruncDate("began_at", tzinfo=UTC))
        .values_list("day", "provider")
        .annotate(
            calls=Count("pk"),
            answered=Count("pk", filter=Q(outcome=ModelCall.Outcome.OK)),
            unpriced=Count("pk", filter=Q(is_priced=False)),
            input_total=Sum("input_tokens"),
            output_total=Sum("output_tokens"),
            cost_total=Sum("cost"),
        )
        .order_by("-day", "provider")
    )
    return [Spent(*row) for row in rows]


def spent_today() -> Decimal:
    """What all calls of this UTC day cost so far, those that go on with the most that they can come to."""
    return _spent_on_day_of(timezone.now())


def _spent_on_day_of(now: datetime) -> Decimal:
    today = ModelCall.objects.filter(began_at__gte=_start_of_day(now))
    return today.aggregate(total=Sum("cost"))["total"] or Decimal(0)


def _close_forgotten(now: datetime) -> None:
    """Close calls of workers that were killed. They keep the most that they could cost: it may have been spent."""
    open_calls = ModelCall.objects.filter(outcome=ModelCall.Outcome.OPEN, began_at__lt=now - FORGOTTEN)
    open_calls.update(outcome=ModelCall.Outcome.ERROR, is_priced=False, detail="nobody waited for the answer")


def _start_of_day(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def rounded(cost: Decimal) -> Decimal:
    return cost.quantize(MICRODOLLAR, rounding=ROUND_UP)
