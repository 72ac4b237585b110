"""A plain IRC client for the tests of the server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal

from aiohttp import ClientSession, ClientWebSocketResponse, WSMessage, WSMsgType

from streamstats.simulator.server import SimulatedTwitch

ALL = "twitch.tv/tags twitch.tv/commands"
PATIENCE_S = 5.0


class Chatter:
    """One connection: says lines, hears lines."""

    def __init__(self, socket: "ClientWebSocketResponse[Literal[True]]") -> None:
        self.socket = socket
        self.heard: list[str] = []

    async def say(self, *lines: str) -> None:
        await self.socket.send_str("".join(f"{line}\r\n" for line in lines))

    async def frame(self) -> WSMessage:
        return await asyncio.wait_for(self.socket.receive(), PATIENCE_S)

    async def until(self, words: str) -> list[str]:
        """Hear lines up to one that has these words in it."""
        while True:
            for index, line in enumerate(self.heard):
                if words in line:
                    lines, self.heard = self.heard[: index + 1], self.heard[index + 1 :]
                    return lines
            message = await self.frame()
            assert message.type is WSMsgType.TEXT, f"{message.type} before {words!r}; heard {self.heard}"
            self.heard += message.data.removesuffix("\r\n").split("\r\n")

    async def answers(self) -> list[str]:
        """Hear everything that comes before the answer to a PING."""
        await self.say("PING :is that all?")
        return (await self.until("is that all?"))[:-1]

    async def log_in(self, capabilities: str = ALL, nick: str = "justinfan42") -> None:
        await self.say(f"CAP REQ :{capabilities}", f"NICK {nick}")
        await self.until(" 376 ")

    async def join(self, *channels: str) -> list[str]:
        await self.say("JOIN " + ",".join(f"#{channel}" for channel in channels))
        return await self.until("ROOMSTATE")


@asynccontextmanager
async def connected(twitch: SimulatedTwitch) -> AsyncIterator[Chatter]:
    async with ClientSession() as session, session.ws_connect(twitch.irc_url) as socket:
        yield Chatter(socket)


Scene = Callable[[SimulatedTwitch, Chatter], Awaitable[None]]


def play(scene: Scene, *, is_inside: bool = True) -> None:
    """Run a scene against a server with two rooms; unless told otherwise somebody is already in #harbor."""

    async def run() -> None:
        channels = {"harbor": "1001", "quay": "1002", "gone": "1003"}
        async with (
            SimulatedTwitch(channels, tokens={"t0k3n": "reader"}, suspended=["gone"]) as twitch,
            connected(twitch) as chatter,
        ):
            if is_inside:
                await chatter.log_in()
                await chatter.join("harbor")
            await scene(twitch, chatter)

    asyncio.run(run())
