"""What of a summary is kept: the last thing between a language model, or whoever talked it into something, and a page.

None of this trusts that instructions were followed. A claim is kept as it is or dropped, never mended: what is left of
a sentence that had a link in it was not meant to be a sentence.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from chat.models import Message
from chat.summaries.quoting import addressed, has_link
from chat.summaries.reading import Read, Sample, names_in
from chat.summaries.sensitive import categories_of
from chat.summaries.skeleton import forms, readings, skeleton, words_of
from chat.summaries.words import ENGLISH, FOREIGN
from streamstats.lib.unseen import visible
from viewers.models import Claim

MOST = {
    Claim.Part.PORTRAIT: 4,
    Claim.Part.INTEREST: 5,
    Claim.Part.JOKE: 3,
    Claim.Part.TONE: 1,
    Claim.Part.HAPPENED: 4,
    Claim.Part.PEAK: 5,
    Claim.Part.EMOTES: 3,
    Claim.Part.PEOPLE: 3,
    Claim.Part.MOMENT: 5,
}
MAIN = {Claim.Part.PORTRAIT, Claim.Part.HAPPENED}
"""Of these one is needed, or there is nothing to show."""
LONGEST = 280
MOST_SOURCES = 8
SHORTEST_WORDS = 3
LONGEST_WORD = 40
QUOTED_WORDS = 8
QUOTED_LETTERS = 60
QUOTED_WHOLE = 4
"""A message of this many words is not repeated whole either."""

NOTHING_LEFT = (
    "What was written could not be shown: no sentence of it rested on messages, kept to what may be said, and left out"
    " what may not."
)
TOO_LITTLE = "There is not enough in the messages yet to say anything that rests on them."


class Draft(NamedTuple):
    """Something that a summary is to say."""

    part: Claim.Part
    text: str
    sources: list[Read]
    at: datetime | None = None
    people: tuple[str, ...] = ()
    is_counted: bool = False
    """It rests on numbers, and needs no message."""
    is_ours: bool = False
    """Its words are ours: what else is in it, emotes and categories, is nobody's name."""
    numbers: frozenset[str] | None = None
    """Those that it may say; None where it may say any."""


class Checked(NamedTuple):
    """What may be kept, in order, and how many claims may not, by why."""

    claims: list[Draft]
    dropped: dict[str, int]


class Refused(Exception):
    """Nothing worth showing is left. The text is a sentence for people."""

    def __init__(self, reason: str, dropped: dict[str, int]) -> None:
        super().__init__(reason)
        self.dropped = dropped


def checked(
    drafts: Iterable[Draft],
    sample: Sample,
    blocked_words: str = "",
    secret: str = "",
    not_again: Iterable[str] = (),
) -> Checked:
    """The claims that may be shown. Raises Refused where none of the portrait is left.

    `secret` is what the model was told, which nobody needs to read in a summary; `not_again` are claims before that
    were wrong.
    """
    given = [draft._replace(text=visible(draft.text)) for draft in drafts]
    present = _present(given, sample)
    rules = _Rules(sample, _others(given, sample), blocked_words, secret)
    wrong = {tuple(words_of(text)) for text in not_again}
    claims: list[Draft] = []
    dropped: Counter[str] = Counter()
    for draft in given:
        kept = draft._replace(sources=[read for read in draft.sources if read.message_id in present][:MOST_SOURCES])
        is_wrong = tuple(words_of(draft.text)) in wrong
        why = rules.why_not(kept) or ("reported before" if is_wrong else _why_too_many(kept, claims))
        if why:
            dropped[why] += 1
        else:
            claims.append(kept)
    if not any(claim.part in MAIN for claim in claims):
        raise Refused(NOTHING_LEFT if dropped else TOO_LITTLE, dict(dropped))
    return Checked(claims, dict(dropped))


def _present(drafts: Sequence[Draft], sample: Sample) -> set[str]:
    """The ids of those sources that were read for this and are still there, by the same viewer and not removed."""
    known = {read.message_id: read for read in sample.messages}
    reads = [known[read.message_id] for draft in drafts for read in draft.sources if read.message_id in known]
    if not reads:
        return set()
    # Both times say in which months' tables the messages are.
    within = (min(read.sent_at for read in reads), max(read.sent_at for read in reads))
    messages = Message.objects.counted().shown().filter(channel=sample.channel_id, sent_at__range=within)
    found = messages.filter(id__in={read.message_id for read in reads}).values_list("id", "viewer_id")
    return {message_id for message_id, viewer_id in found if known[message_id].viewer_id == viewer_id}


def _others(drafts: Sequence[Draft], sample: Sample) -> frozenset[str]:
    """Names of people in what was read, and of anybody seen in the channel whom a claim names, however spelled."""
    spoken = [reading for draft in drafts if not draft.is_ours for reading in readings(draft.text)]
    return (sample.others | names_in(sample.channel_id, spoken)) - sample.allowed


def _why_too_many(draft: Draft, claims: Sequence[Draft]) -> str:
    if sum(claim.part == draft.part for claim in claims) >= MOST[draft.part]:
        return "too many"
    is_said = any(skeleton(claim.text) == skeleton(draft.text) for claim in claims)
    return "said already" if is_said else ""


