"""What viewers see and decide of themselves, once they are logged in with Twitch.

Who it is about is never in an address or a form: it is who is logged in.
"""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from viewers.access import viewer_of


@never_cache
@login_required
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    return render(request, "chat/account.html", {"viewer": viewer_of(request.user)})
