import asyncio
import json
from typing import Any
from xml.etree import ElementTree

import aiohttp
import pytest

from streamstats.simulator.addresses import addresses
from streamstats.simulator.catalogue import Catalogue, SimEmote, path_of
from streamstats.simulator.pictures import avatar, picture
from streamstats.simulator.providers import (
    MALFORMED,
    NOT_FOUND,
    SERVER_ERROR,
    ProviderHub,
    slow,
    too_many_requests,
    with_pictures,
)
from streamstats.simulator.server import SimulatedTwitch

CAT, DOG = SimEmote("11", "cat"), SimEmote("22", "dog")
SETS: dict[tuple[str, str | None], list[SimEmote]] = {
    (provider, channel_id): [CAT] for provider in ("7tv", "bttv", "ffz") for channel_id in (None, "1001")
}
SETTING = {"7tv": "SEVENTV_URL", "bttv": "BTTV_URL", "ffz": "FFZ_URL"}
NAME = {"7tv": "name", "bttv": "code", "ffz": "name"}


class Visitor:
    """Somebody who speaks to the providers by hand."""

    def __init__(self, hub: ProviderHub, session: aiohttp.ClientSession, port: int) -> None:
        self.hub = hub
        self.session = session
        self.addresses = addresses(port)

    async def get(self, provider: str, path: str, **headers: str) -> tuple[int, Any, str]:
        async with self.session.get(self.addresses[SETTING[provider]] + path, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if response.ok and text else text, response.headers.get("ETag", "")

    async def listen(self) -> tuple[aiohttp.ClientWebSocketResponse, str]:
        """Connect to 7TV's socket, subscribe to channel 1001's set, and return the session's id too."""
        socket = await self.session.ws_connect(self.addresses["SEVENTV_EVENTS_URL"])
        hello = await socket.receive_json()
        set_id, _ = self.hub.catalogue.seventv_ids("1001")
        await socket.send_json({"op": 35, "d": {"type": "emote_set.update", "condition": {"object_id": set_id}}})
        assert (await socket.receive_json())["op"] == 5
        return socket, hello["d"]["session_id"]

    async def join(self) -> aiohttp.ClientWebSocketResponse:
        """Connect to BetterTTV's socket and join channel 1001."""
        socket = await self.session.ws_connect(self.addresses["BTTV_WS_URL"])
        await socket.send_json({"name": "join_channel", "data": {"name": "twitch:1001"}})
        await self.hub.until(lambda: self.hub.rooms() == {"twitch:1001"})
        return socket


def visit(play: Any) -> Any:
    async def main() -> Any:
        async with SimulatedTwitch(catalogue=Catalogue.of(SETS)) as twitch, aiohttp.ClientSession() as session:
            async with asyncio.timeout(10):
                return await play(Visitor(twitch.providers, session, twitch.port))

    return asyncio.run(main())


def names(body: Any) -> list[str]:
    """Every name of an emote anywhere in a body, in order."""
    if isinstance(body, list):
        return [name for part in body for name in names(part)]
    if not isinstance(body, dict):
        return []
    own = [body[key] for key in ("name", "code") if key in body and "id" in body and "emotes" not in body]
    return own[:1] + [name for key, part in body.items() if key != "data" for name in names(part)]


@pytest.mark.parametrize(("provider", "channel_id"), SETS)
def test_every_set_is_served(provider, channel_id):
    status, body, _ = visit(lambda visitor: visitor.get(provider, path_of(provider, channel_id)))
    assert (status, names(body)) == (200, ["cat"])


def test_a_7tv_set_is_served_by_its_own_id_too():
    async def play(visitor):
        set_id, _ = visitor.hub.catalogue.seventv_ids("1001")
        return await visitor.get("7tv", f"/emote-sets/{set_id}")

    assert names(visit(play)[1]) == ["cat"]


@pytest.mark.parametrize("provider", SETTING)
def test_a_channel_without_a_set_is_not_found(provider):
    assert visit(lambda visitor: visitor.get(provider, path_of(provider, "5")))[0] == 404


@pytest.mark.parametrize("provider", SETTING)
def test_a_set_that_is_known_is_not_sent_again(provider):
    async def play(visitor):
        _, _, etag = await visitor.get(provider, path_of(provider, None))
        return await visitor.get(provider, path_of(provider, None), **{"If-None-Match": etag})

    assert visit(play)[0] == 304


@pytest.mark.parametrize("provider", SETTING)
@pytest.mark.parametrize("channel_id", [None, "1001", "5"], ids=["everybody", "known", "new"])
def test_sets_can_be_changed(provider, channel_id):
    async def play(visitor):
        await visitor.hub.add(provider, channel_id, DOG)
        await visitor.hub.rename(provider, channel_id, "22", "wolf")
        if channel_id != "5":
            await visitor.hub.remove(provider, channel_id, "11")
        return await visitor.get(provider, path_of(provider, channel_id))

    assert names(visit(play)[1]) == ["wolf"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        pytest.param(NOT_FOUND, 404, id="not found"),
        pytest.param(SERVER_ERROR, 500, id="server error"),
        pytest.param(too_many_requests("30"), 429, id="too many requests"),
    ],
)
def test_faults_are_answered_until_they_are_mended(fault, status):
    async def play(visitor):
        visitor.hub.fail("ffz", fault)
        bad, _, _ = await visitor.get("ffz", "/set/global")
        visitor.hub.mend("ffz")
        good, _, _ = await visitor.get("ffz", "/set/global")
        return bad, good

    assert visit(play) == (status, 200)


