"""Real receivers on this machine: one that takes what it is sent, and all the others."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from aiohttp import web

MEGABYTES_10 = 10 * 1024 * 1024
BODY_IS_COMING = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly"


class Request(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class Receivers:
    """Answers as the first part of the path says. `got` is all that arrived, `is_well` lets those that fail take it.

    Those that hang do so until so many were taken by others as `hang_until` says.
    """

    def __init__(self) -> None:
        self.got: list[Request] = []
        self.is_well = False
        self.hang_until = 0
        self.port = self.odd_port = 0
        self._taken = 0
        self._stop, self._release = asyncio.Event(), asyncio.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def odd_url(self, path: str) -> str:
        """Of one that answers with bytes of its own."""
        return f"http://127.0.0.1:{self.odd_port}/{path}"

    def paths(self) -> list[str]:
        return [request.path for request in self.got]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.got.append(Request(request.path, dict(request.headers), await request.read()))
        kind = request.path.split("/")[1]
        if self.is_well or kind == "take":
            self._taken += 1
            if self._taken == self.hang_until:
                self._release.set()
            return web.Response(text="thanks")
        answer: web.StreamResponse = await getattr(self, f"_{kind}")(request)
        return answer

    async def _fail(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=500, text="<b>broken</b>\x00")

    async def _echo(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=int(request.path.split("/")[2]), body=await request.read())

    async def _busy(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": "1200"})

    async def _gone(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=410)

    async def _inward(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "http://169.254.169.254/latest/meta-data/"})

    async def _inside(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": self.url("take/by-redirect")})

    async def _hang(self, request: web.Request) -> web.StreamResponse:
        await self._release.wait()
        return web.Response()

    async def _large(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * MEGABYTES_10)

    async def _bomb(self, request: web.Request) -> web.StreamResponse:
        """Says that it is packed: unpacked it would be much more."""
        return web.Response(body=b"\x1f\x8b" + b"\x00" * 5000, headers={"Content-Encoding": "gzip"})

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not self._stop.is_set():
            await response.write(b"y" * 100_000)
        return response

    async def _cookie(self, request: web.Request) -> web.StreamResponse:
        response = web.Response()
        response.set_cookie("who", "us")
        return response

    async def _odd(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        kind = line.split()[1].strip(b"/") if b" " in line else b""
        if kind == b"no-http":
            writer.write(b"220 mail.example.org ESMTP ready\r\n" * 3)
        elif kind == b"half":
            writer.write(BODY_IS_COMING)
        elif kind == b"headers":
            writer.write(b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: %s\r\n" % (n, b"z" * 1000) for n in range(20_000)))
        elif kind == b"late":  # says that it took it, and never comes to an end
            writer.write(BODY_IS_COMING)
            await writer.drain()
            await self._stop.wait()
        try:
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except ConnectionError:  # who sent has seen enough
            pass

    async def run(self, ready: threading.Event) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        odd = await asyncio.start_server(self._odd, "127.0.0.1", 0)
        self.port = runner.addresses[0][1]
        self.odd_port = odd.sockets[0].getsockname()[1]
        ready.set()
        await self._stop.wait()
        self._release.set()
        odd.close()
        await runner.cleanup()


@contextmanager
def receiving() -> Iterator[Receivers]:
    receivers, ready = Receivers(), threading.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=[receivers.run(ready)])
    thread.start()
    assert ready.wait(10)
    try:
        yield receivers
    finally:
        loop.call_soon_threadsafe(receivers._stop.set)
        thread.join()
        loop.close()
