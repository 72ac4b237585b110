"""The API answers as its document says, whatever is asked: with a few requests here, with many by `make contract`.

Half of what is made up keeps to the document, half does not; and half of it is asked of what is there, for most made-up
ids are of nothing. `make contract URL=http://127.0.0.1:8000 KEY=ss_...` asks a site that runs on this machine.
"""

import os
import re
import time
from collections import Counter
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import schemathesis
from asgiref.sync import async_to_sync
from django.core.handlers.wsgi import WSGIHandler
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator, ValidationError
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chat.tests.api.test_live_events import parsed
from chat.tests.api.world import CHANNEL, ID_OF_EMOTE, STREAM, WREN, bearer, make_world, one_connection
from streams.api import keys
from streams.api.schema import document

URL = os.environ.get("API_URL", "").rstrip("/")
KEY = os.environ.get("API_KEY", "")
EXAMPLES = int(os.environ.get("API_EXAMPLES", "2"))
STREAM_READ_S = 0.5
LAST = "Last-Event-ID"
FEED = "/api/v1/channels/{channel}/live/"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


class Known(NamedTuple):
    """Ids of what is there."""

    channel: str
    stream: str
    viewer: str
    emote: int
    profile: str

    def of(self, name: str, path: str) -> str | int:
        """What stands for a parameter of the address."""
        ones = {"streams/{id}/": self.stream, "profiles/{id}/": self.profile, "viewers/{id}/": self.viewer}
        named = getattr(self, name, None) or next((one for end, one in ones.items() if path.endswith(end)), None)
        return named or self.channel


class Asked:
    """What one operation was asked, and how it answered."""

    def __init__(self) -> None:
        self.different: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self.began = time.monotonic()

    def __str__(self) -> str:
        told = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items()))
        return f"{len(self.different)} different; {told}; {time.monotonic() - self.began:.0f} s"


class HeadsOfStreams(WSGIHandler):
    """The site; of a stream that has no end, it sends what comes first."""

    def get_response(self, request):
        response: Any = super().get_response(request)
        if response.streaming:
            response.streaming_content = [async_to_sync(first_of)(response.streaming_content)]
        return response


async def first_of(stream):
    try:
        return await anext(stream)
    finally:
        await stream.aclose()


@pytest.mark.skipif(bool(URL), reason="another site is asked")
@pytest.mark.django_db
@pytest.mark.parametrize("with_key", [False, True])
def test_every_operation_answers_as_its_document_says(redis_client, settings, with_key, capsys):
    world = make_world()
    settings.API_PER_MINUTE = 1_000_000_000
    made = keys.make(
        None, channel=world.channel, name="all", scopes=["read", "messages", "moderation"], per_minute=10**9,
        per_day=10**9,
    )  # fmt: skip
    contract = schemathesis.openapi.from_dict(document())
    contract.app = HeadsOfStreams()
    contract.app.load_middleware()
    with one_connection():
        seen = ask_all(
            contract, Known(CHANNEL, STREAM, WREN, ID_OF_EMOTE, WREN), bearer(made.secret) if with_key else {}, capsys
        )
    assert len(seen) == len(document()["paths"])
    assert {path for path, asked in seen.items() if 200 in asked.statuses} >= (seen.keys() if with_key else set())


@pytest.mark.skipif(not URL, reason="make contract URL=... asks a site that runs")
@pytest.mark.parametrize("with_key", [False, True] if KEY else [False])
def test_a_site_answers_as_its_document_says(with_key, capsys):
    headers = bearer(KEY) if with_key else {}
    contract = schemathesis.openapi.from_url(f"{URL}/api/v1/openapi.json")
    seen = ask_all(contract, known_of_site(headers), headers, capsys)
    assert not any(429 in asked.statuses for asked in seen.values()), "Let this key ask more often, or ask less."


def test_what_a_feed_tells_is_held_against_the_schema_of_each_event():
    told = document()["paths"][FEED]["get"]["responses"]["200"]["content"]["text/event-stream"]
    (example,) = told["examples"].values()
    hold_a_feed_that_tells(example["value"])
    with pytest.raises(ValidationError):
        hold_a_feed_that_tells(example["value"].replace('"cost":500', '"cost":"many"'))


