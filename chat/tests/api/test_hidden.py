"""Somebody hides, and goes on: whatever they do then, nobody who reads the API is told anything by it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chat.api import live
from chat.models import ChatEvent, Emote, Redemption, Reward, ViewerEmote
from chat.tests.api.world import STREAM, WREN, World, make_rows, make_viewer, make_world
from streams import sync
from streams.models import Channel, Webhook
from streams.webhooks.delivering import content_of
from streams.webhooks.events import NAMES
from streams.webhooks.telling import begin, tell
from streamstats.api import RESOURCES, changes
from viewers import choices
from viewers.api import OfViewers
from viewers.models import Award, Profile, Standing, Summary, Viewer, ViewerTotal, ViewSession

pytestmark = pytest.mark.django_db(transaction=True)

OF_VIEWERS = {name: each for name, each in RESOURCES.items() if isinstance(each, OfViewers)}
MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(redis_client: Any) -> World:
    return make_world()


def told_by_list(name: str, channel: Channel, cursor: sync.Cursor, most: int) -> list[tuple[str, str]]:
    """What a list tells from a cursor on, page by page, in order."""
    resource, told = OF_VIEWERS[name], []
    while True:
        page = changes(resource, channel, cursor, most)
        rows = resource.find(channel, page.keys)
        named = {resource.key_of(row) for row in rows}
        absent = resource.absent(channel, [key for key in page.keys if key not in named], page.written)
        told += [("row", json.dumps(row)) for row in rows]
        told += [("deleted", key) for key in absent.deleted] + [("gone", viewer) for viewer in absent.gone]
        if page.is_all:
            return told
        cursor = page.next


def told_live(channel: Channel, cursor: sync.Cursor) -> list[bytes]:
    """The events of the feed, without where they stand in the log."""
    return [each.event.split(b"\n", 1)[1] for each in live.read(channel, cursor.database, cursor.place).events]


def told_by_webhook(webhook: Webhook) -> list[Any]:
    tell(datetime.now(UTC))
    return [(each.event, content_of(each)) for each in webhook.deliveries.order_by("pk")]


class Readers:
    """Whoever reads: from before somebody hid, and from after."""

    def __init__(self, world: World, *cursors: sync.Cursor) -> None:
        self.channel, self.cursors = world.channel, cursors
        self.webhook = Webhook(channel=world.channel, url="https://example.org/", events=sorted(NAMES), secret="s")
        begin(self.webhook, datetime.now(UTC))
        self.webhook.save()

    def told(self) -> dict[str, Any]:
        everything: dict[str, Any] = {"webhook": told_by_webhook(self.webhook)}
        for number, cursor in enumerate(self.cursors):
            everything[f"live {number}"] = told_live(self.channel, cursor)
            for name in OF_VIEWERS:
                for most in (1, 200):
                    everything[f"{name} {number} by {most}"] = told_by_list(name, self.channel, cursor, most)
        return everything


def rows_come(world: World) -> None:
    now = datetime.now(UTC)
    whose: dict[str, Any] = {"channel": world.channel, "viewer": world.wren}
    emote = Emote.objects.create(id=7, provider="7tv", provider_id="x", name="x")
    spent = {"reward": Reward.objects.get(), "cost": 1, "redeemed_at": now, "status": "unfulfilled"}
    ViewSession.objects.create(id=70, **whose, stream_id=STREAM, source="chatters", started_at=now)
    ViewerEmote.objects.create(**whose, emote=emote, uses=1, first_day=now, last_day=now)
    Redemption.objects.create(id="late", **whose, **spent)
    for pk in ("late", "better"):
        ChatEvent.objects.create(id=pk, **whose, kind="resub", occurred_at=now)
    Award.objects.create(**whose, achievement="messages", level=1, earned_at=now, value=1)


def rows_change(world: World) -> None:
    now = datetime.now(UTC)
    ViewSession.objects.filter(viewer=WREN).update(ended_at=now + MINUTE, ended_by="absent")
    ViewerEmote.objects.filter(viewer=WREN).update(uses=9)
    Redemption.objects.filter(viewer=WREN).update(status="canceled")
    ChatEvent.objects.filter(pk="late").update(same_as="better")
    Award.objects.filter(viewer=WREN).update(value=3)
    Standing.objects.filter(viewer=WREN).update(messages=999)
    ViewerTotal.objects.filter(viewer=WREN).update(last_seen_at=now)
    Viewer.objects.filter(pk=WREN).update(display_name="Wrenn")
    Profile.objects.filter(viewer=WREN).update(current=None)


def rows_go(world: World) -> None:
    for table in (ViewSession, ViewerEmote, Redemption, ChatEvent, Award, Standing, Summary):
        table.objects.filter(viewer=WREN).delete()
    choices.stop(world.wren)


@pytest.mark.parametrize("where", ["everywhere", "here"])
def test_nothing_that_anybody_is_told_changes_with_what_somebody_hidden_does(world, where):
    before = sync.begin()
    choices.hide(world.wren, None if where == "everywhere" else world.channel)
    readers = Readers(world, before, sync.begin())
    told = readers.told()
    assert {name for name, each in told.items() if ("gone", WREN) in each} == {
        f"{name} 0 by {most}" for name in OF_VIEWERS for most in (1, 200)
    }
    assert told["live 0"] == [b'event: gone\ndata: {"viewer":"%s"}\n\n' % WREN.encode()]
    for deed in (rows_come, rows_change, rows_go):
        deed(world)
        assert readers.told() == told, deed


def test_who_is_shown_again_is_told_with_all_that_they_did(world):
    choices.hide(world.wren)
    cursor = sync.begin()
    ViewerEmote.objects.filter(viewer=WREN).update(uses=99)
    choices.show(world.wren)
    ((kind, row),) = told_by_list("usage", world.channel, cursor, 200)
    assert (kind, json.loads(row)["uses"]) == ("row", 99)


def test_who_was_never_here_before_they_hid_is_told_by_nobody(world):
    """Somebody hid everywhere, came for the first time then, and hides here, too."""
    newcomer = make_viewer(world.channel, "1009", "newcomer", hidden_at=datetime(2025, 1, 1, tzinfo=UTC))
    cursor = sync.begin()
    make_rows(world.channel, world.stream, newcomer, Emote.objects.get(), Reward.objects.get(), 9)
    choices.hide(newcomer, world.channel)
    assert [told_by_list(name, world.channel, cursor, 200) for name in OF_VIEWERS] == [[]] * len(OF_VIEWERS)
    assert told_live(world.channel, cursor) == []


def test_where_pages_are_opt_in_nobody_is_told_of_who_never_asked_for_one(world):
    Channel.objects.update(page_policy="opt-in")
    channel = Channel.objects.get()
    cursor = sync.begin()
    choices.hide(world.wren, channel)
    choices.hide(world.wren)
    assert [told_by_list(name, channel, cursor, 200) for name in OF_VIEWERS] == [[]] * len(OF_VIEWERS)
    assert told_live(channel, cursor) == []


def test_what_is_given_to_somebody_hidden_stays_with_the_giver_and_is_told_without_a_name_once(world):
    giver = make_viewer(world.channel, "1009", "giver")
    gift = {"channel": world.channel, "viewer": giver, "kind": "subgift", "recipient_id": WREN}
    ChatEvent.objects.create(id="before", **gift, occurred_at=datetime.now(UTC))
    cursor = sync.begin()
    choices.hide(world.wren)
    (known, gone) = told_by_list("events", world.channel, cursor, 1)
    assert (json.loads(known[1])["recipient"], gone) == (None, ("gone", WREN))
    ChatEvent.objects.create(id="after", **gift, occurred_at=datetime.now(UTC))
    told = told_by_list("events", world.channel, cursor, 1)
    assert [json.loads(row)["id"] for kind, row in told if kind == "row"] == ["before", "after"]
