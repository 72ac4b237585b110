import pytest

from chat.providers.bttv import channel_path, parse_bots
from chat.tasks import read_channel_bots
from streams.models import JobRun
from streams.tests.cast import make_channel
from streamstats.simulator.providers import Fault
from streamstats.simulator.tests.threaded import simulated_twitch
from viewers.models import BotSource, Viewer
from viewers.tests.cast import make_viewer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client", "quick")]

ROOM = "1001"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("chat.channelbots.BETWEEN_READS_S", (0, 0))


@pytest.fixture
def channel():
    return make_channel(twitch_id=ROOM)


@pytest.fixture
def twitch():
    with simulated_twitch() as running:
        yield running


def name_bots(twitch, room, *names):
    twitch.providers.catalogue.bodies["bttv"][channel_path(room)] = {
        "id": "b1",
        "bots": list(names),
        "channelEmotes": [],
        "sharedEmotes": [],
    }


def bots():
    return dict(Viewer.objects.filter(is_bot=True).values_list("login", "bot_source"))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"bots": ["Nightbot", "lanternbot"]}, ["Nightbot", "lanternbot"]),
        ({"bots": []}, []),
        ({"bots": [1, None, "x", {}]}, ["x"]),
        ({"bots": "nightbot"}, None),
        ({}, None),
        ([], None),
        ("", None),
    ],
)
def test_the_names_of_bots_are_read(body, found):
    assert parse_bots(body) == found


def test_whom_a_channel_names_is_a_bot(channel, twitch):
    make_viewer(channel, "lanternbot")
    name_bots(twitch, ROOM, "LanternBot")
    read_channel_bots()
    assert bots() == {"lanternbot": BotSource.CHANNEL}


def test_whom_no_channel_names_any_more_is_none(channel, twitch):
    make_viewer(channel, "lanternbot")
    name_bots(twitch, ROOM, "LanternBot")
    read_channel_bots()
    name_bots(twitch, ROOM)
    read_channel_bots()
    assert bots() == {}


def test_while_a_channel_cannot_be_read_nobody_is_unmarked(channel, twitch):
    make_viewer(channel, "lanternbot", is_bot=True, bot_source=BotSource.CHANNEL)
    twitch.providers.fail("bttv", Fault(status=500, text=""))
    read_channel_bots()
    assert bots() == {"lanternbot": BotSource.CHANNEL}
    assert JobRun.objects.get().detail == "0 marked as bots, 0 no longer; 1 channels could not be read"


def test_a_channel_that_is_not_at_betterttv_names_nobody(channel, twitch):
    make_viewer(channel, "lanternbot", is_bot=True, bot_source=BotSource.CHANNEL)
    read_channel_bots()
    assert bots() == {}
