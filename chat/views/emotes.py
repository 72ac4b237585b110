"""The emotes of a channel: which are used how often, which nobody uses, which went; and the page of one of them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import BigIntegerField, Count, F, Func, Q, QuerySet, Subquery, Sum, Window
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from chat import stays
from chat.models import Emote, EmoteDay, EmoteSetEntry, EmoteStream, EmoteTotal, EmoteYear, ViewerEmote
from chat.models.emote import Provider
from chat.portrait import stretch
from chat.portrait.stretch import Stretch
from chat.views.channel import gaps_within
from streams.access import listed_channel
from streams.models import Channel, Stream
from streams.pages import kept_ready
from streamstats.lib import activity, periods, series
from streamstats.lib.methods import read_only
from viewers.visibility import people_in

PAGE = 60
LAST_PAGE = 1000
FANS = 50
NAMES = 100
UNUSED_DAYS = (30, 90)
GONE = "gone"
SHOWS = ("", *(f"unused-{days}" for days in UNUSED_DAYS), GONE)


class Asked(NamedTuple):
    """What a link to the emotes of a channel asks for."""

    show: str
    provider: str
    told: Stretch
    page: int

    def link(self, **changed: object) -> str:
        """The address of the same with something changed; what goes without saying is left out."""
        asked = {"show": self.show, "range": self.told.key, "provider": self.provider, "page": 1, **changed}
        plain: dict[str, list[object]] = {"show": [""], "range": ["", periods.ALL], "provider": [""], "page": [1]}
        return "?" + urlencode({name: value for name, value in asked.items() if value not in plain[name]})


class Link(NamedTuple):
    address: str
    text: str
    is_current: bool


class Used(NamedTuple):
    """An emote, how often it was used, and how much that is of all uses that are looked at, in percent."""

    emote: Emote
    uses: int
    share: float


class Listed(NamedTuple):
    """A page of emotes, how many there are on all pages, and how often all of them were used."""

    rows: Sequence[Any]
    known: int
    uses: int = 0


class Name(NamedTuple):
    """What an emote was called in the channel, in [since, until); None for a time before or after what is known."""

    name: str
    since: datetime | None
    until: datetime | None
    is_own: bool


class SumOver(Func):
    """A sum of sums, which `Sum` refuses to be."""

    function = "SUM"
    window_compatible = True
    output_field = BigIntegerField()


@read_only
@kept_ready
def emote_list(request: HttpRequest, channel: str) -> HttpResponse:
    found = listed_channel(channel)
    asked = _asked(request, found)
    told = asked.told
    listed = _listed(found, asked)
    if asked.page > 1 and not listed.rows:
        raise Http404("The list of emotes ends before this page. Start again from the first one.")
    days = _days(asked)
    period = None if told.stream else told.period
    first = _first_day(found, told.today) if days or told.period.first else told.today
    return render(
        request,
        "chat/emotes.html",
        {
            "channel": found,
            "asked": asked,
            "listed": listed,
            "days": days,
            "stream": told.stream,
            "counted_since": first if days and (told.today - first).days < days else None,
            "is_before": not asked.show and period is not None and period.end is not None and period.end <= first,
            "first": first,
            "shows": [Link(asked.link(show=show), _title(show), show == asked.show) for show in SHOWS],
            "ranges": _ranges(asked) if not asked.show else [],
            "earlier": None if asked.show or not period else _step(asked, period.before(), first),
            "later": None if asked.show or not period else _step(asked, period.after(), first),
            "providers": _providers(asked),
            "everywhere": asked.link(provider=""),
            "before": asked.link(page=asked.page - 1) if asked.page > 1 else "",
            "after": asked.link(page=asked.page + 1) if listed.known > asked.page * PAGE else "",
        },
    )


# What is asked for.


def _asked(request: HttpRequest, channel: Channel) -> Asked:
    show, provider = request.GET.get("show", ""), request.GET.get("provider", "")
    if show not in SHOWS:
        raise Http404("There is no such list of emotes: take all, unused-30, unused-90 or gone.")
    if provider and provider not in Provider:
        raise Http404(f"No emotes come from there: take one of {', '.join(Provider.values)}.")
    told = stretch.read(channel, request.GET.get("range", ""))
    return Asked(show, provider, told, _page(request.GET.get("page") or "1"))


def _page(text: str) -> int:
    page = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(LAST_PAGE)) else 0
    if not 1 <= page <= LAST_PAGE:
        raise Http404("There is no such page of emotes. Start again from the first one.")
    return page


def _days(asked: Asked) -> int:
    """For how long emotes have to be unused to be listed; 0 for another list."""
    return int(asked.show.removeprefix("unused-")) if asked.show.startswith("unused-") else 0


# Where it leads.


def _title(show: str) -> str:
    return {"": "Used", GONE: "Gone"}.get(show) or f"Unused for {show.removeprefix('unused-')} days"


def _ranges(asked: Asked) -> list[Link]:
    """One of each kind of period: the one that is looked at, else the present one."""
    told = asked.told
    present = {kind: periods.of(kind, told.today) for kind in periods.KINDS}
    if not told.stream:
        present[told.period.kind] = told.period
    return [Link(asked.link(range=each.key), str(each), each == told.span) for each in present.values()]


def _step(asked: Asked, period: periods.Period | None, first: date) -> Link | None:
    """The period before or after the one that is looked at, unless it lies ahead, or before what is known."""
    if period is None or period.first is None or period.end is None:
        return None
    if period.first > asked.told.today or period.end <= first:
        return None
    return Link(asked.link(range=period.key), str(period), False)


def _providers(asked: Asked) -> list[Link]:
    named = [("", "All"), *Provider.choices]
    if asked.show:  # emoji are in no set
        named = [choice for choice in named if choice[0] != Provider.EMOJI]
    return [Link(asked.link(provider=value), label, value == asked.provider) for value, label in named]


# What is listed.


def _listed(channel: Channel, asked: Asked) -> Listed:
    skip = (asked.page - 1) * PAGE
    if not asked.show:
        return _used(channel, asked, skip)
    if asked.show == GONE:
        found, known = stays.gone(channel, asked.provider, most=PAGE, skip=skip)
    else:
        found, known = stays.unused(channel, asked.provider, _days(asked), asked.told.today, most=PAGE, skip=skip)
    emotes = Emote.objects.in_bulk([stay.emote for stay in found])
    return Listed([(stay, emotes[stay.emote]) for stay in found], known)


def _used(channel: Channel, asked: Asked, skip: int) -> Listed:
    counted = _counted(channel, asked.told.span)
    if asked.provider:
        counted = counted.filter(emote__provider=asked.provider)
    # The names are looked up afterwards, for one page: joined, all that is summed would be sorted with them.
    sums: QuerySet[Any] = counted.values("emote").annotate(count=Sum("uses"))
    sums = sums.annotate(all=Window(SumOver("count")), known=Window(Count("*"))).order_by("-count", "emote")
    found = list(sums[skip : skip + PAGE])
    emotes = Emote.objects.in_bulk([row["emote"] for row in found])
    rows = [
        Used(emotes[row["emote"]], row["count"], 100 * row["count"] / row["all"])
        for row in found
        if row["emote"] in emotes and row["all"]
    ]
    return Listed(rows, found[0]["known"] if found else 0, int(found[0]["all"]) if found else 0)


def _counted(channel: Channel, span: periods.Period | Stream) -> QuerySet[Any]:
    """The rows whose uses add up to a span: there is a table for each kind of span."""
    if isinstance(span, Stream):
        return EmoteStream.objects.filter(stream=span)
    if span.first is None:
        return EmoteTotal.objects.filter(channel=channel)
    if span.kind == "year":
        return EmoteYear.objects.filter(channel=channel, year=span.first.year)
    return EmoteDay.objects.filter(channel=channel, day__gte=span.first, day__lt=span.end)


def _first_day(channel: Channel, today: date) -> date:
    """The first day that was counted: nothing is known of what was used before."""
    return channel.days.order_by("day").values_list("day", flat=True).first() or today


# One emote.


@read_only
@kept_ready
def emote_page(request: HttpRequest, channel: str, emote_id: int) -> HttpResponse:
    found = listed_channel(channel)
    emote = Emote.objects.filter(pk=emote_id).first()
    facts = _facts(found, emote) if emote else {}
    if not facts:
        raise Http404(f"No such emote was ever used in the chat of {found}.")
    return render(request, "chat/emote.html", facts)


def _facts(channel: Channel, emote: Emote) -> dict[str, object]:
    """Nothing for an emote that is neither used here nor in a set of the channel."""
    of_emote = EmoteDay.objects.filter(channel=channel, emote=emote, uses__gt=0)
    days = dict(of_emote.order_by("day").values_list("day", "uses"))
    names = _names(channel, emote)
    if not days and not any(name.is_own for name in names):
        return {}
    today = timezone.now().date()
    first, last = min(days, default=None), max(days, default=None)
    uses, all_uses = sum(days.values()), channel.counts.emotes
    present = [name.name for name in names if name.until is None]
    now = present[0] if present else emote.spoken
    return {
        "channel": channel,
        "emote": emote,
        "name": now,
        "names": names,
        "was": list(dict.fromkeys(name.name for name in names if name.name != now)),
        "uses": uses,
        "first": first,
        "last": last,
        "share": 100 * uses / all_uses if 0 < uses <= all_uses else None,
        "place": _place(channel, emote),
        "series": series.draw(days, first, today, _unknown_days(channel, first)) if first else None,
        "busiest": max(days.items(), key=lambda day: day[1]) if days else None,
        "fans": _fans(channel, emote),
    }


def _names(channel: Channel, emote: Emote) -> list[Name]:
    """The names it had in the channel's sets, then those it had everywhere, the newest first."""
    entries = EmoteSetEntry.objects.filter(Q(channel=channel) | Q(channel=None), emote=emote)
    # The channel's own before those of everywhere, for those are what chat here says.
    newest = entries.order_by(F("channel").asc(nulls_last=True), F("since").desc(nulls_last=True), "pk")
    rows = newest.values_list("name", "since", "until", "channel")[:NAMES]
    return [Name(name, since, until, owner is not None) for name, since, until, owner in rows]


def _place(channel: Channel, emote: Emote) -> dict[str, int] | None:
    """The place by uses of all time, and among how many; None before its uses were added up."""
    totals = EmoteTotal.objects.filter(channel=channel)
    own = Subquery(totals.filter(emote=emote).values("uses")[:1])
    found = totals.aggregate(
        ahead=Count("pk", filter=Q(uses__gt=own)), known=Count("pk"), itself=Count("pk", filter=Q(emote=emote))
    )
    return {"place": found["ahead"] + 1, "known": found["known"]} if found["itself"] else None


def _unknown_days(channel: Channel, first: date) -> set[date]:
    now = timezone.now()
    span = activity.Span(datetime.combine(first, time(), UTC), now, activity.DAY)
    return activity.mostly_missed(gaps_within(channel, span))


def _fans(channel: Channel, emote: Emote) -> QuerySet[ViewerEmote]:
    of_emote = ViewerEmote.objects.filter(people_in(channel), channel=channel, emote=emote)
    return of_emote.select_related("viewer").order_by("-uses", "viewer")[:FANS]
