"""Messages in the administration: found by words, author, time and stream, and shown among those around them."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin
from django.db.models import Q, prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode

from chat import search
from chat.models import Message
from chat.viewerfile import finding
from streams.filters import OneChannelFilter
from streams.models import Channel, Stream
from streamstats.lib.methods import read_only
from viewers.admin import SearchByName
from viewers.models import Viewer, ViewerTotal

AT_ONCE = 50
AROUND = 20
STREAMS_OFFERED = 50
MOST_AUTHORS = 50
LONGEST_ID = 64
YEARS = range(2000, 9000)
DAY = timedelta(days=1)
REMOVED = {"": None, "yes": True, "no": False}
WORD = re.compile(r'-?"[^"]*"|\S+')


class SearchForm(forms.Form):
    """What to look for. Days are whole days of UTC, both of them included."""

    words = forms.CharField(
        required=False,
        max_length=search.LONGEST_WORDS,
        label="Words",
        widget=forms.TextInput(attrs={"placeholder": 'words, "a phrase", this or that, -without', "type": "search"}),
    )
    author = forms.CharField(required=False, max_length=64, label="Author, by any name they had")
    since = forms.DateField(
        required=False, label="From (UTC)", widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )
    until = forms.DateField(
        required=False, label="To, inclusive (UTC)", widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )
    stream = forms.ChoiceField(required=False, label="Stream")
    removed = forms.ChoiceField(
        required=False,
        label="Removed",
        choices=[("", "removed or not"), ("yes", "removed ones"), ("no", "those not removed")],
    )

    def __init__(self, data: Any, streams: Sequence[Stream]) -> None:
        super().__init__(data)
        field: Any = self.fields["stream"]
        field.choices = [("", "any time"), *((stream.pk, _called(stream)) for stream in streams)]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if (since := given.get("since")) and (until := given.get("until")) and until < since:
            self.add_error("until", "This day is before the first one.")
        return given


class Line(NamedTuple):
    """A message in its place: whether it is the one looked for."""

    message: Message
    is_hit: bool


@admin.register(Message)
class MessageAdmin(SearchByName):
    list_display = ("sent_at", "viewer", "text", "removed_at", "channel")
    list_filter = (OneChannelFilter,)
    list_select_related = ("viewer", "channel")
    ordering = ("-sent_at", "-pk")

    def get_urls(self) -> list[Any]:
        ours = [
            path("search/", self.admin_site.admin_view(self.search_view), name="chat_message_search"),
            path("context/", self.admin_site.admin_view(self.context_view), name="chat_message_context"),
        ]
        return [*ours, *super().get_urls()]

    @method_decorator(read_only)
    def search_view(self, request: HttpRequest) -> HttpResponse:
        channels, channel = self._channels(request)
        if channel is None:
            return self._render(request, "search.html", title="Messages", channels=[])
        streams = _streams(channel, request.GET.get("stream", ""))
        form = SearchForm(request.GET, streams)
        context = {"channels": channels, "channel": channel, "form": form, "asked": _asked(request)}
        if not form.is_valid():
            return self._render(request, "search.html", title="Messages", **context)
        given = form.cleaned_data
        authors = _authors(channel, given["author"], request.GET.getlist("viewer"))
        context["authors"] = authors
        context["words"] = given["words"]
        if authors == []:
            return self._render(request, "search.html", title="Messages", **context)
        query = _query(given, streams, authors)
        found = search.find(channel.pk, query, _place(request.GET.get("before", "")), AT_ONCE)
        prefetch_related_objects(found.rows, "viewer")
        context |= {"found": found, "about": _rounded(search.about(channel.pk, query))}
        context |= {"is_later_page": "before" in request.GET, "marks": marks_of(given["words"])}
        if found.after:
            context["older"] = f"?{urlencode([*_kept(request), ('before', _told(found.after))])}"
        context["newest"] = f"?{urlencode(_kept(request))}"
        context["query"] = urlencode({"channel": channel.pk})
        return self._render(request, "search.html", title="Messages", **context)

    @method_decorator(read_only)
    def context_view(self, request: HttpRequest) -> HttpResponse:
        """The messages around one; `around` moves on from it, and what was looked for stays marked."""
        _, channel = self._channels(request)
        wanted = request.GET.get("id", "")
        if channel is None or str(channel.pk) != request.GET.get("channel") or not _is_id(wanted):
            raise Http404("There is no such message in a channel that you moderate.")
        messages = Message.objects.filter(channel=channel).select_related("viewer")
        hit = messages.filter(id=wanted).first()
        centre = _place(request.GET.get("around", "")) or (search.Place(hit.sent_at, hit.id) if hit else None)
        if centre is None:
            return self._render(request, "context.html", title="In context", channel=channel)
        lines = [Line(message, message.id == wanted) for message in _around(messages, centre)]
        context = {
            "channel": channel,
            "hit": hit,
            "lines": lines,
            "query": urlencode({"channel": channel.pk}),
            "earlier": _further(channel, wanted, lines[0]) if lines else "",
            "later": _further(channel, wanted, lines[-1]) if lines else "",
            "stream": _on_air(channel, centre.sent_at),
            "marks": None,
        }
        return self._render(request, "context.html", title="In context", **context)

    def _channels(self, request: HttpRequest) -> tuple[list[Channel], Channel | None]:
        """Those within reach, and the one asked for, else the one last heard of."""
        channels = list(self.channels_within(request).lately_heard_first())
        asked = request.GET.get("channel")
        chosen = (channel for channel in channels if asked is None or str(channel.pk) == asked)
        if (found := next(chosen, None)) is None and asked is not None:
            raise Http404("That is not a channel that you moderate.")
        return channels, found

    def _render(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        known = {**self.admin_site.each_context(request), "opts": self.opts}
        return render(request, f"admin/chat/message/{template}", {**known, **context})


# What is asked


def search_address(
    channel: Channel, viewers: Sequence[Viewer], words: str = "", before: search.Place | None = None
) -> str:
    """Where to search on in what some viewers wrote."""
    query = [("channel", str(channel.pk)), *(("viewer", viewer.pk) for viewer in viewers)]
    query += [("words", words)] if words else []
    query += [("before", _told(before))] if before else []
    return f"{reverse('admin:chat_message_search')}?{urlencode(query)}"


def _query(given: dict[str, Any], streams: Sequence[Stream], authors: list[Viewer] | None) -> search.Query:
    stream = next((stream for stream in streams if stream.pk == given["stream"]), None)
    return search.Query(
        words=given["words"].strip(),
        author_ids=None if authors is None else [viewer.pk for viewer in authors],
        since=_midnight(given["since"]),
        until=_midnight(given["until"], DAY),
        stream=stream,
        removed=REMOVED[given["removed"]],
    )


def _midnight(day: date | None, later: timedelta = timedelta()) -> datetime | None:
    """The beginning of a day, or of one after it; the last days there are have none."""
    if day is None or day > date.max - later:
        return None
    return datetime.combine(day + later, time(), UTC)


def _streams(channel: Channel, asked: str) -> list[Stream]:
    """The latest streams, and the one asked for."""
    latest = list(Stream.objects.recent(channel)[:STREAMS_OFFERED])
    if asked and _is_id(asked) and all(stream.pk != asked for stream in latest):
        latest += Stream.objects.filter(channel=channel, pk=asked)
    return latest


def _authors(channel: Channel, typed: str, ids: Sequence[str]) -> list[Viewer] | None:
    """Whose messages are asked for; None for everybody's, and nobody where no such author was seen here."""
    if typed.strip():
        return finding.called(channel, typed)
    if not ids:
        return None
    seen = ViewerTotal.objects.filter(channel=channel, viewer__in=[each for each in ids[:MOST_AUTHORS] if _is_id(each)])
    return [total.viewer for total in seen.select_related("viewer").order_by("viewer")]


