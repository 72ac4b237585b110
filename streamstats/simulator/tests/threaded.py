"""A simulated Twitch beside a test that is not async itself."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from django.test import override_settings

from streamstats.simulator.facts import Facts
from streamstats.simulator.server import SimulatedTwitch

PATIENCE_S = 10.0
T = TypeVar("T")


class ThreadedTwitch(SimulatedTwitch):
    """Its loop runs in a thread of its own: whatever is to be awaited goes through `do()`."""

    loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it on the server's loop: `twitch.do(twitch.fault("oauth", fault="expire"))`."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_S)


@contextmanager
def simulated_twitch(
    facts: Facts | None = None, channels: Mapping[str, str] | None = None, **options: Any
) -> Iterator[ThreadedTwitch]:
    """Serve, with the settings pointing there, until the block is left."""
    twitch = ThreadedTwitch(channels, facts=facts, **options)
    twitch.loop = asyncio.new_event_loop()
    thread = threading.Thread(target=twitch.loop.run_forever, name="simulated Twitch")
    thread.start()
    try:
        twitch.do(twitch.__aenter__())
        try:
            with override_settings(**twitch.addresses):
                yield twitch
        finally:
            twitch.do(twitch.__aexit__(None, None, None))
    finally:
        twitch.loop.call_soon_threadsafe(twitch.loop.stop)
        thread.join(PATIENCE_S)
        twitch.loop.close()
