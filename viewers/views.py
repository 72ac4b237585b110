"""The list of a channel's viewers, and the search among them by any name they ever had."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from streams.access import listed_channel
from streams.models import Channel
from streams.pages import kept_ready
from streamstats.lib.keyset import Place
from streamstats.lib.methods import read_only
from viewers.models import ViewerName, ViewerTotal
from viewers.models.viewer import ViewerTotalQuerySet
from viewers.visibility import shown_in

PAGE = 50
LONGEST_NAME = 64
BROKEN = "This link to the next page is broken. Start again from the first one."


@read_only
@kept_ready
def viewer_list(request: HttpRequest, channel: str) -> HttpResponse:
    found = listed_channel(channel)
    typed = request.GET.get("q", "").strip()
    after = _place(request.GET.get("after", ""))
    rows, following = _search(found, typed, after) if typed else _most_messages(found, after)
    context = {"channel": found, "typed": typed, "rows": rows, "following": following, "is_first": after is None}
    return render(request, "viewers/list.html", context)


def _place(text: str) -> Place | None:
    if not text:
        return None
    try:
        return Place.read(text)
    except ValueError as error:
        raise Http404(BROKEN) from error


def _most_messages(channel: Channel, after: Place | None) -> tuple[list[ViewerTotal], str]:
    rows = ViewerTotal.objects.most_messages(channel).filter(shown_in(channel))
    shown = _from(rows, after) if after else list(rows[: PAGE + 1])
    return _page(shown, lambda row: Place(str(row.messages), row.viewer_id))


def _from(rows: ViewerTotalQuerySet, place: Place) -> list[ViewerTotal]:
    """One more than a page of those who follow this place."""
    try:
        messages = place.number()
    except ValueError as error:
        raise Http404(BROKEN) from error
    level = list(rows.level_after(messages, place.id)[: PAGE + 1])
    return level + list(rows.below(messages)[: PAGE + 1 - len(level)])


def _search(channel: Channel, typed: str, after: Place | None) -> tuple[list[ViewerName], str]:
    """Names that begin with what was typed, of those who are shown; nothing at all where no name could.

    Logins and display names lie in two indexes, so they are two questions, and their answers are one list.
    """
    prefix = typed.removeprefix("@").lower()
    if not prefix or len(prefix) > LONGEST_NAME or not prefix.isprintable():
        return [], ""
    names = ViewerName.objects.in_channel(channel).filter(shown_in(channel))
    logins, displayed = names.beginning_with(prefix), names.displayed_as(prefix)
    if after:
        logins, displayed = logins.after(after.value, after.id), displayed.after(after.value, after.id)
    found: list[Any] = [*logins[: PAGE + 1], *displayed[: PAGE + 1]]
    found.sort(key=lambda row: (row.found, row.viewer_id))
    return _page(found[: PAGE + 1], lambda row: Place(row.found, row.viewer_id))


def _page(rows: list[Any], place: Any) -> tuple[list[Any], str]:
    """The rows of this page, and where the next one begins."""
    return rows[:PAGE], str(place(rows[PAGE - 1])) if len(rows) > PAGE else ""
