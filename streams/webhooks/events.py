"""What a webhook can be told of, and who knows more of each.

The log of changes says that a row is another now. A `Source` says which events that is, and what is told of them: the
row as the API answers it, if anybody may see it. Sources of what stands above this app enter themselves when it starts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from django.utils.crypto import salted_hmac

from streams.models import ApiKey, Channel
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
    Event("chat.contest", "Chat", "a poll, a prediction or a hype train ends"),
    Event("chat.other", "Chat", "Twitch announces anything else"),
    Event("redemption.new", "Channel points", "somebody spends channel points"),
    Event("redemption.changed", "Channel points", "what was asked for is fulfilled, or the points are given back"),
    Event("achievement.earned", "Viewers", "somebody earns an achievement"),
    Event("profile.changed", "Viewers", "the text on somebody's page changes"),
    Event("summary.published", "Viewers", "a summary of somebody can be read"),
    Event(GONE, "Viewers", "somebody is hidden or erased: whoever copied what was told must delete it"),
    Event(QUOTA, "This site", "a key of the API has used most of its day's requests"),
)
DISGUISED = 24
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
    is_secret: bool = False
    """The key is of somebody who is erased: it is kept sealed, and only until it was told."""


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


class Known:
    """The sources there are. Those of apps above this one are imported when somebody asks: few processes do."""

    def __init__(self) -> None:
        self._modules: list[str] = []
        self._by_resource: dict[str, Source] = {}
        self._by_event: dict[str, Source] = {}

    def enter_from(self, module: str) -> None:
        """This module enters sources, once it is imported."""
        self._modules.append(module)

    def enter(self, source: Source) -> None:
        self._by_resource[source.resource] = source
        self._by_event.update(dict.fromkeys(source.events, source))

    @property
    def by_resource(self) -> dict[str, Source]:
        self._import()
        return self._by_resource

    @property
    def by_event(self) -> dict[str, Source]:
        self._import()
        return self._by_event

    def _import(self) -> None:
        while self._modules:
            import_module(self._modules[-1])
            self._modules.pop()


KNOWN = Known()


def disguised(text: str) -> str:
    """The same for the same text, and nobody reads it from that: for ids of events that would name a viewer."""
    return salted_hmac("streams.webhooks", text, algorithm="sha256").hexdigest()[:DISGUISED]


class Quota:
    """The log says which key, on which day, and how much of that day's requests it used: "3:2026-11-21:90"."""

    resource = "quota"
    events: Sequence[str] = (QUOTA,)

    def found(self, channel: Channel, entries: Sequence[Entry]) -> Iterable[Found]:
        for entry in entries:
            yield Found(QUOTA, f"{QUOTA}.{entry.place.key}", entry.place.key, entry.at, entry)

    def told(self, channel: Channel, event: str, key: str) -> Mapping[str, Any] | None:
        number, day, percent = key.split(":")
        found = ApiKey.objects.filter(pk=int(number), channel=channel).first()
        return {"key": found.prefix, "day": day, "percent": int(percent)} if found else None


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
