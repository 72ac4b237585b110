"""Characters that cannot be seen: they end a text early, turn it around, or say to a machine what no reader is told."""

import re
import unicodedata

# Control characters show as nothing or end a text early. Those that turn the direction of what follows, or have no
# width, make a text look like another; tags spell out whole sentences that nobody sees. Marks of direction and
# joiners, which languages need, do neither.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2028\u2029\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)

# Letters and signs by their kind, which show as nothing all the same.
_BLANKS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0d\uffa0\ufffc\U000e0000-\U000e0fff]"
)
_HIDDEN_KINDS = {"Cc", "Cf", "Cn", "Co", "Cs"}
_JOINERS = "\u200c\u200d\ufe0e\ufe0f"
# Joiners belong after letters of scripts that join, and after emoji; not before plain letters, nor two in a row.
_JOINING = "\u0600-\u0dff\u2190-\u2bff\U0001f000-\U0001faff"
_STRAY = re.compile(f"(?<![{_JOINING}\ufe0f])[{_JOINERS}]|[\u200c\u200d](?![^\0-\x7f])")
_DOUBLED = re.compile(f"([\u200c\u200d\ufe0e])[{_JOINERS}]+|\ufe0f[\u200c\ufe0e\ufe0f]+")
_MARKS = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
_HEAPS = re.compile(f"([{_MARKS}]{{2}})[{_MARKS}]+")


def visible(text: str) -> str:
    """A text of one line, in which every character can be seen: white space is a blank, and marks do not pile up.

    Joiners stay between letters of scripts that need them, and within emoji.
    """
    if text.isascii() and text.isprintable():  # most are, and the rest of this takes a while
        return " ".join(text.split())
    spaced = "".join(" " if char.isspace() else char for char in unicodedata.normalize("NFC", text))
    joined = _STRAY.sub("", _DOUBLED.sub(r"\1", _BLANKS.sub("", spaced)))
    kept = joined
    if not joined.isprintable():
        kept = "".join(char for char in joined if char in _JOINERS or unicodedata.category(char) not in _HIDDEN_KINDS)
    return unicodedata.normalize("NFC", " ".join(_HEAPS.sub(r"\1", kept).split()))
