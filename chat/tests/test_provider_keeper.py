import asyncio
import copy
import json
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from chat.providers import keeper as keeping
from chat.providers.etiquette import Key
from chat.providers.http import open_session
from chat.providers.keeper import Keeper
from chat.tests.provided import MemoryShelf, sources_on
from streamstats.simulator.catalogue import Catalogue, SimEmote
from streamstats.simulator.providers import MALFORMED, NOT_FOUND, SERVER_ERROR, Fault, ProviderHub, slow
from streamstats.simulator.server import SimulatedTwitch

CAT, DOG, EMU = SimEmote("a1", "cat"), SimEmote("a2", "dog"), SimEmote("a3", "emu")
NUMBERED = SimEmote("77", "ffzCat")
SETS = {
    ("7tv", None): [CAT],
    ("bttv", None): [CAT],
    ("ffz", None): [NUMBERED],
    ("7tv", "1001"): [CAT],
    ("bttv", "1001"): [CAT],
    ("ffz", "1001"): [NUMBERED],
}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def patient(low, high):
    """Chance that spreads reads widely, but adds nothing to what is hurried."""
    return high if low else low


class Waits:
    """Lets the keeper wait for nothing, but look for channels only when the test says so."""

    def __init__(self):
        self.look = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.waited = []

    async def __call__(self, seconds):
        self.waited.append(seconds)
        if seconds == keeping.LOOK_FOR_CHANNELS_S:
            await self.look.wait()
            self.look.clear()
        else:
            await asyncio.sleep(0)
            await self.may_go_on.wait()


@dataclass
class Scene:
    hub: ProviderHub
    shelf: MemoryShelf
    keeper: Keeper
    clock: Clock
    waits: Waits

    async def is_listening(self):
        """Wait until channel 1's live sets are listened to."""
        set_id, user_id = self.hub.catalogue.seventv_ids("1001")
        topics = {("emote_set.update", set_id), ("user.update", user_id)}
        await self.hub.until(lambda: self.hub.topics() >= topics and self.hub.rooms() == {"twitch:1001"})

    async def read_again(self, provider):
        """Read channel 1's set as if it were due."""
        await self.keeper.read(Key(provider, 1))

    async def is_lost_and_found(self, provider):
        """Cut a provider's socket and wait until the keeper is back."""
        before = set(self.hub.sockets(provider))
        self.hub.drop_sockets(provider)
        await self.hub.until(lambda: bool(set(self.hub.sockets(provider)) - before))
        await self.is_listening()


@asynccontextmanager
async def kept(sets=SETS, followed=None):
    async with SimulatedTwitch(catalogue=Catalogue.of(sets)) as twitch, open_session() as session:
        shelf, clock, waits = MemoryShelf({1: "1001"} if followed is None else followed), Clock(), Waits()
        keeper = Keeper(shelf, session, sources_on(twitch.port), clock=clock, uniform=patient, pause=waits)
        task = asyncio.create_task(keeper.run())
        try:
            async with asyncio.timeout(10):
                yield Scene(twitch.providers, shelf, keeper, clock, waits)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def run(play, **given):
    async def main():
        async with kept(**given) as scene:
            await play(scene)

    asyncio.run(main())


@pytest.mark.parametrize(("provider", "channel_id"), SETS)
def test_every_set_is_read(provider, channel_id):
    async def play(scene):
        await scene.shelf.has(provider, None if channel_id is None else 1, {"ffzCat" if provider == "ffz" else "cat"})

    run(play)


@pytest.mark.parametrize("provider", ["7tv", "bttv", "ffz"])
def test_a_channel_that_a_provider_does_not_know_has_an_empty_set(provider):
    async def play(scene):
        await scene.shelf.has(provider, 1, set())

    run(play, sets={})


@pytest.mark.parametrize("fault", [SERVER_ERROR, MALFORMED], ids=["server error", "malformed"])
@pytest.mark.parametrize("provider", ["7tv", "bttv", "ffz"])
def test_an_outage_keeps_the_last_known_set(provider, fault):
    async def play(scene):
        await scene.is_listening()
        await scene.shelf.has(provider, 1, {"ffzCat" if provider == "ffz" else "cat"})
        scene.hub.fail(provider, fault)
        await scene.read_again(provider)
        assert scene.shelf.names(provider, 1)

    run(play)


