"""What the simulated emote providers have to offer: JSON bodies by provider and path, which can be changed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = Any  # bodies as they come: read from files, and broken on purpose by tests

GLOBAL_PATHS = {"7tv": "/emote-sets/global", "bttv": "/cached/emotes/global", "ffz": "/set/global"}
CHANNEL_PATHS = {"7tv": "/users/twitch/{}", "bttv": "/cached/users/twitch/{}", "ffz": "/room/id/{}"}
NAME_FIELDS = {"7tv": "name", "bttv": "code", "ffz": "name"}


@dataclass(frozen=True)
class SimEmote:
    """An emote as a set has it. `name` is what is typed; FrankerFaceZ ids are numbers."""

    id: str
    name: str
    base_name: str = ""
    image_url: str = ""
    is_zero_width: bool = False
    is_animated: bool = False


def made_up_id(*parts: str) -> str:
    """24 hexadecimal digits that are always the same for the same parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def path_of(provider: str, channel_id: str | None) -> str:
    """Return the path of a channel's set, or of the set that everybody may use."""
    return GLOBAL_PATHS[provider] if channel_id is None else CHANNEL_PATHS[provider].format(channel_id)


class Catalogue:
    def __init__(self, bodies: Mapping[str, Mapping[str, Json]] | None = None) -> None:
        self.bodies: dict[str, dict[str, Json]] = {
            provider: dict((bodies or {}).get(provider, {})) for provider in GLOBAL_PATHS
        }

    @classmethod
    def read(cls, file: Path) -> "Catalogue":
        return cls(json.loads(file.read_text(encoding="utf-8")))

    @classmethod
    def of(cls, sets: Mapping[tuple[str, str | None], Sequence[SimEmote]]) -> "Catalogue":
        """Make a catalogue from (provider, Twitch id of the channel or None) -> emotes."""
        catalogue = cls()
        for (provider, channel_id), emotes in sets.items():
            catalogue._body(provider, channel_id)
            for emote in emotes:
                catalogue.add(provider, channel_id, emote)
        return catalogue

    def body(self, provider: str, path: str) -> Json | None:
        """Return what is served at the path, None where there is nothing."""
        bodies = self.bodies[provider]
        if provider == "7tv" and path not in bodies and path.startswith("/emote-sets/"):
            return self._seventv_set(path.removeprefix("/emote-sets/"))
        return bodies.get(path)

    def add(self, provider: str, channel_id: str | None, emote: SimEmote) -> Json:
        """Put the emote into the set (which is made if it is not there) and return its entry."""
        entry = _ENTRIES[provider](emote)
        _lists(provider, channel_id, self._body(provider, channel_id))[0].append(entry)
        return entry

    def rename(self, provider: str, channel_id: str | None, emote_id: str, name: str) -> tuple[Json, Json]:
        """Return the entry before and after."""
        entries, index = self._find(provider, channel_id, emote_id)
        old = entries[index]
        entries[index] = {**old, NAME_FIELDS[provider]: name}
        return old, entries[index]

    def remove(self, provider: str, channel_id: str | None, emote_id: str) -> Json:
        """Return the entry that went."""
        entries, index = self._find(provider, channel_id, emote_id)
        return entries.pop(index)

    def switch_set(self, channel_id: str, emotes: Sequence[SimEmote] | None) -> tuple[str, str]:
        """Give a channel another 7TV set, or none, and return the old and the new set's id."""
        body = self.bodies["7tv"][path_of("7tv", channel_id)]
        old = body["emote_set"]["id"]
        new = "" if emotes is None else made_up_id("another set", old)
        entries = [_seventv_entry(emote) for emote in emotes or ()]
        body["emote_set_id"] = new or None
        body["emote_set"] = {**body["emote_set"], "id": new, "emotes": entries} if new else None
        for connection in body["user"]["connections"]:
            connection["emote_set"] = {"id": new} if new else None
        return old, new

    def seventv_ids(self, channel_id: str | None) -> tuple[str, str]:
        """Return the ids of the 7TV set, and of the 7TV user ("" for the global set)."""
        body = self.bodies["7tv"][path_of("7tv", channel_id)]
        return (body["id"], "") if channel_id is None else (body["emote_set"]["id"], body["user"]["id"])

    def _body(self, provider: str, channel_id: str | None) -> Json:
        """The body of a set, which is made if it is not there."""
        return self.bodies[provider].setdefault(path_of(provider, channel_id), _empty_body(provider, channel_id))

    def _find(self, provider: str, channel_id: str | None, emote_id: str) -> tuple[list[Json], int]:
        body = self.bodies[provider][path_of(provider, channel_id)]
        for entries in _lists(provider, channel_id, body):
            for index, entry in enumerate(entries):
                if str(entry["id"]) == emote_id:
                    return entries, index
        raise KeyError(emote_id)

    def _seventv_set(self, set_id: str) -> Json | None:
        sets = (body.get("emote_set") for body in self.bodies["7tv"].values())
        return next((found for found in sets if found and found["id"] == set_id), None)


