"""What a stored message and its counters say."""

from datetime import date, timedelta

import pytest

from chat import partitions
from chat.ingest.store import Store
from chat.models import ChatMinute, Emote, EmoteDay, EmoteUsage, Message
from chat.tests.factories import ChannelFactory, EntryFactory
from chat.tests.lines import DAY, MINUTE, NOON, mirrored, moment, number_of, privmsg, read, usernotice
from chat.tests.tables import channel, counted_again, counters
from streams.models import ChannelDay
from viewers.models import ViewerDay, ViewerTotal

pytestmark = pytest.mark.django_db(transaction=True)


def ready_store() -> Store:
    store = Store()
    store.load_all_sets()
    return store


def test_a_message_is_stored_with_everything_it_tells():
    line = privmsg(
        "\x01ACTION waves\x01",
        at=1.234,
        id="m1",
        badges="vip/1",
        badge_info="subscriber/9",
        bits="5",
        custom_reward_id="r1",
        first_msg="1",
        msg_id="highlighted-message",
        reply_parent_msg_id="p1",
        reply_parent_user_id="77",
        reply_thread_parent_msg_id="t1",
        returning_chatter="1",
    )
    Store().write(read(line))
    stored: dict[str, object] = dict(Message.objects.values().get())
    assert stored.pop("stored_in")
    assert stored == {
        "id": "m1",
        "channel_id": channel().pk,
        "viewer_id": number_of("alice"),
        "sent_at": moment(1.234),
        "text": "waves",
        "is_action": True,
        "is_first": True,
        "is_returning": True,
        "bits": 5,
        "badges": "vip/1",
        "badge_info": "subscriber/9",
        "notice": "highlighted-message",
        "reward_id": "r1",
        "reply_to_id": "p1",
        "reply_to_viewer_id": "77",
        "thread_id": "t1",
        "source_id": "",
        "source_channel_id": "",
        "emotes": [],
        "removed_at": None,
    }


def test_the_same_id_in_two_channels_is_two_messages():
    Store().write(read(privmsg(id="m1"), privmsg(id="m1", channel="another")))
    assert Message.objects.count() == 2


# Shared chat


def test_a_copy_is_stored_with_its_source():
    Store().write(read(mirrored(source_id="original")))
    copy = Message.objects.get()
    assert (copy.source_channel_id, copy.source_id) == (number_of("elsewhere"), "original")


def test_a_copy_counts_nowhere():
    Store().write(read(mirrored("Emote", user="grace", bits="5")))
    assert not any(counters().values())


def test_a_copy_does_not_stand_in_the_way_of_a_chatter():
    store = Store()
    store.write(read(mirrored(user="grace", at=0)))
    store.write(read(privmsg("my own", user="grace", at=1)))
    assert ChatMinute.objects.get().chatters == 1


def test_a_copy_uses_the_emotes_of_its_source():
    elsewhere = ChannelFactory.create(login="elsewhere")
    EntryFactory.create(name="Theirs", channel=elsewhere)
    EntryFactory.create(name="Ours", channel=ChannelFactory.create(login="example"))
    Store().write(read(privmsg(user="x", channel="elsewhere"), mirrored("Theirs Ours")))
    copy = Message.objects.get(text="Theirs Ours")
    assert [Emote.objects.get(pk=key).name for key in copy.emotes] == ["Theirs"]


def test_an_own_message_in_a_session_counts():
    Store().write(read(privmsg(id="m1", source_id="m1", source_room_id=number_of("example"))))
    assert channel().counts.messages == 1


# Chatters