@pytest.mark.parametrize("provider", ["7tv", "bttv", "ffz"])
def test_a_channel_that_left_a_provider_has_an_empty_set(provider):
    async def play(scene):
        await scene.is_listening()
        await scene.shelf.has(provider, 1, {"ffzCat" if provider == "ffz" else "cat"})
        scene.hub.fail(provider, NOT_FOUND)
        await scene.read_again(provider)
        assert scene.shelf.names(provider, 1) == set()

    run(play)


def test_sets_for_everybody_survive_a_404():
    async def play(scene):
        await scene.shelf.has("ffz", None, {"ffzCat"})
        scene.hub.fail("ffz", NOT_FOUND)
        await scene.keeper.read(Key("ffz", None))
        assert scene.shelf.names("ffz", None) == {"ffzCat"}

    run(play)


def test_an_unchanged_set_is_not_sent_again():
    async def play(scene):
        await scene.shelf.has("ffz", 1, {"ffzCat"})
        await scene.read_again("ffz")
        assert scene.hub.asked[-1].status == 304

    run(play)


def test_a_channel_that_is_newly_followed_is_picked_up():
    async def play(scene):
        await scene.shelf.has("7tv", None, {"cat"})
        scene.shelf.channels[1] = "1001"
        scene.waits.look.set()
        await scene.shelf.has("7tv", 1, {"cat"})
        await scene.is_listening()

    run(play, followed={})


def test_a_channel_that_is_no_longer_followed_is_let_go():
    async def play(scene):
        await scene.is_listening()
        del scene.shelf.channels[1]
        scene.waits.look.set()
        set_id, _ = scene.hub.catalogue.seventv_ids(None)
        await scene.hub.until(lambda: scene.hub.topics() == {("emote_set.update", set_id)} and not scene.hub.rooms())

    run(play)


@pytest.mark.parametrize("provider", ["7tv", "bttv"])
def test_live_changes_arrive(provider):
    async def play(scene):
        await scene.is_listening()
        await scene.shelf.has(provider, 1, {"cat"})
        await scene.hub.add(provider, "1001", DOG)
        await scene.shelf.has(provider, 1, {"cat", "dog"})
        await scene.hub.rename(provider, "1001", "a2", "wolf")
        await scene.shelf.has(provider, 1, {"cat", "wolf"})
        await scene.hub.remove(provider, "1001", "a1")
        await scene.shelf.has(provider, 1, {"wolf"})

    run(play)


def test_live_changes_of_the_7tv_set_for_everybody_arrive():
    async def play(scene):
        set_id, _ = scene.hub.catalogue.seventv_ids(None)
        await scene.hub.until(lambda: ("emote_set.update", set_id) in scene.hub.topics())
        await scene.shelf.has("7tv", None, {"cat"})
        await scene.hub.add("7tv", None, DOG)
        await scene.shelf.has("7tv", None, {"cat", "dog"})

    run(play)


def test_a_switch_to_another_set_is_followed():
    async def play(scene):
        await scene.is_listening()
        await scene.shelf.has("7tv", 1, {"cat"})
        scene.clock.now += 60
        await scene.hub.switch_set("1001", [DOG])
        await scene.shelf.has("7tv", 1, {"dog"})

    run(play)


def test_after_a_switch_the_new_set_is_listened_to():
    async def play(scene):
        await scene.is_listening()
        await scene.shelf.has("7tv", 1, {"cat"})
        scene.clock.now += 60
        await scene.hub.switch_set("1001", [DOG])
        await scene.is_listening()
        await scene.shelf.has("7tv", 1, {"dog"})
        await scene.hub.add("7tv", "1001", EMU)
        await scene.shelf.has("7tv", 1, {"dog", "emu"})

    run(play)


def test_a_channel_may_switch_to_no_set():
    async def play(scene):
        await scene.is_listening()
        await scene.shelf.has("7tv", 1, {"cat"})
        await scene.hub.switch_set("1001", None)
        await scene.shelf.has("7tv", 1, set())

    run(play)


