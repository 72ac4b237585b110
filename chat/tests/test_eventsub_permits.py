"""Whose events are listened to, what is written down of it, and the way of events to the queue."""

import asyncio
import json
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection, connections

from chat.ingest import eventsub_permits, pipeline
from chat.ingest.eventsub_reader import Notes, Outcome, Pace, State, Unavailable
from chat.ingest.eventsub_session import Timing
from chat.ingest.eventsub_topics import KINDS, Topic
from chat.ingest.queue import STREAM, connect_reader, connect_writer
from chat.ingest.turn import Turn
from chat.tests.patience import run, until, until_so
from streams.models import Channel, EventSubscription, TwitchGrant
from streamstats.local.layout import Layout
from streamstats.simulator.facts import Account, StatedFacts
from streamstats.simulator.oauth import issue
from streamstats.simulator.server import SimulatedTwitch

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EVERYTHING = sorted({scope for kind in KINDS for group in kind.scopes for scope in group})
QUICK = Pace(session=Timing(), reconnect_base=0.01, reconnect_cap=0.02, linger=0.05, again=0.05, tick=0.01, flush=0.01)
CHEER = Topic("channel.cheer", "1", (("broadcaster_user_id", "1"),))


def grant(id_="1", *, scopes=EVERYTHING, channel=True, **fields):
    tokens = issue(id_, scopes)
    login = f"login{id_}"
    owned = Channel.objects.create(login=login, twitch_id=id_) if channel else None
    return TwitchGrant.objects.create(
        **{
            "twitch_id": id_,
            "login": login,
            "channel": owned,
            "scopes": list(scopes),
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "expires_at": datetime.now(UTC) + timedelta(hours=4),
            "granted_at": NOW,
            **fields,
        }
    )


def outcome(grant, topic=CHEER, state=State.ENABLED, **fields):
    return Outcome(grant.pk, topic, state, NOW, **fields)


@pytest.fixture
def kept_connection(monkeypatch):
    """Let what runs in threads of its own elsewhere leave the test's connection open."""
    monkeypatch.setattr("chat.ingest.eventsub_permits.connection.close", lambda: None)


@pytest.mark.django_db
@pytest.mark.usefixtures("kept_connection")
class TestPermits:
    def test_a_valid_grant_of_a_followed_channel_is_one(self):
        given = grant()
        (permit,) = eventsub_permits.permits()
        assert (permit.grant_id, permit.twitch_id, permit.login) == (given.pk, "1", "login1")
        assert permit.scopes == set(EVERYTHING)

    @pytest.mark.parametrize(
        "fields",
        [
            pytest.param({"state": TwitchGrant.State.DEAD}, id="a dead one"),
            pytest.param({"state": TwitchGrant.State.REVOKED}, id="one that was taken back"),
            pytest.param({"channel": None, "is_bot": True}, id="a bot's"),
        ],
    )
    def test_others_are_none(self, fields):
        grant(**fields)
        assert eventsub_permits.permits() == frozenset()

    def test_a_channel_that_is_no_longer_followed_is_left_alone(self):
        grant()
        Channel.objects.update(is_followed=False)
        assert eventsub_permits.permits() == frozenset()

    def test_another_name_or_token_is_no_other_permit(self):
        grant()
        before = eventsub_permits.permits()
        TwitchGrant.objects.update(login="renamed", refreshed_at=NOW)
        assert eventsub_permits.permits() == before

    def test_another_consent_is_another_permit(self):
        grant()
        before = eventsub_permits.permits()
        TwitchGrant.objects.update(granted_at=NOW + timedelta(hours=1))
        assert eventsub_permits.permits() != before

    def test_they_cost_one_query(self, django_assert_num_queries):
        for id_ in "123":
            grant(id_)
        with django_assert_num_queries(1):
            assert len(eventsub_permits.permits()) == 3


