"""Twitch chat over WebSocket as its clients see it, and every way it lets them down."""

import asyncio
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from streamstats.simulator.wire import HOST, command_and_channel, from_viewer, payload, tagged

log = structlog.get_logger(__name__)

CAPABILITIES = frozenset({"twitch.tv/tags", "twitch.tv/commands", "twitch.tv/membership"})
TAGS, COMMANDS, MEMBERSHIP = "twitch.tv/tags", "twitch.tv/commands", "twitch.tv/membership"
NEEDS_COMMANDS = frozenset(b"CLEARCHAT CLEARMSG HOSTTARGET NOTICE RECONNECT ROOMSTATE USERNOTICE USERSTATE".split())
ANONYMOUS = re.compile(r"justinfan\d+")
JOINS, JOIN_SECONDS = 20, 10.0
SLOWEST_CLIENT_S = 10.0

# What has been seen, or could be, of lines that are not as they should be; all of them name the room.
MALFORMED = (
    "",
    "@",
    "@badges=;id PRIVMSG",
    "@id=1;room-id={room};user-id;tmi-sent-ts=yesterday :a!a@a PRIVMSG #{channel} :no such time",
    "@=;;;==;emotes=25:4-0 :b!b@b PRIVMSG #{channel} :tags of nothing",
    "@badge-info=\\;badges=subscriber;emotes=/:,-;id=;room-id=;user-id= PRIVMSG #{channel} :half of everything",
    "@room-id={room};tmi-sent-ts=99999999999999999999 :tmi.twitch.tv CLEARCHAT #{channel} :far_future",
    ":tmi.twitch.tv SPLINES #{channel} :reticulated",
    "@msg-id=;id=2;room-id={room};tmi-sent-ts=1 :tmi.twitch.tv USERNOTICE #{channel}",
    "PRIVMSG",
)


@dataclass
class Room:
    """A channel's chat, and who is known to be in it."""

    login: str
    twitch_id: str
    is_suspended: bool = False
    settings: dict[str, str] = field(
        default_factory=lambda: {"emote-only": "0", "followers-only": "-1", "r9k": "0", "slow": "0", "subs-only": "0"}
    )
    present: set[str] = field(default_factory=set)

    def state(self) -> bytes:
        return tagged({**self.settings, "room-id": self.twitch_id}, f":{HOST} ROOMSTATE #{self.login}")