@pytest.mark.parametrize(
    ("said", "chatters"),
    [
        pytest.param([("alice", 0)], [1], id="one"),
        pytest.param([("alice", 0), ("alice", 1)], [1], id="one, twice"),
        pytest.param([("alice", 0), ("bob", 1)], [2], id="two"),
        pytest.param([("alice", 0), ("alice", MINUTE)], [1, 1], id="one, in two minutes"),
        pytest.param([("alice", 59.999), ("alice", 60)], [1, 1], id="one, around the minute"),
        pytest.param([("alice", 60), ("alice", 0), ("bob", 30)], [2, 1], id="late arrival"),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_chatters_of_a_minute(said, chatters, batch_size):
    lines = [privmsg(user=user, at=at) for user, at in said]
    store = Store()
    for start in range(0, len(lines), batch_size):
        store.write(read(*lines[start : start + batch_size]))
    assert list(ChatMinute.objects.order_by("minute").values_list("chatters", flat=True)) == chatters


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_chatters_of_a_day_and_of_all_time(batch_size):
    lines = [privmsg(user=user, at=at) for at in (0, 1, DAY, DAY + 1) for user in ("alice", "bob")]
    lines.append(privmsg(user="carol", at=DAY))
    store = Store()
    for start in range(0, len(lines), batch_size):
        store.write(read(*lines[start : start + batch_size]))
    days = ChannelDay.objects.order_by("day").values_list("day", "chatters")
    assert list(days) == [(NOON.date(), 2), (NOON.date() + timedelta(days=1), 3)]
    assert channel().counts.chatters == 3


def test_a_viewer_known_by_a_subscription_becomes_a_chatter_with_a_message():
    store = Store()
    store.write(read(usernotice("sub", user="bob")))
    store.write(read(privmsg(user="bob", at=1)))
    assert channel().counts.chatters == 1


def test_a_viewer_is_counted_in_each_channel():
    Store().write(read(privmsg(), privmsg(channel="another"), privmsg("more", channel="another")))
    totals = ViewerTotal.objects.order_by("messages").values_list("channel__login", "messages")
    assert list(totals) == [("example", 1), ("another", 2)]


def test_a_day_ends_at_midnight_utc():
    Store().write(read(privmsg("before", at=DAY / 2 - 0.001), privmsg("after", at=DAY / 2)))
    assert list(ViewerDay.objects.order_by("day").values_list("day", flat=True)) == [
        date(2026, 3, 14),
        date(2026, 3, 15),
    ]


def test_bits_are_summed_up():
    Store().write(read(privmsg("a", bits="100"), privmsg("b", bits="50", user="bob")))
    assert channel().counts.bits == 150


def test_the_first_and_the_last_time_do_not_depend_on_the_order():
    store = Store()
    for at in (5, 9, 1):
        store.write(read(privmsg(at=at)))
    total = ViewerTotal.objects.get()
    assert (total.first_seen_at, total.last_seen_at) == (moment(1), moment(9))


# Emotes


def test_emotes_are_stored_in_order_once_per_use():
    EntryFactory.create(name="Emote")
    ready_store().write(read(privmsg("Emote 🎉 Kappa Emote", emotes="25:8-12")))
    names = dict(Emote.objects.values_list("pk", "name"))
    assert [names[key] for key in Message.objects.get().emotes] == ["Emote", ":party_popper:", "Kappa", "Emote"]


def test_emotes_are_counted_for_viewer_and_channel():
    EntryFactory.create(name="Emote")
    ready_store().write(read(privmsg("Emote Emote", user="alice"), privmsg("Emote", user="bob")))
    uses = EmoteUsage.objects.order_by("-uses").values_list("viewer_id", "uses")
    assert list(uses) == [(number_of("alice"), 2), (number_of("bob"), 1)]
    assert list(EmoteDay.objects.values_list("uses", flat=True)) == [3]


def test_an_emote_of_twitch_has_its_picture_where_twitch_has_it_now(settings):
    Store().write(read(privmsg("Kappa", emotes="25:0-4")))
    emote = Emote.objects.get()
    assert (emote.provider, emote.provider_id, emote.name) == ("twitch", "25", "Kappa")
    settings.TWITCH_CDN_URL = "http://elsewhere"
    assert emote.url == "http://elsewhere/emoticons/v2/25/default/dark/2.0"


def test_pages_and_the_live_feed_name_the_same_picture_of_an_emote_of_twitch():
    stored = Store().write(read(privmsg("Kappa", emotes="25:0-4")))
    (told,) = next(iter(stored.channels.values())).emotes
    assert told.url == EmoteDay.objects.all().most_used()[0]["url"] == Emote.objects.get().url


def test_an_emoji_with_and_without_its_variation_selector_is_one():
    Store().write(read(privmsg("❤️ ❤")))
    assert EmoteUsage.objects.get().uses == 2


def test_an_emote_met_under_two_names_is_one():
    Store().write(read(privmsg(":) :-)", emotes="1:0-1,3-5")))
    assert (Emote.objects.count(), EmoteUsage.objects.get().uses) == (1, 2)


def test_a_set_is_the_one_that_was_valid_when_the_message_was_sent():
    emote = EntryFactory.create(name="Before", until=moment(10)).emote
    EntryFactory.create(name="After", emote=emote, since=moment(10))
    lines = [privmsg(f"{name} {at}", at=at) for name in ("Before", "After") for at in (9.999, 10)]
    ready_store().write(read(*lines))
    said = Message.objects.exclude(emotes=[]).order_by("sent_at").values_list("text", "emotes")
    assert list(said) == [("Before 9.999", [emote.pk]), ("After 10", [emote.pk])]


def test_sets_of_a_channel_are_loaded_when_its_first_line_comes():
    EntryFactory.create(name="Emote", channel=ChannelFactory.create())
    Store().write(read(privmsg("Emote")))
    assert EmoteUsage.objects.get().uses == 1


def test_a_set_that_was_loaded_again_counts_from_then_on():
    store = ready_store()
    store.write(read(privmsg("Emote", at=0)))
    EntryFactory.create(name="Emote", channel=channel())
    store.load_set(channel().pk)
    store.write(read(privmsg("Emote", at=1)))
    assert EmoteUsage.objects.get().uses == 1


# Partitions


@pytest.fixture
def no_month_of_2015():
    yield
    partitions.drop([date(2015, 5, 1)])


IN_2015 = "1431000000000"


def test_a_month_is_made_with_its_first_message(no_month_of_2015):
    Store().write(read(privmsg(tmi_sent_ts=IN_2015)))
    assert date(2015, 5, 1) in partitions.existing()


def test_a_month_that_went_away_costs_no_message(no_month_of_2015):
    store = Store()
    store.write(read(privmsg("one", tmi_sent_ts=IN_2015)))
    partitions.drop([date(2015, 5, 1)])
    store.write(read(privmsg("two", tmi_sent_ts=IN_2015)))
    assert Message.objects.get().text == "two"
    partitions.make([date(2015, 5, 1)])
    assert Message.objects.get().text == "two"


# Queries


@pytest.mark.parametrize("messages", [1, 500])
def test_a_batch_costs_the_same_queries_however_many_messages(django_assert_max_num_queries, messages):
    EntryFactory.create(name="Emote")
    store = ready_store()
    store.write(read(privmsg("Emote", at=-1)))
    lines = [privmsg(f"Emote {n}", user=f"viewer{n % 50}", at=n / 10) for n in range(messages)]
    with django_assert_max_num_queries(22):
        store.write(read(*lines))


def test_counters_of_a_large_batch_are_right():
    EntryFactory.create(name="Emote")
    lines = [privmsg(f"Emote {n}", user=f"viewer{n % 50}", at=n) for n in range(500)]
    ready_store().write(read(*lines))
    assert counters() == counted_again()