def _asked(request: HttpRequest) -> list[tuple[str, str]]:
    """What the form does not ask for, and is asked for again."""
    return [("viewer", each) for each in request.GET.getlist("viewer")[:MOST_AUTHORS]]


def _kept(request: HttpRequest) -> list[tuple[str, str]]:
    """The question without the place where a page begins."""
    return [(name, each) for name, values in request.GET.lists() if name != "before" for each in values if each]


def _is_id(text: str) -> bool:
    return 0 < len(text) <= LONGEST_ID and text.isprintable()


def _told(place: search.Place) -> str:
    return f"{place.sent_at.isoformat()} {place.id}"


def _place(text: str) -> search.Place | None:
    """Reads what `_told` wrote; None where somebody made it up."""
    moment, _, message_id = text.partition(" ")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    is_place = at.tzinfo is not None and YEARS.start < at.year < YEARS.stop and (not message_id or _is_id(message_id))
    return search.Place(at.astimezone(UTC), message_id) if is_place else None


# What is shown


def _around(messages: Any, centre: search.Place) -> list[Message]:
    at, message_id = centre
    before = messages.filter(Q(sent_at__lt=at) | Q(id__lt=message_id), sent_at__lte=at)
    after = messages.filter(Q(sent_at__gt=at) | Q(id__gte=message_id), sent_at__gte=at)
    earlier = list(before.order_by("-sent_at", "-id")[:AROUND])
    return [*reversed(earlier), *after.order_by("sent_at", "id")[: AROUND + 1]]


def _further(channel: Channel, wanted: str, line: Line) -> str:
    place = _told(search.Place(line.message.sent_at, line.message.id))
    return f"?{urlencode([('channel', channel.pk), ('id', wanted), ('around', place)])}"


def _on_air(channel: Channel, at: datetime) -> Stream | None:
    """The stream in which a moment was."""
    stream = Stream.objects.recent(channel).filter(started_at__lte=at).first()
    return stream if stream and (stream.ended_at is None or stream.ended_at > at) else None


def _called(stream: Stream) -> str:
    title = f": {stream.title}" if stream.title else ""
    return f"{stream.started_at:%-d %b %Y, %H:%M}{title}"[:90]


def _rounded(count: int) -> str:
    """An estimate, told as one: two figures are more than it is worth already."""
    if count < 100:
        return "fewer than a hundred"
    power = 10 ** (len(str(count)) - 2)
    return f"about {round(count / power) * power:,}"


def marks_of(words: str) -> "re.Pattern[str] | None":
    """What to mark in texts: the words that were asked for, where they stand as whole words."""
    wanted = [word.strip('"') for word in WORD.findall(words) if not word.startswith("-") and word.lower() != "or"]
    parts = [re.escape(word) for word in wanted if re.search(r"\w", word)]
    return re.compile(rf"(?<!\w)({'|'.join(parts)})(?!\w)", re.IGNORECASE) if parts else None
