"""Emotes and their uses, as the API tells of them."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django_filters import CharFilter, ChoiceFilter, NumberFilter
from rest_framework import serializers

from chat.models import EmoteTotal, ViewerEmote
from chat.models.emote import Provider, picture
from streams.api.fields import INT_DIGITS, are_numbers, known_ids
from streams.api.resources import Filters, OfTable, Order, Row
from streams.models import Channel
from viewers.api import LONGEST_ID, VIEWER, OfViewers
from viewers.visibility import people_in

EMOTE = "Our id of an emote."
LARGEST = 2**31 - 1


class EmoteSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text=EMOTE)
    provider = serializers.ChoiceField(Provider.choices)
    provider_id = serializers.CharField(help_text="The provider's id of it: its name may change. Of emoji: itself.")
    name = serializers.CharField(help_text="The newest one.")
    image_url = serializers.CharField(allow_blank=True)
    is_animated = serializers.BooleanField()
    uses = serializers.IntegerField(help_text="By anybody in the channel, of all time.")
    first_day = serializers.DateField(help_text="UTC")
    last_day = serializers.DateField(help_text="UTC")


class EmoteFilters(Filters):
    provider = ChoiceFilter(field_name="emote__provider", choices=Provider.choices)


class Emotes(OfTable):
    name = "emotes"
    about = "Emotes that were used in the channel, with their uses of all time: as of the last five minutes."
    serializer = EmoteSerializer
    filters = EmoteFilters
    named_by: ClassVar[dict[str, str]] = {"emote": "int"}
    slow_filters = frozenset({"provider"})
    order = (Order("emote_id"),)
    columns: ClassVar[dict[str, Any]] = {
        "id": "emote_id",
        "provider": "emote__provider",
        "provider_id": "emote__provider_id",
        "name": "emote__name",
        "image_url": "emote__image_url",
        "is_animated": "emote__is_animated",
        "uses": "uses",
        "first_day": "first_day",
        "last_day": "last_day",
    }
    example: ClassVar[Row] = {
        "id": 1,
        "provider": "7tv",
        "provider_id": "01GGCQHKF0000ABW8DZSQ0GWT1",
        "name": "breadDance",
        "image_url": "https://cdn.7tv.app/emote/01GGCQHKF0000ABW8DZSQ0GWT1/2x.webp",
        "is_animated": True,
        "uses": 77,
        "first_day": "2026-04-01",
        "last_day": "2026-05-01",
    }

    def rows(self, channel: Channel) -> QuerySet[EmoteTotal]:
        return EmoteTotal.objects.filter(channel=channel)

    def named(self, keys: Iterable[str]) -> list[tuple[Any, ...]]:
        return [(number,) for number in are_numbers(keys, INT_DIGITS)]

    def finish(self, channel: Channel, rows: list[Row]) -> list[Row]:
        for row in rows:
            row["image_url"] = picture(row["provider"], row["provider_id"], row["image_url"])
        return rows


class UsageSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Viewer and emote.")
    viewer = serializers.CharField(help_text=VIEWER)
    emote = serializers.IntegerField(help_text=EMOTE)
    uses = serializers.IntegerField(help_text="Of all time.")
    first_day = serializers.DateField(help_text="UTC")
    last_day = serializers.DateField(help_text="UTC")


class UsageFilters(Filters):
    viewer = CharFilter(field_name="viewer", max_length=LONGEST_ID, help_text=VIEWER)
    emote = NumberFilter(field_name="emote", min_value=1, max_value=LARGEST, decimal_places=0, help_text=EMOTE)


class Usage(OfViewers, OfTable):
    name = "usage"
    about = "How often each viewer used each emote, of all time, as of the last five minutes. With `emote`: most first."
    serializer = UsageSerializer
    filters = UsageFilters
    named_by: ClassVar[dict[str, str]] = {"viewer_id": "text", "emote_id": "int"}
    order = (Order("viewer_id"), Order("emote_id"))
    columns: ClassVar[dict[str, Any]] = {
        "id": Concat("viewer_id", Value(":"), Cast("emote_id", CharField()), output_field=CharField()),
        "viewer": "viewer_id",
        "emote": "emote_id",
        "uses": "uses",
        "first_day": "first_day",
        "last_day": "last_day",
    }
    example: ClassVar[Row] = {
        "id": "1001:1",
        "viewer": "1001",
        "emote": 1,
        "uses": 12,
        "first_day": "2026-04-02",
        "last_day": "2026-05-01",
    }

    def rows(self, channel: Channel) -> QuerySet[ViewerEmote]:
        return ViewerEmote.objects.filter(channel=channel)

    def shown(self, channel: Channel) -> Q:
        return people_in(channel)

    def named(self, keys: Iterable[str]) -> list[tuple[Any, ...]]:
        parted = [key.rpartition(":") for key in known_ids(keys)]
        return [(viewer, number) for viewer, _, emote in parted for number in are_numbers([emote], INT_DIGITS)]

    def orders(self, asked: dict[str, Any]) -> tuple[Order, ...]:
        if "viewer" in asked:
            return self.order[1:]
        return (Order("uses", falls=True), Order("viewer_id")) if "emote" in asked else self.order
