"""Whatever goes wrong under /api/ is told as application/problem+json, also by Django itself."""

import json
from datetime import UTC, datetime

import pytest
from django.test import Client

from chat.tests.api.world import CHANNEL, WREN, bearer, make_world, under
from streams.api import keys, views
from streams.api.resources import Synced
from streams.models import ChangeMark
from streamstats.api import LISTS

pytestmark = pytest.mark.django_db

LIST = under() + "streams/"


@pytest.fixture(autouse=True)
def world(redis_client):
    return make_world()


def problem(answer):
    assert answer["Content-Type"] == "application/problem+json"
    told = json.loads(answer.content)
    assert told.keys() >= {"type", "title", "status", "detail", "code"}
    assert told["status"] == answer.status_code
    assert told["detail"].endswith(".")
    return answer.status_code, told["code"]


def test_every_error_is_a_problem(client):
    told = {
        "no such address": client.get("/api/nowhere/"),
        "no such version": client.get("/api/v2/channels/"),
        "no such channel": client.get(under("nobody") + "streams/"),
        "no such stream": client.get(f"{LIST}nothing/"),
        "no such id": client.get(under() + "viewers/%00/"),
        "unknown parameter": client.get(LIST, {"page": 2}),
        "no such cursor": client.get(LIST, {"cursor": "x"}),
        "no such since": client.get(LIST, {"since": "x"}),
        "in the future": client.get(LIST, {"since": "2999-01-01T00:00:00Z"}),
        "long ago": client.get(LIST, {"since": "2011-01-01T00:00:00Z"}),
        "no key": client.get(under() + "messages/"),
        "no such key": client.get(LIST, headers=bearer("ss_nothing")),
        "basic": client.get(LIST, headers={"Authorization": "Basic eDp5"}),
        "writing": client.post(LIST, {}, content_type="application/json"),
        "html": client.get(LIST, headers={"Accept": "text/html"}),
        "too long": client.get(LIST, {"cursor": "x" * 5000}),
        "too large": client.generic("GET", LIST, b"x" * 70_000),
        "bad host": client.get(LIST, headers={"Host": "elsewhere.example"}),
    }
    assert {name: problem(answer) for name, answer in told.items()} == {
        "no such address": (404, "not_found"),
        "no such version": (404, "not_found"),
        "no such channel": (404, "not_found"),
        "no such stream": (404, "not_found"),
        "no such id": (404, "not_found"),
        "unknown parameter": (400, "invalid"),
        "no such cursor": (400, "invalid_cursor"),
        "no such since": (400, "invalid_cursor"),
        "in the future": (400, "invalid_cursor"),
        "long ago": (410, "sync_anew"),
        "no key": (401, "not_authenticated"),
        "no such key": (401, "not_authenticated"),
        "basic": (401, "not_authenticated"),
        "writing": (405, "method_not_allowed"),
        "html": (406, "not_acceptable"),
        "too long": (414, "too_long"),
        "too large": (413, "too_large"),
        "bad host": (400, "invalid"),
    }


def test_a_401_says_how_to_authenticate(client):
    assert client.get(under() + "messages/")["WWW-Authenticate"].startswith("Bearer ")


def test_a_405_says_what_is_allowed(client):
    assert client.post(LIST)["Allow"] == "GET, HEAD"


def test_a_mistake_of_ours_says_nothing_of_what_it_was(world, monkeypatch):
    def fail(*_args, **_kwargs):
        raise RuntimeError("a secret")

    monkeypatch.setattr(views, "_begin", fail)
    answer = Client(raise_request_exception=False).get(LIST)
    assert problem(answer) == (500, "broken")
    assert "secret" not in answer.content.decode()
    assert "RateLimit-Limit" in answer


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"fields": "id,password"}, "fields"),
        ({"from": "yesterday"}, "from"),
        ({"live": "perhaps"}, "live"),
        ({"category_id": ""}, "category_id"),
        ({"id": ["1", "2"]}, "id"),
    ],
)
def test_what_is_wrong_with_a_parameter_is_told_of_it(client, query, name):
    answer = client.get(LIST, query)
    assert problem(answer) == (400, "invalid")
    assert list(answer.json()["errors"]) == [name]


def test_every_answer_says_what_of_the_limit_is_left(client):
    answers = [client.get(address) for address in (LIST, f"{LIST}nothing/", "/api/nowhere", under() + "messages/")]
    assert all(
        {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} <= answer.headers.keys() for answer in answers
    )


def test_what_is_refused_before_anybody_looks_who_asks_is_not_counted(client):
    answers = [client.get(LIST, {"cursor": "x" * 5000}), client.generic("GET", LIST, b"x" * 70_000)]
    assert [answer.status_code for answer in answers] == [414, 413]
    assert not any(name.startswith("RateLimit") for answer in answers for name in answer.headers)


def test_a_406_says_what_there_is(client):
    assert "Answers are JSON" in client.get(LIST, headers={"Accept": "text/html"}).json()["detail"]


def test_times_without_streams_or_viewers_are_not_looked_for_in_sessions(client):
    answer = client.get(under() + "sessions/", {"from": "2026-05-01T00:00:00Z"})
    assert answer.json()["errors"] == {"from": ["Give a viewer or a stream with it."]}


def test_every_list_refuses_what_it_does_not_know(client, world):
    public = [each for each in LISTS if each.scope is None]
    told = {each.name: client.get(f"{under(CHANNEL)}{each.name}/", {"q": "w", "x": "y"}).status_code for each in public}
    assert set(told.values()) == {400}


BEYOND_POSTGRES = {
    "2026-05-01T12:00:00+20:33": 200,
    "2026-05-01T12:00:00-20:33": 200,
    "0001-01-01T00:00:00+20:33": 400,
    "9999-12-31T23:59:59-20:33": 400,
}
"""Times as they can be written, with offsets that Postgres does not take, or of years that are none in UTC."""


def test_times_of_any_offset_are_understood_or_refused(client, world):
    key = bearer(keys.make(None, channel=world.channel, name="all", scopes=["read", "messages", "moderation"]).secret)
    more = {"sessions": {"viewer": WREN}}
    timed = [(each.name, more.get(each.name, {})) for each in LISTS if "from" in each.filters.base_filters]
    for name, query in (*timed, ("messages", {"q": "bread"})):
        for text, status in BEYOND_POSTGRES.items():
            answer = client.get(f"{under()}{name}/", {**query, "from": text}, headers=key)
            assert (name, text, answer.status_code) == (name, text, status)


def test_times_of_any_offset_are_understood_where_one_goes_on(client):
    ChangeMark.objects.create(xid=1, at=datetime(2026, 4, 1, tzinfo=UTC))
    for text, status in BEYOND_POSTGRES.items():
        asked = [f"{each.name}/" for each in LISTS if each.scope is None and isinstance(each, Synced)]
        for name in (*asked, "live/"):
            answer = client.get(f"{under()}{name}", {"since": text})
            assert (name, text, answer.status_code) == (name, text, status)
