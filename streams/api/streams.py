"""Channels and their streams, as the API tells of them."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django_filters import CharFilter
from rest_framework import serializers

from streams.api.resources import Filters, OfTable, Order, Row, between, flag
from streams.models import Channel, Stream, StreamSample, StreamSegment


class ChannelSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Twitch's id of the channel.")
    login = serializers.CharField(help_text="As in addresses: in small letters. It may change.")
    display_name = serializers.CharField(allow_blank=True)
    is_followed = serializers.BooleanField(help_text="Whether its chat is read now.")
    is_open = serializers.BooleanField(help_text="Whether every viewer has a page; else only who asked for one.")


class Channels(OfTable):
    name = "channels"
    about = "The channels that are followed here."
    serializer = ChannelSerializer
    example: ClassVar[Row] = {
        "id": "141981764",
        "login": "lantern",
        "display_name": "Lantern",
        "is_followed": True,
        "is_open": True,
    }
    order = (Order("twitch_id"),)
    named_by: ClassVar[dict[str, str]] = {"twitch_id": "text"}
    columns: ClassVar[dict[str, Any]] = {
        "id": "twitch_id",
        "login": "login",
        "display_name": "display_name",
        "is_followed": "is_followed",
        "is_open": "page_policy",
    }

    def rows(self, channel: Channel | None) -> QuerySet[Channel]:
        return Channel.objects.listed().exclude(twitch_id=None)

    def finish(self, channel: Channel | None, rows: list[Row]) -> list[Row]:
        for row in rows:
            row["is_open"] = row["is_open"] == Channel.PagePolicy.OPEN
        return rows


class CountedSerializer(ChannelSerializer):
    messages = serializers.IntegerField(help_text="Since it was first followed.")
    emotes = serializers.IntegerField(help_text="Uses of emotes.")
    chatters = serializers.IntegerField(help_text="Different people who wrote.")
    last_message_at = serializers.DateTimeField(allow_null=True)


class CountedChannel(Channels):
    """One channel, with its totals: they change with every message, so no list tells them."""

    name = "channel"
    about = "One channel, with its totals."
    serializer = CountedSerializer
    columns: ClassVar[dict[str, Any]] = {
        **Channels.columns,
        "messages": Coalesce("total__messages", 0),
        "emotes": Coalesce("total__emotes", 0),
        "chatters": Coalesce("total__chatters", 0),
        "last_message_at": "total__last_message_at",
    }
    example: ClassVar[Row] = {
        **Channels.example,
        "messages": 1204,
        "emotes": 310,
        "chatters": 96,
        "last_message_at": "2026-05-01T14:00:00Z",
    }


class StreamSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Twitch's id of it; the first where it had more.")
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True, help_text="Null while it is on air.")
    off_air_seconds = serializers.IntegerField(help_text="How long its drop-outs were, together.")
    title = serializers.CharField(allow_blank=True, help_text="The latest one.")
    category_id = serializers.CharField(allow_blank=True)
    category = serializers.CharField(allow_blank=True, help_text="The latest one.")
    language = serializers.CharField(allow_blank=True)
    peak_viewers = serializers.IntegerField(help_text="As Twitch counted.")
    average_viewers = serializers.IntegerField(help_text="As Twitch counted.")
    messages = serializers.IntegerField()
    chatters = serializers.IntegerField(help_text="Different people who wrote.")
    watched_by = serializers.IntegerField(help_text="People with a session in it.")
    new_viewers = serializers.IntegerField(help_text="Never seen in the channel before it.")
    returning_viewers = serializers.IntegerField()
    watch_seconds = serializers.IntegerField(help_text="Of all people together.")


@between("started_at")
class StreamFilters(Filters):
    live = flag("ended_at", "isnull", about="Only what is on air now, or what is not.")
    category_id = CharFilter(field_name="category_id", max_length=32, help_text="Twitch's id of the latest category.")


class Streams(OfTable):
    name = "streams"
    about = "Broadcasts, the newest first."
    serializer = StreamSerializer
    filters = StreamFilters
    slow_filters = frozenset({"live", "category_id"})
    order = (Order("started_at", falls=True), Order("id"))
    columns: ClassVar[dict[str, Any]] = {str(name): name for name in StreamSerializer().fields}
    example: ClassVar[Row] = {
        "id": "40952121085",
        "started_at": "2026-05-01T12:00:00Z",
        "ended_at": "2026-05-01T15:00:00Z",
        "off_air_seconds": 0,
        "title": "Bread, slowly",
        "category_id": "509660",
        "category": "Food & Drink",
        "language": "en",
        "peak_viewers": 812,
        "average_viewers": 640,
        "messages": 5210,
        "chatters": 388,
        "watched_by": 1460,
        "new_viewers": 210,
        "returning_viewers": 1250,
        "watch_seconds": 6912000,
    }

    def rows(self, channel: Channel) -> QuerySet[Stream]:
        return Stream.objects.filter(channel=channel)


class SegmentSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    stream = serializers.CharField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True, help_text="Null for what goes on.")
    title = serializers.CharField(allow_blank=True)
    category_id = serializers.CharField(allow_blank=True)
    category = serializers.CharField(allow_blank=True)


class OfStream(OfTable):
    """Rows of one stream of a channel."""

    is_same_for_all = False
    named_by: ClassVar[dict[str, str]] = {"pk": "bigint"}

    def __init__(self, stream_id: str = "") -> None:
        self.stream_id = stream_id

    def within(self, rows: QuerySet[Any], channel: Channel) -> QuerySet[Any]:
        rows = rows.filter(stream__channel=channel)
        return rows.filter(stream=self.stream_id) if self.stream_id else rows


class Segments(OfStream):
    name = "segments"
    about = "A stream on air with one title and category: [started_at, ended_at). Between two of them it was off air."
    serializer = SegmentSerializer
    order = (Order("started_at"), Order("id"))
    columns: ClassVar[dict[str, Any]] = {
        "id": "id",
        "stream": "stream_id",
        "started_at": "started_at",
        "ended_at": "ended_at",
        "title": "title",
        "category_id": "category_id",
        "category": "category",
    }
    example: ClassVar[Row] = {
        "id": 1,
        "stream": "40952121085",
        "started_at": "2026-05-01T12:00:00Z",
        "ended_at": "2026-05-01T15:00:00Z",
        "title": "Bread, slowly",
        "category_id": "509660",
        "category": "Food & Drink",
    }

    def rows(self, channel: Channel) -> QuerySet[StreamSegment]:
        return self.within(StreamSegment.objects.all(), channel)


class SampleSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    stream = serializers.CharField()
    at = serializers.DateTimeField()
    viewers = serializers.IntegerField(help_text="As Twitch counted.")


@between("at")
class SampleFilters(Filters):
    pass


class Samples(OfStream):
    name = "samples"
    about = "How many viewers Twitch counted at a moment of a stream."
    serializer = SampleSerializer
    filters = SampleFilters
    order = (Order("at"), Order("id"))
    columns: ClassVar[dict[str, Any]] = {"id": "id", "stream": "stream_id", "at": "at", "viewers": "viewers"}
    example: ClassVar[Row] = {"id": 1, "stream": "40952121085", "at": "2026-05-01T12:01:00Z", "viewers": 412}

    def rows(self, channel: Channel) -> QuerySet[StreamSample]:
        return self.within(StreamSample.objects.all(), channel)
