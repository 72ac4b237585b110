"""Which messages of a viewer are read for their summary, and what of them is handed on.

A viewer may have written a hundred thousand messages; a few hundred say as much of them, if they are of all their time
here, in their own words, and none is there twice. The same rows give the same sample.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain, zip_longest
from typing import Any, NamedTuple

import emoji
from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from chat.models import Message
from chat.summaries.quoting import addressed, has_link, made_safe, plain
from chat.summaries.words import ENGLISH, NOBODY
from streams.models import Channel
from viewers.choices import WORDING
from viewers.models import Consent, Viewer
from viewers.visibility import shown_in

MOST_ROWS = 3000
"""The newest ones; read with an index, so that the table may be as long as it likes."""
SPANS = 24
"""Into so many equal spans of time the messages are sorted, and taken from each in turn."""
LEAST_LETTERS = 8
LONG_ENOUGH = 160
"""Longer texts are not preferred to those of this length: copied blocks are the longest of all."""
MOST_CONTEXT = 160
AROUND_EACH = 24
"""Tokens of the field names, the time and the alias of one message."""
COMMANDS = ("!", "/")
SHORTEST_NAME = 3

_WORD = re.compile(r"\w+")
_REPEATED = re.compile(r"([^\W\d_])\1+")
_OPENING = re.compile(r"^(?:@\S+\s+)+")

# Everybody who is answered, addressed, or seen in the channel and named without an @, with all names they had. Of the
# hundred million logins there are, a channel has seen too few for many words to be one.
_NAMES = """
WITH who AS (
    SELECT unnest(%(ids)s::varchar[]) AS viewer_id
    UNION SELECT viewer_id FROM viewers_viewername WHERE login = ANY(%(addressed)s)
    UNION SELECT viewer_id FROM viewers_viewername
    WHERE lower(display_name) COLLATE "C" = ANY(%(displayed)s) AND NOT login = lower(display_name)
    UNION SELECT name.viewer_id FROM viewers_viewername name
    JOIN viewers_viewertotal total ON total.viewer_id = name.viewer_id AND total.channel_id = %(channel)s
    WHERE name.login = ANY(%(bare)s)
)
SELECT name.viewer_id, name.login, name.display_name FROM who JOIN viewers_viewername name USING (viewer_id)
ORDER BY name.viewer_id, name.login
"""


class Read(NamedTuple):
    """One message of the sample, as it is handed on."""

    alias: str
    message_id: str
    sent_at: datetime
    text: str
    context: str = ""
    """What it answers; empty unless whoever wrote that agreed to the same, and it was not removed."""
    viewer_id: str = ""
    """Who wrote it."""
    context_by: str = ""
    """Who wrote what it answers, where that is given."""
    context_id: str = ""
    emotes: tuple[int, ...] = ()
    is_reply: bool = False


class Sample(NamedTuple):
    """What was read, in order of time."""

    messages: list[Read]
    others: frozenset[str] = frozenset()
    """Names, in small letters, of people in what was read who may not be named."""
    channel_id: int | None = None
    allowed: frozenset[str] = frozenset()
    """Names, in small letters, of who may be named."""

    @property
    def writers(self) -> frozenset[str]:
        """The ids of all whose words are in it."""
        return frozenset(viewer for read in self.messages for viewer in (read.viewer_id, read.context_by) if viewer)


class Parent(NamedTuple):
    """What a message answers, and who wrote that."""

    text: str
    viewer_id: str


class Row(NamedTuple):
    """A message, as it is in the table."""

    id: str
    sent_at: datetime
    text: str
    emotes: list[int]
    reply_to_id: str
    reply_to_viewer_id: str
    viewer_id: str


def of_viewer(channel: Channel, viewer: Viewer, most_tokens: int) -> Sample:
    """A sample of what a viewer wrote in a channel; empty if they do not agree to it at present."""
    newest = kept(channel).filter(agreed(Consent.Kind.SUMMARY), viewer=viewer).order_by("-sent_at", "id")
    rows = [Row(*row) for row in newest.values_list(*Row._fields)[:MOST_ROWS]]
    chosen = within(spread(worth_reading(rows)), most_tokens)
    contexts = answered(channel, chosen, Consent.Kind.SUMMARY)
    return sample(channel, chosen, contexts, allowed={viewer.pk}, most_tokens=most_tokens)


def kept(channel: Channel) -> QuerySet[Message]:
    """Messages of a channel that may be read at all: its own, not removed, not past their time."""
    return Message.objects.counted().shown().filter(channel=channel, sent_at__gte=since(channel))


def since(channel: Channel) -> datetime:
    """Since when messages of a channel are kept."""
    return timezone.now() - timedelta(days=channel.retention_days)


def agreed(kind: Consent.Kind, viewer: str = "viewer") -> Exists:
    """A condition: that this viewer agrees to it at present, in the words of today."""
    consents = Consent.objects.filter(viewer=OuterRef(f"{viewer}_id" if viewer != "pk" else "pk"))
    return Exists(consents.filter(kind=kind, wording=WORDING[kind], withdrawn_at=None))


def hold(viewers: Iterable[str]) -> None:
    """Who takes back what they agreed to waits for the end of this transaction, or has done so before this returns.

    What they agree to is asked afterwards: a question that waits for a row is answered as of when it was asked.
    """
    list(Viewer.objects.select_for_update(no_key=True).filter(pk__in=set(viewers)).order_by("pk").values_list("pk"))


def all_agree(sample: Sample, kind: Consent.Kind) -> bool:
    """Whether everybody whose words are in a sample agrees still."""
    writers = sample.writers
    return Viewer.objects.filter(agreed(kind, "pk"), pk__in=writers, stopped_at=None).count() == len(writers)


def still_holds(channel: Channel, sample: Sample, kind: Consent.Kind, subject: str = "") -> bool:
    """Whether a sample may be given away still: all agree, each message is kept, and others than its subject shown."""
    ids = {id_ for read in sample.messages for id_ in (read.message_id, read.context_id) if id_}
    if not all_agree(sample, kind) or kept(channel).filter(id__in=ids).count() < len(ids):
        return False
    others = sample.writers - {subject}
    return Viewer.objects.filter(shown_in(channel, "pk"), pk__in=others).count() == len(others)


def answered(channel: Channel, rows: Iterable[Row], kind: Consent.Kind) -> dict[str, Parent]:
    """By id, what rows answer, as far as whoever wrote them agreed to the same and is shown."""
    ids = [row.reply_to_id for row in rows if row.reply_to_id]
    if not ids:
        return {}
    parents = kept(channel).filter(agreed(kind), shown_in(channel), id__in=ids, viewer__stopped_at=None)
    return {parent: Parent(*told) for parent, *told in parents.values_list("id", "text", "viewer_id")}


# Choosing


def worth_reading(rows: Iterable[Row]) -> list[Row]:
    """Those in somebody's own words: no commands, no links, no emotes alone, nothing twice."""
    seen: set[str] = set()
    found = []
    for row in rows:
        text = plain(_OPENING.sub("", row.text))
        likeness = _likeness(text)
        if likeness in seen or not _is_said(row, text):
            continue
        seen.add(likeness)
        found.append(row)
    return found


