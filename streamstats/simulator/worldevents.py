"""What EventSub tells of the world: twins of what chat tells, and what chat never hears of.

An event says the same as its line of chat, of the same people, a moment later. Nothing here throws the dice of the
chat, so that what people write does not depend on it.
"""

import json
import re
from collections.abc import Mapping
from random import Random
from typing import Any, NamedTuple

from streamstats.simulator.crowd import FIRST_RAIDER, Crowd
from streamstats.simulator.emotesets import own_emotes, twitch_emotes
from streamstats.simulator.eventsubtypes import TYPES
from streamstats.simulator.moments import DAY, HOUR, MINUTE, SECOND, chance, moment, start_of
from streamstats.simulator.person import ANONYMOUS, NIGHTBOT, Person, Visit
from streamstats.simulator.schedule import Broadcast, SimChannel
from streamstats.simulator.showing import Showing, showings
from streamstats.simulator.stage import Line
from streamstats.simulator.wire import command_and_channel
from streamstats.simulator.words import WORDS

Event = dict[str, Any]

LATEST_MS = 2 * SECOND  # after a line its twin is told
CUSTOM = "channel.channel_points_custom_reward_redemption"
AUTOMATIC = "channel.channel_points_automatic_reward_redemption.add"
NOBODY = (None, None, None)
REWARDS: dict[str, Event] = {reward["id"]: reward for reward in WORDS["rewards"]}
WITHOUT_WORDS = tuple(reward for reward in WORDS["rewards"] if reward["id"] not in WORDS["reward_ids"])
GREAT_CHEER, LONG_TIMEOUT_S = 1000, 300
CHEER = re.compile(r"Cheer([1-9]\d*)")
CHEER_TIERS = (1, 100, 1000, 5000, 10_000)
AUTOMATIC_COSTS = {"send_highlighted_message": 400, "random_sub_emote_unlock": 900}
ACTIONS_WITH_DETAILS = (
    "followers", "slow", "vip", "unvip", "mod", "unmod", "ban", "unban", "timeout", "untimeout", "raid", "unraid",
    "delete", "automod_terms", "unban_request", "warn", "shared_chat_ban", "shared_chat_unban", "shared_chat_timeout",
    "shared_chat_untimeout", "shared_chat_delete",
)  # fmt: skip


class SimEvent(NamedTuple):
    """One notification. `at_ms` is when it is told; `condition` is the whole one of whoever hears it."""

    at_ms: int
    type: str
    version: str
    condition: dict[str, str]
    event: Event
    message_id: str


