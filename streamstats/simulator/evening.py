"""The chat of one broadcast from the first hello to the last good night."""

from dataclasses import dataclass, field
from functools import partial
from math import pi, sin
from random import Random

from streamstats.simulator.crowd import Crowd
from streamstats.simulator.emotesets import ChannelEmotes
from streamstats.simulator.happenings import plan
from streamstats.simulator.moments import MINUTE, SECOND, chance
from streamstats.simulator.person import NIGHTBOT, STREAMELEMENTS, Person
from streamstats.simulator.schedule import Broadcast, SimChannel
from streamstats.simulator.stage import Line, Stage
from streamstats.simulator.talk import Talk
from streamstats.simulator.words import WORDS

MESSAGES_A_MINUTE, WATCHED_MESSAGES_A_MINUTE = 14.5, 44
USUAL_COMPANY = 75
WARM_UP, WATCHED_WARM_UP, FAREWELL = 25, 2, 9  # minutes
LOUDEST = 4  # times what is usual
COMMANDS = tuple(WORDS["commands"])


@dataclass(frozen=True)
class Minute:
    """How much is said, and in which mood."""

    pace: float
    mood: str


def moods(dice: Random, show: Broadcast) -> list[Minute]:
    """The rise and fall of an evening: a warm-up, slow waves, and moments that everybody reacts to."""
    length = (show.ended_ms - show.started_ms) // MINUTE
    usual = (WATCHED_MESSAGES_A_MINUTE if show.is_watched else MESSAGES_A_MINUTE) * show.channel.size
    warm_up = WATCHED_WARM_UP if show.is_watched else WARM_UP
    swell = 0.15 if show.is_watched else 0.3
    phase, wave = dice.uniform(0, 2 * pi), dice.uniform(35, 70)
    minutes = []
    for number in range(length):
        pace = usual * (0.3 + 0.7 * min(1, number / warm_up))
        pace *= 1 + swell * sin(phase + number / wave * 2 * pi)
        is_over = number >= length - FAREWELL
        minutes.append(Minute(pace * 1.6 if is_over else pace, "bye" if is_over else "calm"))
    for _ in range(max(2, length // 22)):
        at, lasts = dice.randrange(length), dice.randrange(1, 5)
        mood, force = dice.choice(("hype", "hype", "funny", "funny", "sad")), dice.uniform(1.5, 5)
        for number in range(at, min(at + lasts, length - FAREWELL)):
            minutes[number] = Minute(min(minutes[number].pace * force, LOUDEST * usual), mood)
    return minutes


@dataclass
class Evening:
    """Plays one broadcast through and keeps every line of it."""

    seed: int
    broadcast: Broadcast
    crowd: Crowd
    emotes: ChannelEmotes
    dice: Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = chance(self.seed, "evening", self.broadcast.id)
        self.talk = Talk(self.dice, self.broadcast)
        self.stage = Stage(self.dice, self.broadcast, self.crowd, self.crowd.visits(self.broadcast), self.talk)

    def lines(self) -> list[Line]:
        """Every line of the chat, in order of time."""
        show, stage = self.broadcast, self.stage
        plan(stage)
        changes = [change.at_ms for change in self.emotes.changes(show.started_ms + 1, show.ended_ms)]
        self.talk.emotes = self.emotes.names_at(show.started_ms)
        self._plan_first_words()
        for number, minute in enumerate(moods(self.dice, show)):
            at_ms = show.started_ms + number * MINUTE
            if changes and changes[0] < at_ms:
                del changes[0]
                self.talk.emotes = self.emotes.names_at(at_ms)
            stage.move_to(at_ms)
            self._chatter(at_ms, minute)
            stage.play_until(at_ms + MINUTE)
        stage.play_until(show.ended_ms)
        stage.lines.sort(key=lambda line: line.at_ms)
        return stage.lines

    def _plan_first_words(self) -> None:
        """Whoever is new says hello a little after they came; raiders have come with words of their own."""
        raid = self.crowd.raid(self.broadcast)
        raiders = {person.twitch_id for person in raid.party} if raid else set()
        for visit in self.stage.visits:
            person = visit.person
            if person.talk > 0 and person.twitch_id not in raiders and self.crowd.is_new(person, self.broadcast):
                at_ms = visit.from_ms + self.dice.randrange(20, 240) * SECOND
                self.stage.later(min(at_ms, visit.to_ms - 1), partial(self._say_hello, person=person))

    def _say_hello(self, at_ms: int, person: Person) -> None:
        if not self.stage.has_spoken(person):
            self._greet(at_ms, person)

    def _chatter(self, start_ms: int, minute: Minute) -> None:
        company = len(self.stage.present) / USUAL_COMPANY / self.broadcast.channel.size
        expected = minute.pace * min(1.5, company**0.5)
        count = max(0, round(self.dice.gauss(expected, expected**0.5)))
        for _ in range(count):
            self.stage.later(start_ms + int(self.dice.random() * MINUTE), partial(self._speak, minute.mood))

    def _speak(self, mood: str, at_ms: int) -> None:
        stage, roll = self.stage, self.dice.random()
        person = stage.speaker()
        if person is None:
            return
        if not stage.has_spoken(person) and mood != "hype" and roll < 0.6:
            self._greet(at_ms, person)
        elif roll < 0.06 and stage.recent:
            self._reply(at_ms, person)
        elif roll > 0.988:
            self._ask_bot(at_ms, person)
        else:
            mood = mood if self.dice.random() < 0.85 else "calm"
            text = self.talk.message(person, mood, stage.is_subscriber(person))
            nonce = {"client_nonce": f"{self.dice.getrandbits(64):016x}"} if roll < 0.4 else {}
            stage.say(at_ms, person, text, is_action=0.06 < roll < 0.068, **nonce)

    def _greet(self, at_ms: int, person: Person) -> None:
        """Say hello; a newcomer is welcomed by name."""
        stage = self.stage
        is_new = stage.crowd.is_new(person, self.broadcast)
        text = self.talk.message(person, "newcomer" if is_new else "hello", stage.is_subscriber(person))
        stage.say(at_ms, person, text)
        host = stage.speaker()
        if is_new and host is not None and host is not person:
            words = self.talk.line(host, "welcome", {"viewer": person.name(at_ms).display_name})
            stage.later(at_ms + self.dice.randrange(3, 20) * SECOND, partial(stage.say, person=host, text=words))

    def _reply(self, at_ms: int, person: Person) -> None:
        said = self.dice.choice(list(self.stage.recent))
        name = said.person.name(at_ms)
        self.stage.say(
            at_ms,
            person,
            f"@{name.display_name} {self.talk.line(person, 'reply')}",
            reply_parent_display_name=name.display_name,
            reply_parent_msg_body=said.text,
            reply_parent_msg_id=said.id,
            reply_parent_user_id=said.person.twitch_id,
            reply_parent_user_login=name.login,
            reply_thread_parent_msg_id=said.id,
            reply_thread_parent_user_login=name.login,
        )

    def _ask_bot(self, at_ms: int, person: Person) -> None:
        command = self.dice.choice(COMMANDS)
        self.stage.say(at_ms, person, command)
        hours, minutes = divmod((at_ms - self.broadcast.started_ms) // MINUTE, 60)
        slots = {"viewer": person.name(at_ms).display_name, "uptime": f"{hours} h {minutes} min"}
        answer = self.talk.filled(WORDS["commands"][command], slots)
        answering = STREAMELEMENTS if command in ("!song", "!hug") else NIGHTBOT
        says_at = at_ms + self.dice.randrange(350, 1300)
        self.stage.later(says_at, partial(self.stage.say, person=answering, text=f"@{slots['viewer']} {answer}"))


def mirrored(lines: list[Line], room: SimChannel) -> list[Line]:
    """The copies that another room of a shared chat gets of what was said in the source room."""
    return [
        _copy(line, room) for line in lines if line.tags.get("source-room-id") == line.tags.get("room-id", "nowhere")
    ]


def _copy(line: Line, room: SimChannel) -> Line:
    copy_id = f"{chance('copy', room.login, line.tags['source-id']).getrandbits(128):032x}"
    tags = line.tags | {
        "id": f"{copy_id[:8]}-{copy_id[8:12]}-4{copy_id[13:16]}-8{copy_id[17:20]}-{copy_id[20:]}",
        "room-id": room.twitch_id,
        "badges": "",
        "badge-info": "",
        "mod": 0,
        "subscriber": 0,
        "user-type": "",
    }
    if "msg-id" in tags and "source-msg-id" in tags:
        tags["msg-id"] = "sharedchatnotice"
    before, _, after = line.rest.partition("#")
    _, space, text = after.partition(" ")
    return Line(line.at_ms, tags, f"{before}#{room.login}{space}{text}")
