"""Which emotes a channel has at a moment. Some come and go: by the week, by the evening, or under a new name."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from streamstats.simulator.catalogue import SimEmote, made_up_id
from streamstats.simulator.moments import DAY, MINUTE, chance
from streamstats.simulator.schedule import Broadcast, Schedule, SimChannel
from streamstats.simulator.words import EMOTES

SetKey = tuple[str, str | None]
"""(provider, Twitch id of the channel, or None for what everybody may use)."""
EmoteSets = dict[SetKey, list[SimEmote]]

ROTATION_DAYS, ROTATION_SIZE = 7, 3
RENAMING_DAYS = 11
GUEST_COMES_MS, GUEST_LEAVES_MS = 20 * MINUTE, 10 * MINUTE  # after the start, before the end


@dataclass(frozen=True)
class SetChange:
    """An emote that was added, removed or renamed."""

    at_ms: int
    key: SetKey
    deed: Literal["add", "remove", "rename"]
    emote: SimEmote


def twitch_emotes(channel: SimChannel) -> dict[str, str]:
    """Name -> id of Twitch's own emotes: everybody's, and the subscribers'."""
    return {**EMOTES["twitch"], **own_emotes(channel)}


def own_emotes(channel: SimChannel) -> dict[str, str]:
    names = (channel.prefix + suffix for suffix in EMOTES["own"])
    return {name: f"emotesv2_{hashlib.sha256(name.encode()).hexdigest()[:32]}" for name in names}


@dataclass(frozen=True)
class ChannelEmotes:
    """The emotes of one channel over time."""

    schedule: Schedule

    @property
    def channel_id(self) -> str:
        return self.schedule.channel.twitch_id

    def sets_at(self, at_ms: int) -> EmoteSets:
        """Every third-party set, global ones included."""
        sets: EmoteSets = {(provider, None): _made(provider, names) for provider, names in EMOTES["everywhere"].items()}
        for provider, names in EMOTES["here"].items():
            sets[provider, self.channel_id] = _made(provider, names)
        sets["7tv", self.channel_id] += self._passing(at_ms)
        return sets

    def changes(self, start_ms: int, end_ms: int) -> list[SetChange]:
        """What changes in [start, end), in order."""
        found = []
        for at_ms in sorted(self._moments(start_ms, end_ms)):
            found += difference(at_ms, self.sets_at(at_ms - 1), self.sets_at(at_ms))
        return found

    def names_at(self, at_ms: int) -> set[str]:
        """What can be typed to show a third-party emote."""
        return {emote.name for emotes in self.sets_at(at_ms).values() for emote in emotes}

    def guest(self, broadcast: Broadcast) -> str:
        """The emote that is here for one evening."""
        name: str = chance("guest emote", broadcast.id).choice(EMOTES["guests"])
        return name

    def _passing(self, at_ms: int) -> list[SimEmote]:
        """The 7TV emotes that are not here for good."""
        bench, aliases = EMOTES["rotation"], EMOTES["renamed"]
        turn = at_ms // (ROTATION_DAYS * DAY)
        names = [bench[(turn + place) % len(bench)] for place in range(ROTATION_SIZE)]
        names += [self.guest(show) for show in self.schedule.between(at_ms, at_ms + 1) if at_ms in _guest_span(show)]
        alias = aliases[at_ms // (RENAMING_DAYS * DAY) % len(aliases)]
        return [*_made("7tv", names), SimEmote(made_up_id("7tv", aliases[0]), alias, aliases[0])]

    def _moments(self, start_ms: int, end_ms: int) -> set[int]:
        moments: set[int] = set()
        for days in (ROTATION_DAYS, RENAMING_DAYS):
            moments.update(range(-(-start_ms // (days * DAY)) * days * DAY, end_ms, days * DAY))
        for show in self.schedule.between(start_ms, end_ms):
            span = _guest_span(show)
            moments.update(at_ms for at_ms in (span.start, span.stop) if span and start_ms <= at_ms < end_ms)
        return moments


def _guest_span(broadcast: Broadcast) -> range:
    return range(broadcast.started_ms + GUEST_COMES_MS, broadcast.ended_ms - GUEST_LEAVES_MS)


def _made(provider: str, names: list[str]) -> list[SimEmote]:
    zero_width, animated = EMOTES["zero_width"], EMOTES["animated"]
    return [
        SimEmote(_id(provider, name), name, is_zero_width=name in zero_width, is_animated=name in animated)
        for name in names
    ]


def _id(provider: str, name: str) -> str:
    """FrankerFaceZ numbers its emotes; the others have opaque text."""
    made_up = made_up_id(provider, name)
    return str(int(made_up[:6], 16)) if provider == "ffz" else made_up


def difference(at_ms: int, old: EmoteSets, new: EmoteSets) -> list[SetChange]:
    """What has to be done to the old sets to make them the new ones."""
    found = []
    for key in new:
        before, after = {e.id: e for e in old[key]}, {e.id: e for e in new[key]}
        found += [SetChange(at_ms, key, "remove", emote) for i, emote in before.items() if i not in after]
        found += [SetChange(at_ms, key, "add", emote) for i, emote in after.items() if i not in before]
        found += [
            SetChange(at_ms, key, "rename", emote)
            for i, emote in after.items()
            if i in before and before[i].name != emote.name
        ]
    return found