@dataclass(eq=False)
class Client:
    """One connection."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    password: str = ""
    login: str = ""
    is_welcome: bool = False
    is_mute: bool = False
    is_answered: bool = True
    capabilities: set[str] = field(default_factory=set)
    channels: set[str] = field(default_factory=set)
    joins: deque[float] = field(default_factory=lambda: deque([float("-inf")] * JOINS, maxlen=JOINS))

    def may_join(self, now: float) -> bool:
        """Take one of the 20 JOINs that Twitch allows in 10 s; what is over is not answered."""
        if now - self.joins[0] < JOIN_SECONDS:
            return False
        self.joins.append(now)
        return True

    async def send(self, lines: Iterable[bytes | str]) -> None:
        """Send in one frame; a client that does not read is cut off, as Twitch does."""
        await self.send_text(payload(line.encode() if isinstance(line, str) else line for line in lines))

    async def send_text(self, text: str) -> None:
        if self.is_mute or self.socket.closed or not text:
            return
        try:
            async with asyncio.timeout(SLOWEST_CLIENT_S):
                await self.socket.send_str(text)
        except TimeoutError:
            log.warning("simulator.client_too_slow", login=self.login)
            self.abort()
        except ConnectionError:
            log.info("simulator.client_gone", login=self.login)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


def as_seen(lines: Iterable[bytes], capabilities: set[str]) -> list[bytes]:
    """What of the lines a client with these capabilities gets."""
    seen = []
    for line in lines:
        if COMMANDS not in capabilities and command_and_channel(line)[0] in NEEDS_COMMANDS:
            continue
        is_stripped = TAGS not in capabilities and line.startswith(b"@")
        seen.append(line.partition(b" ")[2] if is_stripped else line)
    return seen


class IrcServer:
    """The rooms, the connections, and what goes from one to the other."""

    def __init__(
        self,
        rooms: Iterable[Room] = (),
        *,
        tokens: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        ping_every_s: float = 300.0,
    ) -> None:
        self.rooms = {room.login: room for room in rooms}
        self.tokens = dict(tokens or {})
        self.clients: list[Client] = []
        self.pongs = 0
        self._clock = clock
        self._ping_every_s = ping_every_s
        self._twice = 0
        self._refused_until = float("-inf")
        self._changed = asyncio.Condition()

    # What others see and do.

    def members(self, channel: str) -> list[Client]:
        return [client for client in self.clients if channel in client.channels]

    async def wait(self, until: Callable[[], bool]) -> None:
        """Wait until something that depends on connections, joins or PONGs is true."""
        async with self._changed:
            await self._changed.wait_for(until)

    async def joined(self, *channels: str) -> None:
        """Wait until somebody is in every one of these channels."""
        await self.wait(lambda: all(self.members(channel) for channel in channels))

    async def send(self, channel: str, lines: Sequence[bytes]) -> None:
        """Send lines to whoever joined the channel, in one frame."""
        await self._send(self.members(channel), lines)

    async def send_all(self, lines: Sequence[bytes]) -> None:
        """Send lines that concern no room to everybody who is logged in."""
        await self._send([client for client in self.clients if client.is_welcome], lines)

    async def come_and_go(self, channel: str, came: Iterable[str], left: Iterable[str]) -> None:
        """Tell clients that asked for it who is in a room; Twitch sends this in batches."""
        room = self.rooms[channel]
        came, left = list(came), list(left)
        room.present = (room.present | set(came)) - set(left)
        lines = [from_viewer(login, "JOIN", channel).encode() for login in came]
        lines += [from_viewer(login, "PART", channel).encode() for login in left]
        await self._send([found for found in self.members(channel) if MEMBERSHIP in found.capabilities], lines)

    async def ping(self) -> None:
        """Ask every client whether it is still there."""
        await self._send(self.clients, [f"PING :{HOST}".encode()])

    # Faults.

    async def close(self, code: int = WSCloseCode.GOING_AWAY) -> None:
        """Send a Close frame to everybody, with no word before it."""
        for client in list(self.clients):
            await client.socket.close(code=code)

    async def reconnect(self, seconds: float = 5.0) -> None:
        """Announce with RECONNECT that present connections will be closed, and close them."""
        clients = list(self.clients)
        await self._send(clients, [f":{HOST} RECONNECT".encode()])
        await asyncio.sleep(seconds)
        for client in clients:
            await client.socket.close(code=WSCloseCode.GOING_AWAY)

    def abort(self) -> None:
        """Break every TCP connection."""
        for client in self.clients:
            client.abort()

    def silence(self) -> None:
        """Say nothing more on present connections, not even PONG, and keep them open."""
        for client in self.clients:
            client.is_mute = True

    def duplicate(self, lines: int = 1) -> None:
        """Send the next so many lines twice."""
        self._twice += lines

    async def malformed(self, channel: str) -> None:
        """Send a channel one of every malformed line."""
        room = self.rooms[channel]
        lines = [line.format(channel=channel, room=room.twitch_id).encode() for line in MALFORMED]
        await self._send(self.members(channel), lines)

    def refuse(self, seconds: float = float("inf")) -> None:
        """Turn new connections away for so long; 0 lets them in again."""
        self._refused_until = self._clock() + seconds

    # Connections.

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self._clock() < self._refused_until:
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        # A mute server must not answer pings of the WebSocket layer either, so they are answered by hand.
        socket = web.WebSocketResponse(autoping=False, compress=False)
        await socket.prepare(request)
        async with self._connected(Client(socket, request.transport)) as client:
            async for message in socket:
                await self._received(client, message)
                async with self._changed:
                    self._changed.notify_all()
        return socket

    @asynccontextmanager
    async def _connected(self, client: Client) -> AsyncIterator[Client]:
        pinging = asyncio.create_task(self._keep_pinging(client))
        self.clients.append(client)
        try:
            yield client
        finally:
            pinging.cancel()
            self.clients.remove(client)
            async with self._changed:
                self._changed.notify_all()

    async def _keep_pinging(self, client: Client) -> None:
        while True:
            await asyncio.sleep(self._ping_every_s)
            if not client.is_answered:
                await client.socket.close(code=WSCloseCode.POLICY_VIOLATION)
            client.is_answered = False
            await client.send([f"PING :{HOST}"])

    async def _received(self, client: Client, message: WSMessage) -> None:
        if message.type is WSMsgType.TEXT:
            for line in message.data.splitlines():
                await self._command(client, line)
        elif message.type is WSMsgType.PING and not client.is_mute:
            with suppress(ConnectionError):  # it left without waiting for the answer
                await client.socket.pong(message.data)

    async def _command(self, client: Client, line: str) -> None:
        if line.startswith("@"):
            line = line.partition(" ")[2]
        command, _, params = line.strip().partition(" ")
        match command.upper():
            case "CAP":
                await self._cap(client, params)
            case "PASS":
                client.password = params.removeprefix(":")
            case "NICK":
                await self._nick(client, params.removeprefix(":").lower())
            case "PING":
                await client.send([f":{HOST} PONG {HOST} :{params.removeprefix(':')}"])
            case "PONG":
                client.is_answered = True
                self.pongs += 1
            case "JOIN" | "PART" if client.is_welcome:
                channels = [name.removeprefix("#") for name in params.lower().split(",") if name.startswith("#")]
                await (self._join if command.upper() == "JOIN" else self._part)(client, channels)
            case "QUIT":
                await client.socket.close()
            case "USER" | "PRIVMSG" | "JOIN" | "PART":
                pass  # USER is of other networks; reading accounts cannot write; joining needs a login first
            case unknown:
                await client.send([f":{HOST} 421 {client.login or '*'} {unknown} :Unknown command"])

    async def _cap(self, client: Client, params: str) -> None:
        verb, _, wanted = params.partition(" ")
        if verb.upper() == "LS":
            await client.send([f":{HOST} CAP * LS :{' '.join(sorted(CAPABILITIES))}"])
        elif verb.upper() == "REQ":
            names = wanted.removeprefix(":").split()
            is_known = CAPABILITIES.issuperset(names)
            if is_known:
                client.capabilities.update(names)
            await client.send([f":{HOST} CAP * {'ACK' if is_known else 'NAK'} :{' '.join(names)}"])

    async def _nick(self, client: Client, nick: str) -> None:
        if not ANONYMOUS.fullmatch(nick):
            refusal = self._refusal(client.password, nick)
            if refusal:
                await client.send([f":{HOST} NOTICE * :{refusal}"])
                await client.socket.close()
                return
        client.login, client.is_welcome = nick, True
        await client.send(self._welcome(client))

    def _refusal(self, password: str, nick: str) -> str:
        """Why somebody may not log in; empty if they may."""
        token = password.removeprefix("oauth:")
        if not token or token == password:
            return "Improperly formatted auth"
        return "" if self.tokens.get(token) == nick else "Login authentication failed"

    def _welcome(self, client: Client) -> list[bytes | str]:
        greetings = (
            ("001", ":Welcome, GLHF!"),
            ("002", f":Your host is {HOST}"),
            ("003", ":This server is rather new"),
            ("004", ":-"),
            ("375", ":-"),
            ("372", ":You are in a maze of twisty passages, all alike."),
            ("376", ":>"),
        )
        lines: list[bytes | str] = [f":{HOST} {number} {client.login} {text}" for number, text in greetings]
        if COMMANDS in client.capabilities and not ANONYMOUS.fullmatch(client.login):
            own = {"badge-info": "", "badges": "", "color": "", "display-name": client.login, "emote-sets": "0"}
            lines += as_seen([tagged(own, f":{HOST} GLOBALUSERSTATE")], client.capabilities)
        return lines

    async def _join(self, client: Client, channels: Iterable[str]) -> None:
        lines: list[bytes] = []
        for channel in channels:
            room = self.rooms.get(channel)
            if not client.may_join(self._clock()) or room is None:
                continue  # Twitch says nothing, neither to one join too many nor of a name nobody has
            if room.is_suspended:
                words = f":{HOST} NOTICE #{channel} :This channel does not exist or has been suspended."
                lines.append(tagged({"msg-id": "msg_channel_suspended"}, words))
                continue
            client.channels.add(channel)
            lines += self._entrance(client, room)
        await client.send(as_seen(lines, client.capabilities))

    def _entrance(self, client: Client, room: Room) -> list[bytes]:
        """What a client reads on joining; the names of others only if it asked for membership."""
        login = client.login
        others = sorted(room.present) if MEMBERSHIP in client.capabilities else []
        numeric = f":{login}.{HOST}"
        lines = [
            from_viewer(login, "JOIN", room.login),
            f"{numeric} 353 {login} = #{room.login} :{' '.join([login, *others])}",
            f"{numeric} 366 {login} #{room.login} :End of /NAMES list",
        ]
        state = [room.state()]
        if not ANONYMOUS.fullmatch(login):
            own = {"badge-info": "", "badges": "", "color": "", "display-name": login, "mod": "0", "subscriber": "0"}
            state.insert(0, tagged({**own, "emote-sets": "0", "user-type": ""}, f":{HOST} USERSTATE #{room.login}"))
        return [line.encode() for line in lines] + state

    async def _part(self, client: Client, channels: Iterable[str]) -> None:
        left = [channel for channel in channels if channel in client.channels]
        client.channels.difference_update(left)
        await client.send(from_viewer(client.login, "PART", channel) for channel in left)

    async def _send(self, clients: Iterable[Client], lines: Sequence[bytes]) -> None:
        doubled, self._twice = self._twice, max(0, self._twice - len(lines))
        lines = [line for index, line in enumerate(lines) for _ in range(2 if index < doubled else 1)]
        texts: dict[frozenset[str], str] = {}
        for client in list(clients):
            known = frozenset(client.capabilities)
            if known not in texts:
                is_plain = {TAGS, COMMANDS} <= known
                texts[known] = payload(lines if is_plain else as_seen(lines, client.capabilities))
            await client.send_text(texts[known])
