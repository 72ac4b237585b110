"""Listening to a Twitch that lets us down in every way it knows."""

import asyncio
import json
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from chat.ingest.eventsub_permits import HelixAccount
from chat.ingest.eventsub_reader import EventReader, Outcome, Outside, Pace, Permit, State
from chat.ingest.eventsub_session import CLOSE_CODES, Timing
from chat.ingest.eventsub_topics import KINDS
from chat.tests.patience import run, until
from streams.grants import GrantDead, Token
from streams.helix import Helix, Patience
from streamstats.simulator.eventsub import MALFORMED, EventSubServer
from streamstats.simulator.facts import Account, StatedFacts
from streamstats.simulator.oauth import issue
from streamstats.simulator.server import SimulatedTwitch

QUICK = Pace(
    session=Timing(slack=0.1),
    reconnect_base=0.01,
    reconnect_cap=0.02,
    steady=0.0,
    linger=0.3,
    again=0.05,
    tick=0.01,
    flush=0.01,
)
EVERYTHING = frozenset(scope for kind in KINDS for group in kind.scopes for scope in group)
PEOPLE = [Account(id_, f"login{id_}", f"Login{id_}") for id_ in ("1", "2", "3", "4", "5", "6")]
CHEER = "channel.cheer"


def permit(id_="1", scopes=EVERYTHING):
    return Permit(int(id_), id_, f"login{id_}", frozenset(scopes), datetime(2026, 1, 1, tzinfo=UTC))


class Listening:
    """A reader of a simulated Twitch, what it was told, and what it said of its subscriptions."""

    def __init__(self, twitch, pace):
        self.twitch = twitch
        self.eventsub: EventSubServer = twitch.eventsub
        self.frames: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.told: dict[tuple[int, str, str], Outcome] = {}
        self.history: list[Outcome] = []
        self.renewals = 0
        self.is_dead = False
        self.tokens: dict[str, str] = {}
        self.reader = EventReader(
            Outside(
                twitch.addresses["TWITCH_EVENTSUB_WS_URL"],
                self.deliver,
                self.account,
                self.tell,
                EVERYTHING,
                pace,
                chance=random.Random(7),
            )
        )

    def deliver(self, frame, _at_ms):
        self.raw.append(frame)
        self.frames += [json.loads(frame)] if frame.startswith(b'{"metadata":{"message_id":"') else []

    def tell(self, outcome):
        self.history.append(outcome)
        self.told[outcome.grant_id, outcome.topic.type, outcome.topic.condition[0][0]] = outcome

    @asynccontextmanager
    async def account(self, permit):
        token = self.tokens.setdefault(permit.twitch_id, issue(permit.twitch_id, permit.scopes).access_token)
        patience = Patience(tries=1)
        async with Helix(Token(token, permit.grant_id), patience=patience, renewed=self.renew) as api:
            yield HelixAccount(api)

    def renew(self, token):
        self.renewals += 1
        if self.is_dead:
            raise GrantDead("Twitch no longer accepts this connection.")
        id_ = str(token.grant_id)
        self.tokens[id_] = issue(id_, EVERYTHING).access_token
        return Token(self.tokens[id_], token.grant_id)

    def of(self, type_=CHEER, grant_id=1, name="broadcaster_user_id"):
        return self.told.get((grant_id, type_, name))

    def states(self, grant_id=1):
        return [outcome.state for key, outcome in self.told.items() if key[0] == grant_id]

    def all_arrive(self, grant_id=1):
        return self.states(grant_id) == [State.ENABLED] * len(KINDS)

    def heard(self):
        return [frame["payload"]["event"]["number"] for frame in self.frames]

    def is_back(self, connections, grant_id=1):
        return self.eventsub.connections == connections and self.all_arrive(grant_id)

    def has_heard(self, number):
        return number in self.heard()

    async def cheer(self, number, id_="1", **options):
        return await self.eventsub.notify(CHEER, {"broadcaster_user_id": id_}, {"number": number}, **options)

    async def fails(self, fault, **options):
        await self.twitch.fault("eventsub", fault=fault, **options)


