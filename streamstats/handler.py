"""How requests come from the ASGI server to Django."""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.signals import request_started
from django.db import close_old_connections
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import set_script_prefix

FULL = "Too many people are here at once. Try again in some seconds.\n"
TOO_LARGE = "That is more than anything here takes. Send less.\n"
TRY_AGAIN_S = 5
GARBAGE = 20_000
"""Objects that are made, and not gone, before Python looks for those that only name each other."""
SWITCH_S = 0.0005
"""How long a thread may go on with Python while another waits to. An answer asks Redis and Postgres several times, and
after each of them it would wait ten times as long for whoever is rendering just then."""


class Lane:
    """Some threads, the addresses they answer (by how those begin), and who waits for one of them."""

    def __init__(self, name: str, threads: int, *addresses: str) -> None:
        self.addresses = addresses
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self.size = threads
        self.inside = 0

    @property
    def is_busy(self) -> bool:
        """Whether somebody has to wait for a thread."""
        return self.inside > self.size

    @property
    def is_full(self) -> bool:
        return self.inside >= settings.WEB_WAITING


Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class TooLarge(Exception):
    """More was sent than anybody may."""


class FewThreadsHandler(ASGIHandler):
    """Runs all of a request in one of a few threads, from its first signal to its last; who comes when all are busy
    waits.

    Django's own starts a thread for each request, and goes there from the loop and back for each middleware and for
    each signal: that took 3 of the 3.9 ms of a page that was kept ready. Thirty pages rendered at once are all late;
    four at a time, the first ones are not. Streams go out from the loop, and take no thread.

    Logins wait for Twitch, and whoever asks whether we live must hear it however many pages are wanted: they have
    threads of their own.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lanes = (
            Lane("check", 2, "/healthz", "/readyz", "/metrics"),
            Lane("login", settings.WEB_THREADS, "/login/", "/complete/"),
            Lane("page", settings.WEB_THREADS, ""),
        )

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"These are pages: there is no answer to {scope['type']}.")
        await self.handle(scope, receive, send)

    async def handle(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request. That somebody leaves is noticed where it ends something: in a queue, and in a stream."""
        try:
            body = await self.read_body(_bounded(receive, scope["path"]))
        except RequestAborted:
            return
        except TooLarge:
            await self.send_response(_refused(scope["path"], 413, TOO_LARGE), send)
            return
        with closing(body):
            set_script_prefix(get_script_prefix(scope))
            request, refusal = self.create_request(scope, body)
            try:
                response: Any = await self._in_its_lane(request, receive) if request else refusal
            except RequestAborted:
                return
            if response.streaming:
                await self._stream(response, receive, send)
            else:
                await self.send_response(response, send)

    async def _in_its_lane(self, request: HttpRequest, receive: Receive) -> HttpResponseBase:
        lane = next(lane for lane in self._lanes if request.path_info.startswith(lane.addresses))
        if lane.is_full:  # they would wait longer than anybody does
            response = _refused(request.path_info, 503, FULL)
            response["Retry-After"] = str(TRY_AGAIN_S)
            return response
        lane.inside += 1
        try:
            loop = asyncio.get_running_loop()
            answer: asyncio.Future[HttpResponseBase] = loop.run_in_executor(
                lane.threads, copy_context().run, self._answer, request
            )
            if lane.is_busy:
                await self._while_they_stay(answer, receive)
            return await answer
        finally:
            lane.inside -= 1

    async def _while_they_stay(self, answer: "asyncio.Future[HttpResponseBase]", receive: Receive) -> None:
        """Wait for an answer. Raises RequestAborted when whoever asked leaves: others wait for the thread as well."""
        leaving = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            first: set[asyncio.Future[Any]] = {answer, leaving}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                answer.cancel()
                raise RequestAborted
        finally:
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)

    def _answer(self, request: Any) -> Any:
        request_started.send(sender=self.__class__, scope=request.scope)
        try:
            response: Any = self.get_response(request)
            response._handler_class = self.__class__  # noqa: SLF001 (as Django's does)
            if isinstance(response, FileResponse):
                response.block_size = self.chunk_size
            if not response.streaming:
                response.close()  # which signals that the request is finished; what it says can be read still
            return response
        finally:
            close_old_connections()  # back into the pool: of a stream, the signal comes later and in another thread

    async def _stream(self, response: HttpResponseBase, receive: Receive, send: Send) -> None:
        """Send a stream until it ends, or whoever reads it leaves."""
        leaving = asyncio.create_task(self.listen_for_disconnect(receive))
        sending = asyncio.create_task(self.send_response(response, send))
        try:
            await asyncio.wait({leaving, sending}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                await sending
        finally:
            for task in (leaving, sending):
                task.cancel()
            await asyncio.gather(leaving, sending, return_exceptions=True)
            await sync_to_async(response.close)()


def _bounded(receive: Receive, path: str) -> Receive:
    """What is sent, as long as it is no more than anything at this address takes. Raises TooLarge."""
    from streams.api import middleware  # noqa: PLC0415 - this module is there before the apps are

    left = middleware.LARGEST_BODY if path.startswith(middleware.UNDER) else settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    async def bounded() -> Any:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise TooLarge
        return message

    return bounded


def _refused(path: str, status: int, words: str) -> HttpResponse:
    """What is told before Django has the request: in the API as a problem."""
    from streams.api import middleware, problems  # noqa: PLC0415 - this module is there before the apps are

    if path.startswith(middleware.UNDER):
        return problems.answer(status)
    return HttpResponse(words, status=status, content_type="text/plain")


def application() -> Any:
    """As `django.core.asgi.get_asgi_application`."""
    django.setup(set_prefix=False)
    handler = FewThreadsHandler()
    # What was loaded stays, so nobody need look through it for garbage; and a page makes as much as this of its own,
    # nearly all of which goes without being looked for. It took a tenth of the time of a page.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, *gc.get_threshold()[1:])
    sys.setswitchinterval(SWITCH_S)
    return handler
