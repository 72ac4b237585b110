"""How many chat lines a second one reader takes from a socket into Redis: `python -m bench.reader`.

A process of its own sends frames as fast as they are taken; this one only counts and empties the stream.
"""

import argparse
import asyncio
import base64
import hashlib
import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import django
import psutil
from redis import Redis

from streamstats.local.layout import Layout
from streamstats.local.redis import EmbeddedRedis

STREAM = "streamstats:ingest"
LINE = (
    "@badge-info=subscriber/27;badges=subscriber/24,bits/1000;color=#FF4500;display-name=SomeViewer;"
    "emotes=25:0-4;first-msg=0;flags=;id=7a1f0b6e-0000-4000-8000-{n:012d};mod=0;returning-chatter=0;room-id=1001;"
    "subscriber=1;tmi-sent-ts=1767225600123;turbo=0;user-id=2002;user-type= "
    ":someviewer!someviewer@someviewer.tmi.twitch.tv PRIVMSG #chan :Kappa and what else one says in {n} words\r\n"
)


def frame(text: bytes) -> bytes:
    """A WebSocket text frame as a server sends it."""
    length = len(text)
    head = b"\x81" + (bytes([length]) if length < 126 else b"\x7e" + length.to_bytes(2, "big"))
    return head + text


def blocks(lines: int, per_frame: int) -> list[bytes]:
    texts = [LINE.format(n=n).encode() for n in range(lines)]
    return [frame(b"".join(texts[n : n + per_frame])) for n in range(0, lines, per_frame)]


def send(port: int, lines: int, per_frame: int) -> None:
    asyncio.run(_serve(port, lines, per_frame))


async def _serve(port: int, lines: int, per_frame: int) -> None:
    block_lines = 2000
    block = b"".join(blocks(block_lines, per_frame))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        key = request.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(answer + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        writer.write(frame(b":tmi.twitch.tv 001 justinfan1 :Welcome, GLHF!\r\n"))
        for _ in range(lines // block_lines):
            writer.write(block)
            await writer.drain()
        await reader.read()

    server = await asyncio.start_server(talk, "127.0.0.1", port)
    await server.serve_forever()


def read(port: int, home: str) -> None:
    os.environ |= {"STREAMSTATS_HOME": home, "TWITCH_IRC_URL": f"http://127.0.0.1:{port}/", "SECRET_KEY": "bench"}
    os.environ |= {"REDIS_URL": Layout(Path(home)).redis_url, "DJANGO_SETTINGS_MODULE": "streamstats.settings"}
    django.setup()
    import uvloop

    from chat.ingest.pipeline import read_chat

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(read_chat(asyncio.Event(), followed=lambda: frozenset({"chan"})))


def count(client: Redis, lines: int) -> tuple[float, float]:
    """Empty the stream until all lines have come; return when the first and when the last did."""
    seen, last, began = 0, b"0", 0.0
    while seen < lines:
        answer: Any = client.xread({STREAM: last}, count=200, block=1000)
        if not answer:
            continue
        began = began or time.monotonic()
        entries = answer[0][1]
        seen += sum(fields[b"lines"].count(b"\n") + 1 for _, fields in entries)
        last = entries[-1][0]
        client.xtrim(STREAM, minid=last.decode(), approximate=True)
    return began, time.monotonic()


def measure(lines: int, per_frame: int, port: int) -> str:
    with tempfile.TemporaryDirectory(prefix="streamstats-bench-") as home:
        server = EmbeddedRedis(Layout(Path(home)), durable=True)
        server.start()
        context = multiprocessing.get_context("spawn")
        sender = context.Process(target=send, args=(port, lines, per_frame), daemon=True)
        reader = context.Process(target=read, args=(port, home), daemon=True)
        sender.start()
        reader.start()
        try:
            began, ended = count(Redis.from_url(server.url), lines)
            used = psutil.Process(reader.pid).cpu_times()
            memory = psutil.Process(reader.pid).memory_info().rss
        finally:
            for process in (sender, reader):
                process.kill()
                process.join()
            server.stop()
    rate = lines / (ended - began)
    cpu = used.user + used.system
    return (
        f"{per_frame:>3} lines a frame: {rate:>9,.0f} lines/s, reader CPU {cpu:.1f} s "
        f"({1e6 * cpu / lines:.1f} us a line, start included), {memory / 1e6:.0f} MB"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lines", type=int, default=1_000_000)
    options.add_argument("--per-frame", type=int, nargs="+", default=[1, 20])
    options.add_argument("--port", type=int, default=8199)
    chosen = options.parse_args()
    for per_frame in chosen.per_frame:
        print(measure(chosen.lines, per_frame, chosen.port), flush=True)


if __name__ == "__main__":
    main()
