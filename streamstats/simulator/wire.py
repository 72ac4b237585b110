"""How Twitch writes a line of IRC: tags in alphabetical order, escaped, and the parameters after them."""

import re
from collections.abc import Iterable, Mapping

HOST = "tmi.twitch.tv"
# The origin of every gift that is not part of a bomb: a hash of nothing, the same for all of them.
SINGLE_GIFT = "da 39 a3 ee 5e 6b 4b 0d 32 55 bf ef 95 60 18 90 af d8 07 09"
ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\:", " ": "\\s", "\r": "\\r", "\n": "\\n"})
COMMAND = re.compile(rb"(?:@[^ ]* +)?(?::[^ ]* +)?([^ ]+)(?: [*a-z0-9_=@ ]*?#([^ ]+))?")
ROOM_ID = re.compile(rb"[@;]room-id=([^; ]+)")


def escape(value: str) -> str:
    return value.translate(ESCAPES)


def tagged(tags: Mapping[str, str | int], rest: str) -> bytes:
    """`@k=v;k=v rest`, as bytes without a line end. Values are escaped here."""
    pairs = [
        f"{key}={value.translate(ESCAPES) if isinstance(value, str) else value}" for key, value in sorted(tags.items())
    ]
    return f"@{';'.join(pairs)} {rest}".encode()


def from_viewer(login: str, command: str, channel: str, text: str = "") -> str:
    """The part after the tags of a line that somebody caused."""
    tail = f" :{text}" if text else ""
    return f":{login}!{login}@{login}.{HOST} {command} #{channel}{tail}"


def from_twitch(command: str, channel: str, text: str = "") -> str:
    """The part after the tags of a line that Twitch itself sends into a room."""
    tail = f" :{text}" if text else ""
    return f":{HOST} {command} #{channel}{tail}"


def command_and_channel(line: bytes) -> tuple[bytes, bytes]:
    """(command, channel without `#`); the channel is empty for a line that concerns no room."""
    found = COMMAND.match(line)
    return (found[1], found[2] or b"") if found else (b"", b"")


def room_id(line: bytes) -> bytes:
    found = ROOM_ID.search(line)
    return found[1] if found else b""


def emote_tag(text: str, emotes: Mapping[str, str]) -> str:
    """`id:first-last,first-last/id:...` for the words that are Twitch emotes: code points, both ends inclusive."""
    spans: dict[str, list[str]] = {}
    cursor = 0
    for word in text.split(" "):
        if word in emotes:
            spans.setdefault(emotes[word], []).append(f"{cursor}-{cursor + len(word) - 1}")
        cursor += len(word) + 1
    return "/".join(f"{emote_id}:{','.join(places)}" for emote_id, places in spans.items())


def is_emotes_only(text: str, emotes: Mapping[str, str]) -> bool:
    return all(word in emotes for word in text.split(" "))


def payload(lines: Iterable[bytes]) -> str:
    """Several lines as one WebSocket text frame."""
    return b"".join(line + b"\r\n" for line in lines).decode()
