"""Which language models are asked, in which order, and how each is reached: AI_PROVIDERS and what belongs to it.

The clients take seconds to import, so only who makes a model does.
"""

import logging
import re
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings

if TYPE_CHECKING:
    from pydantic_ai.models import Model

TALKATIVE = ("openai", "anthropic", "google_genai", "httpx", "httpx2", "httpcore", "httpcore2")
NO_KEY = "none"
LONGEST_NAME = 100
# Models of OpenAI, which a server of one's own may pass on to it; and one that anybody may run.
THEIRS = ("gpt-", "chatgpt-", "o1", "o3", "o4")
NOT_THEIRS = "gpt-oss"


class Provider(NamedTuple):
    """Settings of a provider, and where it is unless they say otherwise."""

    title: str
    key: str
    base_url: str
    usual_url: str


PROVIDERS = {
    "openai": Provider("OpenAI", "OPENAI_API_KEY", "OPENAI_BASE_URL", "https://api.openai.com/v1"),
    "anthropic": Provider("Anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
    "google": Provider("Google", "GEMINI_API_KEY", "GEMINI_BASE_URL", "https://generativelanguage.googleapis.com"),
}


class Misnamed(ValueError):
    """An entry of AI_PROVIDERS names no model. The text says what is wrong with it."""


class Entry(NamedTuple):
    """One of AI_PROVIDERS: a model of a provider."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.model}"

    @property
    def key(self) -> str:
        return str(getattr(settings, PROVIDERS[self.provider].key))

    @property
    def own_url(self) -> str:
        """Where the settings say that the provider is; "" is the usual place."""
        return str(getattr(settings, PROVIDERS[self.provider].base_url))

    @property
    def can_be_asked(self) -> bool:
        """Servers of one's own need no key."""
        return bool(self.key or self.own_url)


def read(text: str) -> Entry:
    """An entry such as openai:gpt-4o. Names of models may hold colons, as in openai:llama3.1:8b. Raises Misnamed."""
    provider, colon, model = (part.strip() for part in text.partition(":"))
    if not (provider and colon and model):
        raise Misnamed(f"“{text}” is not a provider and a model, such as openai:gpt-4o")
    if provider not in PROVIDERS:
        raise Misnamed(f"“{text}” names no provider that there is ({', '.join(PROVIDERS)})")
    if len(model) > LONGEST_NAME or re.search(r"\s", model):
        raise Misnamed(f"“{text}” names no model: a name has no blanks, and {LONGEST_NAME} characters at most")
    return Entry(provider, model)


def entries() -> list[Entry]:
    """All of AI_PROVIDERS, in order. Raises Misnamed; a check says so at start."""
    return [read(text) for text in settings.AI_PROVIDERS]


def to_ask() -> list[Entry]:
    """Those that can be asked, in the order in which they are. Raises Misnamed."""
    return [entry for entry in entries() if entry.can_be_asked]


def model_of(entry: Entry) -> "Model":
    """A model to be asked once, through the provider's own client. Close it by `async with`."""
    url = entry.own_url or PROVIDERS[entry.provider].usual_url
    model = _MAKERS[entry.provider](entry, url, entry.key or NO_KEY)
    for name in TALKATIVE:
        # At DEBUG they write down whole questions.
        logging.getLogger(name).setLevel(logging.WARNING)
    return model


def _openai(entry: Entry, url: str, key: str) -> "Model":
    from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415
    from pydantic_ai.profiles import merge_profile  # noqa: PLC0415
    from pydantic_ai.profiles.openai import OpenAIModelProfile  # noqa: PLC0415
    from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415

    # Servers of one's own may not know the newer name of `max_tokens`, and would write without end.
    is_theirs = entry.model.startswith(THEIRS) and not entry.model.startswith(NOT_THEIRS)
    bound = OpenAIModelProfile(openai_chat_supports_max_completion_tokens=is_theirs or not entry.own_url)
    profile = merge_profile(OpenAIProvider.model_profile(entry.model), bound)
    return OpenAIChatModel(entry.model, provider=OpenAIProvider(base_url=url, api_key=key), profile=profile)


def _anthropic(entry: Entry, url: str, key: str) -> "Model":
    from pydantic_ai.models.anthropic import AnthropicModel  # noqa: PLC0415
    from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: PLC0415

    return AnthropicModel(entry.model, provider=AnthropicProvider(base_url=url, api_key=key))


def _google(entry: Entry, url: str, key: str) -> "Model":
    from pydantic_ai.models.google import GoogleModel  # noqa: PLC0415
    from pydantic_ai.providers.google import GoogleProvider  # noqa: PLC0415

    return GoogleModel(entry.model, provider=GoogleProvider(base_url=url, api_key=key))


_MAKERS = {"openai": _openai, "anthropic": _anthropic, "google": _google}
