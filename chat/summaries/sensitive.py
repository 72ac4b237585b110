"""What a summary says of nobody: health, belief, whom they love, politics, origin, real names, where they live, more.

A list of words cannot know what a sentence means. It errs to the safe side: a claim about a game named after an
illness is lost, and nobody misses it. The instructions to the model come first (chat/summaries/prompt.py); this holds
where they do not. The words are in sensitive.txt.
"""

import re
from functools import cache
from pathlib import Path

from chat.summaries.skeleton import readings

LIST = Path(__file__).with_name("sensitive.txt")

_BETWEEN = re.compile(r" {2,}|\n")
_LISTED = re.compile(r"\((\w+)\)")


def categories_of(text: str) -> list[str]:
    """What a text says that a summary must not say, such as "health"."""
    found = readings(text)
    return [name for name, words in _patterns().items() if any(words.search(reading) for reading in found)]


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    parts = _parts(LIST.read_text(encoding="utf-8"))
    lists = {name[1:-1]: "|".join(words) for name, words in parts.items() if name.startswith("(")}
    return {
        name[1:-1]: re.compile(_LISTED.sub(lambda named: f"(?:{lists[named[1]]})", f"\\b(?:{'|'.join(words)})"))
        for name, words in parts.items()
        if name.startswith("[")
    }


def _parts(text: str) -> dict[str, list[str]]:
    """The parts of the list: "[health]", and "(nation)", which the others use."""
    parts: dict[str, list[str]] = {}
    for line in text.splitlines():
        if re.fullmatch(r"\[.+\]|\(\w+\)", line):
            words = parts.setdefault(line, [])
        elif line and not line.startswith("#"):
            words += _BETWEEN.split(line.strip())
    return parts
