"""One line of Twitch IRC in, one event out. Pure: no sockets, no clock, and never an exception."""

import re
from collections.abc import Callable

from chat.ingest.events import (
    ChatCleared,
    ChatMessage,
    EmoteRange,
    Event,
    Ignored,
    Membership,
    MessageDeleted,
    Reconnect,
    RoomNotice,
    RoomState,
    Unreadable,
    UserNotice,
    ViewerCleared,
)

Tags = dict[str, str]
new_tuple = tuple.__new__  # what NamedTuple calls in the end

ESCAPED = re.compile(r"\\(.?)", re.DOTALL)
MEANING = {":": ";", "s": " ", "r": "\r", "n": "\n"}
PARAM = "msg-param-"
ACTION = "\x01ACTION "
LATEST_MS = 253_370_764_799_999  # the end of the year 9998: days and months after it can still be named
MOST_BITS = 2**31 - 1
EMOTE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
LONGEST_ID = 64
LENGTH_OF_COLOR = len("#RRGGBB")


def parse(line: str) -> Event:
    """Read one line without its line end."""
    tags: Tags = {}
    prefix = ""
    if line[:1] == "@":
        tagged, _, line = line.partition(" ")
        tags = parse_tags(tagged[1:])
    if line[:1] == ":":
        prefix, _, line = line[1:].partition(" ")
    command, _, params = line.partition(" ")
    reader = READERS.get(command)
    if reader is None:
        return _other(command)
    try:
        return reader(tags, prefix, params)
    except (ValueError, KeyError) as error:
        return Unreadable(f"{type(error).__name__}: {error}")


def _other(command: str) -> Event:
    if command in IGNORED or (command.isdecimal() and len(command) == 3):
        return Ignored(command)
    return Unreadable(f"unknown command {command[:40]!r}")


def parse_tags(text: str) -> Tags:
    """Split `k=v;k=v`; a tag without `=` is empty; escapes are undone once, from left to right."""
    tags: Tags = {}
    for pair in text.split(";"):
        key, _, value = pair.partition("=")
        tags[key] = value
    if "\\" in text:
        for key, value in tags.items():
            if "\\" in value:
                tags[key] = unescape(value)
    return tags


def unescape(value: str) -> str:
    r"""Undo the IRCv3 tag escapes; an unknown `\x` is `x`, a lone final backslash is dropped."""
    return ESCAPED.sub(lambda found: MEANING.get(found[1], found[1]), value)


def parse_emotes(tag: str, length: int) -> tuple[EmoteRange, ...]:
    """Read `id:start-end,start-end/id:...` (inclusive code points); drop what does not lie in the text."""
    found = []
    for group in tag.split("/"):
        emote_id, _, spans = group.partition(":")
        # Nearly all are plain numbers; the pattern is asked last, for it takes longest.
        is_plain = emote_id.isdecimal() and emote_id.isascii() and len(emote_id) <= LONGEST_ID
        if not is_plain and not EMOTE_ID.fullmatch(emote_id):
            continue
        for span in spans.split(","):
            first, _, last = span.partition("-")
            try:
                start, end = int(first), int(last) + 1
            except ValueError:
                continue
            if 0 <= start < end <= length:
                found.append((start, end, emote_id))
    found.sort()
    return tuple(found)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _split_params(params: str) -> tuple[str, str]:
    """`#channel :text` -> (channel, text). The colon may be missing before a single word."""
    target, _, text = params.partition(" ")
    if target[:1] != "#" or len(target) == 1:
        raise ValueError(f"no channel in {target[:40]!r}")
    return target[1:], text.removeprefix(":")


def _sent_ms(tags: Tags) -> int:
    sent_ms = int(tags["tmi-sent-ts"])
    if not 0 < sent_ms <= LATEST_MS:
        raise ValueError(f"tmi-sent-ts {sent_ms} is no time")
    return sent_ms


def _required(tags: Tags, key: str) -> str:
    value = tags[key]
    if not value:
        raise ValueError(f"{key} is empty")
    return value


def _source_room(tags: Tags, room_id: str) -> str:
    source = tags.get("source-room-id", "")
    return "" if source == room_id else source


