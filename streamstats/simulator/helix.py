"""Twitch's REST interface: who is who, who is live, who is in which chat; its pages, its limits, its bad days."""

import asyncio
import base64
import binascii
import json
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar
from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiMapping

from streamstats.simulator.facts import Account, Facts, OnAir
from streamstats.simulator.oauth import Identity, OAuthServer

FAULTS = {
    "helix": "let the REST interface fail (?fault=, see below; ?path=chat/chatters for one endpoint only; ?times=3 and"
    " then answer as ever)."
    " unauthorized: 401; forbidden: 403; busy: 429, with Ratelimit-Reset in ?seconds=5, or without it (?headers=0);"
    " away: ?status=503; slow: hold every answer back for ?seconds=10; garbage: no JSON;"
    " emptypage: an empty page with a cursor before every further page; midpage: every page but the first is 503;"
    " repeat: pages begin with the last rows of the page before; mend: answer as ever",
}
FAILURES = ("unauthorized", "forbidden", "busy", "away", "midpage", "garbage")
KINDS = (*FAILURES, "slow", "emptypage", "repeat")
STATUSES = (500, 502, 503, 504)

POINTS_A_MINUTE = 800
MANY = 100  # ids in one question
MANY_SETS = 25
REPEATED_ROWS = 3
REMEMBERED = 1000
EMOTE_TEMPLATE = "https://static-cdn.jtvnw.net/emoticons/v2/{{id}}/{{format}}/{{theme_mode}}/{{scale}}"

Row = dict[str, Any]
Item = TypeVar("Item")


