"""What was told of who leaves is found without anybody having to wait for it, however much was told of others."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Q
from redis import Redis

from chat import copied, purge
from chat.erasure import erase
from chat.tests.lines import DAY, privmsg
from chat.tests.patience import until_in_threads
from chat.tests.plans import plans_after
from chat.tests.wholesite import EVENING, PERSON, SHOWN, WholeSite
from chat.tests.writers import in_thread, waiting
from streams.locks import LOCK_CHANNELS
from streams.models import Change, Delivery
from streams.webhooks.telling import forget as forget_deliveries
from viewers import choices
from viewers.models import ViewerTotal

DAYS = timedelta(days=1)
LATELY = date(2026, 5, 2)
"""The person was last seen before it, all others of the channel later."""


@pytest.fixture
def site(transactional_db: None, redis_client: Redis, tmp_path: Path, settings: Any) -> WholeSite:
    settings.MEDIA_ROOT = tmp_path / "media"
    site = WholeSite()
    site.write(*(privmsg("later", user=user, at=EVENING + 2 * DAY) for user in ("alice", "bob", "carol")))
    return site


def purge_all(site: WholeSite, done: str, **rule: Any) -> None:
    made = purge.ask(site.example, None, **rule)
    purge.carry_out(made.pk)
    purge.confirm(made, None, "example", datetime.now(UTC))
    assert purge.carry_out(made.pk) == done


def purge_person(site: WholeSite, done: str = "1 viewers purged") -> None:
    purge_all(site, done, not_seen_since=LATELY)


def looks_up(plan: str, *columns: str) -> bool:
    """Whether the index finds rows by these columns."""
    return any(all(re.search(rf"\b{name}\b", found) for name in columns) for found in re.findall("Index Cond.*", plan))


def log_much_of_others(many: int) -> None:
    """So many that it matters to Postgres whether it reads all of them."""
    Change.objects.bulk_create(
        Change(channel_id=1_000 + number % 10, resource=resource, key=f"{number}")
        for number in range(many)
        for resource in ("messages", "viewers", "visibility")
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE streams_change")


def test_what_the_log_said_of_messages_before_is_looked_for_in_their_channel_alone(site):
    log_much_of_others(3_000)
    with plans_after(LOCK_CHANNELS, "streams_change") as plans:
        purge_person(site)
    earlier = [plan for plan in plans if plan.startswith(copied.TAKE_EARLIER)]
    assert earlier
    assert all(looks_up(plan, "channel_id", "resource") for plan in earlier), earlier


def test_the_ingest_waits_for_nothing_that_reads_the_whole_log(site):
    log_much_of_others(3_000)
    with plans_after(LOCK_CHANNELS, "streams_change") as plans:
        purge_person(site)
    assert len(plans) >= 5
    for plan in plans:
        by_row = looks_up(plan, "id") and not looks_up(plan, "channel_id")
        assert by_row or looks_up(plan, "xid") or looks_up(plan, "channel_id", "resource", "key"), plan


def names_person() -> Any:
    return Change.objects.filter(Q(key=PERSON) | Q(key__startswith=f"{PERSON}:") | Q(whose=PERSON))


def test_what_the_log_says_of_them_after_it_was_looked_through_is_forgotten_too(site, monkeypatch):
    find = copied.find_named

    def find_and_go_on(*asked: Any) -> copied.Named:
        named = find(*asked)
        for fields in (
            {"resource": "usage", "key": f"{PERSON}:7"},
            {"resource": "sessions", "key": "8", "whose": PERSON},
        ):
            Change.objects.create(channel=site.example, **fields)
        return named

    monkeypatch.setattr(copied, "find_named", find_and_go_on)
    purge_person(site)
    assert not names_person().filter(channel=site.example).exists()


def test_who_is_left_out_by_then_stays_in_the_log(site, monkeypatch):
    find = copied.find_named

    def find_and_be_seen(*asked: Any) -> copied.Named:
        named = find(*asked)
        ViewerTotal.objects.filter(viewer=PERSON).update(last_seen_at=datetime.now(UTC))
        return named

    monkeypatch.setattr(copied, "find_named", find_and_be_seen)
    known = set(names_person().values_list("pk", flat=True))
    purge_person(site, "0 viewers purged")
    assert known
    assert known <= set(names_person().values_list("pk", flat=True))


def test_many_who_are_purged_share_one_look_at_the_log(site, monkeypatch):
    looked: list[int] = []
    find = copied.find_named

    def find_counted(viewers: list[str], *asked: Any) -> copied.Named:
        looked.append(len(viewers))
        return find(viewers, *asked)

    monkeypatch.setattr(purge, "TOGETHER", 1)
    monkeypatch.setattr(copied, "find_named", find_counted)
    met = ViewerTotal.objects.filter(channel=site.example).count()
    assert met > 2
    purge_all(site, f"{met} viewers purged", fewer_messages=1000)
    assert looked == [met]


def erase_person(site: WholeSite) -> None:
    assert erase(choices.ask_to_erase(site.person))


def make_old_deliveries(many: int) -> None:
    """So many that it matters to Postgres whether it reads all of them."""
    told = Delivery.objects.get(event_id="event-3")
    long_ago = datetime.now(UTC) - 3 * DAYS
    Delivery.objects.bulk_create(
        Delivery(webhook=told.webhook, event="gift", event_id=f"old-{number}", key=f"{number}")
        for number in range(many)
    )
    Delivery.objects.update(made_at=long_ago, tried_at=long_ago)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE streams_delivery")


def test_no_webhook_waits_while_all_deliveries_are_read(site):
    make_old_deliveries(5_000)
    with plans_after(copied.HOLD_WEBHOOKS, "streams_delivery") as plans:
        erase_person(site)
    assert len(plans) == 4
    assert not [plan for plan in plans if "Seq Scan" in plan or not looks_up(plan, "id|made_at|tried_at")]


def test_deliveries_that_name_them_since_they_were_looked_for_go_too(site, monkeypatch):
    find = copied.find_deliveries
    answered = Delivery.objects.get(event_id="event-3")  # which names somebody else

    def find_and_go_on(*asked: Any) -> copied.Told:
        told = find(*asked)
        made = {"webhook": answered.webhook, "event": "gift", "viewer_id": PERSON, "key": "late"}
        Delivery.objects.create(event_id="late", **made)
        Delivery.objects.filter(pk=answered.pk).update(
            made_at=datetime.now(UTC) - 3 * DAYS, tried_at=datetime.now(UTC), answer=f"thank you, {SHOWN}"
        )
        return told

    monkeypatch.setattr(copied, "find_deliveries", find_and_go_on)
    erase_person(site)
    assert list(Delivery.objects.values_list("event_id", flat=True)) == ["event-4"]


def forget_old(_site: WholeSite) -> None:
    assert forget_deliveries(datetime.now(UTC) + 30 * DAYS) == 5


@pytest.mark.parametrize("deed", [erase_person, forget_old])
def test_whoever_takes_many_deliveries_takes_the_first_one_first(site, deed):
    first, second, *_ = Delivery.objects.order_by("pk")
    Delivery.objects.filter(pk=first.pk).update(made_at=datetime.now(UTC) + DAYS)  # the last that is met in the table
    with transaction.atomic():
        Delivery.objects.select_for_update().get(pk=first.pk)
        done = in_thread(deed, site)
        until_in_threads(lambda: waiting(1)() or done.done())
        assert Delivery.objects.select_for_update(skip_locked=True).filter(pk=second.pk).exists()
    done.result(timeout=60)
