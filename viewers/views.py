"""The list of a channel's viewers, and the search among them by any name they ever had."""

from typing import Any

from django.db.models import Case, F, Value, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from streams.access import listed_channel
from streams.limits import Limit
from streams.models import Channel
from streams.pages import kept_ready
from streams.sealed import seal, unseal
from streams.visitors import visitor_of
from streamstats.lib.keyset import Place
from streamstats.lib.methods import read_only
from viewers.models import ViewerName, ViewerTotal
from viewers.visibility import is_sparse, people_in, shown_in

PAGE = 50
LOOKED = 2048
"""Rows that are looked at for one page where pages are opt-in: nearly none of them may be shown."""
LONGEST_NAME = 64
SEARCHING = Limit("searching", 300, 60, "From your address came very many searches within a minute.")
"""Of each address. Nobody types that fast, nor do the people of a house."""
BROKEN = "This link to the next page is broken. Start again from the first one."


@read_only
@kept_ready
def viewer_list(request: HttpRequest, channel: str) -> HttpResponse:
    found = listed_channel(channel)
    typed = request.GET.get("q", "").strip()
    if typed and not SEARCHING.allows(visitor_of(request)):
        return SEARCHING.refuse(request)
    is_walked = not (typed or found.is_open or is_sparse(found))
    after = _place(request.GET.get("after", ""), is_sealed=is_walked)
    rows: list[Any]
    if is_walked:
        rows, following = _looked_through(found, after)
    else:
        rows, following = _found(found, typed, after) if typed else _most_messages(found, after)
    context = {"channel": found, "typed": typed, "rows": rows, "following": following, "is_first": after is None}
    return render(request, "viewers/list.html", context)


def _place(text: str, *, is_sealed: bool) -> Place | None:
    """It is sealed where a page may go on after somebody who is not shown: made-up ones would find who is near."""
    if not text:
        return None
    try:
        return Place.read(unseal(text) if is_sealed else text)
    except ValueError as error:
        raise Http404(BROKEN) from error


def _most_messages(channel: Channel, after: Place | None) -> tuple[list[ViewerTotal], str]:
    rows = ViewerTotal.objects.most_messages(channel).filter(people_in(channel))
    if not channel.is_open:  # few are shown: in the order of an index, it would be read to its end
        rows = rows.order_by((F("messages") + 0).desc(), "viewer")
    return _page(_from(rows, after, PAGE + 1), lambda row: Place(str(row.messages), row.viewer_id))


def _looked_through(channel: Channel, after: Place | None) -> tuple[list[ViewerTotal], str]:
    """Those who are shown among the next rows: a page may be short, and the next one goes on."""
    rows = ViewerTotal.objects.most_messages(channel)
    told: Any = rows.annotate(is_shown=Case(When(people_in(channel), then=Value(True)), default=Value(False)))
    looked = _from(told.values_list("messages", "viewer_id", "is_shown"), after, LOOKED)
    shown = [row for row in looked if row[2]]
    listed = list(rows.filter(viewer__in=[viewer for _, viewer, _ in shown[:PAGE]]))
    if len(shown) > PAGE:
        last = shown[PAGE - 1]
    elif len(looked) == LOOKED:
        last = looked[-1]
    else:
        return listed, ""
    return listed, seal(str(Place(str(last[0]), last[1])))


def _from(rows: Any, place: Place | None, most: int) -> list[Any]:
    """So many of those who follow this place, or of the first ones."""
    if place is None:
        return list(rows[:most])
    try:
        messages = place.number()
    except ValueError as error:
        raise Http404(BROKEN) from error
    level = list(rows.level_after(messages, place.id)[:most])
    return level + list(rows.below(messages)[: most - len(level)])


def _found(channel: Channel, typed: str, after: Place | None) -> tuple[list[ViewerName], str]:
    return _page(search(channel, typed, after, PAGE + 1), lambda row: Place(row.found, row.viewer_id))


def search(channel: Channel, typed: str, after: Place | None, most: int) -> list[Any]:
    """Names that begin with what was typed, of those who are shown; nothing at all where no name could.

    Logins and display names lie in two indexes, so they are two questions, and their answers are one list.
    """
    prefix = typed.removeprefix("@").lower()
    if not prefix or len(prefix) > LONGEST_NAME or not prefix.isprintable():
        return []
    names = ViewerName.objects.in_channel(channel).filter(shown_in(channel))
    logins, displayed = names.beginning_with(prefix), names.displayed_as(prefix)
    if after:
        logins, displayed = logins.after(after.value, after.id), displayed.after(after.value, after.id)
    found: list[Any] = [*logins[:most], *displayed[:most]]
    found.sort(key=lambda row: (row.found, row.viewer_id))
    return found[:most]


def _page(rows: list[Any], place: Any) -> tuple[list[Any], str]:
    """The rows of this page, and where the next one begins."""
    return rows[:PAGE], str(place(rows[PAGE - 1])) if len(rows) > PAGE else ""
