"""Keys of the API: made, shown once, known again, rotated, and out at once when they are taken back."""

import threading
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis import Redis
from rest_framework.request import Request

from chat.tests.api.world import bearer, make_world, under
from chat.tests.everything import make_user
from streams import filters
from streams.api import keys, limits, quota, requestlog
from streams.api.access import TRYING, KeyAuthentication
from streams.api.problems import Problem
from streams.models import ApiKey, ApiRequest, AuditEntry, Change, ChannelModerator
from streams.tests.cast import make_channel

pytestmark = pytest.mark.django_db

LIST = under() + "streams/"


@pytest.fixture(autouse=True)
def world(redis_client, monkeypatch):
    monkeypatch.setattr(keys, "keyring", keys.Keyring())
    monkeypatch.setattr("streams.api.access.keyring", keys.keyring)
    return make_world()


@pytest.fixture
def owner(world):
    return make_user(world.channel.twitch_id)


def made(world, **fields):
    return keys.make(None, **{"channel": world.channel, "name": "mine", "scopes": ["read"], **fields})


def status(client, key, address=LIST, **headers):
    return client.get(address, headers={**bearer(key.secret), **headers}).status_code


def is_out(ring, key):
    """Whether a process knows that a key was taken back."""
    found = ring.find(key.secret)
    assert found is not None
    return found.revoked_at is not None


def test_a_key_is_stored_as_its_hash_alone(world):
    key = made(world)
    row = ApiKey.objects.values().get()
    assert key.secret.startswith("ss_")
    assert len(key.secret) - 3 >= 160 / 4
    assert key.secret not in str(row)
    assert row["prefix"] == key.secret[:11]


def test_a_key_that_is_taken_back_is_out_with_its_next_request(client, world, django_capture_on_commit_callbacks):
    key = made(world)
    assert status(client, key) == 200
    with django_capture_on_commit_callbacks(execute=True):
        keys.revoke(None, key.key)
    assert status(client, key) == 401


def test_another_process_hears_of_it_too(world, django_capture_on_commit_callbacks):
    key, elsewhere = made(world), keys.Keyring()
    assert not is_out(elsewhere, key)
    with django_capture_on_commit_callbacks(execute=True):
        keys.revoke(None, key.key)
    assert is_out(elsewhere, key)


def test_while_redis_is_away_a_key_is_remembered_for_a_second(world, settings, monkeypatch):
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    key, ring, now = made(world), keys.Keyring(), time.monotonic()
    ring.find(key.secret)
    ApiKey.objects.update(revoked_at=timezone.now())
    monkeypatch.setattr(time, "monotonic", lambda: now + 0.5)
    assert not is_out(ring, key)
    monkeypatch.setattr(time, "monotonic", lambda: now + 2)
    assert is_out(ring, key)


def test_a_known_key_costs_no_query_and_less_than_two_milliseconds(world, django_assert_num_queries):
    key, ring = made(world), keys.Keyring()
    ring.find(key.secret)
    took = []
    with django_assert_num_queries(0):
        for _ in range(50):
            began = time.perf_counter()
            ring.find(key.secret)
            took.append(time.perf_counter() - began)
    assert sorted(took)[25] < 0.002


def test_a_known_key_is_counted_and_known_again_in_one_question_to_redis(client, world, monkeypatch):
    key = made(world)
    status(client, key)
    asked, execute = [], Redis.execute_command

    def note(redis, command, *args, **options):
        asked.append(command)
        return execute(redis, command, *args, **options)

    monkeypatch.setattr(Redis, "execute_command", note)
    assert status(client, key) == 200
    assert asked == ["EVAL", "RPUSH"]  # and what it asked for is noted