def _is_said(row: Row, text: str) -> bool:
    if text.startswith(COMMANDS) or sum(map(str.isalnum, text)) < LEAST_LETTERS or has_link(text):
        return False
    emoji_count = 0 if text.isascii() or not row.emotes else emoji.emoji_count(text)
    return len(_WORD.findall(text)) > len(row.emotes) - emoji_count


def _likeness(text: str) -> str:
    """The same for texts that differ in capitals, signs, and how often something is repeated."""
    words = [_REPEATED.sub(r"\1", word) for word in _WORD.findall(text.casefold())]
    return " ".join(dict.fromkeys(words))[:80]


def spread(rows: Sequence[Row]) -> list[Row]:
    """The rows in the order in which they are taken: the best of each span of time, then the next of each."""
    if not rows:
        return []
    first, last = min(row.sent_at for row in rows), max(row.sent_at for row in rows)
    length = (last - first) / SPANS or timedelta(seconds=1)
    spans: list[list[Row]] = [[] for _ in range(SPANS)]
    for row in sorted(rows, key=_worth, reverse=True):
        spans[min(SPANS - 1, (row.sent_at - first) // length)].append(row)
    return [row for row in chain.from_iterable(zip_longest(*reversed(spans))) if row]


def _worth(row: Row) -> tuple[bool, int, datetime, str]:
    """Replies say more than what stands alone, and long texts more than short ones."""
    return bool(row.reply_to_id), min(len(row.text), LONG_ENOUGH), row.sent_at, row.id


def within(rows: Iterable[Row], most_tokens: int) -> list[Row]:
    """As many of the first rows as fit."""
    left, taken = most_tokens, []
    for row in rows:
        left -= tokens(row.text) + AROUND_EACH
        if left < 0:
            break
        taken.append(row)
    return taken


def tokens(text: str) -> int:
    """More tokens than a text has by any model's count: three bytes make one at least."""
    return -(-len(text.encode()) // 3)


# Handing on


def sample(
    channel: Channel, rows: Sequence[Row], contexts: dict[str, Parent], *, allowed: Collection[str], most_tokens: int
) -> Sample:
    """The rows made safe, in order of time, with nobody's name in them but of those whose ids are `allowed`."""
    others = _others(channel, rows, contexts, allowed)
    safe = ((row, made_safe(row.text, others), _context(row, contexts, others)) for row in rows)
    left, taken = most_tokens, []
    for row, text, context in safe:
        cost = tokens(text) + AROUND_EACH
        if cost > left:
            break
        fits = cost + tokens(context) <= left
        left -= cost + (tokens(context) if fits else 0)
        taken.append((row, text, context if fits else ""))
    taken.sort(key=lambda each: (each[0].sent_at, each[0].id))
    reads = [_read(f"m{place}", *each, contexts) for place, each in enumerate(taken, 1)]
    return Sample(reads, others, channel.pk)


def _read(alias: str, row: Row, text: str, context: str, contexts: dict[str, Parent]) -> Read:
    return Read(
        alias,
        row.id,
        row.sent_at,
        text,
        context,
        viewer_id=row.viewer_id,
        context_by=contexts[row.reply_to_id].viewer_id if context else "",
        context_id=row.reply_to_id if context else "",
        emotes=tuple(row.emotes),
        is_reply=bool(row.reply_to_id),
    )


def _context(row: Row, contexts: dict[str, Parent], others: Collection[str]) -> str:
    text = contexts[row.reply_to_id].text if row.reply_to_id in contexts else ""
    return "" if text.startswith(COMMANDS) or has_link(text) else made_safe(text, others, MOST_CONTEXT)


def _others(
    channel: Channel, rows: Sequence[Row], contexts: dict[str, Parent], allowed: Collection[str]
) -> frozenset[str]:
    """Names of people in the texts but of those `allowed`: who is addressed, answered, or known here by that word."""
    texts = [row.text for row in rows] + [parent.text for parent in contexts.values()]
    called = set().union(*map(addressed, texts)) - NOBODY
    ids = {row.reply_to_viewer_id for row in rows} - {""}
    names = _names(channel.pk, texts, called, ids.union(allowed)) if texts else []
    own = {name for viewer_id, *both in names for name in both if viewer_id in allowed}
    found = {name for viewer_id, *both in names for name in both if viewer_id not in allowed}
    unknown = {word for word in called if len(word) > SHORTEST_NAME or not word.isalpha()}
    return frozenset((found | unknown) - own - NOBODY - ENGLISH)


def names_in(channel_id: int | None, texts: Iterable[str]) -> frozenset[str]:
    """All names of people of a channel whom texts name, in small letters."""
    names = _names(channel_id, texts, set(), set())
    return frozenset(name for _, *both in names for name in both) - NOBODY - ENGLISH


def _names(channel_id: int | None, texts: Iterable[str], called: set[str], ids: set[str]) -> list[tuple[str, str, str]]:
    """(viewer id, login, display name) in small letters."""
    words = {word for text in texts for word in _WORD.findall(plain(text).lower())} - NOBODY - ENGLISH
    values: dict[str, Any] = {
        "channel": channel_id,
        "ids": sorted(ids),
        "addressed": sorted(word for word in called if word.isascii()),
        "displayed": sorted(word for word in called | words if not word.isascii()),
        "bare": sorted(word for word in words if word.isascii() and len(word) >= SHORTEST_NAME),
    }
    with connection.cursor() as cursor:
        cursor.execute(_NAMES, values)
        return [(viewer_id, login.lower(), shown.lower()) for viewer_id, login, shown in cursor.fetchall()]


def uses(messages: Iterable[Read]) -> Counter[int]:
    """How often each emote is in what was read."""
    return Counter(chain.from_iterable(read.emotes for read in messages))
