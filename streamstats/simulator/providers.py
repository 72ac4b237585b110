"""A local 7TV, BetterTTV and FrankerFaceZ: their JSON, their live sockets, their pictures, and their bad days."""

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import WSCloseCode, WSMsgType, web

from streamstats.simulator.catalogue import Catalogue, Json, SimEmote, made_up_id, path_of
from streamstats.simulator.pictures import avatar, picture

DISPATCH, HELLO, HEARTBEAT, RECONNECT, ACK, ERROR, END_OF_STREAM = 0, 1, 2, 4, 5, 6, 7
RESUME, SUBSCRIBE, UNSUBSCRIBE = 34, 35, 36
UNKNOWN_OPERATION, INVALID_PAYLOAD = 4001, 4002


@dataclass(frozen=True)
class Fault:
    """What a provider answers instead of its JSON. With `until` set it answers only after that event."""

    status: int = HTTPStatus.OK
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    until: asyncio.Event | None = None


NOT_FOUND = Fault(HTTPStatus.NOT_FOUND, text="{}")
SERVER_ERROR = Fault(HTTPStatus.INTERNAL_SERVER_ERROR, text="oh no")
MALFORMED = Fault(text='{"emotes": [')


def too_many_requests(retry_after: str) -> Fault:
    return Fault(HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": retry_after}, text="slow down")


def slow(until: asyncio.Event) -> Fault:
    """Make a provider hold its answer, which is the real one, until the event is set."""
    return Fault(until=until)


@dataclass(frozen=True)
class Asked:
    """One request that a provider was sent."""

    provider: str
    path: str
    headers: dict[str, str]
    status: int


@dataclass
class _Session:
    """A 7TV session outlives its socket: what happens meanwhile is kept for a resume."""

    id: str
    topics: dict[tuple[str, str], None] = field(default_factory=dict)
    socket: web.WebSocketResponse | None = None
    missed: list[str] = field(default_factory=list)


class ProviderHub:
    """The three providers. Changing a set through the hub changes its JSON and tells the live sockets."""

    def __init__(self, catalogue: Catalogue | None = None, *, heartbeat_s: float = 25.0) -> None:
        self.catalogue = catalogue or Catalogue()
        self.heartbeat_s = heartbeat_s
        self.subscription_limit = 500
        self.has_heartbeats = True
        self.can_resume = True
        self.asked: list[Asked] = []
        self.waiting = 0  # for a slow answer
        self._faults: dict[tuple[str, str | None], Fault] = {}
        self._sessions: dict[str, _Session] = {}
        self._greeted = 0
        self._bttv: dict[web.WebSocketResponse, set[str]] = {}
        self._requests: dict[web.WebSocketResponse, web.Request] = {}
        self._moved = asyncio.Condition()

    # What the world and the tests do to the sets.

    async def add(self, provider: str, channel_id: str | None, emote: SimEmote) -> None:
        entry = self.catalogue.add(provider, channel_id, emote)
        if provider == "7tv":
            await self._seventv_changed(channel_id, pushed=[{"key": "emotes", "value": entry}])
        elif provider == "bttv":
            await self._bttv_changed(channel_id, "emote_create", {"emote": entry})

    async def rename(self, provider: str, channel_id: str | None, emote_id: str, name: str) -> None:
        old, new = self.catalogue.rename(provider, channel_id, emote_id, name)
        if provider == "7tv":
            await self._seventv_changed(channel_id, updated=[{"key": "emotes", "old_value": old, "value": new}])
        elif provider == "bttv":
            await self._bttv_changed(channel_id, "emote_update", {"emote": {"id": new["id"], "code": new["code"]}})

    async def remove(self, provider: str, channel_id: str | None, emote_id: str) -> None:
        old = self.catalogue.remove(provider, channel_id, emote_id)
        if provider == "7tv":
            await self._seventv_changed(channel_id, pulled=[{"key": "emotes", "old_value": old}])
        elif provider == "bttv":
            await self._bttv_changed(channel_id, "emote_delete", {"emoteId": old["id"]})

    async def switch_set(self, channel_id: str, emotes: Sequence[SimEmote] | None) -> None:
        """Let the owner of a channel choose another 7TV set, or none."""
        old, new = self.catalogue.switch_set(channel_id, emotes)
        user = self.catalogue.bodies["7tv"][path_of("7tv", channel_id)]["user"]
        index = next(i for i, found in enumerate(user["connections"]) if found["platform"] == "TWITCH")
        value = [{"key": "emote_set", "old_value": {"id": old}, "value": {"id": new} if new else None}]
        change = {"key": "connections", "index": index, "nested": True, "value": value}
        await self._dispatch("user.update", user["id"], {"updated": [change]})

    # Faults.

    def fail(self, provider: str, fault: Fault, path: str | None = None) -> None:
        """Answer every request with the fault, or only those for one path."""
        self._faults[provider, path] = fault

    def mend(self, provider: str) -> None:
        self._faults = {key: fault for key, fault in self._faults.items() if key[0] != provider}

    def drop_sockets(self, provider: str) -> None:
        """Cut the connections without a word."""
        for socket in self.sockets(provider):
            transport = self._requests[socket].transport
            if transport is not None:
                transport.abort()

    async def close_sockets(self, provider: str, code: int = WSCloseCode.GOING_AWAY) -> None:
        for socket in self.sockets(provider):
            await socket.close(code=code)

    async def ask_to_reconnect(self) -> None:
        """Send 7TV's operation 4."""
        await self.say("7tv", json.dumps({"op": RECONNECT, "d": {"reason": "maintenance"}}))

    async def end_streams(self, code: int) -> None:
        """Send 7TV's operation 7, then close."""
        await self.say("7tv", json.dumps({"op": END_OF_STREAM, "d": {"code": code, "message": "bye"}}))
        await self.close_sockets("7tv", code)

    async def say(self, provider: str, frame: str) -> None:
        """Send any text to every live socket of a provider."""
        for socket in self.sockets(provider):
            await _send(socket, frame)

    # What the tests wait for and look at.

    def sockets(self, provider: str) -> list[web.WebSocketResponse]:
        if provider == "bttv":
            return list(self._bttv)
        return [session.socket for session in self._sessions.values() if session.socket is not None]

    def topics(self) -> set[tuple[str, str]]:
        """(type, object id) of what live 7TV sockets subscribed to."""
        return {topic for session in self._sessions.values() if session.socket is not None for topic in session.topics}

    def rooms(self) -> set[str]:
        """Rooms that live BetterTTV sockets joined, such as `twitch:1001`."""
        return set().union(*self._bttv.values())

    def rooms_by_socket(self) -> list[set[str]]:
        return list(self._bttv.values())

    def paths_asked(self, provider: str) -> list[str]:
        return [asked.path for asked in self.asked if asked.provider == provider]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something that came in over the wire made it so."""
        async with self._moved:
            await self._moved.wait_for(is_so)

    async def _note(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    # HTTP.

    async def answer(self, provider: str, request: web.Request) -> web.Response:
        path = "/" + request.match_info["path"]
        fault = self._faults.get((provider, path)) or self._faults.get((provider, None)) or Fault()
        if fault.until is not None:
            await self._hold(fault.until)
        response = self._response(provider, path, request, fault)
        self.asked.append(Asked(provider, path, dict(request.headers), response.status))
        await self._note()
        return response

    async def _hold(self, until: asyncio.Event) -> None:
        self.waiting += 1
        await self._note()
        try:
            await until.wait()
        finally:
            self.waiting -= 1

    def _response(self, provider: str, path: str, request: web.Request, fault: Fault) -> web.Response:
        if fault.text is not None:
            return web.Response(status=fault.status, headers=fault.headers, text=fault.text)
        body = self.catalogue.body(provider, path)
        if body is None:
            return web.json_response({"error": "Not Found"}, status=HTTPStatus.NOT_FOUND)
        text = json.dumps(body)
        etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag})
        return web.json_response(text=text, headers={"ETag": etag})

    # The 7TV EventAPI.

    async def seventv_events(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._requests[socket] = request
        self._greeted += 1
        session = _Session(made_up_id("session", str(self._greeted)), socket=socket)
        self._sessions[session.id] = session
        beating = asyncio.create_task(self._beat(session))
        try:
            await self._greet(socket, session)
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._seventv_frame(socket, session, message.data)
                    await self._note()
        except ConnectionError:  # dropped while we spoke; the client comes back
            pass
        finally:
            beating.cancel()
            session.socket = None
            del self._requests[socket]
            await self._note()
        return socket

    async def _greet(self, socket: web.WebSocketResponse, session: _Session) -> None:
        hello = {
            "heartbeat_interval": round(self.heartbeat_s * 1000),
            "session_id": session.id,
            "subscription_limit": self.subscription_limit,
        }
        await socket.send_json({"op": HELLO, "t": _now_ms(), "d": hello})
        await self._note()

    async def _beat(self, session: _Session) -> None:
        count = 0
        socket = session.socket
        while socket is not None and not socket.closed:
            await asyncio.sleep(self.heartbeat_s)
            if self.has_heartbeats:
                count += 1
                await _send(socket, json.dumps({"op": HEARTBEAT, "t": _now_ms(), "d": {"count": count}}))

    async def _seventv_frame(self, socket: web.WebSocketResponse, session: _Session, text: str) -> None:
        """Do what a client's frame asks."""
        try:
            frame = json.loads(text)
            op, data = frame["op"], frame["d"]
            if op == RESUME:
                await self._resume(socket, session, data["session_id"])
                return
            topic = (data["type"], data["condition"]["object_id"])
        except (ValueError, KeyError, TypeError):
            await socket.close(code=INVALID_PAYLOAD)
            return
        if op == SUBSCRIBE:
            session.topics[topic] = None
        elif op == UNSUBSCRIBE:
            session.topics.pop(topic, None)
        else:
            await socket.close(code=UNKNOWN_OPERATION)
            return
        command = "SUBSCRIBE" if op == SUBSCRIBE else "UNSUBSCRIBE"
        await socket.send_json({"op": ACK, "t": _now_ms(), "d": {"command": command, "data": data}})

    async def _resume(self, socket: web.WebSocketResponse, fresh: _Session, old_id: str) -> None:
        """Give a new session what an old one had subscribed to and missed."""
        old = self._sessions.get(old_id) if self.can_resume else None
        if old is None or old.socket is not None:
            await socket.send_json({"op": ACK, "t": _now_ms(), "d": _resumed(False, 0, 0)})
            return
        del self._sessions[old.id]
        fresh.topics.update(old.topics)
        for frame in old.missed:
            await socket.send_str(frame)
        await socket.send_json({"op": ACK, "t": _now_ms(), "d": _resumed(True, len(old.missed), len(old.topics))})

    async def _seventv_changed(self, channel_id: str | None, **changes: Json) -> None:
        set_id, _ = self.catalogue.seventv_ids(channel_id)
        await self._dispatch("emote_set.update", set_id, changes)

    async def _dispatch(self, kind: str, object_id: str, changes: Json) -> None:
        body = {"id": object_id, "kind": 3, "actor": {"id": made_up_id("actor")}, **changes}
        frame = json.dumps({"op": DISPATCH, "t": _now_ms(), "d": {"type": kind, "body": body}})
        for session in [found for found in self._sessions.values() if (kind, object_id) in found.topics]:
            if session.socket is None or not await _send(session.socket, frame):
                session.missed.append(frame)

    # BetterTTV's socket.

    async def bttv_socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._requests[socket] = request
        self._bttv[socket] = set()
        await self._note()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._bttv_frame(socket, message.data)
                    await self._note()
        finally:
            del self._bttv[socket], self._requests[socket]
            await self._note()
        return socket

    def _bttv_frame(self, socket: web.WebSocketResponse, text: str) -> None:
        frame = json.loads(text)
        if frame["name"] == "join_channel":
            self._bttv[socket].add(frame["data"]["name"])
        elif frame["name"] == "part_channel":
            self._bttv[socket].discard(frame["data"]["name"])

    async def _bttv_changed(self, channel_id: str | None, name: str, data: Json) -> None:
        room = f"twitch:{channel_id}"
        frame = json.dumps({"name": name, "data": {**data, "channel": room}})
        for socket in [found for found, rooms in self._bttv.items() if room in rooms]:
            await _send(socket, frame)


def add_routes(app: web.Application, hub: ProviderHub) -> None:
    """Serve the hub below /7tv, /bttv and /ffz, and pictures below /cdn: of emotes, badges, cheers and accounts."""
    app.router.add_get("/7tv/events", hub.seventv_events)
    app.router.add_get("/bttv/ws", hub.bttv_socket)
    for provider in ("7tv", "bttv", "ffz"):
        app.router.add_get(f"/{provider}/{{path:.*}}", _answering(hub, provider))
        app.router.add_get(f"/cdn/{provider}/emote/{{id}}/{{size:.*}}", _drawing(picture))
    app.router.add_get("/cdn/twitch/emoticons/v2/{id}/{size:.*}", _drawing(picture))
    app.router.add_get("/cdn/twitch/{kind:badges|cheers}/{id}", _drawing(picture))
    app.router.add_get("/cdn/twitch/avatars/{id}", _drawing(avatar))


def with_pictures(provider: str, emotes: Iterable[SimEmote], base: str) -> list[SimEmote]:
    """Return the emotes with addresses of the simulator's own pictures; BetterTTV's follow from a setting."""
    return [
        SimEmote(e.id, e.name, e.base_name, f"{base}/cdn/{provider}/emote/{e.id}", e.is_zero_width, e.is_animated)
        for e in emotes
    ]


def _answering(hub: ProviderHub, provider: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await hub.answer(provider, request)

    return answer


def _drawing(draw: Callable[[str], str]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(
            text=draw(request.match_info["id"]),
            content_type="image/svg+xml",
            headers={"Cache-Control": "public, max-age=86400"},
        )

    return answer


async def _send(socket: web.WebSocketResponse, frame: str) -> bool:
    """Send unless the client has gone; say whether it was sent."""
    try:
        await socket.send_str(frame)
    except ConnectionError:
        return False
    return True


def _resumed(success: bool, replayed: int, restored: int) -> Json:
    data = {"success": success, "dispatches_replayed": replayed, "subscriptions_restored": restored}
    return {"command": "RESUME", "data": data}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
