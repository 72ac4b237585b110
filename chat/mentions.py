"""Finding somebody in what others wrote, and putting an ellipsis there.

A name counts as a whole word, with or without @, in any case. Some do not count, for other words would go with them:

- Names of up to three letters count with an @ only: they are words of many languages.
- Names that another account has or had do not count at all: it could be meant.
- The id counts as a word from five digits on. As the whole value of a field it always counts.

The same rule twice, for the database finds and replaces in texts (regular expressions of Postgres), and what is put
together of parts (JSON) is rewritten here.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

GONE = "…"
SHORT = 3
LEAST_DIGITS = 5
_BEFORE, _AFTER = "(?<![A-Za-z0-9_])", "(?![A-Za-z0-9_])"
NEVER = "(?!)"
"""Matches nothing, in both languages of expressions."""


class Mentions:
    """How to find one person. The expressions mean the same to Postgres (with the flags "gi") and to Python."""

    def __init__(self, viewer_id: str, names: Iterable[str]) -> None:
        self.viewer_id = viewer_id
        known = {name.lower() if name.isascii() else name for name in names if name.strip()}
        self.names = sorted(known, key=lambda name: (-len(name), name))
        is_word = viewer_id.isdigit() and len(viewer_id) >= LEAST_DIGITS
        names_alone = [name for name in self.names if len(name) > SHORT or not name.isascii()]
        self.short = [name for name in self.names if name not in names_alone]
        self.bare = [*names_alone, *([viewer_id] if is_word else [])]
        self.anywhere = _anywhere(self.bare, self.short)
        self.addressed = _pattern("@", self.names) or NEVER
        # A text in which none of these stands, in lower case, needs no expression: LIKE is five times as fast.
        written = {f"@{name}" for name in self.short}.union(self.bare)
        self.likes = sorted(f"%{_unlike(form)}%" for name in written for form in {name, name.lower()})
        self._found = re.compile(self.anywhere, re.IGNORECASE)

    def cleaned(self, text: str) -> str:
        return GONE if text == self.viewer_id else self._found.sub(GONE, text)

    def cleaned_json(self, value: Any) -> Any:
        """The same in every text of a JSON value. Names of fields stay: they are Twitch's, and somebody's name too."""
        if isinstance(value, str):
            return self.cleaned(value)
        if isinstance(value, list):
            return [self.cleaned_json(each) for each in value]
        if isinstance(value, dict):
            return {name: self.cleaned_json(each) for name, each in value.items()}
        return value

    def are_in(self, text: str) -> bool:
        return self.viewer_id == text or bool(self._found.search(text))


class AnyOf:
    """How to find any of several people at once: what says so of one is true of all."""

    def __init__(self, people: Sequence[Mentions]) -> None:
        self.viewer_ids = [each.viewer_id for each in people]
        self.names = [name for each in people for name in each.names]
        self.likes = sorted({*chain.from_iterable(each.likes for each in people)})
        self.anywhere = _anywhere(
            [name for each in people for name in each.bare], [name for each in people for name in each.short]
        )
        self.addressed = _pattern("@", self.names) or NEVER

    def in_bytes(self) -> str:
        """The expression for what Postgres makes of bytes with encode(..., 'escape').

        Ids and every name count here, however short: lines that nobody could use are no loss.
        """
        return _pattern("", [*self.viewer_ids, *self.names], in_bytes=True)


def _anywhere(bare: list[str], short: list[str]) -> str:
    return _either(_pattern("@?", bare), _pattern("@", short))


def _pattern(before: str, names: list[str], *, in_bytes: bool = False) -> str:
    """Any of the names as a word. Scripts that set no blanks between words have no words to be whole."""
    ascii_names = [_quoted(name) for name in names if name.isascii()]
    others = [(_escaped_bytes if in_bytes else _quoted)(name) for name in names if not name.isascii()]
    return _either(
        f"{_BEFORE}{before}(?:{'|'.join(ascii_names)}){_AFTER}" if ascii_names else "",
        f"{before}(?:{'|'.join(others)})" if others else "",
    )


def _unlike(name: str) -> str:
    """A name that LIKE reads literally."""
    return re.sub(r"([\\%_])", r"\\\1", name)


def _either(*patterns: str) -> str:
    found = [pattern for pattern in patterns if pattern and pattern != NEVER]
    return "|".join(found) or NEVER


def _quoted(name: str) -> str:
    """A name as both languages of expressions read it literally."""
    return "".join(char if char.isalnum() or char == "_" or not char.isascii() else f"\\{char}" for char in name)


def _escaped_bytes(name: str) -> str:
    r"""A name as encode(..., 'escape') shows it: bytes past ASCII become \ooo."""
    return "".join(rf"\\{byte:03o}" if byte > 127 else _quoted(chr(byte)) for byte in name.encode())