_MARKUP = re.compile(r"[\[\]{}`|\\*~^]|<(?!3\b)|->|(?<!\w)[_#]+\w|_{2,}|&#?\w+;|^(?:[-+>#=]|\d+[.)] )")
_PHONE = re.compile(r"(?<![\w.])(?:\+|00)?\(?\d[\d\s()./-]{6,}\d(?!\w)")
_AT = re.compile("[@\uff20\ufe6b]")
# A summary speaks of somebody, not to anybody and of nothing behind it.
_SPOKEN = re.compile(
    r"(?<![\w'])(?:i|i'm|i've|i'll|me|my|mine|myself|we|we're|our|ours|you|you're|your|yours|yourself|u|ur)(?!\w)"
)
_BEHIND = re.compile(
    r"\b(?:system (?:prompt|message)|prompts?\b|instruct(?:ion|ions|ed)\b|ignor\w+ (?:all|any|the|previous|prior)\b"
    r"|(?:an|as) ai\b|language model|chat ?gpt|openai|anthropic|claude\b|gemini\b|assistant|developer mode|jailbr"
    r"|json\b|base64|api key|as requested|(?:system|developer|assistant|user|human) ?:)"
)


class _Rules:
    """What is asked of every claim, made ready for one sample."""

    def __init__(self, sample: Sample, others: Iterable[str], blocked_words: str, secret: str) -> None:
        self.names = whole_words(others)
        self.blocked = _blocked(blocked_words)
        self.said = _Said([text for read in sample.messages for text in (read.text, read.context) if text])
        self.secret = _Said([secret] if secret else [])

    def why_not(self, draft: Draft) -> str:
        """Why a claim may not be shown; empty where it may."""
        if not draft.sources and not draft.is_counted:
            return "no source"
        return (
            _why_not_plain(draft.text)
            or self._why_not_heard(draft)
            or ("" if draft.is_ours else _why_not_spoken(draft.text))
        )

    def _why_not_heard(self, draft: Draft) -> str:
        found = readings(draft.text)
        if not draft.is_ours and any(self.names.search(reading) for reading in found):
            return "names others"
        if any(self.blocked.search(reading) for reading in found):
            return "blocked word"
        if categories_of(draft.text):
            return "sensitive"
        if self.said.is_in(draft.text):
            return "quotes at length"
        if draft.numbers is not None and not numbers_in(draft.text) <= draft.numbers:
            return "made-up number"
        return "about itself" if self.secret.is_in(draft.text) else ""


def is_blocked(text: str, blocked_words: str) -> bool:
    """Whether a text says one of the words of a channel, one a line."""
    blocked = _blocked(blocked_words)
    return any(blocked.search(reading) for reading in readings(text))


def _blocked(blocked_words: str) -> re.Pattern[str]:
    return whole_words([line for line in blocked_words.splitlines() if line.strip()])


def numbers_in(*texts: str) -> frozenset[str]:
    """Every number in texts, without the commas of its thousands; of times the hours and the minutes."""
    return frozenset(number for text in texts for number in re.findall(r"\d+(?:\.\d+)?", _COMMAS.sub("", text)))


_COMMAS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


def _why_not_plain(text: str) -> str:
    if len(text) > LONGEST:
        return "too long"
    words = text.split()
    if len(words) < SHORTEST_WORDS:
        return "too short"
    if has_link(text):
        return "link"
    if _AT.search(text) or addressed(text):
        return "names others"
    if _PHONE.search(text):
        return "contact"
    return "not plain text" if _MARKUP.search(text) or max(map(len, words)) > LONGEST_WORD else ""


def _why_not_spoken(text: str) -> str:
    plain = skeleton(text)
    if _SPOKEN.search(plain) or _BEHIND.search(plain):
        return "about itself"
    return "" if _is_english(text) else "not English"


def _is_english(text: str) -> bool:
    letters = [char for char in text if char.isalpha()]
    if sum(char.isascii() for char in letters) < 0.8 * len(letters):
        return False
    words = re.findall(r"[^\W\d_]+", text.casefold())
    english = sum(word in ENGLISH for word in words)
    return english > sum(word in FOREIGN for word in words) or (len(words) < 5 and english > 0)


_NO_BLANKS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def whole_words(phrases: Iterable[str]) -> re.Pattern[str]:
    """Finds any of the phrases in what `readings` gives, as whole words where their script has words."""
    found = {form for phrase in phrases for form in forms(phrase) if not _is_letter(form)}
    return re.compile("|".join(sorted(map(_phrase, found), key=len, reverse=True)) or "(?!)")


def _is_letter(form: str) -> bool:
    """Whether it is one letter or none, which is in every text. An emoji is not."""
    return not form or (len(form) == 1 and form.isalnum() and not _NO_BLANKS.search(form))


def _phrase(phrase: str) -> str:
    pattern = r"\s+".join(map(re.escape, phrase.split()))
    if _NO_BLANKS.search(phrase):
        return pattern
    before = r"(?<!\w)" if phrase[0].isalnum() else ""
    return before + pattern + (r"(?!\w)" if phrase[-1].isalnum() else "")


class _Said:
    """Texts of which nothing longer may be repeated word for word."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.runs: set[str] = set()
        self.stretches: set[str] = set()
        self.whole: list[str] = []
        for text in texts:
            words = words_of(text)
            self.runs.update(_runs(words))
            self.stretches.update(_stretches("".join(words)))
            if len(words) >= QUOTED_WHOLE:
                self.whole.append(f" {' '.join(words)} ")
        self.all = "\n".join(f" {' '.join(words_of(text))} " for text in texts)

    def is_in(self, claim: str) -> bool:
        words = words_of(claim)
        spoken = f" {' '.join(words)} "
        return (
            not self.runs.isdisjoint(_runs(words))
            or not self.stretches.isdisjoint(_stretches("".join(words)))
            or any(text in spoken for text in self.whole)
            or spoken in self.all
        )


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", skeleton(text))


def _runs(words: Sequence[str]) -> set[str]:
    return {" ".join(words[start : start + QUOTED_WORDS]) for start in range(len(words) - QUOTED_WORDS + 1)}


def _stretches(letters: str) -> set[str]:
    return {letters[start : start + QUOTED_LETTERS] for start in range(len(letters) - QUOTED_LETTERS + 1)}