def test_a_key_that_was_read_while_redis_was_away_is_read_again_where_redis_came_back_empty(world, settings, rf):
    key, url, settings.REDIS_URL = made(world), settings.REDIS_URL, "unix:///nowhere/redis.sock"
    keys.keyring.find(key.secret)
    settings.REDIS_URL = url
    ApiKey.objects.update(revoked_at=timezone.now())
    with pytest.raises(Problem, match="taken back"):
        KeyAuthentication().authenticate(Request(rf.get(LIST, headers=bearer(key.secret))))


def test_a_request_that_finds_its_key_changed_is_counted_once(client, world):
    key = made(world, per_minute=5)
    status(client, key)
    keys._forget()
    answer = client.get(LIST, headers=bearer(key.secret))
    assert answer["RateLimit-Remaining"] == "3"


def test_a_key_runs_out(client, world):
    assert status(client, made(world, expires_at=timezone.now() - timedelta(seconds=1))) == 401


def test_two_keys_work_until_the_old_one_ends(client, world, django_capture_on_commit_callbacks):
    old = made(world, networks=["127.0.0.0/8"], per_minute=7)
    with django_capture_on_commit_callbacks(execute=True):
        new = keys.rotate(None, old.key, timezone.now() + timedelta(days=1))
    assert (status(client, old), status(client, new)) == (200, 200)
    assert (new.key.networks, new.key.per_minute) == (["127.0.0.0/8"], 7)
    ApiKey.objects.filter(pk=old.key.pk).update(expires_at=timezone.now())
    keys._forget()
    assert (status(client, old), status(client, new)) == (401, 200)


def test_a_key_is_rotated_once(world):
    old = made(world)
    keys.rotate(None, old.key, timezone.now())
    with pytest.raises(ValueError, match="in its place"):
        keys.rotate(None, old.key, timezone.now())


def test_a_key_is_used_from_its_networks_alone(client, settings, world):
    settings.TRUST_PROXY = True
    key = made(world, networks=["203.0.113.0/24", "2001:db8::/32"])
    told = {"203.0.113.9": 200, "2001:db8::1": 200, "203.0.114.9": 401, "1.2.3.4, 203.0.113.9": 200, "nobody": 401}
    assert {
        address: status(client, key, **{"X-Forwarded-For": address, "X-Forwarded-Proto": "https"}) for address in told
    } == told


