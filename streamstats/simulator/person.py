"""One person of the world: what they are called, and how they behave."""

from dataclasses import dataclass
from itertools import chain
from random import Random

from streamstats.simulator.words import EMOTES, WORDS

LANGUAGES = {"en": 78, "de": 5, "es": 5, "fr": 3, "pt": 3, "ja": 3, "ko": 2, "zh": 2}
COLORS = (
    *("#FF0000", "#0000FF", "#008000", "#B22222", "#FF7F50", "#9ACD32", "#FF4500", "#2E8B57", "#DAA520", "#D2691E"),
    *("#5F9EA0", "#1E90FF", "#FF69B4", "#8A2BE2", "#00FF7F", "#7A5CFA", "#3EB489", "#F5A9B8", "", "", ""),
)
BADGE_MONTHS = (0, 2, 3, 6, 9, 12, 18, 24, 30, 36, 42, 48, 54, 60)
BADGE_OFFSETS = {"2000": 2000, "3000": 3000}
ROLE_BADGES = {"broadcaster": "broadcaster/1", "moderator": "moderator/1", "vip": "vip/1"}
FAVOURITES = tuple(
    sorted({*EMOTES["twitch"], *EMOTES["own"], *EMOTES["rotation"], *chain.from_iterable(EMOTES["moods"].values())})
)


@dataclass(frozen=True)
class PersonName:
    since_ms: int
    login: str
    display_name: str


@dataclass(frozen=True)
class Habits:
    """How somebody writes. The first of the favourites is used most; channel emotes stand without their prefix."""

    language: str = "en"
    color: str = ""
    loves_emotes: float = 0.0
    loves_emoji: float = 0.0
    shouts: float = 0.0
    favourites: tuple[str, ...] = ()
    extra_badge: str = ""


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody. Days are ordinals; `arrives_on` is None for those who were always there."""

    twitch_id: str
    names: tuple[PersonName, ...]
    habits: Habits = Habits()
    role: str = "viewer"
    talk: float = 0.0
    comes: float = 0.0
    arrives_on: int | None = None
    leaves_on: int | None = None
    subscribed_on: int | None = None
    plan: str = "1000"

    def name(self, at_ms: int) -> PersonName:
        return next((name for name in reversed(self.names) if name.since_ms <= at_ms), self.names[0])

    def is_around(self, day: int) -> bool:
        return self.arrives_on is None or self.arrives_on <= day <= (self.leaves_on or day)

    def months(self, day: int) -> int:
        """Months of subscription by a day; 0 for none."""
        if self.subscribed_on is None or day < self.subscribed_on:
            return 0
        return (day - self.subscribed_on) // 30 + 1

    def badges(self, day: int, gifted: bool = False) -> tuple[str, str]:
        """The tags `badge-info` and `badges`."""
        months = self.months(day) or int(gifted)
        worn = [ROLE_BADGES[self.role]] if self.role in ROLE_BADGES else []
        if months:
            step = max(step for step in BADGE_MONTHS if step <= months)
            worn.append(f"subscriber/{step + BADGE_OFFSETS.get(self.plan, 0)}")
        if self.habits.extra_badge:
            worn.append(self.habits.extra_badge)
        return (f"subscriber/{months}" if months else ""), ",".join(worn)


@dataclass(frozen=True)
class Visit:
    """[from_ms, to_ms) in which somebody really watched."""

    person: Person
    from_ms: int
    to_ms: int


def bot(twitch_id: str, display_name: str) -> Person:
    name = PersonName(0, display_name.lower(), display_name)
    return Person(twitch_id, (name,), Habits(color="#7C7CE1", extra_badge="partner/1"), role="moderator")


NIGHTBOT = bot("19264788", "Nightbot")
STREAMELEMENTS = bot("100135110", "StreamElements")
BOTS = (NIGHTBOT, STREAMELEMENTS)
# Twitch's own stand-in for those who give without their name.
ANONYMOUS = Person("274598607", (PersonName(0, "ananonymousgifter", "AnAnonymousGifter"),))


def habits(dice: Random) -> Habits:
    return Habits(
        language=dice.choices(list(LANGUAGES), list(LANGUAGES.values()))[0],
        color=dice.choice(COLORS),
        loves_emotes=dice.betavariate(2, 3),
        loves_emoji=dice.choice((0.0, 0.0, 0.02, 0.05, 0.3)),
        shouts=dice.choice((0.0, 0.0, 0.05, 0.3)),
        favourites=tuple(dice.sample(FAVOURITES, 7)),
        extra_badge=dice.choice(("", "", "", "premium/1", "bits/100", "bits/1000", "glhf-pledge/1", "turbo/1")),
    )


def written_name(dice: Random, language: str, login: str, display_name: str, since_ms: int = 0) -> PersonName:
    """The display name may be in another script; otherwise it is the login with capitals."""
    if language in WORDS["names"] and dice.random() < 0.85:
        display_name = dice.choice(WORDS["names"][language]) + dice.choice(("", "", str(dice.randrange(10, 99))))
    return PersonName(since_ms, login, display_name)
