import asyncio
import json
import signal
from contextlib import aclosing

import pytest
from django.conf import settings
from redis.asyncio import Redis

from chat.livefeed import LiveEmote, LiveFeed, Room, events
from chat.tests.patience import until_so

KAPPA = LiveEmote(7, "Kappa", "https://cdn.example/1", "7tv")
PATIENCE_SECONDS = 10
STOPS = [signal.SIGTERM, signal.SIGINT]


def summary(messages=1, emotes=()):
    return {
        "at": "2026-05-01T20:00:00Z",
        "new": {"messages": 1, "emotes": 0},
        "total": {"messages": messages, "chatters": 1},
        "today": {"messages": 1, "chatters": 1, "emotes": 0},
        "minute": {"at": "2026-05-01T20:00:00Z", "messages": 1, "chatters": 1},
        "emotes": [{**emote._asdict(), "uses": uses} for emote, uses in emotes],
    }


def read(event):
    assert event.startswith(b"event: live\ndata: ")
    return json.loads(event.removeprefix(b"event: live\ndata: "))


def refresh_of(channel):
    return b'event: refresh\ndata: {"channel":%d}\n\n' % channel


async def no_pause(seconds):
    """Tests wait for what they need, and for no time to pass."""


def new_feed():
    return LiveFeed(lambda: Redis.from_url(settings.REDIS_URL), pause=no_pause)


def pages(feed, channels):
    return aclosing(events(feed, channels, pause=no_pause))


async def subscribed(redis, *channels):
    names = [f"streamstats:live:{channel}" for channel in channels]

    async def are_heard():
        return all(count for _, count in await redis.pubsub_numsub(*names))

    await until_so(are_heard)


async def unsubscribed(redis, channel):
    async def is_heard_by_nobody():
        ((_, count),) = await redis.pubsub_numsub(f"streamstats:live:{channel}")
        return count == 0

    await until_so(is_heard_by_nobody)


async def publish(redis, channel, told):
    data = told if isinstance(told, str) else json.dumps(told)
    return await redis.publish(f"streamstats:live:{channel}", data)


def with_redis(scenario):
    async def run():
        async with Redis.from_url(settings.REDIS_URL) as redis, asyncio.timeout(PATIENCE_SECONDS):
            return await scenario(redis)

    return asyncio.run(run())


# One channel


def test_a_slow_page_is_told_only_the_newest_state():
    async def scenario():
        feed = new_feed()
        with feed.opened({1: {}}) as page:
            for messages in (1, 2, 3):
                feed._rooms[1].take(summary(messages), now=0)
            return feed.news_for(page), feed.news_for(page)

    told, then = asyncio.run(scenario())
    assert read(told)["total"]["messages"] == 3
    assert then == b""


def test_emotes_are_summed_over_commits():
    room = Room(1)
    room.take(summary(emotes=[(KAPPA, 2)]), now=0)
    room.take(summary(emotes=[(KAPPA, 3)]), now=1)
    assert read(room.news)["emotes"] == [{**KAPPA._asdict(), "uses": 5}]


def test_a_commit_without_messages_takes_no_number_away():
    room = Room(1)
    room.take(summary(), now=0)
    room.take({name: told for name, told in summary().items() if name not in {"today", "minute"}}, now=1)
    assert {"today", "minute"} <= set(read(room.news))


def test_emotes_of_long_ago_are_forgotten():
    room = Room(1)
    room.take(summary(emotes=[(KAPPA, 2)]), now=0)
    room.take(summary(), now=10_000)
    assert read(room.news)["emotes"] == []


def test_no_private_number_passes_through():
    room = Room(1)
    room.take({**summary(), "viewer": "somebody"}, now=0)
    assert set(read(room.news)) == {"channel", "at", "total", "today", "minute", "emotes"}


# Over Redis


def test_what_the_ingest_tells_reaches_an_open_page(redis_client):
    async def scenario(redis):
        async with pages(new_feed(), {7: {KAPPA: 2}}) as page:
            await anext(page)
            await subscribed(redis, 7)
            await publish(redis, 7, summary(messages=41, emotes=[(KAPPA, 1)]))
            return read(await anext(page))

    told = with_redis(scenario)
    assert (told["channel"], told["total"]["messages"], told["emotes"][0]["uses"]) == (7, 41, 3)


def test_a_choice_has_the_open_pages_of_its_channel_look_again(redis_client):
    async def scenario(redis):
        async with pages(new_feed(), {7: {}}) as page:
            await anext(page)
            await subscribed(redis, 7)
            await publish(redis, 7, {"refresh": True})
            return await anext(page)

    assert with_redis(scenario) == refresh_of(7)


def test_what_is_to_be_looked_at_again_comes_before_the_news():
    async def scenario():
        feed = new_feed()
        with feed.opened({1: {}, 2: {}}) as page:
            feed._rooms[1].take(summary(3), now=0)
            feed._rooms[2].refresh()
            feed._rooms[2].refresh()
            return feed.news_for(page), feed.news_for(page)

    told, then = asyncio.run(scenario())
    assert told.startswith(refresh_of(2))
    assert read(told.removeprefix(refresh_of(2)))["total"]["messages"] == 3
    assert then == b""


