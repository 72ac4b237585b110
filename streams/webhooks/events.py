"""What a webhook can be told of, and who knows more of each.

The log of changes says that a row is another now. A `Source` says which events that is, and what is told of them: the
row as the API answers it, if anybody may see it. Sources of what stands above this app enter themselves when it starts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from streams.models import Channel
from streams.sync import Entry


class Event(NamedTuple):
    """One kind of event, as an owner chooses it."""

    name: str
    group: str
    words: str


TEST = "webhook.test"
QUOTA = "quota.warning"
GONE = "viewer.gone"

EVENTS = (
    Event("stream.online", "Streams", "a stream begins"),
    Event("stream.changed", "Streams", "it gets another title or category"),
    Event("stream.offline", "Streams", "it ends"),
    Event("chat.subscription", "Chat", "somebody subscribes, or goes on to"),
    Event("chat.gift", "Chat", "somebody gives subscriptions to others"),
    Event("chat.cheer", "Chat", "somebody spends Bits"),
    Event("chat.raid", "Chat", "a raid arrives or leaves"),
    Event("chat.follow", "Chat", "somebody follows"),
    Event("chat.contest", "Chat", "a poll, a prediction or a hype train ends"),
    Event("chat.other", "Chat", "Twitch announces anything else"),
    Event("redemption.new", "Channel points", "somebody spends channel points"),
    Event("redemption.changed", "Channel points", "it is fulfilled, or the points are given back"),
    Event("achievement.earned", "Viewers", "somebody earns an achievement"),
    Event("profile.changed", "Viewers", "the text on somebody's page changes"),
    Event("summary.published", "Viewers", "a summary of somebody or of a stream can be read"),
    Event(GONE, "Viewers", "somebody is hidden or erased: whoever copied what was told must delete it"),
    Event(QUOTA, "This site", "a key of the API has used most of its day's requests"),
)
NAMES = frozenset(event.name for event in EVENTS)


@dataclass(frozen=True)
class Found:
    """One event. `id` is the same whenever and however often it is found, and names nobody; `key` names the row."""

    event: str
    id: str
    key: str
    at: datetime
    entry: Entry
    viewer_id: str = ""


class Source(Protocol):
    """Knows the events of one resource of the log."""

    resource: str
    events: Sequence[str]

    def found(self, channel: Channel, entries: Sequence[Entry]) -> Iterable[Found]:
        """Which events these entries of the log are. Set-based: there may be thousands."""
        ...

    def told(self, channel: Channel, event: str, key: str) -> Mapping[str, Any] | None:
        """What is told of it now; None if that is gone, or not for everybody."""
        ...


class _Known:
    """The sources that entered themselves."""

    def __init__(self) -> None:
        self.by_resource: dict[str, Source] = {}
        self.by_event: dict[str, Source] = {}

    def enter(self, source: Source) -> None:
        self.by_resource[source.resource] = source
        self.by_event.update(dict.fromkeys(source.events, source))


KNOWN = _Known()


class Quota:
    """The log says which key, and how much of its requests it used: "3:90" for 90 % of those of the third."""

    resource = "quota"
    events: Sequence[str] = (QUOTA,)

    def found(self, channel: Channel, entries: Sequence[Entry]) -> Iterable[Found]:
        for entry in entries:
            yield Found(QUOTA, f"{QUOTA}.{entry.place.xid}.{entry.place.key}", entry.place.key, entry.at, entry)

    def told(self, channel: Channel, event: str, key: str) -> Mapping[str, Any] | None:
        name, _, percent = key.rpartition(":")
        return {"key": name, "percent": int(percent)} if percent.isdecimal() else None


class Trial:
    """Asked for by an owner who wants to see one arrive: in no log."""

    resource = ""
    events: Sequence[str] = (TEST,)

    def found(self, channel: Channel, entries: Sequence[Entry]) -> Iterable[Found]:
        return ()

    def told(self, channel: Channel, event: str, key: str) -> Mapping[str, Any] | None:
        return {"message": "This is a test. It arrived."}


KNOWN.enter(Quota())
KNOWN.enter(Trial())
