"""Somebody is erased, or purged: told as when they hid, where they were last shown, and to nobody who knew already."""

import json
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chat import purge
from chat.api import live
from chat.erasure import erase
from chat.models import ChatEvent, Emote, Redemption, Reward
from chat.tests.api.test_hidden import OF_VIEWERS, Readers, rows_come, told_by_list, told_by_webhook, told_live
from chat.tests.api.world import WREN, World, make_rows, make_viewer, make_world
from chat.tests.patience import until_in_threads
from chat.tests.writers import in_thread, waiting
from chat.webhookevents import OfWhoIsGone
from streams import sync
from streams.models import Change, Channel, Delivery
from streams.webhooks.delivering import content_of
from streams.webhooks.events import GONE, Found
from streams.webhooks.telling import tell
from streamstats.api import changes
from viewers import choices
from viewers.models import Profile, Viewer, ViewerTotal

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)
LISTS = {f"{name} 0 by {most}" for name in OF_VIEWERS for most in (1, 200)}

Deed = Callable[[World], Any]


@pytest.fixture
def world(redis_client: Any) -> World:
    return make_world()


def be_erased(world: World) -> None:
    assert erase(choices.ask_to_erase(world.wren))


def be_purged(world: World) -> None:
    made = purge.ask(world.channel, None, not_seen_since=datetime.now(UTC).date())
    purge.carry_out(made.pk)
    purge.confirm(made, None, str(world.channel.login), datetime.now(UTC))
    purge.carry_out(made.pk)


BOTH = pytest.mark.parametrize("go", [be_erased, be_purged])


def names_gone(told: dict[str, Any]) -> set[str]:
    """Who tells that they are gone."""
    live_event = b'event: gone\ndata: {"viewer":"%s"}\n\n' % WREN.encode()
    return {name for name, each in told.items() if ("gone", WREN) in each or live_event in each}


@BOTH
@pytest.mark.parametrize("where", ["everywhere", "here"])
def test_whoever_was_told_that_they_hid_is_told_nothing_more(world, go, where):
    before = sync.begin()
    choices.hide(world.wren, None if where == "everywhere" else world.channel)
    readers = Readers(world, before, sync.begin())
    told = readers.told()
    rows_come(world)
    go(world)
    after = readers.told()
    assert names_gone(after) == names_gone(told) == {*LISTS, "live 0"}
    assert {name: each for name, each in after.items() if " 1" in name} == {
        name: each for name, each in told.items() if " 1" in name
    }
    assert "late" not in str(after)
    assert after["webhook"] == told["webhook"]


@BOTH
def test_who_hid_longer_ago_than_the_log_is_kept_is_named_by_nobody(world, go):
    choices.hide(world.wren)
    Change.objects.all().delete()
    readers = Readers(world, sync.begin())
    go(world)
    told = readers.told()
    assert names_gone(told) == set()
    assert WREN not in str(told)
    assert "r1" not in str(told["redemptions 0 by 200"])


@BOTH
def test_who_was_never_shown_where_pages_are_opt_in_is_named_by_nobody(world, go):
    Channel.objects.update(page_policy="opt-in")
    readers = Readers(World(Channel.objects.get(), world.stream, world.wren, world.shy), sync.begin())
    go(world)
    told = readers.told()
    assert (names_gone(told), told["webhook"]) == (set(), [])
    assert not Delivery.objects.filter(event=GONE).exists()


def test_who_asked_for_a_page_there_is_gone(world):
    Channel.objects.update(page_policy="opt-in")
    channel = Channel.objects.get()
    choices.show(world.wren, channel)
    readers = Readers(World(channel, world.stream, world.wren, world.shy), sync.begin())
    be_erased(world)
    told = readers.told()
    assert names_gone(told) == {*LISTS, "live 0"}
    assert [(event, content["data"]["viewer"]) for event, content in told["webhook"]] == [(GONE, WREN)]


@BOTH
def test_who_was_shown_until_then_is_gone_once_and_no_row_is_named(world, go):
    readers = Readers(world, sync.begin())
    go(world)
    told = readers.told()
    assert names_gone(told) == {*LISTS, "live 0"}
    assert all([each for each in told[name] if each[0] != "row"] == [("gone", WREN)] for name in LISTS)
    assert len(told["live 0"]) == len([each for each in told["live 0"] if b"event: stream" in each]) + 1
    assert [event for event, _ in told["webhook"] if event == GONE] == [GONE]
    begun = sync.begin()
    assert all(told_by_list(name, world.channel, begun, 200) == [] for name in OF_VIEWERS)


