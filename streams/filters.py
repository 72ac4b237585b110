"""Filters of the administration for large tables: always one channel, one stream, one key.

The indexes of these tables begin with it, and "all" would read them whole.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Exists, F, Model, OuterRef, QuerySet
from django.db.models.expressions import OrderBy
from django.http import HttpRequest

from streams.api.fields import INT_DIGITS, are_numbers
from streams.models import ApiKey, Channel, Stream, Webhook
from streams.reach import reach_of


class OneFilter(admin.SimpleListFilter):
    """The one that was asked for, of those within reach, else the first of them."""

    parameter_name: str

    def has_output(self) -> bool:
        return bool(self.lookup_choices)

    def chosen(self) -> str:
        keys = [key for key, _ in self.lookup_choices]
        asked = self.value()
        return asked if asked in keys else next(iter(keys), "")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.parameter_name: self.chosen()}) if self.chosen() else queryset.none()

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for key, title in self.lookup_choices:
            query = changelist.get_query_string({self.parameter_name: key}, ["p"])
            yield {"selected": key == self.chosen(), "query_string": query, "display": title}


class OneChannelFilter(OneFilter):
    """Where none is asked for, the one last heard of."""

    title = "channel"
    parameter_name = "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        within = model_admin.channels_within(request).lately_heard_first()
        return [(str(channel.pk), str(channel)) for channel in within]


class AnyChannelFilter(OneChannelFilter):
    """All channels within reach, or one: for tables that have an index for both."""

    def chosen(self) -> str:
        asked = self.value() or ""
        return asked if asked in dict(self.lookup_choices) else ""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return super().queryset(request, queryset) if self.chosen() else queryset

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        query = changelist.get_query_string(remove=[self.parameter_name, "p"])
        yield {"selected": not self.chosen(), "query_string": query, "display": "All"}
        yield from super().choices(changelist)


class OneStreamFilter(OneFilter):
    """To choose from: the latest of a channel."""

    title = "stream"
    parameter_name = "stream"
    offered = 20

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        within = model_admin.channels_within(request)
        asked = self._asked(self.value() or "", within)
        streams = Stream.objects.recent(asked.channel if asked else self._lately(within)).select_related("channel")
        offered = list(streams[: self.offered])
        if asked and asked not in offered:
            offered.append(asked)
        return [(stream.pk, str(stream)) for stream in offered]

    def _asked(self, stream_id: str, within: QuerySet[Channel]) -> Stream | None:
        """The stream of an address, which may be made up, or of a channel out of reach."""
        streams = Stream.objects.filter(channel__in=within).select_related("channel")
        return streams.filter(pk=stream_id).first() if stream_id.isprintable() and stream_id else None

    def _lately(self, within: Any) -> Any:
        """The channel last heard of among those with streams."""
        with_streams = Exists(Stream.objects.filter(channel=OuterRef("pk")))
        return within.filter(with_streams).lately_heard_first()[:1]


class OfOwnersFilter(OneFilter):
    """To choose from: the first hundred of what one's channels have, and the one of the address."""

    offered = 100
    model: ClassVar[type[Model]]
    order: ClassVar[tuple[str | OrderBy, ...]] = ("-pk",)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = self.model._default_manager.order_by(*self.order)  # noqa: SLF001 - public, whatever its name
        within = reach_of(request.user).limit(rows, owned=True)
        offered = {str(row.pk): str(row) for row in within[: self.offered]}
        asked = within.filter(pk__in=are_numbers([self.value() or ""], INT_DIGITS))
        return list((offered | {str(row.pk): str(row) for row in asked}).items())


class OneKeyFilter(OfOwnersFilter):
    """Where none is asked for, the one that was used last."""

    title = parameter_name = "key"
    model = ApiKey
    order = (F("used_at").desc(nulls_last=True), "-pk")


class OneWebhookFilter(OfOwnersFilter):
    title = parameter_name = "webhook"
    model = Webhook