def _lists(provider: str, channel_id: str | None, body: Json) -> list[list[Json]]:
    """The lists of entries in a body; a new emote goes into the first."""
    if provider == "7tv":
        return [(body if channel_id is None else body["emote_set"])["emotes"]]
    if provider == "bttv":
        return [body] if channel_id is None else [body["channelEmotes"], body["sharedEmotes"]]
    first = str(body["default_sets"][0] if channel_id is None else body["room"]["set"])
    return [body["sets"][first]["emoticons"], *(s["emoticons"] for key, s in body["sets"].items() if key != first)]


def _empty_body(provider: str, channel_id: str | None) -> Json:
    if provider == "7tv":
        return _seventv_set_body(channel_id) if channel_id is None else _seventv_user(channel_id)
    if provider == "bttv":
        channel = {"id": made_up_id("bttv", channel_id or ""), "bots": [], "avatar": ""}
        return [] if channel_id is None else {**channel, "channelEmotes": [], "sharedEmotes": []}
    if channel_id is None:
        return {"default_sets": [3], "sets": {"3": {"id": 3, "title": "Global Emotes", "emoticons": []}}, "users": {}}
    number = int(made_up_id("ffz", channel_id)[:6], 16)
    return {
        "room": {"_id": number, "twitch_id": int(channel_id), "set": number, "mod_urls": None, "vip_badge": None},
        "sets": {str(number): {"id": number, "title": "Channel", "emoticons": []}},
    }


def _seventv_set_body(channel_id: str | None) -> Json:
    set_id = made_up_id("7tv set", channel_id or "global")
    return {"id": set_id, "name": "Emotes", "flags": 0, "emotes": [], "capacity": 1000, "owner": None}


def _seventv_user(channel_id: str) -> Json:
    emote_set = _seventv_set_body(channel_id)
    connection = {"id": channel_id, "platform": "TWITCH", "emote_set": {"id": emote_set["id"]}}
    return {
        "id": channel_id,
        "platform": "TWITCH",
        "emote_capacity": 1000,
        "emote_set_id": emote_set["id"],
        "emote_set": emote_set,
        "user": {"id": made_up_id("7tv user", channel_id), "connections": [connection]},
    }


def _seventv_entry(emote: SimEmote) -> Json:
    files = [{"name": f"{size}x.webp", "format": "WEBP", "width": 32 * size, "height": 32 * size} for size in (1, 2, 4)]
    data = {
        "id": emote.id,
        "name": emote.base_name or emote.name,
        "flags": 256 if emote.is_zero_width else 0,
        "tags": [],
        "lifecycle": 3,
        "state": ["LISTED"],
        "listed": True,
        "animated": emote.is_animated,
        "host": {"url": emote.image_url or f"//cdn.7tv.app/emote/{emote.id}", "files": files},
    }
    return {"id": emote.id, "name": emote.name, "flags": int(emote.is_zero_width), "actor_id": None, "data": data}


def _bttv_entry(emote: SimEmote) -> Json:
    kind = "gif" if emote.is_animated else "png"
    owner = made_up_id("bttv user", emote.id)
    return {"id": emote.id, "code": emote.name, "imageType": kind, "animated": emote.is_animated, "userId": owner}


def _ffz_entry(emote: SimEmote) -> Json:
    base = emote.image_url or f"https://cdn.frankerfacez.com/emote/{emote.id}"
    entry: dict[str, Json] = {
        "id": int(emote.id),
        "name": emote.name,
        "width": 32,
        "height": 32,
        "public": True,
        "hidden": False,
        "modifier": emote.is_zero_width,
        "modifier_flags": 0,
        "owner": {"display_name": "someone"},
        "urls": {size: f"{base}/{size}" for size in ("1", "2", "4")},
    }
    if emote.is_animated:
        entry["animated"] = {size: f"{base}/animated/{size}.webp" for size in ("1", "2", "4")}
    return entry


_ENTRIES = {"7tv": _seventv_entry, "bttv": _bttv_entry, "ffz": _ffz_entry}