def test_pages_look_again_after_redis_was_lost(redis_client):
    async def scenario(redis):
        async with pages(new_feed(), {7: {}}) as page:
            await anext(page)
            await subscribed(redis, 7)
            await redis.client_kill_filter(_type="pubsub")
            return await anext(page)

    assert with_redis(scenario) == refresh_of(7)


def test_all_pages_share_one_subscription(redis_client):
    async def scenario(redis):
        feed = new_feed()
        async with pages(feed, {7: {}}) as first, pages(feed, {7: {}}) as second:
            await anext(first)
            await anext(second)
            await subscribed(redis, 7)
            listeners = await publish(redis, 7, summary(5))
            return listeners, read(await anext(first)), read(await anext(second))

    listeners, first, second = with_redis(scenario)
    assert listeners == 1
    assert first == second


def test_a_page_that_opens_later_hears_of_its_own_channel(redis_client):
    async def scenario(redis):
        feed = new_feed()
        async with pages(feed, {7: {}}) as first, pages(feed, {8: {}}) as second:
            await anext(first)
            await subscribed(redis, 7)
            await anext(second)
            await subscribed(redis, 8)
            await publish(redis, 8, summary(5))
            return read(await anext(second))

    assert with_redis(scenario)["channel"] == 8


def test_a_page_on_many_channels_hears_of_each(redis_client):
    async def scenario(redis):
        async with pages(new_feed(), {7: {}, 8: {}}) as page:
            await anext(page)
            await subscribed(redis, 7, 8)
            heard: set[int] = set()
            for channel in (7, 8):
                await publish(redis, channel, summary(5))
            while heard != {7, 8}:
                heard |= {read(event + b"\n\n")["channel"] for event in (await anext(page)).split(b"\n\n")[:-1]}
            return heard

    assert with_redis(scenario) == {7, 8}


def test_the_last_page_to_close_ends_the_subscription(redis_client):
    async def scenario(redis):
        feed = new_feed()
        async with pages(feed, {7: {}}) as page:
            await anext(page)
            await subscribed(redis, 7)
            reader = feed._reader
        await asyncio.wait([reader])
        await unsubscribed(redis, 7)  # Redis hears a little later that a connection was closed
        return feed.is_open(7), reader.cancelled()

    assert with_redis(scenario) == (False, True)


def test_a_summary_that_cannot_be_read_stops_nothing(redis_client):
    async def scenario(redis):
        async with pages(new_feed(), {7: {}}) as page:
            await anext(page)
            await subscribed(redis, 7)
            for told in ("no json", "[]", "{}", '{"emotes": [{}]}', summary(9)):
                await publish(redis, 7, told)
            return read(await anext(page))

    assert with_redis(scenario)["total"]["messages"] == 9


def test_a_lost_connection_is_made_again(redis_client):
    async def scenario(redis):
        async with pages(new_feed(), {7: {}}) as page:
            await anext(page)
            await subscribed(redis, 7)
            await redis.client_kill_filter(_type="pubsub")
            news = asyncio.ensure_future(anext(page))

            async def is_told():
                await publish(redis, 7, summary(3))  # again and again: one may still go to the connection that was cut
                return news.done()

            await until_so(is_told)
            return await news if b"event: live" in await news else await anext(page)

    assert read(with_redis(scenario).removeprefix(refresh_of(7)))["total"]["messages"] == 3


def test_silence_is_filled_with_signs_of_life(redis_client):
    async def scenario(redis):
        async with aclosing(events(new_feed(), {7: {}}, heartbeat=0.01, pause=no_pause)) as page:
            return [await anext(page) for _ in range(3)]

    assert with_redis(scenario) == [b"retry: 2000\n\n", b": nothing new\n\n", b": nothing new\n\n"]


def test_a_feed_that_closes_ends_its_pages(redis_client):
    async def scenario(redis):
        feed = new_feed()
        async with pages(feed, {7: {}}) as page:
            await anext(page)
            feed.close()
            return [event async for event in page]

    assert with_redis(scenario) == []


def test_a_feed_that_was_closed_opens_no_page(redis_client):
    async def scenario(redis):
        feed = new_feed()
        feed.close()
        async with pages(feed, {7: {}}) as page:
            return [event async for event in page]

    assert with_redis(scenario) == [b"retry: 2000\n\n"]


@pytest.fixture
def heard():
    """Signals that the server's own handler was told of."""
    told: list[int] = []
    before = {number: signal.signal(number, lambda *args: told.append(args[0])) for number in STOPS}
    yield told
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOPS)
def test_a_server_that_is_stopped_closes_the_feed_and_stops(redis_client, heard, number):
    async def scenario(redis):
        feed = new_feed()
        feed.close_at_stop()
        async with pages(feed, {7: {}}) as page:
            await anext(page)
            signal.raise_signal(number)
            return [event async for event in page]

    assert with_redis(scenario) == []
    assert heard == [number]
