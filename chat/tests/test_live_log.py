"""The live feed of the API: what happens in a channel, and going on after a drop."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from threading import Barrier
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.test import AsyncClient
from django.utils import timezone
from redis.asyncio import Redis

from chat.api import live
from chat.api.live import Keyholder, Watches, follow, in_thread, read
from chat.livefeed import LiveFeed, Page
from chat.models import Redemption, Reward
from chat.tests.everything import make_somebody
from streams import sync
from streams.api import keys
from streams.models import ApiKey, Change, Channel, Stream
from streams.sealed import seal
from streams.tests.cast import make_channel
from viewers import choices
from viewers.models import Award, Viewer, ViewerTotal
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_S = 20


class World:
    def __init__(self) -> None:
        self.channel: Channel = make_channel()
        self.ann: Viewer = make_viewer(self.channel, "ann")
        self.reward = Reward.objects.create(channel=self.channel, twitch_id="r", title="Hydrate")

    def redeem(self, *ids: str) -> None:
        for pk in ids:
            Redemption.objects.create(
                id=pk,
                channel=self.channel,
                viewer=self.ann,
                reward=self.reward,
                cost=5,
                status="fulfilled",
                redeemed_at=timezone.now(),
            )


@pytest.fixture
def world(redis_client: Any) -> World:
    return World()


async def no_pause(seconds: float) -> None:
    await asyncio.sleep(0)


class Reader:
    """Somebody who reads a feed, as a browser does."""

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        self._events = events
        self.last_id = ""

    async def next(self, *names: str) -> dict[str, Any]:
        """The data of the next event with one of these names."""
        async for raw in self._events:
            fields = dict(line.split(": ", 1) for line in raw.decode().strip().splitlines() if line[0] != ":")
            self.last_id = fields.get("id", self.last_id)
            if fields.get("event") in names:
                return {"event": fields["event"], **json.loads(fields["data"])}
        raise EOFError


def feed() -> LiveFeed:
    return LiveFeed(lambda: Redis.from_url(settings.REDIS_URL), pause=no_pause)


def following(numbers: LiveFeed, watches: Watches, channel: Channel, start: sync.Cursor, **more: Any) -> Any:
    return aclosing(follow(watches, numbers, channel, start, pause=no_pause, **more))


def run(scenario: Any) -> Any:
    async def patiently() -> Any:
        async with asyncio.timeout(PATIENCE_S):
            return await scenario()

    return asyncio.run(patiently())


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_EVERY_S", 0.02)


@pytest.fixture(autouse=True)
def leave_no_connection() -> Iterator[None]:
    """Who leaves a feed does not wait for what is being read for it."""
    yield
    both = Barrier(2)
    for closed in [live.readers.submit(both.wait, PATIENCE_S) for _ in range(2)]:
        closed.result()
    live.askers.submit(int).result()


def cursor(world: World, text: str) -> sync.Cursor:
    return sync.Cursor.read(text, world.channel.pk, "live")


def test_what_happens_is_told_and_after_a_drop_everything_since_once(world):
    async def scenario() -> tuple[list[str], list[str]]:
        numbers = feed()
        watches = Watches(numbers, no_pause)
        start = await in_thread(sync.begin)
        async with following(numbers, watches, world.channel, start) as events:
            reader = Reader(events)
            await in_thread(world.redeem, "r1", "r2")
            before = [(await reader.next("redemption"))["id"] for _ in range(2)]
        await in_thread(world.redeem, "r3", "r4")
        async with following(numbers, watches, world.channel, cursor(world, reader.last_id)) as events:
            reader = Reader(events)
            await in_thread(world.redeem, "r5")
            return before, [(await reader.next("redemption"))["id"] for _ in range(3)]

    assert run(scenario) == (["r1", "r2"], ["r3", "r4", "r5"])


def test_dropped_after_any_event_the_next_one_follows(world):
    start = sync.begin()
    world.redeem("r1", "r2", "r3")
    Redemption.objects.filter(pk="r1").delete()
    Change.objects.create(channel=world.channel, resource="redemptions", key="~x", sealed=seal('["q1", "q2"]'))
    told = read(world.channel, start.database, start.place).events
    assert len(told) == 5
    for number, event in enumerate(told):
        assert read(world.channel, start.database, event.place).events == told[number + 1 :]


def test_events_come_as_the_api_has_them(world):
    start = sync.begin()
    Stream.objects.create(id="s1", channel=world.channel, started_at=timezone.now(), title="Today")
    Award.objects.create(channel=world.channel, viewer=world.ann, achievement="days", level=1, earned_at=timezone.now())
    told = b"".join(event.event for event in read(world.channel, start.database, start.place).events).decode()
    assert "event: stream\n" in told
    assert '"title":"Today"' in told
    assert "event: achievement\n" in told
    assert f'"id":"{world.ann.pk}:days:1"' in told


def test_who_hides_is_gone_and_nothing_of_theirs_is_told(world):
    start = sync.begin()
    world.redeem("r1", "r2")
    choices.hide(world.ann, world.channel)
    Redemption.objects.filter(pk="r2").delete()
    told = b"".join(event.event for event in read(world.channel, start.database, start.place).events).decode()
    assert told.count("event: ") == 1
    assert f'event: gone\ndata: {{"viewer":"{world.ann.pk}"}}' in told


def test_who_hides_everywhere_is_named_only_where_they_were_seen(world):
    other = make_channel("other")
    start = sync.begin()
    choices.hide(world.ann)
    assert ViewerTotal.objects.filter(viewer=world.ann, channel=world.channel).exists()
    assert read(other, start.database, start.place).events == []
    assert len(read(world.channel, start.database, start.place).events) == 1


def test_a_feed_that_is_open_when_pages_become_opt_in_names_nobody_any_more(world):
    async def scenario() -> list[str]:
        numbers = feed()
        start = await in_thread(sync.begin)
        async with following(numbers, Watches(numbers, no_pause), world.channel, start) as events:
            reader = Reader(events)
            await in_thread(world.redeem, "r1")
            await reader.next("redemption")
            await in_thread(lambda: Channel.objects.update(page_policy="opt-in"))
            await in_thread(world.redeem, "r2")
            await in_thread(lambda: Stream.objects.create(id="s1", channel=world.channel, started_at=timezone.now()))
            names = ("anew", "redemption", "stream")
            return [(await reader.next(*names))["event"] for _ in range(2)]

    assert run(scenario) == ["anew", "stream"]


def test_what_was_read_before_a_choice_is_served_to_nobody_after_it(world, monkeypatch):
    """The choice comes while somebody reads: what is shared was thrown away before that could be put there."""
    start = sync.begin()
    world.redeem("r1")

    async def scenario() -> list[live.Shared]:
        watch = live.Watch(feed(), world.channel, start.database)

        def choose_meanwhile(*args: Any) -> live.Stretch:
            found = read(*args)
            if not Viewer.objects.filter(hidden_at__isnull=False).exists():
                assert b"redemption" in found.events[0].event
                choices.hide(world.ann)
                watch.forget()
            return found

        monkeypatch.setattr(live, "read", choose_meanwhile)
        return [await watch.stretch(start.place) for _ in range(2)]

    for shared in run(scenario):
        assert not [told for told in shared.stretch.events if b"redemption" in told.event]


@pytest.mark.parametrize(
    "choose",
    [
        lambda world: Channel.objects.update(page_policy="opt-in"),
        lambda world: Viewer.objects.filter(pk=world.ann.pk).update(hidden_at=timezone.now()),
    ],
    ids=["pages become opt-in", "she hides"],
)
def test_what_was_read_before_a_choice_is_thrown_away_though_nobody_says_so(world, choose):
    """The log says it, also where the word from Redis is lost."""
    start = sync.begin()
    world.redeem("r1")

    async def scenario() -> list[int]:
        watch = live.Watch(feed(), world.channel, start.database)
        await watch._look()
        before = await watch.stretch(start.place)
        await in_thread(choose, world)
        await watch._look()
        after = await watch.stretch(start.place)
        return [sum(b"redemption" in told.event for told in each.stretch.events) for each in (before, after)]

    assert run(scenario) == [1, 0]


def test_a_stretch_is_few_queries_however_much_is_in_it(world, django_assert_max_num_queries):
    start = sync.begin()
    bea = make_somebody(world.channel, "bea")
    world.redeem(*(f"r{n}" for n in range(40)))
    Redemption.objects.filter(pk__in=["r1", "r2"]).delete()
    choices.hide(bea)
    with django_assert_max_num_queries(16):  # with the beginning and the end of a transaction
        assert len(read(world.channel, start.database, start.place).events) > 30


def test_the_feed_ends_when_its_key_is_taken_back(world, monkeypatch):
    monkeypatch.setattr(live, "ASK_FOR_KEY_EVERY_S", 0)
    made = keys.make(None, channel=world.channel, name="overlay", scopes=["read"])

    async def scenario() -> None:
        numbers = feed()
        start = await in_thread(sync.begin)
        async with following(
            numbers, Watches(numbers, no_pause), world.channel, start, who=Keyholder(made.key, None)
        ) as events:
            reader = Reader(events)
            await in_thread(world.redeem, "r1")
            await reader.next("redemption")
            await in_thread(keys.revoke, None, made.key)
            await in_thread(world.redeem, "r2")
            with pytest.raises(EOFError):
                await reader.next("redemption")

    run(scenario)


def test_a_key_that_is_gone_goes_on_for_a_second_at_most(world, monkeypatch):
    made = keys.make(None, channel=world.channel, name="overlay", scopes=["read"])
    start = sync.begin()

    def delete() -> None:
        ApiKey.objects.all().delete()
        keys.forget_once_committed()

    async def scenario() -> list[bool]:
        watch = live.Watch(feed(), world.channel, start.database)
        found = [await watch.may_go_on(Keyholder(made.key, None))]
        await in_thread(delete)
        found.append(await watch.may_go_on(Keyholder(made.key, None)))
        monkeypatch.setattr(live, "ASK_FOR_KEY_EVERY_S", 0)
        return [*found, await watch.may_go_on(Keyholder(made.key, None))]

    assert run(scenario) == [True, True, False]


def counting(monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> list[Any]:
    """What something is called with, one by one."""
    calls: list[Any] = []
    work = getattr(where, name)

    def counted(*args: Any) -> Any:
        calls.append(args)
        return work(*args)

    monkeypatch.setattr(where, name, counted)
    return calls


def test_for_numbers_nobody_reads_the_log_and_a_key_is_asked_for_once(world, monkeypatch):
    """A busy channel has new ones twice a second, for each of thousands who listen."""
    made = keys.make(None, channel=world.channel, name="overlay", scopes=["read"])
    readings, asked = counting(monkeypatch, live, "read"), counting(monkeypatch, keys.keyring, "again")
    monkeypatch.setattr(live, "ASK_FOR_KEY_EVERY_S", PATIENCE_S)

    async def scenario() -> tuple[int, int]:
        numbers = feed()
        watches = Watches(numbers, no_pause)
        start = await in_thread(sync.begin)
        async with (
            following(numbers, watches, world.channel, start, who=Keyholder(made.key, None)) as one,
            following(numbers, watches, world.channel, start, who=Keyholder(made.key, None)) as other,
        ):
            both = [Reader(one), Reader(other)]
            await in_thread(world.redeem, "r1")
            for reader in both:
                await reader.next("redemption")
            before = len(readings)
            for _ in range(10):
                numbers._rooms[world.channel.pk].take({"emotes": []}, 0)
                for reader in both:
                    await reader.next("numbers")
            return len(readings) - before, len(asked)

    more, questions = run(scenario)
    assert more < 10  # those two, once more, when the watch finds what they were told already
    assert questions == 1


def test_who_was_away_for_long_has_nobody_woken_for_what_is_long_over(world, monkeypatch):
    monkeypatch.setattr(live, "MOST", 1)
    start = sync.begin()
    world.redeem("r1", "r2", "r3")

    async def scenario() -> bool:
        watch, listener = live.Watch(feed(), world.channel, start.database), Page()
        watch.listeners.add(listener)
        await watch._look()
        listener.woken.clear()
        await watch._look()
        return listener.woken.is_set()

    assert not run(scenario)


def test_what_happened_before_the_watch_began_is_not_missed_by_who_read_earlier(world):
    start = sync.begin()

    async def scenario() -> tuple[bool, list[int]]:
        watch, listener = live.Watch(feed(), world.channel, start.database), Page()
        watch.listeners.add(listener)
        before = await watch.stretch(start.place)
        await in_thread(world.redeem, "r1")
        await watch._look()
        after = await watch.stretch(start.place)
        assert watch.news != before.news
        return listener.woken.is_set(), [len(each.stretch.events) for each in (before, after)]

    assert run(scenario) == (True, [0, 1])


def test_what_was_read_before_the_watch_began_is_thrown_away_when_it_does(world):
    """Nothing would tell it that somebody chose in between."""
    start = sync.begin()
    world.redeem("r1")

    async def scenario() -> int:
        watch = live.Watch(feed(), world.channel, start.database)
        await watch.stretch(start.place)
        await in_thread(lambda: Channel.objects.update(page_policy="opt-in"))
        await watch._look()
        shared = await watch.stretch(start.place)
        return sum(b"redemption" in told.event for told in shared.stretch.events)

    assert run(scenario) == 0


def test_what_the_watch_finds_while_somebody_reads_has_them_look_once_more(world, monkeypatch):
    start = sync.begin()
    world.redeem("r1")

    async def scenario() -> bool:
        watch = live.Watch(feed(), world.channel, start.database)

        def found_meanwhile(*args: Any) -> live.Stretch:
            found = read(*args)
            watch._wake()
            return found

        monkeypatch.setattr(live, "read", found_meanwhile)
        return (await watch.stretch(start.place)).news < watch.news

    assert run(scenario)


def test_who_comes_to_a_log_that_is_longer_than_is_read_at_once_is_told_all_of_it(world, monkeypatch):
    monkeypatch.setattr(live, "MOST", 2)
    monkeypatch.setattr(live.Watch, "_wake", lambda watch: None)
    start = sync.begin()
    world.redeem(*(redeemed := [f"r{n}" for n in range(5)]))

    async def scenario() -> list[str]:
        numbers = feed()
        async with following(numbers, Watches(numbers, no_pause), world.channel, start) as events:
            reader = Reader(events)
            return [(await reader.next("redemption"))["id"] for _ in redeemed]

    assert run(scenario) == redeemed


def test_numbers_that_come_while_others_are_told_are_told_next(world):
    """The channel may be quiet then, and these the last for hours."""

    async def scenario() -> list[int]:
        numbers = feed()
        start = await in_thread(sync.begin)
        async with following(numbers, Watches(numbers, no_pause), world.channel, start) as events:
            reader, told = Reader(events), []
            await anext(events)
            for total in (1, 2):
                numbers._rooms[world.channel.pk].take({"emotes": [], "total": total}, 0)
                told.append((await reader.next("numbers"))["total"])
            return told

    assert run(scenario) == [1, 2]


def test_who_goes_on_at_another_place_is_not_waited_for(world, monkeypatch):
    start = sync.begin()
    world.redeem("r1", "r2")
    (first, _) = read(world.channel, start.database, start.place).events
    both = Barrier(2)

    def together(*args: Any) -> live.Stretch:
        both.wait(PATIENCE_S / 4)
        return read(*args)

    async def scenario() -> list[int]:
        watch = live.Watch(feed(), world.channel, start.database)
        found = await asyncio.gather(watch.stretch(start.place), watch.stretch(first.place))
        return [len(each.stretch.events) for each in found]

    monkeypatch.setattr(live, "read", together)
    assert run(scenario) == [2, 1]


def test_who_goes_on_at_the_same_place_shares_what_was_read(world, monkeypatch):
    start = sync.begin()
    world.redeem("r1")
    calls = counting(monkeypatch, live, "read")

    async def scenario() -> None:
        watch = live.Watch(feed(), world.channel, start.database)
        await asyncio.gather(*(watch.stretch(start.place) for _ in range(5)))

    run(scenario)
    assert len(calls) == 1


def test_a_slow_reader_holds_nobody_up(world):
    async def scenario() -> str:
        numbers = feed()
        watches = Watches(numbers, no_pause)
        start = await in_thread(sync.begin)
        async with (
            following(numbers, watches, world.channel, start) as slow,
            following(numbers, watches, world.channel, start) as quick,
        ):
            await anext(slow)  # and then nothing more
            reader = Reader(quick)
            await in_thread(world.redeem, "r1", "r2")
            await reader.next("redemption")
            return str((await reader.next("redemption"))["id"])

    assert run(scenario) == "r2"


def address(world: World) -> str:
    return f"/api/v1/channels/{world.channel.twitch_id}/live/"


@pytest.mark.parametrize(
    ("change", "goes_on"),
    [({"networks": ["203.0.113.0/24"]}, False), ({"scopes": ["messages"]}, False), ({"networks": ["127.0.0.1"]}, True)],
)
def test_a_feed_ends_when_its_key_may_no_longer_do_what_it_does_from_there(world, change, goes_on):
    made = keys.make(None, channel=world.channel, name="overlay", scopes=["read"])

    def alter() -> None:
        ApiKey.objects.update(**change)
        keys.forget_once_committed()
        world.redeem("r1")

    @async_to_sync
    async def listened() -> bool:
        headers = {"accept": "text/event-stream", "authorization": f"Bearer {made.secret}"}
        answer: Any = await AsyncClient().get(address(world), headers=headers)
        async with aclosing(answer.streaming_content) as events:
            await anext(events)
            await in_thread(alter)
            return await anext(events, None) is not None

    assert listened() == goes_on


@async_to_sync
async def opened(where: str) -> tuple[Any, bytes]:
    """The answer, and the first event of its stream."""
    answer: Any = await AsyncClient().get(where, headers={"accept": "text/event-stream"})
    first = await anext(answer.streaming_content)
    await answer.streaming_content.aclose()
    return answer, first


def test_over_http_it_is_a_stream_of_events_that_nobody_keeps(world):
    answer, first = opened(address(world))
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/event-stream")
    assert answer["Cache-Control"] == "no-store"
    assert first.startswith(b"retry: 2000\nid: ")


@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        ("?since=nonsense", "", 400),
        ("?other=1", "", 400),
        ("", "nonsense", 400),
        ("?since=2001-01-01T00:00:00Z", "", 410),
    ],
)
def test_what_cannot_be_resumed_is_refused_before_it_begins(world, client, query, header, status):
    headers = {"last-event-id": header} if header else {}
    response = client.get(address(world) + query, headers=headers)
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"


def test_the_last_event_counts_more_than_the_address_it_came_by(world, client):
    start = sync.begin().written(world.channel.pk, "live")
    response = client.get(f"{address(world)}?since=nonsense", headers={"last-event-id": start})
    assert response.status_code == 200


def test_no_more_feeds_are_opened_than_there_is_room_for(world, client, settings):
    settings.LIVE_PAGES = 0
    response = client.get(address(world))
    assert (response.status_code, response["Retry-After"]) == (503, "60")
