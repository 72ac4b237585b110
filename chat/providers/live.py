"""Live sockets of the providers: they hold the connections that conversations are led on."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import NoReturn

import aiohttp
import structlog

from chat.providers.conversation import Conversation, Event, Topic

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 20.0
PING_EVERY_S = 30.0
STEADY_AFTER_S = 60.0  # a connection that held this long was a good one: the next wait is short again
MAX_WAIT_S = 300.0


Handle = Callable[[Event], Awaitable[None]]
Uniform = Callable[[float, float], float]


def backoff_s(attempt: int, uniform: Uniform) -> float:
    """Wait about 1, 2, 4 ... 300 seconds, and never in step with others."""
    longest = min(MAX_WAIT_S, 2.0 ** min(attempt, 16))
    return uniform(longest / 2, longest)


class LiveSocket:
    """Keeps one conversation connected."""

    def __init__(
        self,
        url: str,
        conversation: Conversation,
        session: aiohttp.ClientSession,
        handle: Handle,
        *,
        clock: Callable[[], float] = time.monotonic,
        uniform: Uniform = random.uniform,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.conversation = conversation
        self._url = url
        self._session = session
        self._handle = handle
        self._clock = clock
        self._uniform = uniform
        self._pause = pause
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def run(self) -> NoReturn:
        attempt = 0
        while True:
            opened_at = self._clock()
            code, reason = await self._converse()
            attempt = 0 if self._clock() - opened_at >= STEADY_AFTER_S else attempt + 1
            wait_s = max(self.conversation.closed(code), backoff_s(attempt, self._uniform))
            log.warning("emotes.socket_lost", url=self._url, code=code, reason=reason, again_in_s=round(wait_s, 1))
            await self._pause(wait_s)

    async def flush(self) -> None:
        """Send what the conversation has to say; not connected, it says it later anyhow."""
        if self._socket is None:
            return
        try:
            await self._send(self._socket)
        except (aiohttp.ClientError, OSError):  # the reading side sees the loss too, and deals with it
            log.debug("emotes.socket_not_writable", url=self._url)

    async def _converse(self) -> tuple[int | None, str]:
        """Connect and listen until the connection is lost; return its close code and why it ended."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                socket = await self._session.ws_connect(self._url, heartbeat=PING_EVERY_S)
            async with socket:
                self._socket = socket
                await self._listen(socket)
            return None if socket.close_code is None else int(socket.close_code), "closed"
        except (aiohttp.ClientError, OSError) as error:
            return None, f"{type(error).__name__}: {error}"
        finally:
            self._socket = None

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await self._handle_all(self.conversation.opened())
        await self._send(socket)
        while not self.conversation.is_leaving:
            message = await socket.receive(self.conversation.patience_s)
            if message.type is aiohttp.WSMsgType.TEXT:
                await self._handle_all(self.conversation.heard(message.data))
                await self._send(socket)
            elif message.type is not aiohttp.WSMsgType.BINARY:  # closed, closing or broken
                return

    async def _handle_all(self, events: list[Event]) -> None:
        for event in events:
            await self._handle(event)

    async def _send(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        for frame in self.conversation.outgoing():
            await socket.send_str(frame)


class SocketPool:
    """As many sockets as the topics need."""

    def __init__(self, connect: Callable[[], LiveSocket]) -> None:
        self._connect = connect
        self._sockets: list[LiveSocket] = []

    async def watch(self, topic: Topic) -> None:
        if any(topic in socket.conversation.topics for socket in self._sockets):
            return
        socket = next((found for found in self._sockets if _has_room(found.conversation)), None)
        if socket is None:
            socket = self._connect()
            self._sockets.append(socket)
        socket.conversation.watch(topic)
        await socket.flush()

    async def unwatch(self, topic: Topic) -> None:
        for socket in self._sockets:
            if topic in socket.conversation.topics:
                socket.conversation.unwatch(topic)
                await socket.flush()


def _has_room(conversation: Conversation) -> bool:
    return len(conversation.topics) < conversation.max_topics
