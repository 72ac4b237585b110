"""Summaries in the admin: what channels decided, every version, what it says, and what it cost."""

from django.contrib import admin

from streams.admin import OneChannelFilter
from streamstats.lib.admin import FactAdmin, LargeTableAdmin
from viewers.admin import SearchByName
from viewers.models import Claim, ModelCall, Summary, SummaryPolicy, SummaryTurn


@admin.register(SummaryPolicy)
class SummaryPolicyAdmin(LargeTableAdmin):
    list_display = ("channel", "is_on", "has_recaps", "needs_review", "per_minute", "per_day")
    list_select_related = ("channel",)
    ordering = ("channel",)


@admin.register(Summary)
class SummaryAdmin(SearchByName):
    list_display = (
        *("channel", "viewer", "stream", "number", "state", "made_by", "provider", "model"),
        *("prompt_version", "messages_read", "cost", "made_at"),
    )
    list_filter = (OneChannelFilter, "state")
    list_select_related = ("channel", "viewer", "stream__channel")
    ordering = ("-pk",)


@admin.register(Claim)
class ClaimAdmin(FactAdmin):
    list_display = ("summary", "position", "part", "text", "reported_at")
    list_select_related = ("summary",)
    ordering = ("-pk",)


@admin.register(SummaryTurn)
class SummaryTurnAdmin(SearchByName):
    list_display = ("viewer", "channel", "messages")
    list_select_related = ("viewer", "channel")
    ordering = ("-pk",)


@admin.register(ModelCall)
class ModelCallAdmin(FactAdmin):
    list_display = (
        *("began_at", "channel", "provider", "model", "outcome", "input_tokens", "output_tokens", "cost"),
        *("is_priced", "took_ms", "detail"),
    )
    list_filter = (OneChannelFilter,)
    list_select_related = ("channel",)
    ordering = ("-pk",)
