"""A channel's chat during one broadcast: who is there, and the lines that what they do comes to."""

from collections import deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import accumulate
from random import Random
from typing import NamedTuple

from streamstats.simulator.crowd import Crowd
from streamstats.simulator.emotesets import twitch_emotes
from streamstats.simulator.moments import SECOND
from streamstats.simulator.person import BOTS, Person, Visit
from streamstats.simulator.schedule import Broadcast
from streamstats.simulator.talk import Talk
from streamstats.simulator.wire import emote_tag, from_twitch, from_viewer, is_emotes_only, tagged

Tags = dict[str, str | int]
Deed = Callable[[int], object]
FOREVER_MS = 10**15


class Line(NamedTuple):
    """One line of chat before it is written out."""

    at_ms: int
    tags: Tags
    rest: str

    def raw(self) -> bytes:
        return tagged(self.tags, self.rest)


class Said(NamedTuple):
    """A message that others may answer."""

    id: str
    person: Person
    text: str


class Stage:
    """Knows who is present at the moment and who said what; everything it is told to do becomes lines."""

    def __init__(self, dice: Random, broadcast: Broadcast, crowd: Crowd, visits: Iterable[Visit], talk: Talk) -> None:
        self.dice, self.broadcast, self.crowd, self.talk = dice, broadcast, crowd, talk
        self.channel = broadcast.channel
        self.lines: list[Line] = []
        self.present: list[Person] = []
        self.weights: list[float] = []
        self.recent: deque[Said] = deque(maxlen=12)
        self._agenda: list[tuple[int, int, Deed]] = []
        self._planned = 0
        self.gifted: set[str] = set()
        self._emotes = twitch_emotes(self.channel)
        self.visits = sorted(visits, key=lambda visit: visit.from_ms)
        self._muted: dict[str, int] = {}
        self._have_spoken: set[str] = set()
        self._authors: dict[str, Tags] = {}

    def move_to(self, at_ms: int) -> None:
        """Let those come and go who have by this minute."""
        here = {visit.person.twitch_id: visit.person for visit in self.visits if visit.from_ms <= at_ms < visit.to_ms}
        self.present = [person for person in here.values() if self._muted.get(person.twitch_id, 0) <= at_ms]
        self.weights = list(accumulate(person.talk for person in self.present))
        self.talk.nearby = [said.person.name(at_ms).display_name for said in self.recent]

    def later(self, at_ms: int, deed: Deed) -> None:
        """Plan something. What is due at the same time is done in the order it was planned in."""
        self._planned += 1
        heappush(self._agenda, (at_ms, self._planned, deed))

    def play_until(self, end_ms: int) -> None:
        """Do what is due, in order of time."""
        while self._agenda and self._agenda[0][0] < end_ms:
            at_ms, _, deed = heappop(self._agenda)
            deed(at_ms)

    def speaker(self) -> Person | None:
        """Somebody present; who talks more is likelier."""
        if not self.weights or self.weights[-1] == 0:
            return None
        return self.dice.choices(self.present, cum_weights=self.weights)[0]

    def anybody(self) -> Person | None:
        return self.dice.choice(self.present) if self.present else None

    def is_subscriber(self, person: Person) -> bool:
        return person.twitch_id in self.gifted or person.months(self.broadcast.day) > 0

    def has_spoken(self, person: Person) -> bool:
        return person.twitch_id in self._have_spoken

    def say(self, at_ms: int, person: Person, text: str, *, is_action: bool = False, **extra: str | int) -> Said | None:
        """Write a message, unless a moderator took the floor from that person. In tag names `_` stands for `-`."""
        if self._muted.get(person.twitch_id, 0) > at_ms:
            return None
        tags = self._message_tags(at_ms, person, text)
        tags.update((name.replace("_", "-"), value) for name, value in extra.items())
        said = Said(str(tags["id"]), person, text)
        self.recent.append(said)
        shown = f"\x01ACTION {text}\x01" if is_action else text
        rest = from_viewer(person.name(at_ms).login, "PRIVMSG", self.channel.login, shown)
        self.lines.append(Line(at_ms, tags, rest))
        return said

    def notice(self, at_ms: int, person: Person, kind: str, sentence: str, text: str = "", **params: str | int) -> None:
        """Write a USERNOTICE. In the names of its parameters `_` stands for `-`."""
        name = person.name(at_ms)
        tags = {**self.author(at_ms, person), "id": self.new_id(), "tmi-sent-ts": at_ms, "flags": ""}
        tags |= {"emotes": emote_tag(text, self._emotes), "login": name.login, "msg-id": kind, "system-msg": sentence}
        tags.update((f"msg-param-{key.replace('_', '-')}", value) for key, value in params.items())
        if self.broadcast.is_shared_at(at_ms):
            tags |= {"source-id": tags["id"], "source-room-id": self.channel.twitch_id, "source-msg-id": kind}
        self.lines.append(Line(at_ms, tags, from_twitch("USERNOTICE", self.channel.login, text)))

    def silence(self, at_ms: int, person: Person, seconds: int | None) -> None:
        """Write a timeout, or a ban if there is no end to it."""
        tags: Tags = {"room-id": self.channel.twitch_id, "target-user-id": person.twitch_id, "tmi-sent-ts": at_ms}
        if seconds is not None:
            tags["ban-duration"] = seconds
        self._muted[person.twitch_id] = FOREVER_MS if seconds is None else at_ms + seconds * SECOND
        login = person.name(at_ms).login
        self.lines.append(Line(at_ms, tags, from_twitch("CLEARCHAT", self.channel.login, login)))

    def delete(self, at_ms: int, said: Said) -> None:
        login = said.person.name(at_ms).login
        tags: Tags = {"login": login, "room-id": "", "target-msg-id": said.id, "tmi-sent-ts": at_ms}
        self.lines.append(Line(at_ms, tags, from_twitch("CLEARMSG", self.channel.login, said.text)))

    def switch(self, at_ms: int, setting: str, value: int, notice: str, sentence: str) -> None:
        """Change a setting of the room; Twitch sends only the one that changed, and a word about it."""
        login = self.channel.login
        state: Tags = {"room-id": self.channel.twitch_id, setting: value}
        self.lines.append(Line(at_ms, state, from_twitch("ROOMSTATE", login)))
        self.lines.append(Line(at_ms, {"msg-id": notice}, from_twitch("NOTICE", login, sentence)))

    def author(self, at_ms: int, person: Person) -> Tags:
        """The tags that tell who somebody is; the same for a whole broadcast, but for a gift."""
        tags = self._authors.get(person.twitch_id)
        if tags is None or (person.twitch_id in self.gifted and tags["subscriber"] == 0):
            tags = self._authors[person.twitch_id] = self._author(at_ms, person)
        return tags

    def new_id(self) -> str:
        text = f"{self.dice.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def _author(self, at_ms: int, person: Person) -> Tags:
        info, badges = person.badges(self.broadcast.day, person.twitch_id in self.gifted)
        is_moderator = person.role == "moderator"
        tags: Tags = {
            "badge-info": info,
            "badges": badges,
            "color": person.habits.color,
            "display-name": person.name(at_ms).display_name,
            "mod": int(is_moderator),
            "room-id": self.channel.twitch_id,
            "subscriber": int(bool(info)),
            "turbo": int("turbo/1" in badges),
            "user-id": person.twitch_id,
            "user-type": "mod" if is_moderator else "",
        }
        return tags | {"vip": 1} if person.role == "vip" else tags

    def _message_tags(self, at_ms: int, person: Person, text: str) -> Tags:
        is_first_tonight = not self.has_spoken(person) and person not in BOTS
        self._have_spoken.add(person.twitch_id)
        is_first = is_first_tonight and self.crowd.is_new(person, self.broadcast)
        is_back = is_first_tonight and not is_first and person.comes > 0 and self.crowd.was_away(person, self.broadcast)
        tags: Tags = {
            **self.author(at_ms, person),
            "emotes": emote_tag(text, self._emotes),
            "first-msg": int(is_first),
            "flags": "",
            "id": self.new_id(),
            "returning-chatter": int(is_back),
            "tmi-sent-ts": at_ms,
        }
        if tags["emotes"] and is_emotes_only(text, self._emotes):
            tags["emote-only"] = 1
        if self.broadcast.is_shared_at(at_ms):
            tags |= {"source-id": tags["id"], "source-room-id": self.channel.twitch_id}
            tags |= {"source-badges": tags["badges"], "source-badge-info": tags["badge-info"]}
        return tags
