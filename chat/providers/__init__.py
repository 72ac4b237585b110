"""The emote providers, each in its own module: JSON and live frames in, sets and changes out. Knows no database.

What comes from a provider is never trusted: a field that is missing or of another kind costs that one emote.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

SEVENTV, BTTV, FFZ = "7tv", "bttv", "ffz"
PROVIDERS = (SEVENTV, BTTV, FFZ)

MAX_NAME, MAX_ID, MAX_URL = 128, 64, 500  # what the columns hold


@dataclass(frozen=True, slots=True)
class SetEntry:
    """An emote as one set has it."""

    provider: str
    provider_id: str
    name: str
    """What is typed in chat: an alias, or the base name."""
    base_name: str
    """What its maker called it."""
    image_url: str
    is_zero_width: bool = False
    is_animated: bool = False


class ParsedSet(NamedTuple):
    """What a body said, and how many of its emotes could not be understood."""

    entries: list[SetEntry]
    malformed: int = 0


class Added(NamedTuple):
    """An emote came, or an emote that is there is now as told here."""

    entry: SetEntry


class Removed(NamedTuple):
    provider_id: str


class Renamed(NamedTuple):
    provider_id: str
    name: str


Change = Added | Removed | Renamed


def collect(parsed: Iterable[SetEntry | None], malformed: int = 0) -> ParsedSet | None:
    """Gather entries (None: not understood). Of two with one name the later wins, as in Chatterino.

    Returns None if there were emotes and not one was understood: that is no empty set but a format we do not know.
    """
    by_name: dict[str, SetEntry] = {}
    for entry in parsed:
        if entry is None:
            malformed += 1
        else:
            by_name[entry.name] = entry
    return ParsedSet(list(by_name.values()), malformed) if by_name or not malformed else None


def mapping(value: object) -> Mapping[str, object]:
    """Return the JSON object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[object]:
    """Return the JSON array, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def name(value: object) -> str:
    """Return a name that can be typed as one word and stored, else an empty one."""
    is_usable = isinstance(value, str) and 0 < len(value) <= MAX_NAME and " " not in value and _is_storable(value)
    return str(value) if is_usable else ""


def identifier(value: object) -> str:
    """Return an id as text (FrankerFaceZ has numbers), else an empty one."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and 0 < len(value) <= MAX_ID and _is_word(value) else ""


def flags(value: object) -> int:
    return value if isinstance(value, int) else 0


def image_address(value: object) -> str:
    """Return an address a page may show, else an empty one. Always https, but for a server on this machine."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        return ""
    url = f"https:{value}" if value.startswith("//") else value
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:  # such as a bracket that is not closed
        return ""
    if not host or parts.scheme not in ("http", "https"):
        return ""
    if parts.scheme == "http" and not _is_this_machine(host):
        url = "https" + url.removeprefix("http")
    return url if len(url) <= MAX_URL else ""


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_word(text: str) -> bool:
    """Ids go into addresses: nothing in them may lead elsewhere."""
    return text.isascii() and text.replace("_", "").replace("-", "").isalnum()


def _is_storable(text: str) -> bool:
    """Postgres has no place for NUL, and JSON may hold halves of characters that UTF-8 has none for."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def with_changes(entries: Iterable[SetEntry], changes: Iterable[Change]) -> list[SetEntry]:
    """Return the set as it is after the changes, the changed ones last. A change of what is not there is none."""
    present = list(entries)
    for change in changes:
        changed_id = change.entry.provider_id if isinstance(change, Added) else change.provider_id
        before = [entry for entry in present if entry.provider_id == changed_id]
        present = [entry for entry in present if entry.provider_id != changed_id]
        if isinstance(change, Added):
            present.append(change.entry)
        elif isinstance(change, Renamed):
            present += [replace(entry, name=change.name) for entry in before[:1]]
    return present
