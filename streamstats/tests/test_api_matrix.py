"""Who may have what of the API: every operation, asked by everybody there is."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chat.tests.api.world import CHANNEL, STREAM, WREN, bearer, make_world, one_connection
from chat.tests.everything import make_user
from streams.api import keys
from streams.models import ApiKey, ChannelModerator
from streams.tests.cast import make_channel
from streamstats.api import OPERATIONS

pytestmark = pytest.mark.django_db

ADDRESS = {"channel": CHANNEL, "stream": STREAM}
ONES = {"get_channel": CHANNEL, "get_stream": STREAM, "get_viewer": WREN, "get_profile": WREN}
ASKED = {"list_search": {"q": "w"}}

PUBLIC = {"anonymous", "viewer", "moderator elsewhere", "moderator", "owner", "superuser"}
"""Nobody is more to the API than anybody else by logging in: what is not public takes a key."""
REFUSED = {"expired key": 401, "revoked key": 401, "wrong network": 401, "made-up key": 401}
READS = {"key", "key elsewhere"}

MATRIX = {
    None: {
        **dict.fromkeys(PUBLIC | READS, 200),
        **REFUSED,
        "key without a scope": 403,
        "key for messages": 403,
        "key for moderation": 403,
    },
    "messages": {
        **dict.fromkeys(PUBLIC, 401),
        **REFUSED,
        "key": 200,
        "key for messages": 200,
        "key for moderation": 403,
        "key without a scope": 403,
        "key elsewhere": 403,
    },
    "moderation": {
        **dict.fromkeys(PUBLIC, 401),
        **REFUSED,
        "key": 200,
        "key for messages": 403,
        "key for moderation": 200,
        "key without a scope": 403,
        "key elsewhere": 403,
    },
}
"""By the scope that an operation takes: what each is answered with."""


@pytest.fixture
def everybody(redis_client):
    """By what they are called: a client, and the headers it sends."""
    world, now = make_world(), timezone.now()
    other = make_channel("other")
    for channel, account in ((world.channel, "71"), (other, "72")):
        ChannelModerator.objects.create(channel=channel, twitch_id=account, since=now, told_at=now)
    people = {
        "viewer": make_user(WREN),
        "moderator": make_user("71"),
        "moderator elsewhere": make_user("72"),
        "owner": make_user(CHANNEL),
        "superuser": User.objects.create_superuser("root"),
    }
    every = ["read", "messages", "moderation"]
    made: dict[str, dict[str, Any]] = {
        "key": {"scopes": every},
        "key without a scope": {"scopes": []},
        "key for messages": {"scopes": ["messages"]},
        "key for moderation": {"scopes": ["moderation"]},
        "key elsewhere": {"scopes": every, "channel": other},
        "expired key": {"scopes": every, "expires_at": now - timedelta(seconds=1)},
        "revoked key": {"scopes": every},
        "wrong network": {"scopes": every, "networks": ["203.0.113.0/24"]},
    }
    found = {"anonymous": (Client(), {}), "made-up key": (Client(), bearer("ss_" + "0" * 48))}
    for name, user in people.items():
        found[name] = Client(), {}
        found[name][0].force_login(user)
    for name, fields in made.items():
        key = keys.make(None, **{"channel": world.channel, "name": name, **fields})
        if name == "revoked key":
            ApiKey.objects.filter(pk=key.key.pk).update(revoked_at=now)
        found[name] = Client(), bearer(key.secret)
    return found


def address_of(route, operation):
    named = {name: value for name, value in ADDRESS.items() if f":{name}>" in route}
    if ":id>" in route:
        named["id"] = ONES[operation]
    return reverse(f"api:{operation}", kwargs=named)


def head(client, *request, **more):
    """An answer of which only the head is read, for a stream of events has no end."""
    answer = client.get(*request, **more)
    if answer.streaming:
        with one_connection():
            answer.close()
    return answer


def test_everybody_is_answered_exactly_as_they_may_be(everybody):
    told, wanted = {}, {}
    for route, view in OPERATIONS:
        address = address_of(route, view.operation)
        for name, (client, headers) in everybody.items():
            answer = head(client, address, ASKED.get(view.operation), headers=headers)
            told[view.operation, name] = answer.status_code
            wanted[view.operation, name] = MATRIX[view.scope][name]
    assert told == wanted
    assert len(told) == len(OPERATIONS) * len(everybody)


def test_the_matrix_has_everybody(everybody):
    assert all(row.keys() == everybody.keys() for row in MATRIX.values())


def test_whoever_may_not_listen_is_told_so_before_the_stream_begins(everybody):
    address = reverse("api:live", kwargs={"channel": CHANNEL})
    kinds = {}
    for name, (client, headers) in everybody.items():
        answer = head(client, address, headers={**headers, "Accept": "text/event-stream"})
        kinds[name] = answer["Content-Type"]
    may = {name for name, status in MATRIX[None].items() if status == 200}
    assert kinds == {name: "text/event-stream" if name in may else "application/problem+json" for name in everybody}


def test_nobody_listens_to_a_channel_that_is_not_here(everybody):
    address = reverse("api:live", kwargs={"channel": "nobody"})
    told = {name: client.get(address, headers=headers).status_code for name, (client, headers) in everybody.items()}
    assert told == {name: REFUSED.get(name, 404) for name in everybody}


def test_nobody_writes(everybody):
    told = set()
    for route, view in OPERATIONS:
        for method in ("post", "put", "patch", "delete", "options"):
            for name in ("owner", "key"):
                client, headers = everybody[name]
                told.add(getattr(client, method)(address_of(route, view.operation), headers=headers).status_code)
    assert told == {405}
