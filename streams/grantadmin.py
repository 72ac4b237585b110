"""Connections to Twitch in the administration: what they allow, whether they work, and what arrives through them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from streams import grants, scopes
from streams.models import Channel, EventSubscription, TwitchGrant
from streams.reach import Role, reach_of
from streams.scopedadmin import FactAdmin, ScopedInline


class EventSubscriptionInline(ScopedInline):
    """What was asked for with a connection; what Twitch refused, with the reason."""

    model = EventSubscription
    fields = ("type", "version", "state", "reason", "cost", "updated_at")
    ordering = ("type", "pk")


@admin.register(TwitchGrant)
class TwitchGrantAdmin(FactAdmin):
    """Connected and disconnected on pages of their own; here is what came of it. Tokens are shown nowhere."""

    seen_by = Role.OWNER
    list_display = ("__str__", "roles", "is_working", "what_is_wrong", "validated_at")
    list_select_related = ("channel",)
    ordering = ("pk",)
    inlines = (EventSubscriptionInline,)
    fields = (
        "deeds",
        "login",
        "twitch_id",
        "roles",
        "is_working",
        "what_is_wrong",
        "allowed",
        "not_allowed",
        "granted_at",
        "refreshed_at",
        "validated_at",
        "expires_at",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[TwitchGrant]:
        return super().get_queryset(request).select_related("channel")

    @admin.display(description="as")
    def roles(self, grant: TwitchGrant) -> str:
        parts = [f"channel {grant.channel}"] if grant.channel else []
        return ", ".join([*parts, "bot"] if grant.is_bot else parts) or "nothing"

    @admin.display(description="works", boolean=True)
    def is_working(self, grant: TwitchGrant) -> bool:
        return not grants.problem_of(grant)

    @admin.display(description="problem")
    def what_is_wrong(self, grant: TwitchGrant) -> str:
        return grants.problem_of(grant)

    @admin.display(description="allows us to read")
    def allowed(self, grant: TwitchGrant) -> SafeString:
        told = ((scope, scopes.why(scope) or "not used by us") for scope in grant.scopes)
        return format_html("<ul>{}</ul>", format_html_join("", "<li><code>{}</code>: {}</li>", told))

    @admin.display(description="not allowed")
    def not_allowed(self, grant: TwitchGrant) -> str:
        """Features that are switched on and cannot work; a consent of long ago may lack what was added since."""
        missing = scopes.without(grant.scopes) if grant.channel_id else []
        return f"{', '.join(missing)}: connect again to allow that too" if missing else "nothing that is switched on"

    @admin.display(description="what you can do")
    def deeds(self, grant: TwitchGrant) -> SafeString:
        buttons = [("Disconnect", reverse("streams:disconnect", args=[grant.pk]))]
        if grant.state == TwitchGrant.State.REVOKED:
            buttons = []
        if grant.is_bot:
            buttons.insert(0, ("Connect again as bot", reverse("streams:connect_bot")))
        if grant.channel_id:
            buttons.insert(0, ("Connect channel again", reverse("streams:connect_channel", args=[grant.channel_id])))
        return format_html_join(" · ", '<a href="{1}">{0}</a>', buttons)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        context = {**(extra_context or {}), "may_connect_bot": reach_of(request.user).is_superuser}
        return super().changelist_view(request, context)


@admin.register(EventSubscription)
class EventSubscriptionAdmin(FactAdmin):
    channel_path = "grant__channel"
    seen_by = Role.OWNER
    list_display = ("type", "grant", "state", "reason", "cost", "updated_at")
    list_filter = ("state",)
    list_select_related = ("grant",)
    ordering = ("pk",)


def connection_of(channel: Channel) -> SafeString | str:
    """How a channel is connected, and the way to connect it."""
    if not channel.pk:
        return "Add it first."
    connect = reverse("streams:connect_channel", args=[channel.pk])
    grant = TwitchGrant.objects.filter(channel=channel).first()
    if grant is None:
        return format_html('Not connected: only chat is known. <a href="{}">Connect channel</a>', connect)
    look = reverse("admin:streams_twitchgrant_change", args=[grant.pk])
    problem = grants.problem_of(grant)
    words = problem or "Works."
    return format_html('{} <a href="{}">Look at it</a> · <a href="{}">Connect again</a>', words, look, connect)
