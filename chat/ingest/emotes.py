"""Which emotes a text shows, as Chatterino would render it. Pure: the index is handed its entries.

Twitch's own ranges come first, then emoji, then whole case-sensitive words in the order FFZ channel,
BTTV channel, 7TV channel, FFZ, BTTV, 7TV global, with the set that was valid when the message was sent.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import emoji

from chat.ingest.events import EmoteRange

EmoteKey = tuple[str, str, str]
"""(provider, the provider's id, the name as typed)."""

# All rooms that have no sets of their own here, such as those that a shared chat mirrors.
ELSEWHERE = ""
# Later ones win.
PRECEDENCE = ("7tv", "bttv", "ffz")
# Invisible characters that some clients append to say the same thing twice.
FILLERS = "\U000e0000\u034f"
# What gives bits in every channel, also where nobody could be asked what else does.
CHEERS = frozenset(["cheer"])
NUMBER = re.compile("[1-9][0-9]*")
MAY_BE_EMOJI = re.compile("[" + re.escape("".join(sorted({text[0] for text in emoji.EMOJI_DATA}))) + "]")


class SetRow(NamedTuple):
    """An emote that could be used by a name in [since_ms, until_ms); None where it has no such end."""

    provider: str
    provider_id: str
    name: str
    since_ms: int | None
    until_ms: int | None


class _Timeline:
    """The names valid in one room, as they changed over time."""

    def __init__(self, everywhere: Sequence[SetRow], here: Sequence[SetRow]) -> None:
        self._layers = (everywhere, here)
        rows = (*everywhere, *here)
        moments = {row.since_ms for row in rows} | {row.until_ms for row in rows}
        self._changes = sorted(moment for moment in moments if moment is not None)
        self._names: dict[int, dict[str, EmoteKey]] = {}
        self._latest = self._changes[-1] if self._changes else 0
        self._present = self._names_of(len(self._changes))

    def at(self, sent_ms: int) -> Mapping[str, EmoteKey]:
        if sent_ms >= self._latest:
            return self._present
        return self._names_of(bisect_right(self._changes, sent_ms))

    def _names_of(self, period: int) -> dict[str, EmoteKey]:
        """Names between change `period - 1` and the next; 0 is before the first change."""
        if period not in self._names:
            moment = self._changes[period - 1] if period else -1
            self._names[period] = self._names_at(moment)
        return self._names[period]

    def _names_at(self, moment: int) -> dict[str, EmoteKey]:
        names: dict[str, EmoteKey] = {}
        for layer in self._layers:
            for provider in PRECEDENCE:
                for row in layer:
                    if row.provider == provider and _is_valid(row, moment):
                        names[row.name] = (row.provider, row.provider_id, row.name)
        return names


def _is_valid(row: SetRow, moment: int) -> bool:
    return (row.since_ms is None or row.since_ms <= moment) and (row.until_ms is None or moment < row.until_ms)


class EmoteIndex:
    """The third-party emotes of every room, in memory, and the words that give bits there."""

    def __init__(self) -> None:
        self._everywhere: Sequence[SetRow] = ()
        self._rooms: dict[str, Sequence[SetRow]] = {}
        self._timelines: dict[str, _Timeline] = {}
        self._cheers: dict[str | None, frozenset[str]] = {}

    def load(self, room_id: str | None, rows: Iterable[SetRow], cheers: Iterable[str] = ()) -> None:
        """Replace what is known of a room, or of everywhere if there is none."""
        self._cheers[room_id] = frozenset(prefix.lower() for prefix in cheers)
        if room_id is None:
            self._everywhere = tuple(rows)
            self._timelines.clear()
        else:
            self._rooms[room_id] = tuple(rows)
            self._timelines.pop(room_id, None)

    def knows(self, room_id: str) -> bool:
        return room_id in self._rooms

    def names(self, room_id: str, sent_ms: int) -> Mapping[str, EmoteKey]:
        """The names that were emotes in a room at a moment."""
        key = room_id if room_id in self._rooms else ELSEWHERE
        timeline = self._timelines.get(key)
        if timeline is None:
            timeline = self._timelines[key] = _Timeline(self._everywhere, self._rooms.get(room_id, ()))
        return timeline.at(sent_ms)

    def names_beside_cheers(self, room_id: str, sent_ms: int, text: str) -> Mapping[str, EmoteKey]:
        """The same for a message that gave bits: the words that gave them are no emotes, whatever else they name."""
        names = self.names(room_id, sent_ms)
        prefixes = CHEERS.union(self._cheers.get(None, ()), self._cheers.get(room_id, ()))
        cheers = {word for word in text.split(" ") if word in names and is_cheer(word, prefixes)}
        return {name: key for name, key in names.items() if name not in cheers} if cheers else names


def is_cheer(word: str, prefixes: Iterable[str]) -> bool:
    """Whether a word is one of these (in lower case) with a number behind it."""
    word = word.lower()
    return any(word.startswith(prefix) and NUMBER.fullmatch(word, len(prefix)) for prefix in prefixes)


def find_emotes(text: str, ranges: Sequence[EmoteRange], names: Mapping[str, EmoteKey]) -> list[EmoteKey]:
    """List the emotes in a text, in order, once per use."""
    if not ranges:
        return _in_words(text, names)
    found: list[EmoteKey] = []
    cursor = 0
    for start, end, emote_id in ranges:
        if start < cursor:  # an equal or overlapping range: the first one won
            continue
        if start > cursor:
            found += _in_words(text[cursor:start], names)
        found.append(("twitch", emote_id, text[start:end]))
        cursor = end
    if cursor < len(text):
        found += _in_words(text[cursor:], names)
    return found


def _in_words(text: str, names: Mapping[str, EmoteKey]) -> list[EmoteKey]:
    if text.isascii():
        return [names[word] for word in text.split(" ") if word in names]
    found: list[EmoteKey] = []
    for word in text.rstrip(FILLERS).split(" "):
        if word in names:  # 7TV allows names beyond ASCII
            found.append(names[word])
        elif not word.isascii() and MAY_BE_EMOJI.search(word):
            for piece in _cut_at_emoji(word):
                if isinstance(piece, tuple):
                    found.append(piece)
                elif piece in names:
                    found.append(names[piece])
    return found


@lru_cache(maxsize=4096)
def _cut_at_emoji(word: str) -> tuple[EmoteKey | str, ...]:
    """Split a word into emoji and what stands between them."""
    pieces: list[EmoteKey | str] = []
    cursor = 0
    for found in emoji.emoji_list(word):
        start, end, symbol = found["match_start"], found["match_end"], found["emoji"]
        if start > cursor:
            pieces.append(word[cursor:start])
        pieces.append(_emoji_key(symbol))
        cursor = end
    if cursor < len(word):
        pieces.append(word[cursor:])
    return tuple(pieces)


def _emoji_key(symbol: str) -> EmoteKey:
    """One key for a symbol, whether or not its variation selector was typed."""
    return ("emoji", symbol.replace("\ufe0f", ""), emoji.demojize(symbol))
