"""A viewer with a past: rows as the jobs would have counted them."""

from datetime import UTC, date, datetime, timedelta

from chat.models import Emote, EmoteUsage, Redemption, Reward
from chat.tests.crowd import make_emote
from streams.models import Channel, ChannelDay, PresenceSource, Stream, StreamSegment
from viewers.models import Viewer, ViewerDay, ViewerStream, ViewSession


def at(day: str, hour: float = 12) -> datetime:
    """A moment of a day such as 2025-03-04, UTC."""
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC) + timedelta(hours=hour)


def make_stream(channel: Channel, started_at: datetime, hours: float = 4, *, categories: str = "Art") -> Stream:
    """A stream in which it was known who was there; its categories last equally long."""
    pk = f"s{started_at:%Y%m%d%H}"
    end = started_at + timedelta(hours=hours)
    stream = Stream.objects.create(
        pk=pk, channel=channel, twitch_ids=[pk], started_at=started_at, ended_at=end, presence_at=end, title=f"Of {pk}"
    )
    names = categories.split(",")
    each = timedelta(hours=hours) / len(names)
    for place, name in enumerate(names):
        StreamSegment.objects.create(
            stream=stream, started_at=started_at + place * each, ended_at=started_at + (place + 1) * each, category=name
        )
    return stream


def make_visit(stream: Stream, viewer: Viewer, hours: float, *, late: float = 0, messages: int = 0) -> ViewSession:
    """A visit that is counted: in its stream and on its day."""
    start = stream.started_at + timedelta(hours=late)
    seconds = round(hours * 3600)
    session = ViewSession.objects.create(
        channel=stream.channel, viewer=viewer, stream=stream, started_at=start, source=PresenceSource.CHATTERS,
        ended_at=start + timedelta(hours=hours), ended_by="absent",
    )  # fmt: skip
    ViewerStream.objects.create(
        channel=stream.channel, viewer=viewer, stream=stream, watch_seconds=seconds, messages=messages
    )
    make_day(viewer, stream.channel, start.date(), watch_seconds=seconds, messages=messages)
    return session


def make_day(viewer: Viewer, channel: Channel, day: date, **counts: int) -> None:
    row, _ = ViewerDay.objects.get_or_create(channel=channel, viewer=viewer, day=day)
    for name, count in counts.items():
        setattr(row, name, getattr(row, name) + count)
    row.save()
    ChannelDay.objects.get_or_create(channel=channel, day=day)


def make_uses(viewer: Viewer, channel: Channel, day: date, **uses: int) -> None:
    """Emotes by name, and how often each was used on a day."""
    for name, count in uses.items():
        emote = Emote.objects.filter(name=name).first() or make_emote(name)
        EmoteUsage.objects.create(channel=channel, viewer=viewer, emote=emote, day=day, uses=count)


def make_redemption(viewer: Viewer, channel: Channel, moment: datetime, title: str, cost: int, **fields: str) -> None:
    reward, _ = Reward.objects.get_or_create(channel=channel, twitch_id=title, title=title)
    Redemption.objects.create(
        **{"id": f"r{Redemption.objects.count()}", "status": Redemption.Status.FULFILLED, **fields},
        channel=channel, viewer=viewer, reward=reward, cost=cost, redeemed_at=moment,
    )  # fmt: skip