def _text(text: str) -> tuple[str, bool]:
    """Take the /me frame off; a NUL, which Postgres cannot hold, becomes the replacement character."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    if text.startswith(ACTION):
        return text[len(ACTION) :].removesuffix("\x01"), True
    return text, False


def _privmsg(tags: Tags, prefix: str, params: str) -> Event:
    """Nine lines of ten are these: written for speed, with nothing called that need not be."""
    get = tags.get
    channel, _, text = params.partition(" ")
    if text[:1] == ":":
        text = text[1:]
    is_action = False
    if text[:1] == "\x01" or "\x00" in text:
        text, is_action = _text(text)
    message_id, room_id, user_id, sent_ms = tags["id"], tags["room-id"], tags["user-id"], int(tags["tmi-sent-ts"])
    if not (message_id and room_id and user_id and 0 < sent_ms <= LATEST_MS and channel[:1] == "#" and channel != "#"):
        raise ValueError("id, room-id, user-id, tmi-sent-ts or channel is empty or out of range")
    source_room = get("source-room-id", "")
    is_copy = source_room not in ("", room_id)
    login = prefix.partition("!")[0]
    color = get("color", "")
    emotes = get("emotes")
    bits = get("bits")
    return new_tuple(
        ChatMessage,
        (
            message_id,
            room_id,
            channel[1:],
            user_id,
            login,
            get("display-name") or login,
            color if len(color) == LENGTH_OF_COLOR and color[1:].isalnum() and color[0] == "#" else "",
            sent_ms,
            text,
            is_action,
            get("first-msg") == "1",
            get("returning-chatter") == "1",
            amount(bits) if bits else 0,
            get("badges", ""),
            get("badge-info", ""),
            get("msg-id", ""),
            get("custom-reward-id", ""),
            get("reply-parent-msg-id", ""),
            get("reply-parent-user-id", ""),
            get("reply-thread-parent-msg-id", ""),
            get("source-id", "") if is_copy else "",
            source_room if is_copy else "",
            parse_emotes(emotes, len(text)) if emotes else (),
        ),
    )


def amount(text: str) -> int:
    """A count from a tag; what is no sensible number is 0, for the line is worth more than it."""
    return min(int(text), MOST_BITS) if _is_number(text) else 0


def _usernotice(tags: Tags, _prefix: str, params: str) -> Event:
    channel, text = _split_params(params)
    room_id = _required(tags, "room-id")
    kind = _required(tags, "msg-id")
    if kind == "sharedchatnotice":
        kind = tags.get("source-msg-id") or kind
    login = tags.get("login", "")
    color = tags.get("color", "")
    return UserNotice(
        id=_required(tags, "id"),
        room_id=room_id,
        channel=channel,
        user_id=tags.get("user-id", ""),
        login=login,
        display_name=tags.get("display-name") or login,
        color=color if len(color) == LENGTH_OF_COLOR and color[0] == "#" and color[1:].isalnum() else "",
        sent_ms=_sent_ms(tags),
        kind=kind,
        text=_text(text)[0],
        system_text=_text(tags.get("system-msg", ""))[0],
        params={key[len(PARAM) :]: _text(value)[0] for key, value in tags.items() if key.startswith(PARAM)},
        source_room_id=_source_room(tags, room_id),
    )


def _clearchat(tags: Tags, _prefix: str, params: str) -> Event:
    channel, login = _split_params(params)
    room_id = _required(tags, "room-id")
    user_id = tags.get("target-user-id", "")
    if not user_id and not login:
        return ChatCleared(room_id, channel, _sent_ms(tags))
    duration = tags.get("ban-duration")
    return ViewerCleared(
        room_id, channel, user_id, login, _sent_ms(tags), amount(duration) if duration is not None else None
    )


def _clearmsg(tags: Tags, _prefix: str, params: str) -> Event:
    return MessageDeleted(
        room_id=tags.get("room-id", ""),
        channel=_split_params(params)[0],
        login=tags.get("login", ""),
        message_id=_required(tags, "target-msg-id"),
        sent_ms=_sent_ms(tags),
    )


def _roomstate(tags: Tags, _prefix: str, params: str) -> Event:
    room_id = tags.get("room-id", "")
    settings = {key: value for key, value in tags.items() if key != "room-id"}
    return RoomState(room_id, _split_params(params)[0], settings)


def _notice(tags: Tags, _prefix: str, params: str) -> Event:
    target, _, text = params.partition(" ")
    return RoomNotice("" if target == "*" else target.removeprefix("#"), tags.get("msg-id", ""), text.removeprefix(":"))


def _join(_tags: Tags, prefix: str, params: str) -> Event:
    return Membership(_split_params(params.removeprefix(":"))[0], (prefix.partition("!")[0],), True)


def _part(_tags: Tags, prefix: str, params: str) -> Event:
    return Membership(_split_params(params.removeprefix(":"))[0], (prefix.partition("!")[0],), False)


def _names(_tags: Tags, _prefix: str, params: str) -> Event:
    _ourselves, _symbol, rest = params.split(" ", 2)
    channel, names = _split_params(rest)
    return Membership(channel, tuple(names.split()), True)


def _reconnect(_tags: Tags, _prefix: str, _params: str) -> Event:
    return Reconnect()


READERS: dict[str, Callable[[Tags, str, str], Event]] = {
    "PRIVMSG": _privmsg,
    "USERNOTICE": _usernotice,
    "CLEARCHAT": _clearchat,
    "CLEARMSG": _clearmsg,
    "ROOMSTATE": _roomstate,
    "NOTICE": _notice,
    "JOIN": _join,
    "PART": _part,
    "353": _names,
    "RECONNECT": _reconnect,
}
# Our own state, and what Twitch no longer sends or never sent about a chat.
IGNORED = frozenset({"PING", "PONG", "CAP", "GLOBALUSERSTATE", "USERSTATE", "HOSTTARGET", "MODE", "WHISPER"})