def test_a_key_has_so_many_requests_in_a_minute(client, world):
    key = made(world, per_minute=2)
    answers = [client.get(LIST, headers=bearer(key.secret)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer["RateLimit-Limit"] for answer in answers} == {"2"}
    assert answers[-1]["Retry-After"] == answers[-1]["RateLimit-Reset"]
    assert answers[-1].json()["code"] == "too_many_requests"


def test_an_address_without_a_key_has_fewer(client, settings, world):
    settings.API_PER_MINUTE, settings.TRUST_PROXY = 1, True
    mine, yours = ({"X-Forwarded-For": address} for address in ("9.9.9.9", "8.8.8.8"))
    told = [client.get(LIST, headers=headers).status_code for headers in (mine, mine, yours)]
    assert told == [200, 429, 200]


def test_addresses_of_one_ipv6_network_are_one(client, settings, world):
    settings.API_PER_MINUTE, settings.TRUST_PROXY = 1, True
    addresses = ("2606:4700::1", "2606:4700::2", "2606:4700:0:1::1")
    told = [client.get(LIST, headers={"X-Forwarded-For": address}).status_code for address in addresses]
    assert told == [200, 429, 200]


def test_wrong_keys_are_counted_to_their_address(client, settings, world):
    settings.API_PER_MINUTE, settings.TRUST_PROXY = 1, True
    headers = {"X-Forwarded-For": "9.9.9.9", **bearer("ss_" + "0" * 48)}
    assert [client.get(LIST, headers=headers).status_code for _ in range(2)] == [401, 429]


def test_keys_that_are_tried_one_after_the_other_are_not_looked_up_for_ever(
    client, settings, monkeypatch, django_assert_num_queries
):
    settings.TRUST_PROXY = True
    monkeypatch.setattr("streams.api.access.TRYING", TRYING._replace(most=2))

    def tried(number):
        headers = {"X-Forwarded-For": "9.9.9.9", **bearer(f"ss_{number:048}")}
        return client.get(LIST, headers=headers)

    assert [tried(number).status_code for number in range(2)] == [401, 401]
    with django_assert_num_queries(0):
        refused = tried(3)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert refused["Retry-After"]


def test_a_day_has_so_many_and_its_owner_is_told_once_before(client, world, admin_user):
    admin_user.email = "owner@example.org"
    admin_user.save()
    key = keys.make(admin_user, channel=world.channel, name="mine", scopes=["read"], per_day=10)
    told = [status(client, key) for _ in range(12)]
    assert told == [200] * 10 + [429] * 2
    assert [(message.subject[-35:], message.to) for message in mail.outbox] == [
        ("mine has used 90 % of today's requests"[-35:], ["owner@example.org"]),
        ("mine has used all of today's requests"[-35:], ["owner@example.org"]),
    ]
    today = datetime.now(UTC).date()
    changes = Change.objects.filter(resource="quota").order_by("pk").values_list("key", flat=True)
    assert list(changes) == [f"{key.key.pk}:{today}:90", f"{key.key.pk}:{today}:100"]


def test_a_request_over_its_minute_is_not_counted_to_the_day_even_for_a_moment(world, redis_client):
    """Or it might be told the number at which the owner is to be warned, and nobody else is."""
    key = made(world, per_minute=1).key
    limits.count(key)
    (name,) = redis_client.keys(f"{limits.PREFIX}{key.pk}:day:*")
    is_over, seen = threading.Event(), set()

    def refuse():
        for _ in range(100):
            limits.count(key)
        is_over.set()

    refused = threading.Thread(target=refuse)
    refused.start()
    while not is_over.is_set():
        seen.add(redis_client.get(name))
    refused.join()
    assert seen == {b"1"}


def test_while_the_queue_is_away_a_mark_is_told_to_webhooks_and_the_request_is_answered(client, world, monkeypatch):
    def fail(*_):
        raise OperationalError("no broker")

    monkeypatch.setattr("streams.tasks.tell_quota.delay", fail)
    assert status(client, made(world, per_day=1)) == 200
    assert Change.objects.filter(resource="quota").count() == 2


def test_whoever_a_key_names_is_told_and_so_they_are_after_it_was_rotated(world, settings):
    settings.CONTACT = "site@example.org"
    old = made(world, mail="bot@example.org").key
    for key in (old, keys.rotate(None, old, timezone.now()).key, made(world).key):
        quota.quota_reached(key, 90, date(2026, 5, 1))
    assert [message.to for message in mail.outbox] == [["bot@example.org"]] * 2 + [["site@example.org"]]


def test_where_no_address_is_known_only_webhooks_are_told(world):
    quota.quota_reached(made(world).key, 90, date(2026, 5, 1))
    assert not mail.outbox
    assert Change.objects.filter(resource="quota").count() == 1


def test_while_redis_is_away_nobody_is_counted(world, settings):
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    key = made(world, per_minute=0).key
    assert not limits.of_key(key, limits.count(key)).is_spent


def test_what_a_key_asked_for_is_written_down_by_a_job_and_not_by_the_request(
    client, world, django_assert_max_num_queries
):
    key = made(world)
    client.get(LIST, headers=bearer(key.secret))
    client.get(under() + "messages/", {"q": "secret"}, headers=bearer(key.secret))
    assert not ApiRequest.objects.exists()
    with django_assert_max_num_queries(8):
        assert requestlog.store() == 2
    rows = list(ApiRequest.objects.order_by("pk").values_list("method", "route", "status"))
    assert rows == [("GET", "list_streams", 200), ("GET", "list_messages", 403)]
    key.key.refresh_from_db()
    assert key.key.used_at is not None
    assert requestlog.store() == 0


def test_what_is_noted_while_others_are_written_down_is_neither_lost_nor_written_twice(
    world, redis_client, monkeypatch
):
    monkeypatch.setattr(requestlog, "MOST_NOTED", 2)
    key, write = made(world).key, requestlog._store

    def note(route):
        requestlog.note(key.pk, "GET", route, 200, 1, 1)

    def store(entries):
        if len(entries) == 2:
            note("c")
        return write(entries)

    monkeypatch.setattr(requestlog, "_store", store)
    note("a")
    note("b")
    assert requestlog.store() == 3
    assert list(ApiRequest.objects.order_by("pk").values_list("route", flat=True)) == ["a", "b", "c"]


def test_what_cannot_be_written_down_is_there_the_next_time(world, redis_client, monkeypatch):
    key = made(world).key
    for route in "ab":
        requestlog.note(key.pk, "GET", route, 200, 1, 1)
    with monkeypatch.context() as broken:
        broken.setattr(requestlog, "_store", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            requestlog.store()
    assert requestlog.store() == 2
    assert list(ApiRequest.objects.order_by("pk").values_list("route", flat=True)) == ["a", "b"]


def test_requests_of_a_key_that_is_gone_are_not_written_down(client, world):
    key = made(world)
    status(client, key)
    ApiKey.objects.all().delete()
    assert requestlog.store() == 0


def test_requests_are_forgotten_after_a_month(world):
    key, now = made(world).key, timezone.now()
    for days in (29, 31):
        ApiRequest.objects.create(
            key=key, at=now - timedelta(days=days), method="GET", route="x", status=200, took_ms=1
        )
    assert requestlog.forget(now) == 1


# In the administration


def form(world, **fields):
    return {"channel": world.channel.pk, "name": "For the overlay", "scopes": ["read"], "networks": "", **fields}


def test_an_owner_makes_a_key_that_is_shown_once(client, owner, world):
    client.force_login(owner)
    page = client.post(reverse("admin:streams_apikey_add"), form(world, networks="203.0.113.7\n2001:db8::/32"))
    key = ApiKey.objects.get()
    secret = page.context["secret"]
    assert keys.digest_of(secret) == key.digest
    assert secret in page.content.decode()
    assert (key.made_by, key.networks) == (owner, ["203.0.113.7/32", "2001:db8::/32"])
    assert secret not in client.get(reverse("admin:streams_apikey_change", args=[key.pk])).content.decode()
    entry = AuditEntry.objects.get(action="apikey.add")
    assert secret not in str(entry.detail)


def test_what_is_no_network_is_told(client, owner, world):
    client.force_login(owner)
    page = client.post(reverse("admin:streams_apikey_add"), form(world, networks="anywhere"))
    assert "is no address or network" in page.content.decode()
    assert not ApiKey.objects.exists()


def test_an_owner_does_not_raise_how_often_a_key_may_ask(client, owner, world):
    client.force_login(owner)
    client.post(reverse("admin:streams_apikey_add"), form(world, per_minute=999_999))
    assert ApiKey.objects.get().per_minute == 300


def test_a_key_of_another_channel_is_not_made(client, owner, world):
    client.force_login(owner)
    client.post(reverse("admin:streams_apikey_add"), form(world, channel=make_channel("other").pk))
    assert not ApiKey.objects.exists()


def test_a_channel_has_so_many_keys_that_work_and_no_more(client, owner, world):
    for number in range(keys.MOST_OF_CHANNEL):
        oldest = made(world, name=f"key {number}")
    ApiKey.objects.update(made_at=timezone.now() - timedelta(days=3))
    keys.check_new(make_channel("other").pk)
    client.force_login(owner)
    add = reverse("admin:streams_apikey_add")
    change, rotate = (reverse(f"admin:streams_apikey_{name}", args=[oldest.key.pk]) for name in ("change", "rotate"))
    told = f"has {keys.MOST_OF_CHANNEL} working keys at most"
    assert told in client.post(add, form(world)).content.decode()
    assert told in client.post(rotate, {"days": 3}, follow=True).content.decode()
    assert told not in client.post(change, form(world, name="as it was")).content.decode()
    assert ApiKey.objects.count() == keys.MOST_OF_CHANNEL
    client.post(rotate, {"days": 0})
    assert ApiKey.objects.usable().count() == keys.MOST_OF_CHANNEL
    assert told in client.post(change, form(world)).content.decode()  # one that ran out would work again
    assert ApiKey.objects.usable().count() == keys.MOST_OF_CHANNEL
    another = ApiKey.objects.usable().latest("pk")
    client.post(reverse("admin:streams_apikey_revoke", args=[another.pk]))
    assert "secret" in client.post(add, form(world)).context


def test_a_day_has_so_many_new_keys_whatever_becomes_of_them(client, owner, world):
    """Or who takes one back and makes the next would have the requests of another day each time."""
    for _ in range(keys.MOST_A_DAY):
        keys.revoke(None, made(world).key)
    client.force_login(owner)
    page = client.post(reverse("admin:streams_apikey_add"), form(world)).content.decode()
    assert "Make the next one tomorrow" in page
    ApiKey.objects.update(made_at=timezone.now() - timedelta(days=1))
    assert "secret" in client.post(reverse("admin:streams_apikey_add"), form(world)).context


def test_an_owner_takes_a_key_back(client, owner, world):
    key = made(world)
    client.force_login(owner)
    address = reverse("admin:streams_apikey_revoke", args=[key.key.pk])
    assert "Take this key back?" in client.get(address).content.decode()
    client.post(address)
    assert ApiKey.objects.get().revoked_at
    assert AuditEntry.objects.filter(action="apikey.revoke", by=owner).count() == 1


def test_an_owner_makes_another_key_in_the_place_of_one(client, owner, world):
    key = made(world)
    client.force_login(owner)
    page = client.post(reverse("admin:streams_apikey_rotate", args=[key.key.pk]), {"days": 3})
    old, new = ApiKey.objects.get(pk=key.key.pk), ApiKey.objects.get(digest=keys.digest_of(page.context["secret"]))
    assert old.replaced_by == new
    assert old.expires_at is not None
    assert timedelta(days=2) < old.expires_at - timezone.now() <= timedelta(days=3)


def test_the_requests_are_of_the_key_that_was_used_last_or_of_the_one_of_the_address(client, owner, world, monkeypatch):
    monkeypatch.setattr(filters.OneKeyFilter, "offered", 1)
    older, _never, latest = (made(world, name=name).key for name in ("older", "never", "latest"))
    for key, day in ((older, 1), (latest, 2)):
        ApiKey.objects.filter(pk=key.pk).update(used_at=datetime(2026, 5, day, tzinfo=UTC))
        ApiRequest.objects.create(
            key=key, at=timezone.now(), method="GET", route=key.name, status=200, took_ms=1, size=1
        )
    client.force_login(owner)
    page = reverse("admin:streams_apirequest_changelist")

    def told(asked):
        return [row.route for row in client.get(page, asked).context["cl"].result_list]

    assert told({}) == ["latest"]
    assert told({"key": older.pk}) == ["older"]
    assert told({"key": "9" * 30}) == ["latest"]


def test_a_moderator_sees_no_keys(client, world):
    key, now = made(world), timezone.now()
    moderator = make_user("77")
    ChannelModerator.objects.create(channel=world.channel, twitch_id="77", since=now, told_at=now)
    client.force_login(moderator)
    pages = [reverse("admin:streams_apikey_changelist"), reverse("admin:streams_apirequest_changelist")]
    pages += [reverse(f"admin:streams_apikey_{deed}", args=[key.key.pk]) for deed in ("revoke", "rotate")]
    assert {client.post(page).status_code for page in pages} <= {403, 404}
    assert ApiKey.objects.get().revoked_at is None
