"""The EventSub that clients are let down by."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMessage, WSMsgType

from streamstats.simulator.addresses import CLIENT_ID
from streamstats.simulator.eventsub import MALFORMED, EventSubServer
from streamstats.simulator.eventsubtypes import TYPES
from streamstats.simulator.facts import Account, StatedFacts
from streamstats.simulator.oauth import issue
from streamstats.simulator.server import SimulatedTwitch

PATIENCE_S = 5.0
EVERYTHING = sorted({scope for kind in TYPES.values() for group in kind.scopes for scope in group})
ME, OTHER = "1001", "1002"
CHEER = "channel.cheer"
OWN = {"broadcaster_user_id": ME}
FACTS = {"people": [Account(ME, "ann", "Ann"), Account(OTHER, "bob", "Bob")], "mods": {OTHER: [ME]}}


class Client:
    """A connection to the simulated EventSub that does as it is told."""

    def __init__(self, twitch: SimulatedTwitch, http: ClientSession, token: str) -> None:
        self.twitch = twitch
        self.http = http
        self.headers = {"Authorization": f"Bearer {token}", "Client-Id": CLIENT_ID}
        self.session_id = ""

    @asynccontextmanager
    async def connected(self, url: str = "") -> AsyncIterator["ClientWebSocketResponse[Literal[True]]"]:
        async with self.http.ws_connect(url or self.twitch.addresses["TWITCH_EVENTSUB_WS_URL"]) as socket:
            yield socket

    async def ask(self, method: str, *, query: str = "", **body: Any) -> tuple[int, Any]:
        url = self.twitch.addresses["TWITCH_EVENTSUB_SUBSCRIPTION_URL"] + query
        async with self.http.request(method, url, headers=self.headers, json=body or None) as answer:
            return answer.status, await answer.json() if answer.content_type == "application/json" else None

    async def subscribe(
        self, type_: str = CHEER, condition: Any = OWN, *, version: str = "", session_id: str = ""
    ) -> tuple[int, Any]:
        transport = {"method": "websocket", "session_id": session_id or self.session_id}
        kind = TYPES.get(type_)
        wanted = version or (kind.version if kind else "1")
        return await self.ask("POST", type=type_, version=wanted, condition=condition, transport=transport)


async def frame(socket: "ClientWebSocketResponse[Literal[True]]") -> WSMessage:
    return await asyncio.wait_for(socket.receive(), PATIENCE_S)


async def told(socket: "ClientWebSocketResponse[Literal[True]]") -> tuple[str, Any]:
    message = await frame(socket)
    assert message.type is WSMsgType.TEXT, message
    envelope = json.loads(message.data)
    return envelope["metadata"]["message_type"], envelope


async def closed(socket: "ClientWebSocketResponse[Literal[True]]") -> int | None:
    while (await frame(socket)).type not in (WSMsgType.CLOSE, WSMsgType.CLOSED):
        pass
    return socket.close_code


Socket = ClientWebSocketResponse[Literal[True]]
Scene = Callable[[EventSubServer, Client, Socket], Awaitable[None]]


def play(scene: Scene, *, user: str | None = ME, **times: float) -> None:
    """Run a scene with one connection that has had its welcome."""

    async def run() -> None:
        twitch = SimulatedTwitch(facts=StatedFacts(**FACTS))  # type: ignore[arg-type]
        for name, seconds in times.items():
            setattr(twitch.eventsub, name, seconds)
        async with twitch, ClientSession() as http:
            client = Client(twitch, http, issue(user or "", EVERYTHING).access_token if user else "")
            async with client.connected() as socket:
                kind, envelope = await told(socket)
                assert kind == "session_welcome"
                client.session_id = envelope["payload"]["session"]["id"]
                await scene(twitch.eventsub, client, socket)

    asyncio.run(asyncio.wait_for(run(), 20))


def test_a_welcome_says_how_long_silence_may_last() -> None:
    async def scene(_: EventSubServer, client: Client, __: Socket) -> None:
        address = client.twitch.addresses["TWITCH_EVENTSUB_WS_URL"]
        for query, seconds in (("", 10), ("?keepalive_timeout_seconds=30", 30), ("?keepalive_timeout_seconds=1", 10)):
            async with client.connected(address + query) as socket:
                _kind, envelope = await told(socket)
                assert envelope["payload"]["session"]["keepalive_timeout_seconds"] == seconds

    play(scene)


def test_an_event_reaches_who_subscribed_to_it() -> None:
    async def scene(eventsub: EventSubServer, client: Client, socket: Socket) -> None:
        status, answer = await client.subscribe()
        assert (status, answer["total"], answer["total_cost"], answer["max_total_cost"]) == (202, 1, 0, 10)
        at = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
        assert await eventsub.notify(CHEER, OWN, {"bits": 5}, at=at, message_id="m1") == 1
        assert await eventsub.notify(CHEER, {"broadcaster_user_id": OTHER}, {"bits": 6}) == 0
        assert await eventsub.notify("channel.follow", OWN, {}) == 0
        kind, envelope = await told(socket)
        assert (kind, envelope["payload"]["event"]) == ("notification", {"bits": 5})
        assert envelope["payload"]["subscription"]["id"] == answer["data"][0]["id"]
        assert envelope["metadata"] == {
            "message_id": "m1",
            "message_type": "notification",
            "message_timestamp": "2026-01-02T03:04:05.678901000Z",
            "subscription_type": CHEER,
            "subscription_version": "1",
        }

    play(scene)


def test_it_says_that_all_is_well() -> None:
    async def scene(_: EventSubServer, __: Client, socket: Socket) -> None:
        assert (await told(socket))[0] == "session_keepalive"

    play(scene, keepalive_s=0.02)


def test_a_connection_that_subscribes_to_nothing_is_closed() -> None:
    async def scene(_: EventSubServer, __: Client, socket: Socket) -> None:
        assert await closed(socket) == 4003

    play(scene, unused_s=0.02)


def test_a_client_that_speaks_is_shown_the_door() -> None:
    async def scene(_: EventSubServer, __: Client, socket: Socket) -> None:
        await socket.send_str("hello")
        assert await closed(socket) == 4001

    play(scene)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        pytest.param({"type_": "channel.cheers"}, 400, id="no such type"),
        pytest.param({"type_": CHEER, "version": "2"}, 400, id="no such version"),
        pytest.param({"condition": {}}, 400, id="a condition that names nobody"),
        pytest.param({"condition": [ME]}, 400, id="a condition that is none"),
        pytest.param({"session_id": "gone"}, 400, id="no such session"),
        pytest.param({"type_": "channel.raid", "condition": OWN}, 400, id="a raid without a direction"),
        pytest.param({"condition": {"broadcaster_user_id": OTHER}}, 403, id="somebody else's channel"),
        pytest.param({"type_": "channel.raid", "condition": {"from_broadcaster_user_id": OTHER}}, 202, id="a raid"),
        pytest.param(
            {"type_": "channel.follow", "condition": {"broadcaster_user_id": OTHER, "moderator_user_id": ME}},
            202,
            id="a channel that one moderates",
        ),
        pytest.param(
            {"type_": "channel.follow", "condition": {"broadcaster_user_id": ME, "moderator_user_id": OTHER}},
            403,
            id="as another moderator",
        ),
    ],
)
def test_it_answers_as_twitch_would(asked: dict[str, Any], status: int) -> None:
    async def scene(_: EventSubServer, client: Client, __: Socket) -> None:
        got, answer = await client.subscribe(**asked)
        assert got == status, answer

    play(scene)


def test_a_dead_token_opens_nothing() -> None:
    async def scene(_: EventSubServer, client: Client, __: Socket) -> None:
        assert (await client.subscribe())[0] == 401
        assert (await client.ask("GET"))[0] == 401

    play(scene, user=None)


def test_a_scope_that_is_missing_is_refused() -> None:
    async def scene(_: EventSubServer, client: Client, __: Socket) -> None:
        client.headers["Authorization"] = f"Bearer {issue(ME, ['channel:read:polls']).access_token}"
        assert (await client.subscribe())[0] == 403
        assert (await client.subscribe("channel.poll.end"))[0] == 202
        assert (await client.subscribe("channel.moderate", {**OWN, "moderator_user_id": ME}))[0] == 403

    play(scene)


def test_the_same_again_is_a_conflict() -> None:
    async def scene(_: EventSubServer, client: Client, __: Socket) -> None:
        assert [(await client.subscribe())[0] for _ in range(2)] == [202, 409]

    play(scene)


def test_strangers_cost_a_point_each_up_to_ten() -> None:
    async def scene(_: EventSubServer, client: Client, __: Socket) -> None:
        answers = [await client.subscribe("stream.online", {"broadcaster_user_id": str(n)}) for n in range(1, 12)]
        assert [status for status, _ in answers] == [202] * 10 + [429]
        assert answers[9][1]["total_cost"] == 10
        assert (await client.subscribe("stream.online"))[1]["data"][0]["cost"] == 0

    play(scene)


def test_a_fourth_connection_is_one_too_many() -> None:
    async def scene(_: EventSubServer, client: Client, __: Socket) -> None:
        got = [(await client.subscribe("stream.online"))[0]]
        async with client.connected() as second, client.connected() as third, client.connected() as fourth:
            for number, socket in enumerate((second, third, fourth)):
                session_id = (await told(socket))[1]["payload"]["session"]["id"]
                got.append((await client.subscribe(("stream.offline", CHEER, CHEER)[number], session_id=session_id))[0])
        assert got == [202, 202, 202, 429]

    play(scene)


def test_subscriptions_can_be_listed_and_ended() -> None:
    async def scene(eventsub: EventSubServer, client: Client, _: Socket) -> None:
        id_ = (await client.subscribe())[1]["data"][0]["id"]
        await client.subscribe("stream.online")
        assert len((await client.ask("GET"))[1]["data"]) == 2
        for query in (f"?type={CHEER}", f"?subscription_id={id_}"):
            assert [found["id"] for found in (await client.ask("GET", query=query))[1]["data"]] == [id_]
        assert (await client.ask("GET", query=f"?type={CHEER}&status=enabled"))[0] == 400
        assert [(await client.ask("DELETE", query=f"?id={id_}"))[0] for _ in range(2)] == [204, 404]
        assert await eventsub.notify(CHEER, OWN, {}) == 0

    play(scene)


def test_subscriptions_end_with_their_connection() -> None:
    async def scene(eventsub: EventSubServer, client: Client, socket: Socket) -> None:
        await client.subscribe()
        await socket.close()
        await eventsub.wait(lambda: not eventsub.subscriptions)

    play(scene)


@pytest.mark.parametrize("code", range(4000, 4008))
def test_it_closes_with_the_code_that_was_asked_for(code: int) -> None:
    async def scene(eventsub: EventSubServer, _: Client, socket: Socket) -> None:
        closing = asyncio.create_task(eventsub.fault("eventsub", {"fault": "close", "code": code}))
        assert await closed(socket) == code
        await closing

    play(scene)


def test_subscriptions_come_along_to_the_new_connection_and_both_are_told() -> None:
    async def scene(eventsub: EventSubServer, client: Client, old: Socket) -> None:
        await client.subscribe()
        await eventsub.fault("eventsub", {"fault": "reconnect"})
        kind, envelope = await told(old)
        assert kind == "session_reconnect"
        async with client.connected(envelope["payload"]["session"]["reconnect_url"]) as new:
            assert (await told(new))[0] == "session_welcome"
            await eventsub.notify(CHEER, OWN, {}, message_id="both")
            assert [(await told(socket))[1]["metadata"]["message_id"] for socket in (old, new)] == ["both"] * 2
            await old.close()
            await eventsub.wait(lambda: len(eventsub.sessions) == 1)
            assert await eventsub.notify(CHEER, OWN, {}) == 1

    play(scene)


def test_an_old_connection_is_closed_when_its_time_is_over() -> None:
    async def scene(_: EventSubServer, client: Client, socket: Socket) -> None:
        await client.subscribe()
        await client.twitch.fault("eventsub", fault="reconnect", seconds=0.01)
        assert await closed(socket) == 4004

    play(scene)


def test_an_address_for_a_new_connection_that_it_never_gave_is_refused() -> None:
    async def scene(_: EventSubServer, client: Client, __: Socket) -> None:
        async with client.connected(f"{client.twitch.addresses['TWITCH_EVENTSUB_WS_URL']}?reconnect=x") as socket:
            assert await closed(socket) == 4007

    play(scene)


def test_a_silent_connection_stays_open() -> None:
    async def scene(eventsub: EventSubServer, client: Client, socket: Socket) -> None:
        await client.subscribe()
        await eventsub.fault("eventsub", {"fault": "silence"})
        assert await eventsub.notify(CHEER, OWN, {}) == 0
        await eventsub.fault("eventsub", {"fault": "abort"})
        assert await closed(socket) == 1006

    play(scene)


def test_messages_come_twice_with_the_same_id() -> None:
    async def scene(eventsub: EventSubServer, client: Client, socket: Socket) -> None:
        await client.subscribe()
        await eventsub.fault("eventsub", {"fault": "duplicate", "messages": 1})
        for id_ in ("one", "two"):
            await eventsub.notify(CHEER, OWN, {}, message_id=id_)
        assert [(await told(socket))[1]["metadata"]["message_id"] for _ in range(3)] == ["one", "one", "two"]

    play(scene)


def test_it_sends_every_malformed_frame() -> None:
    async def scene(eventsub: EventSubServer, _: Client, socket: Socket) -> None:
        await eventsub.fault("eventsub", {"fault": "malformed"})
        assert [(await frame(socket)).data for _ in MALFORMED] == list(MALFORMED)

    play(scene)


def test_it_ends_subscriptions() -> None:
    async def scene(eventsub: EventSubServer, client: Client, socket: Socket) -> None:
        await client.subscribe()
        await eventsub.fault("eventsub", {"fault": "revoke", "type": CHEER, "status": "user_removed"})
        kind, envelope = await told(socket)
        assert (kind, envelope["payload"]["subscription"]["status"]) == ("revocation", "user_removed")
        assert await eventsub.notify(CHEER, OWN, {}) == 0

    play(scene)


@pytest.mark.parametrize("status", [400, 403, 409, 429, 500])
def test_it_refuses_what_it_is_told_to_until_it_is_mended(status: int) -> None:
    async def scene(eventsub: EventSubServer, client: Client, _: Socket) -> None:
        await eventsub.fault("eventsub", {"fault": "refuse", "type": CHEER, "status": status})
        assert [(await client.subscribe(type_))[0] for type_ in (CHEER, "stream.online")] == [status, 202]
        await eventsub.fault("eventsub", {"fault": "mend"})
        assert (await client.subscribe())[0] == 202

    play(scene)


def test_a_burst_is_as_many_events_as_were_asked_for() -> None:
    async def scene(eventsub: EventSubServer, client: Client, socket: Socket) -> None:
        await client.subscribe()
        await eventsub.fault("eventsub", {"fault": "burst", "events": 20})
        assert [(await told(socket))[1]["payload"]["event"]["burst"] for _ in range(20)] == list(range(20))

    play(scene)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fault": "meteor"},
        {"fault": "refuse", "status": 418},
        {"fault": "refuse", "type": "channel.meteor"},
        {"fault": "close", "code": 4999},
        {"fault": "reconnect", "seconds": -1},
    ],
)
def test_it_knows_its_faults(options: dict[str, Any]) -> None:
    async def scene(_: EventSubServer, client: Client, __: Socket) -> None:
        with pytest.raises(ValueError, match=r"must be|no fault"):
            await client.twitch.fault("eventsub", **options)

    play(scene)
