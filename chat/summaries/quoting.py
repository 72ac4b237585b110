"""How words of viewers are handed on: as data, in one line that can be seen whole, without links and names."""

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache

from streamstats.lib.unseen import visible

SOMEONE = "@someone"
LINK = "[link]"
MOST = 300
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
MOST_LOOKED_AT = 1000
"""Longer texts than this are cut before they are looked at: Twitch sends 500 characters."""

_DOT = r"(?:\.|\s?[\[({]\s?(?:\.|dot)\s?[\])}]\s?|\s+dot\s+(?=(?:com|net|org|tv|gg|io|me|ly|ru|de)\b))"
# A host is looked for from its first name on alone: "a.a.a.a." would be gone through as often as it has dots.
_NOT_WITHIN = r"(?<!\w\.)(?<!\w[\[({]\.[\])}])(?<!\w\ [\[({]\.[\])}]\ )"
_LINKS = re.compile(
    rf"""
    (?<![a-z0-9+.-])[a-z][a-z0-9+.-]*+:\s?//\S+                            # with a scheme
    | \b(?:data|javascript|mailto|magnet|tel|file):\S+
    | (?<![\w-]){_NOT_WITHIN}(?:[\w.+-]++@)?                                # hosts, mail
      (?:[\w-]++{_DOT})+(?:[^\W\d_]{{2,24}}|xn--[\w-]+)(?![\w])(?:[/:?\#]\S*)?
    | \b\d{{1,3}}(?:\.\d{{1,3}}){{3}}\b(?:[/:]\S*)?
    | //[\w-]+\.\S+
    """,
    re.IGNORECASE | re.VERBOSE,
)
_ADDRESSED = re.compile(r"@++\s?\w+")


def made_safe(text: str, names: Collection[str] = (), most: int = MOST) -> str:
    """What somebody wrote, as it may be handed to a language model: at most so many characters.

    `names` are masked as whole words, in any case. Nothing that could be clicked stays.
    """
    seen = plain(text[:MOST_LOOKED_AT])
    masked = _ADDRESSED.sub(SOMEONE, _LINKS.sub(LINK, seen))
    if names:
        masked = masking(names).sub(SOMEONE, masked)
    return masked if len(masked) <= most else masked[: most - 1].rstrip() + ELLIPSIS


def has_link(text: str) -> bool:
    """Whether there is an address in it: of a page, a host or a mailbox."""
    return bool(_LINKS.search(plain(text[:MOST_LOOKED_AT])))


def addressed(text: str) -> set[str]:
    """The words with an @ before them, in small letters."""
    return {found.lstrip("@ ").lower() for found in _ADDRESSED.findall(plain(text[:MOST_LOOKED_AT]))}


def plain(text: str) -> str:
    """The text in one line that can be seen whole; wide and styled letters, which are read as ASCII, are ASCII."""
    return visible(text if text.isascii() else "".join(map(_as_read, text)))


@lru_cache(maxsize=1 << 14)
def _as_read(char: str) -> str:
    if char.isascii():
        return char
    read = unicodedata.normalize("NFKC", char)
    return read if read.isascii() and not read.isspace() else char


def masking(names: Collection[str]) -> re.Pattern[str]:
    """Finds any of the names as a whole word; in scripts that set no blanks between words, anywhere."""
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    return re.compile("|".join(map(_as_word, longest_first)) or "(?!)", re.IGNORECASE)


def _as_word(name: str) -> str:
    return rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])" if name.isascii() else re.escape(name)
