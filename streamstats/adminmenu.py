"""The menu of the administration: pages grouped by what one comes for. What one may not see is not in it."""

from typing import Any, NamedTuple

from django.apps import apps
from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import reverse


class Entry(NamedTuple):
    """A list of the administration, by the name of its model."""

    model: str
    title: str
    icon: str
    """One of Material Symbols, which unfold brings."""
    page: str = "changelist"


MENU: dict[str, tuple[Entry, ...]] = {
    "Now": (
        Entry("streams.Stream", "Streams", "live_tv"),
        Entry("chat.Message", "Messages", "chat", "search"),
        Entry("chat.ChatEvent", "Events", "celebration"),
        Entry("chat.Redemption", "Redemptions", "redeem"),
    ),
    "People": (
        Entry("viewers.Viewer", "Viewers", "groups"),
        Entry("viewers.ViewSession", "Sessions", "schedule"),
        Entry("viewers.Standing", "Places", "leaderboard"),
        Entry("viewers.Award", "Achievements", "trophy"),
        Entry("viewers.Tag", "Tags", "sell"),
    ),
    "Moderation": (
        Entry("chat.ModerationEvent", "Deeds", "gavel"),
        Entry("viewers.Profile", "Pages of viewers", "badge"),
        Entry("viewers.WikiRevision", "Texts", "edit_note"),
        Entry("viewers.Summary", "Summaries", "summarize"),
        Entry("viewers.Note", "Notes", "sticky_note_2"),
        Entry("viewers.Purge", "Purges", "delete_sweep"),
        Entry("viewers.ListFile", "Files of lists", "download"),
        Entry("streams.AuditEntry", "What was done here", "history"),
    ),
    "Channel": (
        Entry("streams.Channel", "Channels", "tune"),
        Entry("streams.ChannelModerator", "Moderators", "shield_person"),
        Entry("streams.TwitchGrant", "Connections", "link"),
        Entry("streams.EventSubscription", "What Twitch tells", "notifications"),
        Entry("viewers.SummaryPolicy", "Summary policies", "policy"),
        Entry("viewers.ModelCall", "Model calls", "payments"),
        Entry("streams.ApiKey", "API keys", "key"),
        Entry("streams.Webhook", "Webhooks", "webhook"),
        Entry("streams.Gap", "Gaps", "signal_disconnected"),
        Entry("chat.Reward", "Rewards", "loyalty"),
    ),
    "Site": (
        Entry("auth.User", "Users", "manage_accounts"),
        Entry("streams.JobRun", "Jobs", "task_alt"),
        Entry("chat.DeadLetter", "Dead letters", "report"),
        Entry("viewers.Erasure", "Erasures", "person_remove"),
        Entry("viewers.Export", "Exports", "upload_file"),
        Entry("chat.Replay", "Replays", "replay"),
    ),
}


def menu_of(site: AdminSite, request: HttpRequest) -> list[dict[str, Any]]:
    """What the sidebar shows whoever asks, as unfold takes it."""
    home = reverse("admin:index")
    first = {"title": "Dashboard", "icon": "dashboard", "link": home, "active": request.path == home}
    groups: list[dict[str, Any]] = [{"items": [{**first, "has_permission": True}]}]
    for title, entries in MENU.items():
        items = [item for entry in entries if (item := _item(site, request, entry))]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


def _item(site: AdminSite, request: HttpRequest, entry: Entry) -> dict[str, Any] | None:
    model = apps.get_model(entry.model)
    if not site.is_registered(model) or not site.get_model_admin(model).has_view_permission(request):
        return None
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"  # noqa: SLF001 - Django's own
    link, active = reverse(f"{name}_{entry.page}"), request.path.startswith(reverse(f"{name}_changelist"))
    return {"title": entry.title, "icon": entry.icon, "link": link, "active": active, "has_permission": True}
