"""What webhooks are told of streams, of chat and of viewers: rows as the API tells them, and so only what it tells."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Max
from django.utils.dateparse import parse_datetime

from chat.api.events import TRACES, Events, Redemptions
from chat.api.profiles import Awards, Profiles
from chat.models import ChatEvent
from streams.api.resources import Row, Synced
from streams.api.streams import Segments, Streams
from streams.models import Channel, Delivery, StreamSegment
from streams.sync import VISIBILITY, Choice, Entry, note_choice
from streams.webhooks.events import GONE, KNOWN, Found, disguised
from viewers.gone import gone_from, met_of
from viewers.models import Profile, Summary, Viewer
from viewers.visibility import shown_in

# In which event a kind is told; all others that the API tells are `chat.other`.
KINDS = {
    **dict.fromkeys(
        ("sub", "resub", "giftpaidupgrade", "anongiftpaidupgrade", "primepaidupgrade"), "chat.subscription"
    ),
    **dict.fromkeys(("subgift", "submysterygift", "communitypayforward", "standardpayforward"), "chat.gift"),
    **dict.fromkeys(("cheer", "power_up", "bits", "bitsbadgetier"), "chat.cheer"),
    **dict.fromkeys(("raid", "raid_out"), "chat.raid"),
    **dict.fromkeys(("poll", "prediction", "hype_train"), "chat.contest"),
}
OTHER = "chat.other"
SETTLED = ("fulfilled", "canceled")
# Two tellings of one thing are so far apart at the most: see chat/ingest/onefact.py.
TOLD_TWICE_WITHIN = timedelta(hours=1)
# Rows that are asked for together: one transaction may have many thousands.
ASKED_AT_ONCE = 500


class RowSource:
    """Events of a resource of the API: its row is what is told, under the name of one."""

    resource: str
    events: Sequence[str]
    api: Synced
    one: str

    def told(self, channel: Channel, event: str, key: str) -> Mapping[str, Any] | None:
        row = self.api.one(channel, key)
        return {self.one: row} if row else None

    def rows(self, channel: Channel, entries: Sequence[Entry]) -> Iterable[tuple[Row, Entry]]:
        """The rows of these entries that may be told, each with the entry that said it last."""
        latest = {entry.place.key: entry for entry in entries if not entry.sealed}
        keys = list(latest)
        parts = (keys[start : start + ASKED_AT_ONCE] for start in range(0, len(keys), ASKED_AT_ONCE))
        found = [row for part in parts for row in self.api.find(channel, part)]
        return [(row, latest[self.api.key_of(row)]) for row in found]


class OfStreams(RowSource):
    resource = "streams"
    events: Sequence[str] = ("stream.online", "stream.offline")
    api = Streams()
    one = "stream"

    def found(self, channel: Channel, entries: Sequence[Entry]) -> Iterable[Found]:
        for row, entry in self.rows(channel, entries):
            began, ended = _time(row["started_at"]), row["ended_at"]
            yield Found("stream.online", f"stream.online.{row['id']}", row["id"], began, entry)
            if ended:  # one that goes on after all ends again
                event_id = f"stream.offline.{row['id']}.{_time(ended):%Y%m%d%H%M%S}"
                yield Found("stream.offline", event_id, row["id"], _time(ended), entry)


class OfSegments(RowSource):
    """A segment that has another title or category than the one before it. What is told is the stream."""

    resource = "segments"
    events: Sequence[str] = ("stream.changed",)
    api = Segments()

    def found(self, channel: Channel, entries: Sequence[Entry]) -> Iterable[Found]:
        rows = {row["id"]: entry for row, entry in self.rows(channel, entries)}
        of_these = StreamSegment.objects.filter(pk__in=rows).values("stream")
        before: dict[str, tuple[str, str]] = {}
        for each in StreamSegment.objects.filter(stream__in=of_these).order_by("stream", "started_at", "pk"):
            told = (each.title, each.category_id)
            if each.pk in rows and before.get(each.stream_id, told) != told:
                event_id = f"stream.changed.{each.pk}"
                yield Found("stream.changed", event_id, each.stream_id, each.started_at, rows[each.pk])
            before[each.stream_id] = told

    def told(self, channel: Channel, event: str, key: str) -> Mapping[str, Any] | None:
        row = OfStreams.api.one(channel, key)
        return {"stream": row} if row else None


class OfEvents(RowSource):
    resource = "events"
    events: Sequence[str] = (*sorted(set(KINDS.values())), OTHER)
    api = Events()
    one = "event"

    def found(self, channel: Channel, entries: Sequence[Entry]) -> Iterable[Found]:
        rows = list(self.rows(channel, entries))
        told = self._told_already(channel, [row for row, _ in rows])
        for row, entry in rows:
            event = KINDS.get(row["kind"], OTHER)
            known_as = told.get(row["id"], row["id"])
            at = _time(row["occurred_at"])
            yield Found(event, f"{event}.{known_as}", row["id"], at, entry, row["viewer"] or "")

    @staticmethod
    def _told_already(channel: Channel, rows: Sequence[Row]) -> dict[str, str]:
        """As what these were told before: chat and EventSub tell the same, and the better of both may come later."""
        if not rows:
            return {}
        times = [_time(row["occurred_at"]) for row in rows]
        near = (min(times) - TOLD_TWICE_WITHIN, max(times) + TOLD_TWICE_WITHIN)
        same = ChatEvent.objects.filter(channel=channel, occurred_at__range=near, same_as__in=[r["id"] for r in rows])
        known_as = {f"{KINDS.get(each.kind, OTHER)}.{each.pk}": (each.same_as, each.pk) for each in same}
        delivered = Delivery.objects.filter(webhook__channel=channel, event_id__in=list(known_as))
        return dict(known_as[event_id] for event_id in delivered.values_list("event_id", flat=True).distinct())


class OfRedemptions(RowSource):
    resource = "redemptions"
    events: Sequence[str] = ("redemption.new", "redemption.changed")
    api = Redemptions()
    one = "redemption"

    def found(self, channel: Channel, entries: Sequence[Entry]) -> Iterable[Found]:
        for row, entry in self.rows(channel, entries):
            at, viewer = _time(row["redeemed_at"]), row["viewer"]
            yield Found("redemption.new", f"redemption.new.{row['id']}", row["id"], at, entry, viewer)
            if row["status"] in SETTLED:
                event_id = f"redemption.changed.{row['id']}.{row['status']}"
                yield Found("redemption.changed", event_id, row["id"], entry.at, entry, viewer)


class OfAwards(RowSource):
    resource = "awards"
    events: Sequence[str] = ("achievement.earned",)
    api = Awards()
    one = "achievement"

    def found(self, channel: Channel, entries: Sequence[Entry]) -> Iterable[Found]:
        for row, entry in self.rows(channel, entries):
            event_id = f"achievement.earned.{disguised(row['id'])}"
            yield Found("achievement.earned", event_id, row["id"], _time(row["earned_at"]), entry, row["viewer"])


class OfPages:
    """The log says that a page has other words. Whether it is the text or the summary say the words' own times."""

    resource = "profiles"
    events: Sequence[str] = ("profile.changed", "summary.published")
    api = Profiles()

    def found(self, channel: Channel, entries: Sequence[Entry]) -> Iterable[Found]:
        latest = {entry.place.key: entry for entry in entries if not entry.sealed}
        yield from self._texts(channel, latest)
        yield from self._summaries(channel, latest)

    @staticmethod
    def _texts(channel: Channel, latest: Mapping[str, Entry]) -> Iterable[Found]:
        pages = Profile.objects.filter(shown_in(channel), channel=channel, viewer__in=latest).select_related("current")
        for page in pages.annotate(withdrawn_at=Max("revisions__withdrawn_at")):
            written_at = page.current.made_at if page.current else None
            at = max(filter(None, (written_at, page.withdrawn_at)), default=None)
            if at:
                event_id = f"profile.changed.{page.pk}.{page.current_id or 0}.{at:%Y%m%d%H%M%S%f}"
                yield Found("profile.changed", event_id, page.viewer_id, at, latest[page.viewer_id], page.viewer_id)

    @staticmethod
    def _summaries(channel: Channel, latest: Mapping[str, Entry]) -> Iterable[Found]:
        shown = Summary.objects.shown().filter(shown_in(channel), channel=channel, viewer__in=latest)
        for each in shown.order_by("viewer", "-number").distinct("viewer"):
            viewer, at = str(each.viewer_id), each.decided_at or each.made_at
            if at:
                event_id = f"summary.published.{each.pk}"
                yield Found("summary.published", event_id, viewer, at, latest[viewer], viewer)

    def told(self, channel: Channel, event: str, key: str) -> Mapping[str, Any] | None:
        row = self.api.one(channel, key)
        if event == "summary.published":
            return {"viewer": key, "summary": row["summary"]} if row and row["summary"] else None
        if not Viewer.objects.filter(shown_in(channel, "pk"), pk=key).exists():
            return None
        return {"viewer": key, "text": row["text"] if row else None}


