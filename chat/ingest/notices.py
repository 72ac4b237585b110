"""What the announcements of Twitch count for: subscriptions, and gifts of which a bomb counts once."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from chat.ingest.events import UserNotice
from chat.ingest.irc import amount

ANONYMOUS_GIFTER = "274598607"
SUBSCRIPTIONS = frozenset({"sub", "resub"})
BOMB, MEMBER = "submysterygift", "subgift"
COUNTED = SUBSCRIPTIONS | {BOMB, MEMBER}
AMOUNT_PARAMS = {
    "sub": "cumulative-months",
    "resub": "cumulative-months",
    BOMB: "mass-gift-count",
    MEMBER: "gift-months",
    "raid": "viewerCount",
    "viewermilestone": "value",
    "modiversary": "months",
    "bitsbadgetier": "threshold",
}
# What Twitch sends for a single gift where a bomb would have an id: the SHA-1 of nothing, the same for everybody.
NO_ORIGIN = "da 39 a3 ee 5e 6b 4b 0d 32 55 bf ef 95 60 18 90 af d8 07 09"


def viewer_of(notice: UserNotice) -> str:
    """Who did it; empty for an anonymous gifter."""
    return "" if notice.user_id == ANONYMOUS_GIFTER else notice.user_id


def amount_of(notice: UserNotice) -> int:
    """Months, gifts, raiders or streams, as the kind has it; 0 where it tells none."""
    return amount(notice.params.get(AMOUNT_PARAMS.get(notice.kind, ""), ""))


def bomb_of(notice: UserNotice) -> str:
    """What a gift bomb of one giver and its members share; a single gift is a bomb of its own."""
    if notice.kind not in (BOMB, MEMBER):
        return ""
    origin = notice.params.get("origin-id", "")
    shared = notice.params.get("community-gift-id") or ("" if origin == NO_ORIGIN else origin)
    return f"{notice.user_id}:{shared}" if shared else notice.id


class Gift(NamedTuple):
    """A stored gift event."""

    id: str
    channel: int
    bomb: str
    kind: str
    amount: int
    viewer: str
    at: datetime


class Giver(NamedTuple):
    """Whose counter on which day a bomb raises."""

    channel: int
    viewer: str
    at: datetime


def gifts_of(gifts: Iterable[Gift]) -> tuple[Giver, int] | None:
    """Count the events of one bomb: as many as it announced, or its members while it has not been seen."""
    known = sorted(gifts, key=lambda gift: (gift.at, gift.id))
    if not known:
        return None
    announced = [gift.amount for gift in known if gift.kind == BOMB]
    number = max(announced) if announced else len(known)
    first = known[0]
    return Giver(first.channel, first.viewer, first.at), number
