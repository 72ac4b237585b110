"""Viewers, who watched when, and finding somebody, as the API tells of them."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Case, FilteredRelation, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django_filters import CharFilter
from rest_framework import serializers

from streams.api.fields import known_ids
from streams.api.problems import invalid
from streams.api.resources import Absent, Filters, OfTable, Order, Row, Synced, between
from streams.models import Channel, PresenceSource
from streams.sync import Written
from viewers import gone
from viewers.models import ViewerTotal, ViewSession
from viewers.visibility import people_in, shown_in

LONGEST_ID = 32
VIEWER = "Twitch's id of a viewer."


class OfViewers(Synced):
    """What is of viewers who may not be shown. Of those who are not, nobody is told that there is anything new.

    The log calls it by their viewer's id, or by what begins with that and a colon.
    """

    is_of_viewers = True
    tells_who_is_gone = True
    has_bots: ClassVar[bool] = False
    """Whether bots are in it."""
    traces: ClassVar[Sequence[gone.Trace]] = gone.COUNTED
    """What says that somebody was in it before."""

    def absent(self, channel: Channel, keys: Sequence[str], written: Written) -> Absent:
        deleted = self.went(channel, keys, written) if keys else []
        hidden = gone.gone_from(channel, written.chosen, with_bots=self.has_bots, traces=self.traces)
        return Absent(deleted, sorted(written.gone | set(hidden)))

    def went(self, channel: Channel, keys: Sequence[str], written: Written) -> list[str]:
        """Which of these rows are told to be deleted."""
        of_viewers = {key: key.partition(":")[0] for key in keys}
        shown = gone.shown_of(channel, known_ids(of_viewers.values()), with_bots=self.has_bots)
        return [key for key in keys if of_viewers[key] in shown]


class WithIds(OfViewers, OfTable):
    """Rows of viewers, by ids of their own: by these alone, nobody could tell whose they were."""

    def may_be_told(self, channel: Channel) -> Q:
        """Of which rows the viewers are shown, whatever else keeps a row out of the list."""
        return self.shown(channel)

    def went(self, channel: Channel, keys: Sequence[str], written: Written) -> list[str]:
        untold = self._untold(channel, keys, written)
        return [key for key in keys if key not in untold]

    def _untold(self, channel: Channel, keys: Sequence[str], written: Written) -> set[str]:
        """Keys of rows whose viewers are not shown: of those that are there, and of those that were deleted."""
        is_told = Case(When(self.may_be_told(channel), then=Value(True)), default=Value(False))
        there = self.rows(channel).filter(self.of_keys(keys)).annotate(is_told=is_told)
        found = {str(key): told for key, told in there.values_list("pk", "is_told")}
        hidden = {key for key, told in found.items() if not told}
        deleted = {key: written.whose[key] for key in keys if key in written.whose and key not in found}
        shown = gone.shown_of(channel, deleted.values(), with_bots=self.has_bots) if deleted else set()
        return hidden | {key for key, viewer in deleted.items() if viewer and viewer not in shown}


class ViewerSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Twitch's id of the viewer.")
    login = serializers.CharField(help_text="The newest one seen. It may change, and pass to somebody else.")
    display_name = serializers.CharField()
    avatar_url = serializers.CharField(allow_blank=True)
    is_bot = serializers.BooleanField(help_text="Bots have a page, and are in no list.")
    first_seen_at = serializers.DateTimeField(help_text="In this channel.")
    last_seen_at = serializers.DateTimeField(help_text="In this channel.")
    messages = serializers.IntegerField()
    emotes = serializers.IntegerField(help_text="Uses of emotes.")
    watch_seconds = serializers.IntegerField()
    points = serializers.IntegerField(help_text="Channel points spent.")
    streak = serializers.IntegerField(help_text="The longest streak of streams in a row.")


def _folded(measure: str) -> Coalesce:
    return Coalesce(f"folded__{measure}", 0)


class Viewers(OfViewers, OfTable):
    name = "viewers"
    about = "People who were seen in the channel, with what they did of all time: as of the last five minutes."
    serializer = ViewerSerializer
    named_by: ClassVar[dict[str, str]] = {"viewer": "text"}
    order = (Order("viewer_id"),)
    columns: ClassVar[dict[str, Any]] = {
        "id": "viewer_id",
        "login": "viewer__login",
        "display_name": "viewer__display_name",
        "avatar_url": "viewer__avatar_url",
        "is_bot": "viewer__is_bot",
        "first_seen_at": "first_seen_at",
        "last_seen_at": "last_seen_at",
        **{name: _folded(name) for name in ("messages", "emotes", "watch_seconds", "points", "streak")},
    }
    example: ClassVar[Row] = {
        "id": "1001",
        "login": "wren",
        "display_name": "Wren",
        "avatar_url": "",
        "is_bot": False,
        "first_seen_at": "2026-01-01T12:00:00Z",
        "last_seen_at": "2026-05-01T12:00:00Z",
        "messages": 240,
        "emotes": 31,
        "watch_seconds": 72000,
        "points": 1500,
        "streak": 4,
    }

    def rows(self, channel: Channel) -> QuerySet[ViewerTotal]:
        of_all_time = Q(viewer__standings__channel=channel, viewer__standings__period="all")
        folded = FilteredRelation("viewer__standings", condition=of_all_time)
        return ViewerTotal.objects.filter(channel=channel).annotate(folded=folded)

    def shown(self, channel: Channel) -> Q:
        return people_in(channel)

    def addressed(self, channel: Channel) -> Q:
        """A bot has a page as others do."""
        return shown_in(channel)


class SessionSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    viewer = serializers.CharField(help_text=VIEWER)
    stream = serializers.CharField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True, help_text="Null for who is still there.")
    source = serializers.ChoiceField(  # type: ignore[assignment]
        PresenceSource.choices, help_text="How it is known."
    )
    ended_by = serializers.ChoiceField([("", "still open"), *ViewSession.EndedBy.choices])


@between("started_at")
class SessionFilters(Filters):
    viewer = CharFilter(field_name="viewer", max_length=LONGEST_ID, help_text=VIEWER)
    stream = CharFilter(field_name="stream", max_length=LONGEST_ID, help_text="Id of a stream.")


class Sessions(WithIds):
    name = "sessions"
    about = (
        "Visits: [started_at, ended_at) in which somebody was there while a stream was on air. Viewer by viewer, the "
        "newest first; `from` and `to` need `viewer` or `stream`."
    )
    serializer = SessionSerializer
    filters = SessionFilters
    named_by: ClassVar[dict[str, str]] = {"pk": "bigint"}
    order = (Order("viewer_id"), Order("started_at", falls=True), Order("id"))
    columns: ClassVar[dict[str, Any]] = {
        "id": "id",
        "viewer": "viewer_id",
        "stream": "stream_id",
        "started_at": "started_at",
        "ended_at": "ended_at",
        "source": "source",
        "ended_by": "ended_by",
    }
    example: ClassVar[Row] = {
        "id": 1,
        "viewer": "1001",
        "stream": "40952121085",
        "started_at": "2026-05-01T12:00:00Z",
        "ended_at": "2026-05-01T13:00:00Z",
        "source": "chatters",
        "ended_by": "absent",
    }

    def rows(self, channel: Channel) -> QuerySet[ViewSession]:
        return ViewSession.objects.filter(channel=channel)

    def shown(self, channel: Channel) -> Q:
        return people_in(channel)

    def orders(self, asked: dict[str, Any]) -> tuple[Order, ...]:
        """As the indexes have them: of a viewer by time, of a stream viewer by viewer."""
        if "viewer" in asked:
            return self.order[1:]
        return (Order("viewer_id"), Order("started_at"), Order("id")) if "stream" in asked else self.order

    def narrow(self, channel: Channel, asked: dict[str, Any]) -> None:
        times = [name for name in ("from", "to") if name in asked]
        if times and not asked.keys() & {"viewer", "stream"}:
            raise invalid({name: ["Give a viewer or a stream with it."] for name in times})
