"""What moderators keep about viewers, as lists of a channel. It is changed on the viewer's file alone."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from streams.filters import OneChannelFilter
from viewers.admin import SearchByName
from viewers.models import AccountLink, Note, NoteVersion, Tagging


class ChannelOfNote(OneChannelFilter):
    parameter_name = "note__channel"


class ChannelOfTag(OneChannelFilter):
    parameter_name = "tag__channel"


@admin.register(Note)
class NoteAdmin(SearchByName):
    """The newest notes of a channel, with what they say now."""

    list_display = ("made_at", "viewer", "says", "withdrawn_at", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("viewer", "channel")
    ordering = ("-made_at", "-pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        newest = NoteVersion.objects.filter(note=OuterRef("pk")).order_by("-number").values("text")[:1]
        notes: QuerySet[Any] = super().get_queryset(request).annotate(text=Subquery(newest))
        return notes

    @admin.display(description="says")
    def says(self, note: Any) -> str:
        return str(note.text or "")[:200]


@admin.register(NoteVersion)
class NoteVersionAdmin(SearchByName):
    channel_path = "note__channel"
    viewer_field = "note__viewer"
    list_display = ("made_at", "viewer", "number", "text")
    list_filter = (ChannelOfNote,)
    list_select_related = ("note__viewer",)
    ordering = ("-pk",)

    @admin.display
    def viewer(self, version: NoteVersion) -> str:
        return str(version.note.viewer)


@admin.register(Tagging)
class TaggingAdmin(SearchByName):
    channel_path = "tag__channel"
    list_display = ("made_at", "viewer", "tag")
    list_filter = (ChannelOfTag,)
    list_select_related = ("viewer", "tag")
    ordering = ("-pk",)


@admin.register(AccountLink)
class AccountLinkAdmin(SearchByName):
    list_display = ("linked_at", "viewer", "main", "reason", "unlinked_at", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("viewer", "main", "channel")
    ordering = ("-pk",)