def test_a_fault_of_one_path_leaves_the_others_alone():
    async def play(visitor):
        visitor.hub.fail("ffz", SERVER_ERROR, "/room/id/1001")
        return [(await visitor.get("ffz", path))[0] for path in ("/room/id/1001", "/set/global")]

    assert visit(play) == [500, 200]


def test_malformed_json_can_be_had():
    async def play(visitor):
        visitor.hub.fail("bttv", MALFORMED)
        with pytest.raises(json.JSONDecodeError):
            await visitor.get("bttv", "/cached/emotes/global")

    visit(play)


def test_a_slow_answer_comes_when_it_may():
    async def play(visitor):
        held = asyncio.Event()
        visitor.hub.fail("bttv", slow(held))
        asked = asyncio.create_task(visitor.get("bttv", "/cached/emotes/global"))
        await visitor.hub.until(lambda: visitor.hub.waiting == 1)
        held.set()
        return await asked

    assert visit(play)[0] == 200


def test_7tv_tells_those_who_subscribed():
    async def play(visitor):
        socket, _ = await visitor.listen()
        await visitor.hub.add("7tv", "1001", DOG)
        await visitor.hub.rename("7tv", "1001", "22", "wolf")
        await visitor.hub.remove("7tv", "1001", "22")
        return [(await socket.receive_json())["d"]["body"] for _ in range(3)]

    added, renamed, removed = visit(play)
    assert added["pushed"][0]["value"]["name"] == "dog"
    assert [renamed["updated"][0][key]["name"] for key in ("old_value", "value")] == ["dog", "wolf"]
    assert removed["pulled"][0]["old_value"]["id"] == "22"


def test_7tv_tells_nothing_after_an_unsubscribe():
    async def play(visitor):
        socket, _ = await visitor.listen()
        set_id, _ = visitor.hub.catalogue.seventv_ids("1001")
        await socket.send_json({"op": 36, "d": {"type": "emote_set.update", "condition": {"object_id": set_id}}})
        await socket.receive_json()
        await visitor.hub.add("7tv", "1001", DOG)
        await visitor.hub.ask_to_reconnect()
        return (await socket.receive_json())["op"]

    assert visit(play) == 4


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        pytest.param("what", 4002, id="no JSON"),
        pytest.param('{"op": 35, "d": {}}', 4002, id="no condition"),
        pytest.param('{"op": 99, "d": {"type": "x", "condition": {"object_id": "y"}}}', 4001, id="no such operation"),
    ],
)
def test_7tv_closes_on_what_it_does_not_understand(frame, code):
    async def play(visitor):
        socket, _ = await visitor.listen()
        await socket.send_str(frame)
        await socket.receive()
        return socket.close_code

    assert visit(play) == code


@pytest.mark.parametrize("can_resume", [True, False])
def test_7tv_tells_what_was_missed_to_a_session_that_is_resumed(can_resume):
    async def play(visitor):
        visitor.hub.can_resume = can_resume
        socket, session_id = await visitor.listen()
        await socket.close()
        await visitor.hub.until(lambda: not visitor.hub.sockets("7tv"))
        await visitor.hub.add("7tv", "1001", DOG)
        socket = await visitor.session.ws_connect(visitor.addresses["SEVENTV_EVENTS_URL"])
        await socket.receive_json()
        await socket.send_json({"op": 34, "d": {"session_id": session_id}})
        heard: list[Any] = []
        while not heard or heard[-1]["op"] != 5:
            heard.append(await socket.receive_json())
        return [frame["op"] for frame in heard], heard[-1]["d"]["data"]["success"]

    assert visit(play) == (([0, 5], True) if can_resume else ([5], False))


