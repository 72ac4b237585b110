"""Every resource tells what the document gives as its example, and nothing of whoever is not shown."""

import pytest

from chat.tests.api.world import STREAM, WREN, bearer, make_world, under
from streams.api import keys
from streamstats.api import RESOURCES

pytestmark = pytest.mark.django_db

PARAMETERS = {"search": {"q": "w"}, "search of somebody hidden": {"q": "s"}}
ONES = {"streams": STREAM, "viewers": WREN, "profiles": WREN}


@pytest.fixture
def world(redis_client):
    return make_world()


@pytest.fixture
def key(world):
    return bearer(keys.make(None, channel=world.channel, name="all", scopes=["read", "messages", "moderation"]).secret)


def address(name):
    if name == "channels":
        return "/api/v1/channels/"
    return under() + (f"streams/{STREAM}/{name}/" if name in {"segments", "samples"} else f"{name}/")


def test_the_first_row_of_every_list_is_its_example(client, world, key):
    told = {
        name: client.get(address(name), PARAMETERS.get(name), headers=key).json()["results"][0] for name in RESOURCES
    }
    assert told == {name: resource.example for name, resource in RESOURCES.items()}


def test_one_of_a_kind_is_its_example(client, world):
    told = {name: client.get(f"{under()}{name}/{one}/").json() for name, one in ONES.items()}
    assert told == {name: RESOURCES[name].example for name in ONES}
