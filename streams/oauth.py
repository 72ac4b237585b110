"""Twitch's authorization server: how consent is asked for, and how tokens are had, checked and given back.

    tokens = ask(lambda server: server.refresh(refresh_token))

The functions of twitchAPI are not used here, though they take another address: none tells how long a token lives or
what it allows, a server that is away ends them in KeyError or with a session left open, and revoking puts the token
into the address, where proxies write it down.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

import aiohttp
from django.conf import settings

from streams.logins import LOGIN

TIMEOUT_S = 10.0
MAX_BODY_BYTES = 64 * 1024
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
MOST_SCOPES = 200
LONGEST_S = 400 * 24 * 60 * 60
SCOPE = re.compile(r"[a-z0-9:_]{1,64}")
TWITCH_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
T = TypeVar("T")


class OAuthError(Exception):
    """Something did not work; its text is a sentence for people."""


class NotConfigured(OAuthError):
    """There is no application at Twitch, or Twitch does not know it so."""


class TwitchAway(OAuthError):
    """No answer, or none that makes sense. It passes: the same may work in a minute."""


class Refused(OAuthError):
    """Twitch says no: a code or a token is not, or no longer, good for this."""


class InvalidToken(Refused):
    """A dead access token."""


class Pending(OAuthError):
    """Nobody has entered the code of the device yet."""


@dataclass(frozen=True)
class Tokens:
    """What a consent is worth. The refresh token of an application's own is empty."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Identity:
    """Whose access token it is, for how many more seconds; None for one of the application itself."""

    twitch_id: str | None
    login: str | None
    scopes: tuple[str, ...]
    expires_in: int


@dataclass(frozen=True)
class Device:
    """A code to be entered at a page, by somebody with a browser, within `expires_in` seconds."""

    device_code: str = field(repr=False)
    user_code: str
    page: str
    expires_in: int
    interval: int
    scopes: tuple[str, ...]


def ask(question: "Callable[[AuthServer], Awaitable[T]]") -> T:
    """Ask from code that is not async."""

    async def run() -> T:
        async with AuthServer() as server:
            return await question(server)

    return asyncio.run(run())


def require_application() -> None:
    """Raise NotConfigured where no application of ours is named."""
    if not (settings.TWITCH_CLIENT_ID and settings.TWITCH_CLIENT_SECRET):
        raise NotConfigured(
            "This StreamStats is not registered at Twitch yet. Register an application at"
            " https://dev.twitch.tv/console, and start again with its TWITCH_CLIENT_ID and TWITCH_CLIENT_SECRET."
        )


def authorize_url(*, redirect_uri: str, scopes: Iterable[str], state: str) -> str:
    """Where somebody's browser has to go. Twitch asks every time, and lets one change the account."""
    require_application()
    asked = {
        "response_type": "code",
        "client_id": settings.TWITCH_CLIENT_ID,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": state,
        "force_verify": "true",
    }
    return f"{settings.TWITCH_AUTH_URL.rstrip('/')}/authorize?{urlencode(asked)}"


