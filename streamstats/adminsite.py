"""The administration as a whole: who gets in, what every page of it needs, and where it begins."""

from collections.abc import Callable
from typing import Any

from csp.constants import SELF, UNSAFE_EVAL
from csp.decorators import csp_update
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.dataclasses import SearchResult
from unfold.sites import UnfoldAdminSite

from streams.models import Channel
from streams.reach import reach_of
from streamstats import adminlogin, dashboard
from streamstats.adminmenu import menu_of
from viewers.access import viewer_of
from viewers.models import Viewer

# Alpine, which unfold's pages are made with, makes functions of the words in its attributes: docs/decisions/admin.md.
POLICY = {"script-src": [SELF, UNSAFE_EVAL]}
FOUND_AT_ONCE = 10
LONGEST_SEARCH = 100


class OurSite(UnfoldAdminSite):  # type: ignore[misc]  # of a library without types
    """For whoever looks after a channel here, with Django's permissions or without."""

    site_header = site_title = "StreamStats"
    index_title = "Now"
    index_template = "admin/dashboard.html"

    def has_permission(self, request: HttpRequest) -> bool:
        """Asked with every request: who is no longer a moderator is out with the next one."""
        viewer_of(request.user)  # the page names them; where they are known, their reach is in the same question
        return bool(reach_of(request.user))

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        inside = csp_update(POLICY)(super().admin_view(view, cacheable))

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.user.is_authenticated and not self.has_permission(request):
                is_leaving = request.path == reverse("admin:logout")
                return self.logout(request) if is_leaving else adminlogin.no_channel(request)
            return inside(request, *args, **kwargs)

        return guarded

    def get_urls(self) -> list[Any]:
        """Without the page that leads to where any row of any table is shown on the site, whosever it is."""
        return [url for url in super().get_urls() if getattr(url, "name", "") != "view_on_site"]

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return adminlogin.enter(request, extra_context)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """For those who have one."""
        if not reach_of(request.user).is_superuser:
            raise PermissionDenied
        answer: HttpResponse = super().password_change(request, extra_context)
        return answer

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Colours are in our style sheet: in the page they would be a style that the site's policy forbids."""
        context: dict[str, Any] = super().each_context(request)
        return {**context, "colors": None}

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        return menu_of(self, request)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        board = dashboard.of(reach_of(request.user))
        page: TemplateResponse = super().index(request, {**(extra_context or {}), "board": board})
        return page

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """What the palette finds: pages by their title, channels by the beginning of their name, viewers by any name.

        Nothing of it is remembered, as unfold would: what is within reach may change.
        """
        words = request.GET.get("s", "").strip().lower()[:LONGEST_SEARCH]
        if not words or not words.isprintable():
            return HttpResponse()
        found = [*self._pages(request, words), *self._channels(request, words), *self._viewers(request, words)]
        page = Paginator(found, max(1, len(found))).page(1)
        context = {"page_obj": page.paginator, "results": page, "page_counter": 0, "execution_time": 0}
        template = "admin/found.html" if "extended" in request.GET else "unfold/helpers/search_results.html"
        return TemplateResponse(request, template, context, headers={"HX-Trigger": "search"})

    def _pages(self, request: HttpRequest, words: str) -> list[SearchResult]:
        items = [(group.get("title", ""), item) for group in menu_of(self, request) for item in group["items"]]
        return [
            SearchResult(title=item["title"], description=group or "Page", link=item["link"], icon=item["icon"])
            for group, item in items
            if words in item["title"].lower()
        ]

    def _channels(self, request: HttpRequest, words: str) -> list[SearchResult]:
        channels = reach_of(request.user).limit(Channel.objects.filter(login__startswith=words), "pk")
        return [
            SearchResult(
                title=str(channel),
                description="Channel",
                link=reverse("admin:streams_channel_change", args=[channel.pk]),
                icon="tune",
            )
            for channel in channels.order_by("login")[:FOUND_AT_ONCE]
        ]

    def _viewers(self, request: HttpRequest, words: str) -> list[SearchResult]:
        admin = self.get_model_admin(Viewer)
        found, _ = admin.get_search_results(request, admin.get_queryset(request), words)
        return [
            SearchResult(
                title=str(viewer),
                description="Viewer",
                link=reverse("admin:viewers_viewer_change", args=[viewer.pk]),
                icon="person",
            )
            for viewer in found.order_by("login", "pk")[:FOUND_AT_ONCE]
        ]