def test_who_hid_and_was_shown_again_is_gone_for_all_who_were_told_of_that(world):
    before = sync.begin()
    choices.hide(world.wren)
    hidden = sync.begin()
    choices.show(world.wren)
    readers = Readers(world, before, hidden, sync.begin())
    be_erased(world)
    told = readers.told()
    assert names_gone(told) == {name for name in told if name != "webhook"}


def test_a_moderator_who_hides_their_page_later_changes_nothing(world):
    before = sync.begin()
    Viewer.objects.filter(pk=WREN).update(hidden_at=datetime.now(UTC) - DAY)
    Change.objects.update(at=datetime.now(UTC) - DAY)
    hidden = sync.begin()
    choices.remove_page(world.wren, world.channel)
    readers = Readers(world, before, hidden)
    told = readers.told()
    assert names_gone(told) == {*LISTS, "live 0"}
    be_erased(world)
    assert names_gone(readers.told()) == names_gone(told)


@BOTH
def test_gifts_to_who_hid_are_told_without_a_name_to_those_alone_who_had_that(world, go):
    giver = make_viewer(world.channel, "1009", "giver")
    Viewer.objects.filter(pk="1009").update(stopped_at=None)
    giver.totals.update(last_seen_at=datetime.now(UTC) + DAY)
    gift = {"channel": world.channel, "viewer": giver, "kind": "subgift", "recipient_id": WREN}
    ChatEvent.objects.create(id="before", **gift, occurred_at=datetime.now(UTC))
    before = sync.begin()
    choices.hide(world.wren)
    between = sync.begin()
    ChatEvent.objects.create(id="later", **gift, occurred_at=datetime.now(UTC))
    after = sync.begin()
    go(world)
    given = [
        [json.loads(row)["id"] for kind, row in told_by_list("events", world.channel, cursor, 1) if kind == "row"]
        for cursor in (before, between, after)
    ]
    assert given == [["before", "later"], ["later"], []]
    rows = [row for kind, row in told_by_list("events", world.channel, before, 200) if kind == "row"]
    assert {json.loads(row)["recipient"] for row in rows} == {None}


def test_others_who_hid_are_not_named_by_what_is_cleaned_of_a_name(world):
    """A page, and what was asked for with points: both name the erased, and are of somebody who hid."""
    hidden = make_viewer(world.channel, "1009", "hidden")
    make_rows(world.channel, world.stream, hidden, Emote.objects.get(), Reward.objects.get(), 9)
    Redemption.objects.filter(viewer=hidden).update(text="for @wren")
    choices.hide(hidden)
    cursor = sync.begin()
    be_erased(world)
    assert Redemption.objects.get(viewer=hidden).text == "for …"
    Redemption.objects.filter(viewer=hidden).delete()
    for name in OF_VIEWERS:
        assert [each for each in told_by_list(name, world.channel, cursor, 200) if each[0] != "row"] == [("gone", WREN)]


def test_who_comes_back_is_gone_before_what_they_did_since(world):
    cursor = sync.begin()
    be_purged(world)
    rows_come(world)
    told = told_live(world.channel, cursor)
    kinds = [each.split(b"\n")[0].removeprefix(b"event: ").decode() for each in told]
    assert kinds.index("gone") < kinds.index("redemption")
    assert kinds.count("gone") == 1


def test_who_read_as_far_as_that_somebody_hid_is_not_told_again(world):
    cursor = sync.begin()
    choices.hide(world.wren)
    stretch = live.read(world.channel, cursor.database, cursor.place)
    (gone,) = stretch.events
    be_erased(world)
    for place in (stretch.next, gone.place):
        assert told_live(world.channel, cursor._replace(place=place)) == []
    assert len(told_live(world.channel, cursor)) >= 1


@BOTH
def test_who_is_taken_out_while_a_list_is_read_is_told_all_the_same(world, client, monkeypatch, go):
    """The log, which is read first, says that they hid; and when they are looked for, they are there no more."""
    cursor = sync.begin().written(world.channel.pk, "usage")
    choices.hide(world.wren)

    def find_later(*_asked: object) -> list[Any]:
        in_thread(go, world).result(timeout=60)
        return []

    monkeypatch.setattr(type(OF_VIEWERS["usage"]), "find", find_later)
    answer = client.get(f"/api/v1/channels/{world.channel.twitch_id}/usage/?since={cursor}").json()
    assert answer["gone"] == [WREN]


