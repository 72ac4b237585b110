"""What search engines are told: which pages there are, and which to leave alone.

A section for each thing a channel has pages of, the most interesting first and no more than MOST of them: who counts
what is behind that reads whole tables. What is not listed is found by links.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any

from django.contrib.sitemaps import Sitemap, views
from django.core.paginator import EmptyPage, PageNotAnInteger
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from chat.models import EmoteTotal
from streams.access import listed_channel
from streams.models import Channel, Stream
from streams.pages import kept_ready
from streamstats.lib.methods import read_only
from viewers.addresses import viewer_address
from viewers.models import ViewerTotal
from viewers.visibility import people_in

Edge = tuple[int, str]
"""Messages, and the viewer's id: a place in the list of who wrote most."""
Sections = dict[str, "type[Sitemap[Any]] | Sitemap[Any]"]

CHANNELS = 500
FILE = 2_000
MOST = 20_000

ROBOTS = """User-agent: *
Disallow: /account/
Disallow: /admin/
Disallow: /api/
Disallow: /complete/
Disallow: /connect/
Disallow: /erased/
Disallow: /login/
Disallow: /live
Disallow: /c/*/live$
Disallow: /c/*/wiki/
Disallow: /*?*after=
Disallow: /*?*q=

Sitemap: {sitemap}
"""


@read_only
def robots(request: HttpRequest) -> HttpResponse:
    text = ROBOTS.format(sitemap=request.build_absolute_uri(reverse("sitemap")))
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@read_only
@kept_ready
def index(request: HttpRequest) -> HttpResponse:
    return views.index(request, sitemaps=_sections(), sitemap_url_name="sitemap_section")


@read_only
@kept_ready
def section(request: HttpRequest, section: str) -> HttpResponse:
    return views.sitemap(request, sitemaps={section: _section(section)}, section=section)


class Files:
    """Django's paginator, for files of FILE rows each. `known` is how many rows there may be, without counting."""

    def __init__(self, rows: Callable[[int], Iterable[Any]], known: int) -> None:
        self._rows = rows
        self.num_pages = max(1, -(-min(known, MOST) // FILE))
        self.object_list: Iterable[Any] = ()

    def page(self, number: int | str) -> "Files":
        try:
            wanted = int(number)
        except ValueError as error:
            raise PageNotAnInteger("not a number") from error
        if not 1 <= wanted <= self.num_pages:
            raise EmptyPage("no such page")
        self.object_list = self._rows((wanted - 1) * FILE)
        return self


class Front(Sitemap):  # type: ignore[type-arg]
    def items(self) -> list[str]:
        return ["streams:front", "chat:privacy"]

    def location(self, item: str) -> str:
        return reverse(item)


class Section(Sitemap, ABC):  # type: ignore[type-arg]
    """Pages of one kind in one channel; `rows` are those of the file that begins at a row."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    @property
    def paginator(self) -> Any:
        return Files(self.rows, self.known)

    @property
    def known(self) -> int:
        """Of most there is one file; not counting them is why."""
        return FILE

    @abstractmethod
    def rows(self, first: int) -> Iterable[Any]: ...

    def get_latest_lastmod(self) -> datetime | None:
        """For the index: nothing in a channel changes later than what was written in it."""
        return self.channel.counts.last_message_at


class ChannelPages(Section):
    def rows(self, first: int) -> Iterable[str]:
        return ("chat:overview", "streams:list", "viewers:list", "chat:emotes", "chat:boards")

    def location(self, item: str) -> str:
        return reverse(item, args=[self.channel.login])

    def lastmod(self, item: str) -> datetime | None:
        return self.channel.counts.last_message_at


class StreamPages(Section):
    """The newest streams."""

    def rows(self, first: int) -> QuerySet[Stream]:
        return Stream.objects.recent(self.channel)[first : first + FILE]

    def location(self, item: Stream) -> str:
        return reverse("chat:stream", args=[self.channel.login, item.pk])

    def lastmod(self, item: Stream) -> datetime:
        return item.ended_at or item.seen_at or item.started_at


class EmotePages(Section):
    """The emotes that were used most."""

    def rows(self, first: int) -> QuerySet[EmoteTotal]:
        totals = EmoteTotal.objects.filter(channel=self.channel, uses__gt=0)
        return totals.order_by("-uses", "emote")[first : first + FILE]

    def location(self, item: EmoteTotal) -> str:
        return reverse("chat:emote", args=[self.channel.login, item.emote_id])

    def lastmod(self, item: EmoteTotal) -> date:
        return item.last_day


class ViewerPages(Section):
    """The people who wrote most. Who is hidden is in no file; files begin where they would if nobody were."""

    @property
    def known(self) -> int:
        return self.channel.counts.chatters

    def rows(self, first: int) -> QuerySet[ViewerTotal]:
        wrote = ViewerTotal.objects.filter(channel=self.channel, messages__gt=0).order_by("-messages", "viewer")
        edges = wrote.values_list("messages", "viewer")
        begin = next(iter(edges[first : first + 1]), None)
        end = next(iter(edges[first + FILE : first + FILE + 1]), None)
        if begin is None:
            return wrote.none()
        return wrote.filter(_between(begin, end), people_in(self.channel)).select_related("viewer")

    def location(self, item: ViewerTotal) -> str:
        return viewer_address(self.channel, item.viewer)

    def lastmod(self, item: ViewerTotal) -> datetime:
        return item.last_seen_at


def _between(begin: Edge, end: Edge | None) -> Q:
    """From one place of the list up to another. Each part is a stretch of the index: many wrote equally little."""
    (most, first), (least, last) = begin, end or (0, "")
    if most == least:
        return Q(messages=most, viewer__gte=first, viewer__lt=last)
    in_between = Q(messages__lt=most, messages__gt=least)
    return Q(messages=most, viewer__gte=first) | in_between | Q(messages=least, viewer__lt=last)


KINDS: dict[str, type[Section]] = {
    "channel": ChannelPages,
    "streams": StreamPages,
    "emotes": EmotePages,
    "viewers": ViewerPages,
}


def _sections() -> Sections:
    """Every section that has anything, by its name in the address."""
    sections: Sections = {"site": Front()}
    has_streams = Exists(Stream.objects.filter(channel=OuterRef("pk")))
    has_emotes = Exists(EmoteTotal.objects.filter(channel=OuterRef("pk"), uses__gt=0))
    channels: QuerySet[Any] = Channel.objects.front_page().annotate(has_streams=has_streams, has_emotes=has_emotes)
    for channel in channels[:CHANNELS]:
        left_out = {
            "streams": not channel.has_streams,
            "emotes": not channel.has_emotes,
            "viewers": not channel.counts.chatters,
        }
        for kind, made in KINDS.items():
            if not left_out.get(kind):
                sections[f"{kind}-{channel.login}"] = made(channel)
    return sections


def _section(name: str) -> "Sitemap[Any]":
    kind, _, login = name.partition("-")
    if name == "site":
        return Front()
    if kind not in KINDS:
        raise Http404("There is no such part of the site map.")
    return KINDS[kind](listed_channel(login))
