"""Everybody who comes to a channel, and when: regulars, newcomers by the week, strangers, raiders."""

from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from random import Random

from streamstats.simulator.moments import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    chance,
    milliseconds,
    moment,
    monday_of,
    start_of,
    week_of,
)
from streamstats.simulator.person import Habits, Person, PersonName, Visit, habits, written_name
from streamstats.simulator.schedule import Broadcast, Schedule
from streamstats.simulator.words import WORDS

REGULARS, NEWCOMERS_A_WEEK = 150, 34
STRANGER_EVERY, WATCHED_STRANGER_EVERY = 40 * MINUTE, 150 * SECOND
FIRST_STRANGER, MOST_STRANGERS = 200, 600
STRIDE = 97
FIRST_RAIDER, FIRST_NEWCOMER_ID, FIRST_STRANGER_ID = 61_000_000, 500_000_000, 900_000_000
STRANGERS_AGAIN_MINUTES = 1_000_000  # after so long the ids and names of strangers are given again
DAYS_A_NEWCOMER_STAYS = (0, 0, 0, 0, 6, 14, 21, 50, 90, 130)
WEEKS_BACK = max(DAYS_A_NEWCOMER_STAYS) // 7 + 1
ERA = 28 * DAY  # in each, one regular in thirty takes a new name
ERAS, FIRST_ERA_MS = 160, milliseconds(moment(0).replace(year=2024))
LAST_FIRST_SUBSCRIPTION = date(2026, 10, 1).toordinal()
MOST_REMEMBERED = 50_000
FIRSTS, SECONDS = WORDS["names"]["first"], WORDS["names"]["second"]
# The places of two words that stand together in names of newcomers and strangers.
PAIRS: dict[str, list[int]] = {}
for _pair in range(len(FIRSTS) * len(SECONDS)):
    PAIRS.setdefault(f"{FIRSTS[_pair % len(FIRSTS)]}{SECONDS[_pair // len(FIRSTS)]}", []).append(_pair)


@dataclass(frozen=True)
class Raid:
    at_ms: int
    leader: Person
    party: tuple[Person, ...]
    viewers: int


