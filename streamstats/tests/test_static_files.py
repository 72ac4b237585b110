"""Static files, as the ASGI application serves them."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.test import AsyncClient

SHEET = settings.BASE_DIR / "static" / "streamstats.css"


@async_to_sync
async def answer(method: str = "get", **headers: str) -> Any:
    return await getattr(AsyncClient(), method)("/static/streamstats.css", headers=headers)


@pytest.mark.filterwarnings("error:StreamingHttpResponse must consume synchronous iterators")
def test_a_file_comes_whole_and_without_a_warning() -> None:
    found = answer()
    assert (found.status_code, found["Content-Type"]) == (200, 'text/css; charset="utf-8"')
    assert found.content == SHEET.read_bytes()


def test_it_can_be_kept_until_it_changes() -> None:
    assert answer(**{"If-None-Match": answer()["ETag"]}).status_code == 304


def test_a_part_can_be_asked_for() -> None:
    part = answer(Range="bytes=3-9")
    assert (part.status_code, part.content) == (206, SHEET.read_bytes()[3:10])


@pytest.mark.parametrize(("method", "status"), [("head", 200), ("post", 405)])
def test_other_methods_bring_no_content(method: str, status: int) -> None:
    found = answer(method)
    assert (found.status_code, found.content) == (status, b"")
