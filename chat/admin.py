"""What was said and done in chat, newest first, one channel at a time."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html

import chat.listfileadmin  # registers its pages
import chat.profileadmin  # registers its page
import chat.purgeadmin  # registers its pages
import chat.searchadmin  # registers its pages
import chat.sessionadmin  # registers its page
import chat.summaryadmin  # registers its pages
import chat.tagadmin  # registers its page
import chat.viewerfile.admin  # registers its pages
import chat.viewerfile.caseadmin  # noqa: F401  # registers its pages
import viewers.auditadmin  # registers its page
import viewers.summaryadmin  # noqa: F401  # registers its pages
from chat.models import (
    Badge,
    ChatEvent,
    ChatMinute,
    Cheermote,
    DeadLetter,
    Emote,
    EmoteDay,
    EmoteSet,
    EmoteSetEntry,
    EmoteStream,
    EmoteTotal,
    EmoteUsage,
    EmoteYear,
    ModerationEvent,
    Redemption,
    Replay,
    Reward,
    ViewerEmote,
)
from streams.filters import OneChannelFilter, OneStreamFilter
from streams.scopedadmin import FactAdmin, SiteFactAdmin
from viewers.admin import SearchByName
from viewers.models import Viewer


@admin.register(ChatEvent)
class ChatEventAdmin(SearchByName):
    list_display = ("occurred_at", "kind", "viewer", "amount", "__str__", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("viewer", "channel")
    ordering = ("-occurred_at", "-pk")
    exclude = ("same_as",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(same_as="")


@admin.register(ModerationEvent)
class ModerationEventAdmin(SearchByName):
    viewer_field = "target_id"
    list_display = ("occurred_at", "kind", "target_login", "duration_seconds", "moderator", "reason", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("channel",)
    ordering = ("-occurred_at", "-pk")
    exclude = ("same_as",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        moderator = Viewer.objects.filter(pk=OuterRef("moderator_id")).values("login")
        deeds = super().get_queryset(request).filter(same_as=None)
        by_whom: QuerySet[Any] = deeds.annotate(moderator=Subquery(moderator))
        return by_whom

    @admin.display(description="moderator")
    def moderator(self, deed: ModerationEvent) -> str:
        """By whom it was done, where EventSub told."""
        return str(getattr(deed, "moderator", None) or deed.moderator_id)


@admin.register(Reward)
class RewardAdmin(FactAdmin):
    list_display = ("title", "cost", "is_automatic", "prompt", "told_at", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("channel",)
    ordering = ("twitch_id", "pk")


@admin.register(Redemption)
class RedemptionAdmin(SearchByName):
    list_display = ("redeemed_at", "viewer", "reward", "cost", "status", "text", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("viewer", "reward", "channel")
    ordering = ("-redeemed_at", "-pk")


@admin.register(ChatMinute)
class ChatMinuteAdmin(FactAdmin):
    list_display = ("minute", "messages", "chatters", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("channel",)
    ordering = ("-minute",)


@admin.register(Emote)
class EmoteAdmin(SiteFactAdmin):
    list_display = ("name", "provider", "provider_id", "is_animated", "is_zero_width")
    list_filter = ("provider",)
    search_fields = ("name__startswith",)
    search_help_text = "The beginning of the name, as it is written."
    ordering = ("name", "pk")


@admin.register(Badge)
class BadgeAdmin(FactAdmin):
    list_display = ("__str__", "title", "picture", "channel")
    list_select_related = ("channel",)
    ordering = ("channel", "set_id", "version")
    fields = readonly_fields = ("channel", "set_id", "version", "title", "image_url", "picture")

    @admin.display
    def picture(self, badge: Badge) -> str:
        return format_html('<img src="{}" alt="" width="18" height="18">', badge.image_url) if badge.image_url else "-"


@admin.register(Cheermote)
class CheermoteAdmin(FactAdmin):
    list_display = ("prefix", "channel")
    list_select_related = ("channel",)
    ordering = ("channel", "prefix")


@admin.register(EmoteSetEntry)
class EmoteSetEntryAdmin(FactAdmin):
    list_display = ("name", "emote", "provider", "channel", "since", "until")
    list_filter = ("provider",)
    list_select_related = ("emote", "channel")
    ordering = ("-pk",)


@admin.register(EmoteSet)
class EmoteSetAdmin(FactAdmin):
    list_display = ("provider", "channel", "first_read_at")
    list_filter = ("provider",)
    list_select_related = ("channel",)
    ordering = ("-pk",)


@admin.register(EmoteUsage)
class EmoteUsageAdmin(SearchByName):
    list_display = ("viewer", "emote", "day", "uses", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("viewer", "emote", "channel")
    ordering = ("-viewer", "-emote", "-day")


@admin.register(EmoteDay)
class EmoteDayAdmin(FactAdmin):
    list_display = ("day", "emote", "uses", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("emote", "channel")
    ordering = ("-day", "-emote")


@admin.register(EmoteStream)
class EmoteStreamAdmin(FactAdmin):
    list_display = ("emote", "uses", "stream")
    list_filter = (OneStreamFilter,)
    list_select_related = ("emote", "stream__channel")
    ordering = ("-uses", "emote")


@admin.register(EmoteTotal)
class EmoteTotalAdmin(FactAdmin):
    list_display = ("emote", "uses", "first_day", "last_day", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("emote", "channel")
    ordering = ("-uses", "emote")


@admin.register(EmoteYear)
class EmoteYearAdmin(FactAdmin):
    list_display = ("emote", "year", "uses", "first_day", "last_day", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("emote", "channel")
    ordering = ("-uses", "emote")


@admin.register(ViewerEmote)
class ViewerEmoteAdmin(SearchByName):
    list_display = ("viewer", "emote", "uses", "first_day", "last_day", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("viewer", "emote", "channel")
    ordering = ("viewer", "emote")


@admin.register(DeadLetter)
class DeadLetterAdmin(SiteFactAdmin):
    list_display = ("received_at", "error", "source")
    fields = ("received_at", "source", "error", "line")
    ordering = ("-received_at", "-pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("raw")

    @admin.display(description="line")
    def line(self, letter: DeadLetter) -> str:
        """The line as it came; bytes that are no text, and what would not be seen, are spelt out."""
        text = bytes(letter.raw).decode(errors="backslashreplace")
        return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


@admin.register(Replay)
class ReplayAdmin(SiteFactAdmin):
    list_display = ("name", "lines_done", "updated_at", "digest")
    ordering = ("pk",)
