"""Who is called what: viewers keep their page through every name, and no two are mixed."""

from itertools import permutations

import pytest

from chat.ingest.store import Store
from chat.tests.lines import DAY, MINUTE, moment, number_of, privmsg, read, usernotice
from viewers.models import Viewer, ViewerName, ViewerTotal

pytestmark = pytest.mark.django_db(transaction=True)

ALICE = number_of("alice")


def write(*batches: list[bytes]) -> None:
    store = Store()
    for batch in batches:
        store.write(read(*batch))


def as_alice(name: str, at: float, **changes: str) -> bytes:
    return privmsg(user=name, at=at, user_id=ALICE, **changes)


def names() -> list[str]:
    return list(ViewerName.objects.filter(viewer=ALICE).order_by("first_seen_at").values_list("login", flat=True))


def test_a_viewer_is_named_as_in_the_message():
    write([privmsg(display_name="ALICE", color="#123456", at=5)])
    viewer = Viewer.objects.get()
    assert (viewer.twitch_id, viewer.login, viewer.display_name, viewer.color, viewer.named_at) == (
        ALICE,
        "alice",
        "ALICE",
        "#123456",
        moment(5),
    )


def test_a_viewer_is_named_by_a_notice_too():
    write([usernotice("sub", user="alice")])
    assert Viewer.objects.get().login == "alice"


def test_a_display_name_need_not_be_like_the_login():
    write([privmsg(display_name="爱丽丝")])
    assert str(Viewer.objects.get()) == "爱丽丝"


def test_a_renamed_viewer_stays_one_viewer():
    write([as_alice("alice", 0)], [as_alice("alicia", 60)])
    assert ViewerTotal.objects.get().messages == 2


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_the_newest_name_is_the_name_in_any_order(order):
    lines = [as_alice("first", 0), as_alice("second", DAY), as_alice("third", 2 * DAY)]
    write(*[[lines[place]] for place in order])
    assert Viewer.objects.get().login == "third"
    assert names() == ["first", "second", "third"]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_a_name_that_was_changed_back_is_the_name_in_any_order(order):
    lines = [as_alice("alice", 0), as_alice("oops", DAY), as_alice("alice", 2 * DAY)]
    write(*[[lines[place]] for place in order])
    assert Viewer.objects.get().login == "alice"


def test_several_names_in_one_batch_are_all_kept():
    write([as_alice("second", 60), as_alice("first", 0)])
    assert (Viewer.objects.get().login, names()) == ("second", ["first", "second"])


def test_a_new_colour_is_taken_over():
    write([privmsg(color="#000001", at=0)], [privmsg(color="#000002", at=1)])
    assert Viewer.objects.get().color == "#000002"


def test_an_old_colour_that_comes_late_is_not():
    write([privmsg(color="#000002", at=1)], [privmsg(color="#000001", at=0)])
    assert Viewer.objects.get().color == "#000002"


def test_a_name_is_known_from_its_first_message_on():
    write([privmsg(at=60)], [privmsg(at=0)])
    assert ViewerName.objects.get().first_seen_at == moment(0)


@pytest.mark.parametrize(
    ("later", "last"),
    [
        pytest.param(9 * MINUTE, 0, id="not moved on at once"),
        pytest.param(11 * MINUTE, 11 * MINUTE, id="moved on after ten minutes"),
    ],
)
def test_the_last_time_of_a_name_is_kept_to_within_ten_minutes(later, last):
    write([privmsg(at=0)], [privmsg(at=later)])
    assert ViewerName.objects.get().last_seen_at == moment(last)


def test_a_login_that_passed_to_somebody_else_is_another_viewer():
    write([privmsg("mine", user="alice", at=0)], [privmsg("now mine", user="alice", user_id="999", at=DAY)])
    assert sorted(Viewer.objects.named("alice").values_list("pk", flat=True)) == sorted([ALICE, "999"])
    assert list(ViewerTotal.objects.values_list("messages", flat=True)) == [1, 1]


def test_a_message_without_a_login_names_nobody():
    write([privmsg().replace(b" :alice!alice@alice.tmi.twitch.tv", b"")])
    assert not Viewer.objects.exists()
