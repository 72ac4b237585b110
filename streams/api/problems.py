"""Errors as everybody under /api/ gets them: application/problem+json (RFC 9457) with a code to tell them apart by."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.views import set_rollback

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
CODES = {
    400: "invalid",
    401: "not_authenticated",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    410: "gone",
    413: "too_large",
    414: "too_long",
    415: "unsupported_media_type",
    429: "too_many_requests",
    500: "broken",
    503: "unavailable",
}
DETAILS = {
    400: "The request cannot be understood. See /api/docs/ for what may be asked.",
    403: "That is not for whoever asks. See /api/docs/ for which keys may.",
    404: "There is nothing at this address. See /api/docs/ for those there are.",
    405: "Everything here is read with GET.",
    406: "Answers are JSON, those of the live feed are text/event-stream. Let `Accept` allow that.",
    413: "A request here has no body. Leave it out.",
    414: "This address is longer than any that is asked for here.",
    500: "Something here is broken, and written down. Try again later.",
    503: "Too many people ask at once. Try again in some seconds.",
}


class Problem(exceptions.APIException):
    """An error that is told: `code` is for programs, the sentence for people, `errors` says which parameters."""

    def __init__(self, status: int, detail: str, code: str = "", errors: Mapping[str, list[str]] | None = None) -> None:
        super().__init__(detail, code or CODES[status])
        self.status_code = status
        self.sentence = detail
        self.code = code or CODES[status]
        self.errors = errors
        self.wait: int | None = None
        """Seconds after which it may be tried again."""


def invalid(errors: Mapping[str, list[str]]) -> Problem:
    """400 for parameters, each with what is wrong with it."""
    return Problem(400, " ".join(f"{name}: {' '.join(words)}" for name, words in errors.items()), errors=errors)


def answer(
    status: int, detail: str = "", code: str = "", errors: Mapping[str, list[str]] | None = None
) -> HttpResponse:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or DETAILS.get(status, HTTPStatus(status).phrase + "."),
        "code": code or CODES.get(status, HTTPStatus(status).name.lower()),
    }
    if errors:
        body["errors"] = errors
    response = HttpResponse(json.dumps(body), status=status, content_type=CONTENT_TYPE)
    response["Cache-Control"] = "no-store"
    return response


def handle(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """What a view raised, as an answer. None for what is our mistake: Django writes it down, the middleware tells."""
    response = _told(error)
    if response is not None:
        set_rollback()
        headers = {
            "WWW-Authenticate": getattr(error, "auth_header", None),
            "Retry-After": str(int(wait)) if (wait := getattr(error, "wait", None)) else None,
        }
        for name, value in headers.items():
            if value:
                response[name] = value
    return response


def _told(error: Exception) -> HttpResponse | None:
    match error:
        case Problem():
            told = answer(error.status_code, error.sentence, error.code, error.errors)
        case Http404():
            told = answer(404, next((part for part in error.args if isinstance(part, str)), ""))
        case PermissionDenied():
            told = answer(403)
        case exceptions.APIException():
            told = answer(error.status_code, "" if error.status_code in DETAILS else str(error.detail))
        case BadRequest() | SuspiciousOperation():
            told = answer(400)
        case _:
            return None
    return told
