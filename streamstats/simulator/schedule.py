"""When a channel broadcasts: four or five evenings a week, and always while somebody is watching the demo."""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

from streamstats.simulator.moments import DAY, HOUR, MINUTE, chance, day_of, monday_of, start_of, week_of
from streamstats.simulator.words import WORDS

# Monday to Sunday: how gladly the streamer goes on air.
WEEKDAYS = (0.3, 0.9, 0.4, 0.9, 1.3, 1.2, 0.8)
POP_UP_LENGTH = 5 * HOUR
WEEKS_BEFORE = 16
MOST_REMEMBERED = 200


@dataclass(frozen=True)
class SimChannel:
    """A channel of the world. `size` is how many viewers it has, as a share of the demo channel's."""

    login: str
    display_name: str
    twitch_id: str
    prefix: str
    size: float = 1.0


@dataclass(frozen=True)
class Broadcast:
    """[started_ms, ended_ms) on air, for part of it perhaps with a chat shared with another channel."""

    channel: SimChannel
    started_ms: int
    ended_ms: int
    is_planned: bool
    shared_ms: tuple[int, int] | None = None
    is_watched: bool = field(default=False, compare=False)  # somebody looks at the demo: more comes, and sooner

    @property
    def id(self) -> str:
        return str(40_000_000_000 + int(self.channel.twitch_id) % 97 * 10_000_000_000 + self.started_ms // 1000)

    @property
    def day(self) -> int:
        return day_of(self.started_ms)

    @cached_property
    def game(self) -> dict[str, Any]:
        game: dict[str, Any] = chance("game", self.id).choice(WORDS["games"])
        return game

    @cached_property
    def title(self) -> str:
        dice = chance("title", self.id)
        title: str = dice.choice(WORDS["titles"])
        return title.format(game=self.game["name"], boss=self.game["boss"], thing=dice.choice(self.game["things"]))

    def is_shared_at(self, at_ms: int) -> bool:
        return self.shared_ms is not None and self.shared_ms[0] <= at_ms < self.shared_ms[1]


@dataclass
class Schedule:
    """The broadcasts of one channel. From `watched_from_ms` on, pop-up broadcasts fill the time between evenings."""

    seed: int
    channel: SimChannel
    partner: "Schedule | None" = None
    watched_from_ms: int | None = None
    _weeks: dict[int, list[Broadcast]] = field(default_factory=dict)
    _before: dict[int, list[Broadcast]] = field(default_factory=dict)

    def between(self, start_ms: int, end_ms: int) -> list[Broadcast]:
        """Broadcasts that touch [start, end), earliest first."""
        around = self._planned(start_ms - 8 * DAY, end_ms + 8 * DAY)
        found = [show for show in around if show.started_ms < end_ms and show.ended_ms > start_ms]
        if self.watched_from_ms is not None:
            start_ms = max(start_ms, self.watched_from_ms)
            for before, after in pairwise(around):
                if before.ended_ms < end_ms and after.started_ms > start_ms:
                    pop_ups = self._pop_ups(before.ended_ms, after.started_ms)
                    found += [show for show in pop_ups if show.started_ms < end_ms and show.ended_ms > start_ms]
        return sorted(found, key=lambda show: show.started_ms)

    def before(self, broadcast: Broadcast, count: int) -> list[Broadcast]:
        """The last planned broadcasts before this one, latest first."""
        found = self._before.get(broadcast.started_ms)
        if found is None:
            if len(self._before) > MOST_REMEMBERED:
                self._before.clear()
            earlier = self._planned(broadcast.started_ms - WEEKS_BEFORE * 7 * DAY, broadcast.started_ms)
            found = self._before[broadcast.started_ms] = earlier[::-1]
        return found[:count]

    def week(self, week: int) -> list[Broadcast]:
        if week not in self._weeks:
            self._weeks[week] = self._plan(week)
        return self._weeks[week]

    def _planned(self, start_ms: int, end_ms: int) -> list[Broadcast]:
        weeks = range(week_of(day_of(start_ms)) - 1, week_of(day_of(end_ms)) + 1)
        return [
            show for week in weeks for show in self.week(week) if show.started_ms < end_ms and show.ended_ms > start_ms
        ]

    def _plan(self, week: int) -> list[Broadcast]:
        dice = chance(self.seed, self.channel.login, "week", week)
        shared = [show for show in self.partner.week(week) if show.shared_ms] if self.partner else []
        taken = {show.day for show in self.partner.week(week)} if self.partner else set()
        count = dice.choice((4, 5, 5)) if self.partner is None else 2
        wishes = {monday_of(week) + i: dice.random() ** (1 / eager) for i, eager in enumerate(WEEKDAYS)}
        days = sorted(sorted(wishes.keys() - taken, key=wishes.__getitem__)[-count:])
        shows = [self._evening(day, is_sharing=self.partner is None and dice.random() < 0.15) for day in days]
        shows += [Broadcast(self.channel, show.started_ms, show.ended_ms, True, show.shared_ms) for show in shared]
        return sorted(shows, key=lambda show: show.started_ms)

    def _evening(self, day: int, *, is_sharing: bool) -> Broadcast:
        dice = chance(self.seed, self.channel.login, "evening", day)
        is_weekend = day % 7 in (6, 0)
        start_ms = start_of(day) + int(dice.uniform(15, 18) if is_weekend else dice.uniform(17.5, 20)) * HOUR
        start_ms += dice.randrange(40 * 60) * 1000
        end_ms = start_ms + int(dice.uniform(180, 300)) * MINUTE
        shared_ms = (start_ms + 50 * MINUTE, start_ms + 140 * MINUTE) if is_sharing else None
        is_watched = self.watched_from_ms is not None and end_ms > self.watched_from_ms
        return Broadcast(self.channel, start_ms, end_ms, True, shared_ms, is_watched)

    def _pop_ups(self, start_ms: int, end_ms: int) -> list[Broadcast]:
        """Cut the time between two evenings into broadcasts of about five hours."""
        count = max(1, round((end_ms - start_ms) / POP_UP_LENGTH))
        edges = [start_ms + (end_ms - start_ms) * part // count // 1000 * 1000 for part in range(count)] + [end_ms]
        return [Broadcast(self.channel, a, b, False, is_watched=True) for a, b in pairwise(edges) if b > a]
