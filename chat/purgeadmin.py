"""Purges in the admin: a rule, whom it would meet, the confirmation, and how far it is."""

from datetime import UTC, datetime
from typing import Any

import structlog
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from chat import purge, tasks
from streams.filters import AnyChannelFilter
from streams.models import Channel
from streams.reach import Role
from streams.scopedadmin import ScopedAdmin
from streamstats.lib.admin import of_row
from viewers.models import Purge

log = structlog.get_logger(__name__)

CHANGE = "admin:viewers_purge_change"
QUEUE_AWAY = "It begins by itself within some minutes: whoever works on it cannot be reached just now."


class RuleForm(forms.Form):
    """What has to hold of whom it meets; all that is given."""

    channel = forms.ModelChoiceField(queryset=Channel.objects.none(), empty_label=None)
    not_seen_since = forms.DateField(
        required=False,
        label="Last seen before",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="A day (UTC). Who was seen on that day or later is not met.",
    )
    fewer_hours = forms.IntegerField(
        required=False, min_value=1, max_value=purge.LARGEST, label="Watched for fewer hours than"
    )
    fewer_messages = forms.IntegerField(
        required=False, min_value=1, max_value=purge.LARGEST, label="Wrote fewer messages than"
    )

    def __init__(self, *args: Any, channels: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        field: Any = self.fields["channel"]
        field.queryset = channels


@admin.register(Purge)
class PurgeAdmin(ScopedAdmin):
    """Owners purge. What a purge was stays in the audit log."""

    seen_by = added_by = Role.OWNER
    list_display = ("asked_at", "channel", "rule", "state_now", "viewers_done", "asked_by", "finished_at")
    list_filter = (AnyChannelFilter,)
    list_select_related = ("channel", "asked_by")
    ordering = ("-pk",)

    @admin.display(description="rule")
    def rule(self, found: Purge) -> str:
        return told(found)

    @admin.display(description="state")
    def state_now(self, found: Purge) -> str:
        return state_of(found)

    def get_urls(self) -> list[Any]:
        confirm = self.admin_site.admin_view(self.confirm_view)
        return [path("<int:object_id>/confirm/", confirm, name="viewers_purge_confirm"), *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        channels = self.channels_within(request, Role.OWNER).order_by("login", "pk")
        form = RuleForm(request.POST or None, channels=channels)
        if request.method == "POST" and form.is_valid():
            rule = {name: value for name, value in form.cleaned_data.items() if name != "channel"}
            try:
                made = purge.ask(form.cleaned_data["channel"], request.user, **rule)  # type: ignore[arg-type]
            except purge.Refused as problem:
                form.add_error(None, str(problem))
            else:
                self._begin(request, made)
                return redirect(CHANGE, made.pk)
        return self._render(request, "add.html", "Purge viewers", form=form)

    @of_row
    def change_view(self, request: HttpRequest, found: Purge) -> HttpResponse:
        return self._show(request, found)

    @of_row
    def confirm_view(self, request: HttpRequest, found: Purge) -> HttpResponse:
        if request.method != "POST":
            return redirect(CHANGE, found.pk)
        try:
            purge.confirm(found, request.user, request.POST.get("name", ""), datetime.now(UTC))  # type: ignore[arg-type]
        except purge.Refused as problem:
            return self._show(request, found, str(problem))
        self._begin(request, found)
        return redirect(CHANGE, found.pk)

    def _show(self, request: HttpRequest, found: Purge, problem: str = "") -> HttpResponse:
        is_asked = found.counted_at is not None and found.confirmed_at is None
        rows = found.removed if found.finished_at else found.would_meet
        about = found.would_meet.get("viewers.ViewerTotal", 0)
        context = {
            "purge": found,
            "rule": told(found),
            "state": state_of(found),
            "rows": purge.in_words(rows),
            "about": about,
            "sample": purge.sample(found) if is_asked and about else [],
            "is_asked": is_asked,
            "is_waiting": found.finished_at is None and not is_asked,
            "name": purge.name_to_type(found.channel),
            "problem": problem,
        }
        return self._render(request, "purge.html", f"Purge of {found.channel}", **context)

    def _begin(self, request: HttpRequest, found: Purge) -> None:
        try:
            tasks.purge_channel.delay(found.pk)
        except (OperationalError, RedisError, OSError) as error:
            log.warning("purge.job_waits", error=str(error))
            messages.warning(request, QUEUE_AWAY)

    def _render(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        known = {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        return render(request, f"admin/viewers/purge/{template}", {**known, **context})


def told(found: Purge) -> str:
    """The rule in words."""
    parts = []
    if found.not_seen_since is not None:
        parts.append(f"were last seen before {found.not_seen_since:%-d %B %Y}")
    if found.fewer_hours is not None:
        parts.append(f"watched for fewer than {found.fewer_hours:,} hours")
    if found.fewer_messages is not None:
        parts.append(f"wrote fewer than {found.fewer_messages:,} messages")
    return " and ".join(parts)


def state_of(found: Purge) -> str:
    if found.finished_at:
        return "done"
    if found.problem:
        return found.problem
    if found.counted_at is None:
        return "being counted"
    return "being purged" if found.confirmed_at else "waits to be confirmed"
