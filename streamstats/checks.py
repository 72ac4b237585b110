"""Settings that cannot work, said at start, with what to do about each."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Caution
from django.core.exceptions import ImproperlyConfigured

from chat.summaries import providers as language_models
from streams.scopes import FEATURES

HTTP = ("http", "https")
WEB_SOCKET = ("ws", "wss")
REDIS = ("redis", "rediss", "unix")
SERVICE_SCHEMES = {
    "TWITCH_IRC_URL": WEB_SOCKET,
    "TWITCH_HELIX_URL": HTTP,
    "TWITCH_AUTH_URL": HTTP,
    "TWITCH_EVENTSUB_WS_URL": WEB_SOCKET,
    "TWITCH_EVENTSUB_SUBSCRIPTION_URL": HTTP,
    "TWITCH_CDN_URL": HTTP,
    "SEVENTV_URL": HTTP,
    "SEVENTV_EVENTS_URL": WEB_SOCKET,
    "BTTV_URL": HTTP,
    "BTTV_WS_URL": WEB_SOCKET,
    "BTTV_CDN_URL": HTTP,
    "FFZ_URL": HTTP,
}
HIGHEST_PORT = 65535
LONGEST_WEBHOOK_S = 30
LONGEST_STATEMENT_S = 3600


@register()
def check_secret_key(**kwargs: Any) -> Iterator[CheckMessage]:
    if not has_secret_key():
        yield Error(
            "SECRET_KEY is not set.",
            hint="It signs sessions. Make one with `openssl rand -base64 50`, and give every process the same.",
            id="streamstats.E001",
        )


@register()
def check_database(**kwargs: Any) -> Iterator[CheckMessage]:
    if settings.DATABASES["default"].get("ENGINE") != "django.db.backends.postgresql":
        yield Error(
            "DATABASE_URL does not name a Postgres database.",
            hint="Write postgres://user:password@host:5432/name, or leave it out for an embedded Postgres.",
            id="streamstats.E002",
        )


@register()
def check_redis(**kwargs: Any) -> Iterator[CheckMessage]:
    if not is_address(settings.REDIS_URL, REDIS) or not names_redis_database(settings.REDIS_URL):
        yield Error(
            "REDIS_URL does not name a Redis server.",
            hint="Write redis://host:6379/0, rediss://... or unix:///path, or leave it out for an embedded Redis.",
            id="streamstats.E003",
        )


@register()
def check_services(**kwargs: Any) -> Iterator[CheckMessage]:
    for name, schemes in SERVICE_SCHEMES.items():
        if not is_web_address(getattr(settings, name), schemes):
            yield Error(
                f"{name} is not one address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}.",
                hint=f"Correct {name} (no blanks, commas or semicolons), or leave it out for the public service.",
                id="streamstats.E004",
            )


@register()
def check_home(**kwargs: Any) -> Iterator[CheckMessage]:
    home = settings.STREAMSTATS_HOME
    if not is_writable(home):
        yield Error(
            f"STREAMSTATS_HOME ({home}) cannot be written to.",
            hint="Lines are kept there while Redis is away. Name a folder that this user may write to.",
            id="streamstats.E005",
        )


@register()
def check_port(**kwargs: Any) -> Iterator[CheckMessage]:
    if not is_number(settings.PORT) or not 0 < int(settings.PORT) <= HIGHEST_PORT:
        yield Error(
            f"PORT ({settings.PORT}) is not a port.",
            hint=f"Give a number from 1 to {HIGHEST_PORT}.",
            id="streamstats.E006",
        )


@register()
def check_login(**kwargs: Any) -> Iterator[CheckMessage]:
    if bool(settings.TWITCH_CLIENT_ID) != bool(settings.TWITCH_CLIENT_SECRET):
        there, missing = ("ID", "SECRET") if settings.TWITCH_CLIENT_ID else ("SECRET", "ID")
        yield Error(
            f"TWITCH_CLIENT_{there} is set, but TWITCH_CLIENT_{missing} is not.",
            hint="Nobody could log in, and no channel be connected. https://dev.twitch.tv/console shows both: set both,"
            " or neither.",
            id="streamstats.E008",
        )


@register()
def check_media(**kwargs: Any) -> Iterator[CheckMessage]:
    media = Path(settings.MEDIA_ROOT)
    served = [Path(folder) for folder in (settings.STATIC_ROOT, *settings.STATICFILES_DIRS)]
    if any(folder == media or folder in media.parents for folder in served):
        yield Error(
            f"MEDIA_ROOT ({media}) is in a folder that everybody may read.",
            hint="Exports are written there, each for one person. Name a folder outside of static files.",
            id="streamstats.E009",
        )
    elif not is_writable(media):
        yield Error(
            f"MEDIA_ROOT ({media}) cannot be written to.",
            hint="Exports are written there. Name a folder that this user may write to, the same for web and worker.",
            id="streamstats.E010",
        )


@register()
def check_language_models(**kwargs: Any) -> Iterator[CheckMessage]:
    for text in settings.AI_PROVIDERS:
        try:
            entry = language_models.read(text)
        except language_models.Misnamed as error:
            yield Error(
                f"AI_PROVIDERS: {error}.",
                hint="Name models in the order in which they are to be tried, such as"
                " openai:gpt-4o,anthropic:claude-haiku-4-5, or none: summaries are computed from numbers then.",
                id="streamstats.E011",
            )
            continue
        if not entry.can_be_asked:
            provider = language_models.PROVIDERS[entry.provider]
            yield Error(
                f"AI_PROVIDERS names {entry}, but {provider.key} is not set.",
                hint=f"Write the key of your account at {provider.title} into {provider.key}, or the address of a"
                f" server that needs none into {provider.base_url}, or take it out of AI_PROVIDERS.",
                id="streamstats.E012",
            )


@register()
def check_language_model_addresses(**kwargs: Any) -> Iterator[CheckMessage]:
    for provider in language_models.PROVIDERS.values():
        url = getattr(settings, provider.base_url)
        if url and not is_web_address(url, HTTP):
            yield Error(
                f"{provider.base_url} is not one address that begins with http:// or https://.",
                hint=f"Correct {provider.base_url}, or leave it out for {provider.title} itself.",
                id="streamstats.E013",
            )


@register()
def check_language_model_bounds(**kwargs: Any) -> Iterator[CheckMessage]:
    if not is_amount(settings.AI_DAILY_BUDGET):
        yield Error(
            f"AI_DAILY_BUDGET ({settings.AI_DAILY_BUDGET}) is not an amount of money.",
            hint="Give what language models may cost on one day, in US dollars, such as 1.50; 0 allows free ones only.",
            id="streamstats.E014",
        )
    if settings.AI_TIMEOUT_S <= 0 or settings.AI_INPUT_TOKENS <= 0:
        yield Error(
            "AI_TIMEOUT_S and AI_INPUT_TOKENS have to be above 0.",
            hint="Give seconds that an answer may take, such as 60, and tokens to read for one summary, such as 4000.",
            id="streamstats.E015",
        )


@register()
def check_features(**kwargs: Any) -> Iterator[CheckMessage]:
    if unknown := set(settings.TWITCH_FEATURES) - FEATURES.keys():
        yield Error(
            f"TWITCH_FEATURES names what there is not: {', '.join(sorted(unknown))}.",
            hint=f"Name some of {', '.join(FEATURES)}, or leave it out for all of them.",
            id="streamstats.E007",
        )


@register()
def check_webhook_timeout(**kwargs: Any) -> Iterator[CheckMessage]:
    if not 0 < settings.WEBHOOK_TIMEOUT_S <= LONGEST_WEBHOOK_S:
        yield Error(
            f"WEBHOOK_TIMEOUT_S ({settings.WEBHOOK_TIMEOUT_S:g}) is not a time that a receiver may take.",
            hint=f"Give seconds above 0 and up to {LONGEST_WEBHOOK_S}, or leave it out for 10.",
            id="streamstats.E016",
        )


@register()
def check_statement_timeout(**kwargs: Any) -> Iterator[CheckMessage]:
    seconds = settings.STATEMENT_TIMEOUT_S
    if seconds != 0 and not 1 <= seconds <= LONGEST_STATEMENT_S:
        yield Error(
            f"STATEMENT_TIMEOUT_S ({seconds:g}) is not a time that a request may wait for the database.",
            hint=f"Give seconds from 1 to {LONGEST_STATEMENT_S}, 0 for as long as Postgres itself allows, or leave it"
            " out for 15.",
            id="streamstats.E017",
        )


@register()
def check_webhook_guard(**kwargs: Any) -> Iterator[CheckMessage]:
    if settings.WEBHOOK_ALLOW_PRIVATE and not settings.DEBUG:
        yield Caution(
            "WEBHOOK_ALLOW_PRIVATE is on.",
            hint="Whoever owns a channel here can have requests sent to any address that this server reaches, also"
            " inside its own network. Switch it off where anybody but you is one.",
            id="streamstats.W002",
        )


@register(deploy=True)
def check_privacy_key(**kwargs: Any) -> Iterator[CheckMessage]:
    if has_secret_key() and settings.PRIVACY_KEY == settings.SECRET_KEY:
        yield Caution(
            "PRIVACY_KEY is the same as SECRET_KEY.",
            hint="Erased accounts are known again by it for ever. Give it a key of its own while nobody was erased yet;"
            " after that, write the old SECRET_KEY into it before you change that.",
            id="streamstats.W001",
        )


def is_writable(folder: Path) -> bool:
    """Whether one can write there, or make it."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def is_address(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises where it is not a number
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.path if parts.scheme == "unix" else parts.hostname)


def is_web_address(text: str, schemes: tuple[str, ...]) -> bool:
    """Whether it is an address and nothing more: it becomes part of the Content-Security-Policy."""
    return is_address(text, schemes) and not re.search(r"[\s;,]", text)


def names_redis_database(url: str) -> bool:
    """Whether the number of the database, where one is given, is one: clients take anything else for 0, in silence."""
    parts = urlsplit(url)
    in_path = [] if parts.scheme == "unix" else [parts.path.strip("/")]
    asked = [*in_path, *parse_qs(parts.query).get("db", [])]
    return all(is_number(number) for number in asked if number)


def is_amount(text: str) -> bool:
    """Whether it is money, and none that is owed."""
    return re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text, re.ASCII) is not None


def is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def has_secret_key() -> bool:
    try:
        return bool(settings.SECRET_KEY)
    except ImproperlyConfigured:  # Django's answer to an empty one
        return False
