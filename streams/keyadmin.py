"""Keys of the API in the administration: made, shown once, changed, rotated and taken back by a channel's owner."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
)

from streams.api import keys
from streams.filters import OneKeyFilter
from streams.models import ApiKey, ApiRequest, Scope
from streams.reach import Role, reach_of
from streams.scopedadmin import FactAdmin, ScopedAdmin, Sure

MOST_NETWORKS = 20
OVERLAP_DAYS = 7
LONGEST_OVERLAP_DAYS = 90
LIMITS = ("per_minute", "per_day")


class KeyForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """What a key may do."""

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        initial=[Scope.READ],
        help_text="At least one.",
    )
    networks = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Addresses or networks it may be used from, one a line, such as 203.0.113.0/24. Empty: anywhere.",
    )

    class Meta:
        model = ApiKey
        fields = ("channel", "name", "scopes", "networks", "mail", "expires_at", *LIMITS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "networks" in self.fields and self.instance.pk:
            self.initial["networks"] = "\n".join(self.instance.networks)

    def clean_networks(self) -> list[str]:
        written = self.cleaned_data["networks"].replace(",", "\n").split()
        if len(written) > MOST_NETWORKS:
            raise forms.ValidationError(f"Take at most {MOST_NETWORKS}.")
        return [_network(text) for text in written]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                self._check_room(given)
            except keys.NoRoom as problem:
                raise forms.ValidationError(str(problem)) from problem
        return given

    def _check_room(self, given: dict[str, Any]) -> None:
        key, ends = self.instance, given["expires_at"]
        if not key.pk:
            keys.check_new(given["channel"].pk)
        elif not key.is_running and not key.revoked_at and (ends is None or ends > timezone.now()):
            keys.check_room(key.channel_id)  # it would work again


def _network(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError as error:
        raise forms.ValidationError(f"{text!r} is no address or network, such as 203.0.113.0/24.") from error


class RotationForm(forms.Form):
    """For how long the old key goes on working."""

    days = forms.IntegerField(
        min_value=0,
        max_value=LONGEST_OVERLAP_DAYS,
        initial=OVERLAP_DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
        label="Days for which the old key works, too",
        help_text="Time to change it wherever it is used. 0: it ends now.",
    )


@admin.register(ApiKey)
class ApiKeyAdmin(ScopedAdmin):
    """What a key is stays secret: it is shown once, on the page after it was made."""

    form = KeyForm
    seen_by = added_by = changed_by = Role.OWNER
    list_display = ("name", "begins", "channel", "told_scopes", "state", "used_at")
    list_select_related = ("channel",)
    ordering = ("-pk",)
    readonly_fields = ("begins", "state", "deeds", "made_at", "used_at")
    fields = (
        "deeds",
        "state",
        "begins",
        "channel",
        "name",
        "scopes",
        "networks",
        "mail",
        "expires_at",
        *LIMITS,
        "made_at",
        "used_at",
    )

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        shown = self.fields if obj else [name for name in self.fields if name not in self.readonly_fields]
        return [name for name in shown if obj or name not in LIMITS or reach_of(request.user).is_superuser]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        """A key stays of its channel; how often it may ask is for whoever runs the site to say."""
        fixed = [*self.readonly_fields, *(["channel"] if obj else [])]
        return fixed if reach_of(request.user).is_superuser else [*fixed, *LIMITS]

    @admin.display(description="begins with")
    def begins(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @admin.display(description="scopes")
    def told_scopes(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @admin.display(description="state")
    def state(self, key: ApiKey) -> str:
        if key.revoked_at:
            return f"taken back on {key.revoked_at:%Y-%m-%d %H:%M} UTC"
        if not key.is_running:
            return f"ran out on {key.expires_at:%Y-%m-%d %H:%M} UTC"
        return f"works until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "works"

    @admin.display(description="what you can do")
    def deeds(self, key: ApiKey) -> SafeString:
        asked = f"{reverse('admin:streams_apirequest_changelist')}?key={key.pk}"
        links = [("What it was used for", asked)]
        if not key.revoked_at:
            links.insert(0, ("Take it back", reverse("admin:streams_apikey_revoke", args=[key.pk])))
        if not key.revoked_at and not key.replaced_by_id:
            links.insert(0, ("Make another in its place", reverse("admin:streams_apikey_rotate", args=[key.pk])))
        return format_html_join(" · ", '<a href="{1}">{0}</a>', links)

    # Making one.

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if not change:
            obj.made_by = request.user  # type: ignore[assignment]  # nobody gets here without logging in
            request.made_key = keys.secret_for(obj)  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)
        keys.forget_once_committed()

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        return self._made(request, obj, request.made_key)  # type: ignore[attr-defined]

    def _made(self, request: HttpRequest, key: ApiKey, secret: str) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": "A new key", "key": key, "secret": secret}
        return TemplateResponse(request, "admin/streams/apikey/made.html", {**context, "opts": self.opts})

    # Taking one back, and making another in its place.

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        own = [
            path("<int:key_id>/revoke/", view(self.revoke_view), name="streams_apikey_revoke"),
            path("<int:key_id>/rotate/", view(self.rotate_view), name="streams_apikey_rotate"),
        ]
        return [*own, *super().get_urls()]

    def _key(self, request: HttpRequest, key_id: int) -> ApiKey:
        key = self.get_queryset(request).filter(pk=key_id, revoked_at=None).select_related("channel").first()
        if key is None:
            raise Http404("There is no such key that works.")
        found: ApiKey = key
        return found

    def revoke_view(self, request: HttpRequest, key_id: int) -> HttpResponse:
        return require_http_methods(["GET", "HEAD", "POST"])(self._revoke)(request, key_id)

    def _revoke(self, request: HttpRequest, key_id: int) -> HttpResponse:
        key = self._key(request, key_id)
        if request.method == "POST":
            keys.revoke(request.user, key)  # type: ignore[arg-type]
            messages.success(request, f"The key {key} is taken back: it no longer works anywhere.")
            return HttpResponseRedirect(reverse("admin:streams_apikey_change", args=[key.pk]))
        words = "It ends at once, wherever it is used, and cannot be given back."
        return self.are_you_sure(request, key, _sure(key, "Take this key back?", words, "Take it back"))

    def rotate_view(self, request: HttpRequest, key_id: int) -> HttpResponse:
        return require_http_methods(["GET", "HEAD", "POST"])(self._rotate)(request, key_id)

    def _rotate(self, request: HttpRequest, key_id: int) -> HttpResponse:
        key = self._key(request, key_id)
        form = RotationForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            until = timezone.now() + timedelta(days=form.cleaned_data["days"])
            try:
                made = keys.rotate(request.user, key, until)  # type: ignore[arg-type]
            except ValueError as error:
                messages.error(request, str(error))
                return HttpResponseRedirect(reverse("admin:streams_apikey_change", args=[key.pk]))
            return self._made(request, made.key, made.secret)
        words = "The new one may do the same, from the same networks. It is shown once, on the next page."
        return self.are_you_sure(request, key, _sure(key, "Make another key in its place?", words, "Make it"), form)


def _sure(key: ApiKey, title: str, words: str, deed: str) -> Sure:
    return Sure(title, str(key), f"Of {key.channel}. {words}", deed)


@admin.register(ApiRequest)
class ApiRequestAdmin(FactAdmin):
    """What a key was used for, for 30 days: written down within a minute or two."""

    channel_path = "key__channel"
    seen_by = Role.OWNER
    list_display = ("at", "method", "route", "status", "took_ms", "size")
    list_filter = (OneKeyFilter,)
    list_select_related = ("key",)
    ordering = ("-at", "-pk")
