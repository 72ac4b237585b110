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
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import set_script_prefix

FULL = "Too many people are here at once. Try again in some seconds.\n"
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
        self.inside = 0

    @property
    def is_full(self) -> bool:
        return self.inside >= settings.WEB_WAITING


Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


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
        """Answer one request. Who leaves meanwhile is noticed where that ends something: in a stream."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with closing(body):
            set_script_prefix(get_script_prefix(scope))
            request, refusal = self.create_request(scope, body)
            response: Any = await self.run_get_response(request) if request else refusal
            if response.streaming:
                await self._stream(response, receive, send)
            else:
                await self.send_response(response, send)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        lane = next(lane for lane in self._lanes if request.path_info.startswith(lane.addresses))
        if lane.is_full:  # whoever waits that long has left
            return _full(request)
        lane.inside += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(lane.threads, copy_context().run, self._answer, request)
        finally:
            lane.inside -= 1

    def _answer(self, request: Any) -> HttpResponseBase:
        request_started.send(sender=self.__class__, scope=request.scope)
        try:
            response = self.get_response(request)
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


def _full(request: HttpRequest) -> HttpResponse:
    from streams.api import middleware, problems  # noqa: PLC0415 - this module is there before the apps are

    if request.path_info.startswith(middleware.UNDER):
        response = problems.answer(503)
        response["Retry-After"] = str(TRY_AGAIN_S)
        return response
    return HttpResponse(FULL, status=503, content_type="text/plain", headers={"Retry-After": str(TRY_AGAIN_S)})


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