@pytest.mark.django_db
@pytest.mark.usefixtures("kept_connection")
class TestOutcomes:
    def test_what_became_of_a_subscription_is_kept(self):
        given = grant()
        eventsub_permits.write([outcome(given, reason="all is well", twitch_id="abc", cost=1)])
        row = EventSubscription.objects.get()
        assert (row.grant, row.type, row.version) == (given, "channel.cheer", "1")
        assert (row.condition, row.state, row.reason) == ({"broadcaster_user_id": "1"}, "enabled", "all is well")
        assert (row.twitch_id, row.cost, row.updated_at) == ("abc", 1, NOW)

    def test_the_last_word_holds(self):
        given = grant()
        for state in (State.ENABLED, State.LOST, State.REFUSED):
            eventsub_permits.write([outcome(given, state=state, reason=str(state))])
        row = EventSubscription.objects.get()
        assert (row.state, row.reason) == ("refused", "refused")

    def test_two_directions_of_a_raid_are_two(self):
        given = grant()
        raids = [Topic("channel.raid", "1", ((name, "1"),)) for name in ("to_broadcaster", "from_broadcaster")]
        eventsub_permits.write([outcome(given, topic) for topic in raids])
        assert EventSubscription.objects.count() == 2

    def test_any_number_costs_one_statement(self, django_assert_num_queries):
        grants = [grant(id_) for id_ in "123"]
        told = [
            outcome(given, Topic(kind.type, "1", ((kind.condition[0], "1"),))) for kind in KINDS for given in grants
        ]
        with django_assert_num_queries(1):
            eventsub_permits.write(told)
        assert EventSubscription.objects.count() == len(told)

    def test_a_grant_that_is_gone_does_not_keep_the_others_from_being_written(self):
        given, gone = grant("1"), grant("2")
        told = [outcome(gone), outcome(given)]
        gone.delete()
        eventsub_permits.write(told)
        assert EventSubscription.objects.get().grant == given

    def test_nothing_is_said_of_a_grant_that_was_taken_back(self):
        eventsub_permits.write([outcome(grant(state=TwitchGrant.State.REVOKED), state=State.LOST)])
        assert not EventSubscription.objects.exists()

    def test_an_answer_that_is_too_long_or_dear_fits(self):
        eventsub_permits.write([outcome(grant(), twitch_id="\x00x" * 100, cost=10**12)])
        assert EventSubscription.objects.get().twitch_id.startswith("x")

    def test_states_are_those_of_the_table(self):
        assert {state.value for state in State} == set(EventSubscription.State.values)

    def test_a_start_says_that_nothing_arrives_yet(self):
        given = grant()
        old = Topic("channel.horoscope", "1", ())
        eventsub_permits.write([outcome(given), outcome(given, old)])
        eventsub_permits.begin()
        row = EventSubscription.objects.get()
        assert (row.type, row.state, row.reason) == ("channel.cheer", "lost", "the reader was not running")

    def test_a_database_that_does_not_write_is_said_to_be_unavailable(self, monkeypatch):
        def fail(*_):
            raise DatabaseError("gone")

        monkeypatch.setattr(connection, "cursor", fail)
        with pytest.raises(Unavailable):
            eventsub_permits.write([outcome(grant_of_nobody())])


def grant_of_nobody():
    return TwitchGrant(pk=1)


def test_what_could_not_be_written_is_written_later_and_newer_words_win():
    written: list[list[Outcome]] = []

    async def write(outcomes):
        if not written:
            notes.tell(outcome(grant_of_nobody(), state=State.LOST))
            written.append([])
            raise Unavailable("away")
        written.append(outcomes)

    notes = Notes(write, QUICK)
    other = CHEER._replace(type="channel.ban")

    async def scenario():
        notes.tell(outcome(grant_of_nobody()))
        notes.tell(outcome(grant_of_nobody(), other))
        await notes.flush()
        await notes.flush()
        await notes.flush()

    run(scenario)
    ((first, second),) = written[1:]
    assert (first.state, second.state) == (State.LOST, State.ENABLED)


