"""Every delivery arrives, once its receiver takes it, and no receiver is in another's way."""

import json
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core import mail
from django.utils.dateparse import parse_datetime

from streams import tasks
from streams.models import Delivery, JobRun, Webhook
from streams.sealed import seal
from streams.webhooks import delivering, signing, telling
from streams.webhooks.delivering import (
    AT_ONCE,
    AT_ONCE_TO_FAILING,
    AT_ONCE_TO_FAILING_HOST,
    AT_ONCE_TO_HOST,
    Courier,
    Due,
    choose,
    put_off,
    take,
)
from streams.webhooks.events import KNOWN
from streams.webhooks.sending import post
from streams.webhooks.telling import NotTold, tell_test

pytestmark = pytest.mark.django_db

State = Delivery.State


@pytest.fixture(autouse=True)
def _in_a_hurry(settings):
    settings.WEBHOOK_TIMEOUT_S = 2


class Note:
    """What is told of a row is whatever stands here."""

    resource = "notes"
    events = ("note",)

    def __init__(self):
        self.rows = {}

    def found(self, channel, entries):
        return ()

    def told(self, channel, event, key):
        return self.rows.get(key)


@pytest.fixture
def notes(monkeypatch):
    source = Note()
    monkeypatch.setitem(KNOWN.by_event, "note", source)
    return source.rows


def add_note(webhook, key, at, **fields):
    return Delivery.objects.create(
        **{
            "webhook": webhook,
            "event": "note",
            "event_id": f"note.{key}",
            "key": key,
            "happened_at": at,
            "next_at": at,
            **fields,
        }
    )


def send_all(clock):
    given_up: list[int] = []
    courier = Courier(clock, given_up.append)
    async_to_sync(courier.send_all)()
    return given_up


def states(webhook):
    return list(webhook.deliveries.order_by("pk").values_list("state", flat=True))


def test_a_test_arrives_signed_and_is_written_down(receivers, make_webhook, clock):
    webhook = make_webhook(receivers.url("take"))
    tell_test(webhook, clock())
    send_all(clock)
    (got,) = receivers.got
    sent = json.loads(got.body)
    assert sent["type"] == "webhook.test"
    assert sent["data"] == {"channel": webhook.channel.twitch_id, "message": "This is a test. It arrived."}
    assert parse_datetime(sent["timestamp"]) == clock()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.status, delivery.answer, delivery.attempts) == (State.DONE, 200, "thanks", 1)
    assert delivery.body == sent
    expected = signing.headers([webhook.secret], delivery.event_id, clock(), got.body)
    assert {name: got.headers[name] for name in expected} == expected


def test_one_webhook_is_told_in_order(receivers, make_webhook, clock, notes):
    webhook = make_webhook(receivers.url("take"))
    for number in range(12):
        notes[str(number)] = {"number": number}
        add_note(webhook, str(number), clock())
    send_all(clock)
    assert [json.loads(got.body)["data"]["number"] for got in receivers.got] == list(range(12))


def test_what_fails_comes_again_later_each_time_after_about_twice_as_long(receivers, make_webhook, clock, notes):
    notes["a"] = {}
    delivery = add_note(make_webhook(receivers.url("fail")), "a", clock())
    pauses = []
    for _ in range(40):
        send_all(clock)
        delivery.refresh_from_db()
        if delivery.state != State.WAITING:
            break
        webhook = delivery.webhook
        webhook.refresh_from_db()
        until = max(filter(None, (delivery.next_at, webhook.rests_until)))
        pauses.append((until - clock.now).total_seconds())
        clock.now = until
    assert delivery.state == State.FAILED
    assert 14 <= delivery.attempts <= 20
    assert 8 <= pauses[0] <= 12
    assert all(1.2 < later / sooner < 3.1 for sooner, later in pairwise(pauses[:10]))
    assert max(pauses) <= timedelta(hours=4.8).total_seconds()
    assert timedelta(hours=24) <= clock.now - delivery.made_at <= timedelta(hours=29)


def test_the_same_id_is_sent_with_every_attempt_and_another_time(receivers, make_webhook, clock, notes):
    notes["a"] = {}
    add_note(make_webhook(receivers.url("fail")), "a", clock())
    send_all(clock)
    clock.goes_on(seconds=30)
    send_all(clock)
    first, second = (got.headers for got in receivers.got)
    assert first["webhook-id"] == second["webhook-id"] == "note.a"
    assert first["webhook-timestamp"] != second["webhook-timestamp"]


