"""What people write: lines from the word lists, with the emotes, emoji and habits of whoever says them."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from streamstats.simulator.emotesets import own_emotes
from streamstats.simulator.person import Person
from streamstats.simulator.schedule import Broadcast
from streamstats.simulator.words import EMOTES, WORDS

LINES: dict[str, dict[str, list[str]]] = WORDS["lines"]
LONGEST_TEXT = 500


class Slots(dict[str, str]):
    """Fills the {slots} of a line, with dice for those that are not fixed."""

    def __init__(self, talk: "Talk", fixed: dict[str, str]) -> None:
        super().__init__(fixed)
        self.talk = talk

    def __missing__(self, slot: str) -> str:
        return self.talk.fill(slot)


@dataclass
class Talk:
    """The talk of one broadcast. `emotes` are the third-party names that can be used at the moment."""

    dice: Random
    broadcast: Broadcast
    emotes: set[str] = field(default_factory=set)
    nearby: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        channel = self.broadcast.channel
        self.own: dict[str, str] = {suffix: channel.prefix + suffix for suffix in EMOTES["own"]}
        self.own_ids = own_emotes(channel)
        self.game: dict[str, Any] = self.broadcast.game
        self.fixed = {"streamer": channel.display_name, "game": self.game["name"], "boss": self.game["boss"]}

    def message(self, person: Person, mood: str, is_subscriber: bool, **slots: str) -> str:
        """Something somebody says in a mood."""
        habits, roll = person.habits, self.dice.random()
        if roll < 0.1 + 0.15 * habits.loves_emotes:
            return self.emote_row(person, mood, is_subscriber)
        if roll > 0.997:
            return self.filled(self.dice.choice(WORDS["pasta"]), slots)
        text = self.line(person, mood, slots)
        if mood == "hype" and self.dice.random() < habits.shouts:
            text = text.upper()
        if self.dice.random() < habits.loves_emotes:
            text = f"{text} {self.emote(person, mood, is_subscriber)}"
        if self.dice.random() < habits.loves_emoji:
            symbol = self.dice.choice(WORDS["emoji"])
            text = f"{symbol} {text}" if self.dice.random() < 0.3 else f"{text} {symbol}"
        return text[:LONGEST_TEXT]

    def line(self, person: Person, mood: str, slots: dict[str, str] | None = None) -> str:
        """A line in somebody's language, or in English where they lack the words."""
        language = LINES[person.habits.language]
        lines = language.get(mood)
        if lines is None or (language is not LINES["en"] and self.dice.random() < 0.25):
            lines = LINES["en"][mood]
        return self.filled(lines[int(self.dice.random() * len(lines))], slots)

    def filled(self, line: str, slots: dict[str, str] | None = None) -> str:
        if "{" not in line:
            return line
        return line.format_map(Slots(self, {**self.fixed, **(slots or {})}))

    def fill(self, slot: str) -> str:
        if slot in ("n", "months"):
            return str(self.dice.randrange(2, 60))
        words: dict[str, list[str]] = {
            "thing": self.game["things"],
            "food": WORDS["foods"],
            "animal": WORDS["animals"],
            "viewer": self.nearby or [self.fixed["streamer"]],
        }
        return self.dice.choice(words[slot])

    def emote_row(self, person: Person, mood: str, is_subscriber: bool) -> str:
        """Nothing but emotes: the same one a few times, or two in turn."""
        first = self.emote(person, mood, is_subscriber)
        count = min(int(self.dice.expovariate(0.25 if mood == "hype" else 0.6)) + 1, 18)
        if count < 3 or self.dice.random() < 0.75:
            return " ".join([first] * count)
        second = self.emote(person, mood, is_subscriber)
        return " ".join((first, second)[place % 2] for place in range(count))

    def emote(self, person: Person, mood: str, is_subscriber: bool) -> str:
        """A favourite, most often the first of them, or what fits the mood."""
        for _ in range(4):
            favourites = person.habits.favourites
            wish: str
            if favourites and self.dice.random() < 0.5:
                wish = favourites[int(len(favourites) * self.dice.random() ** 2)]
            else:
                fitting: list[str] = EMOTES["moods"].get(mood, EMOTES["moods"]["calm"])
                wish = fitting[int(self.dice.random() * len(fitting))]
            if wish in self.own:
                if is_subscriber:
                    return self.own[wish]
            elif wish in self.emotes or wish in EMOTES["twitch"]:
                return wish
        return "LUL"
