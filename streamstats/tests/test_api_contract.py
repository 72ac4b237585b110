"""The API answers as its document says, whatever is asked: with a few requests here, with many by `make contract`.

Half of what is made up is asked of what is there, for most made-up ids are of nothing.
"""

import os
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chat.tests.api.world import CHANNEL, ID_OF_EMOTE, STREAM, WREN, bearer, make_world
from streams.api import keys
from streams.api.schema import document

pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("API_EXAMPLES", "2"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
KNOWN = {"channel": CHANNEL, "stream": STREAM, "viewer": WREN, "emote": ID_OF_EMOTE}
ONES = {"/api/v1/channels/{id}/": CHANNEL, "streams/{id}/": STREAM, "{id}/": WREN}


@pytest.fixture(autouse=True)
def one_connection():
    """A server closes its connections after each request, and with ours the world would be gone."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def known_id(path):
    return next(one for ending, one in ONES.items() if path.endswith(ending))


def asked_of_what_is_there(case, path):
    """The same with ids of the world, where it has any."""
    for name in case.path_parameters or {}:
        case.path_parameters[name] = KNOWN.get(name) or known_id(path)
    for name in KNOWN.keys() & (case.query or {}).keys():
        case.query[name] = KNOWN[name]
    return case


@pytest.mark.parametrize("with_key", [False, True])
def test_every_operation_answers_as_its_document_says(redis_client, settings, with_key):
    world = make_world()
    settings.API_PER_MINUTE = 1_000_000_000
    made = keys.make(
        None, channel=world.channel, name="all", scopes=["read", "messages", "moderation"], per_minute=10**9,
        per_day=10**9,
    )  # fmt: skip
    headers = bearer(made.secret) if with_key else {}
    contract = schemathesis.openapi.from_dict(document())
    contract.app = get_wsgi_application()
    found: list[Any] = list(contract.get_all_operations())
    operations = [each.ok() for each in found]
    assert len(operations) == len(document()["paths"])
    seen = {}
    for operation in operations:
        seen[operation.path] = ask(operation, headers)
    assert {path for path, statuses in seen.items() if 200 in statuses} >= (seen.keys() if with_key else set())


def ask(operation, headers):
    statuses = set()

    @given(case=operation.as_strategy(), is_there=st.booleans())
    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=EXAMPLES < 100,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def one(case, is_there):
        if is_there:
            case = asked_of_what_is_there(case, operation.path)
        answer = case.call(headers=headers)
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS, headers=headers)

    one()
    plain = operation.Case(path_parameters={}, query={"q": "w"} if "search" in operation.path else {})
    for name in ("channel", "stream", "id"):
        if f"{{{name}}}" in operation.path:
            plain.path_parameters[name] = KNOWN.get(name) or known_id(operation.path)
    answer = plain.call(headers=headers)
    plain.validate_response(answer, checks=CHECKS, headers=headers)
    return {*statuses, answer.status_code}