class AuthServer:
    """The server at `settings.TWITCH_AUTH_URL`. Raises OAuthError of all kinds."""

    def __init__(self) -> None:
        require_application()
        self._base = settings.TWITCH_AUTH_URL.rstrip("/")
        self._client = {"client_id": settings.TWITCH_CLIENT_ID}
        self._secret = {**self._client, "client_secret": settings.TWITCH_CLIENT_SECRET}

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def exchange_code(self, code: str, redirect_uri: str) -> Tokens:
        """The tokens for what a browser came back with; once, and with the very address it came back to."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        return _tokens(await self._ask("token", {**self._secret, **form}))

    async def refresh(self, refresh_token: str) -> Tokens:
        """New tokens. Refused where consent has ended."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        tokens = _tokens(await self._ask("token", {**self._secret, **form}))
        # Twitch mostly sends the old refresh token again; where it sends none, the old one holds.
        return tokens if tokens.refresh_token else replace(tokens, refresh_token=refresh_token)

    async def app_token(self) -> Tokens:
        """A token of the application itself."""
        return _tokens(await self._ask("token", {**self._secret, "grant_type": "client_credentials"}))

    async def validate(self, access_token: str) -> Identity:
        """Whose token it is and what it allows; InvalidToken for a dead one, or another application's."""
        answer = await self._ask("validate", None, {"Authorization": f"OAuth {access_token}"})
        with _Sense():
            if answer["client_id"] != settings.TWITCH_CLIENT_ID:
                raise InvalidToken("The token belongs to another application: TWITCH_CLIENT_ID has changed.")
            twitch_id, login = _name(answer.get("user_id"), TWITCH_ID), _name(answer.get("login"), LOGIN)
            return Identity(twitch_id, login, _scopes(answer.get("scopes")), _seconds(answer["expires_in"]))

    async def revoke(self, access_token: str) -> None:
        """Give a token back. One that is dead already is no error."""
        try:
            await self._ask("revoke", {**self._client, "token": access_token}, is_json=False)
        except Refused:
            return

    async def device_start(self, scopes: Iterable[str]) -> Device:
        asked = tuple(scopes)
        answer = await self._ask("device", {**self._client, "scopes": " ".join(asked)})
        with _Sense():
            return Device(
                _text(answer["device_code"]),
                _text(answer["user_code"]),
                _text(answer["verification_uri"]),
                _seconds(answer["expires_in"]),
                _seconds(answer["interval"]),
                asked,
            )

    async def device_poll(self, device: Device) -> Tokens:
        """The tokens, once somebody has allowed it; Pending before, Refused after its time or a no."""
        form = {"grant_type": DEVICE_GRANT, "device_code": device.device_code, "scopes": " ".join(device.scopes)}
        return _tokens(await self._ask("token", {**self._client, **form}))

    async def _ask(
        self,
        path: str,
        form: Mapping[str, str] | None,
        headers: Mapping[str, str] | None = None,
        *,
        is_json: bool = True,
    ) -> dict[str, Any]:
        method = "GET" if form is None else "POST"
        try:
            async with self._session.request(method, f"{self._base}/{path}", data=form, headers=headers) as response:
                status, body = response.status, await _body(response)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # time-outs are OSErrors
            raise TwitchAway(f"Twitch does not answer ({type(error).__name__}). Try again in a minute.") from None
        if status == 200 and not is_json:
            return {}
        answer = _object(body)
        if status == 200 and answer is not None:
            return answer
        raise _refusal(status, answer)


class _Sense:
    """Turns what is missing in an answer, or of another type, into TwitchAway; nothing of the answer is told."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyError | TypeError | ValueError):
            raise TwitchAway("Twitch answered something that makes no sense. Try again in a minute.") from None


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The body; no more of it than an answer can have."""
    body = b""
    async for part in response.content.iter_any():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise ValueError("too much")
    return body


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _refusal(status: int, answer: Mapping[str, Any] | None) -> OAuthError:
    """What it means. Twitch tells some things in words alone."""
    if answer is None or not 400 <= status < 500 or status == 429:
        return TwitchAway(f"Twitch has trouble (status {status}). Try again in a minute.")
    message = str(answer.get("message", ""))[:200]
    if message.lower() == "authorization_pending":
        return Pending("Nobody has entered the code yet.")
    # None of this says anything about somebody's consent: it is the application that is wrong.
    if status in {403, 404} or "client" in message.lower():
        return NotConfigured(
            f"Twitch does not know this StreamStats ({message}). Compare TWITCH_CLIENT_ID and TWITCH_CLIENT_SECRET"
            " with https://dev.twitch.tv/console."
        )
    if status == 401:
        return InvalidToken("The token is no longer valid.")
    return Refused(f"Twitch refused: {message or f'status {status}'}.")


def _tokens(answer: Mapping[str, Any]) -> Tokens:
    with _Sense():
        return Tokens(
            _text(answer["access_token"]),
            _text(answer["refresh_token"]) if answer.get("refresh_token") else "",
            _seconds(answer["expires_in"]),
            _scopes(answer.get("scope")),
        )


def _scopes(told: object) -> tuple[str, ...]:
    """A list, a text with blanks, or nothing."""
    names = told.split() if isinstance(told, str) else told if isinstance(told, list) else []
    return tuple(name for name in names[:MOST_SCOPES] if isinstance(name, str) and SCOPE.fullmatch(name))


def _text(value: object) -> str:
    if not (isinstance(value, str) and value and value.isprintable()):
        raise ValueError("no text")
    return value


def _name(value: object, pattern: re.Pattern[str]) -> str | None:
    """An id or a login; None is nobody's."""
    if value and not pattern.fullmatch(_text(value)):
        raise ValueError("no name")
    return str(value) if value else None


def _seconds(value: object) -> int:
    """A time that can be added to a clock."""
    if not isinstance(value, int) or value < 0:
        raise ValueError("no time")
    return min(value, LONGEST_S)
