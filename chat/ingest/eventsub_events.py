"""What an EventSub notification can mean. Times are milliseconds since the epoch; ids are opaque text.

A viewer who stays anonymous is the empty text.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Person(NamedTuple):
    """Somebody, as they are called at the moment of the notification."""

    id: str
    login: str
    display_name: str


class StreamOnline(NamedTuple):
    """A stream began."""

    stream_id: str
    started_ms: int


class StreamOffline(NamedTuple):
    """The stream ended. Twitch says neither which nor when: it is the time of the notification."""


class ChannelChanged(NamedTuple):
    """Title and category are these from now on."""

    title: str
    category_id: str
    category: str


class Redeemed(NamedTuple):
    """Points were spent, or what became of them. The status is one of `Redemption.Status`."""

    id: str
    viewer_id: str
    reward_id: str
    title: str
    cost: int
    prompt: str
    is_automatic: bool
    status: str
    text: str
    redeemed_ms: int


class Told(NamedTuple):
    """Something that becomes a `ChatEvent`."""

    id: str
    kind: str
    at_ms: int
    viewer_id: str = ""
    amount: int = 0
    text: str = ""
    recipient_id: str = ""
    params: Mapping[str, Any] = {}


class Deed(NamedTuple):
    """Something a moderator did: a `ModerationEvent`."""

    kind: str
    at_ms: int
    target_id: str = ""
    target_login: str = ""
    message_id: str = ""
    duration_seconds: int | None = None
    moderator_id: str = ""
    reason: str = ""


Fact = StreamOnline | StreamOffline | ChannelChanged | Redeemed | Told | Deed


class Notification(NamedTuple):
    """One notification, whatever it tells."""

    type: str
    sent_ms: int
    room_id: str
    """The channel it is about; empty where it is only about people."""
    channel: str
    people: tuple[Person, ...]
    """Everybody whom it names."""
    fact: Fact | None