def test_what_is_behind_one_that_failed_goes_on(receivers, make_webhook, clock, notes):
    notes |= {"a": {}, "b": {}}
    webhook = make_webhook(receivers.url("fail"))
    add_note(webhook, "a", clock())
    send_all(clock)
    receivers.is_well = True
    add_note(webhook, "b", clock())
    send_all(clock)
    assert states(webhook) == [State.WAITING, State.DONE]
    clock.goes_on(seconds=12)
    send_all(clock)
    assert states(webhook) == [State.DONE, State.DONE]


def test_a_webhook_that_fails_again_and_again_rests(receivers, make_webhook, clock, notes):
    webhook = make_webhook(receivers.url("fail"))
    for number in range(30):
        notes[str(number)] = {}
        add_note(webhook, str(number), clock())
    send_all(clock)
    assert len(receivers.got) == 3
    webhook.refresh_from_db()
    assert webhook.rests_until > clock()


def test_one_that_is_back_is_told_everything_at_once_and_in_order(receivers, make_webhook, clock, notes):
    webhook = make_webhook(receivers.url("fail"))
    for number in range(6):
        notes[str(number)] = {"number": number}
        add_note(webhook, str(number), clock(), attempts=9, next_at=clock())
    send_all(clock)
    receivers.got.clear()
    receivers.is_well = True
    clock.goes_on(seconds=13)
    send_all(clock)
    assert set(states(webhook)) == {State.DONE}
    assert sorted(json.loads(got.body)["data"]["number"] for got in receivers.got) == list(range(6))
    webhook.refresh_from_db()
    assert (webhook.failures, webhook.failing_since, webhook.rests_until) == (0, None, None)


def test_who_asks_to_be_left_alone_is_left_alone(receivers, make_webhook, clock, notes):
    notes["a"] = {}
    webhook = make_webhook(receivers.url("busy"))
    add_note(webhook, "a", clock())
    send_all(clock)
    clock.goes_on(seconds=1190)
    send_all(clock)
    assert len(receivers.got) == 1
    clock.goes_on(seconds=20)
    send_all(clock)
    assert len(receivers.got) == 2


def test_one_that_is_gone_is_told_of_nothing_more(receivers, make_webhook, clock, notes):
    notes["a"] = {}
    webhook = make_webhook(receivers.url("gone"))
    add_note(webhook, "a", clock())
    assert send_all(clock) == [webhook.pk]
    webhook.refresh_from_db()
    assert webhook.disabled_at == clock()
    assert "410" in webhook.problem
    clock.goes_on(hours=1)
    send_all(clock)
    assert len(receivers.got) == 1


def test_one_that_takes_nothing_for_three_days_is_given_up(receivers, make_webhook, clock, notes):
    webhook = make_webhook(receivers.url("fail"))
    for hour in range(0, 80, 8):
        notes[str(hour)] = {}
        add_note(webhook, str(hour), clock())
        given_up = send_all(clock)
        webhook.refresh_from_db()
        assert bool(webhook.disabled_at) == (hour >= 72) == bool(given_up)
        if given_up:
            break
        clock.goes_on(hours=8)
    assert "for three days" in webhook.problem
    assert "It answered 500" in webhook.problem


def test_a_few_failures_long_apart_are_no_reason_to_give_up(receivers, make_webhook, clock, notes):
    webhook = make_webhook(receivers.url("fail"))
    notes |= {"a": {}, "b": {}}
    add_note(webhook, "a", clock())
    send_all(clock)
    Delivery.objects.update(state=State.FAILED, next_at=None)
    add_note(webhook, "b", clock.goes_on(days=5))
    assert send_all(clock) == []


def test_whoever_made_it_is_told_by_mail_that_it_was_given_up(make_webhook, django_user_model):
    webhook = make_webhook("https://example.org/", made_by=django_user_model.objects.create(email="ann@example.org"))
    Webhook.objects.update(problem="It is gone.")
    assert tasks.mail_about_webhook(webhook.pk) == "told by mail"
    assert mail.outbox[0].to == ["ann@example.org"]
    assert "It is gone." in mail.outbox[0].body


def test_who_is_named_there_is_told_and_else_who_made_it_and_else_whoever_runs_the_site(
    make_webhook, django_user_model, settings
):
    """Whoever logged in with Twitch has no address here."""
    settings.CONTACT = "site@example.org"
    by = django_user_model.objects.create()
    told = [make_webhook("https://example.org/", made_by=by, mail=mail) for mail in ("bot@example.org", "")]
    for webhook in told:
        tasks.mail_about_webhook(webhook.pk)
    assert [message.to for message in mail.outbox] == [["bot@example.org"], ["site@example.org"]]


