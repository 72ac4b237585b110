"""The audit log, to read: of the channels within reach, and of all of them for superusers. Nobody writes in it."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import Case, CharField, F, OuterRef, QuerySet, Subquery, Value, When
from django.http import HttpRequest
from social_django.models import UserSocialAuth

from streams.filters import AnyChannelFilter
from streams.models import AuditEntry
from streams.reach import PROVIDER
from viewers.admin import SearchByName
from viewers.models import Viewer


@admin.register(AuditEntry)
class AuditEntryAdmin(SearchByName):
    viewer_field = "viewer_id"
    search_help_text = "The beginning of any name of the viewer whom it concerns."
    list_display = ("at", "who", "role", "told", "target", "channel")
    list_filter = (AnyChannelFilter, "role")
    list_select_related = ("channel",)
    ordering = ("-at", "-pk")
    fields = readonly_fields = ("at", "who", "role", "channel", "action", "viewer_id", "target", "details")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        """All names in the question for the entries."""
        logins = UserSocialAuth.objects.filter(user=OuterRef("by"), provider=PROVIDER).values("uid")[:1]
        entries: Any = super().get_queryset(request).annotate(by_account=Subquery(logins))
        name = Viewer.objects.filter(pk=OuterRef("by_account")).values("display_name")[:1]
        by = Case(When(by_account=None, then=F("by__username")), default=Subquery(name), output_field=CharField())
        nobody = Value("", output_field=CharField())
        named: QuerySet[AuditEntry] = entries.annotate(by_name=Case(When(by=None, then=nobody), default=by))
        return named

    @admin.display(description="by")
    def who(self, entry: Any) -> str:
        nobody = "a command" if entry.role == "command" else "somebody whose login is deleted"
        return entry.by_name or nobody

    @admin.display(description="what was done")
    def told(self, entry: AuditEntry) -> str:
        return entry.told

    @admin.display(description="what changed")
    def details(self, entry: AuditEntry) -> str:
        return json.dumps(entry.detail, indent=2, ensure_ascii=False, sort_keys=True) if entry.detail else "-"
