"""A Twitch that talks as fast as it is told to: an IRC server in a process of its own."""

import asyncio
import multiprocessing
import time
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import Synchronized
from typing import Any

from aiohttp import web

from bench.lines import chat_lines, stamped

CONTEXT = multiprocessing.get_context("spawn")
LINES_PER_FRAME = 20
FRAMES_PER_BLOCK = 50
BLOCKS = 200


@dataclass
class Pace:
    """How fast to send: at most `per_second`, at most `window` lines ahead of what is committed, `limit` in all."""

    per_second: int | None = None
    window: int | None = None
    limit: int | None = None
    lines_per_frame: int = LINES_PER_FRAME
    frames_per_block: int = FRAMES_PER_BLOCK


@dataclass
class Sender:
    """The sending process, and what it shares with us."""

    port: int
    pace: Pace
    committed: "Synchronized[int]" = field(default_factory=lambda: CONTEXT.Value("q", 0))
    sent: "Synchronized[int]" = field(default_factory=lambda: CONTEXT.Value("q", 0))
    go: Any = field(default_factory=CONTEXT.Event)
    times: Any = field(default_factory=CONTEXT.Queue)
    """(lines sent so far, when) of every block."""

    def start(self) -> Any:
        process = CONTEXT.Process(target=_serve, args=(self,), daemon=True)
        process.start()
        return process


def _serve(sender: Sender) -> None:
    asyncio.run(_run(sender))


async def _run(sender: Sender) -> None:
    app = web.Application()
    app.router.add_get("/irc", lambda request: _talk(request, sender))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", sender.port).start()
    await asyncio.Event().wait()


async def _talk(request: web.Request, sender: Sender) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    nick = ""
    async for message in socket:
        for line in message.data.split("\r\n"):
            command, _, rest = line.partition(" ")
            if command == "NICK":
                nick = rest
                await socket.send_str(f":tmi.twitch.tv 001 {nick} :Welcome, GLHF!\r\n")
            elif command == "JOIN":
                await socket.send_str(f":{nick}!{nick}@{nick}.tmi.twitch.tv JOIN {rest}\r\n")
                await _talk_on(socket, sender)
    return socket


async def _talk_on(socket: web.WebSocketResponse, sender: Sender) -> None:
    pace = sender.pace
    lines_per_block = pace.lines_per_frame * pace.frames_per_block
    blocks = _blocks(pace)
    while not sender.go.is_set():  # noqa: ASYNC110 - set in another process
        await asyncio.sleep(0.01)
    began, sent, cycle = time.monotonic(), 0, 0
    while pace.limit is None or sent < pace.limit:
        for block in blocks:
            await _wait_turn(pace, sender, sent, began)
            now = time.time()
            for frame in block:
                await socket.send_str(stamped(frame, cycle, int(now * 1000)))
            sent += lines_per_block
            sender.sent.value = sent
            sender.times.put((sent, now))
            if pace.limit is not None and sent >= pace.limit:
                break
        cycle += 1


async def _wait_turn(pace: Pace, sender: Sender, sent: int, began: float) -> None:
    if pace.per_second is not None:
        await asyncio.sleep(max(0.0, began + sent / pace.per_second - time.monotonic()))
    while pace.window is not None and sent - sender.committed.value > pace.window:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.002)


def _blocks(pace: Pace) -> list[list[str]]:
    lines = [line + "\r\n" for line in chat_lines(pace.lines_per_frame * pace.frames_per_block * BLOCKS)]
    frames = ["".join(lines[at : at + pace.lines_per_frame]) for at in range(0, len(lines), pace.lines_per_frame)]
    return [frames[at : at + pace.frames_per_block] for at in range(0, len(frames), pace.frames_per_block)]
