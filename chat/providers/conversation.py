"""What is said on a live socket, without the socket: frames in, events and frames out."""

from typing import NamedTuple, Protocol

from chat.providers import Change


class Topic(NamedTuple):
    """What can be listened to: an emote set, a user, a room."""

    kind: str
    id: str


class Told(NamedTuple):
    """A set has changed."""

    topic: Topic
    changes: list[Change]


class Switched(NamedTuple):
    """A user has chosen another set (none: "") for one of the accounts connected to theirs."""

    topic: Topic
    connection: int
    set_id: str


class Missed(NamedTuple):
    """Changes of these may have gone unheard."""

    topics: list[Topic]


Event = Told | Switched | Missed


class Conversation(Protocol):
    """What is said on one socket. It knows no clock and does no I/O, and never raises on what it hears."""

    max_topics: int
    """As many topics as one socket may have."""
    is_leaving: bool
    """The connection is to be closed, and another one opened."""

    @property
    def topics(self) -> list[Topic]: ...

    @property
    def patience_s(self) -> float | None:
        """Longest silence on a line that is alive."""

    def watch(self, topic: Topic) -> None: ...

    def unwatch(self, topic: Topic) -> None: ...

    def opened(self) -> list[Event]: ...

    def heard(self, text: str) -> list[Event]: ...

    def outgoing(self) -> list[str]:
        """Return what is to be sent now, once."""

    def closed(self, code: int | None) -> float:
        """Return the least number of seconds to stay away."""
