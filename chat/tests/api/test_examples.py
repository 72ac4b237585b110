"""The examples of the document and of the guide are true: the API gives them, and they keep to their schemas."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings as project
from django.test import Client
from django.urls import reverse
from jsonschema_rs import Draft202012Validator, ValidationError

from chat.tests.api.world import CHANNEL, STREAM, WREN, bearer, make_world, under
from streams.api import keys, views
from streams.api.problems import CONTENT_TYPE
from streams.api.schema import EXAMPLE_OF_SINCE, document
from streamstats.api import OPERATIONS
from streamstats.handler import FULL, _refused

GUIDE = (Path(project.BASE_DIR) / "docs" / "api.md").read_text()
PLACE = {"channel": CHANNEL, "stream": STREAM}
ONES = {"get_channel": CHANNEL, "get_stream": STREAM, "get_viewer": WREN, "get_profile": WREN}
STREAMS = under() + "streams/"


def examples():
    """(operation, media type, schema, example) of everything that is answered with 200, and of every problem."""
    shared = document()["components"]["responses"]
    answers = [(path["get"]["operationId"], path["get"]["responses"]["200"]) for path in document()["paths"].values()]
    for name, answer in (*answers, *shared.items()):
        for kind, content in answer["content"].items():
            for example in content["examples"].values():
                yield name, kind, content["schema"], example["value"]


def check(schema, value):
    Draft202012Validator({**schema, "components": document()["components"]}, validate_formats=True).validate(value)


def test_every_answer_has_one_example_which_keeps_to_its_schema():
    found = list(examples())
    for _, _, schema, value in found:
        check(schema, value)
    statuses = {
        status for path in document()["paths"].values() for status in path["get"]["responses"] if status > "399"
    }
    named = [name for name, *_ in found]
    assert sorted(named) == sorted([view.operation for _, view in OPERATIONS] + [f"Problem{each}" for each in statuses])


def test_a_mistake_in_an_example_would_be_found():
    (_, _, schema, value) = next(examples())
    with pytest.raises(ValidationError):
        check(schema, {**value, "results": [{**value["results"][0], "nonsense": 1}]})


@pytest.mark.django_db
def test_every_operation_answers_with_its_example(client, redis_client):
    world = make_world()
    key = keys.make(None, channel=world.channel, name="all", scopes=["read", "messages", "moderation"])
    wanted = {name: value for name, kind, _, value in examples() if kind == "application/json"}
    told = {}
    for route, view in OPERATIONS:
        if view.operation in wanted:
            named = {name: value for name, value in PLACE.items() if f":{name}>" in route}
            named |= {"id": ONES[view.operation]} if ":id>" in route else {}
            query = {"q": "w"} if view.operation == "list_search" else {}
            answer = client.get(reverse(f"api:{view.operation}", kwargs=named), query, headers=bearer(key.secret))
            told[view.operation] = as_an_example(answer.json())
    assert told == wanted


def as_an_example(answer):
    """With one row, and a cursor that is not of this very database."""
    if "results" in answer:
        answer["results"] = answer["results"][:1]
        answer["since"] = answer["since"] and EXAMPLE_OF_SINCE
    return answer


@pytest.mark.django_db
def test_every_problem_is_told_as_in_its_example(client, redis_client, monkeypatch, rf):
    world = make_world()
    no_scope = bearer(keys.make(None, channel=world.channel, name="none", scopes=["messages"]).secret)
    answers = [
        client.get(STREAMS, {"limit": 0}),
        client.get(STREAMS, headers=bearer("ss_" + "0" * 48)),
        client.get(STREAMS, headers=no_scope),
        client.get(under("nobody") + "streams/"),
        client.post(STREAMS),
        client.get(STREAMS, headers={"Accept": "text/html"}),
        client.get(STREAMS, {"since": "2011-01-01T00:00:00Z"}),
        client.generic("GET", STREAMS, b"x" * 70_000),
        client.get(STREAMS, {"cursor": "x" * 5000}),
        _refused(STREAMS, 503, FULL),
    ]
    asked = (client.get(STREAMS, REMOTE_ADDR="8.8.8.8") for _ in range(300))
    answers.append(next(answer for answer in asked if answer.status_code == 429))
    monkeypatch.setattr(views, "_begin", lambda *_: 1 / 0)
    answers.append(Client(raise_request_exception=False).get(STREAMS))
    wanted = {value["status"]: value for _, kind, _, value in examples() if kind == CONTENT_TYPE}
    told = {answer.status_code: json.loads(answer.content) for answer in answers}
    told[429]["detail"] = re.sub(r"in \d+ s,", "in 24 s,", told[429]["detail"])
    assert told == wanted


@pytest.mark.django_db
def test_the_error_of_the_guide_is_one_that_comes(client, redis_client):
    make_world()
    (shown,) = re.findall(r"^```json\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    assert client.get(STREAMS, {"limit": 0}).json() == json.loads(shown)
