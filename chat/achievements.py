"""The achievements: what each is called, why somebody has it, and the rule.

A rule is a measure (see chat/measures.py, where each is one line of SQL) and the numbers at which a level is reached.
Add a line and it is awarded to everybody who ever earned it, with the day on which they did. Change a measure or a
number and it is awarded anew. Each is about one viewer in one channel, tells of nobody else, and rests on rows that are
kept for ever.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from hashlib import sha256

from chat.measures import SCAN_OF
from streamstats.lib import durations, numbers

HOUR = 3600
SECONDS = "seconds"


@dataclass(frozen=True)
class Achievement:
    """`why` is a sentence with `{}` for a level's number in its unit: "message", "category|categories" or seconds."""

    key: str
    name: str
    why: str
    group: str
    measure: str
    levels: tuple[int, ...]
    unit: str = ""

    def told(self, level: int) -> str:
        """Why somebody has this level. A level of before, when there were more, is told as the highest."""
        return self.why.format(self.amount(self.levels[min(level, len(self.levels)) - 1]))

    def amount(self, number: int) -> str:
        """A number in its unit."""
        if self.unit in {"", SECONDS}:
            return self.number(number)
        singular, _, plural = self.unit.partition("|")
        return f"{self.number(number)} {numbers.noun(number, singular, plural)}"

    def number(self, number: int) -> str:
        """A number where its unit is said already."""
        return durations.spoken(timedelta(seconds=number)) if self.unit == SECONDS else numbers.grouped(number)

    @property
    def general(self) -> str:
        """The sentence without a number, where there are several."""
        if self.is_single:
            return self.told(1)
        noun = "…" if self.unit == SECONDS else f"… {self.unit.partition('|')[2] or self.unit + 's'}"
        return self.why.format(noun)

    @property
    def is_of_a_day(self) -> bool:
        """Whether it is earned on a day rather than at a moment."""
        return SCAN_OF[self.measure].is_of_days

    @property
    def is_single(self) -> bool:
        return len(self.levels) == 1

    @cached_property
    def version(self) -> str:
        """Another one is another rule."""
        scan = SCAN_OF[self.measure]
        rule = (self.measure, self.levels, scan.measures[self.measure], " ".join(scan.rows.split()))
        return sha256(repr(rule).encode()).hexdigest()


WORDS, TIME, DAYS, STREAMS, EMOTES, GIVING, RARE = "words", "time", "days", "streams", "emotes", "giving", "rare"
GROUPS = {
    WORDS: "Words",
    TIME: "Time",
    DAYS: "Days",
    STREAMS: "Streams",
    EMOTES: "Emotes",
    GIVING: "Giving",
    RARE: "Rare moments",
}

