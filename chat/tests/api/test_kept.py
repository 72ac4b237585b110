"""Answers are kept for a moment, asked for again by their ETag, and forgotten at once when somebody chooses."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat.ingest.rooms import channel_of_room
from chat.tests.api.world import WREN, bearer, make_world, under
from chat.tests.everything import make_user
from streams import pages
from streams.api import keys, views
from streams.models import ApiKey, Channel, Stream

pytestmark = pytest.mark.django_db

LIST = under() + "viewers/"


@pytest.fixture(autouse=True)
def world(settings, redis_client, monkeypatch):
    settings.PAGE_CACHE_SECONDS = 30
    keeper = pages.Keeper()
    monkeypatch.setattr(pages, "keeper", keeper)
    monkeypatch.setattr(views, "keeper", keeper)
    return make_world()


def ids(client, **headers):
    return [row["id"] for row in client.get(LIST, headers=headers).json()["results"]]


def test_an_answer_is_made_once_for_everybody(client, world, django_assert_num_queries):
    key = keys.make(None, channel=world.channel, name="x", scopes=["read"])
    ids(client)
    with django_assert_num_queries(0):
        assert ids(client) == [WREN]
    keyed = client.get(LIST, headers=bearer(key.secret))
    assert keyed.json() == client.get(LIST).json()


def test_a_choice_empties_it_at_once(client, world):
    ids(client)
    world.wren.hidden_at = world.stream.started_at
    world.wren.save()
    assert ids(client) == [WREN]
    pages.forget([world.channel.login])
    assert ids(client) == []


def test_a_kept_answer_is_for_keys_that_may_read_alone(client, world):
    ids(client)
    key = keys.make(None, channel=world.channel, name="x", scopes=["messages"])
    assert client.get(LIST, headers=bearer(key.secret)).status_code == 403


def test_what_was_kept_of_a_channel_is_gone_when_another_takes_its_name(
    client, world, django_capture_on_commit_callbacks
):
    Channel.objects.update(is_followed=False)
    ids(client)
    with django_capture_on_commit_callbacks(execute=True):
        channel_of_room("4242", world.channel.login)
    assert client.get(LIST).status_code == 404


def test_what_did_not_change_is_not_sent_again(client):
    first = client.get(LIST)
    again = client.get(LIST, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert "RateLimit-Limit" in again
    assert not first["ETag"].startswith("W/")


def test_messages_are_not_kept_nor_packed(client, world):
    key = bearer(keys.make(None, channel=world.channel, name="x", scopes=["messages"]).secret)
    address = under() + "messages/"
    answer = client.get(address, headers={**key, "Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer
    assert answer["Cache-Control"] == "private, no-cache"
    again = client.get(address, headers={**key, "If-None-Match": answer["ETag"]})
    assert again.status_code == 304 or again.json()["since"] != answer.json()["since"]
    ApiKey.objects.update(revoked_at=world.stream.started_at)
    keys._forget()
    assert client.get(address, headers=key).status_code == 401


def test_what_changed_is_not_kept(client, world):
    since = client.get(under() + "streams/").json()["since"]
    client.get(under() + "streams/", {"since": since})
    Stream.objects.update(title="Other")
    with CaptureQueriesContext(connection) as captured:
        client.get(under() + "streams/", {"since": since})
    assert len(captured) > 1


def test_only_strangers_may_have_it_from_a_cache_in_between(client, world):
    assert client.get(LIST)["Cache-Control"] == "no-cache"
    key = bearer(keys.make(None, channel=world.channel, name="x", scopes=["read"]).secret)
    assert client.get(LIST, headers=key)["Cache-Control"] == "private, no-cache"
    client.force_login(make_user("77"))
    assert client.get(LIST)["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Cookie"} <= {name.strip() for name in client.get(LIST)["Vary"].split(",")}


def test_while_redis_is_away_answers_are_made(client, settings):
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    assert ids(client) == [WREN]
