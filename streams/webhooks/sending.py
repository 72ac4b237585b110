"""One request to an address that a stranger chose: bounded in time and size, and only where everybody could send it."""

import asyncio
import ssl
import time
from typing import NamedTuple

import aiohttp
from django.conf import settings

from streams.webhooks import guard

USER_AGENT = "StreamStats-Webhooks/1"
# So much of an answer is read, whatever it says of its length; so much is kept.
READ_BYTES = 64 * 1024
KEPT_CHARACTERS = 2000
BUFFER_BYTES = 16 * 1024
LONGEST_REST_S = 3600
GONE = 410
ASK_LATER = (429, 503)


class Answer(NamedTuple):
    """What came back. `status` is None where nothing did; `problem` is a sentence, empty where it was taken."""

    status: int | None
    text: str
    problem: str
    took_ms: int
    later_s: int = 0
    """How long the receiver asked to be left alone."""

    @property
    def is_taken(self) -> bool:
        return not self.problem

    @property
    def is_gone(self) -> bool:
        return self.status == GONE


def session() -> aiohttp.ClientSession:
    """For any number of requests. It knows no cookies, proxies or passwords, and keeps no connection."""
    connector = aiohttp.TCPConnector(
        resolver=guard.PublicNames(),
        socket_factory=guard.make_socket,
        ssl=ssl.create_default_context(),
        use_dns_cache=False,
        force_close=True,
        limit=0,  # whoever sends counts for itself: see delivering.py
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None),  # `post` has one, over everything
        auto_decompress=False,
        trust_env=False,
        read_bufsize=BUFFER_BYTES,
    )


async def post(client: aiohttp.ClientSession, url: str, headers: dict[str, str], body: bytes) -> Answer:
    """Send it, in `settings.WEBHOOK_TIMEOUT_S` at the most. No failure of the other side is an exception here."""
    began = time.monotonic()
    status, text, problem, later_s = None, b"", "", 0
    try:
        async with asyncio.timeout(settings.WEBHOOK_TIMEOUT_S):
            request = client.post(guard.check(url), data=body, headers=headers, allow_redirects=False)
            async with request as response:
                status, later_s = response.status, _later_s(response)
                problem = _problem_of(status)
                text = await _beginning(response)
    except TimeoutError:
        # Of an answer whose end never comes, the status says all that counts.
        is_answered = status is not None and not problem
        problem = "" if is_answered else problem or f"No answer within {settings.WEBHOOK_TIMEOUT_S:g} seconds."
    except guard.NotAllowed as error:
        problem = str(error)
    except aiohttp.ClientConnectorCertificateError:
        problem = "Its certificate is not one for this name, or has run out."
    except aiohttp.ClientConnectorError as error:
        refused = error.os_error
        problem = (
            str(refused)
            if isinstance(refused, guard.NotAllowed)
            else "Nobody answers at this address, or not as the address says."
        )
    except (aiohttp.ClientError, OSError, ValueError):
        problem = problem or "What answers there broke off, or does not speak HTTP."
    took_ms = round((time.monotonic() - began) * 1000)
    return Answer(status, _readable(text), problem, took_ms, later_s)


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """The beginning of an answer. The rest is left where it is: its connection is closed."""
    parts, size = [], 0
    try:
        while size < READ_BYTES and (part := await response.content.read(READ_BYTES - size)):
            parts.append(part)
            size += len(part)
    except aiohttp.ClientPayloadError:  # it broke off, after it said with its status whether it took it
        pass
    finally:
        response.close()
    return b"".join(parts)


def _problem_of(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"It answered {status}, which leads on to another address. Redirects are not followed: enter that one."
    if status == GONE:
        return "It answered 410: it is gone, and wants to be told of nothing more."
    return f"It answered {status}, where anything from 200 to 299 says that it took it."


def _later_s(response: aiohttp.ClientResponse) -> int:
    asked = response.headers.get("Retry-After", "")
    is_number = asked.isascii() and asked.isdecimal() and len(asked) < 10
    return min(int(asked), LONGEST_REST_S) if is_number and response.status in ASK_LATER else 0


def _readable(text: bytes) -> str:
    """As much of it as is kept. Postgres takes no NUL."""
    return text[: 4 * KEPT_CHARACTERS].decode(errors="replace").replace("\x00", "\ufffd")[:KEPT_CHARACTERS]
