"""The views of the API: they ask who it is, count it, and answer with what a resource has."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC
from hashlib import blake2b
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.dateparse import parse_datetime
from django.utils.http import parse_etags
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from streams import sync
from streams.api import access, limits
from streams.api.cursors import Cursor
from streams.api.problems import Problem, invalid
from streams.api.resources import Filters, Resource, Row, Synced, fields_of
from streams.models import Channel, Scope, Stream
from streams.pages import API_BYTES, LARGEST_BYTES, LIVE_SECONDS, LONGEST_QUERY, SITE, Page, keeper, told
from streams.pages import key_of as address_of
from streams.prepared import by_prepared_statements
from streams.statement import Given, Statement

NAMES = {"channel": "channel", "streams": "stream", "viewers": "viewer", "profiles": "page with words"}
LIMIT = 50
MOST = 200

RARE = frozenset({"since", "viewer", "q"})
"""Lists that are asked for with one of these are hardly asked for by anybody else within the moment they are kept."""

Answer = Mapping[str, Any]
Make = Callable[[Channel | None], Answer]

logins: dict[str, str] = {}
"""Of channels by their Twitch ids, as they were last seen: what is kept under an old one is of a generation that is
over."""


def _listed() -> QuerySet[Channel]:
    return Channel.objects.listed().filter(twitch_id=Given("twitch_id"))


LISTED = Statement(_listed)


class Negotiation(DefaultContentNegotiation):
    """One of the ways to write an answer, by `Accept` alone."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return super().select_renderer(request, renderers, None)


class ApiView(APIView):
    """Reads something. `scope` is what a key needs for it; None what anybody may have."""

    http_method_names = ["get", "head"]  # noqa: RUF012
    authentication_classes = (access.KeyAuthentication, access.BrowsingAuthentication)
    permission_classes = ()
    throttle_classes = ()
    content_negotiation_class = Negotiation
    scope: ClassVar[Scope | None] = None
    operation: ClassVar[str]
    tag: ClassVar[str]
    resource: ClassVar[Resource]
    is_list: ClassVar[bool] = False
    is_of_channel: ClassVar[bool] = True
    kept: ClassVar[bool] = True
    """Whether the same answer is many people's, and may be kept for a moment. What few ask for costs more to keep."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        plain = request._request  # noqa: SLF001
        try:
            key = access.key_of(request)
        except Exception:
            self._count(limits.of_address(plain), plain)
            raise
        plain.api_key = key  # type: ignore[attr-defined]
        allowance = limits.of_key(key, access.counted(plain, key)) if key else limits.of_address(plain)
        self._count(allowance, plain)
        super().initial(request, *args, **kwargs)

    @staticmethod
    def _count(allowance: limits.Allowance, request: Any) -> None:
        request.api_allowance = allowance
        if allowance.is_spent:
            raise Problem(429, allowance.words)

    def channel(self, request: Request, twitch_id: str) -> Channel:
        """The channel of an address, for a key that may have this of it."""
        found: Channel | None = LISTED.first(twitch_id=twitch_id)
        key = access.key_of(request)
        if self.scope and key is None:
            access.check(key, self.scope, found)
        if found is None:
            raise Http404("No channel with this Twitch id is followed here.")
        access.check(key, self.scope, found)
        return found

    def answer(self, request: Request, twitch_id: str, make: Make) -> HttpResponseBase:
        """An answer, made now or kept; with its ETag, or only the word that nothing changed.

        What is kept belongs to the generation of the channel (streams/pages.py): a choice empties it at once, and so
        does another name of it. It takes no question to the database.
        """
        plain = request._request  # noqa: SLF001
        if not self._may_be_kept(plain):
            return self._made(request, twitch_id, make)
        access.check(access.key_of(request), self.scope, None)
        if twitch_id not in logins:
            self._found(request, twitch_id)
        login, key = logins[twitch_id], address_of(plain)
        generation, page = keeper.find(login, key)
        if page is not None:
            return self._headed(told(page, plain), request)
        made = self._made_for_all(request, twitch_id, make, generation or b"")
        # Its name may have passed on between two questions, and the generation be that of another channel.
        if generation and logins[twitch_id] == login and len(made.packed) <= LARGEST_BYTES:
            keeper.keep(key, made, min(LIVE_SECONDS, settings.PAGE_CACHE_SECONDS), API_BYTES)
        return self._headed(told(made, plain), request)

    def _may_be_kept(self, plain: HttpRequest) -> bool:
        return (
            self.kept
            and self.scope is None
            and settings.PAGE_CACHE_SECONDS > 0
            and len(plain.META.get("QUERY_STRING", "")) <= LONGEST_QUERY
            and RARE.isdisjoint(plain.GET)
        )

    @by_prepared_statements
    def _made(self, request: Request, twitch_id: str, make: Make) -> HttpResponseBase:
        found = self._found(request, twitch_id)
        return self._headed(_fresh(make(found), request._request), request)  # noqa: SLF001

    @by_prepared_statements
    def _made_for_all(self, request: Request, twitch_id: str, make: Make, generation: bytes) -> Page:
        return Page.of(_written(make(self._found(request, twitch_id))), generation)

    def _found(self, request: Request, twitch_id: str) -> Channel | None:
        """The channel of an address, None for what is of none; its name is remembered."""
        if self.is_of_channel:
            found = self.channel(request, twitch_id)
        else:
            access.check(access.key_of(request), None, None)
            found = None
        logins[twitch_id] = (found and found.login) or SITE
        return found

    def _headed(self, response: HttpResponse, request: Request) -> HttpResponse:
        """Who is known gets what no shared cache may store; others what it has to ask about each time."""
        is_known = request.auth is not None or request.user.is_authenticated
        response["Cache-Control"] = "private, no-cache" if is_known else "no-cache"
        patch_vary_headers(response, ["Authorization", "Cookie", "Accept-Encoding"])
        return response


def _written(answer: Answer) -> HttpResponse:
    return HttpResponse(json.dumps(answer, ensure_ascii=False, separators=(",", ":")), content_type="application/json")


def _fresh(answer: Answer, request: HttpRequest) -> HttpResponse:
    """Not packed: what is secret should not lie beside what somebody else chose, in one packed answer."""
    response = _written(answer)
    etag = f'"{blake2b(response.content, digest_size=16).hexdigest()}"'
    asked = parse_etags(request.headers.get("If-None-Match", ""))
    if "*" in asked or etag in (tag.removeprefix("W/") for tag in asked):
        response = HttpResponseNotModified()
    response["ETag"] = etag
    return response


class Nowhere(ApiView):
    """What is at no address of the API."""

    schema = None

    def get(self, request: Request, *_args: Any, **_kwargs: Any) -> HttpResponseBase:
        raise Http404


Look = Callable[[Synced, Any, sync.Cursor, int], sync.Changes]
"""What changed of a resource, of a channel, since then: at most so many rows."""


def changes(resource: Synced, channel: Channel | None, since: sync.Cursor, most: int) -> sync.Changes:
    """What changed of what is no viewer's."""
    return sync.changed(channel.pk if channel else None, resource.logged, since, most)


