"""Channel points: what they were spent on, and how many each viewer spent, whatever comes first."""

import pytest
from django.db import connection

from chat import rollups
from chat.models import Redemption, Reward
from chat.tests.frames import automatic, redemption
from chat.tests.lines import DAY, NOON, moment, number_of, privmsg
from chat.tests.orders import orders, write
from chat.tests.tables import channel, counted_again, counters
from streams.models import Channel
from viewers.models import ViewerDay, ViewerTotal

pytestmark = pytest.mark.django_db(transaction=True)


def points(user: str = "alice") -> int:
    return ViewerTotal.objects.get(viewer=number_of(user)).points


def settled(status: str, *, told_at: float = 60, **changes) -> bytes:
    return redemption(status=status, told_at=told_at, part="update", **changes)


def test_points_that_were_spent_count():
    write([redemption(cost=500), redemption(cost=500, number=2), automatic(cost=100)])
    assert points() == 1100


@pytest.mark.parametrize(
    ("frames", "status", "spent"),
    [
        pytest.param([redemption()], "unfulfilled", 500, id="waiting"),
        pytest.param([redemption(), settled("fulfilled")], "fulfilled", 500, id="fulfilled"),
        pytest.param([redemption(), settled("canceled")], "canceled", 0, id="given back"),
        pytest.param([settled("canceled")], "canceled", 0, id="given back, the spending got lost"),
        pytest.param([redemption(status="fulfilled")], "fulfilled", 500, id="needs nobody"),
        pytest.param([redemption(status="of-next-year"), settled("fulfilled")], "fulfilled", 500, id="unknown"),
        pytest.param([redemption(status="of-next-year"), redemption()], "unfulfilled", 500, id="unknown, then known"),
        pytest.param(
            [redemption(), settled("canceled"), settled("canceled", told_at=61)], "canceled", 0, id="given back once"
        ),
    ],
)
def test_a_status_does_not_depend_on_what_comes_first(frames, status, spent):
    for _ in orders(*frames):
        assert (Redemption.objects.get().status, points()) == (status, spent)


def test_a_redemption_that_comes_again_changes_nothing():
    write([redemption()], [settled("canceled")], [redemption()], [settled("canceled")], [redemption(cost=9)])
    assert (points(), Redemption.objects.get().cost) == (0, 500)


def test_points_belong_to_the_day_they_were_spent_on():
    spent = redemption(at=DAY / 2 - 1)
    for _ in orders(spent, settled("canceled", at=DAY / 2 - 1, told_at=DAY), redemption(at=DAY / 2 - 1, number=2)):
        assert list(ViewerDay.objects.values_list("day", "points")) == [(NOON.date(), 500)]


@pytest.mark.parametrize("order", [1, -1])
def test_a_reward_is_known_as_it_was_told_last(order):
    frames = [
        redemption(cost=500, told_at=10),
        redemption(cost=800, told_at=20, number=2),
    ]
    for frame in frames[::order]:
        write([frame])
    assert Reward.objects.get().cost == 800
    assert points() == 1300


def test_rewards_of_twitch_have_a_name():
    write([automatic("chosen_sub_emote_unlock")])
    reward = Reward.objects.get()
    assert (reward.title, reward.is_automatic, reward.cost) == ("Chosen sub emote unlock", True, 100)


def test_what_is_known_of_a_redemption():
    write([redemption(text="water", at=5.25)])
    spent = Redemption.objects.select_related("reward").get()
    assert (spent.viewer_id, spent.text, spent.redeemed_at) == (number_of("alice"), "water", moment(5.25))
    assert (spent.reward.title, spent.reward.prompt, spent.channel) == ("Hydrate", "Do it!", channel())


def test_whoever_spends_points_was_seen():
    write([redemption(at=5)])
    total = ViewerTotal.objects.get()
    assert (total.first_seen_at, total.last_seen_at, total.messages) == (moment(5), moment(5), 0)


def test_a_redemption_of_another_channel_with_the_same_id_changes_nothing():
    write([redemption()])
    other = settled("canceled").replace(number_of("example").encode(), b"31").replace(b'"example"', b'"another"')
    write([other])
    assert (Redemption.objects.get().status, points()) == ("unfulfilled", 500)


def wrong(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET points = 77")


@pytest.mark.parametrize("table", ["viewers_viewerday", "viewers_viewertotal"])
def test_a_recount_mends_points(table):
    write([redemption(), settled("canceled"), redemption(number=2), redemption(user="bob", at=3 * DAY), privmsg()])
    wrong(table)
    rollups.rebuild(channel(), rollups.countable(channel()))
    assert counters() == counted_again()


def test_a_recount_finds_nothing_where_points_are_right():
    write([redemption(), redemption(user="bob", at=3 * DAY), privmsg()])
    assert sum(rollups.rebuild(channel(), rollups.countable(channel())).values()) == 0


def test_points_of_a_day_whose_messages_are_gone_stay():
    write([redemption(at=-3 * DAY), privmsg(at=-3 * DAY), redemption()])
    Channel.objects.update(messages_kept_from=moment(-DAY))
    rollups.rebuild(channel(), rollups.countable(channel()))
    assert points() == 1000


def test_points_that_are_given_back_long_after_are_taken_off_their_day():
    write([redemption(at=-3 * DAY), privmsg(at=-3 * DAY)])
    Channel.objects.update(messages_kept_from=moment(-DAY))
    write([settled("canceled", at=-3 * DAY, told_at=0)])
    assert (points(), ViewerDay.objects.get().points) == (0, 0)


def test_a_counter_that_was_too_low_costs_no_line():
    write([redemption()])
    wrong("viewers_viewerday")
    write([settled("canceled")])
    assert (Redemption.objects.get().status, ViewerDay.objects.get().points) == ("canceled", 0)
