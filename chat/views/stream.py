"""The page of one stream."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import (
    Avg,
    BooleanField,
    Case,
    Count,
    DateTimeField,
    Exists,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import JSONObject
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from chat.models import ChatEvent, ChatMinute, EmoteStream, Redemption
from chat.views.channel import gaps_within
from streams.access import listed_channel
from streams.models import Channel, PresenceSource, Stream, StreamSample
from streams.pages import is_live, kept_ready
from streamstats.lib import evening
from streamstats.lib.activity import Gap, Span
from streamstats.lib.methods import read_only
from viewers.models import PresencePoll, Viewer, ViewerStream
from viewers.visibility import people_in, shown_in

TOP_CHATTERS = 10
NEWCOMERS = 8
TOP_EMOTES = 18
REWARDS = 20
# Of each thing that may have happened in a stream: somebody could change the title all day.
MOMENTS = 200
# A raid is how many streams end: Twitch may tell of it a little later.
RAID_AFTER = timedelta(minutes=2)


class Moment(NamedTuple):
    """Something that happened, for the list below the picture. `kind` is the name of a shape in it."""

    at: datetime
    kind: str
    text: str
    until: datetime | None = None

    @property
    def lasted(self) -> timedelta | None:
        return self.until - self.at if self.until else None


class Neighbour(NamedTuple):
    """The stream before or after one."""

    pk: str
    started_at: datetime


class Bin(Func):
    """The start of the point of a picture in which a moment lies."""

    function = "date_bin"
    output_field = DateTimeField()

    def __init__(self, moment: str, span: Span) -> None:
        super().__init__(Value(span.bucket), F(moment), Value(span.started_at))


@read_only
@kept_ready
def stream_page(request: HttpRequest, channel: str, stream_id: str) -> HttpResponse:
    found = listed_channel(channel)
    stream = _known(found).filter(pk=stream_id).first()
    if stream is None:
        return _to_whole(found, stream_id)
    page = render(request, "chat/stream.html", _facts(found, stream))
    return page if stream.ended_at else is_live(page)


def _known(channel: Channel) -> QuerySet[Any]:
    """The streams of a channel, each with those before and after it, and how often it was asked who is there."""
    others = channel.streams.values(told=JSONObject(id="pk", at="started_at"))
    before = others.filter(started_at__lt=OuterRef("started_at")).order_by("-started_at")
    after = others.filter(started_at__gt=OuterRef("started_at")).order_by("started_at")
    polls = PresencePoll.objects.filter(stream=OuterRef("pk")).values("stream")
    polls = polls.annotate(told=JSONObject(asked=Count("pk"), failed=Count("pk", filter=~Q(problem=""))))
    return channel.streams.annotate(
        before=Subquery(before[:1]),
        after=Subquery(after[:1]),
        looks=Subquery(polls.values("told")),
    )


def _to_whole(channel: Channel, part_id: str) -> HttpResponse:
    """What was a stream of its own, until it turned out to go on with the one before, keeps its address."""
    stream = channel.streams.filter(twitch_ids__contains=[part_id]).first()
    if stream is None:
        raise Http404(f"No stream of {channel} with the number {part_id} is known here.")
    return redirect("chat:stream", channel.login, stream.pk, permanent=True)


def _neighbour(told: dict[str, str] | None) -> Neighbour | None:
    return Neighbour(told["id"], datetime.fromisoformat(told["at"])) if told else None


def _facts(channel: Channel, stream: Any) -> dict[str, object]:
    ended_at = stream.ended_at or max(timezone.now(), stream.started_at)
    span = evening.span_of(stream.started_at, ended_at)
    segments = _segments(stream, ended_at)
    raids = _raids(channel, stream.started_at, ended_at)
    gaps = gaps_within(channel, span)[:MOMENTS]
    viewers = _viewers(stream, span)
    return {
        "channel": channel,
        "stream": stream,
        "on_air": stream.on_air_until(ended_at),
        "viewers_now": viewers[max(viewers)] if viewers and not stream.ended_at else None,
        "evening": evening.draw(span, viewers, _messages(channel, span), segments, raids=raids, gaps=gaps),
        "moments": _moments(stream, segments, raids, gaps),
        **_people(channel, stream),
        "emotes": EmoteStream.objects.filter(stream=stream).most_used()[:TOP_EMOTES],
        "redemptions": _redemptions(channel, stream.started_at, ended_at),
        "by_list": stream.presence_source == PresenceSource.CHATTERS,
        "before": _neighbour(stream.before),
        "after": _neighbour(stream.after),
    }


def _segments(stream: Stream, ended_at: datetime) -> list[evening.Segment]:
    """What the stream was called when; one segment where no more is known."""
    rows = stream.segments.order_by("started_at").values_list("started_at", "ended_at", "title", "category")
    segments = [evening.Segment(start, end or ended_at, *named) for start, end, *named in rows[:MOMENTS]]
    return segments or [evening.Segment(stream.started_at, ended_at, stream.title, stream.category)]


def _viewers(stream: Stream, span: Span) -> dict[datetime, int]:
    samples: QuerySet[Any] = StreamSample.objects.filter(stream=stream, at__gte=span.started_at, at__lt=span.ended_at)
    points = samples.annotate(point=Bin("at", span)).values_list("point").annotate(average=Avg("viewers"))
    return {point: round(average) for point, average in points.order_by("point")}


def _messages(channel: Channel, span: Span) -> dict[datetime, int]:
    minutes: QuerySet[Any] = ChatMinute.objects.filter(
        channel=channel, minute__gte=span.started_at, minute__lt=span.ended_at
    )
    return dict(minutes.annotate(point=Bin("minute", span)).values_list("point").annotate(sum=Sum("messages")))


def _raids(channel: Channel, started_at: datetime, ended_at: datetime) -> list[evening.Raid]:
    """Raids that came in, and the one that ended it; whose they were only where they are shown."""
    events = ChatEvent.objects.facts().filter(
        channel=channel,
        kind__in=("raid", "raid_out"),
        source_channel_id="",
        occurred_at__gte=started_at,
        occurred_at__lte=ended_at + RAID_AFTER,
    )
    target = Viewer.objects.filter(pk=OuterRef("recipient_id"))
    may_be_named = Q(Exists(target.filter(shown_in(channel, "pk"))))
    if channel.is_open:  # who was never seen here decided nothing
        may_be_named |= ~Q(Exists(target))
    events = events.annotate(raider_is_shown=_whether(shown_in(channel)), raided_is_shown=_whether(may_be_named))
    events = events.select_related("viewer").order_by("occurred_at")[:MOMENTS]
    return [
        evening.Raid(event.occurred_at, event.amount, *_other_side(event))
        for event in events
        if event.kind == "raid_out" or event.occurred_at < ended_at
    ]


def _whether(condition: Q) -> Case:
    return Case(When(condition, then=Value(True)), default=Value(False), output_field=BooleanField())


def _other_side(event: Any) -> tuple[str, str]:
    """Who raided, and who was raided."""
    if event.kind == "raid_out":
        told = event.params.get("displayName") or event.params.get("login")
        return "", str(told) if told and event.raided_is_shown else "another channel"
    return str(event.viewer or "") if event.raider_is_shown else "", ""


def _moments(
    stream: Stream, segments: Sequence[evening.Segment], raids: Sequence[evening.Raid], gaps: Sequence[Gap]
) -> list[Moment]:
    """What happened, in order."""
    first = segments[0]
    moments = [Moment(first.started_at, "begin", " · ".join(filter(None, [first.title, first.category])))]
    for i, now in enumerate(segments[1:], 1):
        before = segments[i - 1]
        if before.ended_at < now.started_at:
            moments.append(Moment(before.ended_at, "break", "", now.started_at))
        if (before.title, before.category) != (now.title, now.category):
            moments.append(Moment(now.started_at, "change", evening.told_change(before, now)))
    moments += [Moment(raid.at, "raid", evening.told_raid(raid)) for raid in raids]
    moments += [Moment(gap.started_at, "gap", gap.reason, gap.ended_at) for gap in gaps]
    if stream.ended_at:
        moments.append(Moment(stream.ended_at, "end", ""))
    return sorted(moments, key=lambda moment: moment.at)


def _people(channel: Channel, stream: Stream) -> dict[str, object]:
    """Who wrote most, and who was never here before: those who are shown, in one query."""
    people = ViewerStream.objects.filter(people_in(channel), stream=stream).order_by("-messages", "viewer")
    wrote, new = people.filter(messages__gt=0)[:TOP_CHATTERS], people.filter(is_new=True)[:NEWCOMERS]
    both = wrote.values("pk").union(new.values("pk"))
    rows = list(ViewerStream.objects.filter(pk__in=both).select_related("viewer").order_by("-messages", "viewer"))
    newcomers = [row for row in rows if row.is_new][:NEWCOMERS]
    return {
        "chatters": [row for row in rows if row.messages][:TOP_CHATTERS],
        "newcomers": newcomers,
        "more_newcomers": max(0, stream.new_viewers - len(newcomers)),
    }


def _redemptions(channel: Channel, started_at: datetime, ended_at: datetime) -> QuerySet[Any]:
    """What points were spent on, and how often: neither by whom, nor with what words."""
    kept = Redemption.objects.filter(channel=channel, redeemed_at__gte=started_at, redeemed_at__lt=ended_at)
    kept = kept.exclude(status=Redemption.Status.CANCELED)
    rewards = kept.values("reward", title=F("reward__title"))
    return rewards.annotate(count=Count("pk"), points=Sum("cost")).order_by("-count", "reward")[:REWARDS]