def hold_a_feed_that_tells(events):
    def feed(_environ, start):
        limits = [(f"RateLimit-{name}", "1") for name in ("Limit", "Remaining", "Reset")]
        start("200 OK", [("Content-Type", "text/event-stream"), *limits])
        return [events.encode()]

    contract = schemathesis.openapi.from_dict(document())
    contract.app = feed
    case = contract[FEED]["GET"].Case(path_parameters={"channel": CHANNEL})
    hold(case, case.call(), {})


def known_of_site(headers):
    def first(of, name="id"):
        rows = requests.get(f"{URL}/api/v1/{of}/", {"limit": 1}, headers=headers, timeout=10).json()["results"]
        return rows[0][name] if rows else "0"

    channel = first("channels")
    own = f"channels/{channel}"
    viewer = first(f"{own}/viewers")
    profile = first(f"{own}/profiles", "viewer")
    return Known(channel, first(f"{own}/streams"), viewer, int(first(f"{own}/emotes")), profile)


def ask_all(contract, known, headers, capsys):
    found: list[Any] = list(contract.get_all_operations())
    seen = {}
    for operation in (each.ok() for each in found):
        asked = seen[operation.path] = ask(operation, known, headers)
        if is_thorough():
            assert len(asked.different) >= EXAMPLES, operation.path
            with capsys.disabled():
                print(f"\n{operation.path} {'with' if headers else 'without'} a key: {asked}", end="", flush=True)  # noqa: T201
    return seen


def ask(operation, known, headers):
    asked = Asked()
    modes = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

    def call(case):
        answer = case.call(headers=headers, timeout=STREAM_READ_S if operation.path.endswith("/live/") else None)
        asked.statuses[answer.status_code] += 1
        hold(case, answer, headers)
        return answer

    since = go_through(operation, known, call)
    there = {"stream": known.stream, "viewer": known.viewer, "emote": known.emote, "since": since}

    @given(case=st.one_of(modes), is_there=st.booleans())
    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=not is_thorough(),
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def one(case, is_there):
        if is_there:
            for name in case.path_parameters or {}:
                case.path_parameters[name] = known.of(name, operation.path)
            case.query = {
                name: there.get(name, value) for name, value in (case.query or {}).items() if name != "cursor"
            }
            if LAST in case.headers:
                case.headers[LAST] = since
        written = str((case.path_parameters, case.query, case.headers, case.cookies))
        if written not in asked.different and len(asked.different) < EXAMPLES:
            call(case)
            asked.different.add(written)

    one()
    while is_thorough() and len(asked.different) < EXAMPLES:
        one()
    return asked


def hold(case, answer, headers):
    """Hold an answer against the document, which says of a feed that it is text, and by their names what events are."""
    is_feed = answer.headers.get("content-type") == ["text/event-stream"]
    checks = [check for check in CHECKS if not (is_feed and check is response_schema_conformance)]
    case.validate_response(answer, checks=checks, headers=headers)
    if is_feed:
        events = case.operation.definition.raw["x-events"]
        components = case.operation.schema.raw_schema["components"]
        for name, data in parsed(answer.text):
            Draft202012Validator({**events[name], "components": components}, validate_formats=True).validate(data)


def is_thorough():
    """Whether each question is another one, and nobody knows which."""
    return EXAMPLES >= 100


def go_through(operation, known, call):
    """As somebody would who reads: a list from page to page, and then what changed. Return where to come back to."""
    names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    place = {name: known.of(name, operation.path) for name in names}

    def told(**query):
        answer = call(operation.Case(path_parameters=dict(place), query=query))
        match answer.headers["content-type"]:
            case ["application/json"]:
                return answer.json()
            case ["text/event-stream"]:
                return {"since": re.findall(r"^id: (.+)$", answer.text, re.MULTILINE)[0]}
        return {}

    query = {"q": "w"} if "search" in operation.path else {}
    page = told(**query)
    if any(parameter.name == "limit" for parameter in operation.iter_parameters()):
        page = told(**query, limit=1)
    if page.get("next"):
        page = told(**dict(parse_qsl(urlsplit(page["next"]).query)))
    since = page.get("since")
    if since:
        told(since=since)
    return since or "x"
