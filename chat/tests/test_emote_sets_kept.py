"""The keeper on the real database: from a provider to the entries, and the word on Redis."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import redis.asyncio
from asgiref.sync import sync_to_async
from django.db import IntegrityError, OperationalError

from chat import emotekeeper
from chat.emotekeeper import DatabaseShelf, keep
from chat.models import EmoteSetEntry
from chat.providers import SetEntry
from chat.providers.etiquette import Key
from chat.providers.keeper import ShelfUnavailable
from streams.models import Channel
from streamstats.simulator.addresses import addresses
from streamstats.simulator.catalogue import Catalogue, SimEmote
from streamstats.simulator.server import SimulatedTwitch

AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
CAT = SetEntry("7tv", "a1", "cat", "cat", "")
SETS: dict[tuple[str, str | None], list[SimEmote]] = {("7tv", "1001"): [SimEmote("a1", "cat")]}


@pytest.fixture
def channel(transactional_db, redis_client):
    return Channel.objects.create(login="example", twitch_id="1001")


def present():
    return set(EmoteSetEntry.objects.filter(until=None).values_list("provider", "name"))


def shelved(work):
    """Run `work(shelf)` and leave no connection behind."""

    async def main():
        shelf = DatabaseShelf()
        try:
            return await work(shelf)
        finally:
            await shelf.close()

    return asyncio.run(main())


@asynccontextmanager
async def told(redis_url):
    """Give a function that waits for the next word about sets."""
    async with redis.asyncio.Redis.from_url(redis_url) as client, client.pubsub() as listener:
        await listener.subscribe("streamstats:emotes")
        await listener.get_message(timeout=5)

        async def word():
            async with asyncio.timeout(10):
                while (message := await listener.get_message(timeout=5)) is None:
                    pass
                return message["data"]

        yield word


def test_a_live_change_reaches_the_database_and_the_writers(channel, settings):
    async def main():
        async with SimulatedTwitch(catalogue=Catalogue.of(SETS)) as twitch, told(settings.REDIS_URL) as word:
            for name, value in addresses(twitch.port).items():
                setattr(settings, name, value)
            stop = asyncio.Event()
            task = asyncio.create_task(keep(stop))
            words = [await word()]
            set_id, _ = twitch.providers.catalogue.seventv_ids("1001")
            await twitch.providers.until(lambda: ("emote_set.update", set_id) in twitch.providers.topics())
            await twitch.providers.add("7tv", "1001", SimEmote("a2", "dog"))
            words.append(await word())
            stop.set()
            await task
            return words, await sync_to_async(present)()

    assert asyncio.run(main()) == ([str(channel.pk).encode()] * 2, {("7tv", "cat"), ("7tv", "dog")})


def test_only_followed_channels_with_a_known_id_are_kept(channel):
    Channel.objects.create(login="unknown")
    Channel.objects.create(login="left", twitch_id="7", is_followed=False)
    assert shelved(lambda shelf: shelf.followed()) == {channel.pk: "1001"}


def test_a_channel_that_is_gone_meanwhile_is_passed_over(channel):
    shelved(lambda shelf: shelf.put(Key("7tv", channel.pk + 1), [CAT], AT))
    assert present() == set()


def test_a_database_that_is_away_is_told_from_one_that_refuses(channel, monkeypatch):
    def away(*args):
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(emotekeeper, "apply_set", away)
    with pytest.raises(ShelfUnavailable, match="the connection is closed"):
        shelved(lambda shelf: shelf.put(Key("7tv", channel.pk), [CAT], AT))


def test_a_set_that_the_database_refuses_stops_nothing(channel, monkeypatch, caplog):
    def refused(*args):
        raise IntegrityError("no")

    monkeypatch.setattr(emotekeeper, "apply_set", refused)
    shelved(lambda shelf: shelf.put(Key("7tv", channel.pk), [CAT], AT))
    assert "emotes.not_storable" in caplog.text


def test_a_set_written_while_redis_was_away_is_told_later(channel, settings):
    redis_url = settings.REDIS_URL

    async def work(shelf):
        settings.REDIS_URL = "unix:///nowhere/redis.sock"
        await shelf.put(Key("7tv", channel.pk), [CAT], AT)
        async with told(redis_url) as word:
            settings.REDIS_URL = redis_url
            await shelf.followed()
            return await word()

    assert shelved(work) == str(channel.pk).encode()


def test_redis_that_stays_away_stops_nothing(channel, settings):
    settings.REDIS_URL = "unix:///nowhere/redis.sock"

    async def work(shelf):
        await shelf.put(Key("7tv", channel.pk), [CAT], AT)
        return await shelf.followed()

    assert shelved(work) == {channel.pk: "1001"}


def test_it_stops_when_told_even_before_it_began(channel, settings):
    async def main():
        async with SimulatedTwitch(catalogue=Catalogue.of(SETS)) as twitch:
            for name, value in addresses(twitch.port).items():
                setattr(settings, name, value)
            stop = asyncio.Event()
            stop.set()
            async with asyncio.timeout(10):
                await keep(stop)

    asyncio.run(main())
