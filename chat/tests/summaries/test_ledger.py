"""What calls of language models cost, and that all of them together stay within the budget."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone

from chat.summaries import ledger
from chat.tests.factories import ChannelFactory
from viewers.models import ModelCall

WORKERS = 8
Outcome = ModelCall.Outcome


@pytest.fixture
def channel(db):
    return ChannelFactory(login="lantern")


@pytest.fixture
def noon(monkeypatch):
    """It is noon, on some day."""
    at = datetime(2026, 5, 17, 12, tzinfo=UTC)
    monkeypatch.setattr("django.utils.timezone.now", lambda: at)
    return at


def enter(channel, most="0.10", **how):
    how = {"is_priced": True} | how
    return ledger.enter(channel, None, "openai", "gpt-4o", Decimal(most), **how)


def spent(channel, cost, at, outcome=Outcome.OK, provider="openai", **fields):
    return ModelCall.objects.create(
        channel=channel,
        provider=provider,
        model="m",
        began_at=at,
        outcome=outcome,
        cost=Decimal(cost),
        **fields,
    )


def test_a_call_is_entered_with_the_most_that_it_can_cost(channel, noon):
    call = ModelCall.objects.get(pk=enter(channel, "0.1"))
    assert (call.outcome, call.cost, call.began_at) == (Outcome.OPEN, Decimal("0.1"), noon)


def test_what_it_did_cost_takes_the_place_of_that(channel):
    number = enter(channel, "0.1")
    ledger.close(number, Outcome.OK, took_ms=1200, input_tokens=10, output_tokens=5, cost=Decimal("0.02"))
    call = ModelCall.objects.get()
    assert (call.outcome, call.cost, call.took_ms, call.is_priced) == (Outcome.OK, Decimal("0.02"), 1200, True)


def test_where_that_is_not_known_the_most_stays_and_is_called_a_guess(channel):
    ledger.close(enter(channel, "0.1"), Outcome.TIMEOUT, took_ms=60_000)
    call = ModelCall.objects.get()
    assert (call.outcome, call.cost, call.is_priced) == (Outcome.TIMEOUT, Decimal("0.1"), False)


def test_costs_are_never_rounded_down(channel):
    assert ModelCall.objects.get(pk=enter(channel, "0.0000001")).cost == Decimal("0.000001")


def test_a_channel_that_is_deleted_gives_no_money_back(channel, settings):
    settings.AI_DAILY_BUDGET = "0.20"
    enter(channel, "0.15")
    channel.delete()
    with pytest.raises(ledger.NoMoney):
        enter(ChannelFactory(login="harbour"), "0.10")
    assert ledger.spent_today() == Decimal("0.15")


def test_a_budget_may_be_spent_to_the_last_cent(channel, settings):
    settings.AI_DAILY_BUDGET = "0.20"
    enter(channel, "0.10")
    enter(channel, "0.10")
    with pytest.raises(ledger.NoMoney):
        enter(channel, "0.000001")


def test_what_is_open_counts_with_the_most_that_it_can_cost(channel, settings):
    settings.AI_DAILY_BUDGET = "0.15"
    number = enter(channel, "0.10")
    with pytest.raises(ledger.NoMoney):
        enter(channel, "0.10")
    ledger.close(number, Outcome.OK, took_ms=1, cost=Decimal("0.01"))
    enter(channel, "0.10")


def test_all_channels_share_one_budget(channel, settings):
    settings.AI_DAILY_BUDGET = "0.15"
    enter(channel)
    with pytest.raises(ledger.NoMoney):
        enter(ChannelFactory(login="harbour"))


def test_a_day_begins_at_midnight_in_utc(channel, settings, noon):
    settings.AI_DAILY_BUDGET = "0.10"
    midnight = noon.replace(hour=0)
    spent(channel, "5", midnight - timedelta(seconds=1))
    number = enter(channel)
    ledger.close(number, Outcome.OK, took_ms=1, cost=Decimal(0))
    spent(channel, "5", midnight)
    with pytest.raises(ledger.NoMoney):
        enter(channel)


def test_without_a_budget_only_what_is_free_is_entered(channel, settings):
    settings.AI_DAILY_BUDGET = "0"
    enter(channel, "0")
    with pytest.raises(ledger.NoMoney):
        enter(channel, "0.000001")


def test_a_call_that_nobody_closed_is_closed_after_an_hour_and_stays_as_dear(channel, noon):
    killed = spent(channel, "0.1", noon - timedelta(minutes=61), Outcome.OPEN)
    running = spent(channel, "0.1", noon - timedelta(minutes=59), Outcome.OPEN)
    enter(channel)
    killed.refresh_from_db()
    running.refresh_from_db()
    assert (killed.outcome, killed.cost, killed.is_priced) == (Outcome.ERROR, Decimal("0.1"), False)
    assert killed.detail
    assert running.outcome == Outcome.OPEN


def test_it_is_closed_also_when_there_is_no_money_left(channel, settings, noon):
    settings.AI_DAILY_BUDGET = "0"
    killed = spent(channel, "0.1", noon - timedelta(minutes=61), Outcome.OPEN)
    with pytest.raises(ledger.NoMoney):
        enter(channel)
    killed.refresh_from_db()
    assert killed.outcome == Outcome.ERROR


def test_calls_that_nobody_closed_are_found_by_their_index(channel, noon):
    begun = noon - timedelta(days=9)
    ModelCall.objects.bulk_create(
        ModelCall(
            channel=channel,
            provider="openai",
            model="m",
            began_at=begun + timedelta(minutes=n),
            outcome=Outcome.OK,
            cost=Decimal("0.01"),
        )
        for n in range(12_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE viewers_modelcall")
    old = ModelCall.objects.filter(outcome=Outcome.OPEN, began_at__lt=noon - ledger.FORGOTTEN)
    today = ModelCall.objects.filter(began_at__gte=noon.replace(hour=0))
    assert "modelcall_open" in old.explain()
    assert "modelcall_by_time" in today.values("cost").explain()


def test_entering_takes_few_statements(channel, django_assert_num_queries):
    # begin, lock, close what was forgotten, sum, insert, end
    with django_assert_num_queries(6):
        enter(channel)


# Totals


def test_totals_are_by_day_and_provider_newest_first(channel, noon):
    spent(channel, "0.5", noon, input_tokens=100, output_tokens=10)
    spent(channel, "0.25", noon, Outcome.ERROR, input_tokens=50, is_priced=False)
    spent(channel, "1", noon, provider="google")
    spent(channel, "2", noon - timedelta(days=1))
    spent(ChannelFactory(login="harbour"), "9", noon)
    today, yesterday = noon.date(), noon.date() - timedelta(days=1)
    assert ledger.totals(channel) == [
        ledger.Spent(today, "google", 1, 1, 0, 0, 0, Decimal(1)),
        ledger.Spent(today, "openai", 2, 1, 1, 150, 10, Decimal("0.75")),
        ledger.Spent(yesterday, "openai", 1, 1, 0, 0, 0, Decimal(2)),
    ]


def test_totals_take_one_query(channel, noon, django_assert_num_queries):
    spent(channel, "0.5", noon)
    with django_assert_num_queries(1):
        ledger.totals(channel)


def test_totals_go_back_thirty_days(channel, noon):
    spent(channel, "1", noon.replace(hour=0) - timedelta(days=29))
    spent(channel, "1", noon.replace(hour=0) - timedelta(days=29, seconds=1))
    assert [row.calls for row in ledger.totals(channel)] == [1]


# Many at once


@pytest.mark.django_db(transaction=True)
def test_workers_that_enter_at_once_do_not_overspend(settings):
    settings.AI_DAILY_BUDGET = "0.50"
    channel = ChannelFactory(login="lantern")
    together = Barrier(WORKERS)

    def work(_number):
        entered = 0
        try:
            together.wait(10)
            for _ in range(3):
                try:
                    enter(channel, "0.10")
                    entered += 1
                except ledger.NoMoney:
                    continue
        finally:
            connection.close()
        return entered

    with ThreadPoolExecutor(WORKERS) as pool:
        assert sum(pool.map(work, range(WORKERS))) == 5
    assert ModelCall.objects.aggregate(total=Sum("cost"))["total"] == Decimal("0.50")


@pytest.mark.django_db(transaction=True)
def test_nothing_is_entered_in_a_transaction_that_others_would_wait_for():
    channel = ChannelFactory(login="lantern")
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        enter(channel)


def test_now_is_now(channel):
    before = timezone.now()
    assert before <= ModelCall.objects.get(pk=enter(channel)).began_at <= timezone.now()
