"""The process that keeps emote sets in the database up to date, and its one door to it."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ParamSpec, TypeVar

import redis
import structlog
from asgiref.sync import sync_to_async
from django.db import Error, InterfaceError, OperationalError, close_old_connections, connections

from chat.emotesets import EVERYWHERE, SetChange, announce, apply_changes, apply_set, sources_from_settings
from chat.providers import Change, SetEntry
from chat.providers.etiquette import Key
from chat.providers.http import open_session
from chat.providers.keeper import Keeper, ShelfUnavailable
from streams.models import Channel

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseShelf:
    """The one door from the keeper's event loop to the database and to Redis."""

    def __init__(self) -> None:
        self._unannounced: set[int | None] = set()

    async def followed(self) -> dict[int, str]:
        await sync_to_async(self._announce_again)()
        channels = Channel.objects.followed().exclude(twitch_id=None)
        return await self._in_database(lambda: {pk: str(id_) for pk, id_ in channels.values_list("pk", "twitch_id")})

    async def put(self, key: Key, entries: Sequence[SetEntry], at: datetime) -> None:
        await self._in_database(self._apply, key, apply_set, entries, at)

    async def change(self, key: Key, changes: Sequence[Change], at: datetime) -> None:
        await self._in_database(self._apply, key, apply_changes, changes, at)

    async def close(self) -> None:
        await sync_to_async(connections.close_all)()

    def _apply(self, key: Key, apply: Callable[..., SetChange], *args: object) -> None:
        channel = None if key.channel is None else Channel.objects.filter(pk=key.channel).first()
        if key.channel is not None and channel is None:  # deleted, or merged into another, since it was looked up
            return
        try:
            change = apply(channel, key.provider, *args)
        except redis.RedisError as error:  # raised after the commit: the set is written, nobody knows
            self._unannounced.add(key.channel)
            log.warning("emotes.not_announced", error=str(error))
            return
        except (OperationalError, InterfaceError):
            raise
        except Error:  # no second try would help, and the other sets must not wait for one
            log.exception("emotes.not_storable", provider=key.provider, channel=key.channel)
            return
        if change:
            log.info("emotes.changed", provider=key.provider, channel=str(channel or EVERYWHERE), **change._asdict())

    def _announce_again(self) -> None:
        try:
            for channel_pk in list(self._unannounced):
                announce(channel_pk)
                self._unannounced.discard(channel_pk)
        except redis.RedisError as error:
            log.warning("emotes.not_announced", error=str(error))

    async def _in_database(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await sync_to_async(_with_fresh_connection)(work, *args, **kwargs)


def _with_fresh_connection(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    close_old_connections()
    try:
        return work(*args, **kwargs)
    except (OperationalError, InterfaceError) as error:
        raise ShelfUnavailable(str(error).strip()) from error
    finally:
        close_old_connections()


async def keep(stop: asyncio.Event) -> None:
    """Keep the sets of all followed channels up to date until told to stop."""
    shelf = DatabaseShelf()
    async with open_session() as session:
        keeping = asyncio.create_task(Keeper(shelf, session, sources_from_settings()).run())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            keeping.cancel()
            results = await asyncio.gather(keeping, stopping, return_exceptions=True)
            await shelf.close()
    for result in results:
        if isinstance(result, Exception):
            raise result