def test_a_switch_for_another_account_of_the_user_changes_nothing():
    async def play(scene):
        user = scene.hub.catalogue.bodies["7tv"]["/users/twitch/1001"]["user"]
        user["connections"].insert(0, {"id": "x", "platform": "DISCORD"})
        await scene.is_listening()
        await scene.shelf.has("7tv", 1, {"cat"})
        value = [{"key": "emote_set", "value": {"id": "other"}}]
        change = {"updated": [{"key": "connections", "index": 0, "value": value}]}
        body = {"op": 0, "d": {"type": "user.update", "body": {"id": user["id"], **change}}}
        await scene.hub.say("7tv", json.dumps(body))
        await scene.hub.add("7tv", "1001", DOG)
        await scene.shelf.has("7tv", 1, {"cat", "dog"})
        assert "/emote-sets/other" not in scene.hub.paths_asked("7tv")

    run(play)


def test_a_set_that_is_left_while_it_is_read_is_not_written():
    async def play(scene):
        await scene.is_listening()
        await scene.shelf.has("7tv", 1, {"cat"})
        held = asyncio.Event()
        scene.hub.fail("7tv", slow(held), "/users/twitch/1001")
        reading = asyncio.create_task(scene.read_again("7tv"))
        await scene.hub.until(lambda: scene.hub.waiting == 1)
        before = copy.deepcopy(scene.hub.catalogue.bodies["7tv"]["/users/twitch/1001"])
        scene.clock.now += 60
        await scene.hub.switch_set("1001", [DOG])
        await scene.shelf.has("7tv", 1, {"dog"})
        scene.hub.catalogue.bodies["7tv"]["/users/twitch/1001"] = before
        held.set()
        await reading
        assert scene.shelf.names("7tv", 1) == {"dog"}

    run(play)


def test_json_in_an_unknown_format_keeps_the_last_known_set():
    async def play(scene):
        await scene.shelf.has("ffz", 1, {"ffzCat"})
        scene.hub.fail("ffz", Fault(text='{"error": "we are moving"}'))
        await scene.read_again("ffz")
        assert scene.shelf.names("ffz", 1) == {"ffzCat"}

    run(play)


def test_emotes_that_are_not_understood_are_counted_in_the_log(caplog):
    async def play(scene):
        await scene.shelf.has("ffz", 1, {"ffzCat"})
        (room_set,) = scene.hub.catalogue.bodies["ffz"]["/room/id/1001"]["sets"].values()
        room_set["emoticons"] += [{"id": 5}, None]
        await scene.read_again("ffz")

    run(play)
    assert "emotes.malformed" in caplog.text
    assert "'count': 2" in caplog.text or "count=2" in caplog.text


def test_changes_told_while_the_set_was_read_are_not_undone_by_it():
    async def play(scene):
        await scene.is_listening()
        await scene.shelf.has("bttv", 1, {"cat"})
        await scene.hub.add("bttv", "1001", EMU)  # so that the next read is not for changes only
        await scene.shelf.has("bttv", 1, {"cat", "emu"})
        path, held = "/cached/users/twitch/1001", asyncio.Event()
        stale = copy.deepcopy(scene.hub.catalogue.body("bttv", path))
        scene.hub.fail("bttv", slow(held))
        reading = asyncio.create_task(scene.read_again("bttv"))
        await scene.hub.until(lambda: scene.hub.waiting == 1)
        await scene.hub.add("bttv", "1001", DOG)
        await scene.shelf.has("bttv", 1, {"cat", "emu", "dog"})
        scene.hub.catalogue.bodies["bttv"][path] = stale
        held.set()
        await reading
        assert scene.shelf.names("bttv", 1) == {"cat", "emu", "dog"}

    run(play)


def test_7tv_tells_after_a_loss_what_happened_meanwhile():
    async def play(scene):
        await scene.is_listening()
        await scene.shelf.has("7tv", 1, {"cat"})
        scene.waits.may_go_on.clear()
        scene.hub.drop_sockets("7tv")
        await scene.hub.until(lambda: not scene.hub.sockets("7tv"))
        await scene.hub.add("7tv", "1001", DOG)
        scene.waits.may_go_on.set()
        await scene.shelf.has("7tv", 1, {"cat", "dog"})
        assert scene.hub.paths_asked("7tv").count("/users/twitch/1001") == 1

    run(play)


