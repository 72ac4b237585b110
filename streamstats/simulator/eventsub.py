"""EventSub over WebSocket as its clients see it: subscriptions over HTTP, events over sockets, and every bad day."""

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NoReturn, TypeAlias

import structlog
from aiohttp import WSMessage, WSMsgType, web

from streamstats.simulator.eventsubtypes import RAID, TYPES, EventType
from streamstats.simulator.facts import Facts
from streamstats.simulator.oauth import Identity, OAuthServer

log = structlog.get_logger(__name__)

EVENTSUB_FAULTS = {
    "close": "close the sockets (?code=4000 to 4007)",
    "reconnect": "ask for new connections, close the old ones after a while (?seconds=30)",
    "silence": "keep the sockets open but say nothing more",
    "abort": "break the TCP connections",
    "duplicate": "send the next messages twice, with the same id (?messages=1)",
    "malformed": "send messages that are not as they should be",
    "revoke": "end subscriptions (?type=, ?status=authorization_revoked)",
    "refuse": "refuse subscriptions (?type=, all if empty; ?status=403, or 400, 409, 429, 500)",
    "burst": "send many events at once (?type=channel.cheer&events=100)",
    "mend": "take subscriptions as ever, send everything once",
}
FAULTS = {
    "eventsub": "let EventSub fail (?fault=; "
    + "; ".join(f"{name}: {meaning}" for name, meaning in EVENTSUB_FAULTS.items())
    + "; one account's alone with ?user=)"
}

MOST_CONNECTIONS = 3
MOST_SUBSCRIPTIONS = 300
MOST_COST = 10
MOST_EQUAL = 3
KEEPALIVE_RANGE = (10, 600)
SLOWEST_CLIENT_S = 10.0
OWN_CODES = range(4000, 4008)
REFUSALS = {
    400: "invalid condition value",
    403: "subscription missing proper authorization",
    409: "subscription already exists",
    429: "too many subscriptions of this kind",
    500: "",
}
# What has been seen, or could be, of frames that are not as they should be.
MALFORMED = (
    "",
    "{",
    "[]",
    "null",
    '"session_welcome"',
    "{}",
    '{"metadata": {"message_type": "notification"}, "payload": {}}',
    '{"metadata": {"message_id": 7, "message_type": "notification"}, "payload": {}}',
    '{"metadata": {"message_id": "m", "message_type": "notification"}}',
    '{"metadata": {"message_id": "m", "message_type": "session_reconnect"}, "payload": {"session": {}}}',
    '{"metadata": {"message_id": "m", "message_type": "revocation"}, "payload": {"subscription": null}}',
    "[" * 100_000,
)
UNKNOWN = '{"metadata": {"message_id": "new", "message_type": "session_horoscope"}, "payload": {}}'

Condition: TypeAlias = Mapping[str, str]


@dataclass(eq=False)
class Subscription:
    """What somebody is told of, and over which session."""

    type: str
    version: str
    condition: dict[str, str]
    user_id: str
    cost: int
    session: "Session"
    created_at: datetime
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "enabled"

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "status": self.status,
            "type": self.type,
            "version": self.version,
            "condition": self.condition,
            "transport": {"method": "websocket", "session_id": self.session.id, "connected_at": _moment(None)},
            "created_at": _moment(self.created_at),
            "cost": self.cost,
        }


