"""BetterTTV: its sets, and the frames of its live socket."""

import json
from collections.abc import Mapping

from chat.providers import (
    BTTV,
    Added,
    Change,
    ParsedSet,
    Removed,
    Renamed,
    SetEntry,
    collect,
    identifier,
    image_address,
    mapping,
    name,
    sequence,
)
from chat.providers.conversation import Event, Missed, Told, Topic

ROOM = "room"
# Not told by the API; Chatterino and BetterTTV's own extension know them by name.
ZERO_WIDTH = frozenset(["SoSnowy", "IceCold", "SantaHat", "TopHat", "ReinDeer", "CandyCane", "cvMask", "cvHazmat"])


def global_path() -> str:
    return "/cached/emotes/global"


def channel_path(twitch_id: str) -> str:
    return f"/cached/users/twitch/{twitch_id}"


def room(twitch_id: str) -> Topic:
    """Return what a channel is called on the live socket."""
    return Topic(ROOM, f"twitch:{twitch_id}")


def parse_global(body: object, cdn_url: str) -> ParsedSet | None:
    if not isinstance(body, list):
        return None
    return collect(_entry(emote, cdn_url) for emote in body)


def parse_channel(body: object, cdn_url: str) -> ParsedSet | None:
    """Read a channel's own emotes and those shared with it; a shared one wins over its own of the same name."""
    lists = [mapping(body).get(key) for key in ("channelEmotes", "sharedEmotes")]
    if not any(isinstance(emotes, list) for emotes in lists):
        return None
    return collect(_entry(emote, cdn_url) for emotes in lists for emote in sequence(emotes))


def parse_bots(body: object) -> list[str] | None:
    """Read the names of the bots that a channel has told BetterTTV; None if that is not what it would send."""
    bots = mapping(body).get("bots")
    return [bot for bot in bots if isinstance(bot, str)] if isinstance(bots, list) else None


def _entry(value: object, cdn_url: str) -> SetEntry | None:
    emote = mapping(value)
    emote_id, code = identifier(emote.get("id")), name(emote.get("code"))
    if not emote_id or not code:
        return None
    return SetEntry(
        provider=BTTV,
        provider_id=emote_id,
        name=code,
        base_name=name(emote.get("codeOriginal")) or code,
        image_url=image_address(f"{cdn_url}/emote/{emote_id}/2x.webp"),
        is_zero_width=code in ZERO_WIDTH,
        is_animated=emote.get("animated") is True or emote.get("imageType") == "gif",
    )


def parse_frame(text: str, cdn_url: str) -> Told | None:
    """Read what a frame changes, None if it changes nothing that concerns us."""
    try:
        frame = mapping(json.loads(text))
    except (ValueError, RecursionError):
        return None
    data = mapping(frame.get("data"))
    change = _change(frame.get("name"), data, cdn_url)
    where = data.get("channel")
    return Told(Topic(ROOM, where), [change]) if change is not None and isinstance(where, str) else None


def _change(kind: object, data: Mapping[str, object], cdn_url: str) -> Change | None:
    emote = mapping(data.get("emote"))
    if kind == "emote_create":
        entry = _entry(emote, cdn_url)
        return Added(entry) if entry else None
    if kind == "emote_update":
        emote_id, code = identifier(emote.get("id")), name(emote.get("code"))
        return Renamed(emote_id, code) if emote_id and code else None
    if kind == "emote_delete":
        gone = identifier(data.get("emoteId"))
        return Removed(gone) if gone else None
    return None


class Rooms:
    """The conversation on BetterTTV's socket: it is joined to rooms and told their changes."""

    max_topics = 100
    is_leaving = False
    patience_s = None  # a quiet room is silent for days; the WebSocket's own pings find a dead line

    def __init__(self, cdn_url: str) -> None:
        self._cdn_url = cdn_url
        self._rooms: dict[Topic, None] = {}
        self._outgoing: list[str] = []
        self._is_open = False
        self._was_open = False

    @property
    def topics(self) -> list[Topic]:
        return list(self._rooms)

    def watch(self, topic: Topic) -> None:
        self._rooms[topic] = None
        if self._is_open:
            self._say("join_channel", topic)

    def unwatch(self, topic: Topic) -> None:
        del self._rooms[topic]
        if self._is_open:
            self._say("part_channel", topic)

    def opened(self) -> list[Event]:
        """Join all rooms; after a loss say that changes may have gone unheard."""
        missed = [Missed(self.topics)] if self._was_open and self._rooms else []
        self._is_open = self._was_open = True
        for topic in self._rooms:
            self._say("join_channel", topic)
        return list[Event](missed)

    def heard(self, text: str) -> list[Event]:
        told = parse_frame(text, self._cdn_url)
        return [told] if told else []

    def outgoing(self) -> list[str]:
        frames, self._outgoing = self._outgoing, []
        return frames

    def closed(self, code: int | None) -> float:
        self._is_open = False
        self._outgoing.clear()
        return 0.0

    def _say(self, name: str, topic: Topic) -> None:
        self._outgoing.append(json.dumps({"name": name, "data": {"name": topic.id}}))
