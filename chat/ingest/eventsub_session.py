"""One EventSub connection's conversation: frames and time in; events and deeds out. No socket, loop or clock.

Twitch speaks, we only listen. Every frame is `{"metadata": {"message_id", "message_type", ...}, "payload": {...}}`.
"""

import enum
import json
import math
from collections import OrderedDict
from typing import Any, NamedTuple, TypeAlias

KEEPALIVE = 10.0  # seconds; where a welcome does not say
IDS_KEPT = 10_000  # a channel's busiest minutes, many times over
LONGEST_WORD = 200  # of what is Twitch's and is shown to people

CLOSE_CODES = {
    1000: "Twitch ended the connection",
    1001: "the server at Twitch is going away",
    1006: "the connection to Twitch broke off without a word",
    1009: "a message was larger than is ever expected",
    1011: "the server at Twitch failed",
    1012: "the server at Twitch starts again",
    4000: "Twitch had an error of its own",
    4001: "Twitch says that we sent data, where only it may speak",
    4002: "Twitch got no answer to its pings",
    4003: "no subscription was made in the seconds that Twitch allows for it",
    4004: "the time that Twitch gives for changing to a new connection ran out",
    4005: "Twitch waited too long for the network",
    4006: "the network failed Twitch",
    4007: "Twitch did not know the address it had given for the new connection",
}


class Timing(NamedTuple):
    """How long to wait for what, in seconds."""

    welcome: float = 10.0  # from the connection to Twitch's first word
    slack: float = 3.0  # beyond the silence that Twitch announced as the longest
    handover: float = 30.0  # after session_reconnect Twitch keeps the old connection no longer


class Phase(enum.Enum):
    WAITING = "waiting for the welcome"
    OPEN = "open"
    MOVING = "asked to reconnect"
    OVER = "given up"


class Subscribe(NamedTuple):
    """Make all subscriptions on this session, the first within 10 s."""

    session_id: str


class TakeOver(NamedTuple):
    """The subscriptions of the connection before this one came along: close that one."""

    session_id: str


class Connect(NamedTuple):
    """Open a new connection to exactly this address; this one goes on until that one has its welcome."""

    url: str


class Revoked(NamedTuple):
    """A subscription that Twitch ended."""

    type: str
    condition: dict[str, str]
    status: str


class Malformed(NamedTuple):
    """A frame that nobody can read was handed on as it came."""

    reason: str


class Over(NamedTuple):
    """The connection is of no more use."""

    reason: str


Deed: TypeAlias = Subscribe | TakeOver | Connect | Revoked | Malformed | Over


class Seen:
    """The ids of the last messages of one account, on whichever of its connections they came."""

    def __init__(self, limit: int = IDS_KEPT) -> None:
        self.limit = limit
        self._ids: OrderedDict[str, None] = OrderedDict()

    def is_new(self, message_id: str) -> bool:
        """Remember an id; true the first time."""
        if message_id in self._ids:
            return False
        self._ids[message_id] = None
        if len(self._ids) > self.limit:
            self._ids.popitem(last=False)
        return True


class Unreadable(Exception):
    """A frame is not what Twitch says it sends."""