class ListView(ApiView):
    """A list of a resource: pages of it, or what changed of it."""

    is_list = True
    most: ClassVar[int] = MOST
    changes: ClassVar[Any] = staticmethod(changes)

    def get(self, request: Request, channel: str = "", **kwargs: Any) -> HttpResponseBase:
        return self.answer(request, channel, lambda found: self.listed(request, found, **kwargs))

    def of(self, channel: Any, **kwargs: Any) -> Resource:
        """The resource of this very address."""
        return self.resource

    def listed(self, request: Request, channel: Any, **kwargs: Any) -> Answer:
        resource = self.of(channel, **kwargs)
        synced = resource if isinstance(resource, Synced) else None
        known = {"limit", "cursor", "fields", *resource.filters.base_filters}
        _refuse_unknown(request, known | {"since"} if synced else known)
        asked, fields, most = _asked(resource, request), _fields(resource, request), _limit(request)
        of = [resource.name, channel and channel.pk, *map(str, resource.orders(resource.given(asked)))]
        cursor = Cursor.read(request.GET.get("cursor", ""), of)
        if synced and "since" in request.GET:
            return _changed(request, channel, synced, self.changes, asked, fields, most)
        begun = cursor.begun if cursor else _begin(channel, synced) if synced else None
        page = resource.page(channel, asked, cursor.place if cursor else None, most)
        following = Cursor(of, page.following, begun) if page.following else None
        return {
            "results": _only(page.rows, fields),
            "deleted": [],
            **({"gone": []} if resource.tells_who_is_gone else {}),
            "next": _link(request, cursor=str(following)) if following else None,
            "since": None if following else begun,
        }


class OneView(ApiView):
    """One of a resource, by its id."""

    resource: ClassVar[Synced]
    kept = False

    def get(self, request: Request, id: str, channel: str = "") -> HttpResponseBase:  # noqa: A002
        return self.answer(request, channel, lambda found: self.one(request, found, id))

    def one(self, request: Request, channel: Any, key: str) -> Answer:
        _refuse_unknown(request, {"fields"})
        fields = _fields(self.resource, request)
        row = self.resource.one(channel, key)
        if row is None:
            raise Http404(f"There is no {NAMES[self.resource.name]} with this id here.")
        return _only([row], fields)[0]


