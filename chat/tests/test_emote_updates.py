"""A writer uses the sets that the database has, from the batch after the change on."""

import pytest
from django.db import OperationalError

from chat.emotesets import announce, apply_set
from chat.ingest.emoteupdates import EmoteUpdates
from chat.ingest.queue import connect_writer
from chat.ingest.store import Store
from chat.providers import SetEntry
from chat.tests.lines import NOON_MS
from streamstats.local.redis import EmbeddedRedis


class Bookkeeper(Store):
    """A store that only writes down which sets it was told to load."""

    def __init__(self) -> None:
        self.loaded: list[int | str | None] = []
        self.failures = 0

    def load_all_sets(self) -> None:
        self._load("all")

    def load_set(self, channel_id: int | None) -> None:
        self._load(channel_id)

    def _load(self, what: int | str | None) -> None:
        if self.failures:
            self.failures -= 1
            raise OperationalError("gone")
        self.loaded.append(what)


@pytest.fixture
def store() -> Bookkeeper:
    return Bookkeeper()


@pytest.fixture
def updates(redis_client, store) -> EmoteUpdates:
    """Updates that are listening already."""
    updates = EmoteUpdates(redis_client)
    updates.apply(store)
    store.loaded.clear()
    return updates


def test_everything_is_loaded_at_first(redis_client, store):
    EmoteUpdates(redis_client).apply(store)
    assert store.loaded == ["all"]


def test_without_news_nothing_is_loaded(updates, store):
    updates.apply(store)
    assert store.loaded == []


@pytest.mark.parametrize(
    ("announced", "loaded"),
    [pytest.param(7, 7, id="of a channel"), pytest.param(None, None, id="of everywhere")],
)
def test_a_set_that_changed_is_loaded(updates, store, announced, loaded):
    announce(announced)
    updates.apply(store)
    assert store.loaded == [loaded]


def test_a_set_that_changed_often_is_loaded_once(updates, store):
    for _ in range(5):
        announce(7)
    updates.apply(store)
    assert store.loaded == [7]


def test_several_sets_that_changed_are_all_loaded(updates, store):
    for channel in (7, 8, None):
        announce(channel)
    updates.apply(store)
    assert sorted(store.loaded, key=str) == [7, 8, None]


def test_news_is_acted_upon_once(updates, store):
    announce(7)
    updates.apply(store)
    updates.apply(store)
    assert store.loaded == [7]


def test_a_set_that_could_not_be_loaded_is_loaded_later(updates, store):
    announce(7)
    store.failures = 1
    with pytest.raises(OperationalError):
        updates.apply(store)
    updates.apply(store)
    assert store.loaded == [7]


def test_everything_is_loaded_later_if_it_could_not_be_at_first(redis_client, store):
    updates = EmoteUpdates(redis_client)
    store.failures = 1
    with pytest.raises(OperationalError):
        updates.apply(store)
    updates.apply(store)
    assert store.loaded == ["all"]


def test_without_redis_the_sets_are_loaded_once(store, tmp_path):
    updates = EmoteUpdates(connect_writer(f"unix://{tmp_path}/nobody"))
    updates.apply(store)
    updates.apply(store)
    assert store.loaded == ["all"]


def test_what_was_missed_while_redis_was_away_is_made_up_for(own_redis: EmbeddedRedis, store):
    updates = EmoteUpdates(connect_writer(own_redis.url))
    updates.apply(store)
    own_redis.kill()
    updates.apply(store)
    own_redis.start()
    updates.apply(store)
    assert store.loaded == ["all", "all"]


@pytest.mark.django_db(transaction=True)
def test_an_emote_that_came_to_a_set_is_known_from_then_on(redis_client):
    store, updates = Store(), EmoteUpdates(redis_client)
    updates.apply(store)
    apply_set(None, "7tv", [SetEntry("7tv", "1", "Emote", "Emote", "", is_zero_width=False, is_animated=False)])
    updates.apply(store)
    assert store.index.names("1001", sent_ms=NOON_MS) == {"Emote": ("7tv", "1", "Emote")}