@BOTH
def test_who_is_taken_out_while_deliveries_are_made_is_told_all_the_same(world, monkeypatch, go):
    readers = Readers(world)
    choices.hide(world.wren)
    begun: list[Future[Any]] = []
    look = OfWhoIsGone.found

    def found_later(*asked: Any) -> list[Found]:
        begun.append(in_thread(go, world))
        until_in_threads(lambda: waiting(1)() or begun[0].done())
        return list(look(*asked))

    with monkeypatch.context() as patched:
        patched.setattr(OfWhoIsGone, "found", found_later)
        tell(datetime.now(UTC))
    begun[0].result(timeout=60)
    tell(datetime.now(UTC))
    assert [content and content["data"]["viewer"] for _, content in told_by_webhook(readers.webhook)] == [WREN]


def test_a_delivery_that_waits_is_sealed_and_still_says_it(world):
    readers = Readers(world, sync.begin())
    asked = choices.ask_to_erase(world.wren)
    tell(datetime.now(UTC))
    assert Delivery.objects.get(event=GONE).key == WREN
    assert erase(asked)
    (gone,) = readers.webhook.deliveries.filter(event=GONE)
    assert (gone.key, gone.viewer_id, gone.body) == ("", "", None)
    content = content_of(gone)
    assert content
    assert content["data"]["viewer"] == WREN
    tell(datetime.now(UTC))
    assert readers.webhook.deliveries.filter(event=GONE).count() == 1


def one_by_one(world: World, people: list[Viewer]) -> None:
    for viewer in people:
        choices.hide(viewer)


def together(world: World, people: list[Viewer]) -> None:
    """In one transaction, within which pages end."""
    choices.remove_pages(world.channel, [viewer.pk for viewer in people], None)


def be_erased_of_many(_world: World, viewer: Viewer) -> None:
    assert erase(choices.ask_to_erase(viewer))


def be_purged_of_many(world: World, viewer: Viewer) -> None:
    ViewerTotal.objects.exclude(viewer=viewer).update(last_seen_at=datetime.now(UTC) + DAY)
    be_purged(world)


def page_of(name: str, channel: Channel, cursor: sync.Cursor, most: int) -> tuple[set[str], sync.Cursor | None]:
    """Who is gone there, and where the next page begins."""
    found = changes(OF_VIEWERS[name], channel, cursor, most)
    gone = OF_VIEWERS[name].absent(channel, [], found.written).gone
    return set(gone), None if found.is_all else found.next


@pytest.mark.parametrize("hide", [one_by_one, together])
@pytest.mark.parametrize("go", [be_erased_of_many, be_purged_of_many])
def test_no_cursor_says_who_of_the_hidden_is_erased_or_purged(world, hide, go):
    """Whoever asks again for the pages that they had is told the same names by each, and sent on to the same place."""
    people = [make_viewer(world.channel, f"20{number:02}", f"p{number}") for number in range(9)]
    at, gift = datetime.now(UTC), {"channel": world.channel, "viewer": world.wren, "kind": "subgift"}
    for viewer in people:
        for number in range(2):
            ChatEvent.objects.create(id=f"{viewer.pk} {number}", **gift, recipient_id=viewer.pk, occurred_at=at)
    before = sync.begin()
    hide(world, people)
    had: dict[tuple[str, int, sync.Cursor], tuple[set[str], sync.Cursor | None]] = {}
    for name in ("viewers", "events"):
        for most in (1, 50):
            cursor: sync.Cursor | None = before
            while cursor:
                had[name, most, cursor] = page_of(name, world.channel, cursor, most)
                _, cursor = had[name, most, cursor]
    assert {name for (name, most, _), (_, then) in had.items() if most == 50 and then} == {"viewers", "events"}
    for viewer in people[5:7]:  # the last of a page by 50, and the first of the next one
        go(world, viewer)
    for (name, most, cursor), (gone, following) in had.items():
        again, then = page_of(name, world.channel, cursor, most)
        assert (again, then if following else None) == (gone, following), (name, most)


def test_the_log_names_nobody_who_was_erased_in_the_clear(world):
    choices.hide(world.wren, world.channel)
    be_erased(world)
    named = [each for each in Change.objects.all() if WREN in (each.key.partition(":")[0], each.whose)]
    assert [each.resource for each in named if each.resource not in {"sessions", "emotes", "segments"}] == []
    assert not Profile.objects.filter(viewer=WREN).exists()