class OfStreamView(ListView):
    """A list of what belongs to one stream of a channel."""

    kept = False

    def listed(self, request: Request, channel: Channel, **kwargs: Any) -> Answer:
        if not Stream.objects.filter(channel=channel, pk=kwargs["stream"]).exists():
            raise Http404("There is no stream with this id here.")
        return super().listed(request, channel, **kwargs)

    def of(self, channel: Channel, **kwargs: Any) -> Resource:
        return type(self.resource)(kwargs["stream"])  # type: ignore[call-arg]


def _begin(channel: Channel | None, resource: Synced) -> str:
    """The cursor that tells later what changed since now: asked for before the first page is read."""
    return sync.begin().written(channel.pk if channel else None, resource.logged)


def _changed(
    request: Request,
    channel: Channel | None,
    resource: Synced,
    look: Look,
    asked: Filters,
    fields: list[str],
    most: int,
) -> Answer:
    """What changed since the client was last told: rows as they are now, the ids of those that were deleted, and of
    viewers who are shown no more.
    """
    if "cursor" in request.GET:
        raise invalid({"since": ["Pages of changes are asked for with `since` alone, and not with a cursor."]})
    resource.check_sync(asked)
    channel_id = channel.pk if channel else None
    try:
        since = since_of(request.GET["since"], channel_id, resource.logged)
        with sync.at_one_moment():
            changes = look(resource, channel, since, most)
            rows = resource.find(channel, changes.keys, asked)
            told = {resource.key_of(row) for row in rows}
            absent = resource.absent(channel, [key for key in changes.keys if key not in told], changes.written)
    except sync.Invalid as error:
        raise Problem(400, str(error), "invalid_cursor") from error
    except sync.SyncAnew as error:
        raise Problem(410, str(error), "sync_anew") from error
    cursor = changes.next.written(channel_id, resource.logged)
    return {
        "results": _only(rows, fields),
        "deleted": absent.deleted,
        **({"gone": absent.gone} if resource.tells_who_is_gone else {}),
        "next": None if changes.is_all else _link(request, since=cursor),
        "since": cursor if changes.is_all else None,
    }


def since_of(text: str, channel_id: int | None, resource: str) -> sync.Cursor:
    """A cursor, or a time. Raises what reading one raises: see streams/sync.py."""
    try:
        moment = parse_datetime(text)
    except ValueError:  # written as a time, and there is none like it
        moment = None
    if moment is None:
        return sync.Cursor.read(text, channel_id, resource)
    if moment.tzinfo is None:
        raise sync.Invalid("Times are told with their offset, such as 2026-05-01T12:00:00Z.")
    try:
        at = moment.astimezone(UTC)  # more offsets can be written than Postgres takes
    except OverflowError as error:
        raise sync.Invalid("There is no such time in UTC.") from error
    return sync.at(at, timezone.now())


def _refuse_unknown(request: Request, known: set[str]) -> None:
    """A parameter that is not known is a mistake: left out, the answer would be another than was asked for."""
    unknown = {name: ["There is no such parameter here."] for name in request.GET if name not in known}
    twice = {name: ["Give it once."] for name in request.GET if len(request.GET.getlist(name)) > 1}
    if unknown or twice:
        raise invalid({**unknown, **twice})


def _asked(resource: Resource, request: Request) -> Filters:
    given = {name: request.GET[name] for name in resource.filters.base_filters if name in request.GET}
    empty = {name: ["It is empty: leave it out, or give a value."] for name, value in given.items() if not value}
    asked = resource.filters(given) if given else resource.filters.unasked()
    if empty or not asked.is_valid():
        raise invalid({**{name: list(map(str, words)) for name, words in asked.errors.items()}, **empty})
    return asked


def _fields(resource: Resource, request: Request) -> list[str]:
    """The fields that were asked for; all where none was."""
    known = list(fields_of(resource.serializer))
    if "fields" not in request.GET:
        return known
    named = [name.strip() for name in request.GET["fields"].split(",")]
    if unknown := [name for name in named if name not in known]:
        raise invalid({"fields": [f"There is no field {unknown[0]!r}: take some of {', '.join(known)}."]})
    return [name for name in known if name in named]


def _limit(request: Request) -> int:
    text = request.GET.get("limit", str(LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST):
        raise invalid({"limit": [f"Take a number from 1 to {MOST}."]})
    return int(text)


def _only(rows: list[Row], fields: list[str]) -> list[Row]:
    return [{name: row[name] for name in fields} for row in rows]


def _link(request: Request, **changed: str) -> str:
    query = {**request.GET.dict(), **changed}
    return request.build_absolute_uri(f"{request.path}?{urlencode(query)}")