@pytest.fixture
def listening(redis_client, settings):
    """Make a reader that has all its subscriptions."""

    @asynccontextmanager
    async def make(*permits, pace=QUICK, before=None, is_settled=True, **times):
        twitch = SimulatedTwitch(facts=StatedFacts(PEOPLE))
        for name, value in times.items():
            setattr(twitch.eventsub, name, value)
        async with twitch:
            for name, value in twitch.addresses.items():
                setattr(settings, name, value)
            listening = Listening(twitch, pace)
            if before:
                await before(listening)
            async with listening.reader as reader:
                followed = permits or (permit(),)
                await reader.follow(frozenset(followed), "no longer allowed")
                if is_settled:
                    await until(lambda: all(listening.all_arrive(found.grant_id) for found in followed))
                yield listening

    return make


def test_what_is_told_is_delivered_as_it_came(listening):
    async def scenario():
        async with listening() as reader:
            at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
            await reader.cheer(1, at=at, message_id="an-id")
            await until(lambda: reader.raw)
            assert reader.frames[0]["metadata"]["message_id"] == "an-id"
            assert reader.frames[0]["metadata"]["message_timestamp"] == "2026-01-02T03:04:05.000000000Z"
            assert reader.frames[0]["payload"]["event"] == {"number": 1}

    run(scenario)


def test_every_topic_is_asked_for_once(listening):
    async def scenario():
        async with listening() as reader:
            asked = [(body["type"], body["version"], tuple(body["condition"])) for body in reader.eventsub.asked]
            assert sorted(asked) == sorted((kind.type, kind.version, kind.condition) for kind in KINDS)
            assert {found.cost for found in reader.eventsub.subscriptions.values()} == {0}
            twitch_ids = {found.id for found in reader.eventsub.subscriptions.values()}
            assert {outcome.twitch_id for outcome in reader.told.values()} == twitch_ids

    run(scenario)


@pytest.mark.parametrize("code", range(4000, 4008))
def test_it_comes_back_with_everything_after_every_close_code(listening, code):
    async def scenario():
        async with listening() as reader:
            await reader.fails("close", code=code)
            await until(partial(reader.is_back, 2))
            await reader.cheer(1)
            await until(lambda: reader.heard() == [1])
            lost = [outcome for outcome in reader.history if outcome.state is State.LOST]
            assert len(lost) == len(KINDS)
            assert {outcome.reason for outcome in lost} == {f"{CLOSE_CODES[code]} (code {code})"}

    run(scenario)


def test_it_comes_back_after_a_broken_connection_and_says_what_is_missing(listening):
    async def scenario():
        async with listening() as reader:
            await reader.fails("abort")
            await until(partial(reader.is_back, 2))
            for outcome in reader.told.values():
                assert outcome.reason.startswith("Nothing arrived from 20")
                assert outcome.reason.endswith(" UTC: the connection to Twitch broke off without a word (code 1006)")

    run(scenario)


def test_it_comes_back_from_silence(listening):
    async def scenario():
        async with listening(keepalive_s=0.2) as reader:
            await reader.fails("silence")
            await until(lambda: reader.eventsub.connections >= 2 and reader.all_arrive())
            reasons = {outcome.reason for outcome in reader.history if outcome.state is State.LOST}
            assert reasons == {"Twitch was silent for longer than the 0.2 s it had announced"}

    run(scenario)


def test_quiet_is_not_silence(listening):
    async def scenario():
        async with listening(keepalive_s=0.2) as reader:
            link = next(iter(reader.reader.connections.values()))[0]._current
            first = link.session.heard_at
            await until(lambda: link.session.heard_at > first + 0.5)
            assert reader.eventsub.connections == 1

    run(scenario)


def test_nothing_is_lost_or_told_twice_over_a_reconnect_in_the_middle_of_a_burst(listening):
    async def scenario():
        async with listening() as reader:
            asked = len(reader.eventsub.asked)
            for number in range(300):
                if number in (50, 200):
                    await reader.fails("reconnect")
                if number == 150:  # the first change is over, the second comes while the old connection lingers
                    await until(lambda: reader.eventsub.connections == 2)
                await reader.cheer(number)
            await until(lambda: len(reader.frames) == 300)
            await reader.eventsub.wait(lambda: len(reader.eventsub.sessions) == 1)
            assert sorted(reader.heard()) == list(range(300))
            assert reader.eventsub.connections == 3
            assert len(reader.eventsub.asked) == asked
            assert {outcome.state for outcome in reader.history} == {State.ENABLED}

    run(scenario)