@pytest.mark.parametrize("provider", ["7tv", "bttv"])
def test_what_nobody_told_after_a_loss_is_read(provider):
    async def play(scene):
        await scene.is_listening()
        await scene.shelf.has(provider, 1, {"cat"})
        scene.hub.can_resume = False
        scene.hub.catalogue.add(provider, "1001", DOG)
        scene.clock.now += 600
        await scene.is_lost_and_found(provider)
        await scene.shelf.has(provider, 1, {"cat", "dog"})

    run(play)


@pytest.mark.parametrize("provider", ["7tv", "bttv"])
def test_after_a_loss_live_changes_arrive_again(provider):
    async def play(scene):
        await scene.is_listening()
        await scene.shelf.has(provider, 1, {"cat"})
        await scene.is_lost_and_found(provider)
        await scene.hub.add(provider, "1001", DOG)
        await scene.shelf.has(provider, 1, {"cat", "dog"})

    run(play)


@pytest.mark.parametrize("leave", ["ask_to_reconnect", "close_sockets", "end_streams"])
def test_a_7tv_server_that_says_goodbye_is_come_back_to(leave):
    async def play(scene):
        await scene.is_listening()
        before = set(scene.hub.sockets("7tv"))
        said = {
            "ask_to_reconnect": scene.hub.ask_to_reconnect,
            "close_sockets": lambda: scene.hub.close_sockets("7tv"),
            "end_streams": lambda: scene.hub.end_streams(4006),
        }
        await said[leave]()
        await scene.hub.until(lambda: bool(set(scene.hub.sockets("7tv")) - before))
        await scene.is_listening()

    run(play)


def test_a_7tv_server_in_maintenance_is_left_alone_for_five_minutes():
    async def play(scene):
        await scene.is_listening()
        before = set(scene.hub.sockets("7tv"))
        await scene.hub.end_streams(4007)
        await scene.hub.until(lambda: bool(set(scene.hub.sockets("7tv")) - before))
        assert max(scene.waits.waited) == 300

    run(play)


def test_a_7tv_server_whose_heart_stopped_is_left():
    async def play(scene):
        await scene.is_listening()
        scene.hub.has_heartbeats = False
        scene.hub.heartbeat_s = 0.01
        await scene.is_lost_and_found("7tv")
        before = set(scene.hub.sockets("7tv"))
        await scene.hub.until(lambda: bool(set(scene.hub.sockets("7tv")) - before))

    run(play)


def test_a_socket_has_a_hundred_topics_at_most():
    async def play(scene):
        await scene.hub.until(lambda: len(scene.hub.rooms()) == 120)
        assert sorted(len(rooms) for rooms in scene.hub.rooms_by_socket()) == [20, 100]

    run(play, sets={}, followed={number: str(number) for number in range(1, 121)})


@pytest.mark.parametrize("provider", ["7tv", "bttv"])
def test_nothing_is_lost_while_the_database_is_away(provider):
    async def play(scene):
        await scene.is_listening()
        await scene.shelf.has(provider, 1, {"cat"})
        scene.shelf.is_away = True
        await scene.hub.add(provider, "1001", DOG)
        await scene.hub.rename(provider, "1001", "a2", "wolf")
        await scene.shelf.has_refused()
        scene.shelf.is_away = False
        await scene.shelf.has(provider, 1, {"cat", "wolf"})

    run(play)


def test_channels_are_found_when_the_database_is_back():
    async def play(scene):
        await scene.shelf.has("ffz", None, {"ffzCat"})
        scene.shelf.channels[1] = "1001"
        scene.shelf.is_away = True
        scene.waits.look.set()
        await scene.shelf.has_refused()
        scene.shelf.is_away = False
        scene.waits.look.set()
        await scene.shelf.has("ffz", 1, {"ffzCat"})

    run(play, followed={})
