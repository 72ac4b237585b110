"""Pages of viewers in the admin: what was decided about each, and what moderators decide about many at once."""

from django.contrib import admin

from chat.pagedeeds import PageDeeds
from streams.filters import OneChannelFilter
from viewers.admin import SearchByName
from viewers.models import Profile


@admin.register(Profile)
class ProfileAdmin(PageDeeds, SearchByName):
    """It is decided by the deeds alone, which tell it to whatever keeps pages ready."""

    list_display = ("viewer", "channel", "visibility", "chosen", "is_bot", "locked_at", "locked_by", "changed_at")
    list_filter = (OneChannelFilter, "visibility", "is_bot")
    list_select_related = ("viewer", "channel", "locked_by")
    ordering = ("-pk",)
