"""FrankerFaceZ. Its update socket is undocumented: sets are polled."""

from collections.abc import Iterator

from chat.providers import FFZ, ParsedSet, SetEntry, collect, identifier, image_address, mapping, name, sequence

SIZES = ("2", "4", "1")  # 2 is what pages show; the others stand in for it


def global_path() -> str:
    return "/set/global"


def channel_path(twitch_id: str) -> str:
    return f"/room/id/{twitch_id}"


def parse_global(body: object) -> ParsedSet | None:
    """Read the sets everybody may use: those in `default_sets`. The body has others, for some people only."""
    sets = _sets(body)
    if sets is None or not isinstance(mapping(body).get("default_sets"), list):
        return None
    default = {identifier(number) for number in sequence(mapping(body)["default_sets"])}
    return collect(_entry(emote) for number, found in sets.items() if number in default for emote in _emotes(found))


def parse_channel(body: object) -> ParsedSet | None:
    sets = _sets(body)
    return None if sets is None else collect(_entry(emote) for found in sets.values() for emote in _emotes(found))


def _sets(body: object) -> dict[str, object] | None:
    sets = mapping(body).get("sets")
    return sets if isinstance(sets, dict) else None


def _emotes(found: object) -> Iterator[object]:
    yield from sequence(mapping(found).get("emoticons"))


def _entry(value: object) -> SetEntry | None:
    emote = mapping(value)
    emote_id, code = identifier(emote.get("id")), name(emote.get("name"))
    if not emote_id or not code:
        return None
    animated = _image(emote.get("animated"))
    return SetEntry(
        provider=FFZ,
        provider_id=emote_id,
        name=code,
        base_name=code,
        image_url=animated or _image(emote.get("urls")),
        is_zero_width=emote.get("modifier") is True,
        is_animated=bool(animated),
    )


def _image(urls: object) -> str:
    found = (image_address(mapping(urls).get(size)) for size in SIZES)
    return next(filter(None, found), "")
