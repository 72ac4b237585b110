"""What tests of summaries share: language models on this machine."""

import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from django.db.models import Exists, OuterRef

from chat.models import Message
from chat.tests.summaries.providers_server import (
    Providers,
    Received,
    Server,
    assert_nothing_untold_was_told,
    serving,
)
from viewers.models import Consent

LONG_ENOUGH = 10
"""Letters of a message that stand in a question by no chance."""


@pytest.fixture(scope="session")
def providers_server() -> Iterator[Server]:
    """One server for the run. At its end, nothing that nobody agreed to may ever have come to it."""
    yield from serving()
    assert_nothing_untold_was_told()


@pytest.fixture(scope="session")
def no_certificates() -> Iterator[None]:
    """Reading those that the web trusts takes each new client longer than all else, and nothing here is encrypted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_args, **_named: None)
        yield


@pytest.fixture
def providers(
    request: pytest.FixtureRequest, providers_server: Server, no_certificates: None, settings: Any
) -> Iterator[Providers]:
    """The three of them, set up in the order openai, anthropic, google, with nothing arranged.

    After each test, nothing that came to them may be of anybody who never agreed to anything.
    """
    settings.AI_PROVIDERS = ["openai:gpt-4o", "anthropic:claude-haiku-4-5", "google:gemini-2.5-flash"]
    for name in ("OPENAI", "ANTHROPIC", "GEMINI"):
        setattr(settings, f"{name}_API_KEY", f"key-of-{name.lower()}")
    settings.OPENAI_BASE_URL = f"{providers_server.url}/openai/v1"
    settings.ANTHROPIC_BASE_URL = f"{providers_server.url}/anthropic"
    settings.GEMINI_BASE_URL = f"{providers_server.url}/google"
    settings.AI_TIMEOUT_S = 10.0
    providers = providers_server.for_a_test()
    yield providers
    providers.end()
    assert not providers.faults
    if request.node.get_closest_marker("django_db"):
        assert_of_who_agreed(providers.received)


def assert_of_who_agreed(received: list[Received]) -> None:
    """Also where nobody thought of marking what was said: every message in the database is looked for."""
    agreed = Consent.objects.filter(viewer=OuterRef("viewer_id"))
    others = Message.objects.filter(~Exists(agreed)).values_list("text", flat=True)
    read = "\n".join(question.content for question in received)
    assert [text for text in others if len(text) >= LONG_ENOUGH and text in read] == []