def frame(event: SimEvent) -> bytes:
    """Write the notification as it comes over the socket."""
    at = nanoseconds(event.at_ms)
    subscription = {
        "id": made_up_uuid("subscription", event.type, *sorted(event.condition.items())),
        "status": "enabled",
        "type": event.type,
        "version": event.version,
        "condition": event.condition,
        "transport": {"method": "websocket", "session_id": "session-of-the-world"},
        "created_at": nanoseconds(event.at_ms // DAY * DAY),
        "cost": 0,
    }
    metadata = {
        "message_id": event.message_id,
        "message_type": "notification",
        "message_timestamp": at,
        "subscription_type": event.type,
        "subscription_version": event.version,
    }
    told = {"metadata": metadata, "payload": {"subscription": subscription, "event": event.event}}
    return json.dumps(told, separators=(",", ":")).encode()


def nanoseconds(at_ms: int) -> str:
    """Write a time as EventSub does, with nine digits of a second."""
    return f"{moment(at_ms // SECOND * SECOND):%Y-%m-%dT%H:%M:%S}.{at_ms % SECOND:03}000000Z"


def made_up_uuid(*parts: object) -> str:
    return uuid_of(chance("uuid", *parts))


def uuid_of(dice: Random) -> str:
    text = f"{dice.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-b{text[17:20]}-{text[20:]}"


def whose(prefix: str, who: tuple[str | None, str | None, str | None]) -> Event:
    """Make the three fields that name somebody."""
    return dict(zip((f"{prefix}_id", f"{prefix}_login", f"{prefix}_name"), who, strict=True))


def named(person: Person, at_ms: int) -> tuple[str, str, str]:
    name = person.name(at_ms)
    return person.twitch_id, name.login, name.display_name


def owner(channel: SimChannel) -> tuple[str, str, str]:
    return channel.twitch_id, channel.login, channel.display_name


class Teller:
    """Collects what is told of one channel."""

    def __init__(self, channel: SimChannel, dice: Random) -> None:
        self.channel, self.dice = channel, dice
        self.told: list[SimEvent] = []
        self.of_channel = whose("broadcaster_user", owner(channel))

    def tell(self, at_ms: int, type_: str, event: Event, condition: Mapping[str, str] | None = None) -> None:
        """Tell it; unless said otherwise, to whoever asked about the channel."""
        if condition is None:
            condition = dict.fromkeys(TYPES[type_].condition, self.channel.twitch_id)
        told = SimEvent(at_ms, type_, TYPES[type_].version, dict(condition), event, uuid_of(self.dice))
        self.told.append(told)

    def about(self, at_ms: int, type_: str, who: tuple[str | None, str | None, str | None], **event: Any) -> None:
        self.tell(at_ms, type_, {**self.of_channel, **whose("user", who), **event})

    def in_order(self) -> list[SimEvent]:
        return sorted(self.told, key=lambda told: told.at_ms)


def between_broadcasts(seed: int, crowd: Crowd, day: int) -> list[SimEvent]:
    """What happens on a day whether anybody is on air or not: new names, subscriptions that end."""
    teller = Teller(crowd.channel, chance(seed, "events of a day", crowd.channel.login, day))
    start_ms, end_ms = start_of(day), start_of(day + 1)
    for person in crowd.regulars:
        for name in person.names[1:]:
            if start_ms <= name.since_ms < end_ms:
                about = teller.dice.choice(WORDS["about"])
                _update(teller, name.since_ms, (person.twitch_id, name.login, name.display_name), about)
    for person in crowd.lapsing(day):
        at_ms = start_ms + teller.dice.randrange(DAY)
        plan = "1000" if person.plan == "Prime" else person.plan
        teller.about(at_ms, "channel.subscription.end", named(person, at_ms), tier=plan, is_gift=False)
    if day % 14 == int(crowd.channel.twitch_id) % 14:
        _update(teller, start_ms + 10 * HOUR, owner(crowd.channel), teller.dice.choice(WORDS["about"]))
    return teller.in_order()


def _update(teller: Teller, at_ms: int, who: tuple[str, str, str], about: str) -> None:
    teller.tell(at_ms, "user.update", {**whose("user", who), "description": about}, {"user_id": who[0]})


class BroadcastEvents:
    """All events of one broadcast.

    `lines` are those of its own room; of `channels` the first is the one that invites to shared chats.
    """

    def __init__(
        self,
        seed: int,
        crowd: Crowd,
        broadcast: Broadcast,
        visits: list[Visit],
        lines: list[Line],
        channels: tuple[SimChannel, SimChannel],
    ) -> None:
        self.crowd, self.broadcast, self.visits, self.lines = crowd, broadcast, visits, lines
        self.sharing = channels
        self.dice = chance(seed, "events", broadcast.id)
        self.teller = Teller(broadcast.channel, chance(seed, "event ids", broadcast.id))
        self.hours = (broadcast.ended_ms - broadcast.started_ms) / HOUR
        self.emote_ids = twitch_emotes(broadcast.channel)
        self.train_until_ms = 0
        self.said: dict[str, tuple[tuple[str, str, str], str]] = {}

    def events(self) -> list[SimEvent]:
        """Everything, in order of time. Whatever is told is told while the channel is on air."""
        self._show()
        self._follow()
        for line in self.lines:
            self._twin(line)
        self._redeem()
        self._ask()
        self._promote()
        self._share()
        self._move_on()
        self.teller.tell(self.broadcast.ended_ms, "stream.offline", self.teller.of_channel)
        return self.teller.in_order()

    # Time and people.

    def _after(self, at_ms: int) -> int:
        """When something is told that happened at a moment."""
        return min(at_ms + self.dice.randrange(150, LATEST_MS), self.broadcast.ended_ms - 1)

    def _moments(self, an_hour: float, *, but_last_ms: int = MINUTE) -> list[int]:
        """Choose moments, so many an hour on average, none of them at the very end."""
        start_ms, end_ms = self.broadcast.started_ms + 3 * MINUTE, self.broadcast.ended_ms - but_last_ms
        count = int(an_hour * self.hours + self.dice.random()) if end_ms > start_ms else 0
        return sorted(self.dice.randrange(start_ms, end_ms) for _ in range(count))

    def _present(self, at_ms: int, *roles: str) -> list[Person]:
        here = [visit.person for visit in self.visits if visit.from_ms <= at_ms < visit.to_ms]
        return [person for person in here if not roles or person.role in roles]

    def _moderator(self, at_ms: int) -> Event:
        moderators = self._present(at_ms, "moderator") or [self.crowd.streamer]
        return whose("moderator_user", named(self.dice.choice(moderators), at_ms))

    # The stream.

    def _show(self) -> None:
        first, *others = showings(self.broadcast)
        of_channel = self.teller.of_channel
        self._change(first)
        started = {"type": "live", "started_at": nanoseconds(first.at_ms)}
        self.teller.tell(first.at_ms, "stream.online", {"id": self.broadcast.id, **of_channel, **started})
        for showing in others:
            self._change(showing)

    def _change(self, showing: Showing) -> None:
        event = {
            **self.teller.of_channel,
            "title": showing.title,
            "language": "en",
            "category_id": showing.category_id,
            "category_name": showing.category,
            "content_classification_labels": [],
        }
        self.teller.tell(showing.at_ms, "channel.update", event)

    def _follow(self) -> None:
        """Newcomers follow a little after they came, strangers seldom."""
        followed: set[str] = set()
        for visit in self.visits:
            person = visit.person
            likely = 0.7 if person.comes > 0 else 0.2
            if person.twitch_id in followed or not self.crowd.is_new(person, self.broadcast):
                continue
            if self.dice.random() < likely:
                followed.add(person.twitch_id)
                at_ms = min(visit.from_ms + self.dice.randrange(1, 15) * MINUTE, visit.to_ms - 1)
                who = named(person, at_ms)
                self.teller.about(self._after(at_ms), "channel.follow", who, followed_at=nanoseconds(at_ms))

    def _move_on(self) -> None:
        """Send the viewers on to somebody else's stream when it is over."""
        at_ms = self.broadcast.ended_ms - 20 * SECOND
        viewers = len(self._present(at_ms))
        if self.dice.random() < 0.5 or not viewers:
            return
        target = friend(self.dice.randrange(len(WORDS["raiders"])))
        self._moderated(at_ms - MINUTE, "raid", self._streamer(), **whose("user", target), viewer_count=viewers)
        own = self.broadcast.channel.twitch_id
        event = {
            **whose("from_broadcaster_user", owner(self.broadcast.channel)),
            **whose("to_broadcaster_user", target),
            "viewers": viewers,
        }
        self.teller.tell(at_ms, "channel.raid", event, {"from_broadcaster_user_id": own})

    def _streamer(self) -> Event:
        return whose("moderator_user", owner(self.broadcast.channel))

    # Twins of what chat tells.

    def _twin(self, line: Line) -> None:
        command, _ = command_and_channel(line.rest.encode())
        told = Told(line)
        match command:
            case b"PRIVMSG":
                self.said[told.tag("id")] = told.author, told.text
                self._message(told)
            case b"USERNOTICE":
                self._notice(told)
            case b"CLEARCHAT":
                self._silenced(told)
            case b"CLEARMSG":
                self._deleted(told)
            case b"ROOMSTATE" if "slow" in line.tags:
                seconds = int(line.tags["slow"])
                moderator, at_ms = self._moderator(line.at_ms), self._after(line.at_ms)
                if seconds:
                    self._moderated(at_ms, "slow", moderator, wait_time_seconds=seconds)
                else:
                    self._moderated(at_ms, "slowoff", moderator)

    def _message(self, told: "Told") -> None:
        teller, at_ms = self.teller, told.at_ms
        if told.has("bits"):
            bits = int(told.tag("bits"))
            cheer = {"is_anonymous": False, "message": told.text, "bits": bits}
            teller.about(self._after(at_ms), "channel.cheer", told.author, **cheer)
            message = {"text": told.text, "fragments": fragments(told.text, self.emote_ids)}
            used = {"bits": bits, "type": "cheer", "power_up": None, "message": message}
            teller.about(self._after(at_ms), "channel.bits.use", told.author, **used)
            if bits >= GREAT_CHEER:
                self._train(at_ms, told.author, "bits", bits)
        if told.has("custom-reward-id"):
            self._redeemed(at_ms, REWARDS[told.tag("custom-reward-id")], told.author, told.text)
        if told.tag("msg-id") == "highlighted-message":
            message = {"text": told.text, "fragments": fragments(told.text, self.emote_ids)}
            self._automatically(at_ms, "send_highlighted_message", told.author, message)

    def _notice(self, told: "Told") -> None:
        teller, at_ms, who = self.teller, told.at_ms, told.author
        match told.tag("msg-id"):
            case "sub":
                teller.about(self._after(at_ms), "channel.subscribe", who, tier=told.tier, is_gift=False)
            case "resub":
                shares_streak = told.tag("msg-param-should-share-streak") == "1"
                teller.about(
                    self._after(at_ms),
                    "channel.subscription.message",
                    who,
                    tier=told.tier,
                    message={"text": told.text, "emotes": emote_places(told.tag("emotes"))},
                    cumulative_months=told.number("cumulative-months"),
                    streak_months=told.number("streak-months") if shares_streak else None,
                    duration_months=1,
                )
            case "subgift":
                taker = (told.recipient("id"), told.recipient("user-name"), told.recipient("display-name"))
                teller.about(self._after(at_ms), "channel.subscribe", taker, tier=told.tier, is_gift=True)
                if not told.has("msg-param-community-gift-id"):
                    self._gave(told, 1)
            case "submysterygift":
                count = told.number("mass-gift-count")
                self._gave(told, count)
                self._train(at_ms, who, "subscription", count * 500)
            case "raid":
                event = {
                    **whose("from_broadcaster_user", who),
                    **whose("to_broadcaster_user", owner(teller.channel)),
                    "viewers": told.number("viewerCount"),
                }
                to_us = {"to_broadcaster_user_id": teller.channel.twitch_id}
                teller.tell(self._after(at_ms), "channel.raid", event, to_us)

    def _gave(self, told: "Told", count: int) -> None:
        is_anonymous = told.author[0] == ANONYMOUS.twitch_id
        self.teller.about(
            self._after(told.at_ms),
            "channel.subscription.gift",
            NOBODY if is_anonymous else told.author,
            total=count,
            tier=told.tier,
            cumulative_total=None if is_anonymous else told.number("sender-count"),
            is_anonymous=is_anonymous,
        )

    def _train(self, at_ms: int, who: tuple[str, str, str], what: str, total: int) -> None:
        """Something big may have started a hype train, which ends some minutes later."""
        ended_ms = at_ms + self.dice.randrange(5, 10) * MINUTE
        if self.dice.random() < 0.4 or at_ms < self.train_until_ms or ended_ms >= self.broadcast.ended_ms:
            return
        self.train_until_ms = ended_ms + HOUR
        total += self.dice.randrange(1, 40) * 100
        self.teller.tell(
            ended_ms,
            "channel.hype_train.end",
            {
                "id": uuid_of(self.dice),
                **self.teller.of_channel,
                "total": total,
                "level": min(5, 1 + total // 1800),
                "top_contributions": [{**whose("user", who), "type": what, "total": total // 2}],
                "type": "regular",
                "is_shared_train": False,
                "shared_train_participants": None,
                "started_at": nanoseconds(at_ms),
                "ended_at": nanoseconds(ended_ms),
                "cooldown_ends_at": nanoseconds(ended_ms + HOUR),
            },
        )

    # Points.

    def _redeem(self) -> None:
        """Rewards that need no words, and points spent on what chat does not show."""
        size = self.broadcast.channel.size * (5 if self.broadcast.is_watched else 1)
        for at_ms in self._moments(6 * size):
            for person in self._somebody(at_ms):
                self._redeemed(at_ms, self.dice.choice(WITHOUT_WORDS), named(person, at_ms), "")
        for at_ms in self._moments(0.4 * size):
            for person in self._somebody(at_ms):
                self._automatically(at_ms, "random_sub_emote_unlock", named(person, at_ms), None)
        for at_ms in self._moments(0.4 * size):
            for person in self._somebody(at_ms):
                name, emote_id = self.dice.choice(sorted(self.emote_ids.items()))
                power_up = {
                    "type": "celebration",
                    "emote": {"id": emote_id, "name": name},
                    "message_effect_id": None,
                }
                used = {"bits": self.dice.choice((30, 100)), "type": "power_up", "power_up": power_up, "message": None}
                self.teller.about(self._after(at_ms), "channel.bits.use", named(person, at_ms), **used)

    def _somebody(self, at_ms: int) -> list[Person]:
        """One of those who are present, if there is anybody."""
        present = self._present(at_ms)
        return [self.dice.choice(present)] if present else []

    def _redeemed(self, at_ms: int, reward: Event, who: tuple[str, str, str], words: str) -> None:
        """Somebody spends points; mostly the streamer does what was asked, now and then gives them back."""
        spent = {
            "id": uuid_of(self.dice),
            "user_input": words,
            "reward": reward,
            "redeemed_at": nanoseconds(at_ms),
        }
        self.teller.about(self._after(at_ms), f"{CUSTOM}.add", who, **spent, status="unfulfilled")
        settled_ms, fate = at_ms + self.dice.randrange(20, 480) * SECOND, self.dice.random()
        if fate < 0.9 and settled_ms < self.broadcast.ended_ms:
            status = "fulfilled" if fate < 0.82 else "canceled"
            self.teller.about(settled_ms, f"{CUSTOM}.update", who, **spent, status=status)

    def _automatically(self, at_ms: int, kind: str, who: tuple[str, str, str], message: Event | None) -> None:
        emote = None
        if message is None:
            name, emote_id = self.dice.choice(sorted(own_emotes(self.broadcast.channel).items()))
            emote = {"id": emote_id, "name": name}
        self.teller.about(
            self._after(at_ms),
            AUTOMATIC,
            who,
            id=uuid_of(self.dice),
            reward={"type": kind, "channel_points": AUTOMATIC_COSTS[kind], "emote": emote},
            message=message,
            redeemed_at=nanoseconds(at_ms),
        )

    # Moderators.

    def _moderated(self, at_ms: int, action: str, moderator: Event, **details: Any) -> None:
        event = {
            **self.teller.of_channel,
            **whose("source_broadcaster_user", NOBODY),
            **moderator,
            "action": action,
            **dict.fromkeys(ACTIONS_WITH_DETAILS),
        }
        if details:
            event[action] = details
        self.teller.tell(at_ms, "channel.moderate", event)

    def _silenced(self, told: "Told") -> None:
        """Nightbot bans for adverts; for walls of text either it or a moderator takes the floor away."""
        at_ms, seconds = told.at_ms, int(told.tag("ban-duration") or 0)
        action = "timeout" if seconds else "ban"
        target = self._target(told)
        is_bot = action == "ban" or self.dice.random() < 0.5
        moderator = whose("moderator_user", named(NIGHTBOT, at_ms)) if is_bot else self._moderator(at_ms)
        reason = self.dice.choice(WORDS["reasons"][action])
        ends_at = nanoseconds(at_ms + seconds * SECOND) if seconds else None
        banned = {"banned_at": nanoseconds(at_ms), "ends_at": ends_at, "is_permanent": not seconds}
        self.teller.about(self._after(at_ms), "channel.ban", target, **moderator, reason=reason, **banned)
        details = {**whose("user", target), "reason": reason} | ({"expires_at": ends_at} if seconds else {})
        self._moderated(self._after(at_ms), action, moderator, **details)
        lifted_ms = at_ms + seconds * 600
        if seconds >= LONG_TIMEOUT_S and self.dice.random() < 0.3 and lifted_ms + LATEST_MS < self.broadcast.ended_ms:
            moderator = self._moderator(lifted_ms)
            self.teller.about(self._after(lifted_ms), "channel.unban", target, **moderator)
            self._moderated(self._after(lifted_ms), "untimeout", moderator, **whose("user", target))

    def _target(self, told: "Told") -> tuple[str, str, str]:
        """Whoever is silenced has said something before."""
        twitch_id = told.tag("target-user-id")
        return next(who for who, _ in reversed(self.said.values()) if who[0] == twitch_id)

    def _deleted(self, told: "Told") -> None:
        who, text = self.said[told.tag("target-msg-id")]
        deleted = {**whose("user", who), "message_id": told.tag("target-msg-id"), "message_body": text}
        self._moderated(self._after(told.at_ms), "delete", self._moderator(told.at_ms), **deleted)

    def _promote(self) -> None:
        """Make somebody a VIP, or a moderator, for the rest of the evening."""
        for role, action, likely in (("vip", "vip", 0.35), ("moderator", "mod", 0.25)):
            at_ms = self.broadcast.started_ms + int(self.hours * HOUR * self.dice.uniform(0.2, 0.7))
            viewers = self._present(at_ms, "viewer")
            if self.dice.random() > likely or not viewers:
                continue
            who, until_ms = named(self.dice.choice(viewers), at_ms), self.broadcast.ended_ms - 30 * SECOND
            for when_ms, verb, deed in ((at_ms, "add", action), (until_ms, "remove", f"un{action}")):
                self.teller.about(when_ms, f"channel.{role}.{verb}", who)
                self._moderated(self._after(when_ms), deed, self._streamer(), **whose("user", who))

    # Questions to everybody, and chats that are shared.

    def _ask(self) -> None:
        for at_ms in self._moments(0.3, but_last_ms=10 * MINUTE):
            self._poll(at_ms)
        for at_ms in self._moments(0.25, but_last_ms=25 * MINUTE):
            self._predict(at_ms)

    def _poll(self, at_ms: int) -> None:
        asked, ended_ms = self.dice.choice(WORDS["polls"]), at_ms + self.dice.choice((1, 2, 3, 5)) * MINUTE
        voters = len(self._present(at_ms))
        fill = self._filling()
        choices = [
            {
                "id": uuid_of(self.dice),
                "title": choice.format_map(fill),
                "votes": self.dice.randrange(voters // 3 + 2),
                "channel_points_votes": self.dice.choice((0, 0, 1, 4)),
            }
            for choice in asked["choices"]
        ]
        self.teller.tell(
            ended_ms,
            "channel.poll.end",
            {
                "id": uuid_of(self.dice),
                **self.teller.of_channel,
                "title": asked["title"].format_map(fill),
                "choices": choices,
                "bits_voting": {"is_enabled": False, "amount_per_vote": 0},
                "channel_points_voting": {"is_enabled": True, "amount_per_vote": 100},
                "status": self.dice.choice(("completed", "completed", "completed", "terminated")),
                "started_at": nanoseconds(at_ms),
                "ended_at": nanoseconds(ended_ms),
            },
        )

    def _predict(self, at_ms: int) -> None:
        asked, ended_ms = self.dice.choice(WORDS["predictions"]), at_ms + self.dice.randrange(4, 24) * MINUTE
        fill = self._filling()
        outcomes = [self._outcome(at_ms, outcome.format_map(fill)) for outcome in asked["outcomes"]]
        is_resolved = self.dice.random() < 0.85
        winner = self.dice.choice(outcomes)["id"] if is_resolved else None
        self.teller.tell(
            ended_ms,
            "channel.prediction.end",
            {
                "id": uuid_of(self.dice),
                **self.teller.of_channel,
                "title": asked["title"].format_map(fill),
                "winning_outcome_id": winner,
                "outcomes": outcomes,
                "status": "resolved" if is_resolved else "canceled",
                "started_at": nanoseconds(at_ms),
                "ended_at": nanoseconds(ended_ms),
            },
        )

    def _outcome(self, at_ms: int, title: str) -> Event:
        present = self._present(at_ms)
        count = self.dice.randrange(min(len(present), 30) + 1)
        points = [self.dice.choice((100, 250, 500, 1000, 5000)) for _ in range(count)]
        best = sorted(zip(points, self.dice.sample(present, count), strict=True), key=lambda bet: -bet[0])[:10]
        return {
            "id": uuid_of(self.dice),
            "title": title,
            "color": "blue",
            "users": count,
            "channel_points": sum(points),
            "top_predictors": [
                {**whose("user", named(person, at_ms)), "channel_points_won": None, "channel_points_used": used}
                for used, person in best
            ],
        }

    def _filling(self) -> dict[str, str]:
        game = self.broadcast.game
        food, other = self.dice.sample(WORDS["foods"], 2)
        return {"thing": self.dice.choice(game["things"]), "boss": game["boss"], "food": food, "food2": other}

    def _share(self) -> None:
        """Two channels share their chat; a third one, where nobody speaks, is with them for a while."""
        if self.broadcast.shared_ms is None:
            return
        start_ms, end_ms = self.broadcast.shared_ms
        session = {
            "session_id": made_up_uuid("shared chat", start_ms),
            **self.teller.of_channel,
            **whose("host_broadcaster_user", owner(self.sharing[0])),
        }
        both = [whose("broadcaster_user", owner(channel)) for channel in self.sharing]
        guest = whose("broadcaster_user", friend(start_ms // SECOND % len(WORDS["raiders"])))
        third_ms = start_ms + (end_ms - start_ms) // 3
        left_ms = third_ms + (end_ms - start_ms) // 3
        self.teller.tell(start_ms, "channel.shared_chat.begin", {**session, "participants": both})
        self.teller.tell(third_ms, "channel.shared_chat.update", {**session, "participants": [*both, guest]})
        self.teller.tell(left_ms, "channel.shared_chat.update", {**session, "participants": both})
        self.teller.tell(end_ms, "channel.shared_chat.end", session)


class Told:
    """A line of chat as its twin needs it."""

    def __init__(self, line: Line) -> None:
        self.at_ms, self.tags, self.rest = line.at_ms, line.tags, line.rest

    def has(self, tag: str) -> bool:
        return tag in self.tags

    def tag(self, name: str) -> str:
        return str(self.tags.get(name, ""))

    def number(self, param: str) -> int:
        return int(self.tags[f"msg-param-{param}"])

    def recipient(self, field: str) -> str:
        return self.tag(f"msg-param-recipient-{field}")

    @property
    def tier(self) -> str:
        plan = self.tag("msg-param-sub-plan")
        return "1000" if plan == "Prime" else plan

    @property
    def author(self) -> tuple[str, str, str]:
        login = self.tag("login") or self.rest[1:].partition("!")[0]
        return self.tag("user-id"), login, self.tag("display-name")

    @property
    def text(self) -> str:
        text = self.rest.partition(" :")[2]
        return text.removeprefix("\x01ACTION ").removesuffix("\x01")


def friend(number: int) -> tuple[str, str, str]:
    """A channel that raids, is raided and comes along; see `Crowd.raid`."""
    login = WORDS["raiders"][number]
    return str(FIRST_RAIDER + number), login, login


def fragments(text: str, emote_ids: Mapping[str, str]) -> list[Event]:
    """Cut a text into plain words, emotes and cheers, as EventSub does."""
    found: list[Event] = []
    for number, word in enumerate(text.split(" ")):
        plain = " " if number else ""
        part = _fragment(word, emote_ids)
        if part["type"] == "text":
            plain, part = plain + word, {}
        if found and found[-1]["type"] == "text":
            found[-1]["text"] += plain
        elif plain:
            found.append({"type": "text", "text": plain, "cheermote": None, "emote": None})
        if part:
            found.append(part)
    return found


def _fragment(word: str, emote_ids: Mapping[str, str]) -> Event:
    cheer = CHEER.fullmatch(word)
    if cheer:
        bits = int(cheer[1])
        cheermote = {"prefix": "cheer", "bits": bits, "tier": max(tier for tier in CHEER_TIERS if tier <= bits)}
        return {"type": "cheermote", "text": word, "cheermote": cheermote, "emote": None}
    if word in emote_ids:
        return {"type": "emote", "text": word, "cheermote": None, "emote": {"id": emote_ids[word]}}
    return {"type": "text", "text": word, "cheermote": None, "emote": None}


def emote_places(tag: str) -> list[Event]:
    """Where emotes stand, from the tag `emotes` of the line."""
    places = []
    for emote in tag.split("/") if tag else []:
        emote_id, _, spans = emote.partition(":")
        for span in spans.split(","):
            begin, _, end = span.partition("-")
            places.append({"begin": int(begin), "end": int(end), "id": emote_id})
    return places
