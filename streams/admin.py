"""Channels can be followed and set up here; what was observed of them can be looked at."""

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, Max, Min, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from redis.exceptions import RedisError

import streams.keyadmin
import streams.webhookadmin  # noqa: F401  # they register their pages
from streams import pages
from streams.filters import OneChannelFilter, OneStreamFilter
from streams.grantadmin import connection_of
from streams.logins import login_of
from streams.models import (
    Change,
    ChangeMark,
    Channel,
    ChannelDay,
    ChannelModerator,
    ChannelTotal,
    Gap,
    JobRun,
    Stream,
    StreamReport,
    StreamSample,
    StreamSegment,
    last_runs,
)
from streams.reach import Role, reach_of
from streams.scopedadmin import FactAdmin, ScopedAdmin, SiteFactAdmin
from streamstats.lib.admin import once
from streamstats.lib.durations import spoken

COUNTS = ("messages", "emotes", "bits", "subs", "gifts")


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
class ChannelAdmin(ScopedAdmin):
    """Its moderators see how a channel is set up; its owner sets it up, all but whose channel it is.

    Nobody deletes one: that would take every number of every viewer with it. Unfollow it.
    """

    channel_path = "pk"
    added_by = Role.SUPERUSER
    changed_by = Role.OWNER
    form = ChannelForm
    list_display = ("__str__", "login", "twitch_id", "is_followed", "page_policy", "retention_days")
    list_filter = ("is_followed", "page_policy")
    search_fields = ("login__startswith",)
    search_help_text = "The beginning of the login."
    ordering = ("login", "pk")
    readonly_fields = ("connection", "who_comes_in", "twitch_id", "display_name", "messages_kept_from", "created_at")
    actions = ("follow", "unfollow")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """With another login it would be another channel, which owners have no say about."""
        fixed = () if reach_of(request.user).is_superuser else ("login",)
        return (*self.readonly_fields, *fixed)

    @admin.display(description="at Twitch")
    @once
    def connection(self, channel: Channel) -> SafeString | str:
        return connection_of(channel)

    @admin.display(description="who comes in here")
    @once
    def who_comes_in(self, channel: Channel) -> SafeString | str:
        """Twitch names moderators to the owner alone, so that a channel has to be connected."""
        count = channel.moderators.count() if channel.pk else 0
        if not count:
            return (
                "Its owner, and none of its moderators: Twitch names them only while the channel is connected, with the"
                " permission to say who moderates it."
            )
        moderators = f"{reverse('admin:streams_channelmoderator_changelist')}?{urlencode({'channel': channel.pk})}"
        words = f"{count:,} moderator" if count == 1 else f"{count:,} moderators"
        return format_html('Its owner, and <a href="{}">{}</a>.', moderators, words)

    def save_model(self, request: HttpRequest, obj: Channel, form: ChannelForm, change: bool) -> None:
        """Pages that were kept ready show the channel, and who has a page in it, as it was."""
        super().save_model(request, obj, form, change)
        before = form.initial.get("login") if change else None
        transaction.on_commit(lambda: self._forget_pages(request, {login for login in (before, obj.login) if login}))

    def _forget_pages(self, request: HttpRequest, logins: set[str]) -> None:
        try:
            pages.forget(logins)
        except RedisError:
            words = f"Redis is away: for up to {settings.PAGE_CACHE_SECONDS} seconds pages may show what was before."
            self.message_user(request, words, messages.WARNING)

    @admin.action(description="Follow the chosen channels", permissions=["change"])
    def follow(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        changed = self._set_followed(request, queryset, is_followed=True)
        self.message_user(request, f"Following {changed} more.")

    @admin.action(description="Stop following the chosen channels", permissions=["change"])
    def unfollow(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        changed = self._set_followed(request, queryset, is_followed=False)
        self.message_user(request, f"Following {changed} fewer. What was counted stays.")

    def _set_followed(self, request: HttpRequest, chosen: QuerySet[Channel], *, is_followed: bool) -> int:
        """How many of the chosen ones that one owns were not as they are to be."""
        owned = reach_of(request.user).limit(chosen, "pk", owned=True).exclude(is_followed=is_followed)
        detail = {"before": {"is_followed": not is_followed}, "after": {"is_followed": is_followed}}
        with transaction.atomic():
            channels = list(owned.select_for_update())
            for channel in channels:
                self.note_deed(request, "change", channel, detail)
            return Channel.objects.filter(pk__in=[channel.pk for channel in channels]).update(is_followed=is_followed)


@admin.register(ChannelModerator)
class ChannelModeratorAdmin(FactAdmin):
    """Who gets in here for a channel, as Twitch says: made and unmade there."""

    list_display = ("__str__", "login", "twitch_id", "since", "told_at", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("channel",)
    ordering = ("twitch_id", "pk")


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
    list_display = (
        "started_at",
        "ended_at",
        "title",
        "category",
        "peak_viewers",
        "average_viewers",
        "messages",
        "chatters",
        "watched",
        "channel",
    )
    list_filter = (OneChannelFilter,)
    list_select_related = ("channel",)
    ordering = ("-started_at", "pk")
    fieldsets = (
        (None, {"fields": ("channel", "started_at", "ended_at", "on_air", "title", "category", "language", "history")}),
        ("How many watched", {"fields": ("peak_viewers", "average_viewers", "viewer_counts")}),
        (
            "What was counted",
            {
                "fields": (
                    "messages",
                    "chatters",
                    "watched_by",
                    "watched",
                    "new_viewers",
                    "returning_viewers",
                    "counted_at",
                )
            },
        ),
        ("Who was there", {"fields": ("presence_source", "presence_at", "rows")}),
        ("At Twitch", {"fields": ("id", "twitch_ids", "category_id", "seen_at")}),
    )
    segments_shown = 50

    @admin.display(description="watched")
    def watched(self, stream: Stream) -> str:
        return spoken(timedelta(seconds=stream.watch_seconds))

    @admin.display(description="on air")
    def on_air(self, stream: Stream) -> str:
        lasted = spoken(stream.on_air_until(timezone.now()))
        return lasted if stream.ended_at else f"{lasted} so far"

    @admin.display(description="titles")
    @once
    def history(self, stream: Stream) -> str:
        """The first segments; all of them are in a list of their own."""
        segments = list(stream.segments.order_by("started_at")[: self.segments_shown + 1])
        lines = format_html_join(
            mark_safe("<br>"),
            "{} to {}: {}{}",
            (
                (
                    f"{row.started_at:%-d %b, %H:%M:%S}",
                    f"{row.ended_at:%H:%M:%S}" if row.ended_at else "now",
                    row.title or "no title",
                    f" · {row.category}" if row.category else "",
                )
                for row in segments[: self.segments_shown]
            ),
        )
        more = _rows_of(stream, "streams_streamsegment", "all of them")
        return format_html("{}<br>{}", lines, more) if segments else "nothing is known of it"

    @admin.display(description="counts")
    @once
    def viewer_counts(self, stream: Stream) -> str:
        known = stream.samples.aggregate(count=Count("pk"), first=Min("at"), last=Max("at"))
        if not known["count"]:
            return "Twitch was never asked"
        link = _rows_of(stream, "streams_streamsample", f"{known['count']:,} times")
        return format_html("{}, from {} to {}", link, f"{known['first']:%H:%M:%S}", f"{known['last']:%H:%M:%S}")

    @admin.display(description="rows")
    @once
    def rows(self, stream: Stream) -> str:
        lists = (
            ("viewers_presencepoll", "looks at who is there"),
            ("viewers_viewerstream", "viewers and what they did"),
        )
        links = [_rows_of(stream, name, text) for name, text in lists]
        address = reverse("admin:viewers_viewsession_changelist")
        query = urlencode({"channel": str(stream.channel_id), "stream__exact": stream.pk})
        return format_html('{} · {} · <a href="{}?{}">sessions</a>', *links, address, query)


def _rows_of(stream: Stream, name: str, text: str) -> SafeString:
    """A link to the list of what belongs to a stream."""
    return format_html(
        '<a href="{}?{}">{}</a>', reverse(f"admin:{name}_changelist"), urlencode({"stream": stream.pk}), text
    )


@admin.register(StreamSegment)
class StreamSegmentAdmin(FactAdmin):
    channel_path = "stream__channel"
    list_display = ("started_at", "ended_at", "title", "category", "stream")
    list_filter = (OneStreamFilter,)
    list_select_related = ("stream__channel",)
    ordering = ("-started_at", "pk")


@admin.register(StreamSample)
class StreamSampleAdmin(FactAdmin):
    list_display = ("at", "viewers", "stream")
    list_filter = (OneStreamFilter,)
    list_select_related = ("stream__channel",)
    ordering = ("-at", "pk")


@admin.register(StreamReport)
class StreamReportAdmin(FactAdmin):
    list_display = ("until", "kind", "at", "title", "category", "twitch_id", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("channel",)
    ordering = ("-until", "-pk")


@admin.register(Gap)
class GapAdmin(FactAdmin):
    list_display = ("started_at", "ended_at", "reason", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("channel",)
    ordering = ("-started_at", "-ended_at")


class JobFilter(admin.SimpleListFilter):
    """Runs of one job. The names are those that have run: to look at every run for its name would take long."""

    title = "name"
    parameter_name = "name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(run.name, run.name) for run in last_runs()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = self.value()
        if not name:
            return queryset
        return queryset.filter(name=name) if name in dict(self.lookup_choices) else queryset.none()


@admin.register(Change)
class ChangeAdmin(SiteFactAdmin):
    """The log that whoever copies reads: that something changed, never what."""

    list_display = ("at", "resource", "key", "channel", "xid")
    list_select_related = ("channel",)
    ordering = ("-xid", "-pk")


@admin.register(ChangeMark)
class ChangeMarkAdmin(SiteFactAdmin):
    list_display = ("at", "xid")
    ordering = ("-at",)


@admin.register(JobRun)
class JobRunAdmin(SiteFactAdmin):
    list_display = ("started_at", "name", "outcome", "took_ms", "detail")
    list_filter = ("outcome", JobFilter)
    ordering = ("-started_at", "pk")
