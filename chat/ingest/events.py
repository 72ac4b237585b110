"""What a line of chat can mean. Tuples rather than dataclasses: twenty fields cost a fifth of the time.

Times are milliseconds since the epoch, as Twitch sends them; ids are opaque text.
"""

from collections.abc import Mapping
from typing import NamedTuple

EmoteRange = tuple[int, int, str]
"""A Twitch emote in a text: code points [start, end), emote id."""


class ChatMessage(NamedTuple):
    """PRIVMSG: somebody wrote something."""

    id: str
    room_id: str
    channel: str
    user_id: str
    login: str
    display_name: str
    color: str
    sent_ms: int
    text: str
    is_action: bool
    is_first: bool
    is_returning: bool
    bits: int
    badges: str
    badge_info: str
    notice: str
    reward_id: str
    reply_to_id: str
    reply_to_user_id: str
    thread_id: str
    source_id: str
    source_room_id: str
    """Where it was written, for a copy that a shared chat mirrors here; empty for everything else."""
    emotes: tuple[EmoteRange, ...]


class UserNotice(NamedTuple):
    """USERNOTICE: Twitch announces something about a viewer."""

    id: str
    room_id: str
    channel: str
    user_id: str
    login: str
    display_name: str
    color: str
    sent_ms: int
    kind: str
    text: str
    system_text: str
    params: Mapping[str, str]
    """The msg-param tags, without that prefix."""
    source_room_id: str


class ViewerCleared(NamedTuple):
    """CLEARCHAT with a target: a timeout, or a ban if there is no duration."""

    room_id: str
    channel: str
    user_id: str
    login: str
    sent_ms: int
    duration_seconds: int | None


class ChatCleared(NamedTuple):
    """CLEARCHAT without a target: everything said so far is gone."""

    room_id: str
    channel: str
    sent_ms: int


class MessageDeleted(NamedTuple):
    """CLEARMSG: a moderator deleted one message. Twitch may leave the room id out."""

    room_id: str
    channel: str
    login: str
    message_id: str
    sent_ms: int


class RoomState(NamedTuple):
    """ROOMSTATE: all settings of a room on joining, later only what changed."""

    room_id: str
    channel: str
    settings: Mapping[str, str]


class RoomNotice(NamedTuple):
    """NOTICE: a word from Twitch to us or to the room."""

    channel: str
    kind: str
    text: str


class Membership(NamedTuple):
    """JOIN, PART or 353: who is, or is no longer, connected to the chat."""

    channel: str
    logins: tuple[str, ...]
    is_present: bool


class Reconnect(NamedTuple):
    """RECONNECT: the server is about to close this connection."""


class Ignored(NamedTuple):
    """A line that says nothing about the chat, such as PING or the welcome numerics."""

    command: str


class Unreadable(NamedTuple):
    """A line of a kind not known, or one that lacks what its kind must have."""

    reason: str


Event = (
    ChatMessage
    | UserNotice
    | ViewerCleared
    | ChatCleared
    | MessageDeleted
    | RoomState
    | RoomNotice
    | Membership
    | Reconnect
    | Ignored
    | Unreadable
)
