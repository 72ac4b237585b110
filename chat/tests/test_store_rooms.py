"""Which channel a line belongs to: its id decides, its name is only what it is called now."""

import pytest
from django.db import transaction

from chat.ingest.rooms import channel_of_room
from chat.ingest.store import Store
from chat.models import Message
from chat.tests.factories import ChannelFactory
from chat.tests.lines import clearchat, moment, number_of, privmsg, read, roomstate, usernotice
from streams.models import Channel, Gap

pytestmark = pytest.mark.django_db(transaction=True)

ROOM = number_of("example")


def write(*lines: bytes) -> None:
    Store().write(read(*lines))


def channels() -> list[tuple[str | None, str | None, bool]]:
    return list(Channel.objects.order_by("pk").values_list("login", "twitch_id", "is_followed"))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(roomstate(), id="ROOMSTATE"),
        pytest.param(privmsg(), id="PRIVMSG"),
        pytest.param(usernotice("sub"), id="USERNOTICE"),
        pytest.param(clearchat("bob"), id="CLEARCHAT"),
    ],
)
def test_a_channel_that_was_followed_by_name_learns_its_id_from(line):
    ChannelFactory.create(twitch_id=None)
    write(line)
    assert channels() == [("example", ROOM, True)]


def test_a_channel_nobody_follows_is_known_but_not_followed():
    write(privmsg())
    assert channels() == [("example", ROOM, False)]


def test_a_name_in_capitals_is_the_same_channel():
    ChannelFactory.create(twitch_id=None)
    write(privmsg().replace(b"#example", b"#Example"))
    assert channels() == [("example", ROOM, True)]


def test_a_channel_that_is_known_by_id_stays_as_it_is_under_another_name():
    ChannelFactory.create(login="before", twitch_id=ROOM)
    write(privmsg())
    assert channels() == [("before", ROOM, True)]
    assert Message.objects.get().channel.login == "before"


def test_a_renamed_channel_that_is_followed_again_becomes_one():
    before = ChannelFactory.create(login="before", twitch_id=ROOM, is_followed=False)
    after = ChannelFactory.create(login="example", twitch_id=None)
    Gap.objects.create(channel=after, started_at=moment(0), ended_at=moment(9), reason="")
    write(privmsg())
    assert channels() == [("example", ROOM, True)]
    assert (Gap.objects.get().channel, Message.objects.get().channel) == (before, before)


@pytest.fixture
def forgotten(monkeypatch):
    calls: list[list[str]] = []
    monkeypatch.setattr("streams.pages.forget", lambda logins: calls.append(sorted(logins)))
    return calls


def test_pages_under_the_old_name_of_a_renamed_channel_are_forgotten(forgotten):
    ChannelFactory.create(login="before", twitch_id=ROOM, is_followed=False)
    ChannelFactory.create(login="example", twitch_id=None)
    write(privmsg())
    assert forgotten == [["before", "example"]]


def test_pages_of_a_channel_whose_name_another_took_over_are_forgotten(forgotten):
    ChannelFactory.create(twitch_id="999", is_followed=False)
    write(privmsg())
    assert forgotten == [["example"]]


def test_a_page_that_was_kept_is_not_shown_under_the_old_name(redis_client, client, settings):
    settings.PAGE_CACHE_SECONDS = 60
    ChannelFactory.create(login="before", twitch_id=ROOM)
    assert client.get("/c/before/").status_code == 200
    ChannelFactory.create(login="example", twitch_id=None)
    write(privmsg())
    assert client.get("/c/before/").status_code == 404


def test_nothing_is_forgotten_where_no_name_passes_on(forgotten):
    ChannelFactory.create(twitch_id=None)
    write(privmsg())
    assert forgotten == []


def test_a_channel_is_renamed_while_redis_is_away(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    ChannelFactory.create(login="before", twitch_id=ROOM)
    ChannelFactory.create(login="example", twitch_id=None)
    with transaction.atomic():
        assert channel_of_room(ROOM, "example").login == "example"


def test_a_name_that_another_channel_took_over_passes_to_it():
    ChannelFactory.create(twitch_id="999", is_followed=False)
    write(privmsg())
    assert channels() == [(None, "999", False), ("example", ROOM, False)]


def test_a_followed_channel_keeps_its_name_whoever_else_uses_it():
    ChannelFactory.create(twitch_id="999")
    write(privmsg())
    assert channels() == [("example", "999", True), (None, ROOM, False)]


def test_a_strangers_messages_never_mix_with_those_of_a_followed_channel():
    followed = ChannelFactory.create(twitch_id="999")
    write(privmsg("of a stranger"), privmsg("of ours", room_id="999"))
    assert Message.objects.get(channel=followed).text == "of ours"


def test_channels_are_met_once():
    store = Store()
    assert [len(store.meet(read(roomstate()))) for _ in range(2)] == [1, 0]


def test_two_stores_meet_the_same_channel():
    assert Store().meet(read(roomstate())) == Store().meet(read(roomstate()))
