"""twitchAPI's Chat beside our reader, on the same stream, each with a handler that only counts.

twitchAPI's Chat cannot log in without a token, so a few answers of Twitch's API are served for it.
"""

import asyncio
import time
from typing import Any

import aiohttp
from aiohttp import web
from twitchAPI.chat import Chat
from twitchAPI.twitch import Twitch
from twitchAPI.type import AuthScope, ChatEvent

from bench.lines import LOGIN
from bench.sender import Pace, Sender
from chat.ingest.irc import parse

PORT, API_PORT = 8195, 8196
LINES = 100_000
USER = {"id": "1", "login": "reader", "display_name": "reader", "created_at": "2020-01-01T00:00:00Z"}


def measure() -> dict[str, float]:
    figures = {}
    for what, read in (("aiohttp and our parser", _read_ours), ("twitchAPI's Chat", _read_theirs)):
        sender = Sender(PORT, Pace(limit=LINES))
        process = sender.start()
        try:
            figures[f"{what} (messages/s)"] = LINES / asyncio.run(asyncio.wait_for(read(sender), 120))
        finally:
            process.kill()
            process.join()
    return figures


async def _read_ours(sender: Sender) -> float:
    async with aiohttp.ClientSession() as session:
        socket = await _connect(session)
        await socket.send_str("NICK justinfan1\r\n")
        await socket.send_str(f"JOIN #{LOGIN}\r\n")
        sender.go.set()
        seen, began = 0, 0.0
        async for message in socket:
            for line in message.data.split("\r\n"):
                if line[:1] == "@" and parse(line):
                    began = began or time.perf_counter()
                    seen += 1
            if seen == LINES:
                break
        return time.perf_counter() - began


async def _connect(session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    for _ in range(200):
        try:
            return await session.ws_connect(f"http://127.0.0.1:{PORT}/irc", max_msg_size=0, compress=0)
        except aiohttp.ClientError:
            await asyncio.sleep(0.05)
    raise SystemExit("The sender does not answer.")


async def _read_theirs(sender: Sender) -> float:
    runner = await _serve_api()
    twitch = Twitch(
        "client",
        "secret",
        authenticate_app=False,
        base_url=f"http://127.0.0.1:{API_PORT}/",
        auth_base_url=f"http://127.0.0.1:{API_PORT}/",
    )
    twitch.auto_refresh_auth = False
    await twitch.set_user_authentication("token", [AuthScope.CHAT_READ], validate=False)
    chat: Any = await Chat(twitch, connection_url=f"http://127.0.0.1:{PORT}/irc", initial_channel=[LOGIN])
    done, seen, began = asyncio.Event(), 0, 0.0
    loop = asyncio.get_running_loop()

    async def count(_message: object) -> None:
        nonlocal seen, began
        began = began or time.perf_counter()
        seen += 1
        if seen == LINES:
            loop.call_soon_threadsafe(done.set)

    chat.register_event(ChatEvent.MESSAGE, count)
    await asyncio.to_thread(chat.start)
    sender.go.set()
    try:
        await done.wait()
        return time.perf_counter() - began
    finally:
        chat.stop()
        await twitch.close()  # type: ignore[no-untyped-call]
        await runner.cleanup()


async def _serve_api() -> web.AppRunner:
    app = web.Application()
    app.router.add_get("/users", lambda _: _answer({"data": [USER]}))
    app.router.add_get(
        "/validate",
        lambda _: _answer(
            {"client_id": "client", "login": "reader", "user_id": "1", "scopes": ["chat:read"], "expires_in": 9999}
        ),
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", API_PORT).start()
    return runner


async def _answer(body: dict[str, object]) -> web.Response:
    return web.json_response(body, headers={"Ratelimit-Remaining": "700"})
