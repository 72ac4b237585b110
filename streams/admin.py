"""Channels can be followed and set up here; what was observed of them can be looked at."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from streams.grantadmin import connection_of
from streams.logins import login_of
from streams.models import Channel, ChannelDay, ChannelTotal, Gap, JobRun, Stream
from streamstats.lib.admin import FactAdmin, LargeTableAdmin

COUNTS = ("messages", "emotes", "bits", "subs", "gifts")


class OneChannelFilter(admin.SimpleListFilter):
    """Always one channel: the indexes of large tables begin with it, and "all" would read them whole."""

    title = "channel"
    parameter_name = "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(channel.pk), str(channel)) for channel in Channel.objects.lately_heard_first()]

    def has_output(self) -> bool:
        return bool(self.lookup_choices)

    def chosen(self) -> str:
        """The channel asked for, else the one last heard of."""
        choices = [key for key, _ in self.lookup_choices]
        asked = self.value()
        return asked if asked in choices else next(iter(choices), "")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(channel=self.chosen()) if self.chosen() else queryset.none()

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for key, title in self.lookup_choices:
            query = changelist.get_query_string({self.parameter_name: key}, ["p"])
            yield {"selected": key == self.chosen(), "query_string": query, "display": title}


class ChannelForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Takes whatever `manage.py follow` takes."""

    class Meta:
        model = Channel
        fields = ("login", "is_followed", "page_policy", "retention_days")

    def clean_login(self) -> str | None:
        typed = self.cleaned_data["login"]
        if not typed:
            return None
        login = login_of(typed)
        if login is None:
            raise forms.ValidationError("Not the name of a channel: letters, digits and underscores, at most 25.")
        return login


@admin.register(Channel)
class ChannelAdmin(LargeTableAdmin):
    form = ChannelForm
    list_display = ("__str__", "login", "twitch_id", "is_followed", "page_policy", "retention_days")
    list_filter = ("is_followed", "page_policy")
    search_fields = ("login__startswith",)
    search_help_text = "The beginning of the login."
    ordering = ("login", "pk")
    readonly_fields = ("connection", "twitch_id", "display_name", "messages_kept_from", "created_at")
    actions = ("follow", "unfollow")

    @admin.display(description="at Twitch")
    def connection(self, channel: Channel) -> SafeString | str:
        return connection_of(channel)

    def has_delete_permission(self, request: HttpRequest, obj: Channel | None = None) -> bool:
        """Unfollow it: deleting would take every number of every viewer with it."""
        return False

    @admin.action(description="Follow the chosen channels", permissions=["change"])
    def follow(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        changed = queryset.update(is_followed=True)
        self.message_user(request, f"Following {changed} more.")

    @admin.action(description="Stop following the chosen channels", permissions=["change"])
    def unfollow(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        changed = queryset.update(is_followed=False)
        self.message_user(request, f"Following {changed} fewer. What was counted stays.")


@admin.register(ChannelTotal)
class ChannelTotalAdmin(FactAdmin):
    list_display = ("channel", "chatters", *COUNTS, "last_message_at")
    list_select_related = ("channel",)
    ordering = ("pk",)


@admin.register(ChannelDay)
class ChannelDayAdmin(FactAdmin):
    list_display = ("day", "channel", "chatters", *COUNTS)
    list_filter = (OneChannelFilter,)
    list_select_related = ("channel",)
    ordering = ("-day",)


@admin.register(Stream)
class StreamAdmin(FactAdmin):
    list_display = ("started_at", "ended_at", "title", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("channel",)
    ordering = ("-started_at", "pk")


@admin.register(Gap)
class GapAdmin(FactAdmin):
    list_display = ("started_at", "ended_at", "reason", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("channel",)
    ordering = ("-started_at", "-ended_at")


@admin.register(JobRun)
class JobRunAdmin(FactAdmin):
    list_display = ("started_at", "name", "outcome", "took_ms", "detail")
    list_filter = ("outcome", "name")
    ordering = ("-started_at", "pk")
