"""Who can log in here, by the names people know them by: who logged in with Twitch has its id for a username."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from social_django.models import Association, Nonce, UserSocialAuth
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from streams.reach import PROVIDER, Role
from streams.scopedadmin import ScopedAdmin, SiteFactAdmin
from viewers.admin import NAMES_SEARCHED
from viewers.models import Viewer, ViewerName

admin.site.unregister([User, Group, UserSocialAuth, Nonce, Association])


@admin.register(User)
class NamedUserAdmin(ScopedAdmin, UserAdmin):  # type: ignore[misc, type-arg]  # as Django's own, but for ours
    """Here people are made the site's own staff: with the permission to change profiles, or superusers."""

    channel_path = None
    seen_by = added_by = changed_by = deleted_by = Role.SUPERUSER
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
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


@admin.register(Group)
class PlainGroupAdmin(ScopedAdmin, GroupAdmin):  # type: ignore[misc]  # as Django's own, but for ours
    """What several of the staff may do."""

    channel_path = None
    seen_by = added_by = changed_by = deleted_by = Role.SUPERUSER
    ordering = ("name",)


@admin.register(UserSocialAuth)
class TwitchLoginAdmin(SiteFactAdmin):
    """Whose login is of which account at Twitch."""

    list_display = ("uid", "user", "created", "modified")
    list_select_related = ("user",)
    ordering = ("-pk",)
    fields = ("uid", "provider", "user", "created", "modified")
