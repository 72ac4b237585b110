"""How requests come from the ASGI server to Django."""

import gc
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase

FULL = "Too many people are here at once. Try again in some seconds.\n"
TRY_AGAIN_S = 5
GARBAGE = 20_000
"""Objects that are made, and not gone, before Python looks for those that only name each other."""


class Lane:
    """Some threads, the addresses they answer (by how those begin), and who waits for one of them."""

    def __init__(self, name: str, threads: int, *addresses: str) -> None:
        self.addresses = addresses
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self.inside = 0

    @property
    def is_full(self) -> bool:
        return self.inside >= settings.WEB_WAITING


class FewThreadsHandler(ASGIHandler):
    """Runs all middleware and the view of a request in one of a few threads; who comes when all are busy waits.

    Django's own starts a thread for each request, and goes there from the loop and back for each middleware: that took
    3 of the 3.9 ms of a page that was kept ready. Thirty pages rendered at once are all late; four at a time, the
    first ones are not. Streams go out from the loop, and take no thread.

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

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            raise ValueError(f"These are pages: there is no answer to {scope['type']}.")
        await self.handle(scope, receive, send)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        lane = next(lane for lane in self._lanes if request.path_info.startswith(lane.addresses))
        if lane.is_full:  # whoever waits that long has left
            return _full(request)
        lane.inside += 1
        try:
            return await sync_to_async(self._answer, thread_sensitive=False, executor=lane.threads)(request)
        finally:
            lane.inside -= 1

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return self.get_response(request)
        finally:
            close_old_connections()  # back into the pool: the signal that usually does it comes in another thread


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
    return handler