class TestTurn:
    @pytest.fixture
    def turn(self, redis_client, settings):
        return lambda holder, **options: Turn(connect_reader(settings.REDIS_URL), "test", holder, **options)

    def test_one_at_a_time(self, turn):
        async def scenario():
            first, second = turn("a"), turn("b")
            assert [await first.take(), await second.take(), await first.take()] == [True, False, True]
            await first.release()
            assert [await second.take(), await first.take()] == [True, False]

        run(scenario)

    def test_whoever_starts_again_has_it_at_once(self, turn):
        async def scenario():
            assert [await turn("a").take(), await turn("a").take()] == [True, True]

        run(scenario)

    def test_it_runs_out(self, turn):
        async def scenario():
            assert await turn("a", keeps_ms=1).take()
            await until_so(turn("b").take)

        run(scenario)

    def test_only_its_holder_can_give_it_back(self, turn):
        async def scenario():
            first, second = turn("a"), turn("b")
            await first.take()
            await second.take()
            await second.release()
            assert not await second.take()

        run(scenario)

    def test_it_stays_while_redis_is_away_and_is_not_had_anew(self, own_redis):
        async def scenario():
            first, second = (Turn(connect_reader(own_redis.url), "test", holder) for holder in "ab")
            await first.take()
            own_redis.kill()
            assert [await first.take(), await second.take()] == [True, False]

        run(scenario)


# From Twitch to the queue.


@pytest.fixture
def listening(settings, tmp_path, monkeypatch):
    """Run the reader of events against a simulated Twitch."""
    settings.LAYOUT = Layout(tmp_path)
    monkeypatch.setattr(pipeline, "POLL_SECONDS", 0.02)

    @asynccontextmanager
    async def make(redis_url, readers=1):
        settings.REDIS_URL = redis_url
        async with SimulatedTwitch(facts=StatedFacts([Account("1", "login1", "Login1")])) as twitch:
            for name, value in twitch.addresses.items():
                setattr(settings, name, value)
            stops = [asyncio.Event() for _ in range(readers)]
            reading = [asyncio.create_task(pipeline.read_events(stop, pace=QUICK)) for stop in stops]
            try:
                yield twitch.eventsub, stops
            finally:
                for stop in stops:
                    stop.set()
                await asyncio.gather(*reading)
                await sync_to_async(connections.close_all)()  # of the thread in which tokens are renewed

    return make


async def asked(read):
    """Ask the database from a thread that leaves no connection behind."""

    def ask():
        try:
            return read()
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


def entries(client):
    return [(fields[b"source"], line) for _, fields in client.xrange(STREAM) for line in fields[b"lines"].split(b"\n")]


def numbers(client):
    return [json.loads(line)["payload"]["event"]["number"] for _, line in entries(client)]


def told(*, state):
    return EventSubscription.objects.filter(state=state).count()


def all_arrive():
    return told(state="enabled") == len(KINDS)


async def cheer(eventsub, number):
    assert await eventsub.notify("channel.cheer", {"broadcaster_user_id": "1"}, {"number": number}) == 1


@pytest.mark.django_db(transaction=True)
def test_events_reach_the_queue_as_such_and_what_arrives_is_written_down(listening, redis_client, settings):
    grant()

    async def scenario():
        async with listening(settings.REDIS_URL) as (eventsub, _):
            await eventsub.subscribed(*(kind.type for kind in KINDS))
            await until_so(lambda: asked(all_arrive))
            await cheer(eventsub, 1)
            await until(lambda: numbers(redis_client) == [1])

    run(scenario)
    ((source, line),) = entries(redis_client)
    assert source == b"eventsub"
    assert json.loads(line)["metadata"]["subscription_type"] == "channel.cheer"
    assert told(state="lost") == len(KINDS)


