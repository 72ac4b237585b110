"""From the log of changes to deliveries: each event once for each webhook that wants it, and none is missed."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from chat.api.emotes import Usage
from chat.api.profiles import Awards
from chat.erasure import erase
from chat.models import Redemption, Reward
from streams.models import Channel, Delivery, Stream, Webhook
from streams.sync import Entry
from streams.tests.cast import make_channel
from streams.webhooks import telling
from streams.webhooks.delivering import content_of
from streams.webhooks.events import GONE, KNOWN, NAMES, Found
from streams.webhooks.telling import NotTold, begin, tell
from viewers import choices
from viewers.models import Award, Standing
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db(transaction=True)


class Site:
    """A channel with a viewer, a reward, and webhooks."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.channel = make_channel()
        self.ann = make_viewer(self.channel, "ann")
        self.reward = Reward.objects.create(channel=self.channel, twitch_id="w", title="Water")

    def webhook(self, *events: str, **fields: object) -> Webhook:
        webhook = Webhook(channel=self.channel, url="https://example.org/", events=events or sorted(NAMES), secret="s")
        begin(webhook, self.now)
        for name, value in fields.items():
            setattr(webhook, name, value)
        webhook.save()
        return webhook

    def redeem(self, number: int, **fields: object) -> None:
        row = {"channel": self.channel, "viewer": self.ann, "reward": self.reward, "cost": 5, "status": "unfulfilled"}
        Redemption.objects.create(
            **{"id": f"r{number}", **row, "redeemed_at": self.now + timedelta(seconds=1 + number), **fields}
        )


@pytest.fixture
def site() -> Site:
    return Site()


def make_awards(site: Site, levels: Iterable[int]) -> None:
    """Many at once, as rules are applied."""
    earned = {"channel": site.channel, "viewer": site.ann, "achievement": "messages"}
    at = site.now + timedelta(seconds=1)
    Award.objects.bulk_create(Award(**earned, level=level, earned_at=at) for level in levels)


def data_of(delivery: Delivery) -> object:
    content = content_of(delivery)
    return content and content["data"]


def told(webhook: Webhook) -> list[str]:
    return list(webhook.deliveries.order_by("pk").values_list("event_id", flat=True))


@contextmanager
def open_transaction(work) -> Iterator[None]:
    """Somebody else's transaction that has written, and goes on until the end of the block."""
    wrote, finish = threading.Event(), threading.Event()

    def run() -> None:
        with transaction.atomic():
            work()
            wrote.set()
            finish.wait(20)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert wrote.wait(10)
    try:
        yield
    finally:
        finish.set()
        thread.join()


def test_each_event_is_one_delivery_for_each_webhook_that_wants_it(site):
    every, some = site.webhook(), site.webhook("redemption.new")
    Stream.objects.create(id="s1", channel=site.channel, started_at=site.now + timedelta(seconds=1))
    site.redeem(1)
    assert tell(site.now) == 3
    assert told(every) == ["stream.online.s1", "redemption.new.r1"]
    assert told(some) == ["redemption.new.r1"]
    assert tell(site.now) == 0
    Stream.objects.update(messages=5)  # counted
    Redemption.objects.update(status="fulfilled")
    tell(site.now)
    assert told(every) == ["stream.online.s1", "redemption.new.r1", "redemption.changed.r1.fulfilled"]
    assert told(some) == ["redemption.new.r1"]


def test_nothing_is_missed_or_told_before_its_turn_while_others_write(site):
    webhook = site.webhook()
    with open_transaction(lambda: site.redeem(1)):
        site.redeem(2)
        tell(site.now)
        assert told(webhook) == []
    tell(site.now)
    assert told(webhook) == ["redemption.new.r1", "redemption.new.r2"]


def test_what_was_taken_back_is_never_told(site):
    webhook = site.webhook()
    with transaction.atomic():
        site.redeem(1)
        transaction.set_rollback(True)
    site.redeem(2)
    tell(site.now)
    assert told(webhook) == ["redemption.new.r2"]


def test_a_log_of_any_length_is_told_part_by_part_and_large_transactions_whole(site, monkeypatch):
    monkeypatch.setattr(telling, "MOST_AT_ONCE", 3)
    webhook = site.webhook("redemption.new")
    for number in range(5):
        site.redeem(number)
    with transaction.atomic():
        for number in range(5, 15):
            site.redeem(number)
    site.redeem(15)
    while tell(site.now):
        pass
    assert told(webhook) == [f"redemption.new.r{number}" for number in range(16)]


def test_what_was_before_a_webhook_or_is_no_news_is_not_told(site):
    site.redeem(1)
    webhook = site.webhook()
    site.redeem(2, redeemed_at=site.now - timedelta(hours=1))
    tell(site.now)
    site.redeem(3)
    tell(site.now + timedelta(days=4))
    assert told(webhook) == []