def test_what_was_under_way_on_the_old_connection_is_not_lost(listening):
    async def scenario():
        async with listening(pace=QUICK._replace(linger=30.0)) as reader:
            (old,) = reader.eventsub.sessions
            await reader.fails("reconnect")
            await until(lambda: reader.reader.connections[permit()][0].session_id != old.id)
            await old.say("notification", {"subscription": {}, "event": {"number": 1}})
            await until(lambda: reader.heard() == [1])

    run(scenario)


def test_a_new_connection_that_fails_is_tried_again_while_the_old_one_is_there(listening, monkeypatch):
    take_over = EventSubServer._take_over
    failures = []

    def fail_twice(self, session, key):
        failures.append(key)
        return len(failures) > 2 and take_over(self, session, key)

    monkeypatch.setattr(EventSubServer, "_take_over", fail_twice)

    async def scenario():
        async with listening() as reader:
            await reader.fails("reconnect")
            await until(lambda: failures)
            await reader.cheer(1)
            await until(lambda: len(failures) == 3 and len(reader.eventsub.sessions) == 1)
            await reader.cheer(2)
            await until(lambda: reader.heard() == [1, 2])
            assert {outcome.state for outcome in reader.history} == {State.ENABLED}

    run(scenario)


def test_an_old_connection_that_ends_before_the_new_one_is_there_costs_a_fresh_start(listening, monkeypatch):
    monkeypatch.setattr(EventSubServer, "_take_over", lambda *_: False)

    async def scenario():
        async with listening() as reader:
            await reader.fails("reconnect", seconds=0.05)
            await until(lambda: any(outcome.state is State.LOST for outcome in reader.history))
            await until(reader.all_arrive)
            await reader.cheer(1)
            await until(lambda: reader.heard() == [1])

    run(scenario)


def test_a_question_that_was_under_way_over_a_reconnect_is_asked_again(listening):
    asked, answer = asyncio.Event(), asyncio.Event()
    ask = HelixAccount.subscribe

    async def subscribe(self, topic, session_id):
        if topic.type == CHEER and not asked.is_set():
            asked.set()
            await answer.wait()
        return await ask(self, topic, session_id)

    async def scenario():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(HelixAccount, "subscribe", subscribe)
            async with listening(is_settled=False) as reader:
                await until(lambda: asked.is_set() and reader.states().count(State.ENABLED) == len(KINDS) - 1)
                await reader.fails("reconnect")
                await until(lambda: reader.eventsub.connections == 2 and len(reader.eventsub.sessions) == 1)
                answer.set()
                await until(reader.all_arrive)
                assert State.REFUSED not in {outcome.state for outcome in reader.history}

    run(scenario)


def test_nothing_is_asked_for_between_two_connections(listening, monkeypatch):
    take_over = EventSubServer._take_over
    is_let_in = asyncio.Event()
    tries = []

    def hesitate(self, session, key):
        tries.append(key)
        return is_let_in.is_set() and take_over(self, session, key)

    monkeypatch.setattr(EventSubServer, "_take_over", hesitate)

    async def scenario():
        async with listening() as reader:
            asked = len(reader.eventsub.asked)
            await reader.fails("reconnect")
            await reader.fails("revoke", type=CHEER)
            await until(lambda: len(tries) == 20)
            assert len(reader.eventsub.asked) == asked
            is_let_in.set()
            await until(reader.all_arrive)
            assert len(reader.eventsub.asked) == asked + 1

    run(scenario)


def test_the_same_message_twice_is_delivered_once(listening):
    async def scenario():
        async with listening() as reader:
            await reader.fails("duplicate", messages=5)
            for number in range(10):
                await reader.cheer(number)
            await until(lambda: len(reader.frames) == 10)
            assert reader.heard() == list(range(10))

    run(scenario)


def test_a_message_that_comes_again_after_a_lost_connection_is_delivered_once(listening):
    async def scenario():
        async with listening() as reader:
            await reader.cheer(1, message_id="same")
            await until(reader.heard)
            await reader.fails("abort")
            await until(partial(reader.is_back, 2))
            await reader.cheer(1, message_id="same")
            await reader.cheer(2)
            await until(lambda: 2 in reader.heard())
            assert reader.heard() == [1, 2]

    run(scenario)


