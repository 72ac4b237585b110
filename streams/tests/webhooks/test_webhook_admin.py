"""Owners make webhooks and see what came of them; nobody else does, and no secret is shown twice."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from social_django.models import UserSocialAuth

from streams.models import AuditEntry, ChannelModerator, Delivery, Webhook
from streams.reach import PROVIDER
from streams.tests.cast import make_channel
from streams.webhookadmin import ENTERING, MOST_OF_CHANNEL
from streams.webhooks import guard, signing
from streams.webhooks.telling import begin

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

NOW = datetime.now(UTC)
ADD = "/admin/streams/webhook/add/"
LIST = "/admin/streams/webhook/"
CHOSEN = {"url": "https://example.org/hook", "events": ["stream.online", "viewer.gone"]}


def login(twitch_id):
    user = User.objects.create_user(twitch_id)
    UserSocialAuth.objects.create(user=user, provider=PROVIDER, uid=twitch_id)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def owner(channel):
    return login(channel.twitch_id)


@pytest.fixture
def moderator(channel):
    ChannelModerator.objects.create(channel=channel, twitch_id="22", since=NOW, told_at=NOW)
    return login("22")


@pytest.fixture
def webhook(channel):
    made = Webhook(
        channel=channel, url="https://example.org/hook", events=["stream.online"], secret=signing.make_secret()
    )
    begin(made, NOW)
    made.save()
    return made


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """Every name is public, but one."""

    def look_up(host, port, family):
        return [(2, 1, 6, "", ("10.0.0.1" if host.startswith("inside") else "8.8.8.8", port))]

    monkeypatch.setattr(guard, "look_up", look_up)


def deed(webhook, name):
    return reverse(f"admin:streams_webhook_{name}", args=[webhook.pk])


def page(webhook):
    return reverse("admin:streams_webhook_change", args=[webhook.pk])


def test_where_there_is_one_channel_it_is_chosen(channel, owner):
    page = owner.get(ADD).content.decode()
    assert f'<option value="{channel.pk}" selected>' in page
    assert "Save and" not in page
    make_channel("other")
    root = Client()
    root.force_login(User.objects.create_superuser("root"))
    assert re.search(r'<option value="" selected>', root.get(ADD).content.decode())


def test_an_owner_makes_one_and_sees_its_secret_once(owner, channel):
    made = owner.post(ADD, {"channel": channel.pk, **CHOSEN})
    webhook = Webhook.objects.get()
    assert webhook.secret in made.content.decode()
    assert (webhook.events, webhook.is_on) == (CHOSEN["events"], True)
    assert webhook.made_by == User.objects.get(username=channel.twitch_id)
    for address in (page(webhook), LIST):
        assert "whsec_" not in owner.get(address).content.decode()


def test_the_secret_is_in_no_entry_of_the_audit_log(owner, channel):
    owner.post(ADD, {"channel": channel.pk, **CHOSEN})
    webhook = Webhook.objects.get()
    owner.post(deed(webhook, "rotate"))
    owner.post(reverse("admin:streams_webhook_delete", args=[webhook.pk]), {"post": "yes"})
    assert not Webhook.objects.exists()
    entries = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert entries == ["webhook.add", "webhook.rotate", "webhook.delete"]
    assert not any("whsec_" in str(entry.detail) for entry in AuditEntry.objects.all())


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"url": "http://example.org/"}, "begin with https://"),
        ({"url": "https://inside.example.org/"}, "not known to everybody"),
        ({"url": "https://127.0.0.1/"}, "could reach"),
        ({"url": "https://me:secret@example.org/"}, "password"),
        ({"events": []}, "required"),
        ({"events": ["messages"]}, "valid choice"),
    ],
)
def test_what_cannot_be_is_refused_in_words(owner, channel, chosen, words):
    answer = owner.post(ADD, {"channel": channel.pk, **CHOSEN, **chosen})
    assert words in answer.content.decode()
    assert not Webhook.objects.exists()


def test_an_owner_has_so_many_names_looked_up_and_no_more(owner, channel, webhook, monkeypatch):
    looked_up: list[str] = []
    monkeypatch.setattr(guard, "check_now", looked_up.append)
    monkeypatch.setattr("streams.webhookadmin.ENTERING", ENTERING._replace(most=2))

    def enter(url, at=ADD):
        chosen = {"channel": channel.pk, **CHOSEN, "url": url, "events": []}
        return "You entered this many addresses" in owner.post(at, chosen).content.decode()

    assert not any(enter(f"https://{wrong}/") for wrong in ("10.0.0.1", "me:secret@example.org", "nothing"))
    told = [
        enter("https://example.org/1"),
        enter("https://example.org/2", page(webhook)),
        enter("https://example.org/3"),
    ]
    assert told == [False, False, True]
    assert looked_up == ["https://example.org/1", "https://example.org/2"]
    assert not enter(webhook.url, page(webhook))


def test_a_channel_has_so_many_and_no_more(owner, channel):
    Webhook.objects.bulk_create(
        Webhook(channel=channel, url=f"https://example.org/{number}", events=[], secret="")
        for number in range(MOST_OF_CHANNEL)
    )
    answer = owner.post(ADD, {"channel": channel.pk, **CHOSEN})
    assert "Delete one of them first" in answer.content.decode()


def test_an_owner_makes_none_for_another_channel(owner):
    answer = owner.post(ADD, {"channel": make_channel("other").pk, **CHOSEN})
    assert answer.status_code == 200
    assert not Webhook.objects.exists()


def test_changing_it_leaves_alone_what_whoever_sends_has_written(owner, webhook):
    Webhook.objects.update(told_until=99, failures=2)
    owner.post(page(webhook), {"url": webhook.url, "events": ["stream.offline"]})
    webhook.refresh_from_db()
    assert (webhook.events, webhook.told_until, webhook.failures) == (["stream.offline"], 99, 2)


def test_another_address_begins_without_failures(owner, webhook):
    Webhook.objects.update(failures=9, rests_until=NOW + timedelta(hours=1), failing_since=NOW)
    owner.post(page(webhook), {"url": "https://example.org/other", "events": ["stream.online"]})
    webhook.refresh_from_db()
    assert (webhook.failures, webhook.rests_until, webhook.failing_since) == (0, None, None)


def test_it_is_switched_off_and_on_again(owner, webhook):
    owner.post(deed(webhook, "off"))
    webhook.refresh_from_db()
    assert not webhook.is_on
    Webhook.objects.update(disabled_at=NOW, problem="It is gone.", failures=7)
    assert "It is gone." in owner.get(LIST).content.decode()
    owner.post(deed(webhook, "on"))
    webhook.refresh_from_db()
    assert (webhook.is_on, webhook.disabled_at, webhook.problem, webhook.failures) == (True, None, "", 0)
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == ["webhook.off", "webhook.on"]


def test_another_secret_is_shown_once_and_the_one_before_holds_for_a_day(owner, webhook):
    before = webhook.secret
    shown = owner.post(deed(webhook, "rotate")).content.decode()
    webhook.refresh_from_db()
    assert webhook.secret in shown
    assert before not in shown
    assert webhook.old_secret == before


def test_a_test_waits_to_be_sent(owner, webhook):
    owner.post(deed(webhook, "test"))
    delivery = Delivery.objects.get()
    assert (delivery.event, delivery.state) == ("webhook.test", "waiting")
    assert AuditEntry.objects.get().action == "webhook.test"


def test_the_next_test_is_for_when_the_one_before_arrived(owner, webhook):
    answers = [owner.post(deed(webhook, "test"), follow=True).content.decode() for _ in range(3)]
    refused = ["A test of it waits already" in answer for answer in answers]
    assert refused == [False, True, True]
    assert Delivery.objects.count() == AuditEntry.objects.count() == 1
    Delivery.objects.update(state="done")
    owner.post(deed(webhook, "test"))
    assert Delivery.objects.count() == 2


@pytest.mark.parametrize("name", ["test", "rotate", "on", "off"])
def test_looking_at_a_question_does_nothing(owner, webhook, name):
    assert owner.get(deed(webhook, name)).status_code == 200
    again = Webhook.objects.get()
    assert (again.secret, again.is_on) == (webhook.secret, True)
    assert not AuditEntry.objects.exists()
    assert not Delivery.objects.exists()


def make_delivery(webhook, **fields):
    return Delivery.objects.create(
        **{"webhook": webhook, "event": "stream.online", "event_id": "stream.online.s1", "state": "done"}
        | {"body": {"type": "stream.online", "data": "<script>alert(1)</script>"}, "answer": "<img src=x>", **fields}
    )


def test_a_delivery_shows_what_was_sent_and_answered_and_runs_none_of_it(owner, webhook):
    delivery = make_delivery(webhook)
    shown = owner.get(reverse("admin:streams_delivery_change", args=[delivery.pk])).content.decode()
    assert "&lt;script&gt;alert(1)" in shown
    assert "&lt;img src=x&gt;" in shown
    assert "<script>alert(1)" not in shown
    assert "<img src=x>" not in shown


def test_a_delivery_is_sent_again(owner, webhook):
    delivery = make_delivery(webhook)
    resend = reverse("admin:streams_delivery_resend", args=[delivery.pk])
    assert owner.get(resend).status_code == 200
    owner.post(resend)
    delivery.refresh_from_db()
    assert delivery.state == "waiting"
    assert delivery.next_at is not None
    assert AuditEntry.objects.get().action == "delivery.resend"


def test_deliveries_are_those_of_one_webhook(owner, webhook, channel):
    other = Webhook.objects.create(channel=channel, url="https://example.org/other", events=[], secret="")
    make_delivery(webhook)
    make_delivery(other, event_id="stream.online.s2", event="stream.offline")
    shown = owner.get(f"/admin/streams/delivery/?webhook={other.pk}").content.decode()
    assert re.findall(r"stream\.(online|offline)</a>", shown) in (["offline"], [])
    assert "stream.offline" in shown
    assert "stream.online" not in shown


def test_nobody_but_owners_and_superusers_has_anything_to_do_with_them(moderator, channel, webhook):
    delivery = make_delivery(webhook)
    resend = reverse("admin:streams_delivery_resend", args=[delivery.pk])
    superuser, elsewhere = Client(), login(make_channel("other").twitch_id)
    superuser.force_login(User.objects.create_superuser("root"))
    pages = [page(webhook), resend, *(deed(webhook, name) for name in ("test", "rotate", "on", "off"))]
    pages.append(reverse("admin:streams_delivery_change", args=[delivery.pk]))
    for address in pages:
        assert superuser.get(address).status_code == 200
        assert moderator.get(address).status_code in {302, 403, 404}, address
        assert elsewhere.get(address).status_code in {302, 403, 404}, address
        assert Client().get(address).status_code == 302
    for name in ("test", "rotate", "on", "off"):
        for client in (moderator, elsewhere, Client()):
            assert client.post(deed(webhook, name)).status_code in {302, 403, 404}
    again = Webhook.objects.get()
    assert (again.secret, again.is_on) == (webhook.secret, True)
    assert Delivery.objects.count() == 1
    assert moderator.get(LIST).status_code == 403
    assert webhook.url not in elsewhere.get(LIST).content.decode()


def test_lists_ask_the_same_however_long_they_are(owner, channel, webhook, django_assert_max_num_queries):
    for number in range(5):
        other = Webhook.objects.create(channel=channel, url=f"https://example.org/{number}", events=[], secret="")
        make_delivery(webhook, event_id=f"e{number}")
        make_delivery(other)
    for address in (LIST, "/admin/streams/delivery/", page(webhook)):
        with django_assert_max_num_queries(12):
            assert owner.get(address).status_code == 200


def test_the_first_page_tells_an_owner_what_was_given_up(owner, moderator, webhook):
    Webhook.objects.update(disabled_at=NOW, problem="It is gone.")
    assert "It is gone." in owner.get("/admin/").content.decode()
    assert "It is gone." not in moderator.get("/admin/").content.decode()
