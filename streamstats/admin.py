"""Who can log in here, by the names people know them by: who logged in with Twitch has its id for a username."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from social_django.models import UserSocialAuth

from streams.reach import PROVIDER
from streamstats.lib.admin import LargeTableAdmin
from viewers.admin import NAMES_SEARCHED
from viewers.models import Viewer, ViewerName

admin.site.unregister(User)


@admin.register(User)
class NamedUserAdmin(LargeTableAdmin, UserAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Here people are made moderators: staff with the permission to change profiles, or superusers."""

    list_display = ("viewer", "username", "is_staff", "is_superuser", "is_active", "last_login")
    list_display_links = ("viewer", "username")
    ordering = ("username",)
    search_help_text = "The beginning of a username, or of any name their Twitch account ever had."
    readonly_fields = ("viewer",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return [("On Twitch", {"fields": ("viewer",)}), *fieldsets] if obj else fieldsets

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """All names in the question for the users: one for each would be fifty more."""
        logins = UserSocialAuth.objects.filter(user=OuterRef("pk"), provider=PROVIDER).values("uid")[:1]
        users: Any = super().get_queryset(request).annotate(twitch_id=Subquery(logins))
        known = Viewer.objects.filter(pk=OuterRef("twitch_id"))
        names = {name: Subquery(known.values(name)[:1]) for name in ("login", "display_name")}
        named: QuerySet[User] = users.annotate(twitch_login=names["login"], twitch_name=names["display_name"])
        return named

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        prefix = search_term.strip().removeprefix("@").lower()
        if not prefix:
            return queryset, False
        viewers = ViewerName.objects.beginning_with(prefix).values("viewer")[:NAMES_SEARCHED]
        logins = UserSocialAuth.objects.filter(provider=PROVIDER, uid__in=viewers).values("user")
        return queryset.filter(Q(pk__in=logins) | Q(username__startswith=search_term.strip())), False

    @admin.display(description="viewer")
    def viewer(self, user: Any) -> str:
        if user.twitch_login and user.twitch_name.lower() != user.twitch_login:
            return f"{user.twitch_name} ({user.twitch_login})"
        return user.twitch_name or ("not seen in chat" if user.twitch_id else "logs in with a password")