def test_one_that_is_off_or_given_up_is_told_of_nothing_that_happens_meanwhile(site):
    off, given_up = site.webhook(is_on=False), site.webhook(disabled_at=site.now)
    site.redeem(1)
    assert tell(site.now) == 0
    begin(off, site.now + timedelta(minutes=1))
    off.save()
    site.redeem(2, redeemed_at=site.now + timedelta(minutes=2))
    tell(site.now)
    assert told(off) == ["redemption.new.r2"]
    assert told(given_up) == []


def test_who_takes_nothing_is_told_of_what_happened_meanwhile_once_they_do(site, monkeypatch):
    monkeypatch.setattr(telling, "MOST_WAITING", 2)
    webhook = site.webhook(failures=9)
    for number in range(2):
        site.redeem(number)
    tell(site.now)
    site.redeem(2)
    assert tell(site.now) == 0
    webhook.deliveries.update(state=Delivery.State.DONE)
    assert tell(site.now) == 1
    assert told(webhook)[-1] == "redemption.new.r2"


def test_a_webhook_of_a_database_that_was_restored_begins_anew(site):
    webhook = site.webhook(told_until=2**60)
    tell(site.now)
    site.redeem(1)
    tell(site.now)
    assert told(webhook) == ["redemption.new.r1"]


def test_a_channel_is_not_told_of_another(site):
    webhook = site.webhook()
    webhook.channel = make_channel("other")
    webhook.save()
    site.redeem(1)
    assert tell(site.now) == 0


def test_who_hides_is_told_as_gone_and_their_waiting_events_with_nothing(site, redis_client):
    webhook = site.webhook()
    site.redeem(1)
    tell(site.now)
    choices.hide(site.ann)
    tell(site.now)
    new, gone = webhook.deliveries.order_by("pk")
    assert data_of(new) is None
    assert gone.event == GONE
    assert data_of(gone) == {"channel": site.channel.twitch_id, "viewer": site.ann.pk}


def test_who_is_erased_is_told_as_gone_once_and_stands_nowhere_in_the_clear(site, redis_client):
    webhook = site.webhook()
    Standing.objects.create(channel=site.channel, viewer=site.ann, period="all", messages=1)
    site.redeem(1)
    tell(site.now)
    erase(choices.ask_to_erase(site.ann))
    tell(site.now)
    (gone,) = webhook.deliveries.all()
    assert gone.event == GONE
    assert site.ann.pk not in f"{gone.key}{gone.viewer_id}{gone.event_id}{gone.sealed}{gone.body}"
    assert data_of(gone) == {"channel": site.channel.twitch_id, "viewer": site.ann.pk}


def test_a_transaction_with_thousands_of_awards_is_told_as_a_whole(site, django_assert_max_num_queries):
    """Rules are applied to twenty thousand viewers in one."""
    webhook = site.webhook("achievement.earned")
    make_awards(site, range(1, 3001))
    with django_assert_max_num_queries(25):
        assert tell(site.now) == 3000
    assert tell(site.now) == 0
    assert webhook.deliveries.filter(key=f"{site.ann.pk}:messages:3000").exists()


def test_rows_by_several_columns_are_one_condition_however_many(site):
    make_awards(site, [1, 2])
    keys = [f"{site.ann.pk}:messages:{level}" for level in range(2, 300)]
    rows = Awards().rows(site.channel).filter(Awards().of_keys(keys))
    assert list(rows.values_list("level", flat=True)) == [2]
    assert len(rows.query.where.children) == 2
    assert not Awards().rows(site.channel).filter(Awards().of_keys(["x", "1:2", "\x00:a:1"])).exists()
    assert not Usage().rows(site.channel).filter(Usage().of_keys([f"{site.ann.pk}:7", "x", "\x00:1"])).exists()


def test_only_what_somebody_chose_is_read(site, monkeypatch):
    site.webhook("redemption.new")
    make_awards(site, [1])
    monkeypatch.setattr(KNOWN.by_resource["awards"], "found", None)
    assert tell(site.now) == 0


def test_a_mistake_in_one_channel_keeps_no_other_from_being_told(site, monkeypatch):
    wrong, right = make_channel("wrong"), site.channel
    site.webhook("redemption.new")
    site.channel = wrong
    unlucky = site.webhook("redemption.new")
    for channel in (wrong, right):
        site.redeem(channel.pk, channel=channel)
    found = KNOWN.by_resource["redemptions"].found

    def fail(channel: Channel, entries: Sequence[Entry]) -> Iterable[Found]:
        if channel == wrong:
            raise ValueError("no such thing")
        return found(channel, entries)

    monkeypatch.setattr(KNOWN.by_resource["redemptions"], "found", fail)
    with pytest.raises(NotTold, match=f"channel {wrong.pk} .ValueError"):
        tell(site.now)
    assert list(Delivery.objects.values_list("webhook__channel", flat=True)) == [right.pk]
    monkeypatch.undo()
    tell(site.now)
    assert unlucky.deliveries.count() == 1


def test_where_nothing_happened_it_takes_three_questions(site, django_assert_num_queries):
    for _ in range(20):
        site.webhook()
    with django_assert_num_queries(3):
        tell(site.now)
