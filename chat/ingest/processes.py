"""Runs the parts of the ingest as processes of their own, and keeps them running."""

import asyncio
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

import structlog

log = structlog.get_logger(__name__)

STOP_SECONDS = 15.0
FIRST_DELAY, LAST_DELAY = 0.5, 30.0
STEADY_SECONDS = 60.0  # a part that ran for so long starts again without having to wait longer than the first time


class Part:
    """One process that is started again whenever it ends by itself."""

    def __init__(self, name: str, command: Sequence[str], *, first_delay: float = FIRST_DELAY) -> None:
        self.name = name
        self.command = command
        self.first_delay = first_delay
        self.process: asyncio.subprocess.Process | None = None

    async def keep_running(self) -> None:
        delay = self.first_delay
        while True:
            began = time.monotonic()
            # A session of its own: Ctrl-C is for the supervisor, which stops its parts in the right order.
            self.process = await asyncio.create_subprocess_exec(
                *self.command, stdin=subprocess.DEVNULL, start_new_session=True
            )
            code = await self.process.wait()
            if time.monotonic() - began >= STEADY_SECONDS:
                delay = self.first_delay
            log.error("ingest.part_ended", part=self.name, code=code, again_in_s=delay)
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_DELAY)

    async def stop(self) -> None:
        """Ask the process to end; insist when it does not."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        except TimeoutError:
            log.error("ingest.part_killed", part=self.name, after_s=STOP_SECONDS)
            self.process.kill()
            await self.process.wait()


async def supervise(parts: Sequence[Part], stop: asyncio.Event) -> None:
    """Keep the parts running until `stop`, then end them one after another, in order."""
    running = {part: asyncio.create_task(part.keep_running()) for part in parts}
    await stop.wait()
    for part, keeping in running.items():
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        await part.stop()
