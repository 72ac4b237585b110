"""What channels decided about summaries, and whose turn it was. The summaries: chat/summaryadmin.py."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from streams.reach import Role
from streams.scopedadmin import ScopedAdmin
from viewers.admin import SearchByName
from viewers.models import SummaryPolicy, SummaryTurn
from viewers.summarypolicy import PolicyForm


@admin.register(SummaryPolicy)
class SummaryPolicyAdmin(ScopedAdmin):
    seen_by = added_by = changed_by = deleted_by = Role.OWNER
    form = PolicyForm
    fields = ("channel", *PolicyForm.Meta.fields)
    list_display = ("channel", "is_on", "has_recaps", "needs_review", "per_minute", "per_day")
    list_select_related = ("channel",)
    ordering = ("channel",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("channel",) if obj else ()  # it is the key: with another one it would be another row


@admin.register(SummaryTurn)
class SummaryTurnAdmin(SearchByName):
    seen_by = Role.SUPERUSER
    list_display = ("viewer", "channel", "messages")
    list_select_related = ("viewer", "channel")
    ordering = ("-pk",)
