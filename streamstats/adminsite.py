"""The administration as a whole: who gets in, and what every page of it needs."""

from collections.abc import Callable
from typing import Any

from csp.constants import SELF, UNSAFE_EVAL
from csp.decorators import csp_update
from django.http import HttpRequest
from unfold.sites import UnfoldAdminSite

from streams.reach import reach_of

# Alpine, which unfold's pages are made with, makes functions of the words in its attributes.
POLICY = {"script-src": [SELF, UNSAFE_EVAL]}


class OurSite(UnfoldAdminSite):  # type: ignore[misc]  # of a library without types
    """For whoever looks after a channel here, with Django's permissions or without."""

    def has_permission(self, request: HttpRequest) -> bool:
        """Asked with every request: who is no longer a moderator is out with the next one."""
        return bool(reach_of(request.user))

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        return csp_update(POLICY)(super().admin_view(view, cacheable))
