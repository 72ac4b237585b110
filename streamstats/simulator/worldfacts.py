"""What the simulated Twitch answers when it is asked about the world at the present moment."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from math import pi, sin
from typing import Any

from streamstats.simulator.crowd import FIRST_STRANGER_ID, STRANGERS_AGAIN_MINUTES
from streamstats.simulator.emotesets import own_emotes
from streamstats.simulator.facts import Account, OnAir
from streamstats.simulator.moments import DAY, MINUTE, chance, day_of, milliseconds, moment, week_of
from streamstats.simulator.person import ANONYMOUS, BADGE_MONTHS, BADGE_OFFSETS, BOTS, Person, PersonName
from streamstats.simulator.schedule import Broadcast, Schedule, SimChannel
from streamstats.simulator.showing import showing_at
from streamstats.simulator.words import EMOTES, WORDS
from streamstats.simulator.world import DEMO, World
from streamstats.simulator.worldevents import friend

Row = dict[str, Any]

MANY_WEEKS = 160
MOST_REMEMBERED = 20_000
REGULARS_TO_BE = 12
SMOOTHED_MINUTES = 8
SPAMMERS = range(900, 1000)  # see happenings.advert
FIRST_ACCOUNT = datetime.fromisoformat("2011-06-06T00:00:00+00:00")
GLOBAL_BADGES = {
    "broadcaster": ("Broadcaster", "1"),
    "moderator": ("Moderator", "1"),
    "vip": ("VIP", "1"),
    "partner": ("Verified", "1"),
    "premium": ("Prime Gaming", "1"),
    "turbo": ("Turbo", "1"),
    "glhf-pledge": ("GLHF Pledge", "1"),
    "bits": ("cheer", "1", "100", "1000", "5000"),
}
CHEER_COLORS = {1: "#979797", 100: "#9c3ee8", 1000: "#1db2a5", 5000: "#0099fe", 10_000: "#f43021"}


@lru_cache(maxsize=MOST_REMEMBERED)
def _created_at(twitch_id: str) -> datetime:
    return FIRST_ACCOUNT + timedelta(seconds=chance("created", twitch_id).randrange(12 * 365 * 86_400))


class WorldFacts:
    """The world as it is `now()`. `base_url` is where the simulator serves pictures, or tells it once it is known."""

    def __init__(self, world: World, now: Callable[[], datetime], base_url: str | Callable[[], str]) -> None:
        self.world, self.now, self._base_url = world, now, base_url
        self.channels = {channel.twitch_id: channel for channel in world.channels}
        friends = [friend(number) for number in range(len(WORDS["raiders"]))]
        raiders = [Person(twitch_id, (PersonName(0, login, name),)) for twitch_id, login, name in friends]
        streamers = [crowd.streamer for crowd in world.crowds.values()]
        regulars = [person for crowd in world.crowds.values() for person in crowd.regulars]
        self._streamers = streamers
        self._lasting = {person.twitch_id: person for person in (*streamers, *BOTS, *raiders, ANONYMOUS, *regulars)}
        self._types = dict.fromkeys((*self.channels, *(raider.twitch_id for raider in raiders)), "affiliate")
        self._types[DEMO.twitch_id] = "partner"
        # Whoever looked at a demo before saw broadcasts that this world has not.
        self._schedules = {
            channel: Schedule(world.seed, channel, watched_from_ms=0) if channel == DEMO else schedule
            for channel, schedule in world.schedules.items()
        }
        self._person = lru_cache(maxsize=MOST_REMEMBERED)(self._find)
        self._count = lru_cache(maxsize=MOST_REMEMBERED)(lambda channel, at_ms: len(world.audience(channel, at_ms)))

    @property
    def base_url(self) -> str:
        return self._base_url if isinstance(self._base_url, str) else self._base_url()

    @property
    def now_ms(self) -> int:
        return milliseconds(self.now())

    # Who there is.

    def accounts(self) -> list[Account]:
        regulars = self.world.crowds[DEMO].regulars[:REGULARS_TO_BE]
        return [self._account(person) for person in (*self._streamers, *BOTS, *regulars)]

    def account(self, twitch_id: str) -> Account | None:
        person = self._person(twitch_id)
        return self._account(person) if person else None

    def account_named(self, login: str) -> Account | None:
        """Whoever has the name now: a name that was given up may be somebody else's."""
        at_ms = self.now_ms
        lasting = (person for person in self._lasting.values() if person.name(at_ms).login == login)
        person = next(lasting, None) or self._newcomer_named(login) or self._stranger_named(login)
        return self._account(person) if person else None

    def _account(self, person: Person) -> Account:
        at_ms, twitch_id = self.now_ms, person.twitch_id
        name = person.name(at_ms)
        is_spammer = int(twitch_id) >= FIRST_STRANGER_ID and int(twitch_id) % 1000 in SPAMMERS
        return Account(
            twitch_id,
            name.login,
            name.display_name,
            created_at=_created_at(twitch_id),
            avatar_url=f"{self.base_url}/cdn/twitch/avatars/{twitch_id}",
            broadcaster_type=self._types.get(twitch_id, ""),
            # Twitch takes a day to find out.
            is_suspended=is_spammer and (person.arrives_on or 0) < day_of(at_ms),
        )

    def _accounts(self, people: Iterable[Person]) -> list[Account]:
        return [self._account(person) for person in people]

    def _find(self, twitch_id: str) -> Person | None:
        if not (twitch_id.isascii() and twitch_id.isdecimal()):
            return None
        number = int(twitch_id)
        if twitch_id in self._lasting:
            return self._lasting[twitch_id]
        found = self._stranger(number) if number >= FIRST_STRANGER_ID else self._newcomer(twitch_id, number)
        return found if found and found.twitch_id == twitch_id else None

    def _newcomer(self, twitch_id: str, number: int) -> Person | None:
        latest = week_of(day_of(self.now_ms)) + 1
        for crowd in self.world.crowds.values():
            week = crowd.week_of_newcomer(number)
            if latest - 10 * MANY_WEEKS < week <= latest:
                found = next((one for one in crowd.cohort(week) if one.twitch_id == twitch_id), None)
                if found:
                    return found
        return None

    def _stranger(self, number: int) -> Person | None:
        minute, rest = divmod(number - FIRST_STRANGER_ID, 2000)
        latest = self.now_ms // MINUTE + DAY // MINUTE
        started = latest - (latest - minute) % STRANGERS_AGAIN_MINUTES
        for channel, schedule in self._schedules.items():
            if int(channel.twitch_id) % 2 == rest // 1000:
                for show in schedule.between(started * MINUTE, started * MINUTE + MINUTE):
                    if show.started_ms // MINUTE == started:
                        return self.world.crowds[channel].stranger(show, rest % 1000)
        return None

    def _newcomer_named(self, login: str) -> Person | None:
        latest = week_of(day_of(self.now_ms)) + 1
        weeks = set(self._weeks_after_given_up(login))
        tail = re.search(r"[1-9]\d$", login)
        for crowd in self.world.crowds.values():
            numbered = range(latest, latest - MANY_WEEKS, -1) if tail else ()
            fitting = [week for week in numbered if tail and crowd.number_in_login(week) == int(tail[0])]
            for week in (*fitting, *weeks):
                found = next((one for one in crowd.cohort(week) if one.names[0].login == login), None)
                if found:
                    return found
        return None

    def _weeks_after_given_up(self, login: str) -> Iterable[int]:
        for crowd in self.world.crowds.values():
            for person in crowd.regulars:
                for old, new in pairwise(person.names):
                    if old.login == login and new.since_ms <= self.now_ms:
                        yield week_of(day_of(new.since_ms)) + 1

    def _stranger_named(self, login: str) -> Person | None:
        """Look through two years of broadcasts, the last first."""
        name = re.fullmatch(r"([a-z]+)[1-9]\d{2,3}", login)
        if name is None:
            return None
        until_ms = self.now_ms + DAY
        from_ms = until_ms - STRANGERS_AGAIN_MINUTES * MINUTE
        shows = [show for schedule in self._schedules.values() for show in schedule.between(from_ms, until_ms)]
        for show in sorted(shows, key=lambda show: -show.started_ms):
            found = self.world.crowds[show.channel].stranger_named(show, name[1], login)
            if found:
                return found
        return None

    # Who is where.

    def on_air(self, channel_id: str) -> OnAir | None:
        show = self._show(channel_id)
        if show is None:
            return None
        showing = showing_at(show, self.now_ms)
        return OnAir(
            show.id,
            channel_id,
            moment(show.started_ms),
            showing.title,
            showing.category_id,
            showing.category,
            self._viewers(show),
        )

    def _show(self, channel_id: str) -> Broadcast | None:
        channel, at_ms = self.channels.get(channel_id), self.now_ms
        shows = self.world.schedules[channel].between(at_ms, at_ms + 1) if channel else []
        return shows[0] if shows else None

    def _viewers(self, show: Broadcast) -> int:
        """More than are in the chat, for some have no account; they come and go slowly."""
        at_ms = self.now_ms
        lately = [at_ms - back * MINUTE for back in range(SMOOTHED_MINUTES)]
        counts = [self._count(show.channel, then) for then in lately if then >= show.started_ms]
        phase = chance("viewers", show.id).uniform(0, 2 * pi)
        share = 1.4 + 0.15 * sin(phase + 2 * pi * (at_ms - show.started_ms) / (47 * MINUTE))
        in_chat = 1 + len(BOTS) + counts[0]
        return max(round(sum(counts) / len(counts) * share), in_chat)

    def chatters(self, channel_id: str) -> list[Account]:
        """The bots never leave; the streamer is there while on air."""
        channel = self.channels.get(channel_id)
        if channel is None:
            return []
        streamer = [self.world.crowds[channel].streamer] if self._show(channel_id) else []
        return self._accounts([*streamer, *BOTS, *self.world.audience(channel, self.now_ms)])

    def moderators(self, channel_id: str) -> list[Account]:
        return self._with_role(channel_id, "moderator", BOTS)

    def vips(self, channel_id: str) -> list[Account]:
        return self._with_role(channel_id, "vip", ())

    def _with_role(self, channel_id: str, role: str, bots: tuple[Person, ...]) -> list[Account]:
        channel = self.channels.get(channel_id)
        if channel is None:
            return []
        regulars = [person for person in self.world.crowds[channel].regulars if person.role == role]
        return self._accounts([*bots, *regulars, *self._of_this_evening(channel, role)])

    def _of_this_evening(self, channel: SimChannel, role: str) -> list[Person]:
        show = self._show(channel.twitch_id)
        if show is None:
            return []
        ids: dict[str, bool] = {}
        for told in self.world.events(channel, show.started_ms, self.now_ms + 1):
            if told.type in (f"channel.{role}.add", f"channel.{role}.remove"):
                ids[told.event["user_id"]] = told.type.endswith("add")
        people = (self._person(twitch_id) for twitch_id, has_role in ids.items() if has_role)
        return [person for person in people if person]

    # Pictures.

    def emotes(self, channel_id: str | None) -> list[Row]:
        if channel_id is None:
            return [self._emote(name, emote_id) for name, emote_id in EMOTES["twitch"].items()]
        channel = self.channels.get(channel_id)
        if channel is None:
            return []
        of_subscribers = {"tier": "1000", "emote_type": "subscriptions", "emote_set_id": f"3{channel_id}"}
        return [{**self._emote(name, emote_id), **of_subscribers} for name, emote_id in own_emotes(channel).items()]

    def _emote(self, name: str, emote_id: str) -> Row:
        picture = f"{self.base_url}/cdn/twitch/emoticons/v2/{emote_id}/static/light"
        return {
            "id": emote_id,
            "name": name,
            "images": {f"url_{scale}x": f"{picture}/{scale}.0" for scale in (1, 2, 4)},
            "format": ["static"],
            "scale": ["1.0", "2.0", "3.0"],
            "theme_mode": ["light", "dark"],
        }

    def badges(self, channel_id: str | None) -> list[Row]:
        if channel_id is None:
            return [
                {
                    "set_id": set_id,
                    "versions": [self._badge(f"{set_id}-{version}", version, title) for version in versions],
                }
                for set_id, (title, *versions) in GLOBAL_BADGES.items()
            ]
        if channel_id not in self.channels:
            return []
        versions = [
            self._badge(
                f"subscriber-{channel_id}-{months + offset}",
                str(months + offset),
                f"{months}-Month Subscriber" if months else "Subscriber",
            )
            for offset in (0, *BADGE_OFFSETS.values())
            for months in BADGE_MONTHS
        ]
        return [{"set_id": "subscriber", "versions": versions}]

    def _badge(self, picture_id: str, version: str, title: str) -> Row:
        picture = f"{self.base_url}/cdn/twitch/badges/{picture_id}"
        return {
            "id": version,
            **{f"image_url_{scale}x": picture for scale in (1, 2, 4)},
            "title": title,
            "description": title,
            "click_action": None,
            "click_url": None,
        }

    def cheermotes(self, channel_id: str | None) -> list[Row]:
        if channel_id is None:
            return [self._cheermote("Cheer", "global_first_party", 1)]
        channel = self.channels.get(channel_id)
        return [self._cheermote(f"{channel.prefix}Cheer", "channel_custom", 2)] if channel else []

    def _cheermote(self, prefix: str, kind: str, order: int) -> Row:
        return {
            "prefix": prefix,
            "tiers": [self._tier(prefix, bits, color) for bits, color in CHEER_COLORS.items()],
            "type": kind,
            "order": order,
            "last_updated": "2024-01-01T00:00:00Z",
            "is_charitable": False,
        }

    def _tier(self, prefix: str, bits: int, color: str) -> Row:
        picture = f"{self.base_url}/cdn/twitch/cheers/{prefix}{bits}"
        sizes = dict.fromkeys(("1", "1.5", "2", "3", "4"), picture)
        return {
            "min_bits": bits,
            "id": str(bits),
            "color": color,
            "images": {theme: {"animated": sizes, "static": sizes} for theme in ("dark", "light")},
            "can_cheer": True,
            "show_in_bits_card": True,
        }
