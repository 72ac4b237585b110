"""Requests as the ASGI server hands them over."""

import asyncio
import json
import threading
from io import BytesIO
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.signals import request_finished, request_started
from django.db import connection
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import path
from structlog.testing import capture_logs

from chat.tests.patience import until
from streams.api.views import ApiView
from streamstats import urls
from streamstats.handler import FewThreadsHandler

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")], "query_string": b""}
seen: list[Any] = []


def tell_thread(_request):
    seen.append(threading.current_thread())
    return HttpResponse(b"yes")


def use_database(_request):
    connection.ensure_connection()
    seen.append(connection.connection)
    return HttpResponse(b"yes")


async def wait_a_moment(_request):
    await asyncio.sleep(0)
    return HttpResponse(b"awaited")


def ask_for_long(_request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(20)")
    return HttpResponse(b"at last")


def ask_what_cannot_be(_request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_class WHERE pg_terminate_backend(pg_backend_pid())")
    return HttpResponse(b"never")


def wait_to_be_let_go(_request):
    seen.append("waits")
    assert let_go.wait(10)
    return HttpResponse(b"late")


class Asks(ApiView):
    def get(self, request):
        return ask_for_long(request)


async def forever():
    try:
        while True:
            yield b"on"
            await asyncio.sleep(0)
    finally:
        seen.append("over")


def stream(_request):
    return StreamingHttpResponse(forever())


async def fail():
    yield b"on"
    raise LookupError("on the way")


def stream_and_fail(_request):
    return StreamingHttpResponse(fail())


def read_file(_request):
    return FileResponse(BytesIO(b"a file"))


let_go = threading.Event()
urlpatterns = [
    path("", tell_thread),
    path("healthz", tell_thread),
    path("database/", use_database),
    path("awaits/", wait_a_moment),
    path("stream/", stream),
    path("fails/", stream_and_fail),
    path("file/", read_file),
    path("slow/", wait_to_be_let_go),
    path("asks/", ask_for_long),
    path("breaks/", ask_what_cannot_be),
    path("api/v1/asks/", Asks.as_view()),
    *urls.urlpatterns,
    path("complete/twitch/", wait_to_be_let_go),
]


@pytest.fixture(autouse=True)
def few_pages(settings):
    settings.ROOT_URLCONF, settings.WEB_THREADS = __name__, 2
    seen.clear()
    let_go.clear()


async def get(handler, address="/"):
    status, _, body = await get_with_headers(handler, address)
    return status, body


async def get_with_headers(handler, address):
    page = ApplicationCommunicator(handler, {**SCOPE, "path": address})
    await page.send_input({"type": "http.request", "body": b""})
    began = await page.receive_output(5)
    body = await page.receive_output(5)
    await page.wait(5)
    return began["status"], dict(began["headers"]), body["body"]


async def get_many(handler, count):
    return await asyncio.gather(*(get(handler) for _ in range(count)))


def test_many_requests_take_few_threads():
    answers = asyncio.run(get_many(FewThreadsHandler(), 12))
    assert answers == [(200, b"yes")] * 12
    assert len(set(seen)) <= 2


@pytest.mark.parametrize(
    ("slow", "other"), [("/slow/", "/healthz"), ("/complete/twitch/", "/healthz"), ("/complete/twitch/", "/")]
)
def test_what_waits_for_others_keeps_nobody_else(slow, other):
    async def scenario():
        handler = FewThreadsHandler()
        waiting = [asyncio.create_task(get(handler, slow)) for _ in range(4)]
        try:
            return await get(handler, other)
        finally:
            let_go.set()
            await asyncio.gather(*waiting)

    assert asyncio.run(scenario()) == (200, b"yes")


def test_who_would_wait_too_long_is_told_so_at_once(settings):
    settings.WEB_WAITING = 3

    async def scenario():
        handler = FewThreadsHandler()
        waiting = [asyncio.create_task(get(handler, "/slow/")) for _ in range(3)]
        await until(lambda: len(seen) == 2)
        try:
            return await get(handler), await get(handler, "/api/v1/channels/")
        finally:
            let_go.set()
            await asyncio.gather(*waiting)

    (status, body), (api_status, problem) = asyncio.run(scenario())
    assert (status, b"Try again" in body) == (503, True)
    assert (api_status, json.loads(problem)["code"]) == (503, "unavailable")


def test_who_leaves_while_they_wait_for_a_thread_is_not_answered(settings):
    settings.WEB_THREADS = 1

    async def scenario():
        handler = FewThreadsHandler()
        first = asyncio.create_task(get(handler, "/slow/"))
        await until(lambda: seen == ["waits"])
        page = ApplicationCommunicator(handler, SCOPE)
        await page.send_input({"type": "http.request", "body": b""})
        await page.send_input({"type": "http.disconnect"})
        await page.wait(5)
        let_go.set()
        return await first, await get(handler, "/awaits/")

    assert asyncio.run(scenario()) == ((200, b"late"), (200, b"awaited"))
    assert seen == ["waits"]


@pytest.mark.parametrize(("address", "most"), [("/", 2_621_440), ("/api/v1/channels/", 65_536)])
def test_more_is_not_read_than_anything_here_takes(address, most):
    async def scenario(size):
        page = ApplicationCommunicator(FewThreadsHandler(), {**SCOPE, "method": "POST", "path": address})
        await page.send_input({"type": "http.request", "body": b"x" * size, "more_body": True})
        await page.send_input({"type": "http.request", "body": b"x"})
        began = await page.receive_output(5)
        body = await page.receive_output(5)
        await page.wait(5)
        return began["status"], body["body"]

    status, body = asyncio.run(scenario(most))
    assert (status, b"Send less" in body or json.loads(body)["code"] == "too_large") == (413, True)
    assert asyncio.run(scenario(most - 1))[0] != 413


def test_a_view_that_awaits_is_awaited():
    assert asyncio.run(get(FewThreadsHandler(), "/awaits/")) == (200, b"awaited")


def test_who_leaves_ends_their_stream():
    async def scenario():
        page = ApplicationCommunicator(FewThreadsHandler(), {**SCOPE, "path": "/stream/"})
        await page.send_input({"type": "http.request", "body": b""})
        told = [await page.receive_output(5) for _ in range(3)]
        assert not seen
        await page.send_input({"type": "http.disconnect"})
        await page.wait(5)
        return told

    assert [part.get("body") for part in asyncio.run(scenario())] == [None, b"on", b"on"]
    assert seen == ["over"]


def test_a_stream_that_fails_on_the_way_is_not_taken_for_whole():
    page = ApplicationCommunicator(FewThreadsHandler(), {**SCOPE, "path": "/fails/"})

    async def scenario():
        await page.send_input({"type": "http.request", "body": b""})
        await page.wait(5)

    with pytest.raises(LookupError):
        asyncio.run(scenario())


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators")
def test_a_file_is_sent():
    assert asyncio.run(get(FewThreadsHandler(), "/file/")) == (200, b"a file")


def test_signals_come_in_the_thread_of_the_request():
    def note(**_):
        seen.append(threading.current_thread())

    signals = (request_started, request_finished)
    for signal in signals:
        signal.connect(note)
    try:
        asyncio.run(get(FewThreadsHandler()))
    finally:
        for signal in signals:
            signal.disconnect(note)
    assert len(seen) == 3
    assert len(set(seen)) == 1


@pytest.mark.django_db(transaction=True)
def test_a_request_leaves_no_connection_behind():
    asyncio.run(get(FewThreadsHandler(), "/database/"))
    assert seen[0].closed


@pytest.fixture
def short_patience(monkeypatch):
    """As settings.py has it for a web process, in less time."""
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "options", "-c statement_timeout=50")


@pytest.mark.django_db(transaction=True)
def test_what_the_database_takes_too_long_for_is_given_up_and_told(short_patience):
    with capture_logs() as lines:
        status, headers, body = asyncio.run(get_with_headers(FewThreadsHandler(), "/asks/"))
    assert (status, headers[b"Retry-After"], headers[b"Cache-Control"]) == (503, b"30", b"no-store")
    assert b"That took too long" in body
    assert [(line["event"], line["path"]) for line in lines] == [("request.took_too_long", "/asks/")]


@pytest.mark.django_db(transaction=True)
def test_programs_are_told_of_it_with_a_code(short_patience, redis_client):
    status, headers, body = asyncio.run(get_with_headers(FewThreadsHandler(), "/api/v1/asks/"))
    assert (status, headers[b"Retry-After"]) == (503, b"30")
    assert headers[b"Content-Type"] == b"application/problem+json"
    assert headers[b"RateLimit-Limit"]
    assert json.loads(body)["code"] == "took_too_long"


@pytest.mark.django_db(transaction=True)
def test_a_database_that_went_away_is_no_matter_of_patience(short_patience):
    assert asyncio.run(get(FewThreadsHandler(), "/breaks/"))[0] == 500


def test_what_is_no_page_is_refused():
    page = ApplicationCommunicator(FewThreadsHandler(), {"type": "websocket"})
    with pytest.raises(ValueError, match="websocket"):
        asyncio.run(page.wait(5))
