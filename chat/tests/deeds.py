"""What a viewer does, as rows that achievements are counted from."""

from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from chat.models import ChatEvent, Emote, EmoteUsage, Redemption, Reward, ViewerEmote
from chat.tests.crowd import make_emote
from streams.models import Channel, Stream
from viewers.models import Viewer, ViewerDay, ViewerName, ViewerStream, ViewSession

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MONDAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
numbers = count(1)


class Deeds:
    """Makes one viewer of a channel do things."""

    def __init__(self, channel: Channel, viewer: Viewer) -> None:
        self.channel, self.viewer = channel, viewer

    def day(self, day: date = MONDAY, **counts: int) -> None:
        """Counts of one day; a message, if none are given."""
        ViewerDay.objects.create(channel=self.channel, viewer=self.viewer, day=day, **(counts or {"messages": 1}))

    def days(self, number: int, first: date = MONDAY, step: int = 1, **counts: int) -> None:
        for index in range(number):
            self.day(first + index * step * DAY, **counts)

    def stream(self, start: datetime = NOON, hours: float = 2, *, came: bool = True, **fields: Any) -> Stream:
        """A stream of the channel, to which the viewer came."""
        end = start + timedelta(hours=hours) if hours else None
        known = {name: fields.pop(name) for name in ("category_id", "presence_at", "off_air_seconds") if name in fields}
        stream = Stream.objects.create(
            id=f"s{next(numbers)}", channel=self.channel, started_at=start, ended_at=end,
            **{"presence_at": end or start, **known},
        )  # fmt: skip
        if came:
            ViewerStream.objects.create(
                channel=self.channel, viewer=self.viewer, stream=stream, **{"messages": 1, **fields}
            )
        return stream

    def streams(self, number: int, **fields: Any) -> None:
        for index in range(number):
            self.stream(NOON + index * DAY, **fields)

    def visit(self, start: datetime = NOON, hours: float = 1, stream: Stream | None = None, **fields: Any) -> None:
        """A visit to a stream; without one, to one that began an hour before and goes on for an hour more."""
        end = start + timedelta(hours=hours)
        if stream is None:
            stream = self.stream(start - HOUR, hours + 2, came=False)
        ViewSession.objects.create(
            channel=self.channel, viewer=self.viewer, stream=stream, started_at=start,
            **{"ended_at": end, "source": "chatters", "ended_by": "absent", **fields},
        )  # fmt: skip

    def uses(self, emote: Emote | None = None, day: date = MONDAY, uses: int = 1) -> None:
        """Uses of an emote on a day, and in all."""
        emote = emote or make_emote(f"e{next(numbers)}")
        mine = {"channel": self.channel, "viewer": self.viewer, "emote": emote}
        EmoteUsage.objects.create(**mine, day=day, uses=uses)
        total, is_new = ViewerEmote.objects.get_or_create(
            **mine, defaults={"uses": uses, "first_day": day, "last_day": day}
        )
        if not is_new:
            total.uses, total.last_day = total.uses + uses, day
            total.save()

    def event(self, kind: str, amount: int = 1, at: datetime = NOON, **fields: Any) -> None:
        ChatEvent.objects.create(
            id=f"n{next(numbers)}", channel=self.channel, kind=kind, amount=amount, occurred_at=at,
            **{"viewer": self.viewer, **fields},
        )  # fmt: skip

    def spends(self, cost: int = 100, at: datetime = NOON, reward: str = "hydrate", status: str = "fulfilled") -> None:
        bought, _ = Reward.objects.get_or_create(channel=self.channel, twitch_id=reward, defaults={"title": reward})
        Redemption.objects.create(
            id=f"r{next(numbers)}", channel=self.channel, viewer=self.viewer, reward=bought, cost=cost,
            status=status, redeemed_at=at,
        )  # fmt: skip

    def name(self, login: str, since: datetime) -> None:
        ViewerName.objects.create(
            viewer=self.viewer, login=login, display_name=login, first_seen_at=since, last_seen_at=since
        )
