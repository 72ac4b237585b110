"""What the numbers tell of a stream that is over: sentences of ours, each of which a recap may rest on."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from chat.models import ChatEvent, ChatMinute, EmoteStream
from chat.models.emote import EmoteCount
from chat.summaries.quoting import made_safe
from chat.summaries.reading import names_in
from streams.models import Stream, StreamSegment
from streamstats.lib.durations import spoken
from streamstats.lib.numbers import counted, grouped
from viewers.models import Claim

Part = Claim.Part

PEAKS = 3
APART = timedelta(minutes=10)
"""Two busy minutes that are closer than this are of one peak."""
BUSY = 2
"""A minute is busy that has so many times the messages of a usual one."""
CATEGORIES = 5
EMOTES = 5
RAIDS = 3
MOST_MINUTES = 3000
LONGEST_TITLE = 140


class Fact(NamedTuple):
    """A sentence that is true by the numbers."""

    alias: str
    part: Claim.Part
    text: str
    at: datetime | None = None


class Facts(NamedTuple):
    """All that is told of a stream."""

    facts: list[Fact]


def of_stream(stream: Stream) -> Facts:
    """The facts of a stream that is over and counted. Six queries."""
    segments = list(stream.segments.order_by("started_at")[:MOST_MINUTES])
    emotes = list(EmoteStream.objects.filter(stream=stream).most_used()[:EMOTES])
    told = [
        *_happened(stream, segments),
        *_peaks(stream),
        *_emotes(emotes),
        *_people(stream),
        *_raids(stream),
    ]
    return Facts([Fact(f"f{place}", *fact) for place, fact in enumerate(told, 1)])


Told = tuple[Claim.Part, str, datetime | None]


def _happened(stream: Stream, segments: Sequence[StreamSegment]) -> Iterator[Told]:
    if stream.lasted:
        yield Part.HAPPENED, f"The stream lasted {spoken(stream.lasted)}.", None
    categories = [segment.category for segment in segments if segment.category]
    subjects = [now for before, now in zip(["", *categories], categories, strict=False) if now != before]
    if subjects:
        more = " and more" if len(subjects) > CATEGORIES else ""
        yield Part.HAPPENED, f"It was about {', then '.join(subjects[:CATEGORIES])}{more}.", None
    if stream.messages:
        wrote = f"{counted(stream.chatters, 'chatter')} wrote {counted(stream.messages, 'message')}"
        yield Part.HAPPENED, f"{wrote}.", None
    if stream.peak_viewers:
        average = f"{grouped(stream.average_viewers)} on average"
        yield Part.HAPPENED, f"Up to {counted(stream.peak_viewers, 'viewer')} watched at once, {average}.", None
    channel = stream.channel
    others = names_in(channel.pk, [stream.title]) - {channel.login, channel.display_name.lower()}
    if title := made_safe(stream.title, others, LONGEST_TITLE):
        yield Part.HAPPENED, f"Its last title was \u201c{title}\u201d.", None


def _peaks(stream: Stream) -> Iterator[Told]:
    """The busiest minutes, none close to a busier one, in order of time."""
    minutes = ChatMinute.objects.filter(channel=stream.channel_id, minute__gte=stream.started_at)
    rows = list(minutes.filter(minute__lt=stream.ended_at).order_by("-messages", "minute")[:MOST_MINUTES])
    usual = sum(row.messages for row in rows) / max(len(rows), 1)
    peaks: list[ChatMinute] = []
    for row in rows:
        if len(peaks) == PEAKS or row.messages < BUSY * usual:
            break
        if all(abs(row.minute - peak.minute) >= APART for peak in peaks):
            peaks.append(row)
    for peak in sorted(peaks, key=lambda row: row.minute):
        how = "Chat was at its busiest" if peak is peaks[0] else "Chat was busy"
        wrote = f"{counted(peak.messages, 'message')} from {counted(peak.chatters, 'chatter')}"
        yield Part.PEAK, f"{how} {_when(stream, peak.minute)}: {wrote} within a minute.", peak.minute


def _emotes(emotes: Sequence[EmoteCount]) -> Iterator[Told]:
    if not emotes:
        return
    first, *others = emotes
    most = f"{first['name']} was the emote of the stream, used {counted(first['count'], 'time')}"
    after = ", ".join(f"{emote['name']} ({grouped(emote['count'])})" for emote in others)
    yield Part.EMOTES, f"{most}; then came {after}." if after else f"{most}.", None


def _people(stream: Stream) -> Iterator[Told]:
    new, returning = stream.new_viewers, stream.returning_viewers
    if new or returning:
        were = "was" if new == 1 else "were"
        came = f"{counted(new, 'viewer')} {were} here for the first time, {grouped(returning)} had been here before"
        yield Part.PEOPLE, f"{came}.", None


def _raids(stream: Stream) -> Iterator[Told]:
    """Raids that came in, by nobody: who raided may not want to be named."""
    raids = ChatEvent.objects.facts().filter(
        channel=stream.channel_id,
        kind="raid",
        source_channel_id="",
        occurred_at__gte=stream.started_at,
        occurred_at__lt=stream.ended_at,
    )
    for raid in sorted(raids.order_by("-amount")[:RAIDS], key=lambda raid: raid.occurred_at):
        text = f"A raid brought {counted(raid.amount, 'viewer')} {_when(stream, raid.occurred_at)}."
        yield Part.MOMENT, text, raid.occurred_at


def _when(stream: Stream, at: datetime) -> str:
    since = spoken(max(at - stream.started_at, timedelta()))
    return f"at {at.astimezone(UTC):%H:%M} UTC, {since} in"
