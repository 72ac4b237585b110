"""The text on a viewer's page: how it is shown, and how its versions come to be.

Whoever may write it is asked in chat/views/wiki.py. Here a version is only ever added, never changed, so that nothing
anybody wrote is lost; but for words that must not stay, which are withdrawn for good.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from difflib import SequenceMatcher
from itertools import chain, zip_longest
from typing import Any, NamedTuple

import nh3
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.table import table
from markdown_it.token import Token

from streams import audit
from streams.models import Channel
from streams.pages import forgetting
from streamstats.lib.unseen import UNSEEN
from viewers import heldpages
from viewers.access import let_moderate
from viewers.marks import mark_of
from viewers.models import Erasure, Profile, Progress, Viewer, WikiRevision

LONGEST = 10_000
LONGEST_NOTE = 200
EDITS_AN_HOUR = 20
COLUMNS = 12
CELLS = 1000
TOP_HEADING = 3  # the page has an h1, and an h2 above the text


class Changed(Exception):
    """Somebody saved another version meanwhile: `current` is the newest."""

    def __init__(self, current: WikiRevision) -> None:
        super().__init__(f"version {current.number} came in between")
        self.current = current


class Locked(Exception):
    """Only moderators may write this text."""


class Withdrawn(Exception):
    """The words of that version are gone."""


class TooOften(Exception):
    """Somebody saved as many versions within the hour as one may."""


class Leaving(Exception):
    """The viewer is being erased, so nothing new is kept of them."""


def cleaned(text: str) -> str:
    """A text as it is kept: lines end as they do everywhere, and nothing is in it that cannot be seen."""
    lines = UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n")


# Showing


def render(markdown: str) -> SafeString:
    """HTML of a text, however hostile: no pictures, no HTML of its own, links that nobody has to trust."""
    seen: dict[str, Any] = {}
    tokens = _parser.parse(cleaned(markdown)[:LONGEST], seen)
    _nest_headings(tokens)
    html = _parser.renderer.render(tokens, _parser.options, seen)
    return mark_safe(  # noqa: S308  # sanitized here
        nh3.clean(
            html,
            tags=TAGS,
            attributes=ATTRIBUTES,
            tag_attribute_values={"th": {"scope": {"col"}}},
            allowed_classes={"th": ALIGNED, "td": ALIGNED},
            url_schemes={"http", "https"},
            url_relative="deny",
            link_rel="nofollow ugc noopener",
        )
    )


HEADINGS = {f"h{level}" for level in range(TOP_HEADING, 7)}
TAGS = HEADINGS | {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"a": {"href"}, "ol": {"start"}, "*": set[str]()}
ALIGNED = {"center", "right"}
ALIGN = {"text-align:center": "center", "text-align:right": "right"}


def _make_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.validateLink = _is_web_address  # type: ignore[assignment,method-assign]
    parser.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    parser.add_render_rule("image", _image_in_words)
    parser.add_render_rule("th_open", _cell)
    parser.add_render_rule("td_open", _cell)
    return parser


def _is_web_address(address: str) -> bool:
    return address.lower().startswith(("https://", "http://"))


def _table(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    """As markdown-it has it, while there are few columns and cells: short rows are filled up to a whole one.

    Without that, a text of ten thousand characters could be sixty thousand cells.
    """
    columns = 1 + state.getLines(first + 1, first + 2, 0, False).count("|") if first + 1 < end else 0
    if columns > COLUMNS + 1 or not table(state, first, end, True):
        return False
    last = min(end, first + CELLS // columns + 1)
    rows = next((line for line in range(first, last) if state.isEmpty(line)), last) - first
    cells = state.env.get("cells", 0) + columns * rows
    if cells > CELLS:
        return False
    if silent:
        return True
    state.env["cells"] = cells
    return table(state, first, end, False)


def _image_in_words(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """What a picture shows: fetching it would tell its server who reads the page."""
    return escape(renderer.renderInlineAsText(tokens[index].children or [], options, env))


def _cell(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """A cell, with a class for the style that the policy of the site would refuse."""
    cell = tokens[index]
    aligned = ALIGN.get(str(cell.attrs.get("style")))
    cell.attrs = {"class": aligned} if aligned else {}
    if cell.tag == "th":
        cell.attrs["scope"] = "col"
    return renderer.renderToken(tokens, index, options, env)


def _nest_headings(tokens: Sequence[Token]) -> None:
    """Headings below those of the page, each at most one level below the one it belongs to."""
    above: list[str] = []
    for token in tokens:
        if token.type not in {"heading_open", "heading_close"}:
            continue
        if token.type == "heading_open":
            while above and above[-1] >= token.tag:
                above.pop()
            above.append(token.tag)
        token.tag = f"h{min(TOP_HEADING + len(above) - 1, 6)}"


_parser = _make_parser()


# Versions


def versions(profile: Profile | None) -> "QuerySet[WikiRevision]":
    """The newest first."""
    return WikiRevision.objects.filter(profile=profile, profile__isnull=False).order_by("-number")


def _held(channel: Channel, viewer: Viewer) -> Profile:
    """The row of a viewer's page, held until the transaction ends; made where there is none. Raises Leaving.

    Whoever asks to be erased changes the row of the viewer, so that comes either before this or after all of it.
    """
    held = Viewer.objects.select_for_update(no_key=True).filter(pk=viewer.pk).first()
    if held is None or being_erased([viewer.pk]):
        raise Leaving
    profile, _ = Profile.objects.select_for_update(of=("self",)).get_or_create(channel=channel, viewer=viewer)
    return profile


def being_erased(viewers: Collection[str]) -> set[str]:
    """Those of these viewers whose erasure is not done."""
    marks = {mark_of(viewer_id): viewer_id for viewer_id in viewers}
    going_on = Erasure.objects.filter(mark__in=marks).exclude(state=Progress.DONE)
    return {marks[mark] for mark in going_on.values_list("mark", flat=True)}


def save(
    channel: Channel, viewer: Viewer, text: str, author: User, role: str, *, based_on: int, note: str = ""
) -> WikiRevision | None:
    """Keep a text as the newest version, and show it; None where it says what is there already.

    `based_on` is the number of the version that the author had before their eyes, 0 for none. Raises Changed where it
    is no longer the newest, Locked, TooOften, Leaving, NotNow, and ValueError where the text is too long.
    """
    text = cleaned(text)
    if len(text) > LONGEST:
        raise ValueError(f"longer than {LONGEST:,} characters")
    with transaction.atomic():
        profile = _held(channel, viewer)
        current = profile.current
        if text == (current.text if current else ""):
            return None
        if current and current.number != based_on:
            raise Changed(current)
        note = cleaned(note).replace("\n", " ")[:LONGEST_NOTE]
        return _add(channel, profile, author, role, text=text, note=note, deed="text.write")


def restore(channel: Channel, viewer: Viewer, number: int, author: User, role: str) -> WikiRevision | None:
    """Make a version the newest again; None where the newest says the same.

    Raises WikiRevision.DoesNotExist, Withdrawn, Locked, TooOften, Leaving, NotNow.
    """
    with transaction.atomic():
        profile = _held(channel, viewer)
        wanted = WikiRevision.objects.get(profile=profile, number=number)
        if wanted.withdrawn_at:
            raise Withdrawn
        if profile.current and profile.current.text == wanted.text:
            return None
        return _add(channel, profile, author, role, text=wanted.text, restored=number, deed="text.restore")


def withdraw(channel: Channel, viewer: Viewer, number: int, user: User, role: str) -> list[int]:
    """Delete the words of a version for good, wherever else they are the whole text too; the numbers of all of those.

    The last one that still stands before the one that was shown is shown then, or none. Raises
    WikiRevision.DoesNotExist, Withdrawn, Locked, Leaving, NotNow.
    """
    with transaction.atomic():
        profile = _held(channel, viewer)
        if profile.locked_at and role != WikiRevision.Role.MODERATOR:
            raise Locked
        wanted = WikiRevision.objects.get(profile=profile, number=number)
        if wanted.withdrawn_at:
            raise Withdrawn
        current, gone = profile.current, [number, *same_words(wanted)]
        with forgetting([channel.login]):
            WikiRevision.objects.filter(profile=profile, number__in=gone).update(
                text="", note="", withdrawn_at=timezone.now(), withdrawn_by=user, withdrawn_as=role
            )
            if current and current.number in gone:
                profile.current = standing(profile).filter(number__lt=current.number).first()
                profile.save(update_fields=["current", "changed_at"])
        shown = {"before": current.number if current else None}
        shown["after"] = profile.current.number if profile.current else None
        _note(channel, profile, user, role, "text.withdraw", {"versions": sorted(gone), **shown})
    return sorted(gone)


def same_words(revision: WikiRevision) -> list[int]:
    """The other versions of a page that say exactly the same: it was brought back, or written again."""
    if not revision.text:
        return []
    same = standing(revision.profile).filter(text=revision.text).exclude(pk=revision.pk)
    return sorted(same.values_list("number", flat=True))


def shown_without(profile: Profile, gone: Collection[int]) -> WikiRevision | None:
    """What is shown once these versions are withdrawn: the last one that still stands before the one shown now."""
    if profile.current is None or profile.current.number not in gone:
        return profile.current
    return standing(profile).filter(number__lt=profile.current.number).exclude(number__in=gone).first()


def standing(profile: Profile) -> "QuerySet[WikiRevision]":
    """The versions that were not withdrawn, the newest first."""
    return versions(profile).filter(withdrawn_at=None)


def _add(channel: Channel, profile: Profile, author: User, role: str, *, deed: str, **said: Any) -> WikiRevision:
    if profile.locked_at and role != WikiRevision.Role.MODERATOR:
        raise Locked
    lately = WikiRevision.objects.filter(author=author, made_at__gt=timezone.now() - timedelta(hours=1))
    if len(lately.values_list("pk")[:EDITS_AN_HOUR]) == EDITS_AN_HOUR:
        raise TooOften
    number = (versions(profile).values_list("number", flat=True).first() or 0) + 1
    before = profile.current.number if profile.current else None
    with forgetting([channel.login]):
        profile.current = WikiRevision.objects.create(profile=profile, number=number, author=author, role=role, **said)
        profile.save(update_fields=["current", "changed_at"])
    _note(channel, profile, author, role, deed, {"before": before, "after": number})
    return profile.current


def _note(channel: Channel, profile: Profile, user: User, role: str, deed: str, detail: dict[str, Any]) -> None:
    """What a moderator did is in the audit log, by the numbers of versions: the words are in those."""
    if role == WikiRevision.Role.MODERATOR:
        audit.note(user, deed, channel=channel, viewer_id=profile.viewer_id, target=profile.viewer, detail=detail)


def lock(channel: Channel, viewer: Viewer, moderator: User) -> None:
    """From now on only moderators write the text. Raises Leaving, NotNow, PermissionDenied."""
    if being_erased([viewer.pk]):
        raise Leaving
    lock_all(channel, [viewer.pk], moderator)


def lock_all(channel: Channel, viewers: Collection[str], moderator: User) -> int:
    """The same of many viewers (their ids), without those who are being erased; how many were open."""
    let_moderate(moderator, channel)
    with transaction.atomic():
        held = heldpages.hold(channel, viewers)
        leaving = being_erased(viewers)
        pages = [page for page in held if page.locked_at is None and page.viewer_id not in leaving]
        with forgetting([channel.login]):
            now = timezone.now()
            of_these = Profile.objects.filter(pk__in=[page.pk for page in pages])
            of_these.update(locked_at=now, locked_by=moderator, changed_at=now)
        before, after = {"locked_at": None}, {"locked_at": now.isoformat()}
        audit.note_each(moderator, "text.lock", channel, (_about(page, before, after) for page in pages))
    return len(pages)


def unlock(channel: Channel, viewer: Viewer, moderator: User) -> None:
    """The viewer may write again. Raises NotNow, PermissionDenied."""
    unlock_all(channel, [viewer.pk], moderator)


def unlock_all(channel: Channel, viewers: Collection[str], moderator: User) -> int:
    """The same of many; how many were locked."""
    let_moderate(moderator, channel)
    with transaction.atomic():
        pages = [page for page in heldpages.hold(channel, viewers) if page.locked_at is not None]
        with forgetting([channel.login]):
            of_these = Profile.objects.filter(pk__in=[page.pk for page in pages])
            of_these.update(locked_at=None, locked_by=None, changed_at=timezone.now())
        after = {"locked_at": None}
        met = (_about(page, {"locked_at": str(page.locked_at)}, after) for page in pages)
        audit.note_each(moderator, "text.unlock", channel, met)
    return len(pages)


def _about(page: Profile, before: dict[str, Any], after: dict[str, Any]) -> audit.About:
    return audit.About(page.viewer_id, str(page.viewer), {"before": before, "after": after})


# Differences

AROUND = 2
"""Lines that did not change, shown before and after those that did."""
MOST_LINES = 600
MOST_PIECES = 400
MOST_PAIRS = 4_000
ALIKE = 0.5
WORDS = re.compile(r"\s+|\w+|.", re.DOTALL)


class Part(NamedTuple):
    """Words of a line: `kind` is "same", "in" or "out"."""

    kind: str
    text: str


class Line(NamedTuple):
    """A line of a comparison: `kind` is "same", "in", "out", or "skip" for lines left out."""

    kind: str
    parts: list[Part]


def differences(before: str, after: str) -> list[Line]:
    """What became of a text: lines that went and that came, with the words in them, and a few lines around.

    Nothing where it stayed as it was.
    """
    if before == after:
        return []
    old, new = before.split("\n") if before else [], after.split("\n") if after else []
    lines: list[Line] = []
    steps = _steps(old, new)
    for place, (kind, start, end, begin, until) in enumerate(steps):
        if kind == "equal":
            lines += _around(old[start:end], is_first=place == 0, is_last=place == len(steps) - 1)
        else:
            lines += _changed(old[start:end], new[begin:until])
    return lines if len(lines) <= MOST_LINES else [*lines[:MOST_LINES], _skip(len(lines) - MOST_LINES)]


def _around(same: list[str], *, is_first: bool, is_last: bool) -> list[Line]:
    head = [] if is_first else same[:AROUND]
    rest = same[len(head) :]
    tail = [] if is_last else rest[-AROUND:]
    left_out = len(rest) - len(tail)
    skipped = [_skip(left_out)] if left_out else []
    return [*_plain(head), *skipped, *_plain(tail)]


def _skip(lines: int) -> Line:
    return Line("skip", [Part("same", str(lines))])


def _plain(lines: list[str]) -> Iterator[Line]:
    return (Line("same", [Part("same", line)]) for line in lines)


def _changed(old: list[str], new: list[str]) -> Iterator[Line]:
    """Lines that went, each before the one that it became."""
    pairs = _pairs(old, new) if _is_cheap(old, new) else [*zip_longest(old, ()), *zip_longest((), new)]
    return chain.from_iterable(_replaced(went, came) for went, came in pairs)


def _pairs(old: list[str], new: list[str]) -> Iterator[tuple[str | None, str | None]]:
    """Each line with the one that it became, which shares half of its words; else with none."""
    bags = [_words(line) for line in new]
    place = 0
    for went in old:
        bag = _words(went)
        likeness, found = max(((_likeness(bag, bags[i]), -i) for i in range(place, len(new))), default=(0.0, 0))
        if likeness < ALIKE:
            yield went, None
            continue
        yield from ((None, came) for came in new[place:-found])
        yield went, new[-found]
        place = 1 - found
    yield from ((None, came) for came in new[place:])


def _words(line: str) -> Counter[str]:
    return Counter(word for word in WORDS.findall(line) if not word.isspace())


def _likeness(one: Counter[str], other: Counter[str]) -> float:
    """What part of the words of both they share."""
    return 2 * (one & other).total() / max(one.total() + other.total(), 1)


def _replaced(went: str | None, came: str | None) -> Iterator[Line]:
    if went is None or came is None:
        yield from [] if went is None else [Line("out", [Part("out", went)])]
        yield from [] if came is None else [Line("in", [Part("in", came)])]
        return
    old, new = WORDS.findall(went), WORDS.findall(came)
    steps = _steps(old, new)
    yield Line("out", [_part(kind, "out", old[start:end]) for kind, start, end, _, _ in steps if start < end])
    yield Line("in", [_part(kind, "in", new[begin:until]) for kind, _, _, begin, until in steps if begin < until])


def _part(step: str, changed: str, words: list[str]) -> Part:
    return Part("same" if step == "equal" else changed, "".join(words))


def _steps(old: Sequence[str], new: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    """As `SequenceMatcher.get_opcodes`; what would take long to compare is all replaced but for its ends."""
    head = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    rest = min(len(old), len(new)) - head
    tail = next((i for i in range(rest) if old[-1 - i] != new[-1 - i]), rest)
    inner = old[head : len(old) - tail], new[head : len(new) - tail]
    steps: list[tuple[str, int, int, int, int]] = [("equal", 0, head, 0, head)] if head else []
    if _is_cheap(*inner):
        found = SequenceMatcher(None, *inner, autojunk=False).get_opcodes()
        steps += [(kind, a + head, b + head, c + head, d + head) for kind, a, b, c, d in found]
    elif inner[0] or inner[1]:
        steps.append(("replace", head, len(old) - tail, head, len(new) - tail))
    return steps + ([("equal", len(old) - tail, len(old), len(new) - tail, len(new))] if tail else [])


def _is_cheap(old: Sequence[str], new: Sequence[str]) -> bool:
    """Whether SequenceMatcher is done at once: its work grows with how many pairs are equal, and how often it looks."""
    if len(old) + len(new) > MOST_PIECES:
        return False
    times: dict[str, int] = {}
    for piece in old:
        times[piece] = times.get(piece, 0) + 1
    return sum(times.get(piece, 0) for piece in new) <= MOST_PAIRS
