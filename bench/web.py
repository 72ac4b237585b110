"""A page server to be measured, who asks it, and how long that took."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import aiohttp

from bench.place import ROOT


def few(rows: list[Any], random: Random) -> Any:
    """One of them, after Zipf's law, as people look at pages: the tenth a tenth as often as the first."""
    return rows[int((len(rows) + 1) ** random.random()) - 1]


def timed(times: list[float], execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    began = time.perf_counter()
    try:
        return execute(sql, params, many, context)
    finally:
        times.append(1000 * (time.perf_counter() - began))


def session_of(twitch_id: str) -> str:
    """The session cookie of somebody who is logged in with this Twitch account."""
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore
    from social_django.models import UserSocialAuth

    user = User.objects.filter(username=twitch_id).first() or User.objects.create_user(twitch_id)
    UserSocialAuth.objects.get_or_create(provider="twitch", uid=twitch_id, defaults={"user": user})
    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session["_auth_user_backend"] = "viewers.login.TwitchLogin"
    session["_auth_user_hash"] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


@contextmanager
def web(port: int, environment: dict[str, str], processes: int) -> Iterator[str]:
    """The page server, as production has it, until the end of the block."""
    command = [sys.executable, "-m", "uvicorn", "streamstats.asgi:application", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", str(processes), "--lifespan", "off", "--no-access-log"]
    command += ["--log-level", "warning", "--timeout-graceful-shutdown", "2"]
    server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=sys.stderr)
    address = f"http://127.0.0.1:{port}"
    try:
        _await(f"{address}/healthz", server)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def _await(address: str, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        try:
            with urlopen(address, timeout=2):
                return
        except (URLError, OSError):
            if server.poll() is not None:
                break
            time.sleep(0.1)
    raise SystemExit("The page server did not come up.")


async def load(session: aiohttp.ClientSession, address: str, cookie: str) -> tuple[float, int]:
    began = time.perf_counter()
    headers = {"Cookie": f"sessionid={cookie}"} if cookie else {}
    try:
        async with session.get(address, headers=headers, timeout=aiohttp.ClientTimeout(total=60)) as answer:
            await answer.read()
            return time.perf_counter() - began, answer.status
    except (TimeoutError, aiohttp.ClientError):
        return time.perf_counter() - began, 0


def p95(values: list[float]) -> float:
    return at(values, 0.95)


def at(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)] if values else 0.0
