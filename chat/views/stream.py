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
    FloatField,
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
from social_django.models import UserSocialAuth

from chat.models import ChatEvent, ChatMinute, EmoteStream, Redemption
from chat.summaries import page as page_of_summary
from chat.views.channel import gaps_within
from streams.access import listed_channel
from streams.models import Channel, PresenceSource, Stream, StreamSample, StreamSegment
from streams.pages import is_live, kept_ready
from streams.reach import PROVIDER
from streams.statement import Given, GivenChannel, Statement
from streamstats.lib import evening
from streamstats.lib.activity import Gap, Span
from streamstats.lib.methods import read_only
from viewers.access import may_moderate
from viewers.models import PresencePoll, Summary, Viewer, ViewerStream
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

    def __init__(self, moment: str) -> None:
        super().__init__(Given("bucket"), F(moment), Given("start"))


@read_only
@kept_ready
def stream_page(request: HttpRequest, channel: str, stream_id: str) -> HttpResponse:
    found = listed_channel(channel)
    stream = KNOWN.first(channel=found.pk, stream=stream_id, user=request.user.pk)
    if stream is None:
        return _to_whole(found, stream_id)
    page = render(request, "chat/stream.html", {**_facts(found, stream), **_recap(request, found, stream)})
    return page if stream.ended_at else is_live(page)


def _known() -> QuerySet[Any]:
    """A stream of a channel with those before and after it, and how often it was asked who is there."""
    streams = Stream.objects.filter(channel=Given("channel"))
    others = streams.values(told=JSONObject(id="pk", at="started_at"))
    before = others.filter(started_at__lt=OuterRef("started_at")).order_by("-started_at")
    after = others.filter(started_at__gt=OuterRef("started_at")).order_by("started_at")
    polls = PresencePoll.objects.filter(stream=OuterRef("pk")).values("stream")
    polls = polls.annotate(told=JSONObject(asked=Count("pk"), failed=Count("pk", filter=~Q(problem=""))))
    return streams.filter(pk=Given("stream")).annotate(
        before=Subquery(before[:1]),
        after=Subquery(after[:1]),
        looks=Subquery(polls.values("told")),
        has_recap=Exists(Summary.objects.filter(stream=OuterRef("pk")).shown()),  # most have none
        is_own=Exists(
            UserSocialAuth.objects.filter(user=Given("user"), provider=PROVIDER, uid=OuterRef("channel__twitch_id"))
        ),
    )


KNOWN = Statement(_known)


def _to_whole(channel: Channel, part_id: str) -> HttpResponse:
    """What was a stream of its own, until it turned out to go on with the one before, keeps its address."""
    stream = channel.streams.filter(twitch_ids__contains=[part_id]).first()
    if stream is None:
        raise Http404(f"No stream of {channel} with the number {part_id} is known here.")
    return redirect("chat:stream", channel.login, stream.pk, permanent=True)


def _recap(request: HttpRequest, channel: Channel, stream: Any) -> dict[str, object]:
    """What a recap says of it; whoever may decide about recaps is led to where that is done."""
    found = page_of_summary.of_stream(channel, stream) if stream.has_recap else None
    # Whether staff may costs a question, so strangers and viewers are not asked about.
    is_staff = request.user.is_authenticated and request.user.is_staff
    may_decide = found is not None and (stream.is_own or (is_staff and may_moderate(request.user, channel)))
    return {"recap": found, "may_decide": may_decide}


def _neighbour(told: dict[str, str] | None) -> Neighbour | None:
    return Neighbour(told["id"], datetime.fromisoformat(told["at"])) if told else None


