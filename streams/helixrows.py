"""What Twitch tells, as values of ours. All of it is foreign text: of the right kind, storable and not too long."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import structlog

from streams.helixwire import Row, TwitchAway

log = structlog.get_logger(__name__)

# What the columns hold.
ID, NAME, TITLE, CATEGORY, LANGUAGE, WORD, URL = 32, 64, 255, 128, 16, 64, 300
BADGE_TITLE, EMOTE_NAME = 128, 128
MOST = 2**31 - 1
T = TypeVar("T")


class Chatter(NamedTuple):
    """Somebody, by the names of now."""

    id: str
    login: str
    display_name: str


@dataclass(frozen=True, slots=True)
class HelixUser:
    """An account. `broadcaster_type` is "partner", "affiliate" or empty; a picture that is no address is empty."""

    id: str
    login: str
    display_name: str
    avatar_url: str
    created_at: datetime | None
    broadcaster_type: str


@dataclass(frozen=True, slots=True)
class HelixStream:
    """A channel that is live. `type` is "live", or empty where Twitch has trouble with it."""

    id: str
    channel_id: str
    login: str
    display_name: str
    started_at: datetime
    title: str
    category_id: str
    category: str
    viewers: int
    language: str
    type: str


@dataclass(frozen=True, slots=True)
class HelixEmote:
    """An emote of Twitch's own. `kind` is "subscriptions", "bitstier", "follower", or empty for those of everywhere."""

    id: str
    name: str
    image_url: str
    is_animated: bool
    kind: str
    tier: str
    set_id: str


@dataclass(frozen=True, slots=True)
class HelixBadge:
    """One version of a badge."""

    set_id: str
    version: str
    title: str
    image_url: str


@dataclass(frozen=True, slots=True)
class CheerTier:
    """From how many bits on a cheer has this colour (#rrggbb) and picture."""

    min_bits: int
    color: str
    image_url: str


@dataclass(frozen=True, slots=True)
class HelixCheermote:
    """A word that, with a number behind it, gives bits; its tiers from the least on."""

    prefix: str
    tiers: tuple[CheerTier, ...]


@dataclass(frozen=True, slots=True)
class HelixSubscription:
    """A kind of event that Twitch tells over a session."""

    id: str
    type: str
    version: str
    condition: Mapping[str, str]
    status: str
    session_id: str
    cost: int


def read_rows(parse: Callable[[Row], T], rows: Iterable[Row], what: str) -> list[T]:
    """What could be understood. TwitchAway if nothing could: that is no empty list, but a format not known here."""
    found, unreadable = [], 0
    for row in rows:
        try:
            found.append(parse(row))
        except (KeyError, TypeError, ValueError):
            unreadable += 1
    if unreadable and not found:
        raise TwitchAway("Twitch answered something that makes no sense.")
    if unreadable:
        log.warning("helix.unreadable_rows", what=what, rows=unreadable)
    return found


def chatter(row: Row) -> Chatter:
    login = needed(row["user_login"], NAME)
    return Chatter(identifier(row["user_id"]), login, text(row.get("user_name"), NAME) or login)


def user(row: Row) -> HelixUser:
    login = needed(row["login"], NAME)
    return HelixUser(
        identifier(row["id"]),
        login,
        text(row.get("display_name"), NAME) or login,
        address(row.get("profile_image_url")),
        moment_or_none(row.get("created_at")),
        text(row.get("broadcaster_type"), LANGUAGE),
    )


def stream(row: Row) -> HelixStream:
    owner = chatter(row)
    return HelixStream(
        identifier(row["id"]),
        *owner,
        moment(row["started_at"]),
        text(row.get("title"), TITLE),
        text(row.get("game_id"), ID),
        text(row.get("game_name"), CATEGORY),
        number(row.get("viewer_count")),
        text(row.get("language"), LANGUAGE),
        text(row.get("type"), LANGUAGE),
    )