def test_what_cannot_be_read_is_delivered_and_ends_nothing(listening):
    async def scenario():
        async with listening() as reader:
            await reader.fails("malformed")
            await reader.cheer(1)
            await until(reader.heard)
            assert reader.raw[:-1] == [text.encode() for text in MALFORMED if text]
            assert reader.eventsub.connections == 1

    run(scenario)


def test_three_refused_leave_the_others_running(listening):
    refused = {"channel.cheer": 403, "channel.poll.end": 400, "stream.online": 403}

    async def refuse(reader):
        for type_, status in refused.items():
            await reader.fails("refuse", type=type_, status=status)

    async def scenario():
        async with listening(before=refuse, is_settled=False) as reader:
            await until(lambda: len(reader.states()) == len(KINDS))
            assert reader.states().count(State.ENABLED) == len(KINDS) - 3
            assert {key[1] for key, outcome in reader.told.items() if outcome.state is State.REFUSED} == refused.keys()
            assert reader.of().reason == (
                "Twitch does not allow this: subscription missing proper authorization."
                " Connect the channel again, and allow everything it asks for."
            )
            assert reader.of("channel.poll.end").reason == (
                "Twitch refused this: invalid condition value. StreamStats may have to be updated."
            )
            for number in range(20):
                await reader.eventsub.notify("channel.follow", {"broadcaster_user_id": "1"}, {"number": number})
                await until(partial(reader.has_heard, number))
            assert len(reader.eventsub.asked) == len(KINDS)  # and those refused are not asked for again and again

    run(scenario)


def test_what_was_refused_is_tried_again_from_time_to_time(listening):
    async def scenario():
        before = partial(Listening.fails, fault="refuse", type=CHEER, status=403)
        async with listening(pace=QUICK._replace(refused=0.05), before=before, is_settled=False) as reader:
            await until(lambda: reader.of() and reader.of().state is State.REFUSED)
            await reader.fails("mend")
            await until(reader.all_arrive)

    run(scenario)


@pytest.mark.parametrize("status", [429, 500])
def test_what_twitch_could_not_answer_is_asked_for_again(listening, status):
    async def scenario():
        before = partial(Listening.fails, fault="refuse", type=CHEER, status=status)
        async with listening(before=before, is_settled=False) as reader:
            await until(lambda: reader.of() and reader.of().state is State.LOST)
            assert "asked for again in" in reader.of().reason
            await reader.fails("mend")
            await until(reader.all_arrive)

    run(scenario)


def test_what_is_there_already_is_as_good_as_made(listening):
    async def scenario():
        before = partial(Listening.fails, fault="refuse", type=CHEER, status=409)
        async with listening(before=before):
            pass

    run(scenario)


def test_what_the_permission_does_not_hold_is_refused_without_asking(listening):
    async def scenario():
        some = permit(scopes=["bits:read"])
        async with listening(some, is_settled=False) as reader:
            await until(lambda: len(reader.states()) == len(KINDS))
            assert reader.of().state is State.ENABLED
            assert reader.of("channel.poll.end").state is State.REFUSED
            assert "connect the channel again" in reader.of("channel.poll.end").reason
            assert not any(body["type"] == "channel.poll.end" for body in reader.eventsub.asked)

    run(scenario)


def test_a_revoked_subscription_leaves_the_others_running_and_says_why(listening):
    async def scenario():
        async with listening() as reader:
            await reader.fails("revoke", type=CHEER, status="version_removed")
            await until(lambda: reader.of().state is State.REVOKED)
            assert reader.of().reason.startswith("Twitch no longer has this kind of event in this version")
            await reader.eventsub.notify("channel.follow", {"broadcaster_user_id": "1"}, {"number": 1})
            await until(lambda: reader.heard() == [1])
            assert reader.states().count(State.ENABLED) == len(KINDS) - 1

    run(scenario)


def test_a_subscription_whose_permission_still_holds_is_made_again(listening):
    async def scenario():
        async with listening() as reader:
            await reader.fails("revoke", type=CHEER)
            await until(lambda: reader.of().state is State.REVOKED)
            await until(reader.all_arrive)
            assert reader.eventsub.connections == 1

    run(scenario)


