"""What channels decided about summaries, and whose turn it was. The summaries: chat/summaryadmin.py."""

from django.contrib import admin

from streamstats.lib.admin import LargeTableAdmin
from viewers.admin import SearchByName
from viewers.models import SummaryPolicy, SummaryTurn


@admin.register(SummaryPolicy)
class SummaryPolicyAdmin(LargeTableAdmin):
    list_display = ("channel", "is_on", "has_recaps", "needs_review", "per_minute", "per_day")
    list_select_related = ("channel",)
    ordering = ("channel",)


@admin.register(SummaryTurn)
class SummaryTurnAdmin(SearchByName):
    list_display = ("viewer", "channel", "messages")
    list_select_related = ("viewer", "channel")
    ordering = ("-pk",)
