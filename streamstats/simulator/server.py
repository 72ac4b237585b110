"""The simulated Twitch as one web server on a loopback port: chat, emote providers, and a way to ask for faults."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from streamstats.simulator import eventsub, helix, oauth
from streamstats.simulator.addresses import addresses
from streamstats.simulator.catalogue import Catalogue
from streamstats.simulator.facts import Facts, StatedFacts
from streamstats.simulator.irc import IrcServer, Room
from streamstats.simulator.oneofeach import one_of_each
from streamstats.simulator.providers import (
    MALFORMED,
    NOT_FOUND,
    SERVER_ERROR,
    Fault,
    ProviderHub,
    add_routes,
    slow,
    too_many_requests,
)

HOST = "127.0.0.1"
SOCKETS = {"7tv": True, "bttv": True, "ffz": False}
"""The providers, and whether each has a live socket."""
FAULTS = {
    "close": "send a Close frame (?code=1001)",
    "reconnect": "send RECONNECT, close after a while (?seconds=5)",
    "abort": "break the TCP connections",
    "silence": "stay connected but say nothing more",
    "duplicate": "send the next lines twice (?lines=1)",
    "malformed": "send a channel lines that are not as they should be (?channel=)",
    "oneofeach": "send a channel one line of every kind that Twitch has (?channel=)",
    "provider": "let an emote provider fail (?provider=7tv&fault=, see below)",
    "refuse": "turn new connections away for a while (?seconds=10, 0 lets them in)",
    **oauth.FAULTS,
    **helix.FAULTS,
    **eventsub.FAULTS,
}
PROVIDER_FAULTS = {
    "notfound": "answer 404",
    "error": "answer 500",
    "busy": "answer 429 with Retry-After (?seconds=30)",
    "malformed": "answer half of a JSON",
    "slow": "hold every answer back for a while (?seconds=10)",
    "drop": "cut the live sockets of 7tv or bttv",
    "mend": "answer as ever",
}


class CannotListen(Exception):
    """The port is not to be had."""


class SimulatedTwitch:
    """Serves while it is entered; port 0 takes any free one.

    `channels` maps logins to Twitch ids. A test says what is said with `say()`, waits for readers with
    `irc.joined()`, and asks for faults with `fault()`.
    """

    def __init__(
        self,
        channels: Mapping[str, str] | None = None,
        *,
        catalogue: Catalogue | None = None,
        facts: Facts | None = None,
        tokens: Mapping[str, str] | None = None,
        suspended: Iterable[str] = (),
        port: int = 0,
        ping_every_s: float = 300.0,
    ) -> None:
        gone = set(suspended)
        rooms = [Room(login, twitch_id, login in gone) for login, twitch_id in (channels or {}).items()]
        self.irc = IrcServer(rooms, tokens=tokens, ping_every_s=ping_every_s)
        self.providers = ProviderHub(catalogue)
        self.facts: Facts = facts if facts is not None else StatedFacts()
        self.oauth = oauth.OAuthServer(self.facts)
        self.helix = helix.HelixServer(self.facts, self.oauth)
        self.eventsub = eventsub.EventSubServer(self.facts, self.oauth)
        self.port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise CannotListen(f"Cannot listen on port {self.port}: {error.strerror}.") from error
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        self.irc.abort()
        self.eventsub.abort()
        for provider in ("7tv", "bttv"):
            self.providers.drop_sockets(provider)
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def addresses(self) -> dict[str, str]:
        """The settings that point the product here."""
        return addresses(self.port)

    @property
    def irc_url(self) -> str:
        return self.addresses["TWITCH_IRC_URL"]

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def say(self, channel: str, lines: str | bytes | Iterable[str | bytes]) -> None:
        """Send raw lines to whoever is in the channel, in one frame."""
        given = [lines] if isinstance(lines, str | bytes) else lines
        await self.irc.send(channel, [line.encode() if isinstance(line, str) else line for line in given])

    async def fault(self, name: str, **options: str | float) -> None:
        """Do one of FAULTS. `reconnect` returns once RECONNECT has been sent and the connections were closed."""
        irc = self.irc
        match name:
            case "close":
                await irc.close(int(options.get("code", 1001)))
            case "reconnect":
                await irc.reconnect(_seconds(options.get("seconds", 5)))
            case "abort":
                irc.abort()
            case "silence":
                irc.silence()
            case "duplicate":
                irc.duplicate(int(options.get("lines", 1)))
            case "malformed":
                await irc.malformed(self._channel(options))
            case "oneofeach":
                channel = self._channel(options)
                await irc.send(channel, one_of_each(irc.rooms[channel]))
            case "provider":
                self._fail_provider(options)
            case "refuse":
                irc.refuse(_seconds(options.get("seconds", 10)))
            case _:
                await self._fail_part(name, options)

    async def _fail_part(self, name: str, options: Mapping[str, str | float]) -> None:
        for part, faults in (
            (self.oauth, oauth.FAULTS),
            (self.helix, helix.FAULTS),
            (self.eventsub, eventsub.FAULTS),
        ):
            if name in faults:
                await part.fault(name, options)
                return
        raise ValueError(f"no fault is named {name!r}; there are {', '.join(FAULTS)}")

    def _fail_provider(self, options: Mapping[str, str | float]) -> None:
        """Do one of PROVIDER_FAULTS, in place of what was wrong before."""
        provider, fault = str(options.get("provider", "")), str(options.get("fault", ""))
        if provider not in SOCKETS:
            raise ValueError(f"provider must be one of {', '.join(SOCKETS)}")
        hub = self.providers
        if fault == "drop" and SOCKETS[provider]:
            hub.drop_sockets(provider)
        elif fault == "mend":
            hub.mend(provider)
        else:
            hub.fail(provider, _provider_fault(fault, options))

    def _channel(self, options: Mapping[str, str | float]) -> str:
        """The channel that was asked for, or the only one there is."""
        known = list(self.irc.rooms)
        channel = options.get("channel", known[0] if len(known) == 1 else "")
        if channel not in self.irc.rooms:
            raise ValueError(f"channel must be one of {', '.join(known)}")
        return str(channel)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something, such as a feed, until it ends or the server stops."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # The control interface.

    def _application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/irc", self.irc.handle)
        app.router.add_get("/control", self._show)
        app.router.add_post("/control/say", self._asked_to_say)
        app.router.add_post("/control/{fault}", self._asked_for_fault)
        add_routes(app, self.providers)
        for part in (self.oauth, self.helix, self.eventsub):
            part.add_routes(app)
        return app

    async def _show(self, _request: web.Request) -> web.Response:
        clients = [
            {"login": client.login, "channels": sorted(client.channels), "is_mute": client.is_mute}
            for client in self.irc.clients
        ]
        rooms = {room.login: room.twitch_id for room in self.irc.rooms.values()}
        return web.json_response({"clients": clients, "channels": rooms, "faults": FAULTS, "provider": PROVIDER_FAULTS})

    async def _asked_to_say(self, request: web.Request) -> web.Response:
        async def say() -> None:
            await self.say(self._channel(request.query), (await request.read()).splitlines())

        return await self._answer(say)

    async def _asked_for_fault(self, request: web.Request) -> web.Response:
        async def fault() -> None:
            name = request.match_info["fault"]
            if name == "reconnect":  # takes as long as it was asked to wait; the answer need not
                self.start(self.irc.reconnect(_seconds(request.query.get("seconds", 5))))
            else:
                await self.fault(name, **request.query)

        return await self._answer(fault)

    async def _answer(self, deed: Callable[[], Coroutine[Any, Any, None]]) -> web.Response:
        try:
            await deed()
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=HTTPStatus.BAD_REQUEST)
        return web.json_response({"clients": len(self.irc.clients)})


def _provider_fault(name: str, options: Mapping[str, str | float]) -> Fault:
    match name:
        case "notfound":
            return NOT_FOUND
        case "error":
            return SERVER_ERROR
        case "busy":
            return too_many_requests(f"{_seconds(options.get('seconds', 30)):.0f}")
        case "malformed":
            return MALFORMED
        case "slow":
            is_over = asyncio.Event()
            asyncio.get_running_loop().call_later(_seconds(options.get("seconds", 10)), is_over.set)
            return slow(is_over)
        case _:
            raise ValueError(f"no fault of this provider is named {name!r}; there are {', '.join(PROVIDER_FAULTS)}")


def _seconds(value: str | float) -> float:
    seconds = float(value)
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError("seconds must be a number from 0 on")
    return seconds
