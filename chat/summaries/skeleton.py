"""What a text reads as, whatever letters it is written with: for comparing, never for showing.

Letters that look like Latin ones are those, accents are off, styled and wide letters are plain, nothing is between
letters that cannot be seen. What is looked for goes through the same.
"""

import re
import unicodedata

from streamstats.lib.unseen import visible

# Small letters of Cyrillic and Greek, and the Latin ones they are taken for.
_ALIKE = str.maketrans(
    "\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0456\u0455\u0458\u0501\u04bb\u051b\u051d"
    "\u04cf\u0454\u03b1\u03b5\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u0131\u0261\u0269\u028f\u1d00\u1d07\u1d0f",
    "abekmhopctyxisjdhqwleaeikvoptuxigiyaeo",
)
_VARIANTS = dict.fromkeys((0xFE0E, 0xFE0F))
"""They say whether a sign is an emoji, and are often left out."""
_DIGITS = str.maketrans("013457@$!", "oieastasi")
_LONG = re.compile(r"(.)\1{2,}")
# "b.a.d", "b a d": single letters with one sign between each two.
_SPELLED = re.compile(r"(?<!\w)(?:[^\W\d_][\s.\-*_]+){2,}[^\W\d_](?!\w)")
_BETWEEN = re.compile(r"[\s.\-*_]+")


def skeleton(text: str) -> str:
    """The text in plain small letters."""
    folded = unicodedata.normalize("NFKC", visible(text)).casefold()
    apart = unicodedata.normalize("NFKD", folded)
    bare = "".join(char for char in apart if not unicodedata.combining(char))
    return unicodedata.normalize("NFC", bare).translate(_ALIKE | _VARIANTS)


def words_of(text: str) -> list[str]:
    """The words of the skeleton: the same for texts that differ in signs alone."""
    return re.findall(r"\w+", skeleton(text))


def forms(text: str) -> list[str]:
    """The skeleton, and the same with digits read as the letters they stand for."""
    plain = skeleton(text)
    return list(dict.fromkeys([plain, plain.translate(_DIGITS)]))


def readings(text: str) -> list[str]:
    """What a text may be meant to be read as: digits for letters, "baaad", "b.a.d"."""
    found: list[str] = []
    for form in forms(text):
        for reading in dict.fromkeys([form, _SPELLED.sub(_joined, form), _SPELLED.sub(_joined_but_first, form)]):
            found += [reading, _LONG.sub(r"\1", reading), _LONG.sub(r"\1\1", reading)]
    return list(dict.fromkeys(found))


def _joined(spelled: re.Match[str]) -> str:
    return _BETWEEN.sub("", spelled[0])


def _joined_but_first(spelled: re.Match[str]) -> str:
    """The same where a word of one letter comes before: "a b.a.d"."""
    return f"{spelled[0][0]} {_BETWEEN.sub('', spelled[0][1:])}"
