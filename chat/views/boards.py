"""Leaderboards: one table, for what is ranked and the time it is about."""

from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from chat.boards import MEASURES, PAGE, Board, Line, Mark, Own
from chat.portrait import stretch
from chat.portrait.stretch import Stretch
from streams.access import listed_channel
from streams.pages import kept_ready
from streams.sealed import seal, unseal
from streamstats.lib import periods
from streamstats.lib.methods import read_only
from streamstats.lib.periods import ALL_TIME, KINDS, Period
from viewers.access import viewer_of
from viewers.models import RANKED, Standing, Viewer

FIRST = "watched"
NAMES = {
    "watched": "Watch time",
    "messages": "Messages",
    "emotes": "Emotes",
    "streak": "Streak",
    "points": "Points",
}
TITLES = {
    "watched": "Most watch time",
    "messages": "Most messages",
    "emotes": "Most emotes",
    "streak": "Longest streak",
    "points": "Most points spent",
}
BROKEN = "This link to the next page is broken. Start again from the first one."


class Link(NamedTuple):
    address: str
    text: str
    is_current: bool = False


class Shown(NamedTuple):
    """A line of the table, and how the place changed since the period before: see `_moves`."""

    line: Line
    moved: int | None
    is_new: bool
    is_own: bool


@read_only
@kept_ready
def board(request: HttpRequest, channel: str) -> HttpResponse:
    found = listed_channel(channel)
    by = request.GET.get("by") or FIRST
    if by not in MEASURES:
        raise Http404(f"There is no such leaderboard: take one of {', '.join(MEASURES)}.")
    told = stretch.read(found, request.GET.get("range", ""))
    after = _mark(request.GET.get("after", ""))
    ranking = Board.of(found, by, told.span)
    page = ranking.page(after)
    me = viewer_of(request.user)
    lines = _lines(ranking, page.lines, me)
    context = {
        "channel": found,
        "by": by,
        "name": NAMES[by],
        "title": TITLES[by],
        "told": told,
        "when": "of all time" if told.is_all else f"in {told}",
        "lines": lines,
        "has_moves": any(line.is_new or line.moved is not None for line in lines),
        "me": me,
        "own": _own(ranking, me, lines),
        "after": after,
        "first": _link(by, told.key),
        "following": _link(by, told.key, seal(str(page.following))) if page.following else "",
        "measures": [Link(_link(each, told.key), name, each == by) for each, name in NAMES.items()],
        "ranges": _ranges(by, told),
        "earlier": _step(by, told, told.period.before() if not told.stream else None),
        "later": _step(by, told, told.period.after() if not told.stream else None),
        "page_size": PAGE,
        "ranked": RANKED,
    }
    return render(request, "chat/boards.html", context)


def following(row: Standing, by: str, counted: int) -> str:
    """What `?after=` says of the page that follows somebody who has this many before them, and themself."""
    return seal(str(Mark(getattr(row, MEASURES[by]), counted, counted, row.viewer_id)))


def _mark(text: str) -> Mark | None:
    """It is sealed: a board may go on after somebody who is not shown, and made-up marks would find who is near."""
    if not text:
        return None
    try:
        return Mark.read(unseal(text))
    except ValueError as error:
        raise Http404(BROKEN) from error


# The table


def _lines(ranking: Board, lines: list[Line], me: Viewer | None) -> list[Shown]:
    moves = _moves(ranking, lines)
    return [Shown(line, *moves.get(line.viewer.pk, (None, False)), is_own=line.viewer == me) for line in lines]


def _moves(ranking: Board, lines: list[Line]) -> dict[str, tuple[int | None, bool]]:
    """By viewer: how many places they rose since the period before, or that they were not among its first thousand.

    Of who is beyond the first thousand now, nothing is said; nor of anybody if nobody had a place then.
    """
    before = ranking.span.before() if isinstance(ranking.span, Period) else None
    if before is None or not lines or lines[0].place > RANKED:
        return {}
    places, is_whole = ranking.over(before).first()
    if not places:
        return {}
    moves: dict[str, tuple[int | None, bool]] = {}
    for place, viewer, _ in lines:
        if place <= RANKED and viewer.pk in places:
            moves[viewer.pk] = places[viewer.pk] - place, False
        elif place <= RANKED and is_whole:
            moves[viewer.pk] = None, True
    return moves


def _own(ranking: Board, me: Viewer | None, lines: list[Shown]) -> Own | None:
    """What whoever asks has themself, unless they stand in the table already."""
    if me is None or any(line.is_own for line in lines):
        return None
    return ranking.own(me)


# Where it leads


def _link(by: str, key: str, after: str = "") -> str:
    """The address of a board; what goes without saying is left out."""
    asked: dict[str, Any] = {"by": by if by != FIRST else "", "range": key, "after": after}
    return "?" + urlencode({name: value for name, value in asked.items() if value})


def _ranges(by: str, told: Stretch) -> list[Link]:
    """One of each kind of period: the one that is looked at, else the one of its last day."""
    spans = {kind: periods.of(kind, told.day) for kind in KINDS}
    links = [
        Link(_link(by, _key(span)), _named(span), told.stream is None and span == told.period)
        for span in spans.values()
    ]
    if told.stream:
        links.append(Link(_link(by, told.key), f"Stream of {told.stream.started_at:%-d %b %Y}", is_current=True))
    return links


def _step(by: str, told: Stretch, span: Period | None) -> Link | None:
    """The period before or after, unless it lies ahead."""
    if span is None or span.first is None or span.first > told.today:
        return None
    return Link(_link(by, span.key), _named(span))


def _key(span: Period) -> str:
    return "" if span == ALL_TIME else span.key


def _named(span: Period) -> str:
    text = str(span)
    return text[0].upper() + text[1:]