class Refused(Exception):
    """What Twitch says instead of an answer."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Asked:
    """One question that came in."""

    path: str
    query: tuple[tuple[str, str], ...]
    user_id: str | None
    status: int


@dataclass(frozen=True)
class Ban:
    """Somebody who may not write; for ever where there is no end."""

    account: Account
    reason: str
    by: Account
    at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True)
class SharedChat:
    """Channels that share one chat."""

    id: str
    host_id: str
    channel_ids: tuple[str, ...]
    at: datetime


@dataclass(frozen=True)
class Listing(Generic[Item]):
    """Everything there is to tell, of which a page becomes rows."""

    items: Sequence[Item]
    row: Callable[[Item], Row]
    id_of: Callable[[Item], str]
    beside: Row = field(default_factory=dict)
    """What stands beside the rows."""


@dataclass(frozen=True)
class Question:
    query: MultiMapping[str]
    identity: Identity

    def one(self, name: str) -> str:
        if not self.query.get(name):
            raise Refused(HTTPStatus.BAD_REQUEST, f'Missing required parameter "{name}"')
        return self.query[name]

    def many(self, *names: str, most: int = MANY) -> list[list[str]]:
        values = [self.query.getall(name, []) for name in names]
        if sum(map(len, values)) > most:
            raise Refused(HTTPStatus.BAD_REQUEST, f'The parameter "{names[0]}" was malformed: at most {most} of them')
        return values


@dataclass(frozen=True)
class Endpoint:
    """What may be asked, by whom, and in pages of which size (0: all at once)."""

    listing: Callable[["HelixServer", Question], Listing[Any]]
    scopes: frozenset[str] = frozenset()
    """Any one of them will do."""
    own: str = ""
    """The parameter that has to name the user of the token."""
    largest_page: int = 0
    usual_page: int = 20


class Place(NamedTuple):
    """Where the next page begins: after so many, the last of which was this one."""

    told: int = 0
    last_id: str = ""
    after_nothing: bool = False


@dataclass
class Fault:
    kind: str
    path: str | None
    times: float
    status: int
    seconds: float
    with_headers: bool
    is_over: asyncio.Event = field(default_factory=asyncio.Event)


class Bucket:
    """Points that one may spend. They come back evenly, all of them within a minute."""

    def __init__(self, size: int, now: float) -> None:
        self.size, self.points, self._at = size, float(size), now

    def take(self, now: float) -> bool:
        self.points = min(self.size, self.points + (now - self._at) * self.size / 60)
        self._at = now
        if self.points < 1:
            return False
        self.points -= 1
        return True

    def headers(self) -> dict[str, str]:
        full_at = self._at + (self.size - self.points) * 60 / self.size
        return rate_headers(self.size, int(self.points), full_at)


def rate_headers(limit: int, remaining: int, reset: float) -> dict[str, str]:
    return {
        "Ratelimit-Limit": str(limit),
        "Ratelimit-Remaining": str(remaining),
        "Ratelimit-Reset": str(math.ceil(reset)),
    }


class HelixServer:
    """Serves /helix from the facts. What the facts do not know is said to it: followers, bans, shared chats."""

    def __init__(self, facts: Facts, oauth: OAuthServer) -> None:
        self.facts = facts
        self.oauth = oauth
        self.points_a_minute = POINTS_A_MINUTE
        self.largest_page = 1000  # tests make several pages of few rows
        self.now: Callable[[], float] = time.time
        self.followers: dict[str, list[tuple[Account, datetime]]] = {}
        self.bans: dict[str, list[Ban]] = {}
        self.shared_chats: list[SharedChat] = []
        self.asked: deque[Asked] = deque(maxlen=REMEMBERED)
        self._faults: list[Fault] = []
        self._buckets: dict[tuple[str, str | None], Bucket] = {}

    def add_routes(self, app: web.Application) -> None:
        for path, endpoint in ENDPOINTS.items():
            app.router.add_get(f"/helix/{path}", self._handler(path, endpoint))

    async def fault(self, name: str, options: Mapping[str, str | float]) -> None:
        if name not in FAULTS:
            raise ValueError(f"no fault is named {name!r}")
        kind = str(options.get("fault", ""))
        path = str(options["path"]).strip("/") if "path" in options else None
        if path is not None and path not in ENDPOINTS:
            raise ValueError(f"path must be one of {', '.join(ENDPOINTS)}")
        if kind == "mend":
            for fault in [fault for fault in self._faults if path in (None, fault.path)]:
                fault.is_over.set()
                self._faults.remove(fault)
            return
        if kind not in KINDS:
            raise ValueError(f"no fault of the REST interface is named {kind!r}; there are {', '.join(KINDS)}, mend")
        times = float(options.get("times", math.inf))
        seconds = float(options.get("seconds", 5 if kind == "busy" else 10))
        status = int(options.get("status", 503))
        if not (times > 0 and math.isfinite(seconds) and seconds >= 0 and status in STATUSES):
            raise ValueError(f"times must be above 0, seconds from 0 on, status one of {STATUSES}")
        self._faults = [fault for fault in self._faults if (fault.kind, fault.path) != (kind, path)]
        self._faults.append(Fault(kind, path, times, status, seconds, str(options.get("headers", 1)) != "0"))

    # Questions and answers.

    def _handler(self, path: str, endpoint: Endpoint) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            identity = self.oauth.check(request.headers.get("Authorization", ""), request.headers.get("Client-Id", ""))
            response = await self._answer(path, endpoint, request, identity)
            self.asked.append(
                Asked(path, tuple(request.query.items()), identity.user_id if identity else None, response.status)
            )
            return response

        return handle

    async def _answer(
        self, path: str, endpoint: Endpoint, request: web.Request, identity: Identity | None
    ) -> web.Response:
        if slow := self._take(path, "slow"):
            with suppress(TimeoutError):
                await asyncio.wait_for(slow.is_over.wait(), slow.seconds)
        if (failed := self._failed(path, is_further="after" in request.query)) is not None:
            return failed
        if identity is None:
            return error(HTTPStatus.UNAUTHORIZED, "Invalid OAuth token")
        bucket = self._bucket(identity)
        if not bucket.take(self.now()):
            return error(HTTPStatus.TOO_MANY_REQUESTS, "Too Many Requests", bucket.headers())
        try:
            body = self._body(path, endpoint, Question(request.query, identity))
        except Refused as refused:
            return error(refused.status, str(refused), bucket.headers())
        return web.json_response(body, headers=bucket.headers())

    def _body(self, path: str, endpoint: Endpoint, question: Question) -> Row:
        check_allowed(endpoint, question)
        listing = endpoint.listing(self, question)
        if not endpoint.largest_page:
            return {"data": [listing.row(item) for item in listing.items], **listing.beside}
        return self._page(path, endpoint, question, listing)

    def _page(self, path: str, endpoint: Endpoint, question: Question, listing: Listing[Any]) -> Row:
        """As Twitch does it: a full page always names a next one, even where that turns out to be empty."""
        size = min(page_size(endpoint, question), self.largest_page)
        of = f"{path}?{urlencode([(name, value) for name, value in question.query.items() if name not in PAGING])}"
        place = read_cursor(question.query.get("after", ""), of)
        if place.told and not place.after_nothing and self._take(path, "emptypage"):
            again = cursor(place._replace(after_nothing=True), of)
            return {"data": [], "pagination": {"cursor": again}, **listing.beside}
        start = resume(listing, place)
        if start and self._take(path, "repeat"):
            start = max(0, start - min(REPEATED_ROWS, size - 1))
        items = listing.items[start : start + size]
        is_full = len(items) == size
        after = cursor(Place(start + size, listing.id_of(items[-1])), of) if is_full else ""
        pagination = {"cursor": after} if after else {}
        return {"data": [listing.row(item) for item in items], "pagination": pagination, **listing.beside}

    def _bucket(self, identity: Identity) -> Bucket:
        return self._buckets.setdefault(
            (identity.client_id, identity.user_id), Bucket(self.points_a_minute, self.now())
        )

    # Faults.

    def _take(self, path: str, kind: str) -> Fault | None:
        """The fault of this kind that is wanted here, if any; one time less is left of it."""
        for fault in self._faults:
            if fault.kind == kind and fault.path in (None, path):
                fault.times -= 1
                if fault.times < 1:
                    self._faults.remove(fault)
                return fault
        return None

    def _failed(self, path: str, *, is_further: bool) -> web.Response | None:
        """What is answered instead; None where nothing is wrong."""
        for kind in FAILURES:
            if (kind != "midpage" or is_further) and (fault := self._take(path, kind)):
                return self._failure(fault)
        return None

    def _failure(self, fault: Fault) -> web.Response:
        match fault.kind:
            case "busy":
                reset = rate_headers(self.points_a_minute, 0, self.now() + fault.seconds)
                return error(HTTPStatus.TOO_MANY_REQUESTS, "Too Many Requests", reset if fault.with_headers else {})
            case "garbage":
                return web.Response(text='<html>{"data": [', content_type="application/json")
            case "unauthorized":
                return error(HTTPStatus.UNAUTHORIZED, "Invalid OAuth token")
            case "forbidden":
                return error(HTTPStatus.FORBIDDEN, "The user in the token may not ask this")
            case _:
                return error(HTTPStatus(fault.status), "")

    # What is told.

    def known(self, ids: Iterable[str], logins: Iterable[str] = ()) -> list[Account]:
        """Those there are, each once. Who is suspended is not there."""
        found = [self.facts.account(twitch_id) for twitch_id in ids]
        found += [self.facts.account_named(login.lower()) for login in logins]
        return list({account.id: account for account in found if account and not account.is_suspended}.values())

    def users(self, question: Question) -> Listing[Account]:
        ids, logins = question.many("id", "login")
        if not ids and not logins:
            if question.identity.user_id is None:
                raise Refused(HTTPStatus.BAD_REQUEST, "Must provide an ID, Login or OAuth Token.")
            ids = [question.identity.user_id]
        return people(self.known(ids, logins), user_row)

    def streams(self, question: Question) -> Listing[OnAir]:
        ids, logins = question.many("user_id", "user_login")
        asked = self.known(ids, logins) if ids or logins else list(self.facts.accounts())
        live = [stream for account in asked if (stream := self.facts.on_air(account.id))]
        live.sort(key=lambda stream: (-stream.viewers, stream.channel_id))
        return Listing(live, self._stream_row, lambda stream: stream.channel_id)

    def _stream_row(self, stream: OnAir) -> Row:
        owner = self.facts.account(stream.channel_id) or Account(stream.channel_id, "", "")
        return {
            "id": stream.id,
            **user_columns(owner),
            "game_id": stream.category_id,
            "game_name": stream.category,
            "type": "live",
            "title": stream.title,
            "tags": [],
            "viewer_count": stream.viewers,
            "started_at": instant(stream.started_at),
            "language": stream.language,
            "thumbnail_url": "",
            "tag_ids": [],
            "is_mature": False,
        }

    def channels(self, question: Question) -> Listing[Account]:
        question.one("broadcaster_id")
        return people(self.known(*question.many("broadcaster_id")), self._channel_row)

    def _channel_row(self, account: Account) -> Row:
        stream = self.facts.on_air(account.id)
        return {
            **columns("broadcaster", account),
            "broadcaster_language": stream.language if stream else "",
            "game_id": stream.category_id if stream else "",
            "game_name": stream.category if stream else "",
            "title": stream.title if stream else "",
            "delay": 0,
            "tags": [],
            "content_classification_labels": [],
            "is_branded_content": False,
        }

    def chatters(self, question: Question) -> Listing[Account]:
        channel_id, moderator_id = question.one("broadcaster_id"), question.one("moderator_id")
        is_moderator = any(account.id == moderator_id for account in self.facts.moderators(channel_id))
        if moderator_id != channel_id and not is_moderator:
            raise Refused(HTTPStatus.FORBIDDEN, "The user in moderator_id is not one of the broadcaster's moderators")
        present = self.facts.chatters(channel_id)
        return people(present, user_columns, {"total": len(present)})

    def moderators(self, question: Question) -> Listing[Account]:
        return people(chosen(self.facts.moderators(question.one("broadcaster_id")), question), user_columns)

    def vips(self, question: Question) -> Listing[Account]:
        return people(chosen(self.facts.vips(question.one("broadcaster_id")), question), user_columns)

    def moderated_channels(self, question: Question) -> Listing[Account]:
        moderator_id = question.one("user_id")
        channels = [
            account
            for account in self.facts.accounts()
            if any(moderator.id == moderator_id for moderator in self.facts.moderators(account.id))
        ]
        return people(channels, lambda account: columns("broadcaster", account))

    def channel_followers(self, question: Question) -> Listing[tuple[Account, datetime]]:
        """Everybody is told how many there are; who they are, only who may know."""
        channel_id = question.one("broadcaster_id")
        followers = self.followers.get(channel_id, [])
        asked = [person for person in followers if question.query.get("user_id", person[0].id) == person[0].id]
        reader = question.identity.user_id
        may_see = "moderator:read:followers" in question.identity.scopes and (
            reader == channel_id or any(account.id == reader for account in self.facts.moderators(channel_id))
        )
        return Listing(
            asked if may_see else [],
            lambda person: {**user_columns(person[0]), "followed_at": instant(person[1])},
            lambda person: person[0].id,
            {"total": len(followers)},
        )

    def banned(self, question: Question) -> Listing[Ban]:
        asked = question.many("user_id")[0]
        bans = self.bans.get(question.one("broadcaster_id"), [])
        bans = [ban for ban in bans if not asked or ban.account.id in asked]
        return Listing(bans, ban_row, lambda ban: ban.account.id)

    def shared_chat(self, question: Question) -> Listing[SharedChat]:
        channel_id = question.one("broadcaster_id")
        found = [session for session in self.shared_chats if channel_id in session.channel_ids]
        return Listing(found, shared_chat_row, lambda session: session.id)

    def channel_emotes(self, question: Question) -> Listing[Row]:
        return raw(self.facts.emotes(question.one("broadcaster_id")), {"template": EMOTE_TEMPLATE})

    def global_emotes(self, _question: Question) -> Listing[Row]:
        return raw(self.facts.emotes(None), {"template": EMOTE_TEMPLATE})

    def emote_sets(self, question: Question) -> Listing[Row]:
        question.one("emote_set_id")
        asked = set(question.many("emote_set_id", most=MANY_SETS)[0])
        owned = [(emote, account.id) for account in self.facts.accounts() for emote in self.facts.emotes(account.id)]
        found = [{**emote, "owner_id": owner} for emote, owner in owned if emote.get("emote_set_id") in asked]
        return raw(found, {"template": EMOTE_TEMPLATE})

    def channel_badges(self, question: Question) -> Listing[Row]:
        return raw(self.facts.badges(question.one("broadcaster_id")))

    def global_badges(self, _question: Question) -> Listing[Row]:
        return raw(self.facts.badges(None))

    def cheermotes(self, question: Question) -> Listing[Row]:
        channel_id = question.query.get("broadcaster_id")
        return raw([*self.facts.cheermotes(None), *(self.facts.cheermotes(channel_id) if channel_id else [])])


ENDPOINTS = {
    "users": Endpoint(HelixServer.users),
    "streams": Endpoint(HelixServer.streams, largest_page=100),
    "channels": Endpoint(HelixServer.channels),
    "channels/followers": Endpoint(HelixServer.channel_followers, largest_page=100),
    "channels/vips": Endpoint(
        HelixServer.vips,
        scopes=frozenset({"channel:read:vips", "channel:manage:vips"}),
        own="broadcaster_id",
        largest_page=100,
    ),
    "chat/chatters": Endpoint(
        HelixServer.chatters,
        scopes=frozenset({"moderator:read:chatters"}),
        own="moderator_id",
        largest_page=1000,
        usual_page=100,
    ),
    "chat/emotes": Endpoint(HelixServer.channel_emotes),
    "chat/emotes/global": Endpoint(HelixServer.global_emotes),
    "chat/emotes/set": Endpoint(HelixServer.emote_sets),
    "chat/badges": Endpoint(HelixServer.channel_badges),
    "chat/badges/global": Endpoint(HelixServer.global_badges),
    "bits/cheermotes": Endpoint(HelixServer.cheermotes),
    "moderation/banned": Endpoint(
        HelixServer.banned,
        scopes=frozenset({"moderation:read", "moderator:manage:banned_users"}),
        own="broadcaster_id",
        largest_page=100,
    ),
    "moderation/channels": Endpoint(
        HelixServer.moderated_channels,
        scopes=frozenset({"user:read:moderated_channels"}),
        own="user_id",
        largest_page=100,
    ),
    "moderation/moderators": Endpoint(
        HelixServer.moderators,
        scopes=frozenset({"moderation:read", "channel:manage:moderators"}),
        own="broadcaster_id",
        largest_page=100,
    ),
    "shared_chat/session": Endpoint(HelixServer.shared_chat),
}


def error(status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = {"error": status.phrase, "status": status.value, "message": message}
    return web.json_response(body, status=status, headers=headers)


def check_allowed(endpoint: Endpoint, question: Question) -> None:
    identity = question.identity
    if endpoint.scopes and (identity.user_id is None or not endpoint.scopes & identity.scopes):
        raise Refused(HTTPStatus.UNAUTHORIZED, f"Missing scope: {' or '.join(sorted(endpoint.scopes))}")
    if endpoint.own and question.one(endpoint.own) != identity.user_id:
        raise Refused(
            HTTPStatus.UNAUTHORIZED,
            f"The ID in {endpoint.own} must match the user ID found in the request's OAuth token.",
        )


# Pages.

PAGING = ("after", "first")


def page_size(endpoint: Endpoint, question: Question) -> int:
    first = question.query.get("first", str(endpoint.usual_page))
    if not (first.isascii() and first.isdigit() and 1 <= int(first[:6]) <= endpoint.largest_page):
        raise Refused(
            HTTPStatus.BAD_REQUEST, f'The parameter "first" was malformed: it must be 1 to {endpoint.largest_page}'
        )
    return int(first)


def cursor(place: Place, of: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([*place, of]).encode()).decode()


def read_cursor(text: str, of: str) -> Place:
    """Where to go on; only for the question whose answer named this cursor."""
    if not text:
        return Place()
    try:
        told, last_id, after_nothing, asked = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (binascii.Error, ValueError, TypeError):
        _bad_cursor()
    if asked != of:
        _bad_cursor()
    return Place(told, last_id, after_nothing)


def _bad_cursor() -> NoReturn:
    raise Refused(HTTPStatus.BAD_REQUEST, 'The parameter "after" was malformed: invalid cursor')


def resume(listing: Listing[Any], place: Place) -> int:
    """Where the next page begins, although somebody may have come or gone meanwhile: rather twice than not at all."""
    if not place.told:
        return 0
    around = range(min(place.told, len(listing.items)) - 1, -1, -1)
    before = next((index for index in around if listing.id_of(listing.items[index]) == place.last_id), None)
    if before is not None:
        return before + 1
    after = range(place.told, len(listing.items))
    moved = next((index for index in after if listing.id_of(listing.items[index]) == place.last_id), None)
    return moved + 1 if moved is not None else max(0, place.told - MANY)


# Rows.


def people(accounts: Sequence[Account], row: Callable[[Account], Row], beside: Row | None = None) -> Listing[Account]:
    return Listing(accounts, row, lambda account: account.id, beside or {})


def raw(rows: Sequence[Row], beside: Row | None = None) -> Listing[Row]:
    return Listing(rows, dict, lambda row: str(row.get("id", "")), beside or {})


def chosen(accounts: Sequence[Account], question: Question) -> list[Account]:
    asked = question.many("user_id")[0]
    return [account for account in accounts if not asked or account.id in asked]


def columns(whose: str, account: Account) -> Row:
    return {f"{whose}_id": account.id, f"{whose}_login": account.login, f"{whose}_name": account.display_name}


def user_columns(account: Account) -> Row:
    return {"user_id": account.id, "user_login": account.login, "user_name": account.display_name}


def user_row(account: Account) -> Row:
    return {
        "id": account.id,
        "login": account.login,
        "display_name": account.display_name,
        "type": "",
        "broadcaster_type": account.broadcaster_type,
        "description": "",
        "profile_image_url": account.avatar_url,
        "offline_image_url": "",
        "view_count": 0,
        "created_at": instant(account.created_at),
    }


def ban_row(ban: Ban) -> Row:
    return {
        **user_columns(ban.account),
        "expires_at": instant(ban.expires_at) if ban.expires_at else "",
        "created_at": instant(ban.at),
        "reason": ban.reason,
        **columns("moderator", ban.by),
    }


def shared_chat_row(session: SharedChat) -> Row:
    return {
        "session_id": session.id,
        "host_broadcaster_id": session.host_id,
        "participants": [{"broadcaster_id": channel_id} for channel_id in session.channel_ids],
        "created_at": instant(session.at),
        "updated_at": instant(session.at),
    }


def instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