@pytest.mark.django_db(transaction=True)
def test_nothing_that_was_delivered_is_lost_while_redis_is_away(listening, own_redis):
    grant()

    async def scenario():
        async with listening(own_redis.url) as (eventsub, _):
            await eventsub.subscribed(*(kind.type for kind in KINDS))
            await cheer(eventsub, 0)
            await asyncio.to_thread(own_redis.kill)
            for number in range(1, 200):
                await cheer(eventsub, number)
            own_redis.start()  # from this thread: a server ends with the thread that started it
            await cheer(eventsub, 200)
            with closing(connect_writer(own_redis.url)) as client:
                await until(lambda: 200 in numbers(client))
            assert eventsub.connections == 1

    run(scenario)
    client = connect_writer(own_redis.url)  # one from before the kill would find its connection closed
    assert list(dict.fromkeys(numbers(client))) == list(range(201))
    assert {source for source, _ in entries(client)} == {b"eventsub"}
    client.close()


@pytest.mark.django_db(transaction=True)
def test_what_went_to_the_spool_comes_back_as_events(listening, own_redis):
    grant()
    client = connect_writer(own_redis.url)

    async def first_life():
        async with listening(own_redis.url) as (eventsub, _):
            await eventsub.subscribed(*(kind.type for kind in KINDS))
            await asyncio.to_thread(own_redis.kill)
            await cheer(eventsub, 1)
            await asyncio.sleep(0.05)  # through the socket: nothing on this side tells when it was read

    async def second_life():
        async with listening(own_redis.url):
            await until(lambda: entries(client))

    run(first_life)
    own_redis.start()
    run(second_life)
    assert [source for source, _ in entries(client)] == [b"eventsub"]
    client.close()


@pytest.mark.django_db(transaction=True)
def test_grants_that_appear_and_die_are_noticed(listening, redis_client, settings):
    def connect():
        grant()

    def die():
        TwitchGrant.objects.update(state=TwitchGrant.State.DEAD)

    async def scenario():
        async with listening(settings.REDIS_URL) as (eventsub, _):
            await asked(connect)
            await until_so(lambda: asked(all_arrive))
            await asked(die)
            await eventsub.wait(lambda: not eventsub.sessions)

    run(scenario)
    rows = EventSubscription.objects.filter(state=EventSubscription.State.LOST)
    assert "connect the channel again" in rows[0].reason


@pytest.mark.django_db(transaction=True)
def test_a_revoked_grant_is_marked_dead_and_left_alone(listening, redis_client, settings):
    given = grant()

    def is_dead():
        return TwitchGrant.objects.filter(pk=given.pk, state=TwitchGrant.State.DEAD).exists()

    async def scenario():
        async with listening(settings.REDIS_URL) as (eventsub, _):
            await eventsub.subscribed("channel.cheer")
            await eventsub.oauth.fault("oauth", {"fault": "revoke", "user": "1"})
            await eventsub.fault("eventsub", {"fault": "revoke"})
            await until_so(lambda: asked(is_dead))
            await eventsub.wait(lambda: not eventsub.sessions)

    run(scenario)


@pytest.mark.django_db(transaction=True)
def test_of_two_readers_one_listens_and_the_other_follows_it(listening, redis_client, settings):
    grant()

    async def scenario():
        async with listening(settings.REDIS_URL, readers=2) as (eventsub, stops):
            await eventsub.subscribed("channel.cheer")
            await cheer(eventsub, 1)
            holder = await asyncio.to_thread(redis_client.get, "streamstats:ingest:turn:eventsub")
            stops[int(holder[-1:])].set()
            await eventsub.wait(lambda: eventsub.connections == 2)
            await eventsub.subscribed("channel.cheer")
            await cheer(eventsub, 2)
            await until(lambda: numbers(redis_client) == [1, 2])
            assert eventsub.connections == 2

    run(scenario)


def test_without_an_application_it_waits_politely(settings, tmp_path):
    settings.TWITCH_CLIENT_ID = ""
    settings.LAYOUT = Layout(tmp_path)

    async def scenario():
        stop = asyncio.Event()
        reading = asyncio.create_task(pipeline.read_events(stop))
        await asyncio.sleep(0)
        assert not reading.done()
        stop.set()
        await reading

    run(scenario)
    assert not list(tmp_path.rglob("*.lock"))
