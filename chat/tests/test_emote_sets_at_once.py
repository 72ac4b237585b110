"""Keepers on two hosts write the same sets."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from chat.emotesets import apply_set
from chat.models import Emote, EmoteSet, EmoteSetEntry
from chat.providers import SetEntry
from streams.models import Channel

ENTRIES = [SetEntry("7tv", f"id{number}", f"emote{number}", f"emote{number}", "") for number in range(200)]


def at_once(*works: Callable[[], object]) -> list[object]:
    start = Barrier(len(works))

    def run(work):
        try:
            start.wait(10)
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@pytest.fixture
def channels(transactional_db, redis_client):
    return [Channel.objects.create(login=name, twitch_id=number) for name, number in (("one", "1"), ("two", "2"))]


def test_one_set_written_by_two_is_written_once(channels):
    changes = at_once(*[lambda: bool(apply_set(channels[0], "7tv", ENTRIES))] * 2)
    assert sorted(map(str, changes)) == ["False", "True"]
    assert (EmoteSet.objects.count(), EmoteSetEntry.objects.count()) == (1, len(ENTRIES))


def test_sets_with_the_same_new_emotes_do_not_wait_for_each_other(channels):
    at_once(
        lambda: apply_set(channels[0], "7tv", ENTRIES),
        lambda: apply_set(channels[1], "7tv", ENTRIES[::-1]),
    )
    assert (Emote.objects.count(), EmoteSetEntry.objects.count()) == (len(ENTRIES), 2 * len(ENTRIES))
