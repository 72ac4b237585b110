"""Summaries in the admin: every version with what it says, those that wait for somebody to read them, and the money."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from chat.summaries import ledger, versions
from chat.templatetags.summaries import rests_on
from streams.filters import OneChannelFilter
from streams.pages import NotNow
from streams.reach import Role
from streams.scopedadmin import FactAdmin, ScopedInline
from viewers.admin import SearchByName
from viewers.models import Claim, ModelCall, Summary

Deed = Callable[[Summary, Any], object]


class ClaimsInline(ScopedInline):
    """What a version says, in order."""

    model = Claim
    fields = readonly_fields = ("part", "text", "at", "sources", "reported_at")
    ordering = ("position",)

    @admin.display(description="rests on")
    def sources(self, claim: Claim) -> str:
        return rests_on(claim) if claim.source_times else "numbers"


@admin.register(Summary)
class SummaryAdmin(SearchByName):
    """Versions; what is decided about them holds on pages at once, and may be decided by the channel's moderators."""

    list_display = (
        *("channel", "viewer", "stream", "number", "state", "made_by", "provider", "model"),
        *("prompt_version", "messages_read", "cost", "made_at", "decided_by"),
    )
    list_filter = (OneChannelFilter, "state")
    list_select_related = ("channel", "viewer", "stream__channel", "decided_by")
    ordering = ("-begun_at", "-pk")
    inlines = (ClaimsInline,)
    actions = ("let_through", "hide", "restore")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("channel")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return self.may(request, Role.MODERATOR)

    @admin.action(description="Let through: show what waits for a moderator", permissions=["decide"])
    def let_through(self, request: HttpRequest, chosen: QuerySet[Summary]) -> None:
        self._each(request, chosen, versions.let_through, "Let through")

    @admin.action(description="Hide", permissions=["decide"])
    def hide(self, request: HttpRequest, chosen: QuerySet[Summary]) -> None:
        self._each(request, chosen, lambda row, user: versions.hide(row, user, Summary.Role.MODERATOR), "Hidden")

    @admin.action(description="Show again what was hidden", permissions=["decide"])
    def restore(self, request: HttpRequest, chosen: QuerySet[Summary]) -> None:
        self._each(request, chosen, lambda row, user: versions.restore(row, user, Summary.Role.MODERATOR), "Restored")

    def _each(self, request: HttpRequest, chosen: QuerySet[Summary], deed: Deed, told: str) -> None:
        """Do it with each, say with how many it was done, and of the others why not."""
        done = 0
        for summary in chosen:
            try:
                deed(summary, request.user)
            except NotNow as refusal:
                messages.error(request, f"{summary}: {refusal}")
            else:
                done += 1
        if done:
            messages.success(request, f"{told}: {done} of {len(chosen)}.")


@admin.register(Claim)
class ClaimAdmin(FactAdmin):
    channel_path = "summary__channel"
    list_display = ("summary", "position", "part", "text", "reported_at")
    list_select_related = ("summary",)
    ordering = ("-pk",)


@admin.register(ModelCall)
class ModelCallAdmin(FactAdmin):
    """Every call, and a page that adds them up: for who pays for it."""

    seen_by = Role.OWNER
    list_display = (
        *("began_at", "channel", "provider", "model", "outcome", "input_tokens", "output_tokens", "cost"),
        *("is_priced", "took_ms", "detail"),
    )
    list_filter = (OneChannelFilter,)
    list_select_related = ("channel",)
    ordering = ("-began_at", "-pk")

    def get_urls(self) -> list[Any]:
        spent = self.admin_site.admin_view(self.spent_view)
        return [path("spent/", spent, name="viewers_modelcall_spent"), *super().get_urls()]

    def spent_view(self, request: HttpRequest) -> HttpResponse:
        """What a channel spent on each day, and what is left of today for all of them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        channels = list(self.channels_within(request).lately_heard_first())
        asked = request.GET.get("channel", "")
        chosen = next((channel for channel in channels if str(channel.pk) == asked), next(iter(channels), None))
        context = {
            **self.admin_site.each_context(request),
            "title": "What was spent",
            "opts": self.opts,
            "channels": channels,
            "chosen": chosen,
            "totals": ledger.totals(chosen) if chosen else [],
            "days": ledger.DAYS,
            "spent_today": ledger.spent_today(),
            "budget": ledger.budget(),
        }
        return render(request, "admin/viewers/modelcall/spent.html", context)
