"""A cursor goes on with the list that it is of, in its order, and with no other."""

from collections.abc import Iterator
from itertools import chain, combinations, product

import pytest
from django.http import QueryDict

from chat.models import Emote, Reward, ViewerEmote
from chat.tests.api.test_resources import PARAMETERS, address
from chat.tests.api.world import CHANNEL, HOUR, NOON, STREAM, WREN, bearer, make_rows, make_viewer, make_world
from streams.api import keys
from streams.models import Channel
from streamstats.api import RESOURCES
from viewers.models import Award, Standing, ViewSession

pytestmark = pytest.mark.django_db

VALUES = {
    "viewer": WREN,
    "stream": STREAM,
    "emote": "1",
    "reward": "hydrate",
    "status": "fulfilled",
    "provider": "7tv",
    "by": "messages",
    "period": "2026",
    "achievement": "days",
    "live": "false",
    "category_id": "509660",
    "removed": "false",
    "q": "w",
    "from": "2020-01-01T00:00:00Z",
    "to": "2030-01-01T00:00:00Z",
}
ORDERS = {"sessions": 3, "usage": 3, "awards": 2, "leaderboards": 4}
"""In how many ways a list is sorted."""
KINDS = {"events": "resub", "moderation": "timeout"}


@pytest.fixture
def world(redis_client):
    """Two rows of everything, however it is narrowed."""
    world = make_world()
    of_wren = {"channel": world.channel, "viewer": world.wren}
    wanda = make_viewer(world.channel, "1004", "wanda")
    make_rows(world.channel, world.stream, wanda, Emote.objects.get(), Reward.objects.get(), 3)
    other = Emote.objects.create(id=2, provider="7tv", provider_id="x", name="x")
    ViewerEmote.objects.create(**of_wren, emote=other, uses=9, first_day=NOON, last_day=NOON)
    Award.objects.create(**of_wren, achievement="days", level=2, earned_at=NOON, value=30)
    for number, viewer in enumerate((world.wren, wanda)):
        Standing.objects.create(channel=world.channel, viewer=viewer, period="2026", messages=2, watch_seconds=3)
        ViewSession.objects.create(
            id=90 + number, channel=world.channel, viewer=viewer, stream=world.stream,
            started_at=NOON + 2 * HOUR, ended_at=NOON + 3 * HOUR, source="chatters", ended_by="absent",
        )  # fmt: skip
    return world


@pytest.fixture
def ask(client, world):
    made = keys.make(
        None, channel=world.channel, name="all", scopes=["read", "messages", "moderation"], per_minute=9999
    )
    key = bearer(made.secret)
    return lambda name, query: client.get(address(name), {**query, "limit": 1}, headers=key)


def questions(name: str) -> Iterator[dict[str, str]]:
    """A list narrowed by nothing, by one filter, and, where filters change its order, by two."""
    known = [each for each in RESOURCES[name].filters.base_filters if each not in PARAMETERS.get(name, {})]
    values = VALUES | {"kind": KINDS.get(name, "")}
    pairs = combinations(known, 2) if name in ORDERS else ()
    for chosen in chain([()], combinations(known, 1), pairs):
        yield PARAMETERS.get(name, {}) | {each: values[each] for each in chosen}


def cursor_of(answer) -> str:
    return QueryDict(answer.json()["next"].partition("?")[2])["cursor"]


def test_with_other_filters_a_cursor_goes_on_in_the_same_order_and_is_refused_in_another(ask):
    for name, resource in RESOURCES.items():
        cursors = {}
        for query in questions(name):
            answer = ask(name, query)
            if answer.status_code == 200 and answer.json()["next"]:
                cursors[tuple(query.items())] = cursor_of(answer)
        order = {query: resource.orders(dict(query)) for query in cursors}
        assert len(set(order.values())) == ORDERS.get(name, min(1, len(order))), name
        for one, other in product(cursors, cursors):
            answer = ask(name, {**dict(other), "cursor": cursors[one]})
            expected = 200 if order[one] == order[other] else 400
            assert answer.status_code == expected, (name, one, other, answer.json())


def test_a_cursor_of_one_channel_is_none_of_another(client, world):
    other = Channel.objects.create(twitch_id="77", login="other")
    cursor = cursor_of(client.get(address("sessions"), {"limit": 1}))
    answer = client.get(address("sessions").replace(CHANNEL, other.twitch_id), {"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
