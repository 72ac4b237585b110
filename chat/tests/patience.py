"""Waiting for what other tasks and processes do: no longer than it takes, and never for ever."""

import asyncio
import time
from collections.abc import Awaitable, Callable

STEP = 0.002
PATIENCE = 30.0


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for happens in code that knows no test's event
        await asyncio.sleep(STEP)


async def until_so(ask: Callable[[], Awaitable[object]]) -> None:
    """Wait for something that has to be asked for over a connection."""
    while not await ask():  # noqa: ASYNC110 - as above
        await asyncio.sleep(STEP)


def until_in_threads(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen")
        time.sleep(STEP)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run an asynchronous test."""

    async def within_time() -> None:
        async with asyncio.timeout(PATIENCE):
            await scenario()

    asyncio.run(within_time())
