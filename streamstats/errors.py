"""What people see where there is nothing to see, or where finding it took too long."""

import re
from collections.abc import Callable

import structlog
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from psycopg.errors import QueryCanceled

from streams.api import middleware, problems
from streams.models import Channel

log = structlog.get_logger(__name__)

IN_CHANNEL = re.compile(r"/c/([A-Za-z0-9_]{1,64})/(viewers/)?")
TRY_AGAIN_S = 30
GIVEN_UP = "This took longer than it may, and was given up. Ask for less at once, or try again in half a minute."


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say what is missing, in the frame of the channel that the address is of. `Http404("words")` brings the words."""
    words = next((part for part in exception.args if isinstance(part, str)), "")
    named = IN_CHANNEL.match(request.path)
    channel = Channel.objects.listed().filter(login=named[1].lower()).first() if named else None
    of_viewer = bool(named and named[2])
    response = render(request, "404.html", {"words": words, "channel": channel, "is_of_viewer": of_viewer}, status=404)
    response["Cache-Control"] = "no-cache"  # what is hidden today may be shown tomorrow
    return response


class TookTooLong:
    """A request of which Postgres gave up a question: see STATEMENT_TIMEOUT_S."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not (isinstance(error, OperationalError) and isinstance(error.__cause__, QueryCanceled)):
            return None
        log.warning("request.took_too_long", method=request.method, path=request.path, exc_info=error)
        if request.path_info.startswith(middleware.UNDER):
            response = problems.answer(503, GIVEN_UP, "took_too_long")
        else:  # without the request, so that the page asks the database nothing
            response = HttpResponse(render_to_string("503.html"), status=503, headers={"Cache-Control": "no-store"})
        response["Retry-After"] = str(TRY_AGAIN_S)
        return response
