"""Which channels the reader reads, also while Postgres is away."""

import asyncio

import pytest
from django.db import OperationalError

from chat.ingest.pipeline import FollowedChannels, followed_in_postgres, in_daemon_thread
from chat.ingest.queue import connect_reader
from streams.models import Channel


class Postgres:
    """Says which channels are followed, unless it is away."""

    def __init__(self, *logins):
        self.logins = frozenset(logins)
        self.is_away = False

    def __call__(self):
        if self.is_away:
            raise OperationalError("connection refused")
        return self.logins


@pytest.fixture
def source(redis_client, settings):
    """Make a reader's source of channels."""
    return lambda postgres: FollowedChannels(connect_reader(settings.REDIS_URL), postgres)


def test_postgres_says_which(source):
    assert asyncio.run(source(Postgres("x", "y")).poll()) == {"x", "y"}


def test_the_last_known_stay_while_postgres_is_away(source):
    async def scenario():
        postgres = Postgres("x")
        channels = source(postgres)
        await channels.poll()
        postgres.is_away = True
        return await channels.poll()

    assert asyncio.run(scenario()) == {"x"}


def test_a_reader_that_starts_while_postgres_is_away_knows_them_too(source):
    async def scenario():
        postgres = Postgres("x", "y")
        await source(postgres).poll()
        postgres.is_away = True
        return await source(postgres).poll()

    assert asyncio.run(scenario()) == {"x", "y"}


def test_no_channels_is_an_answer_too(source):
    async def scenario():
        postgres = Postgres()
        channels = source(postgres)
        await channels.poll()
        postgres.is_away = True
        return await source(postgres).poll()

    assert asyncio.run(scenario()) == frozenset()


def test_nobody_can_say_at_the_very_first_start(source):
    postgres = Postgres()
    postgres.is_away = True
    assert asyncio.run(source(postgres).poll()) is None


def test_redis_may_be_away_as_well(own_redis):
    channels = FollowedChannels(connect_reader(own_redis.url), Postgres("x"))
    own_redis.kill()
    assert asyncio.run(channels.poll()) == frozenset({"x"})


@pytest.mark.django_db
def test_only_followed_channels_with_a_login_are_read(monkeypatch):
    monkeypatch.setattr("chat.ingest.pipeline.connection.close", lambda: None)
    Channel.objects.create(login="x")
    Channel.objects.create(login="y", is_followed=False)
    Channel.objects.create(login=None, twitch_id="7")
    assert followed_in_postgres() == {"x"}


def test_an_error_in_the_thread_comes_out_where_it_is_awaited():
    def fail():
        raise OperationalError("gone")

    with pytest.raises(OperationalError, match="gone"):
        asyncio.run(in_daemon_thread(fail))