# fmt: off
ACHIEVEMENTS = (
    # Words
    Achievement("first-words", "First words", "Wrote a first message here.", WORDS,
        "messages", (1,)),
    Achievement("messages", "Chatterbox", "Wrote {} here.", WORDS,
        "messages", (100, 1_000, 5_000, 10_000, 50_000, 100_000), "message"),
    Achievement("busy-day", "Talkative", "Wrote {} in one day.", WORDS,
        "messages_of_a_day", (50, 200, 500, 1_000), "message"),
    Achievement("busy-stream", "Life of the evening", "Wrote {} in one stream.", WORDS,
        "messages_of_a_stream", (50, 150, 400), "message"),

    # Time
    Achievement("watched", "Regular seat", "Watched for {} in all.", TIME,
        "watch_seconds", (10 * HOUR, 50 * HOUR, 100 * HOUR, 250 * HOUR, 500 * HOUR, 1_000 * HOUR), SECONDS),
    Achievement("marathon", "Marathon", "Stayed for {} in one visit.", TIME,
        "visit_seconds", (4 * HOUR, 8 * HOUR, 12 * HOUR, 24 * HOUR), SECONDS),
    Achievement("quiet-company", "Quiet company", "Watched an hour or more without a word on {}.", TIME,
        "quiet_days", (3, 10, 50, 150), "day"),
    Achievement("early-bird", "Early bird", "Came within ten minutes of the beginning of {}.", TIME,
        "came_early", (1, 10, 50, 150), "stream"),
    Achievement("closing-time", "Closing time", "Stayed until {} went off air.", TIME,
        "stayed", (1, 10, 50, 150), "stream"),
    Achievement("night-owl", "Night owl", "Was there at three in the morning UTC on {}.", TIME,
        "nights", (1, 10, 50), "night"),
    Achievement("first-light", "First light", "Was there at six in the morning UTC on {}.", TIME,
        "mornings", (1, 10, 50), "day"),

    # Days
    Achievement("days", "Familiar face", "Was here on {}.", DAYS,
        "days", (7, 30, 100, 250, 500, 1_000), "day"),
    Achievement("months", "All year round", "Was here in {}.", DAYS,
        "months", (3, 6, 12, 24, 48), "month"),
    Achievement("days-in-a-row", "Day after day", "Was here on {} in a row.", DAYS,
        "days_in_a_row", (3, 7, 14, 30, 100), "day"),
    Achievement("weekends", "Weekender", "Was here on {} of a weekend.", DAYS,
        "weekend_days", (10, 50, 100, 250), "day"),
    Achievement("weekdays", "Every day of the week", "Was here on {} of the week.", DAYS,
        "weekdays", (7,), "day"),
    Achievement("anniversary", "Anniversary", "Was here {} after the first day.", DAYS,
        "years", (1, 2, 3, 5, 10), "year"),

    # Streams
    Achievement("streams", "In the audience", "Came to {}.", STREAMS,
        "streams", (10, 50, 100, 250, 500, 1_000), "stream"),
    Achievement("whole-streams", "The whole story", "Watched nine tenths or more of {}.", STREAMS,
        "whole_streams", (1, 10, 50, 100, 250), "stream"),
    Achievement("streak", "On a streak", "Came to {} in a row.", STREAMS,
        "streak", (3, 5, 10, 25, 50, 100), "stream"),
    Achievement("categories", "Wide taste", "Came to streams of {}.", STREAMS,
        "categories", (3, 10, 25, 50), "category|categories"),
    Achievement("comeback", "Welcome back", "Came back after missing {}.", STREAMS,
        "missed_before", (10, 30, 90), "stream"),
    Achievement("two-in-a-day", "Double feature", "Came to two streams that began on one day, {}.", STREAMS,
        "second_streams", (1, 5, 25), "time"),

    # Emotes
    Achievement("emotes", "In pictures", "Used {}.", EMOTES,
        "emotes", (100, 1_000, 5_000, 10_000, 50_000), "emote"),
    Achievement("different-emotes", "Collector", "Used {}.", EMOTES,
        "different_emotes", (10, 50, 100, 250, 500), "different emote"),
    Achievement("loyal-emote", "One true emote", "Used the same emote {}.", EMOTES,
        "uses_of_one", (100, 500, 1_000, 5_000), "time"),
    Achievement("emoji", "Small talk", "Used {}.", EMOTES,
        "different_emoji", (5, 25, 100), "different emoji|different emoji"),
    Achievement("providers", "From everywhere", "Used emotes of {}.", EMOTES,
        "providers", (2, 4, 5), "provider"),

    # Giving
    Achievement("subscriber", "Subscriber", "Subscribed for {}.", GIVING,
        "months_subscribed", (1, 3, 6, 12, 24, 36, 60), "month"),
    Achievement("gifts", "Generous", "Gave {} to others.", GIVING,
        "gifts", (1, 5, 25, 100, 500), "subscription"),
    Achievement("given", "Lucky one", "Was given {}.", GIVING,
        "given", (1, 5, 20), "subscription"),
    Achievement("bits", "Cheerful", "Cheered with {}.", GIVING,
        "bits", (100, 1_000, 10_000, 100_000), "bit"),
    Achievement("points", "Well spent", "Spent {}.", GIVING,
        "points", (1_000, 10_000, 100_000, 1_000_000), "channel point"),
    Achievement("redemptions", "At the counter", "Redeemed rewards {}.", GIVING,
        "redemptions", (1, 10, 100, 500), "time"),
    Achievement("rewards", "Something of everything", "Redeemed {}.", GIVING,
        "rewards", (3, 5, 10), "different reward"),
    Achievement("dear-reward", "Saved up", "Spent {} on one reward.", GIVING,
        "dearest_reward", (1_000, 10_000, 50_000), "channel point"),
    Achievement("raids", "Raider", "Brought {} here.", GIVING,
        "raids", (1, 5, 25), "raid"),
    Achievement("raiders", "With company", "Raided with {}.", GIVING,
        "raiders", (10, 100, 1_000), "viewer"),

    # Rare moments
    Achievement("first-stream", "There from the start", "Came to the first stream that is known here.", RARE,
        "first_streams", (1,)),
    Achievement("over-the-year", "Over the year", "Watched into {} at midnight UTC.", RARE,
        "new_years", (1, 2, 3), "new year"),
    Achievement("new-years-day", "New Year's visit", "Was here on {}.", RARE,
        "new_years_days", (1, 3, 5), "first of January|firsts of January"),
    Achievement("leap-day", "Leap day", "Was here on the 29th of February.", RARE,
        "leap_days", (1,)),
    Achievement("renamed", "New name", "Had {} before the present one.", RARE,
        "former_names", (1, 3), "name"),
)
# fmt: on

BY_KEY = {achievement.key: achievement for achievement in ACHIEVEMENTS}
