"""7TV: its sets as JSON."""

from typing import NamedTuple

from chat.providers import (
    SEVENTV,
    ParsedSet,
    SetEntry,
    collect,
    flags,
    identifier,
    image_address,
    mapping,
    name,
    sequence,
)

ZERO_WIDTH = 1  # of an entry
FORBIDDEN_ON_TWITCH = 1 << 24  # of an emote


class Links(NamedTuple):
    """What a channel's live changes are told under. Empty ids: nothing to listen to."""

    set_id: str = ""
    user_id: str = ""
    connection: int = 0
    """Place of the Twitch account among the connections of its 7TV user."""


def global_path() -> str:
    return set_path("global")


def set_path(set_id: str) -> str:
    return f"/emote-sets/{set_id}"


def channel_path(twitch_id: str) -> str:
    return f"/users/twitch/{twitch_id}"


def parse_set(body: object) -> ParsedSet | None:
    """Read one set, such as the one that everybody may use. A set without emotes has no list of them."""
    emotes = mapping(body).get("emotes")
    if not identifier(mapping(body).get("id")) or not isinstance(emotes, list | None):
        return None
    return collect(parse_entry(emote) for emote in emotes or () if is_visible(emote))


def parse_channel(body: object) -> ParsedSet | None:
    """Read the set that a Twitch channel has chosen, if it has."""
    chosen = mapping(body).get("emote_set")
    if chosen is None and identifier(mapping(body).get("id")):
        return ParsedSet([])
    return parse_set(chosen)


def links(body: object) -> Links:
    """Read where the changes of a channel, or of a set, will be told."""
    user = mapping(mapping(body).get("user"))
    chosen = body if "emotes" in mapping(body) else mapping(body).get("emote_set")
    platforms = [mapping(connection).get("platform") for connection in sequence(user.get("connections"))]
    return Links(
        set_id=identifier(mapping(chosen).get("id")),
        user_id=identifier(user.get("id")),
        connection=platforms.index("TWITCH") if "TWITCH" in platforms else 0,
    )


def is_visible(value: object) -> bool:
    """Say whether an entry is shown on Twitch. Broken ones count as visible: `parse_entry` refuses them."""
    data = mapping(value).get("data")
    if not isinstance(data, dict):
        return True
    return data.get("listed") is True and not flags(data.get("flags")) & FORBIDDEN_ON_TWITCH


def parse_entry(value: object) -> SetEntry | None:
    entry = mapping(value)
    data = mapping(entry.get("data"))
    emote_id, alias = identifier(entry.get("id")), name(entry.get("name"))
    if not emote_id or not alias or not data:
        return None
    return SetEntry(
        provider=SEVENTV,
        provider_id=emote_id,
        name=alias,
        base_name=name(data.get("name")) or alias,
        image_url=_image(data.get("host")),
        is_zero_width=bool(flags(entry.get("flags")) & ZERO_WIDTH),
        is_animated=data.get("animated") is True,
    )


def _image(host: object) -> str:
    """Choose the file twice the size of a line, else the first that a browser shows."""
    files = [mapping(file).get("name") for file in sequence(mapping(host).get("files"))]
    known = [file for file in files if isinstance(file, str) and file.endswith((".webp", ".avif", ".gif", ".png"))]
    base = mapping(host).get("url")
    if not isinstance(base, str):
        return ""
    return image_address(f"{base}/{'2x.webp' if '2x.webp' in known or not known else known[0]}")
