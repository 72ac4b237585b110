"""The list of a channel's viewers, and the search among them."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from streams.models import Channel
from streamstats.lib.keyset import Place
from streamstats.lib.methods import read_only
from viewers.access import channel_with_viewers
from viewers.models import ViewerName, ViewerTotal

PAGE = 50
LONGEST_NAME = 64
BROKEN = "This link to the next page is broken. Start again from the first one."


@read_only
def viewer_list(request: HttpRequest, channel: str) -> HttpResponse:
    found = channel_with_viewers(channel)
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
    rows = ViewerTotal.objects.most_messages(channel)
    if after:
        try:
            rows = rows.after(after.number(), after.id)
        except ValueError as error:
            raise Http404(BROKEN) from error
    shown = list(rows[: PAGE + 1])
    return _page(shown, lambda row: Place(str(row.messages), row.viewer_id))


def _search(channel: Channel, typed: str, after: Place | None) -> tuple[list[ViewerName], str]:
    """Names that begin with what was typed; nothing at all where no name could."""
    prefix = typed.removeprefix("@").lower()
    if not prefix or len(prefix) > LONGEST_NAME or not prefix.isprintable():
        return [], ""
    names = ViewerName.objects.in_channel(channel).beginning_with(prefix)
    if after:
        names = names.after(after.value, after.id)
    return _page(list(names[: PAGE + 1]), lambda row: Place(row.login, row.viewer_id))


def _page(rows: list[Any], place: Any) -> tuple[list[Any], str]:
    """The rows of this page, and where the next one begins."""
    return rows[:PAGE], str(place(rows[PAGE - 1])) if len(rows) > PAGE else ""
