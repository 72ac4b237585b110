"""What is kept of people, for how long, and what they can do about it."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from chat.packedfiles import KEPT_FOR
from streams.changekeeping import KEPT_FOR as CHANGES_KEPT_FOR
from streams.jobs import KEPT_FOR as RUNS_KEPT_FOR
from streams.models import Channel
from streams.pages import kept_ready
from streamstats.lib.methods import read_only

MOST_CHANNELS = 200
# Whose language models these are, and the setting that names another server.
COMPANIES = {
    "openai": ("OpenAI", "OPENAI_BASE_URL"),
    "anthropic": ("Anthropic", "ANTHROPIC_BASE_URL"),
    "google": ("Google", "GEMINI_BASE_URL"),
}


@read_only
@kept_ready
def privacy(request: HttpRequest) -> HttpResponse:
    context = {
        "channels": Channel.objects.followed().order_by("login")[:MOST_CHANNELS],
        "contact": settings.CONTACT,
        "contact_address": _address(settings.CONTACT),
        "export_days": KEPT_FOR.days,
        "run_days": RUNS_KEPT_FOR.days,
        "readers": list(dict.fromkeys(_readers())),
        "sync_days": CHANGES_KEPT_FOR.days,
        "cache_seconds": settings.PAGE_CACHE_SECONDS,
    }
    return render(request, "chat/privacy.html", context)


def _readers() -> Iterator[str]:
    """To whom messages go for summaries, in the order in which they are asked."""
    for model in settings.AI_PROVIDERS:
        provider = model.partition(":")[0]
        company, setting = COMPANIES.get(provider, (provider, ""))
        yield urlsplit(getattr(settings, setting, "")).hostname or company


def _address(contact: str) -> str:
    """What to link to; nothing where it is neither a page nor a mail address."""
    if contact.startswith(("https://", "http://")):
        return contact
    return f"mailto:{contact}" if "@" in contact and " " not in contact else ""