class Session:
    """The protocol of one connection. A carried one follows session_reconnect and has subscriptions already."""

    def __init__(self, seen: Seen, now: float, timing: Timing, *, is_carried: bool = False) -> None:
        self.seen = seen
        self.timing = timing
        self.is_carried = is_carried
        self.phase = Phase.WAITING
        self.keepalive = KEEPALIVE
        self.opened_at = self.heard_at = now
        self.moved_at = math.inf
        self.duplicates = 0
        self.malformed = 0
        self.reason = ""
        self._deeds: list[Deed] = []

    def opened(self, now: float) -> None:
        """Begin to wait for the welcome."""
        self.opened_at = self.heard_at = now

    def receive(self, frame: bytes, now: float) -> bytes:
        """Return the frame as one line if it is an event that is new; empty if it is none.

        What cannot be read is handed on too: it was delivered, and whoever keeps what is unreadable shall have it.
        """
        self.heard_at = now
        try:
            envelope = _envelope(frame)
            return self._handle(envelope, frame, now)
        except Unreadable as error:
            self.malformed += 1
            self._deeds.append(Malformed(str(error)))
            return _one_line(frame)

    def tick(self, now: float) -> None:
        """Give up what has been silent, or kept waiting, for too long."""
        if self.phase is Phase.OVER:
            return
        if self.phase is Phase.WAITING and now - self.opened_at >= self.timing.welcome:
            self.give_up("Twitch did not greet the connection")
        elif self.phase is Phase.MOVING and now - self.moved_at >= self.timing.handover:
            self.give_up(CLOSE_CODES[4004])
        elif self.phase is not Phase.WAITING and now - self.heard_at >= self.keepalive + self.timing.slack:
            self.give_up(f"Twitch was silent for longer than the {self.keepalive:g} s it had announced")

    def closed(self, code: int | None) -> None:
        """Note the Close frame that ended the connection; None where it ended without one."""
        words = CLOSE_CODES.get(code or 1006, "Twitch closed the connection")
        self.give_up(f"{words} (code {code or 1006})")

    def give_up(self, reason: str) -> None:
        """End it; what is said of the end first, holds."""
        if self.phase is not Phase.OVER:
            self.phase, self.reason = Phase.OVER, reason
            self._deeds.append(Over(reason))

    def take_deeds(self) -> list[Deed]:
        deeds, self._deeds = self._deeds, []
        return deeds

    def _handle(self, envelope: dict[str, Any], frame: bytes, now: float) -> bytes:
        metadata, payload = _object(envelope, "metadata"), _object(envelope, "payload")
        match _text(metadata, "message_type"):
            case "notification":
                return self._notified(_text(metadata, "message_id"), envelope, frame)
            case "session_welcome":
                self._welcomed(_object(payload, "session"))
            case "session_reconnect":
                self._asked_to_move(_object(payload, "session"), now)
            case "revocation":
                self._revoked(_object(payload, "subscription"))
            case _:
                pass  # keepalives, and kinds that Twitch may add
        return b""

    def _notified(self, message_id: str, envelope: dict[str, Any], frame: bytes) -> bytes:
        if not self.seen.is_new(message_id):
            self.duplicates += 1
            return b""
        if b"\n" in frame or b"\r" in frame:  # between its parts, for in a text JSON has no line ends
            return json.dumps(envelope, separators=(",", ":")).encode()
        return frame

    def _welcomed(self, session: dict[str, Any]) -> None:
        session_id = _text(session, "id")
        seconds = session.get("keepalive_timeout_seconds")
        if isinstance(seconds, int | float) and 0 < seconds < math.inf:
            self.keepalive = float(seconds)
        if self.phase is Phase.WAITING:
            self.phase = Phase.OPEN
            self._deeds.append(TakeOver(session_id) if self.is_carried else Subscribe(session_id))

    def _asked_to_move(self, session: dict[str, Any], now: float) -> None:
        url = _text(session, "reconnect_url")
        if not url.startswith(("wss://", "ws://")):
            raise Unreadable("session_reconnect names no WebSocket address")
        if self.phase in (Phase.WAITING, Phase.OPEN):
            self.phase, self.moved_at = Phase.MOVING, now
            self._deeds.append(Connect(url))

    def _revoked(self, subscription: dict[str, Any]) -> None:
        condition = {str(key): str(value) for key, value in _object(subscription, "condition").items() if value}
        self._deeds.append(Revoked(_text(subscription, "type"), condition, _text(subscription, "status")))


def shown(text: str) -> str:
    """Make Twitch's words fit for people and tables: one line, short, and nothing that is no text."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return printable.encode("utf-8", "replace").decode()[:LONGEST_WORD].strip()


def _envelope(frame: bytes) -> dict[str, Any]:
    try:
        envelope = json.loads(frame.decode())
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {type(error).__name__}") from error
    if not isinstance(envelope, dict):
        raise Unreadable("JSON, but no object")
    return envelope


def _object(parent: dict[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise Unreadable(f"{name} is missing, or no object")
    return value


def _text(parent: dict[str, Any], name: str) -> str:
    value = parent.get(name)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"{name} is missing, or no text")
    return value


def _one_line(frame: bytes) -> bytes:
    return b" ".join(frame.split(b"\n")).replace(b"\r", b" ").strip()
