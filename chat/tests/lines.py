"""Raw chat lines for tests, as Twitch sends them. Times are seconds after NOON."""

import json
import uuid
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

from chat.ingest.batch import Line, read_lines

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
NOON_MS = 1_773_489_600_000
MINUTE = 60
HOUR = 3600
DAY = 86_400

Tags = dict[str, str]


def ms(at: float) -> int:
    return NOON_MS + round(at * 1000)


def moment(at: float) -> datetime:
    return NOON + timedelta(seconds=at)


def number_of(name: str) -> str:
    """Return the Twitch id of a viewer or channel of the tests."""
    return str(1000 + zlib.crc32(name.encode()) % 1_000_000)


def id_of(*facts: object) -> str:
    """Return the id of a message or notice: the same facts have the same id."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, repr(facts)))


def tagged(tags: Tags, changes: dict[str, object]) -> str:
    """Write tags with these changes: `reply_parent_msg_id="x"` sets reply-parent-msg-id, None takes a tag out."""
    told: dict[str, object] = {**tags, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return "@" + ";".join(f"{name}={escaped(str(value))}" for name, value in told.items() if value is not None)


def escaped(value: str) -> str:
    for plain, escape in (("\\", "\\\\"), (";", "\\:"), (" ", "\\s"), ("\r", "\\r"), ("\n", "\\n")):
        value = value.replace(plain, escape)
    return value


def privmsg(
    text: str = "hello", *, user: str = "alice", at: float = 0, channel: str = "example", **changes: object
) -> bytes:
    tags = {
        "badge-info": "",
        "badges": "",
        "color": "#FF4500",
        "display-name": user.capitalize(),
        "emotes": "",
        "first-msg": "0",
        "flags": "",
        "id": id_of("message", text, user, at, channel),
        "mod": "0",
        "returning-chatter": "0",
        "room-id": number_of(channel),
        "subscriber": "0",
        "tmi-sent-ts": str(ms(at)),
        "turbo": "0",
        "user-id": number_of(user),
        "user-type": "",
    }
    return f"{tagged(tags, changes)} :{user}!{user}@{user}.tmi.twitch.tv PRIVMSG #{channel} :{text}".encode()


def mirrored(text: str = "from elsewhere", *, source: str = "elsewhere", **told: Any) -> bytes:
    """A message of a shared chat that was written in another channel."""
    original = {"source_room_id": number_of(source), "source_id": id_of("original", text, source)}
    return privmsg(text, **{**original, **told})


def usernotice(
    kind: str, *, user: str = "alice", at: float = 0, channel: str = "example", text: str = "", **changes: object
) -> bytes:
    """A notice; parameters are given as `msg_param_...`, whose underscores become hyphens."""
    tags = {
        "badges": "",
        "color": "#FF4500",
        "display-name": user.capitalize(),
        "emotes": "",
        "id": id_of("notice", kind, user, at, channel, sorted(changes.items())),
        "login": user,
        "msg-id": kind,
        "room-id": number_of(channel),
        "system-msg": f"{user} did it: {kind}",
        "tmi-sent-ts": str(ms(at)),
        "user-id": number_of(user),
        "user-type": "",
    }
    said = f" :{text}" if text else ""
    return f"{tagged(tags, changes)} :tmi.twitch.tv USERNOTICE #{channel}{said}".encode()


def gift_bomb(
    *recipients: str, user: str = "alice", at: float = 0, bomb: str = "bomb", **changes: object
) -> list[bytes]:
    """A bomb and its members, each a second after the one before."""
    shared: dict[str, Any] = {"msg_param_community_gift_id": bomb, "msg_param_sub_plan": "1000", **changes}
    first = usernotice("submysterygift", user=user, at=at, msg_param_mass_gift_count=len(recipients), **shared)
    members = [
        usernotice("subgift", user=user, at=at + n, msg_param_recipient_id=number_of(recipient), **shared)
        for n, recipient in enumerate(recipients, start=1)
    ]
    return [first, *members]


def clearchat(user: str = "", *, at: float = 0, seconds: int | None = None, channel: str = "example") -> bytes:
    """A timeout, a ban if there are no seconds, or a cleared chat if there is no user."""
    tags = {"room-id": number_of(channel), "tmi-sent-ts": str(ms(at))}
    if user:
        tags["target-user-id"] = number_of(user)
    if seconds is not None:
        tags["ban-duration"] = str(seconds)
    target = f" :{user}" if user else ""
    return f"{tagged(tags, {})} :tmi.twitch.tv CLEARCHAT #{channel}{target}".encode()


def clearmsg(
    message_id: str, *, user: str = "alice", at: float = 0, channel: str = "example", room_id: str = ""
) -> bytes:
    tags = {"login": user, "room-id": room_id, "target-msg-id": message_id, "tmi-sent-ts": str(ms(at))}
    return f"{tagged(tags, {})} :tmi.twitch.tv CLEARMSG #{channel} :what they wrote".encode()


def roomstate(channel: str = "example", **changes: object) -> bytes:
    tags = {"emote-only": "0", "room-id": number_of(channel), "slow": "0"}
    return f"{tagged(tags, changes)} :tmi.twitch.tv ROOMSTATE #{channel}".encode()


def gap(channel: str = "example", *, start: float = 0, end: float = 10, reason: str = "we were away") -> bytes:
    return json.dumps({"channel": channel, "from": ms(start), "to": ms(end), "reason": reason}).encode()


def read(*raws: bytes, source: str = "entry", kind: str = "irc") -> list[Line]:
    """Read lines as the writer reads those of one entry."""
    return read_lines(source, kind, NOON_MS, raws)


def tag(line: bytes, name: str) -> str:
    """Return the plain value of a tag of a line."""
    found = dict(pair.partition("=")[::2] for pair in line[1:].partition(b" ")[0].decode().split(";"))
    return found[name]