def test_without_an_address_nobody_is_told_by_mail(make_webhook):
    assert tasks.mail_about_webhook(make_webhook("https://example.org/").pk) == "no address is known"


def test_what_is_not_for_everybody_any_more_is_not_sent(receivers, make_webhook, clock, notes):
    notes |= {"a": {"who": "ann"}, "b": {"who": "bob"}}
    webhook = make_webhook(receivers.url("fail"))
    for key in notes:
        add_note(webhook, key, clock())
    send_all(clock)
    receivers.got.clear()
    receivers.is_well = True
    del notes["a"]
    clock.goes_on(minutes=1)
    send_all(clock)
    assert [json.loads(got.body)["data"]["who"] for got in receivers.got] == ["bob"]
    gone = webhook.deliveries.get(key="a")
    assert (gone.state, gone.body, gone.answer) == (State.GONE, None, "")


@pytest.mark.parametrize("status", [200, 500])
def test_of_what_is_sealed_no_answer_is_kept_for_it_may_repeat_it(receivers, make_webhook, clock, notes, status):
    webhook = make_webhook(receivers.url(f"echo/{status}"))
    notes["1001"] = {"viewer": "1001"}
    add_note(webhook, "", clock(), event_id="sealed", sealed=seal("1001"))
    add_note(webhook, "1001", clock(), event_id="plain")
    send_all(clock)
    assert all(b"1001" in got.body for got in receivers.got)
    kept = dict(webhook.deliveries.values_list("event_id", "answer"))
    assert kept["sealed"] == ""
    assert "1001" in kept["plain"]


def test_what_is_sealed_and_cannot_be_told_any_more_names_nobody_from_then_on(receivers, make_webhook, clock, notes):
    gone = add_note(make_webhook(receivers.url("take")), "", clock(), event_id="sealed", sealed=seal("1001"))
    send_all(clock)
    gone.refresh_from_db()
    assert (gone.state, gone.sealed, receivers.got) == (State.GONE, "", [])


def test_a_delivery_that_is_deleted_while_it_is_sent_does_not_come_back(
    receivers, make_webhook, clock, notes, monkeypatch
):
    notes["a"] = {}
    add_note(make_webhook(receivers.url("take")), "a", clock())

    async def erased_meanwhile(*args):
        await sync_to_async(Delivery.objects.all().delete)()
        return await post(*args)

    monkeypatch.setattr("streams.webhooks.delivering.post", erased_meanwhile)
    send_all(clock)
    assert len(receivers.got) == 1
    assert not Delivery.objects.exists()


def test_one_that_was_switched_off_is_told_nothing(receivers, make_webhook, clock, notes):
    notes["a"] = {}
    webhook = make_webhook(receivers.url("take"))
    add_note(webhook, "a", clock())
    Webhook.objects.update(is_on=False)
    send_all(clock)
    assert receivers.got == []
    assert states(webhook) == [State.WAITING]


def test_who_hangs_delays_nobody(receivers, make_webhook, clock, notes, settings):
    """Those that hang let go when all of the others arrived; if these waited for them, both would wait for ever."""
    settings.WEBHOOK_TIMEOUT_S = 20
    receivers.hang_until = 30
    hanging = [make_webhook(receivers.url("hang")) for _ in range(AT_ONCE_TO_HOST - 1)]
    well = make_webhook(receivers.url("take"))
    for number in range(30):
        notes[str(number)] = {}
        add_note(well, str(number), clock())
    for webhook in hanging:
        add_note(webhook, "0", clock() - timedelta(minutes=1))
    send_all(clock)
    assert states(well) == [State.DONE] * 30
    assert {status for webhook in hanging for status in webhook.deliveries.values_list("status", flat=True)} == {200}


def test_however_many_hang_again_and_again_who_answers_is_told_while_they_do(
    receivers, make_webhook, clock, notes, settings
):
    settings.WEBHOOK_TIMEOUT_S = 20
    receivers.hang_until = 20
    hanging = [make_webhook(receivers.url("hang")) for _ in range(AT_ONCE + 10)]
    well = make_webhook(receivers.url("take"))
    Webhook.objects.filter(pk__in=[webhook.pk for webhook in hanging]).update(failures=1)
    for number in range(20):
        notes[str(number)] = {}
        add_note(well, str(number), clock())
    for webhook in hanging:
        add_note(webhook, "0", clock() - timedelta(minutes=1))
    send_all(clock)
    assert states(well) == [State.DONE] * 20
    assert receivers.paths()[:3].count("/take") >= 1


