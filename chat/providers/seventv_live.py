"""The conversation on 7TV's EventAPI."""

import json
from collections.abc import Iterator, Mapping
from enum import Enum, auto

import structlog

from chat.providers import Added, Change, Removed, Renamed, identifier, mapping, name, sequence
from chat.providers.conversation import Event, Missed, Switched, Told, Topic
from chat.providers.seventv import is_visible, parse_entry

log = structlog.get_logger(__name__)

DISPATCH, HELLO, HEARTBEAT, RECONNECT, ACK, ERROR, END_OF_STREAM = 0, 1, 2, 4, 5, 6, 7
RESUME, SUBSCRIBE, UNSUBSCRIBE = 34, 35, 36
EMOTE_SET, USER = "emote_set.update", "user.update"

MAX_TOPICS = 100
HELLO_PATIENCE_S = 20.0
MISSED_HEARTBEATS = 3
MAX_HEARTBEAT_S = 300.0
MAINTENANCE_S = 300.0
OUR_FAULT_S = 3600.0
# Seconds to stay away by close code. Other codes: come back at once, or nearly.
STAY_AWAY = {
    4005: MAINTENANCE_S,  # rate limited
    4007: MAINTENANCE_S,
    # We said something that the server refuses, and would say it again: the sets are polled meanwhile.
    **dict.fromkeys((4001, 4002, 4003, 4004, 4009, 4010, 4011), OUR_FAULT_S),
}


def emote_set(set_id: str) -> Topic:
    return Topic(EMOTE_SET, set_id)


def user(user_id: str) -> Topic:
    return Topic(USER, user_id)


class State(Enum):
    CLOSED = auto()
    GREETING = auto()
    RESUMING = auto()
    LIVE = auto()


class EventApi:
    """Subscribes to topics, and after a loss takes its old session up again if the server still has it."""

    def __init__(self) -> None:
        self.max_topics = MAX_TOPICS
        self.is_leaving = False
        self.state = State.CLOSED
        self._wanted: dict[Topic, None] = {}
        self._subscribed: dict[Topic, None] = {}
        self._session_id = ""
        self._heartbeat_s = 0.0
        self._end_code: int | None = None
        self._outgoing: list[str] = []

    @property
    def topics(self) -> list[Topic]:
        return list(self._wanted)

    @property
    def patience_s(self) -> float:
        return self._heartbeat_s * MISSED_HEARTBEATS or HELLO_PATIENCE_S

    def watch(self, topic: Topic) -> None:
        self._wanted[topic] = None
        if self.state is State.LIVE:
            self._subscribe()

    def unwatch(self, topic: Topic) -> None:
        del self._wanted[topic]
        if self.state is State.LIVE:
            self._subscribe()

    def opened(self) -> list[Event]:
        self.state = State.GREETING
        self._heartbeat_s = 0.0
        return []

    def outgoing(self) -> list[str]:
        frames, self._outgoing = self._outgoing, []
        return frames

    def closed(self, code: int | None) -> float:
        if self._end_code is not None:
            code = self._end_code
        self.state = State.CLOSED
        self.is_leaving = False
        self._end_code = None
        self._outgoing.clear()
        return STAY_AWAY.get(code or 0, 0.0)

    def heard(self, text: str) -> list[Event]:
        try:
            frame = mapping(json.loads(text))
        except (ValueError, RecursionError):
            log.warning("emotes.frame_unreadable", provider="7tv", size=len(text))
            return []
        op, data = frame.get("op"), mapping(frame.get("d"))
        if op == DISPATCH:
            return list(read_dispatch(data))
        if op == HELLO:
            self._greeted(data)
        elif op in (RECONNECT, END_OF_STREAM):
            self.is_leaving = True
            self._end_code = _code(data)
        elif self.state is State.RESUMING:
            return self._resumed(op, data)
        elif op == ERROR:
            log.warning("emotes.server_error", provider="7tv", message=str(data.get("message"))[:200])
        return []

    def _greeted(self, data: Mapping[str, object]) -> None:
        old_session, self._session_id = self._session_id, identifier(data.get("session_id"))
        self._heartbeat_s = _heartbeat_s(data.get("heartbeat_interval"))
        limit = data.get("subscription_limit")
        self.max_topics = min(MAX_TOPICS, limit) if isinstance(limit, int) and limit > 0 else MAX_TOPICS
        if len(self._wanted) > self.max_topics:
            log.warning("emotes.more_topics_than_allowed", provider="7tv", limit=self.max_topics)
        if old_session and self._subscribed:
            self.state = State.RESUMING
            self._say(RESUME, {"session_id": old_session})
        else:
            self._begin_anew()

    def _resumed(self, op: object, data: Mapping[str, object]) -> list[Event]:
        """Go on where the old session ended. A refusal, or a heartbeat before an answer, means that it is gone."""
        if op == ACK and mapping(data.get("data")).get("success") is True:
            self.state = State.LIVE
            self._subscribe()
            return []
        if op == ACK and data.get("command") != "RESUME":
            return []
        missed = list(self._subscribed)
        self._begin_anew()
        return [Missed(missed)]

    def _begin_anew(self) -> None:
        self.state = State.LIVE
        self._subscribed.clear()
        self._subscribe()

    def _subscribe(self) -> None:
        """Make what is subscribed what is wanted, as far as the server allows."""
        for topic in [found for found in self._subscribed if found not in self._wanted]:
            del self._subscribed[topic]
            self._say(UNSUBSCRIBE, _condition(topic))
        for topic in list(self._wanted)[: self.max_topics]:
            if topic not in self._subscribed:
                self._subscribed[topic] = None
                self._say(SUBSCRIBE, _condition(topic))

    def _say(self, op: int, data: dict[str, object]) -> None:
        self._outgoing.append(json.dumps({"op": op, "d": data}))


