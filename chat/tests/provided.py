"""Emote providers on this machine, and a shelf in memory, for tests of what talks to providers."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from threading import Thread

from chat.providers import Change, SetEntry, with_changes
from chat.providers.etiquette import Key
from chat.providers.keeper import ShelfUnavailable
from chat.providers.sources import Sources
from streamstats.simulator.addresses import addresses
from streamstats.simulator.catalogue import Catalogue
from streamstats.simulator.server import SimulatedTwitch


def sources_on(port: int) -> Sources:
    found = addresses(port)
    return Sources(
        seventv_url=found["SEVENTV_URL"],
        seventv_events_url=found["SEVENTV_EVENTS_URL"],
        bttv_url=found["BTTV_URL"],
        bttv_ws_url=found["BTTV_WS_URL"],
        bttv_cdn_url=found["BTTV_CDN_URL"],
        ffz_url=found["FFZ_URL"],
    )


@contextmanager
def serving(catalogue: Catalogue) -> Iterator[SimulatedTwitch]:
    """Serve providers from a thread, for code that runs a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    twitch = SimulatedTwitch(catalogue=catalogue)
    try:
        asyncio.run_coroutine_threadsafe(twitch.__aenter__(), loop).result(10)
        yield twitch
        asyncio.run_coroutine_threadsafe(twitch.__aexit__(None, None, None), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class MemoryShelf:
    """Keeps sets as the database does, and lets a test wait for them."""

    def __init__(self, followed: dict[int, str]) -> None:
        self.channels = followed
        self.sets: dict[Key, list[SetEntry]] = {}
        self.is_away = False
        self.refused = 0
        self._moved = asyncio.Condition()

    async def followed(self) -> dict[int, str]:
        await self._come()
        return dict(self.channels)

    async def put(self, key: Key, entries: Sequence[SetEntry], at: datetime) -> None:
        await self._come()
        self.sets[key] = list(entries)
        await self._tell()

    async def change(self, key: Key, changes: Sequence[Change], at: datetime) -> None:
        await self._come()
        if key in self.sets:
            self.sets[key] = with_changes(self.sets[key], changes)
        await self._tell()

    def names(self, provider: str, channel: int | None) -> set[str] | None:
        """Names in a set, None if it was never read."""
        entries = self.sets.get(Key(provider, channel))
        return None if entries is None else {entry.name for entry in entries}

    async def has(self, provider: str, channel: int | None, names: set[str]) -> None:
        """Wait until a set has just these names."""
        await self._until(lambda: self.names(provider, channel) == names)

    async def has_refused(self) -> None:
        await self._until(lambda: self.refused > 0)

    async def _come(self) -> None:
        if self.is_away:
            self.refused += 1
            await self._tell()
            raise ShelfUnavailable("the database is away")

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def _until(self, is_so) -> None:
        async with self._moved:
            await self._moved.wait_for(is_so)