@dataclass
class Crowd:
    """The people of one channel. Nothing depends on what was asked before."""

    seed: int
    schedule: Schedule
    _cohorts: dict[int, list[Person]] = field(default_factory=dict)
    _came: dict[tuple[str, int], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        channel = self.channel = self.schedule.channel
        name = PersonName(0, channel.login, channel.display_name)
        self.streamer = Person(channel.twitch_id, (name,), Habits(color="#C77DFF"), role="broadcaster")
        dice = chance(self.seed, channel.login, "regulars")
        pairs = [(first, second) for first in FIRSTS for second in SECONDS]
        chance(self.seed, "names").shuffle(pairs)
        self._pairs = pairs[int(channel.twitch_id) % 2 :: 2]  # so that two channels share no name
        self.regulars = [self._regular(dice, rank) for rank in range(round(REGULARS * channel.size))]

    # Who watched.

    def visits(self, broadcast: Broadcast) -> list[Visit]:
        """Who really watched when."""
        dice = chance(self.seed, "visits", broadcast.id)
        people = [person for person in self._around(broadcast.day) if self.came(person, broadcast)]
        visits = [visit for person in people for visit in _visits(dice, person, broadcast)]
        visits += self._passing_by(dice, broadcast)
        raid = self.raid(broadcast)
        for person in (raid.leader, *raid.party) if raid else ():
            left_ms = raid.at_ms + int((dice.expovariate(1 / 35) + 4) * MINUTE) if raid else 0
            visits.append(Visit(person, raid.at_ms if raid else 0, min(broadcast.ended_ms, left_ms)))
        return visits

    def came(self, person: Person, broadcast: Broadcast) -> bool:
        key = (person.twitch_id, broadcast.started_ms)
        came = self._came.get(key)
        if came is None:
            if len(self._came) >= MOST_REMEMBERED:
                self._came.clear()
            came = self._came[key] = self._comes(person, broadcast)
        return came

    def is_new(self, person: Person, broadcast: Broadcast) -> bool:
        """Whether this is the first planned broadcast since the person arrived, or the only one they see."""
        if person.arrives_on is None or person.arrives_on > broadcast.day:
            return False
        if person.arrives_on == person.leaves_on:
            return True
        return not any(show.day >= person.arrives_on for show in self.schedule.before(broadcast, 1))

    def was_away(self, person: Person, broadcast: Broadcast) -> bool:
        """Whether somebody who was here once missed the last six evenings."""
        return not any(self.came(person, show) for show in self.schedule.before(broadcast, 6))

    def streak(self, person: Person, broadcast: Broadcast) -> int:
        """How many planned broadcasts in a row, this one included."""
        count = 1
        for show in self.schedule.before(broadcast, 60):
            if not self.came(person, show):
                break
            count += 1
        return count

    def raid(self, broadcast: Broadcast) -> Raid | None:
        dice = chance(self.seed, "raid", broadcast.id)
        if dice.random() > 0.4:
            return None
        length_ms = broadcast.ended_ms - broadcast.started_ms
        number = dice.randrange(len(WORDS["raiders"]))
        login = WORDS["raiders"][number]
        leader = Person(str(FIRST_RAIDER + number), (PersonName(0, login, login),), habits(dice), talk=0.1)
        party = tuple(self.stranger(broadcast, 100 + guest) for guest in range(dice.randrange(6, 22)))
        at_ms = broadcast.started_ms + int(length_ms * dice.uniform(0.25, 0.8))
        return Raid(at_ms, leader, party, len(party) * dice.randrange(2, 6) + dice.randrange(9))

    def lapsing(self, day: int) -> list[Person]:
        """Those who have left, and whose subscription is not renewed on this day."""
        week = week_of(day)
        gone = [person for back in range(WEEKS_BACK + 6) for person in self.cohort(week - back)]
        return [person for person in gone if _last_day(person) == day]

    def _passing_by(self, dice: Random, broadcast: Broadcast) -> list[Visit]:
        """Strangers who drop in all through a broadcast, for a while each."""
        length_ms = broadcast.ended_ms - broadcast.started_ms
        every_ms = WATCHED_STRANGER_EVERY if broadcast.is_watched else STRANGER_EVERY
        visits = []
        for number in range(min(length_ms // every_ms, MOST_STRANGERS)):
            from_ms = broadcast.started_ms + int((number + dice.random()) * every_ms)
            to_ms = min(from_ms + int((dice.expovariate(1 / 30) + 6) * MINUTE), broadcast.ended_ms)
            visits.append(
                Visit(self.stranger(broadcast, FIRST_STRANGER + number), from_ms, min(to_ms, broadcast.ended_ms))
            )
        return visits

    def _around(self, day: int) -> list[Person]:
        week = week_of(day)
        newcomers = [person for back in range(WEEKS_BACK + 1) for person in self.cohort(week - back)]
        return self.regulars + [person for person in newcomers if person.is_around(day)]

    def _comes(self, person: Person, broadcast: Broadcast) -> bool:
        if not person.is_around(broadcast.day):
            return False
        if self.is_new(person, broadcast):
            return broadcast.is_planned
        dice = chance(self.seed, "comes", person.twitch_id, broadcast.started_ms)
        likes_weekday = 0.75 + 0.5 * chance(self.seed, "weekday", person.twitch_id, broadcast.day % 7).random()
        return dice.random() < person.comes * likes_weekday

    # Who there is.

    def _regular(self, dice: Random, rank: int) -> Person:
        is_lurker = rank > 3 and dice.random() < 0.22
        has_subscribed = dice.random() < (0.9 if rank < 40 else 0.35)
        twitch_id = str(20_000_000 + int(self.channel.twitch_id) % 1000 * 10_000 + rank * 37)
        own = habits(dice)
        return Person(
            twitch_id,
            self._names(dice, twitch_id, own.language),
            own,
            role="moderator" if 2 <= rank < 7 else "vip" if rank in (1, 8, 11, 13, 17, 23, 31) else "viewer",
            talk=0.0 if is_lurker else 1 / (rank + 3) ** 0.95,
            comes=max(0.15, 0.9 - rank * 0.006) * dice.uniform(0.6, 1.05),
            subscribed_on=LAST_FIRST_SUBSCRIPTION - dice.randrange(1400) if has_subscribed else None,
            plan="3000" if rank == 5 else "2000" if rank % 19 == 4 else dice.choice(("1000", "1000", "Prime")),
        )

    def _names(self, dice: Random, twitch_id: str, language: str) -> tuple[PersonName, ...]:
        """The first name and every later one, always taken in the morning when nobody is on air."""
        names = [self._unused_name(dice, language, 0)]
        for era in range(ERAS):
            turn = chance(self.seed, "rename", twitch_id, era)
            if turn.random() < 1 / 30:
                since_ms = FIRST_ERA_MS + era * ERA + turn.randrange(28) * DAY + 11 * HOUR
                names.append(self._unused_name(dice, language, since_ms))
        return tuple(names)

    def _unused_name(self, dice: Random, language: str, since_ms: int) -> PersonName:
        first, second = self._pairs.pop()
        login, display_name = dice.choice(
            (
                (f"{first}{second}", f"{first.capitalize()}{second.capitalize()}"),
                (f"{first}_{second}", f"{first}_{second}"),
                (f"{second}{first}", f"{second}{first}"),
                (f"{first}{second}tv", f"{first.capitalize()}{second.capitalize()}TV"),
                (f"the{first}{second}", f"The{first.capitalize()}{second.capitalize()}"),
            )
        )
        return written_name(dice, language, login, display_name, since_ms)

    def cohort(self, week: int) -> list[Person]:
        """People who see the channel for the first time in this week."""
        if week not in self._cohorts:
            dice = chance(self.seed, self.channel.login, "cohort", week)
            pairs = dice.sample(range(len(FIRSTS) * len(SECONDS)), round(NEWCOMERS_A_WEEK * self.channel.size))
            self._cohorts[week] = [self._newcomer(dice, week, number, pair) for number, pair in enumerate(pairs)]
        return self._cohorts[week]

    def number_in_login(self, week: int) -> int:
        """The two digits behind the names of a week's newcomers."""
        return 10 + (week * 2 + int(self.channel.twitch_id)) % 90

    def week_of_newcomer(self, twitch_id: int) -> int:
        return (twitch_id - self._first_newcomer()) // 1_000

    def _first_newcomer(self) -> int:
        return FIRST_NEWCOMER_ID + int(self.channel.twitch_id) % 9 * 40_000_000

    def _newcomer(self, dice: Random, week: int, number: int, pair: int) -> Person:
        own = habits(dice)
        login = f"{FIRSTS[pair % len(FIRSTS)]}{SECONDS[pair // len(FIRSTS)]}{self.number_in_login(week)}"
        name = written_name(dice, own.language, login, dice.choice((login, login.capitalize())))
        arrives_on, stays = monday_of(week) + dice.randrange(7), dice.choice(DAYS_A_NEWCOMER_STAYS)
        has_subscribed = stays > 10 and dice.random() < 0.45
        return Person(
            str(self._first_newcomer() + week * 1_000 + number),
            ((self._given_up(week) if number == 0 else None) or name,),
            own,
            talk=0.0 if dice.random() < 0.15 else 0.16 / (1 + 12 * dice.random()),
            comes=dice.uniform(0.25, 0.8) if stays else 0.0,
            arrives_on=arrives_on,
            leaves_on=arrives_on + stays,
            subscribed_on=arrives_on + dice.randrange(2, 30) if has_subscribed else None,
            plan=dice.choice(("1000", "1000", "Prime")),
        )

    def _given_up(self, week: int) -> PersonName | None:
        """A login that a regular gave up in the week before: it belongs to somebody else now."""
        start_ms, end_ms = start_of(monday_of(week - 1)), start_of(monday_of(week))
        for person in self.regulars:
            for old, new in pairwise(person.names):
                if start_ms <= new.since_ms < end_ms:
                    return PersonName(0, old.login, old.login)
        return None

    def stranger(self, broadcast: Broadcast, number: int) -> Person:
        """Somebody who is seen this once."""
        dice = chance(self.seed, "stranger", broadcast.id, number)
        minute, side = broadcast.started_ms // MINUTE % STRANGERS_AGAIN_MINUTES, int(self.channel.twitch_id) % 2
        pair = (minute + number * STRIDE) % (len(FIRSTS) * len(SECONDS))  # so that no two of them share a name
        suffix = (minute * 7919 + number * 3571) % 9900 + 100
        login = f"{FIRSTS[pair % len(FIRSTS)]}{SECONDS[pair // len(FIRSTS)]}{suffix}"
        twitch_id = str(FIRST_STRANGER_ID + minute * 2_000 + side * 1_000 + number)
        name = PersonName(0, login, login.capitalize())
        own = habits(dice)
        return Person(
            twitch_id, (name,), own, talk=0.06 * dice.random(), arrives_on=broadcast.day, leaves_on=broadcast.day
        )

    def stranger_named(self, broadcast: Broadcast, words: str, login: str) -> Person | None:
        """Find whom of a broadcast's strangers a login belongs to; `words` are what its digits stand behind."""
        minute = broadcast.started_ms // MINUTE % STRANGERS_AGAIN_MINUTES
        count = len(FIRSTS) * len(SECONDS)
        for pair in PAIRS.get(words, ()):
            number = (pair - minute) * pow(STRIDE, -1, count) % count
            if 100 <= number < 1000:
                found = self.stranger(broadcast, number)
                if found.names[0].login == login:
                    return found
        return None


def _last_day(person: Person) -> int | None:
    """The day after the last month that a newcomer paid for; None for who never did."""
    if person.subscribed_on is None or person.leaves_on is None or person.subscribed_on > person.leaves_on:
        return None
    return person.subscribed_on + ((person.leaves_on - person.subscribed_on) // 30 + 1) * 30


def _visits(dice: Random, person: Person, broadcast: Broadcast) -> list[Visit]:
    """Most come early and stay to the end; some see only a part, some go away for a while."""
    start_ms, end_ms = broadcast.started_ms, broadcast.ended_ms
    settles_in = 2 if broadcast.is_watched else 12  # minutes
    if dice.random() < 0.3:
        start_ms += int((end_ms - start_ms) * dice.uniform(0.1, 0.7))
    start_ms = min(start_ms + int(dice.expovariate(1 / settles_in) * MINUTE), end_ms - 10 * MINUTE)
    start_ms = max(start_ms, broadcast.started_ms)
    if dice.random() < 0.4:
        end_ms = min(end_ms, start_ms + int((dice.expovariate(1 / 50) + 8) * MINUTE))
    away_ms = start_ms + int((end_ms - start_ms) * dice.uniform(0.3, 0.6))
    back_ms = away_ms + dice.randrange(10, 40) * MINUTE
    if dice.random() < 0.15 and back_ms < end_ms:
        return [Visit(person, start_ms, away_ms), Visit(person, back_ms, end_ms)]
    return [Visit(person, start_ms, end_ms)]