def emote(row: Row) -> HelixEmote:
    formats = row.get("format")
    return HelixEmote(
        identifier(row["id"], WORD),
        needed(row["name"], EMOTE_NAME),
        address(inside(row, "images", "url_2x")),
        isinstance(formats, list) and "animated" in formats,
        text(row.get("emote_type"), LANGUAGE),
        text(row.get("tier"), LANGUAGE),
        text(row.get("emote_set_id"), WORD),
    )


def badge_set(row: Row) -> list[HelixBadge]:
    set_id, versions = needed(row["set_id"], WORD), row["versions"]
    if not isinstance(versions, list):
        raise TypeError("no list")
    return [
        HelixBadge(
            set_id,
            needed(version["id"], WORD),
            text(version.get("title"), BADGE_TITLE),
            address(version.get("image_url_2x")),
        )
        for version in versions
    ]


def cheermote(row: Row) -> HelixCheermote:
    tiers = row["tiers"]
    if not isinstance(tiers, list):
        raise TypeError("no list")
    found = [
        CheerTier(
            number(tier["min_bits"]),
            color(tier.get("color")),
            address(inside(tier, "images", "dark", "animated", "2")),
        )
        for tier in tiers
    ]
    return HelixCheermote(needed(row["prefix"], WORD), tuple(sorted(found, key=lambda tier: tier.min_bits)))


def subscription(row: Row) -> HelixSubscription:
    condition = row.get("condition")
    return HelixSubscription(
        identifier(row["id"], WORD),
        needed(row["type"], 96),
        text(row.get("version"), LANGUAGE),
        {str(name): str(value) for name, value in condition.items()} if isinstance(condition, dict) else {},
        text(row.get("status"), WORD),
        text(inside(row, "transport", "session_id"), 256),
        number(row.get("cost")),
    )


# Pieces. Those that have to be there raise ValueError where they are not; others are empty.


def identifier(value: object, length: int = ID) -> str:
    """An id: it goes into addresses and keys, so nothing in it may mean anything there."""
    if not isinstance(value, str) or not 0 < len(value) <= length or not value.isascii():
        raise ValueError("no id")
    if not (value.isalnum() or value.replace("_", "").replace("-", "").isalnum()):
        raise ValueError("no id")
    return value


def needed(value: object, length: int) -> str:
    if found := text(value, length):
        return found
    raise ValueError("no text")


def text(value: object, length: int) -> str:
    """As much as the column holds, without what Postgres has no place for: NUL, and halves of characters."""
    if not isinstance(value, str):
        return ""
    if value.isascii() and "\0" not in value:
        return value[:length]
    return value.encode(errors="ignore").decode().replace("\0", "")[:length]


def number(value: object) -> int:
    """How many; ValueError where it is no number that a column holds."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
        raise ValueError("no number")
    return value


def moment(value: object) -> datetime:
    """An RFC3339 time, with up to nine digits behind the second, of which six are kept."""
    if not isinstance(value, str):
        raise TypeError("no time")
    found = datetime.fromisoformat(value)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def moment_or_none(value: object) -> datetime | None:
    try:
        return moment(value)
    except (TypeError, ValueError, OverflowError):
        return None


def color(value: object) -> str:
    is_color = isinstance(value, str) and len(value) == 7 and value.startswith("#")
    return str(value) if is_color and all(char in "0123456789abcdefABCDEF" for char in str(value)[1:]) else ""


def address(value: object) -> str:
    """An address a page may show: https, or of a server on this machine."""
    if not isinstance(value, str) or len(value) > URL or not (value.isascii() and value.isprintable()) or " " in value:
        return ""
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        is_ours = parts.scheme == "http" and ip_address(host).is_loopback
    except ValueError:  # a bracket that is not closed, or http and no number
        return ""
    return value if host and (parts.scheme == "https" or is_ours) else ""


def inside(value: object, *names: str) -> object:
    """What stands at the end of a path of names; None where the path ends before."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
