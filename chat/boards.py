"""Leaderboards: who did most of something, in a period or in one stream.

Whoever has as much as somebody else shares their place, and the next place is left out: 1, 2, 2, 4. Bots and whoever is
not shown in the channel have no place, and nobody's place tells of them.

A page is read from its index, beginning where the one before ended, so the last page of a million takes as long as the
first. The index knows nothing of who is shown: those who are not are passed over. Where very many are, a page stops
looking after some thousands, and may be shorter than others; the link to the next one goes on from there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from chat.models import Redemption
from streams.models import Channel, Stream
from streamstats.lib.periods import Period
from viewers.models import RANKED, Standing, Viewer, ViewerStream
from viewers.visibility import is_sparse, people_in

MEASURES = {
    "watched": "watch_seconds",
    "messages": "messages",
    "emotes": "emotes",
    "streak": "streak",
    "points": "points",
}
"""What can be ranked, as it stands in addresses, and the column that tells it."""

PAGE = 50
STRIDES = (PAGE + 14, 256, 2048)
"""How many rows of an index are looked at for one page: nearly all are shown, or many are not, or nearly none are."""
FIRST = RANKED + 200
"""How many rows hold the first thousand who are shown, unless very many are not."""
LONGEST = 100
DIGITS = 18
"""Of a number that fits a bigint column."""


class Mark(NamedTuple):
    """Where a page begins: after this viewer, who has `value` and `place`, and after `counted` who are shown."""

    value: int
    place: int
    counted: int
    viewer: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what `str` wrote; ValueError where somebody made it up."""
        parts = text.split("-", 3)
        if len(parts) != len(cls._fields) or len(text) > LONGEST or not text.isprintable() or not parts[3]:
            raise ValueError("not a place on a board")
        *numbers, viewer = parts
        if not all(number.isascii() and number.isdigit() and len(number) <= DIGITS for number in numbers):
            raise ValueError("not a number")
        value, place, counted = map(int, numbers)
        return cls(value, place, counted, viewer)

    def __str__(self) -> str:
        return "-".join(map(str, self))


class Line(NamedTuple):
    """Somebody on a board."""

    place: int
    viewer: Viewer
    value: int


class Page(NamedTuple):
    lines: list[Line]
    following: Mark | None


class Own(NamedTuple):
    """What one viewer has; no place where it is beyond the first thousand, or not shown to others."""

    value: int
    place: int | None
    is_shown: bool


