"""Tags of channels in the admin: how many viewers have each, and what it is called."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from chat.tagnames import Taken, rename
from chat.viewerfile.deeds import NotDone
from chat.viewerfile.tags import LONGEST
from streams.filters import OneChannelFilter
from streams.reach import Role
from streams.scopedadmin import ScopedAdmin
from streamstats.lib.admin import of_row
from viewers.models import Tag


class NameForm(forms.Form):
    name = forms.CharField(max_length=LONGEST, label="What it should be called")


@admin.register(Tag)
class TagAdmin(ScopedAdmin):
    """Made by using them on a viewer's file; renamed here."""

    changed_by = Role.MODERATOR
    list_display = ("name", "viewers", "channel", "made_at")
    list_filter = (OneChannelFilter,)
    list_select_related = ("channel",)
    ordering = ("channel", "name")
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request).annotate(viewers_tagged=Count("taggings"))
        return found

    @admin.display(description="viewers")
    def viewers(self, tag: Any) -> str:
        return f"{tag.viewers_tagged:,}"

    @of_row
    def change_view(self, request: HttpRequest, tag: Tag) -> HttpResponse:
        form = NameForm(request.POST or None, initial={"name": tag.name})
        other: Tag | None = None
        if request.method == "POST" and form.is_valid():
            try:
                user: User = request.user  # type: ignore[assignment]  # nobody gets here without logging in
                found = rename(tag, form.cleaned_data["name"], user, may_merge="merge" in request.POST)
            except Taken as taken:
                other = taken.other
            except NotDone as problem:
                form.add_error(None, str(problem))
            else:
                messages.success(request, f"The tag is called {found} now.")
                return redirect("admin:viewers_tag_changelist")
        known = {**self.admin_site.each_context(request), "opts": self.opts, "title": f"The tag {tag}"}
        return render(request, "admin/viewers/tag/name.html", {**known, "tag": tag, "form": form, "other": other})
