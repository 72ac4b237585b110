"""One batch of lines on its way to the store: read, and sorted by what is to be done with it."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from chat.ingest import eventsub
from chat.ingest.events import (
    ChatCleared,
    ChatMessage,
    Event,
    Ignored,
    Membership,
    MessageDeleted,
    Reconnect,
    RoomNotice,
    RoomState,
    Unreadable,
    UserNotice,
    ViewerCleared,
)
from chat.ingest.eventsub_events import Notification
from chat.ingest.irc import parse


class MissedChat(NamedTuple):
    """What a reader says of a channel it could not hear in [from_ms, to_ms)."""

    channel: str
    from_ms: int
    to_ms: int
    reason: str


class Line(NamedTuple):
    """A received line with what it means."""

    source: str
    """Where it came from: stream entry or file, and its number in there."""
    raw: bytes
    received_ms: int
    event: Event | MissedChat | Notification


class Dead(NamedTuple):
    """A line nobody can use, and why."""

    line: Line
    reason: str


OF_A_ROOM = UserNotice | ViewerCleared | ChatCleared | MessageDeleted | RoomState | Notification
Moderation = ViewerCleared | ChatCleared | MessageDeleted


@dataclass(slots=True)
class Batch:
    """Lines by what the store does with them. Later copies of a message or notice in one batch are dropped."""

    messages: dict[tuple[str, str], ChatMessage] = field(default_factory=dict)
    notices: dict[str, UserNotice] = field(default_factory=dict)
    moderation: list[tuple[Line, Moderation]] = field(default_factory=list)
    told: list[Notification] = field(default_factory=list)
    """What EventSub told, in whatever order."""
    gaps: list[tuple[Line, MissedChat]] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    rooms: dict[str, str] = field(default_factory=dict)
    """Room id -> login, of every room that is spoken of."""


def read_lines(source: str, kind: str, received_ms: int, raws: Iterable[bytes], first: int = 0) -> list[Line]:
    """Read the lines of one entry. A line that makes no sense comes out as unreadable, never as an error."""
    reader = READERS.get(kind, _read_irc)
    return [
        Line(f"{source}:{number}", raw, received_ms, reader(raw)) for number, raw in enumerate(raws, start=first) if raw
    ]


def _read_irc(raw: bytes) -> Event:
    return parse(raw.decode("utf-8", "replace"))


def _read_gap(raw: bytes) -> MissedChat | Unreadable:
    try:
        told = json.loads(raw)
        gap = MissedChat(str(told["channel"]), int(told["from"]), int(told["to"]), str(told["reason"]))
        f"{gap.channel}{gap.reason}".encode()  # JSON may hold half a character, which is no text
        return gap
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        return Unreadable(f"gap: {type(error).__name__}: {error}")


READERS: dict[str, Callable[[bytes], Event | MissedChat | Notification]] = {
    "gap": _read_gap,
    "eventsub": eventsub.parse,
}


def sort_lines(lines: Iterable[Line]) -> Batch:
    """Sort lines by what is to be done with them."""
    batch = Batch()
    messages, rooms = batch.messages, batch.rooms
    for line in lines:
        event = line.event
        if isinstance(event, ChatMessage):
            messages.setdefault((event.id, event.room_id), event)
            if event.room_id not in rooms:
                rooms[event.room_id] = event.channel
        else:
            _sort_rare(batch, line)
    return batch


def _sort_rare(batch: Batch, line: Line) -> None:
    event = line.event
    match event:
        case UserNotice():
            batch.notices.setdefault(event.id, event)
        case ViewerCleared() | ChatCleared() | MessageDeleted():
            batch.moderation.append((line, event))
        case Notification():
            batch.told.append(event)
        case MissedChat():
            batch.gaps.append((line, event))
        case Unreadable():
            batch.dead.append(Dead(line, event.reason))
        case RoomState() | RoomNotice() | Membership() | Reconnect() | Ignored():
            pass  # nothing in them is kept, beyond which channel a room is
    if isinstance(event, OF_A_ROOM) and event.room_id:
        batch.rooms.setdefault(event.room_id, event.channel)
