"""Finding viewers by any name they ever had."""

from typing import Any, ClassVar

from django_filters import CharFilter
from rest_framework import serializers

from streams.api.resources import Filters, Order, Page, Place, Resource, Row
from streams.models import Channel
from streamstats.lib.keyset import Place as Named
from viewers.api import VIEWER
from viewers.views import LONGEST_NAME, search


class FoundSerializer(serializers.Serializer[Any]):
    viewer = serializers.CharField(help_text=VIEWER)
    login = serializers.CharField(help_text="As it is now.")
    display_name = serializers.CharField(help_text="As it is now.")
    name = serializers.CharField(help_text="The login or, in small letters, the display name that was found.")


class SearchFilters(Filters):
    q = CharFilter(required=True, max_length=LONGEST_NAME, help_text="The beginning of a name; capitals do not matter.")


class Search(Resource):
    """What was found is no row of its own: nobody can be told that it changed."""

    name = "search"
    about = "Viewers of the channel by the beginning of any name they have or had, in the order of these names."
    serializer = FoundSerializer
    filters = SearchFilters
    order = (Order("found"), Order("viewer_id"))
    is_of_viewers = True
    example: ClassVar[Row] = {"viewer": "1001", "login": "wren", "display_name": "Wren", "name": "wren"}

    def page(self, channel: Channel, asked: Filters, after: Place | None, most: int) -> Page:
        place = Named(*after) if after else None
        found = search(channel, asked.form.cleaned_data["q"], place, most + 1)
        rows = [
            {
                "viewer": row.viewer_id,
                "login": row.viewer.login,
                "display_name": row.viewer.display_name,
                "name": row.found,
            }
            for row in found[:most]
        ]
        return Page(rows, (found[most - 1].found, found[most - 1].viewer_id) if len(found) > most else None)
