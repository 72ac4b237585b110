"""What proves an erasure: how far it is, then what was removed. It says of nobody who they were."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from chat import receipts
from chat.eraser import WORDS
from streamstats.lib.methods import read_only
from viewers.models import Erasure, Progress

LOOK_AGAIN_S = 3


@never_cache
@read_only
def receipt(request: HttpRequest, number: str) -> HttpResponse:
    """The receipt with this number, which nobody could guess. While it goes on, the page looks again by itself."""
    erasure = Erasure.objects.filter(receipt=number).first()
    if erasure is None:
        raise Http404("There is no receipt with this number. Look at the address once more: every sign of it counts.")
    is_done = erasure.state == Progress.DONE
    context = {
        "erasure": erasure,
        "is_done": is_done,
        "is_counted_again": erasure.lifted_at is not None,
        "step": WORDS.get(erasure.step.partition(" ")[0], ""),
        "percent": 100 * erasure.steps_done // max(erasure.steps, 1),
        "receipt": receipts.read(erasure.removed) if is_done else None,
        "look_again_s": LOOK_AGAIN_S,
    }
    response = render(request, "chat/erased.html", context)
    response["X-Robots-Tag"] = "noindex"
    return response