@dataclass(frozen=True)
class Board:
    """One ranking of a channel: `by` is a key of MEASURES, `span` what it is about."""

    channel: Channel
    by: str
    span: Period | Stream
    is_sparse: bool
    """Whether so few asked for a page that they are sorted."""

    @classmethod
    def of(cls, channel: Channel, by: str, span: Period | Stream) -> Self:
        return cls(channel, by, span, is_sparse(channel))

    def over(self, span: Period) -> Self:
        """The same of another time."""
        return replace(self, span=span)

    @property
    def measure(self) -> str:
        return MEASURES[self.by]

    def page(self, after: Mark | None = None, most: int | None = None) -> Page:
        """The next people after a mark, or the first ones."""
        most = most or PAGE
        found, end = (self._sorted(after, most + 1), None) if self._is_sorted else self._walked(after, most)
        marks = list(_places(found, after))
        shown, last = marks[:most], marks[:most][-1] if marks else after
        known = Viewer.objects.in_bulk([mark.viewer for mark in shown])
        lines = [Line(mark.place, known[mark.viewer], mark.value) for mark in shown if mark.viewer in known]
        if len(marks) > most:
            return Page(lines, last)
        return Page(lines, _passed(last, *end) if end else None)

    def first(self) -> tuple[dict[str, int], bool]:
        """The places of the first thousand, by viewer, and whether that is all of them."""
        if self._is_sorted:
            found, is_whole = self._sorted(None, RANKED), True
        else:
            rows = list(self._ranked(self._rows())[:FIRST])
            found = [(viewer, value) for viewer, value, is_shown in rows if is_shown][:RANKED]
            is_whole = len(rows) < FIRST or len(found) == RANKED
        return {mark.viewer: mark.place for mark in _places(found, None)}, is_whole

    def own(self, viewer: Viewer) -> Own | None:
        """What this viewer has; None if that is nothing."""
        found = list(self._ranked(self._rows().filter(viewer=viewer.pk)))
        if not found:
            return None
        ((_, value, is_shown),) = found
        ahead = self._rows().filter(**{f"{self.measure}__gt": value})
        if self._is_sorted:
            place: int | None = ahead.filter(people_in(self.channel))[:RANKED].count() + 1
        else:
            rows = list(self._ranked(ahead)[:FIRST])
            shown = sum(is_shown for *_, is_shown in rows)
            place = shown + 1 if shown >= RANKED or len(rows) < FIRST else None
        return Own(value, place if is_shown and place and place <= RANKED else None, is_shown)

    def _rows(self) -> QuerySet[Any]:
        """Everybody who has anything, shown or not."""
        if isinstance(self.span, Period):
            rows: QuerySet[Any] = Standing.objects.filter(channel=self.channel, period=self.span.key)
        elif self.by == "points":
            rows = _points(self.channel, self.span)
        else:
            rows = ViewerStream.objects.filter(stream=self.span)
        return rows.filter(**{f"{self.measure}__gt": 0})

    @property
    def _is_sorted(self) -> bool:
        """Whether those who are shown are sorted when they are asked for. Streams have no index, and need none."""
        return self.is_sparse or isinstance(self.span, Stream)

    def _sorted(self, after: Mark | None, most: int) -> list[tuple[str, int]]:
        value = F(self.measure) + 0  # no index is in this order: one that were would be read to its end
        rows = self._rows().filter(people_in(self.channel)).annotate(value=value).order_by("-value", "viewer_id")
        if after:
            rows = rows.filter(Q(value__lt=after.value) | Q(value=after.value, viewer_id__gt=after.viewer))
        return list(rows.values_list("viewer_id", "value")[:most])

    def _walked(self, after: Mark | None, most: int) -> tuple[list[tuple[str, int]], tuple[str, int] | None]:
        """More than `most` who are shown, if there are; and the last row that was looked at, if there may be more."""
        found: list[tuple[str, int]] = []
        last = (after.viewer, after.value) if after else None
        for stride in STRIDES if self.channel.is_open else STRIDES[-1:]:
            rows = self._next(last, stride)
            found += [(viewer, value) for viewer, value, is_shown in rows if is_shown]
            if len(found) > most or len(rows) < stride:
                return found, None
            last = rows[-1][:2]
        return found, last

    def _next(self, last: tuple[str, int] | None, stride: int) -> list[tuple[str, int, bool]]:
        """So many rows after this one. First those who have as much: together they could not begin in the index."""
        if last is None:
            return list(self._ranked(self._rows())[:stride])
        viewer, value = last
        as_much = self._rows().filter(**{self.measure: value, "viewer__gt": viewer})
        rows = list(self._ranked(as_much)[:stride])
        if len(rows) < stride:
            less = self._rows().filter(**{f"{self.measure}__lt": value})
            rows += self._ranked(less)[: stride - len(rows)]
        return rows

    def _ranked(self, rows: QuerySet[Any]) -> Any:
        """Viewer, value, and whether they are shown, in the order of the board."""
        told = rows.order_by(f"-{self.measure}", "viewer_id").annotate(is_shown=self._is_shown())
        return told.values_list("viewer_id", self.measure, "is_shown")

    def _is_shown(self) -> Exists:
        # Asked twice in two ways, Postgres asks for each row; once, it might look for everybody who is shown first.
        own = Q(pk=OuterRef("viewer_id"), pk__gte=OuterRef("viewer_id"))
        return Exists(Viewer.objects.filter(people_in(self.channel, "pk"), own))


def _places(found: Iterable[tuple[str, int]], after: Mark | None) -> Iterator[Mark]:
    """Give people their places, in the order of their board, going on from whoever came before."""
    last = after
    for viewer, value in found:
        counted = last.counted + 1 if last else 1
        place = last.place if last and last.value == value else counted
        last = Mark(value, place, counted, viewer)
        yield last


def _passed(last: Mark | None, viewer: str, value: int) -> Mark:
    """Where to go on after somebody who is not shown: whoever comes next shares a place only with who is shown."""
    counted = last.counted if last else 0
    return Mark(value, last.place if last and last.value == value else counted + 1, counted, viewer)


def _points(channel: Channel, stream: Stream) -> QuerySet[Any]:
    """What each viewer spent while a stream went on, as they have it from their redemptions."""
    spent = Redemption.objects.filter(
        channel=channel, redeemed_at__gte=stream.started_at, redeemed_at__lt=stream.ended_at or timezone.now()
    )
    return spent.exclude(status=Redemption.Status.CANCELED).values("viewer_id").annotate(points=Sum("cost"))