def test_7tv_has_a_heartbeat():
    async def play(visitor):
        visitor.hub.heartbeat_s = 0.001
        socket = await visitor.session.ws_connect(visitor.addresses["SEVENTV_EVENTS_URL"])
        return [(await socket.receive_json())["op"] for _ in range(3)]

    assert visit(play) == [1, 2, 2]


def test_bttv_tells_those_who_joined():
    async def play(visitor):
        socket = await visitor.join()
        await visitor.hub.add("bttv", "1001", DOG)
        await visitor.hub.rename("bttv", "1001", "22", "wolf")
        await visitor.hub.remove("bttv", "1001", "22")
        return [await socket.receive_json() for _ in range(3)]

    frames = visit(play)
    assert [frame["name"] for frame in frames] == ["emote_create", "emote_update", "emote_delete"]
    assert {frame["data"]["channel"] for frame in frames} == {"twitch:1001"}


@pytest.mark.parametrize("provider", ["7tv", "bttv"])
def test_sockets_can_be_cut(provider):
    async def play(visitor):
        socket = await visitor.join() if provider == "bttv" else (await visitor.listen())[0]
        visitor.hub.drop_sockets(provider)
        return (await socket.receive()).type

    assert visit(play) in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ("TWITCH_CDN_URL", "/emoticons/v2/25/default/dark/2.0"),
        ("TWITCH_CDN_URL", "/avatars/2001"),
        ("TWITCH_CDN_URL", "/badges/subscriber-12"),
        ("TWITCH_CDN_URL", "/cheers/Cheer100"),
        ("BTTV_CDN_URL", "/emote/5f1b0186/2x.webp"),
        ("SEVENTV_URL", "/../cdn/7tv/emote/01F6/2x.webp"),
        ("FFZ_URL", "/../cdn/ffz/emote/28136/animated/2.webp"),
    ],
)
def test_everything_has_a_picture(setting, path):
    async def play(visitor):
        async with visitor.session.get(visitor.addresses[setting] + path) as response:
            return response.content_type, ElementTree.fromstring(await response.text()).tag

    assert visit(play) == ("image/svg+xml", "{http://www.w3.org/2000/svg}svg")


def test_a_picture_is_always_the_same_for_an_id():
    assert picture("25") == picture("25")


@pytest.mark.parametrize("draw", [picture, avatar])
def test_pictures_differ(draw):
    assert len({draw(str(number)) for number in range(500)}) > 490


def test_an_emote_can_be_given_the_simulators_own_picture():
    (emote,) = with_pictures("7tv", [CAT], "http://127.0.0.1:9")
    assert emote.image_url == "http://127.0.0.1:9/cdn/7tv/emote/11"


@pytest.mark.parametrize("provider", SETTING)
@pytest.mark.parametrize(
    ("asked", "status"),
    [
        pytest.param("notfound", 404, id="not found"),
        pytest.param("error", 500, id="server error"),
        pytest.param("busy&seconds=7", 429, id="too many requests"),
        pytest.param("malformed", 200, id="half a JSON"),
    ],
)
def test_a_provider_fails_when_asked_over_http_until_it_is_mended(provider, asked, status):
    async def play(visitor):
        control = visitor.addresses[SETTING[provider]].partition(f"/{provider}")[0] + "/control/provider"
        path = visitor.addresses[SETTING[provider]] + path_of(provider, None)
        told = []
        for fault in (asked, "mend"):
            await visitor.session.post(f"{control}?provider={provider}&fault={fault}")
            async with visitor.session.get(path) as answer:
                told.append((answer.status, answer.headers.get("Retry-After"), (await answer.text())[-1:]))
        return told

    failed, mended = visit(play)
    assert failed[:2] == (status, "7" if status == 429 else None)
    assert (mended[0], mended[2]) == (200, "]" if provider == "bttv" else "}")
    assert asked != "malformed" or failed[2] == "["


def test_a_slow_provider_answers_when_its_time_is_over():
    async def play(visitor):
        control = visitor.addresses["FFZ_URL"].partition("/ffz")[0] + "/control/provider"
        await visitor.session.post(f"{control}?provider=ffz&fault=slow&seconds=0")
        return await visitor.get("ffz", path_of("ffz", None))

    assert visit(play)[0] == 200


def test_live_sockets_are_cut_when_asked_over_http():
    async def play(visitor):
        socket = await visitor.join()
        control = visitor.addresses["BTTV_URL"].partition("/bttv")[0] + "/control/provider"
        await visitor.session.post(f"{control}?provider=bttv&fault=drop")
        return (await socket.receive()).type

    assert visit(play) is aiohttp.WSMsgType.CLOSED