@dataclass(eq=False)
class Session:
    """One socket. After a reconnect two of them speak for the same subscriptions, until the old one is closed."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    address: str
    keepalive_s: float
    id: str = field(default_factory=lambda: f"session-{uuid.uuid4().hex}")
    user_id: str | None = None  # whoever subscribed first
    before: "Session | None" = None  # whose subscriptions it took over
    is_mute: bool = False
    is_used: bool = False
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def say(self, kind: str, payload: Mapping[str, Any], **metadata: str) -> bool:
        told = {"message_id": str(uuid.uuid4()), "message_type": kind, "message_timestamp": _moment(None), **metadata}
        return await self.say_text(json.dumps({"metadata": told, "payload": payload}, separators=(",", ":")))

    async def say_text(self, text: str) -> bool:
        """Send a frame; false where nobody hears it. A client that does not read is cut off."""
        if self.is_mute or self.socket.closed:
            return False
        try:
            async with asyncio.timeout(SLOWEST_CLIENT_S):
                await self.socket.send_str(text)
        except TimeoutError:
            log.warning("simulator.client_too_slow", session=self.id)
            self.abort()
            return False
        except ConnectionError:
            return False
        return True

    async def close(self, code: int) -> None:
        with suppress(ConnectionError):
            await self.socket.close(code=code)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def welcome(self) -> dict[str, Any]:
        return {
            "session": {
                "id": self.id,
                "status": "connected",
                "connected_at": _moment(None),
                "keepalive_timeout_seconds": self.keepalive_s,
                "reconnect_url": None,
                "recovery_url": None,
            }
        }


class EventSubServer:
    """Sessions, subscriptions, and what goes from one to the other.

    `keepalive_s` (None: as the client asks), `unused_s` and `grace_s` are Twitch's times, which tests shorten.
    """

    def __init__(self, facts: Facts, oauth: OAuthServer) -> None:
        self.facts = facts
        self.oauth = oauth
        self.keepalive_s: float | None = None
        self.unused_s = 10.0
        self.grace_s = 30.0
        self.sessions: list[Session] = []
        self.subscriptions: dict[str, Subscription] = {}
        self.asked: list[dict[str, Any]] = []
        """Bodies of all requests for a subscription, in order."""
        self.connections = 0
        """Sockets that were ever opened."""
        self._authorised: set[str] = set()
        self._expected: dict[str, Session] = {}  # by the key in a reconnect_url
        self._refused: dict[str, int] = {}
        self._twice = 0
        self._changed = asyncio.Condition()

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/eventsub/ws", self._connect)
        app.router.add_get("/helix/eventsub/subscriptions", self._list)
        app.router.add_post("/helix/eventsub/subscriptions", self._subscribe)
        app.router.add_delete("/helix/eventsub/subscriptions", self._unsubscribe)

    async def wait(self, until: Callable[[], object]) -> None:
        """Wait until something that depends on sessions or subscriptions is true."""
        async with self._changed:
            await self._changed.wait_for(until)

    async def subscribed(self, *types: str, user: str | None = None) -> None:
        """Wait until somebody is told of all these."""

        def told() -> set[str]:
            return {found.type for found in self.subscriptions.values() if user in (None, found.user_id)}

        await self.wait(lambda: told().issuperset(types))

    async def notify(
        self,
        type: str,  # noqa: A002 - Twitch's word
        condition: Condition,
        event: Mapping[str, Any],
        *,
        at: datetime | None = None,
        message_id: str | None = None,
    ) -> int:
        """Tell an event to every subscription of its type whose condition has these parts; return how many got it."""
        reached = 0
        for found in [found for found in self.subscriptions.values() if found.type == type]:
            if condition.items() <= found.condition.items():
                reached += await self._tell(found, event, at, message_id or str(uuid.uuid4()))
        return reached

    async def _tell(self, told: Subscription, event: Mapping[str, Any], at: datetime | None, message_id: str) -> bool:
        times = 1
        if self._twice:
            self._twice -= 1
            times = 2
        payload = {"subscription": told.shown(), "event": event}
        metadata = {
            "message_id": message_id,
            "message_timestamp": _moment(at),
            "subscription_type": told.type,
            "subscription_version": told.version,
        }
        heard = False
        for session in filter(None, (told.session, told.session.before)):
            for _ in range(times):
                heard |= await session.say("notification", payload, **metadata)
        return heard

    # Faults.

    async def fault(self, name: str, options: Mapping[str, str | float]) -> None:
        if name not in FAULTS:
            raise ValueError(f"no fault is named {name!r}")
        fault, user = str(options.get("fault", "")), str(options.get("user", ""))
        if fault not in EVENTSUB_FAULTS:
            raise ValueError(f"no fault of eventsub is named {fault!r}; there are {', '.join(EVENTSUB_FAULTS)}")
        match fault:
            case "duplicate":
                self._twice += int(_number(options, "messages", 1))
            case "revoke":
                await self._revoke(_type(options), str(options.get("status", "authorization_revoked")), user)
            case "refuse":
                self._refuse(options)
            case "burst":
                await self._burst(_type(options) or "channel.cheer", int(_number(options, "events", 100)))
            case "mend":
                self._refused.clear()
                self._twice = 0
            case _:
                sessions = [session for session in self.sessions if user in ("", session.user_id)]
                await asyncio.gather(*(self._fail(session, fault, options) for session in sessions))

    async def _fail(self, session: Session, fault: str, options: Mapping[str, str | float]) -> None:
        match fault:
            case "close":
                await session.close(_code(options))
            case "reconnect":
                await self._ask_to_move(session, _number(options, "seconds", self.grace_s))
            case "silence":
                session.is_mute = True
            case "malformed":
                for text in (*MALFORMED, UNKNOWN):
                    await session.say_text(text)
            case _:
                session.abort()

    def abort(self) -> None:
        """Break every TCP connection."""
        for session in self.sessions:
            session.abort()

    async def _ask_to_move(self, session: Session, seconds: float) -> None:
        """Announce that a connection will be closed, and that its subscriptions can come along to another."""
        key = uuid.uuid4().hex
        self._expected[key] = session
        url = f"{session.address}?reconnect={key}"
        told = {"id": session.id, "status": "reconnecting", "keepalive_timeout_seconds": None, "reconnect_url": url}
        await session.say("session_reconnect", {"session": {**told, "connected_at": _moment(None)}})
        self._start(session, self._end_grace(session, key, seconds))

    async def _end_grace(self, session: Session, key: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._expected.pop(key, None)
        await session.close(4004)

    async def _revoke(self, type_: str, status: str, user: str) -> None:
        for found in list(self.subscriptions.values()):
            if type_ in ("", found.type) and user in ("", found.user_id):
                del self.subscriptions[found.id]
                found.status = status
                metadata = {"subscription_type": found.type, "subscription_version": found.version}
                await found.session.say("revocation", {"subscription": found.shown()}, **metadata)
        await self._tell_changed()

    def _refuse(self, options: Mapping[str, str | float]) -> None:
        status = int(_number(options, "status", 403))
        if status not in REFUSALS:
            raise ValueError(f"status must be one of {', '.join(map(str, REFUSALS))}")
        self._refused[_type(options)] = status

    async def _burst(self, type_: str, events: int) -> None:
        for number in range(events):
            for found in [found for found in self.subscriptions.values() if found.type == type_]:
                event = {**found.condition, "burst": number, "user_id": None, "is_anonymous": True, "bits": 1}
                await self._tell(found, {**event, "message": f"event {number}"}, None, str(uuid.uuid4()))

    # Sockets.

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self.connections += 1
        address = f"ws://{request.host}{request.path}"
        session = Session(socket, request.transport, address, self._keepalive(request))
        key = request.query.get("reconnect")
        if key is not None and not self._take_over(session, key):
            await socket.close(code=4007)
            return socket
        self.sessions.append(session)
        try:
            await session.say("session_welcome", session.welcome())
            self._start(session, self._keep_alive(session))
            self._start(session, self._close_unused(session))
            await self._tell_changed()
            async for message in socket:
                await self._received(session, message)
        finally:
            for task in session.tasks:
                task.cancel()
            self.sessions.remove(session)
            self._forget(session)
            await self._tell_changed()
        return socket

    def _keepalive(self, request: web.Request) -> float:
        if self.keepalive_s is not None:
            return self.keepalive_s
        low, high = KEEPALIVE_RANGE
        asked = request.query.get("keepalive_timeout_seconds", "")
        return min(max(int(asked), low), high) if asked.isdecimal() else low

    def _take_over(self, session: Session, key: str) -> bool:
        """Give a connection the subscriptions of the one before it."""
        before = self._expected.pop(key, None)
        if before is None or before.socket.closed:
            return False
        session.before, session.user_id, session.is_used = before, before.user_id, True
        for found in self.subscriptions.values():
            if found.session is before:
                found.session = session
        return True

    def _forget(self, session: Session) -> None:
        """Subscriptions end with their connection, unless another one took them over."""
        for found in list(self.subscriptions.values()):
            if found.session is session:
                del self.subscriptions[found.id]
        for other in self.sessions:
            if other.before is session:
                other.before = None

    async def _received(self, session: Session, message: WSMessage) -> None:
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            await session.close(4001)

    async def _keep_alive(self, session: Session) -> None:
        """Say that all is well, a little more often than was promised."""
        while True:
            await asyncio.sleep(session.keepalive_s * 0.9)
            await session.say("session_keepalive", {})

    async def _close_unused(self, session: Session) -> None:
        await asyncio.sleep(self.unused_s)
        if not session.is_used:
            await session.close(4003)

    def _start(self, session: Session, work: Any) -> None:
        task = asyncio.create_task(work)
        session.tasks.add(task)
        task.add_done_callback(session.tasks.discard)

    async def _tell_changed(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    # Subscriptions.

    async def _subscribe(self, request: web.Request) -> web.Response:
        identity = self._identify(request)
        body = await _body(request)
        self.asked.append(body)
        if identity.user_id is None:
            _no(400, "invalid transport and auth combination")
        type_, condition = str(body.get("type")), body.get("condition")
        kind = TYPES.get(type_)
        if kind is None or kind.version != body.get("version"):
            _no(400, "invalid subscription type and version")
        if not isinstance(condition, dict) or not _is_whole(kind, condition):
            _no(400, "missing or unparseable condition")
        if refusal := self._refused.get(type_) or self._refused.get(""):
            _no(refusal, REFUSALS[refusal])
        session = self._session_of(body, identity.user_id)
        if not self._may_hear(kind, condition, identity):
            _no(403, "subscription missing proper authorization")
        self._authorised.add(identity.user_id)
        cost = 0 if kind.scopes or self._authorised.issuperset(condition.values()) else 1
        self._check_limits(type_, condition, session, identity.user_id, cost)
        found = Subscription(type_, kind.version, dict(condition), identity.user_id, cost, session, datetime.now(UTC))
        self.subscriptions[found.id] = found
        session.user_id, session.is_used = identity.user_id, True
        await self._tell_changed()
        return self._answer([found], identity.user_id, HTTPStatus.ACCEPTED)

    def _session_of(self, body: Mapping[str, Any], user_id: str) -> Session:
        transport = body.get("transport")
        if not isinstance(transport, dict) or transport.get("method") != "websocket":
            _no(400, "invalid transport and auth combination")
        named = (session for session in self.sessions if session.id == transport.get("session_id"))
        session = next(named, None)
        if session is None or session.socket.closed:
            _no(400, "websocket transport session does not exist or has already disconnected")
        if session.user_id not in (None, user_id):
            _no(400, "websocket transport cannot have subscriptions created by different users")
        return session

    def _may_hear(self, kind: EventType, condition: Condition, identity: Identity) -> bool:
        if any(group.isdisjoint(identity.scopes) for group in kind.scopes):
            return False
        if not kind.scopes:
            return True
        owner, user = condition["broadcaster_user_id"], identity.user_id
        if not kind.is_moderated:
            return owner == user
        is_moderator = owner == user or any(account.id == user for account in self.facts.moderators(owner))
        return condition["moderator_user_id"] == user and is_moderator

    def _check_limits(self, type_: str, condition: Condition, session: Session, user_id: str, cost: int) -> None:
        own = [found for found in self.subscriptions.values() if found.user_id == user_id]
        equal = [found for found in own if found.type == type_ and found.condition == condition]
        if any(found.session is session for found in equal):
            _no(409, "subscription already exists")
        if len(equal) >= MOST_EQUAL:
            _no(429, "too many subscriptions of this type and condition")
        if len({found.session for found in own} | {session}) > MOST_CONNECTIONS:
            _no(429, "number of websocket transports limit exceeded")
        if Counter(found.session for found in own)[session] >= MOST_SUBSCRIPTIONS:
            _no(429, "number of subscriptions limit exceeded")
        if sum(found.cost for found in own) + cost > MOST_COST:
            _no(429, "cost exceeded")

    async def _list(self, request: web.Request) -> web.Response:
        user_id = self._identify(request).user_id or ""
        own = [found for found in self.subscriptions.values() if found.user_id == user_id]
        match request.query.get("status"), request.query.get("type"), request.query.get("subscription_id"):
            case status, None, None if status:
                own = [found for found in own if found.status == status]
            case None, type_, None if type_:
                own = [found for found in own if found.type == type_]
            case None, None, id_ if id_:
                own = [found for found in own if found.id == id_]
            case None, None, None:
                pass
            case _:
                _no(400, "only one filter may be given")
        return self._answer(own, user_id, HTTPStatus.OK, pagination={})

    async def _unsubscribe(self, request: web.Request) -> web.Response:
        user_id = self._identify(request).user_id
        found = self.subscriptions.get(request.query.get("id", ""))
        if found is None or found.user_id != user_id:
            _no(404, "subscription not found")
        del self.subscriptions[found.id]
        await self._tell_changed()
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=_budget())

    def _identify(self, request: web.Request) -> Identity:
        identity = self.oauth.check(request.headers.get("Authorization", ""), request.headers.get("Client-Id", ""))
        return identity or _no(401, "Invalid OAuth token")

    def _answer(self, shown: Iterable[Subscription], user_id: str, status: int, **more: Any) -> web.Response:
        own = [found for found in self.subscriptions.values() if found.user_id == user_id]
        sums = {"total": len(own), "total_cost": sum(found.cost for found in own), "max_total_cost": MOST_COST}
        return web.json_response(
            {"data": [found.shown() for found in shown], **sums, **more}, status=status, headers=_budget()
        )


def _is_whole(kind: EventType, condition: Mapping[str, Any]) -> bool:
    """Whether a condition names whom it has to; a raid is told of one end."""
    names = {name for name, value in condition.items() if isinstance(value, str) and value}
    if len(names) < len(condition):
        return False
    return (len(names) == 1 and names <= set(RAID)) if kind.condition == RAID else names == set(kind.condition)


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError:
        _no(400, "the body is not JSON")
    return body if isinstance(body, dict) else _no(400, "the body is no object")


def _no(status: int, message: str) -> NoReturn:
    """Answer as Helix says no."""
    phrase = HTTPStatus(status).phrase
    text = json.dumps({"error": phrase, "status": status, "message": message})
    refusals = (
        web.HTTPBadRequest,
        web.HTTPUnauthorized,
        web.HTTPForbidden,
        web.HTTPNotFound,
        web.HTTPConflict,
        web.HTTPTooManyRequests,
        web.HTTPInternalServerError,
    )
    kind = next(kind for kind in refusals if kind.status_code == status)
    raise kind(text=text, content_type="application/json", headers=_budget())


def _budget() -> dict[str, str]:
    return {"Ratelimit-Limit": "800", "Ratelimit-Remaining": "799", "Ratelimit-Reset": str(int(time.time()) + 1)}


def _moment(at: datetime | None) -> str:
    """As Twitch writes times here: with nine digits behind the second."""
    return f"{(at or datetime.now(UTC)).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"


def _code(options: Mapping[str, str | float]) -> int:
    code = int(_number(options, "code", 4000))
    if code not in OWN_CODES and code not in range(1000, 1016):
        raise ValueError("code must be one of 4000 to 4007, or of the WebSocket's own")
    return code


def _type(options: Mapping[str, str | float]) -> str:
    type_ = str(options.get("type", ""))
    if type_ and type_ not in TYPES:
        raise ValueError(f"type must be one of {', '.join(TYPES)}")
    return type_


def _number(options: Mapping[str, str | float], name: str, default: float) -> float:
    number = float(options.get(name, default))
    if not 0 <= number < float("inf"):
        raise ValueError(f"{name} must be a number from 0 on")
    return number
