"""What people see where there is nothing to see."""

import re

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from streams.models import Channel

IN_CHANNEL = re.compile(r"/c/([A-Za-z0-9_]{1,64})/(viewers/)?")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say what is missing, in the frame of the channel that the address is of. `Http404("words")` brings the words."""
    words = next((part for part in exception.args if isinstance(part, str)), "")
    named = IN_CHANNEL.match(request.path)
    channel = Channel.objects.listed().filter(login=named[1].lower()).first() if named else None
    of_viewer = bool(named and named[2])
    response = render(request, "404.html", {"words": words, "channel": channel, "is_of_viewer": of_viewer}, status=404)
    response["Cache-Control"] = "no-cache"  # what is hidden today may be shown tomorrow
    return response
