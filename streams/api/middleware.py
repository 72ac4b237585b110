"""Around everything under /api/: errors are problems, limits are told, and what keys asked for is written down."""

import time
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from streams.api import requestlog
from streams.api.problems import CONTENT_TYPE, answer

log = structlog.get_logger(__name__)

UNDER = "/api/"
DOCS = "/api/docs/"
LARGEST_BODY = 64 << 10
LONGEST_ADDRESS = 4096


class ApiAnswers:
    """The outermost middleware: Django itself answers some mistakes before any view is asked, as pages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(UNDER):
            return self.get_response(request)
        began = time.perf_counter()
        response = self._refused(request) or self.get_response(request)
        if response.status_code >= 400 and not response.get("Content-Type", "").startswith(CONTENT_TYPE):
            response = _as_problem(response)
        if allowance := getattr(request, "api_allowance", None):
            allowance.head(response)
        if key := getattr(request, "api_key", None):
            route = request.resolver_match.url_name if request.resolver_match else ""
            took_ms = round((time.perf_counter() - began) * 1000)
            size = len(response.content) if isinstance(response, HttpResponse) else 0
            requestlog.note(key.pk, request.method or "", route or "", response.status_code, took_ms, size)
        return response

    @staticmethod
    def _refused(request: HttpRequest) -> HttpResponse | None:
        if len(request.get_full_path()) > LONGEST_ADDRESS:
            return answer(414)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return answer(413)
        return None


def _as_problem(response: HttpResponseBase) -> HttpResponse:
    told = answer(response.status_code)
    for name in ("Allow", "Retry-After", "WWW-Authenticate"):
        if name in response:
            told[name] = response[name]
    return told
