"""AI_PROVIDERS says which language models are asked; their clients are loaded by whoever asks, and by nobody else."""

import subprocess
import sys

import pytest

from chat.summaries import asking
from chat.summaries.providers import Entry, Misnamed, entries, read, to_ask

HEAVY = ("pydantic_ai", "openai", "anthropic", "google", "genai_prices", "httpx", "httpx2")
PAGE_SERVER = """
import sys
import streamstats.asgi
import streamstats.celery
import chat.tasks
from django.contrib import admin
from django.urls import get_resolver
from chat.summaries import asking

get_resolver().url_patterns
admin.autodiscover()
asking.is_set_up()
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("openai:gpt-4o", Entry("openai", "gpt-4o")),
        (" anthropic : claude-haiku-4-5 ", Entry("anthropic", "claude-haiku-4-5")),
        ("openai:llama3.1:8b", Entry("openai", "llama3.1:8b")),
        ("openai:meta-llama/Llama-3.3-70B-Instruct", Entry("openai", "meta-llama/Llama-3.3-70B-Instruct")),
    ],
)
def test_an_entry_is_a_provider_and_a_model(text, entry):
    assert read(text) == entry


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gpt-4o", "not a provider and a model"),
        ("openai:", "not a provider and a model"),
        ("mistral:large", "no provider that there is"),
        ("openai:gpt 4o", "no blanks"),
    ],
)
def test_what_is_no_entry_is_told(text, why):
    with pytest.raises(Misnamed, match=why):
        read(text)


def test_they_are_asked_in_their_order(providers):
    assert [entry.provider for entry in to_ask()] == ["openai", "anthropic", "google"]


def test_who_has_no_key_is_not_asked(providers, settings):
    settings.OPENAI_API_KEY = settings.OPENAI_BASE_URL = ""
    assert [entry.provider for entry in to_ask()] == ["anthropic", "google"]
    assert len(entries()) == 3


def test_without_a_model_nothing_is_set_up(settings):
    assert not asking.is_set_up()


def test_with_one_that_has_a_key_it_is(settings):
    settings.AI_PROVIDERS, settings.GEMINI_API_KEY = ["google:gemini-2.5-flash"], "key"
    assert asking.is_set_up()


def test_a_mistake_in_the_settings_breaks_no_page(settings):
    settings.AI_PROVIDERS = ["gpt-4o"]
    assert not asking.is_set_up()


def test_pages_and_admin_load_no_client_of_a_model():
    done = subprocess.run([sys.executable, "-c", PAGE_SERVER], check=True, capture_output=True, text=True, timeout=60)
    loaded = set(done.stdout.split())
    assert "django" in loaded
    assert loaded.isdisjoint(HEAVY)
