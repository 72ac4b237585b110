"""Subscriptions and gifts; a gift bomb counts once, however its parts arrive."""

from itertools import permutations

import pytest

from chat.ingest.store import Store
from chat.models import ChatEvent
from chat.tests.lines import DAY, gift_bomb, moment, number_of, privmsg, read, usernotice
from chat.tests.tables import channel, counted_again, counters
from viewers.models import ViewerDay, ViewerTotal

pytestmark = pytest.mark.django_db(transaction=True)

BOMB = gift_bomb("bob", "carol", "dave", user="judy")


def gifts(viewer: str = "judy", room: str = "example") -> int:
    return ViewerTotal.objects.get(viewer=number_of(viewer), channel__login=room).gifts


def write(*batches: list[bytes]) -> None:
    store = Store()
    for batch in batches:
        store.write(read(*batch))


@pytest.mark.parametrize("cut", range(len(BOMB) + 1))
def test_a_bomb_counts_its_gifts_wherever_the_batch_is_cut(cut):
    write(BOMB[:cut], BOMB[cut:])
    assert gifts() == 3


@pytest.mark.parametrize("order", list(permutations(range(len(BOMB)))), ids=str)
def test_a_bomb_counts_its_gifts_in_any_order(order):
    write(*[[BOMB[place]] for place in order])
    assert gifts() == 3
    assert counters() == counted_again()


def test_a_bomb_that_comes_twice_counts_once():
    write(BOMB, BOMB, BOMB[2:], BOMB[:2])
    assert gifts() == 3


def test_the_members_count_while_the_bomb_has_not_been_seen():
    write(BOMB[2:])
    assert gifts() == 2


def test_the_bomb_counts_while_its_members_have_not_been_seen():
    write(BOMB[:1])
    assert gifts() == 3


def test_a_bomb_counts_as_announced_though_a_member_got_lost():
    write(BOMB[:-1])
    assert gifts() == 3


def test_two_bombs_of_one_giver_count_both():
    write(BOMB, gift_bomb("x", "y", user="judy", at=60, bomb="second"))
    assert gifts() == 5


def test_the_parts_of_a_bomb_may_only_share_their_origin():
    write(gift_bomb("bob", "carol", user="judy", msg_param_community_gift_id=None, msg_param_origin_id="o1"))
    assert gifts() == 2


def test_single_gifts_count_one_each():
    write([usernotice("subgift", user="judy", at=at, msg_param_recipient_id="5") for at in range(3)])
    assert gifts() == 3


def test_a_bomb_belongs_to_the_day_of_its_first_part():
    at_midnight = gift_bomb("bob", "carol", user="judy", at=DAY / 2 - 1)
    write(at_midnight[2:], at_midnight[1:2], at_midnight[:1])
    assert list(ViewerDay.objects.order_by("day").values_list("gifts", flat=True)) == [2, 0]


def test_a_giver_was_seen_from_the_first_part_to_the_last():
    write(BOMB[3:], BOMB[:3])
    total = ViewerTotal.objects.get(viewer=number_of("judy"))
    assert (total.first_seen_at, total.last_seen_at) == (moment(0), moment(3))


def test_an_anonymous_giver_has_no_counter():
    write(gift_bomb("bob", "carol", user="ananonymousgifter", user_id="274598607"))
    assert not ViewerTotal.objects.exists()


def test_an_anonymous_gift_is_an_event_without_a_viewer():
    write([usernotice("subgift", user="ananonymousgifter", user_id="274598607")])
    assert ChatEvent.objects.get().viewer_id is None


def test_a_bomb_of_the_same_name_in_another_channel_is_another():
    write(BOMB, gift_bomb("bob", user="judy", channel="another"))
    assert (gifts(), gifts(room="another")) == (3, 1)


@pytest.mark.parametrize("kind", ["sub", "resub"])
def test_a_subscription_counts_for_its_viewer(kind):
    write([usernotice(kind, user="bob"), privmsg(user="bob")])
    total = ViewerTotal.objects.get()
    assert (total.subs, total.messages) == (1, 1)


@pytest.mark.parametrize("kind", ["raid", "announcement", "giftpaidupgrade", "viewermilestone", "of-next-year"])
def test_other_notices_are_kept_and_count_nothing(kind):
    write([usernotice(kind)])
    assert (ChatEvent.objects.get().kind, ViewerTotal.objects.count()) == (kind, 0)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(usernotice("sharedchatnotice", source_msg_id="sub", source_room_id="77"), id="said so"),
        pytest.param(usernotice("resub", source_room_id="77"), id="told by its room"),
        pytest.param(usernotice("submysterygift", source_room_id="77", msg_param_mass_gift_count="5"), id="bomb"),
    ],
)
def test_a_mirrored_notice_is_kept_and_counts_nothing(line):
    write([line])
    assert (ChatEvent.objects.get().source_channel_id, ViewerTotal.objects.count()) == ("77", 0)


def test_a_subscription_makes_nobody_a_chatter():
    write([usernotice("sub", user="bob")])
    assert (channel().counts.subs, channel().counts.chatters) == (1, 0)


@pytest.mark.parametrize(
    ("kind", "params", "amount"),
    [
        ("resub", {"msg_param_cumulative_months": "9"}, 9),
        ("submysterygift", {"msg_param_mass_gift_count": "50"}, 50),
        ("subgift", {"msg_param_gift_months": "3"}, 3),
        ("raid", {"msg_param_viewerCount": "120"}, 120),
        ("viewermilestone", {"msg_param_value": "15"}, 15),
        ("modiversary", {"msg_param_months": "12"}, 12),
        ("bitsbadgetier", {"msg_param_threshold": "1000"}, 1000),
        ("raid", {"msg_param_viewerCount": "lots"}, 0),
        ("raid", {"msg_param_viewerCount": "-3"}, 0),
        ("raid", {"msg_param_viewerCount": "٣"}, 0),
        ("raid", {}, 0),
        ("announcement", {"msg_param_value": "5"}, 0),
    ],
)
def test_the_amount_of_a_notice(kind, params, amount):
    write([usernotice(kind, **params)])
    assert ChatEvent.objects.get().amount == amount


def test_a_gift_names_who_was_given_it():
    write([usernotice("subgift", msg_param_recipient_id="5")])
    assert ChatEvent.objects.get().recipient_id == "5"