class OfWhoIsGone:
    """Whoever was told of them must delete that, and so has to be told which viewer it is.

    Of who was erased the log keeps that sealed, and so does the delivery. It is the event that it was when they hid.
    """

    resource = VISIBILITY
    events: Sequence[str] = (GONE,)

    def found(self, channel: Channel, entries: Sequence[Entry]) -> Iterable[Found]:
        latest = {entry.place.key: entry for entry in entries if not entry.sealed}
        chosen: dict[str, Choice] = {}
        for entry in latest.values():
            note_choice(chosen, entry)
        for key in gone_from(channel, chosen, with_bots=True, traces=TRACES):
            yield Found(GONE, self._id(latest[key], key), key, latest[key].at, latest[key], key)
        for entry in entries:
            if (departure := entry.departure) and departure.viewer:
                event_id = self._id(entry, departure.viewer)
                yield Found(GONE, event_id, departure.viewer, entry.at, entry, is_secret=True)

    def told(self, channel: Channel, event: str, key: str) -> Mapping[str, Any] | None:
        return {"viewer": key} if key and key not in met_of(channel, [key], TRACES) else None

    @staticmethod
    def _id(entry: Entry, viewer: str) -> str:
        return f"{GONE}.{entry.place.xid}.{disguised(viewer)}"


def _time(text: str) -> datetime:
    """A time as the API tells it."""
    at = parse_datetime(text)
    if at is None:
        raise ValueError(f"{text!r} is no time")
    return at.astimezone(UTC)


for _source in (
    OfStreams(),
    OfSegments(),
    OfEvents(),
    OfRedemptions(),
    OfAwards(),
    OfPages(),
    OfWhoIsGone(),
):
    KNOWN.enter(_source)
