"""Viewers by any name they had, and what was counted of them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from streams.admin import COUNTS
from streams.filters import OneChannelFilter, OneStreamFilter
from streams.reach import Role
from streams.scopedadmin import FactAdmin, SiteFactAdmin
from viewers.models import (
    Award,
    AwardRule,
    ChoiceClock,
    Consent,
    Erasure,
    Export,
    PresencePoll,
    SessionCorrection,
    Standing,
    Verdict,
    ViewerDay,
    ViewerName,
    ViewerStream,
    ViewerTotal,
    WikiRevision,
)

# A single letter begins a good part of all names; sorting what all of their viewers did would take long.
NAMES_SEARCHED = 1000


class SearchByName(FactAdmin):
    """Facts about a viewer, found by the beginning of any name the viewer ever had."""

    search_fields = ("viewer",)  # shows the box; the search itself is below
    search_help_text = f"The beginning of any name the viewer ever had; the first {NAMES_SEARCHED:,} such names count."
    viewer_field = "viewer"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        prefix = search_term.strip().removeprefix("@").lower()
        if not prefix:
            return queryset, False
        viewers = ViewerName.objects.beginning_with(prefix).values("viewer")[:NAMES_SEARCHED]
        return queryset.filter(**{f"{self.viewer_field}__in": viewers}), False


@admin.register(ViewerName)
class ViewerNameAdmin(SearchByName):
    """Of the whole site. Whom a moderator looks for by an old name is found among the viewers."""

    channel_path = None
    seen_by = Role.SUPERUSER
    list_display = ("login", "display_name", "viewer", "first_seen_at", "last_seen_at")
    list_select_related = ("viewer",)
    ordering = ("login", "pk")


@admin.register(ViewerTotal)
class ViewerTotalAdmin(SearchByName):
    list_display = ("viewer", *COUNTS, "first_seen_at", "last_seen_at", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("viewer", "channel")
    ordering = ("-messages", "viewer")


@admin.register(ViewerDay)
class ViewerDayAdmin(SearchByName):
    list_display = ("day", "viewer", *COUNTS, "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("viewer", "channel")
    ordering = ("-viewer", "-day")


@admin.register(ViewerStream)
class ViewerStreamAdmin(SearchByName):
    list_display = ("viewer", "messages", "emotes", "watch_seconds", "is_new", "stream")
    list_filter = (OneStreamFilter,)
    list_select_related = ("viewer", "stream__channel")
    ordering = ("-messages", "viewer")


@admin.register(PresencePoll)
class PresencePollAdmin(FactAdmin):
    list_display = ("at", "source", "chatters", "opened", "closed", "took_ms", "problem", "stream")
    list_filter = (OneStreamFilter,)
    list_select_related = ("stream__channel",)
    ordering = ("-at", "pk")


@admin.register(SessionCorrection)
class SessionCorrectionAdmin(SearchByName):
    channel_path = "stream__channel"
    list_display = (
        "made_at",
        "made_by",
        "viewer",
        "started_before",
        "ended_before",
        "started_after",
        "ended_after",
        "reason",
    )
    list_select_related = ("viewer", "made_by")
    ordering = ("-pk",)


@admin.register(Verdict)
class VerdictAdmin(FactAdmin):
    list_display = ("mark", "channel", "is_removed", "locked_at")
    list_filter = (OneChannelFilter,)
    list_select_related = ("channel",)
    ordering = ("-pk",)


@admin.register(WikiRevision)
class WikiRevisionAdmin(SearchByName):
    channel_path = "profile__channel"
    viewer_field = "profile__viewer"
    list_display = (
        "made_at",
        "profile",
        "number",
        "role",
        "author",
        "note",
        "restored",
        "withdrawn_at",
        "withdrawn_by",
    )
    list_select_related = ("profile__viewer", "profile__channel", "author", "withdrawn_by")
    ordering = ("-pk",)


@admin.register(Award)
class AwardAdmin(SearchByName):
    list_display = ("viewer", "achievement", "level", "value", "earned_at", "stream", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("viewer", "stream__channel", "channel")
    ordering = ("viewer", "achievement", "level")


@admin.register(AwardRule)
class AwardRuleAdmin(FactAdmin):
    list_display = ("achievement", "applied_at", "parts_done", "holders", "counted_at", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("channel",)
    ordering = ("achievement",)


@admin.register(Standing)
class StandingAdmin(SearchByName):
    list_display = ("viewer", "period", *Standing.MEASURES, "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("viewer", "channel")
    ordering = ("viewer", "period")


@admin.register(Consent)
class ConsentAdmin(SearchByName):
    channel_path = None
    seen_by = Role.SUPERUSER
    list_display = ("viewer", "kind", "given_at", "withdrawn_at")
    list_select_related = ("viewer",)
    ordering = ("-pk",)


@admin.register(Export)
class ExportAdmin(SearchByName):
    """How far exports are. The files are for who asked for them alone."""

    channel_path = None
    seen_by = Role.SUPERUSER

    list_display = (
        *("viewer", "state", "asked_at", "parts_done", "parts", "rows", "size"),
        *("finished_at", "withdrawn_at", "expires_at"),
    )
    list_select_related = ("viewer",)
    ordering = ("-pk",)


@admin.register(Erasure)
class ErasureAdmin(SiteFactAdmin):
    list_display = ("receipt", "state", "asked_at", "step", "steps_done", "steps", "finished_at", "lifted_at")
    ordering = ("-pk",)


@admin.register(ChoiceClock)
class ChoiceClockAdmin(SiteFactAdmin):
    list_display = ("version",)
    ordering = ("pk",)
