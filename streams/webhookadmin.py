"""Webhooks in the administration: an owner makes one, chooses what it is told of, and sees what came of it."""

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods
from unfold.widgets import UnfoldAdminTextInputWidget

from streams.filters import OneWebhookFilter
from streams.limits import Limit
from streams.models import Channel, Delivery, Webhook
from streams.reach import Role
from streams.scopedadmin import FactAdmin, ScopedAdmin, Sure
from streams.webhooks import guard, signing, telling
from streams.webhooks.events import EVENTS

MOST_OF_CHANNEL = 10
ENTERING = Limit(
    "addresses of webhooks",
    10,
    900,
    "You entered this many addresses within a quarter of an hour. Try again in a quarter of an hour.",
)

Deed = Callable[[HttpRequest, Webhook], HttpResponse]


class WebhookForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Where it is told, and of what."""

    by = ""
    """Whose form it is, to count how many addresses they enter."""

    url = forms.CharField(
        max_length=500,
        label="Address",
        widget=UnfoldAdminTextInputWidget,
        help_text="Begins with https://, and anybody on the internet could reach it.",
    )
    events = forms.MultipleChoiceField(
        choices=[], widget=forms.CheckboxSelectMultiple, help_text="What it is told of. At least one."
    )

    class Meta:
        model = Webhook
        fields = ("channel", "url", "events", "mail")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for event in EVENTS:
            groups[event.group].append((event.name, f"{event.name}: {event.words}"))
        if "events" in self.fields:
            self.fields["events"].choices = list(groups.items())  # type: ignore[attr-defined]

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        if "url" in self.changed_data:
            try:
                guard.check(url)  # what needs no look is told first, and not counted
                if not ENTERING.allows(self.by):
                    raise forms.ValidationError(ENTERING.words)
                guard.check_now(url)
            except guard.NotAllowed as error:
                raise forms.ValidationError(str(error)) from error
        return url

    def clean_channel(self) -> Channel:
        channel: Channel = self.cleaned_data["channel"]
        if channel.webhooks.count() >= MOST_OF_CHANNEL:
            raise forms.ValidationError(f"A channel has {MOST_OF_CHANNEL} webhooks at most. Delete one of them first.")
        return channel


@admin.register(Webhook)
class WebhookAdmin(ScopedAdmin):
    """Its secret is shown once, on the page after it was made."""

    form = WebhookForm
    seen_by = added_by = changed_by = deleted_by = Role.OWNER
    list_display = ("url", "channel", "state", "told_events", "made_at")
    list_select_related = ("channel",)
    ordering = ("-pk",)
    readonly_fields = ("deeds", "state", "made_at")
    fields = ("deeds", "state", "channel", "url", "events", "mail", "made_at")

    def get_fields(self, request: HttpRequest, obj: Webhook | None = None) -> Any:
        return self.fields if obj else [name for name in self.fields if name not in self.readonly_fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Webhook | None = None) -> Any:
        return [*self.readonly_fields, *(["channel"] if obj else [])]

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, *args, **kwargs)
        form.by = str(request.user.pk)  # of a class that is made for each request
        return form

    @admin.display(description="events")
    def told_events(self, webhook: Webhook) -> str:
        return ", ".join(webhook.events)

    @admin.display(description="state")
    def state(self, webhook: Webhook) -> str:
        if webhook.disabled_at:
            return f"given up on {webhook.disabled_at:%Y-%m-%d %H:%M} UTC. {webhook.problem}"
        if not webhook.is_on:
            return "switched off: it is told of nothing that happens meanwhile"
        if webhook.failing_since:
            return f"nothing was taken since {webhook.failing_since:%Y-%m-%d %H:%M} UTC; it is tried again"
        return "works"

    @admin.display(description="what you can do")
    def deeds(self, webhook: Webhook) -> SafeString:
        is_working = webhook.is_on and not webhook.disabled_at
        switch = ("Switch it off", "off") if is_working else ("Switch it on", "on")
        named = [("Send a test", "test")] if is_working else []
        links = [
            (words, self._at(name, webhook.pk))
            for words, name in (*named, ("Give it another secret", "rotate"), switch)
        ]
        sent = f"{reverse('admin:streams_delivery_changelist')}?{urlencode({'webhook': webhook.pk})}"
        return format_html_join(" · ", '<a href="{1}">{0}</a>', [("What it was told", sent), *links])

    @staticmethod
    def _at(name: str, webhook_id: int) -> str:
        return reverse(f"admin:streams_webhook_{name}", args=[webhook_id])

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        for webhook in self.get_queryset(request).exclude(disabled_at=None).order_by("pk")[:MOST_OF_CHANNEL]:
            messages.warning(request, f"{webhook.url} is told of nothing more. {webhook.problem}")
        return super().changelist_view(request, extra_context)

    # Making one.

    def save_model(self, request: HttpRequest, obj: Webhook, form: Any, change: bool) -> None:
        if not change:
            obj.made_by = request.user  # type: ignore[assignment]  # nobody gets here without logging in
            obj.secret = signing.make_secret()
            telling.begin(obj, timezone.now())
            super().save_model(request, obj, form, change)
            return
        # Only what was in the form: whoever sends writes to the row meanwhile.
        changed = list(form.changed_data)
        if "url" in changed:  # what failed at another address says nothing of this one
            obj.failures, obj.failing_since, obj.rests_until = 0, None, None
            changed += ["failures", "failing_since", "rests_until"]
        obj.save(update_fields=changed)

    def response_add(self, request: HttpRequest, obj: Webhook, post_url_continue: str | None = None) -> HttpResponse:
        return self._told_secret(request, obj, "A new webhook", obj.secret)

    def _told_secret(self, request: HttpRequest, webhook: Webhook, title: str, secret: str) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": title, "webhook": webhook, "secret": secret}
        context |= {"opts": self.opts, "has_old": bool(webhook.old_secret)}
        return TemplateResponse(request, "admin/streams/webhook/secret.html", context)

    # What else can be done with one.

    def get_urls(self) -> list[Any]:
        deeds: dict[str, Deed] = {
            "test": self._test,
            "rotate": self._rotate,
            "off": self._off,
            "on": self._on,
        }
        own = [
            path(f"<int:webhook_id>/{name}/", self._view(deed), name=f"streams_webhook_{name}")
            for name, deed in deeds.items()
        ]
        return [*own, *super().get_urls()]

    def _view(self, deed: Deed) -> Any:
        def view(request: HttpRequest, webhook_id: int) -> HttpResponse:
            webhook = self.get_queryset(request).filter(pk=webhook_id).select_related("channel").first()
            if webhook is None:
                raise Http404("There is no such webhook.")
            with transaction.atomic():
                return deed(request, webhook)

        return self.admin_site.admin_view(require_http_methods(["GET", "HEAD", "POST"])(view))

    def _asked(self, request: HttpRequest, webhook: Webhook, words: tuple[str, str, str]) -> HttpResponse:
        title, told, deed = words
        return self.are_you_sure(request, webhook, Sure(title, webhook.url, f"Of {webhook.channel}. {told}", deed))

    def _done(self, request: HttpRequest, webhook: Webhook, words: str) -> HttpResponse:
        messages.success(request, words)
        return HttpResponseRedirect(reverse("admin:streams_webhook_change", args=[webhook.pk]))

    def _test(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        if request.method != "POST":
            words = "It is sent like any other event, under the name webhook.test."
            return self._asked(request, webhook, ("Send a test?", words, "Send it"))
        try:
            telling.tell_test(webhook, timezone.now())
        except telling.StillWaits as problem:
            messages.error(request, str(problem))
            return HttpResponseRedirect(reverse("admin:streams_webhook_change", args=[webhook.pk]))
        self.note_deed(request, "test", webhook, {})
        return self._done(request, webhook, "The test is sent within a minute. What came of it is in what it was told.")

    def _rotate(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        if request.method != "POST":
            words = "For a day all that is sent is signed with both, the old one and the new one. It is shown once."
            return self._asked(request, webhook, ("Give it another secret?", words, "Make another secret"))
        secret = signing.rotate(webhook, timezone.now())
        self.note_deed(request, "rotate", webhook, {})
        return self._told_secret(request, webhook, "Another secret", secret)

    def _off(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        if request.method != "POST":
            words = "It is told of nothing that happens until it is switched on again."
            return self._asked(request, webhook, ("Switch it off?", words, "Switch it off"))
        self._switch(request, webhook, is_on=False)
        return self._done(request, webhook, "It is switched off.")

    def _on(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        if request.method != "POST":
            words = "It is told of what happens from now on, and of what already waits for it."
            return self._asked(request, webhook, ("Switch it on?", words, "Switch it on"))
        self._switch(request, webhook, is_on=True)
        return self._done(request, webhook, "It is switched on.")

    def _switch(self, request: HttpRequest, webhook: Webhook, *, is_on: bool) -> None:
        before = {"is_on": webhook.is_on, "problem": webhook.problem}
        if is_on:
            telling.begin(webhook, timezone.now())
            webhook.save(update_fields=telling.BEGUN)
        else:
            webhook.is_on = False
            webhook.save(update_fields=["is_on"])
        self.note_deed(request, "on" if is_on else "off", webhook, {"before": before, "after": {"is_on": is_on}})


@admin.register(Delivery)
class DeliveryAdmin(FactAdmin):
    """What a webhook was told, for 14 days, and what came back of the last attempt."""

    channel_path = "webhook__channel"
    seen_by = Role.OWNER
    list_display = ("made_at", "event", "state", "status", "attempts", "took_ms", "problem")
    list_filter = (OneWebhookFilter,)
    list_select_related = ("webhook__channel",)
    ordering = ("-made_at", "-pk")
    fields = (
        "deeds",
        "webhook",
        "event",
        "event_id",
        "state",
        "happened_at",
        "made_at",
        "attempts",
        "tried_at",
        "next_at",
        "status",
        "problem",
        "took_ms",
        "sent",
        "answered",
    )
    readonly_fields = fields

    @admin.display(description="sent")
    def sent(self, delivery: Delivery) -> SafeString | str:
        if delivery.body is None:
            return "nothing that is kept"
        written = json.dumps(delivery.body, indent=2, ensure_ascii=False)
        return format_html("<pre>{}</pre>", written)

    @admin.display(description="answer")
    def answered(self, delivery: Delivery) -> SafeString | str:
        if not delivery.answer:
            return "nothing"
        return format_html("<pre>{}</pre>", delivery.answer)

    @admin.display(description="what you can do")
    def deeds(self, delivery: Delivery) -> SafeString | str:
        if delivery.state == Delivery.State.WAITING:
            return "It is sent when its turn comes."
        return format_html(
            '<a href="{}">Send it again</a>', reverse("admin:streams_delivery_resend", args=[delivery.pk])
        )

    def get_urls(self) -> list[Any]:
        resend = self.admin_site.admin_view(require_http_methods(["GET", "HEAD", "POST"])(self._resend))
        return [path("<int:delivery_id>/resend/", resend, name="streams_delivery_resend"), *super().get_urls()]

    def _resend(self, request: HttpRequest, delivery_id: int) -> HttpResponse:
        """What is sent is what can be told now, under the id it had."""
        delivery = self.get_queryset(request).filter(pk=delivery_id).select_related("webhook__channel").first()
        if delivery is None:
            raise Http404("There is no such delivery.")
        if request.method != "POST":
            words = f"To {delivery.webhook}. It goes under the id that it had, and tells what can be told now."
            return self.are_you_sure(request, delivery, Sure("Send it again?", delivery.event, words, "Send it"))
        with transaction.atomic():
            telling.tell_again(delivery, timezone.now())
            self.note_deed(request, "resend", delivery, {"event_id": delivery.event_id})
        messages.success(request, "It is sent again within a minute, as what it tells of is now.")
        return HttpResponseRedirect(reverse("admin:streams_delivery_change", args=[delivery.pk]))
