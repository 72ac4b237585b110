"""Lists: page by page, narrowed, in order; nobody in them who is not shown; and what changed since."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from chat.api.messages import Messages
from chat.models import ChatEvent, Emote, Message, Redemption, Reward, ViewerEmote
from chat.synced import STORED
from chat.tests.api.test_resources import PARAMETERS, address
from chat.tests.api.world import MINUTE, NOON, SHY, STREAM, WREN, bearer, make_rows, make_viewer, make_world, under
from streams.api import keys, resources
from streams.api.resources import Synced
from streams.models import ApiKey, Change, Channel, Stream
from streamstats.api import RESOURCES
from viewers.models import Award, Profile, ViewSession

pytestmark = pytest.mark.django_db

OF_VIEWERS = [name for name, resource in RESOURCES.items() if resource.is_of_viewers]


@pytest.fixture
def world(redis_client):
    return make_world()


def pages(client, address, **query):
    """Every row of a list, by following `next`; and how many pages it took."""
    rows, number = [], 0
    answer = client.get(address, query).json()
    while True:
        number += 1
        rows += answer["results"]
        if answer["next"] is None:
            return rows, number
        answer = client.get(answer["next"]).json()


def ids(rows):
    return [row.get("id", row.get("viewer")) for row in rows]


def of_shy(client):
    """The lists that tell of somebody who is not to be seen. Three letters alone may also be in a cursor."""
    told = {name: client.get(address(name), {"q": "s"} if name == "search" else {}).content for name in OF_VIEWERS}
    return [name for name, content in told.items() if b'"1003' in content or b'"shy' in content.lower()]


def test_whoever_hides_is_in_no_list(client, world):
    assert of_shy(client) == []
    world.shy.hidden_at = None
    world.shy.save()
    assert of_shy(client) == OF_VIEWERS


def test_whose_page_a_moderator_hides_is_in_no_list(client, world):
    world.shy.hidden_at = None
    world.shy.save()
    Profile.objects.filter(viewer=world.shy).update(visibility=Profile.Visibility.REMOVED)
    assert of_shy(client) == []


def test_in_an_opt_in_channel_only_who_asked_is_in_lists(client, world):
    Channel.objects.update(page_policy="opt-in")
    assert [name for name in OF_VIEWERS if client.get(address(name), PARAMETERS.get(name)).json()["results"]] == []
    Profile.objects.filter(viewer=world.wren).update(visibility=Profile.Visibility.SHOWN)
    for name in OF_VIEWERS:
        rows, _ = pages(client, address(name), **PARAMETERS.get(name, {}))
        assert rows == [RESOURCES[name].example], name


def test_bots_are_in_no_list_of_people(client, world):
    world.wren.is_bot = True
    world.wren.save()
    left = {name for name in OF_VIEWERS if client.get(address(name), PARAMETERS.get(name)).json()["results"]}
    assert left == {"profiles", "search"}
    assert client.get(f"{under()}viewers/{WREN}/").json()["is_bot"] is True


def test_whoever_is_not_shown_has_no_page_of_their_own(client, world):
    assert [client.get(f"{under()}{name}/{SHY}/").status_code for name in ("viewers", "profiles")] == [404, 404]


def test_a_gift_names_nobody_who_is_not_shown(client, world):
    ChatEvent.objects.filter(pk="e1").update(kind="subgift", recipient_id=SHY)
    assert client.get(address("events")).json()["results"][0]["recipient"] is None
    world.shy.hidden_at = None
    world.shy.save()
    assert {row["recipient"] for row in client.get(address("events")).json()["results"]} == {SHY, None}


def test_no_list_has_words_of_chat(client, world):
    told = [client.get(address(name), PARAMETERS.get(name)).content for name in RESOURCES]
    assert not [text for text in told if b"secret" in text or b"good evening" in text]


@pytest.mark.parametrize("secret_kind", ["follow", "subscription_end"])
def test_what_chat_was_not_told_is_no_event(client, world, secret_kind):
    ChatEvent.objects.update(kind=secret_kind)
    assert client.get(address("events")).json()["results"] == []


def test_a_subscription_that_its_viewer_did_not_share_is_no_event(client, world):
    ChatEvent.objects.update(kind="sub", told_by="channel.subscribe")
    assert client.get(address("events")).json()["results"] == []


def crowd(world, most):
    for number in range(most):
        viewer = make_viewer(world.channel, f"2{number:03}", f"crowd{number}")
        ViewSession.objects.create(
            id=100 + number, channel=world.channel, stream=world.stream, viewer=viewer, source="chatters",
            started_at=NOON + number * MINUTE, ended_at=NOON + timedelta(hours=2), ended_by="absent",
        )  # fmt: skip
        ChatEvent.objects.create(
            id=f"x{number}", channel=world.channel, viewer=viewer, kind=("raid", "sub")[number % 2],
            occurred_at=NOON + number // 3 * MINUTE, amount=number,
        )  # fmt: skip
        ViewerEmote.objects.create(
            channel=world.channel, viewer=viewer, emote_id=1, uses=number // 4, first_day=NOON, last_day=NOON
        )
        Stream.objects.create(
            id=f"t{number}", channel=world.channel, started_at=NOON - (1 + number // 2) * MINUTE, ended_at=NOON
        )
        ViewSession.objects.create(  # beside the other of the same moment
            id=200 + number, channel=world.channel, stream_id=f"t{number}", viewer=viewer, source="chatters",
            started_at=NOON + number * MINUTE, ended_at=NOON + timedelta(hours=2), ended_by="absent",
        )  # fmt: skip


@pytest.mark.parametrize("policy", ["open", "opt-in"])
def test_every_page_goes_on_where_the_one_before_ended(client, world, monkeypatch, policy):
    crowd(world, 11)
    if policy == "opt-in":
        monkeypatch.setattr(resources, "LOOKED", 5)
        Channel.objects.update(page_policy="opt-in")
        for viewer in ViewSession.objects.exclude(viewer=SHY).values_list("viewer", flat=True):
            Profile.objects.update_or_create(channel=world.channel, viewer_id=viewer, defaults={"visibility": "shown"})
    for name, query in (
        ("viewers", {}),
        ("sessions", {}),
        ("sessions", {"stream": STREAM}),
        ("events", {}),
        ("events", {"kind": "raid"}),
        ("usage", {}),
        ("usage", {"emote": 1}),
        ("streams", {}),
        ("streams", {"live": "false"}),
        ("leaderboards", {"by": "messages"}),
        ("search", {"q": "c"}),
    ):
        whole, _ = pages(client, address(name), limit=200, **query)
        rows, number = pages(client, address(name), limit=2, **query)
        assert rows == whole, name
        assert number > 2
        assert len(ids(rows)) == len(set(ids(rows)))
        assert len(rows) >= (6 if query.get("kind") else 11)


def test_a_cursor_is_of_its_own_list(client, world):
    crowd(world, 3)
    link = client.get(address("viewers"), {"limit": 1}).json()["next"]
    cursor = link.partition("cursor=")[2]
    assert client.get(f"{address('events')}?cursor={cursor}").status_code == 400


def test_times_are_half_open(client, world):
    ends = {"from": "2026-05-01T12:30:00Z", "to": "2026-05-01T12:30:00.000001Z"}
    assert len(client.get(address("events"), ends).json()["results"]) == 1
    assert client.get(address("events"), {"to": ends["from"]}).json()["results"] == []


def test_only_the_fields_that_were_asked_for_are_told(client, world):
    assert client.get(address("viewers"), {"fields": "messages,id"}).json()["results"] == [
        {"id": WREN, "messages": 240}
    ]


def test_a_page_costs_few_queries_however_many_rows_it_has(client, world):
    key = bearer(keys.make(None, channel=world.channel, name="x", scopes=["read", "messages", "moderation"]).secret)

    def costs():
        told = {}
        for name in RESOURCES:
            with CaptureQueriesContext(connection) as captured:
                assert client.get(address(name), PARAMETERS.get(name), headers=key).status_code == 200
            told[name] = len(captured)
        return told

    costs()
    few = costs()
    assert max(few.values()) <= 7, few
    crowd(world, 8)
    assert costs() == few


# What changed since


def test_the_last_page_says_where_to_come_back_to(client, world):
    answer = client.get(address("streams")).json()
    assert (answer["next"], answer["deleted"]) == (None, [])
    again = client.get(address("streams"), {"since": answer["since"]}).json()
    assert again.keys() == answer.keys()


def test_a_cursor_of_changes_is_not_one_of_pages(client, world):
    since = client.get(address("streams")).json()["since"]
    assert client.get(address("streams"), {"since": since, "cursor": "x"}).status_code == 400


@pytest.mark.django_db(transaction=True)
def test_what_changed_is_told_what_went_is_deleted_and_who_hid_is_gone(client, redis_client):
    world = make_world()
    begun = {
        name: client.get(address(name)).json()["since"]
        for name in RESOURCES
        if isinstance(RESOURCES[name], Synced) and RESOURCES[name].scope is None
    }
    Stream.objects.filter(pk=STREAM).update(title="Bread, quickly")
    ChatEvent.objects.filter(pk="e1").delete()
    world.wren.hidden_at = NOON
    world.wren.save()

    def changes(name, *parts):
        answers = [client.get(address(name), {"since": begun[name]}).json()]
        while answers[-1]["next"]:
            answers.append(client.get(answers[-1]["next"]).json())
        return [[row for answer in answers for row in answer[part]] for part in parts]

    (streams,) = changes("streams", "results")
    assert [row["title"] for row in streams] == ["Bread, quickly"]
    for name in begun.keys() & set(OF_VIEWERS):
        assert changes(name, "results", "deleted", "gone") == [[], [], [WREN]], name
    assert changes("segments", "results", "deleted") == [[], []]


@pytest.mark.django_db(transaction=True)
def test_what_is_not_there_any_more_is_deleted(client, redis_client):
    make_world()
    deeds = {
        "sessions": (ViewSession.objects.filter(pk=1), "1"),
        "usage": (ViewerEmote.objects.filter(viewer=WREN), f"{WREN}:1"),
        "redemptions": (Redemption.objects.filter(pk="r1"), "r1"),
        "events": (ChatEvent.objects.filter(pk="e1"), "e1"),
        "awards": (Award.objects.filter(viewer=WREN), f"{WREN}:days:1"),
    }
    for name, (rows, key) in deeds.items():
        since = client.get(address(name)).json()["since"]
        rows.delete()
        answer = client.get(address(name), {"since": since}).json()
        assert [answer[part] for part in ("results", "deleted", "gone")] == [[], [key], []], name


@pytest.mark.django_db(transaction=True)
def test_messages_are_told_as_they_come_and_as_they_are_removed(client, redis_client):
    world = make_world()
    made = ApiKey(channel=world.channel, name="x", scopes=["messages"])  # without an entry in the log that stays
    key = bearer(keys.secret_for(made))
    made.save()
    since = client.get(address("messages"), headers=key).json()["since"]
    third = make_viewer(world.channel, "1009", "third")
    with transaction.atomic():  # as the ingest stores them
        make_rows(world.channel, world.stream, third, Emote.objects.get(), Reward.objects.get(channel=world.channel), 9)
        minute = int((NOON + 12 * MINUTE).timestamp() // 60)
        Change.objects.create(channel=world.channel, resource=STORED, key=str(minute))
    answer = client.get(address("messages"), {"since": since}, headers=key).json()
    assert (ids(answer["results"]), answer["deleted"]) == (["m9"], [])
    elsewhere = client.get(address("messages"), {"since": since, "viewer": WREN}, headers=key).json()
    assert (elsewhere["results"], elsewhere["deleted"]) == ([], ["m9"])


def test_messages_that_are_nobodys_are_not_told(client, world):
    key = bearer(keys.make(None, channel=world.channel, name="x", scopes=["messages"]).secret)
    listed = client.get(address("messages"), headers=key).json()["results"]
    Message.objects.filter(pk=listed[0]["id"]).update(viewer="", text="")
    left = client.get(address("messages"), headers=key).json()["results"]
    assert ids(left) == ids(listed)[1:]
    assert ids(Messages().find(world.channel, ids(listed))) == ids(left)