def _facts(channel: Channel, stream: Any) -> dict[str, object]:
    ended_at = stream.ended_at or max(timezone.now(), stream.started_at)
    span = evening.span_of(stream.started_at, ended_at)
    segments = _segments(stream, ended_at)
    raids = _raids(channel, stream.started_at, ended_at)
    gaps = gaps_within(channel, span)[:MOMENTS]
    curves = _curves(channel, stream, span)
    viewers = curves["viewers"]
    return {
        "channel": channel,
        "stream": stream,
        "on_air": stream.on_air_until(ended_at),
        "viewers_now": viewers[max(viewers)] if viewers and not stream.ended_at else None,
        "evening": evening.draw(span, viewers, curves["messages"], segments, raids=raids, gaps=gaps),
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
    rows = SEGMENTS.ask(MOMENTS, stream=stream.pk)
    segments = [evening.Segment(start, end or ended_at, *named) for start, end, *named in rows]
    return segments or [evening.Segment(stream.started_at, ended_at, stream.title, stream.category)]


def _segments_of(most: int) -> QuerySet[Any, Any]:
    rows = StreamSegment.objects.filter(stream=Given("stream")).order_by("started_at")
    return rows.values_list("started_at", "ended_at", "title", "category")[:most]


SEGMENTS = Statement(_segments_of)


def _curves(channel: Channel, stream: Stream, span: Span) -> dict[str, dict[datetime, int]]:
    """How many watched on average, and how many messages came, by the start of each point of the picture."""
    curves: dict[str, dict[datetime, int]] = {"viewers": {}, "messages": {}}
    within = {"start": span.started_at, "end": span.ended_at, "bucket": span.bucket}
    for name, point, value in CURVES.ask(channel=channel.pk, stream=stream.pk, **within):
        curves[name][point] = round(value)
    return curves


def _watched_and_written() -> Any:
    """Both in one question. Each alone would be another round trip."""
    samples: Any = StreamSample.objects.filter(stream=Given("stream"), at__gte=Given("start"), at__lt=Given("end"))
    samples = samples.annotate(point=Bin("at")).values_list(Value("viewers"), "point")
    minutes: Any = ChatMinute.objects.filter(channel=Given("channel"))
    minutes = minutes.filter(minute__gte=Given("start"), minute__lt=Given("end"))
    minutes = minutes.annotate(point=Bin("minute")).values_list(Value("messages"), "point")
    written = minutes.annotate(value=Sum("messages", output_field=FloatField()))
    return samples.annotate(value=Avg("viewers")).union(written, all=True)


CURVES = Statement(_watched_and_written)


def _raids(channel: Channel, started_at: datetime, ended_at: datetime) -> list[evening.Raid]:
    """Raids that came in, and the one that ended it; whose they were only where they are shown."""
    asked = {"channel": channel.pk, "start": started_at, "end": ended_at + RAID_AFTER}
    return [
        evening.Raid(event.occurred_at, event.amount, *_other_side(event))
        for event in RAIDS.ask(channel.is_open, **asked)
        if event.kind == "raid_out" or event.occurred_at < ended_at
    ]


def _raids_told(is_open: bool) -> QuerySet[Any]:
    channel: Any = GivenChannel(is_open)
    events = ChatEvent.objects.facts().filter(
        channel=channel,
        kind__in=("raid", "raid_out"),
        source_channel_id="",
        occurred_at__gte=Given("start"),
        occurred_at__lte=Given("end"),
    )
    target = Viewer.objects.filter(pk=OuterRef("recipient_id"))
    may_be_named = Q(Exists(target.filter(shown_in(channel, "pk"))))
    if channel.is_open:  # who was never seen here decided nothing
        may_be_named |= ~Q(Exists(target))
    events = events.annotate(raider_is_shown=_whether(shown_in(channel)), raided_is_shown=_whether(may_be_named))
    return events.select_related("viewer").order_by("occurred_at")[:MOMENTS]


RAIDS = Statement(_raids_told)


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
    rows = PEOPLE.ask(channel.is_open, channel=channel.pk, stream=stream.pk)
    newcomers = [row for row in rows if row.is_new][:NEWCOMERS]
    return {
        "chatters": [row for row in rows if row.messages][:TOP_CHATTERS],
        "newcomers": newcomers,
        "more_newcomers": max(0, stream.new_viewers - len(newcomers)),
    }


def _named(is_open: bool) -> QuerySet[ViewerStream]:
    channel: Any = GivenChannel(is_open)
    people = ViewerStream.objects.filter(people_in(channel), stream=Given("stream")).order_by("-messages", "viewer")
    wrote, new = people.filter(messages__gt=0)[:TOP_CHATTERS], people.filter(is_new=True)[:NEWCOMERS]
    both = wrote.values("pk").union(new.values("pk"))
    return ViewerStream.objects.filter(pk__in=both).select_related("viewer").order_by("-messages", "viewer")


PEOPLE = Statement(_named)


def _redemptions(channel: Channel, started_at: datetime, ended_at: datetime) -> list[Any]:
    """What points were spent on, and how often: neither by whom, nor with what words."""
    return SPENT.ask(channel=channel.pk, start=started_at, end=ended_at)


def _spent() -> QuerySet[Any, Any]:
    kept = Redemption.objects.filter(
        channel=Given("channel"), redeemed_at__gte=Given("start"), redeemed_at__lt=Given("end")
    )
    kept = kept.exclude(status=Redemption.Status.CANCELED)
    rewards = kept.values("reward", title=F("reward__title"))
    return rewards.annotate(count=Count("pk"), points=Sum("cost")).order_by("-count", "reward")[:REWARDS]


SPENT = Statement(_spent)