def test_a_worker_that_is_killed_leaves_its_delivery_to_the_next(receivers, make_webhook, clock, notes):
    notes["a"] = {}
    delivery = add_note(make_webhook(receivers.url("take")), "a", clock())
    assert take(delivery.pk, clock())
    assert take(delivery.pk, clock()) is None
    clock.goes_on(minutes=3)
    send_all(clock)
    assert len(receivers.got) == 1


def test_a_mistake_of_ours_in_one_keeps_no_other_from_being_sent_and_is_not_hidden(
    receivers, make_webhook, clock, notes, monkeypatch
):
    def told(channel, event, key):
        return {} if key == "b" else 1 / 0

    monkeypatch.setattr(KNOWN.by_event["note"], "told", told)
    webhook = make_webhook(receivers.url("take"))
    for key in "ab":
        add_note(webhook, key, clock())
    with pytest.raises(ZeroDivisionError):
        send_all(clock)
    assert states(webhook) == [State.WAITING, State.DONE]
    assert "mistake of this server" in webhook.deliveries.get(key="a").problem


def test_what_cannot_be_told_of_one_channel_keeps_nothing_from_being_sent_and_is_not_hidden(
    receivers, make_webhook, clock, monkeypatch
):
    def tell(now):
        raise NotTold("Nothing could be told of channel 7")

    monkeypatch.setattr(delivering, "tell", tell)
    monkeypatch.setattr(delivering, "LOOK_EVERY_S", 0.01)
    webhook = make_webhook(receivers.url("take"))
    tell_test(webhook, clock())
    with pytest.raises(NotTold, match="channel 7"):
        async_to_sync(Courier(clock).work)(0.05)
    assert states(webhook) == [State.DONE]


def due_of(number, host="one", failing=False):
    return Due(number, number, host, failing)


def test_so_many_are_on_their_way_at_once_and_no_more():
    busy = [due_of(number, f"host{number}") for number in range(30)]
    waiting = [due_of(number, f"host{number}") for number in range(100, 200)]
    assert len(choose(waiting, busy)) == AT_ONCE - 30


def test_a_few_are_on_their_way_to_one_host():
    assert len(choose([due_of(number) for number in range(20)], [due_of(99)])) == AT_ONCE_TO_HOST - 1


def test_those_of_a_host_that_fail_leave_room_to_those_of_it_that_do_not():
    failing = [due_of(number, failing=True) for number in range(20)]
    well = [due_of(number) for number in range(100, 120)]
    chosen = choose([*failing, *well], [])
    assert Counter(each.is_failing for each in chosen) == {
        True: AT_ONCE_TO_FAILING_HOST,
        False: AT_ONCE_TO_HOST - AT_ONCE_TO_FAILING_HOST,
    }


def test_those_that_fail_have_a_part_of_the_places():
    waiting = [due_of(number, f"host{number}", failing=True) for number in range(100)]
    well = [due_of(number, f"host{number}") for number in range(100, 200)]
    chosen = Counter(each.is_failing for each in choose([*waiting, *well], []))
    assert chosen == {True: AT_ONCE_TO_FAILING, False: AT_ONCE - AT_ONCE_TO_FAILING}


def test_what_was_delivered_weeks_ago_is_forgotten(make_webhook, clock, monkeypatch):
    monkeypatch.setattr(telling, "FORGOTTEN_AT_ONCE", 2)
    webhook = make_webhook("https://example.org/")
    for number in range(5):
        add_note(webhook, str(number), clock())
    Delivery.objects.update(made_at=clock() - timedelta(days=15))
    kept = add_note(webhook, "kept", clock())
    assert tasks.forget_deliveries() == "5 forgotten"
    assert list(Delivery.objects.all()) == [kept]


def test_the_job_has_nothing_to_do_where_nobody_is_to_be_told(redis_client):
    assert tasks.tell_webhooks() == "nobody is to be told"
    assert JobRun.objects.get().outcome == JobRun.Outcome.DONE


def test_the_job_sends_what_is_due(redis_client, receivers, make_webhook, clock, monkeypatch):
    monkeypatch.setattr(tasks, "WEBHOOK_RUN_S", 0.01)
    tell_test(make_webhook(receivers.url("take")), clock())
    assert tasks.tell_webhooks() == "1 taken, 0 failed"


def test_put_off_is_not_sent_again_at_once(make_webhook, clock, notes):
    delivery = add_note(make_webhook("https://example.org/"), "a", clock())
    put_off(delivery.pk, clock())
    assert take(delivery.pk, clock()) is None
