"""Who a viewer's address is of, and whether whoever asks may see them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser, User
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Case, FilteredRelation, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import JSONObject
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode

from streams.converters import ViewerLogin
from streams.models import Channel
from streams.statement import Given, GivenChannel, Statement
from streamstats.lib.addresses import address
from viewers.access import may_moderate, viewer_of
from viewers.models import Profile, Viewer, ViewerName, ViewerTotal
from viewers.visibility import shown_in

# Of a login that many had, and of the names of one account: enough for every honest case.
NAMESAKES = 20
NAMES = 50
PAGE = "chat:viewer"
PICTURE = "chat:viewer_picture"
RECAP = "chat:viewer_recap"
in_address = ViewerLogin().to_url


class Name(NamedTuple):
    """A login of the viewer, and when it was seen."""

    login: str
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True)
class Person:
    """A viewer in a channel, as seen by whoever asks. Names are the newest first, the present one among them."""

    channel: Channel
    viewer: Viewer
    total: ViewerTotal
    profile: Profile | None
    names: list[Name]
    is_shown: bool
    is_self: bool = False
    is_moderated: bool = False  # by whoever asks
    by_id: bool = False  # the address they came by names the account

    def __str__(self) -> str:
        return str(self.viewer)

    @property
    def former_names(self) -> list[Name]:
        return [name for name in self.names if name.login != self.viewer.login]

    @property
    def is_bot(self) -> bool:
        """To the whole site, or to the moderators of the channel."""
        return self.viewer.is_bot or bool(self.profile and self.profile.is_bot)

    def name_in_use(self, login: str) -> Name | None:
        return next((name for name in self.names if name.login == login), None)

    def address_of(self, page: str, *more: object, stretch: str = "") -> str:
        """The address of a page about them; `more` are its other arguments, `stretch` the time it tells of."""
        path = address(page, self.channel.login, self.viewer.login, *more)
        is_by_id = self.by_id or not ViewerLogin.can_be_in_address(self.viewer.login)
        query = {**({"id": self.viewer.pk} if is_by_id else {}), **({"range": stretch} if stretch else {})}
        return f"{path}?{urlencode(query)}" if query else path


def find(channel: Channel, login: str, chosen: str, user: User | AnonymousUser) -> list[Person]:
    """Whom `user` may see of those who had this login in the channel, or of them the one with the chosen id."""
    if chosen:
        return _seen(CHOSEN, channel, chosen, user, by_id=True) if chosen.isprintable() else []
    found = _seen(NAMED, channel, login, user)
    return found or (_seen(NAMED, channel, login.lower(), user) if login != login.lower() else [])


def the_one(
    request: HttpRequest, channel: Channel, login: str, page: str = PAGE, *more: object
) -> Person | HttpResponse:
    """The viewer this page is of; or what to answer instead: where they are now, or the question who is meant.

    Raises Http404 where nobody is, in the same words whether they are hidden or were never there.
    """
    people = find(channel, login, request.GET.get("id", ""), request.user)
    if not people:
        raise Http404(_nobody(channel, login))
    if len(people) > 1:
        return render(request, "chat/which_viewer.html", {"channel": channel, "login": login, "people": people})
    person = people[0]
    if in_address(person.viewer.login) != in_address(login):
        return redirect(person.address_of(page, *more, stretch=request.GET.get("range", "")))
    return person


def _nobody(channel: Channel, login: str) -> str:
    if channel.is_open:
        return f"Nobody called {login} was seen in the chat of {channel}."
    return f"{channel} shows only viewers who asked for a page, and nobody called {login} did."


def _people(channel: Any) -> Any:
    """Everybody who was seen in the channel: with total, profile, text and names in one question."""
    names = ViewerName.objects.filter(viewer=OuterRef("pk")).order_by("-last_seen_at")
    told = JSONObject(login="login", first_seen_at="first_seen_at", last_seen_at="last_seen_at")
    viewers: Any = Viewer.objects.all()
    return (
        viewers.annotate(
            total=FilteredRelation("totals", condition=Q(totals__channel=channel)),
            profile=FilteredRelation("profiles", condition=Q(profiles__channel=channel)),
            all_names=ArraySubquery(names.values(told=told)[:NAMES]),
            is_shown=Case(When(shown_in(channel, "pk"), then=Value(True)), default=Value(False)),
        )
        .filter(total__isnull=False)
        .select_related("total", "profile__current")
        .order_by("pk")
    )


def _named(is_open: bool) -> QuerySet[Any]:
    """As `ViewerQuerySet.named`, without having Postgres compare whole rows to tell them apart."""
    names = ViewerName.objects.filter(login=Given("whom"))
    people: QuerySet[Any] = _people(GivenChannel(is_open)).filter(pk__in=names.values("viewer"))
    return people[:NAMESAKES]


def _chosen(is_open: bool) -> QuerySet[Any]:
    people: QuerySet[Any] = _people(GivenChannel(is_open)).filter(pk=Given("whom"))
    return people


NAMED, CHOSEN = Statement(_named), Statement(_chosen)


def _seen(
    people: Statement, channel: Channel, whom: str, user: User | AnonymousUser, *, by_id: bool = False
) -> list[Person]:
    rows = people.ask(channel.is_open, channel=channel.pk, whom=whom)
    return [person for row in rows if (person := _person(row, channel, user, by_id))]


def _person(row: Any, channel: Channel, user: User | AnonymousUser, by_id: bool) -> Person | None:
    """The viewer as `user` sees them; None where they may not."""
    own = viewer_of(user) if user.is_authenticated else None
    is_self = own is not None and own.pk == row.pk
    is_moderated = user.is_authenticated and may_moderate(user, channel)
    if not (row.is_shown or is_self or is_moderated):
        return None
    row.total.viewer, row.total.channel = row, channel
    names = [
        Name(name["login"], *(datetime.fromisoformat(name[key]) for key in ("first_seen_at", "last_seen_at")))
        for name in row.all_names
    ]
    profile = getattr(row, "profile", None)  # no row, no attribute
    return Person(channel, row, row.total, profile, names, row.is_shown, is_self, is_moderated, by_id)
