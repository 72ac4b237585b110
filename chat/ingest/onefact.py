"""Which of the things that were told are the same: chat and EventSub tell much of it both, in any order.

All that was told is kept. Here it is decided, from all of it and nothing else, what stands for a fact and what only
says the same once more; so it does not matter what came first. What chat told always stands: see
docs/decisions/one-fact.md. Pure: no database, no clock.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol, TypeVar

from chat.ingest.notices import BOMB, MEMBER, SUBSCRIPTIONS, Gift, gifts_of

ANONYMOUS_CHEERER = "407665396"
CHEER = "channel.cheer"
BITS_KINDS = frozenset({"cheer", "power_up", "bits"})
"""Of what EventSub told: in chat, bits are part of a message."""
COUNTED = SUBSCRIPTIONS | BITS_KINDS | {BOMB, MEMBER}
KINDS = COUNTED | {"raid"}

# How far apart two tellings of one fact can be. EventSub gives the time at which it tells, mostly within seconds.
WITHIN_MS = 120_000
BITS_WITHIN_MS = 60_000
DEED_WITHIN_MS = 30_000
# Nobody can say the very same twice in so short a time: Twitch refuses it.
SAME_WORDS_MS = 30_000
ENDS_WITHIN_MS = 1500
# Tellings up to this far around something new can have a say in what it is, if there is no longer silence between.
REACH_MS = 3_600_000


class Telling(NamedTuple):
    """A stored `ChatEvent`; an unknown viewer is the empty text."""

    id: str
    channel: int
    viewer: str
    kind: str
    at: datetime
    amount: int
    recipient: str
    bomb: str
    told_by: str
    same_as: str
    text: str
    number: str
    """How many the giver has given by then, where it is told."""
    borrowed: str = ""
    """Names of the fields whose value only a twin told."""

    @property
    def ms(self) -> int:
        return round(self.at.timestamp() * 1000)


class Cheer(NamedTuple):
    """A stored message with bits."""

    id: str
    channel: int
    viewer: str
    bits: int
    at: datetime

    @property
    def ms(self) -> int:
        return round(self.at.timestamp() * 1000)


class DeedTelling(NamedTuple):
    """A stored `ModerationEvent`."""

    id: int
    channel: int
    kind: str
    at: datetime
    target: str
    message_id: str
    seconds: int | None
    moderator: str
    reason: str
    told_by: str
    same_as: int | None
    borrowed: str = ""
    """As with `Telling`."""

    @property
    def ms(self) -> int:
        return round(self.at.timestamp() * 1000)


class Timed(Protocol):
    """Anything with an id and a time."""

    @property
    def id(self) -> str: ...
    @property
    def ms(self) -> int: ...


L = TypeVar("L", bound=Timed)
R = TypeVar("R", bound=Timed)
T = TypeVar("T")


def decide(
    tellings: Sequence[Telling], cheers: Sequence[Cheer], is_near: Callable[[Telling], bool] = lambda _: True
) -> list[Telling]:
    """Say of each whether it stands, and what its bomb is; what stands knows what all of its twins know.

    What is not near keeps its mark and what it borrowed, and so does whatever is the same as that: not all that could
    be the same is known.
    """
    own = [_own(telling) if telling.kind == BOMB or is_near(telling) else telling for telling in tellings]
    far = {_root(telling) for telling in own if not (_is_known_whole(telling) or is_near(telling))}
    open_ = [telling for telling in own if _is_known_whole(telling) or _root(telling) not in far]
    same, bombs = _matched(open_, [cheer for cheer in cheers if cheer.id not in far])
    same |= {telling.id: telling.same_as for telling in own if telling.same_as and _root(telling) in far}
    decided = [each._replace(same_as=_last(same, each.id), bomb=bombs.get(each.id, each.bomb)) for each in own]
    return _united(decided)


def _own(telling: Telling) -> Telling:
    """What the telling itself told."""
    borrowed = telling.borrowed.split()
    return telling._replace(
        text="" if "text" in borrowed else telling.text,
        amount=0 if "amount" in borrowed else telling.amount,
        borrowed="",
    )


def _root(telling: Telling) -> str:
    return telling.same_as or telling.id


def _is_known_whole(telling: Telling) -> bool:
    """What chat told stands anyway, and of a gift all parts are known."""
    return not telling.told_by or telling.kind == BOMB


def _matched(tellings: Sequence[Telling], cheers: Sequence[Cheer]) -> tuple[dict[str, str], dict[str, str]]:
    """What each telling is the same as, if anything, and the bombs of those that EventSub told."""
    same: dict[str, str] = {}
    bombs: dict[str, str] = {}
    for group in _grouped(tellings, _subscription).values():
        same |= _absorbed(group)
    for group in _grouped(tellings, _gifted_to).values():
        same |= _absorbed(group)
    for group in _grouped(tellings, _raid).values():
        same |= _absorbed(group)
    for group in _grouped(tellings, _giver).values():
        of_giver, of_bombs = _gifts(group)
        same, bombs = same | of_giver, bombs | of_bombs
    messages = _grouped(cheers, _cheer)
    for key, group in _grouped(tellings, _bits).items():
        same |= _bits_used(group, messages.get(key, []))
    return same, bombs


def _grouped(rows: Iterable[T], key: Callable[[T], Hashable]) -> dict[Hashable, list[T]]:
    """Rows by key, without those that have none."""
    groups: dict[Hashable, list[T]] = defaultdict(list)
    for row in rows:
        if (of_row := key(row)) is not None:
            groups[of_row].append(row)
    return groups


def _subscription(telling: Telling) -> Hashable:
    return (telling.channel, telling.viewer) if telling.kind in SUBSCRIPTIONS and telling.viewer else None


def _gifted_to(telling: Telling) -> Hashable:
    return (telling.channel, telling.recipient) if telling.kind == MEMBER and telling.recipient else None


def _raid(telling: Telling) -> Hashable:
    return (telling.channel, telling.viewer) if telling.kind == "raid" else None


def _giver(telling: Telling) -> Hashable:
    is_gift = telling.kind == BOMB or (telling.kind == MEMBER and not telling.told_by)
    return (telling.channel, telling.viewer) if is_gift else None


def _bits(telling: Telling) -> Hashable:
    is_bits = telling.kind in BITS_KINDS and telling.told_by
    return (telling.channel, telling.viewer, telling.amount) if is_bits else None


def _cheer(cheer: Cheer) -> Hashable:
    return cheer.channel, "" if cheer.viewer == ANONYMOUS_CHEERER else cheer.viewer, cheer.bits


def _last(same: Mapping[str, str], telling: str) -> str:
    """Follow what is the same as something that is the same as something."""
    found = ""
    while telling in same:
        found = telling = same[telling]
    return found


def _united(decided: list[Telling]) -> list[Telling]:
    """Give what stands the words and the number that only its twins have.

    A part of a gift needs neither: its number is how many months were given, which EventSub does not tell.
    """
    twins = _grouped(sorted(decided, key=_by_worth), lambda telling: telling.same_as or None)
    united = []
    for telling in decided:
        known = telling
        for twin in () if telling.kind == MEMBER else twins.get(telling.id, ()):
            known = known._replace(text=known.text or twin.text, amount=known.amount or twin.amount)
        borrowed = [name for name in ("text", "amount") if getattr(known, name) != getattr(telling, name)]
        united.append(known._replace(borrowed=" ".join([*telling.borrowed.split(), *borrowed])))
    return united


# Whatever one viewer cannot do twice in two minutes: all tellings of it are one fact.

WORTH = {"": 0, "channel.subscription.message": 1, "channel.bits.use": 1}


def _by_worth(telling: Telling) -> tuple[int, int, str]:
    return WORTH.get(telling.told_by, 2), telling.ms, telling.id


def _absorbed(group: list[Telling]) -> dict[str, str]:
    standing: list[Telling] = []
    same: dict[str, str] = {}
    for telling in sorted(group, key=_by_worth):
        near = [] if not telling.told_by else [one for one in standing if _apart(one, telling) <= WITHIN_MS]
        if near:
            same[telling.id] = min(near, key=lambda one: (bool(one.told_by), _apart(one, telling), one.id)).id
        else:
            standing.append(telling)
    return same


def _apart(one: Timed, other: Timed) -> int:
    return abs(one.ms - other.ms)


def _pairs(
    left: Iterable[L], right: Iterable[R], within: int, unlike: Callable[[L, R], int | None]
) -> list[tuple[L, R]]:
    """Pair one with one, the likest and then the nearest first. What cannot be the same is unlike by None."""
    right = list(right)
    possible = [
        (unlikeness, _apart(one, other), one.id, other.id, one, other)
        for one in left
        for other in right
        if _apart(one, other) <= within and (unlikeness := unlike(one, other)) is not None
    ]
    taken: set[tuple[str, str]] = set()
    pairs = []
    for *_, one_id, other_id, one, other in sorted(possible, key=lambda pair: pair[:4]):
        if taken.isdisjoint({("left", one_id), ("right", other_id)}):
            taken |= {("left", one_id), ("right", other_id)}
            pairs.append((one, other))
    return pairs


# Bits: a viewer may give the same number many times, so that one telling is paired with one.


def _bits_used(group: list[Telling], messages: list[Cheer]) -> dict[str, str]:
    same = _said_again(group)
    told = [telling for telling in group if telling.id not in same]
    cheers = [telling for telling in told if telling.told_by == CHEER]
    uses = [telling for telling in told if telling.told_by != CHEER]
    for of_one_kind in (uses, cheers):
        for message, telling in _pairs(messages, of_one_kind, BITS_WITHIN_MS, lambda _message, _telling: 0):
            same[telling.id] = message.id
    uses, cheers = ([each for each in kind if each.id not in same] for kind in (uses, cheers))
    same |= {cheer.id: use.id for use, cheer in _pairs(uses, cheers, BITS_WITHIN_MS, _unlike_cheers)}
    return same


def _unlike_cheers(use: Telling, _cheer: Telling) -> int | None:
    return 0 if use.kind == "cheer" else None


def _said_again(group: list[Telling]) -> dict[str, str]:
    """The same notification under two ids."""
    first: list[Telling] = []
    same: dict[str, str] = {}
    for telling in sorted(group, key=lambda each: (each.ms, each.id)):
        for one in first:
            is_source = one.told_by == telling.told_by
            if telling.text and is_source and one.text == telling.text and _apart(one, telling) <= SAME_WORDS_MS:
                same[telling.id] = one.id
                break
        else:
            first.append(telling)
    return same


# Gifts: EventSub tells of the bomb, chat of the bomb and of its members, which share an id.


class Bomb(NamedTuple):
    """What chat told of one bomb, or of a single gift."""

    id: str
    ms: int
    announced: int | None
    members: int
    best: str
    """What stands for it."""


def _gifts(group: list[Telling]) -> tuple[dict[str, str], dict[str, str]]:
    in_chat = _grouped([telling for telling in group if not telling.told_by], lambda telling: telling.bomb or None)
    known = [_bomb(parts) for parts in in_chat.values()]
    told = [telling for telling in group if telling.told_by]
    again = _given_again(told)
    first = [telling for telling in told if telling.id not in again]
    same, bombs = dict(again), {telling.id: telling.id for telling in first}
    for bomb, telling in _pairs(known, first, WITHIN_MS, _unlike_gifts):
        bombs[telling.id] = bomb.id
        if bomb.best:
            same[telling.id] = bomb.best
    return same, bombs | {telling: bombs[one] for telling, one in again.items()}


def _bomb(parts: list[Telling]) -> Bomb:
    parts = sorted(parts, key=lambda part: (part.ms, part.id))
    announcements = [part for part in parts if part.kind == BOMB]
    is_single = not announcements and parts[0].bomb == parts[0].id
    announced = max((part.amount for part in announcements), default=1 if is_single else None)
    best = announcements[0].id if announcements else parts[0].id if is_single else ""
    return Bomb(parts[0].bomb, parts[0].ms, announced, sum(part.kind == MEMBER for part in parts), best)


def _unlike_gifts(bomb: Bomb, telling: Telling) -> int | None:
    if bomb.announced is None:
        return 1 if bomb.members <= telling.amount else None
    return 0 if bomb.announced == telling.amount else None


def _given_again(told: list[Telling]) -> dict[str, str]:
    """The same notification under two ids: the giver has given as many by then."""
    first: dict[tuple[int, str], Telling] = {}
    same: dict[str, str] = {}
    for telling in sorted(told, key=lambda each: (each.ms, each.id)):
        one = first.get((telling.amount, telling.number))
        if telling.number and one and _apart(one, telling) <= WITHIN_MS:
            same[telling.id] = one.id
        else:
            first[telling.amount, telling.number] = telling
    return same


# What it all counts for


class Count(NamedTuple):
    """What a viewer has of something, and when."""

    channel: int
    viewer: str
    at: datetime
    subs: int = 0
    gifts: int = 0
    bits: int = 0
    points: int = 0

    @property
    def day(self) -> date:
        return self.at.date()


def counts(tellings: Iterable[Telling]) -> list[Count]:
    """Count facts once. Those without a viewer count for nobody."""
    tellings = list(tellings)
    found = []
    for telling in tellings:
        if telling.same_as or not telling.viewer:
            continue
        if telling.kind in SUBSCRIPTIONS:
            found.append(Count(telling.channel, telling.viewer, telling.at, subs=1))
        elif telling.told_by and telling.kind in BITS_KINDS:
            found.append(Count(telling.channel, telling.viewer, telling.at, bits=telling.amount))
    for parts in _grouped(tellings, lambda each: (each.channel, each.bomb) if each.bomb else None).values():
        given = gifts_of(
            Gift(each.id, each.channel, each.bomb, each.kind, each.amount, each.viewer, each.at) for each in parts
        )
        if given and given[0].viewer:
            found.append(Count(*given[0], gifts=given[1]))
    return found


# Deeds of moderators

WORTH_OF_DEEDS = {"": 0, "channel.ban": 1, "channel.moderate": 2}
LIFTED = frozenset({"unban", "untimeout"})


def decide_deeds(tellings: Sequence[DeedTelling]) -> list[DeedTelling]:
    """Say of each deed whether it stands; what stands knows by whom and why, if any of its twins does."""
    tellings = [_own_deed(telling) for telling in tellings]
    same: dict[int, int] = {}
    for group in _grouped(tellings, _deed).values():
        standing: list[DeedTelling] = []
        for telling in sorted(group, key=_by_worth_of_deed):
            near = [one for one in standing if telling.told_by and _is_same_deed(one, telling)]
            if near:
                same[telling.id] = min(near, key=lambda one: (abs(one.ms - telling.ms), one.id)).id
            else:
                standing.append(telling)
    decided = [telling._replace(same_as=same.get(telling.id)) for telling in tellings]
    twins = _grouped(sorted(decided, key=_by_worth_of_deed), lambda telling: telling.same_as)
    return [_informed(telling, twins.get(telling.id, ())) for telling in decided]


def _deed(telling: DeedTelling) -> Hashable:
    if telling.message_id:
        return telling.channel, telling.kind, telling.message_id
    return telling.channel, "unban" if telling.kind in LIFTED else telling.kind, telling.target


def _by_worth_of_deed(telling: DeedTelling) -> tuple[int, int, int]:
    return WORTH_OF_DEEDS.get(telling.told_by, 3), telling.ms, telling.id


def _is_same_deed(one: DeedTelling, other: DeedTelling) -> bool:
    if one.message_id:  # a message can be deleted once
        return True
    if abs(one.ms - other.ms) > DEED_WITHIN_MS:
        return False
    if one.kind == "timeout":  # told late, it lasts shorter, and ends when it ends
        return abs(_end_ms(one) - _end_ms(other)) <= ENDS_WITHIN_MS
    if one.kind != other.kind:  # channel.unban says "unban" of timeouts too
        return "channel.unban" in (one.told_by, other.told_by)
    return one.told_by != other.told_by or (one.seconds, one.reason) == (other.seconds, other.reason)


def _end_ms(telling: DeedTelling) -> int:
    return telling.ms + (telling.seconds or 0) * 1000


def _informed(telling: DeedTelling, twins: Iterable[DeedTelling]) -> DeedTelling:
    known = telling
    for twin in twins:
        known = known._replace(moderator=known.moderator or twin.moderator, reason=known.reason or twin.reason)
    borrowed = [name for name in ("moderator", "reason") if getattr(known, name) != getattr(telling, name)]
    return known._replace(borrowed=" ".join(borrowed))


def _own_deed(telling: DeedTelling) -> DeedTelling:
    """What the telling itself told."""
    borrowed = telling.borrowed.split()
    return telling._replace(
        moderator="" if "moderator" in borrowed else telling.moderator,
        reason="" if "reason" in borrowed else telling.reason,
        borrowed="",
    )