def read_dispatch(data: Mapping[str, object]) -> Iterator[Event]:
    """Read what a dispatch tells; parts that are not understood are left out."""
    body = mapping(data.get("body"))
    object_id = identifier(body.get("id"))
    if data.get("type") == EMOTE_SET:
        changes = list(_changes(body))
        if object_id and changes:
            yield Told(emote_set(object_id), changes)
    elif data.get("type") == USER and object_id:
        yield from _switches(user(object_id), body)


def _changes(body: Mapping[str, object]) -> Iterator[Change]:
    for item in _items(body, "pulled", "emotes"):
        gone = identifier(mapping(item.get("old_value")).get("id"))
        if gone:
            yield Removed(gone)
    for item in _items(body, "pushed", "emotes"):
        entry = parse_entry(item.get("value")) if is_visible(item.get("value")) else None
        if entry:
            yield Added(entry)
    for item in _items(body, "updated", "emotes"):
        yield from _update(mapping(item.get("old_value")), mapping(item.get("value")))


def _update(old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[Change]:
    """Read a change of an entry: a rename mostly, but it may also have become another emote, or an unlisted one."""
    old_id, new_id = identifier(old.get("id")), identifier(new.get("id"))
    entry, alias = parse_entry(new), name(new.get("name"))
    if old_id and (old_id != new_id or not is_visible(new)):
        yield Removed(old_id)
    if entry and is_visible(new):
        yield Added(entry)
    elif new_id and alias and not entry:
        yield Renamed(new_id, alias)


def _switches(topic: Topic, body: Mapping[str, object]) -> Iterator[Switched]:
    for item in _items(body, "updated", "connections"):
        index = item.get("index")
        for change in map(mapping, sequence(item.get("value"))):
            if change.get("key") == "emote_set" and isinstance(index, int):
                yield Switched(topic, index, identifier(mapping(change.get("value")).get("id")))


def _items(body: Mapping[str, object], field: str, key: str) -> Iterator[Mapping[str, object]]:
    return (item for item in map(mapping, sequence(body.get(field))) if item.get("key") == key)


def _condition(topic: Topic) -> dict[str, object]:
    return {"type": topic.kind, "condition": {"object_id": topic.id}}


def _code(data: Mapping[str, object]) -> int | None:
    code = data.get("code")
    return code if isinstance(code, int) else None


def _heartbeat_s(interval_ms: object) -> float:
    if not isinstance(interval_ms, int | float) or not interval_ms > 0:
        return HELLO_PATIENCE_S
    return min(MAX_HEARTBEAT_S * 1000, interval_ms) / 1000