def test_a_dead_permission_stops_its_connection(listening):
    async def scenario():
        async with listening(permit("1"), permit("2"), pace=QUICK._replace(again=1000.0)) as reader:
            reader.is_dead = True
            await reader.twitch.fault("oauth", fault="revoke", user="1")
            await reader.fails("abort", user="1")
            await until(lambda: reader.renewals)
            for connections in range(4, 8):  # meanwhile another one can be lost and come back several times
                await reader.fails("abort", user="2")
                await until(partial(reader.is_back, connections, 2))
            assert set(reader.states(1)) == {State.LOST}
            assert reader.renewals == 1

    run(scenario)


def test_a_token_that_has_run_out_is_renewed_once(listening):
    async def scenario():
        async with listening() as reader:
            await reader.twitch.fault("oauth", fault="expire")
            await reader.fails("abort")
            await until(partial(reader.is_back, 2))
            assert reader.renewals == 1

    run(scenario)


def test_accounts_do_not_disturb_each_other(listening):
    async def scenario():
        async with listening(permit("1"), permit("2")) as reader:
            await reader.fails("close", code=4000, user="1")
            await until(lambda: reader.eventsub.connections == 3 and reader.all_arrive())
            for id_ in ("1", "2"):
                await reader.cheer(int(id_), id_)
            await until(lambda: sorted(reader.heard()) == [1, 2])
            assert {outcome.grant_id for outcome in reader.history if outcome.state is State.LOST} == {1}

    run(scenario)


def test_permits_come_and_go_while_it_runs(listening):
    async def scenario():
        async with listening(permit("1")) as reader:
            await reader.reader.follow(frozenset({permit("1"), permit("2")}), "")
            await until(lambda: reader.all_arrive(2))
            assert reader.eventsub.connections == 2
            await reader.reader.follow(frozenset({permit("2")}), "no longer allowed")
            await reader.eventsub.wait(lambda: len(reader.eventsub.sessions) == 1)
            assert {outcome.reason for key, outcome in reader.told.items() if key[0] == 1} == {"no longer allowed"}
            assert reader.all_arrive(2)

    run(scenario)


def test_another_consent_is_used_at_once(listening):
    async def scenario():
        some = permit(scopes=["bits:read"])
        async with listening(some, is_settled=False) as reader:
            await until(lambda: len(reader.states()) == len(KINDS))
            reader.tokens.clear()
            await reader.reader.follow(frozenset({permit()}), "")
            await until(reader.all_arrive)

    run(scenario)


def test_at_the_end_nothing_is_said_to_arrive(listening):
    async def scenario():
        async with listening() as reader:
            pass
        assert {(outcome.state, outcome.reason) for outcome in reader.told.values()} == {
            (State.LOST, "the reader was stopped")
        }

    run(scenario)


def test_a_twitch_that_greets_and_closes_is_not_asked_in_a_tight_loop(listening):
    ceilings = []

    class Noting(random.Random):
        def uniform(self, a, b):
            ceilings.append(b)
            return 0

    async def scenario():
        async with listening(pace=Pace(), is_settled=False) as reader:
            reader.reader.outside.__dict__["chance"] = Noting()
            for connections in range(1, 5):
                await until(partial(reader.is_back, connections))
                await reader.fails("close", code=4000)
            await until(lambda: len(ceilings) >= 4)

    run(scenario)
    assert ceilings[:4] == [1, 2, 4, 8]


def test_only_some_connections_are_set_up_at_the_same_time(listening):
    permits = [permit(account.id) for account in PEOPLE]
    most = [0]

    async def scenario():
        async with listening(*permits, pace=QUICK._replace(connections_at_once=2), is_settled=False) as reader:
            account = reader.reader.outside.account
            asking = set()

            @asynccontextmanager
            async def counted(permit):
                asking.add(permit)
                most[0] = max(most[0], len(asking))
                async with account(permit) as found:
                    yield found
                asking.discard(permit)

            reader.reader.outside.__dict__["account"] = counted
            await until(lambda: all(reader.all_arrive(found.grant_id) for found in permits))

    run(scenario)
    assert most == [2]
