"""Asking the providers over HTTP: one question, one answer, never an exception."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import aiohttp

from chat.providers.etiquette import Absent, Answer, Failed, Fetched, Unchanged

USER_AGENT = "StreamStats (self-hosted Twitch chat statistics; reads emote sets)"
TIMEOUT_S = 20.0
MAX_BODY_BYTES = 16 * 1024 * 1024


def open_session(timeout_s: float = TIMEOUT_S) -> aiohttp.ClientSession:
    """Open the session that all questions and live sockets share."""
    return aiohttp.ClientSession(
        headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


class Asker:
    """Asks for JSON."""

    def __init__(
        self, session: aiohttp.ClientSession, *, now: Callable[[], datetime], max_bytes: int = MAX_BODY_BYTES
    ) -> None:
        self._session = session
        self._now = now
        self._max_bytes = max_bytes

    async def ask(self, url: str, etag: str = "") -> Answer:
        """Ask once. With an ETag, only for what is new since."""
        try:
            async with self._session.get(url, headers={"If-None-Match": etag} if etag else {}) as response:
                return await self._read(response)
        except (aiohttp.ClientError, OSError, ValueError, RecursionError) as error:
            # No connection, too slow, no address, no JSON, or JSON too deep to read.
            return Failed(f"{type(error).__name__}: {error}"[:200])

    async def _read(self, response: aiohttp.ClientResponse) -> Answer:
        if response.status == HTTPStatus.NOT_MODIFIED:
            return Unchanged()
        if response.status == HTTPStatus.NOT_FOUND:
            return Absent()
        if response.status != HTTPStatus.OK:
            return Failed(f"status {response.status}", retry_after_s(response.headers.get("Retry-After"), self._now()))
        text = await self._body(response)
        if text is None:
            return Failed(f"more than {self._max_bytes} bytes")
        return Fetched(json.loads(text), response.headers.get("ETag", ""))

    async def _body(self, response: aiohttp.ClientResponse) -> bytes | None:
        """Read the body, None if it is larger than any set can be."""
        parts, size = [], 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > self._max_bytes:
                return None
            parts.append(part)
        return b"".join(parts)


def retry_after_s(value: str | None, now: datetime) -> float:
    """Read a Retry-After header: seconds, or a date. 0 for none, and for one that cannot be read."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
