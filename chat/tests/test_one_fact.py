"""A fact that chat and EventSub both tell is one fact, whichever tells it first."""

from itertools import count
from typing import Any

import pytest
from django.db import connection

from chat import rollups
from chat.ingest.store import Store
from chat.models import ChatEvent
from chat.tests.frames import bits_use, cheer, gift, raid, resubscribe, subscribe
from chat.tests.lines import DAY, gift_bomb, number_of, privmsg, usernotice
from chat.tests.orders import mixed, orders, write
from chat.tests.tables import channel, counted_again, counters, everything
from chat.tests.writers import in_thread
from viewers.models import ViewerDay, ViewerTotal

pytestmark = pytest.mark.django_db(transaction=True)

ANONYMOUS: dict[str, Any] = {"user": "ananonymousgifter", "user_id": "274598607"}
ANONYMOUS_CHEERER: dict[str, Any] = {"user": "ananonymouscheerer", "user_id": "407665396"}


def of(viewer: str) -> tuple[int, int, int]:
    """Subscriptions, gifts and bits of a viewer."""
    total = ViewerTotal.objects.filter(viewer=number_of(viewer)).first()
    return (total.subs, total.gifts, total.bits) if total else (0, 0, 0)


def facts() -> list[tuple[str, str]]:
    """What stands: kind, and who told it."""
    return sorted(ChatEvent.objects.facts().values_list("kind", "told_by"))


SUB = usernotice("sub", user="alice", at=0, msg_param_sub_plan="Prime")
RESUB = usernotice("resub", user="alice", at=0, msg_param_cumulative_months="9", text="nine months")
BOMB = gift_bomb("bob", "carol", user="judy", at=0)
SINGLE = usernotice("subgift", user="judy", at=0, msg_param_recipient_id=number_of("bob"))
CHEERED = privmsg("Cheer100 well done", user="alice", at=0, bits="100")
RAIDED = usernotice("raid", user="ivan", at=0, msg_param_viewerCount="120")

# Lines -> what alice and judy have of (subs, gifts, bits), and how many facts there are.
SAME = {
    "sub": ([SUB, subscribe(at=2)], (1, 0, 0), 1),
    "sub, told by EventSub first by its own clock": ([SUB, subscribe(at=-3)], (1, 0, 0), 1),
    "resub": ([RESUB, resubscribe(at=2)], (1, 0, 0), 1),
    "sub with words": ([SUB, subscribe(at=1), resubscribe(at=2, months=1, text="hi")], (1, 0, 0), 1),
    "sub, told twice under two ids": ([SUB, subscribe(at=1), subscribe(at=2, message_id="again")], (1, 0, 0), 1),
    "sub, a month after": ([SUB, subscribe(at=30 * DAY)], (2, 0, 0), 2),
    "sub of somebody else": ([SUB, subscribe("bob", at=2)], (1, 0, 0), 2),
    "sub around midnight": (
        [usernotice("sub", user="alice", at=DAY / 2 - 1), subscribe(at=DAY / 2 + 1)],
        (1, 0, 0),
        1,
    ),
    "cheer": ([CHEERED, cheer(100, at=2), bits_use(100, at=1)], (0, 0, 100), 0),
    "cheer, without words": ([CHEERED, cheer(100, at=2, text=""), bits_use(100, at=1, text="")], (0, 0, 100), 0),
    "cheer, told twice under two ids": (
        [CHEERED, cheer(100, at=2), cheer(100, at=3, message_id="again")],
        (0, 0, 100),
        0,
    ),
    "cheer of another number": ([CHEERED, cheer(50, at=2)], (0, 0, 150), 1),
    "cheer, ten minutes later": ([CHEERED, cheer(100, at=600)], (0, 0, 200), 1),
    "cheer around midnight": (
        [privmsg(user="alice", at=DAY / 2 - 1, bits="100"), cheer(100, at=DAY / 2 + 1)],
        (0, 0, 100),
        0,
    ),
    "two cheers alike": (
        [CHEERED, privmsg("Cheer100 again", at=5, bits="100"), cheer(100, at=1, text="a"), cheer(100, at=6, text="b")],
        (0, 0, 200),
        0,
    ),
    "two cheers alike, of which chat missed one": (
        [CHEERED, cheer(100, at=1, text="a"), cheer(100, at=6, text="b"), bits_use(100, at=6, text="b")],
        (0, 0, 200),
        1,
    ),
    "power-up": ([CHEERED, bits_use(30, at=1, use="power_up"), bits_use(100, at=1)], (0, 0, 130), 1),
    "power-up whose message carries its bits": (
        [privmsg(user="alice", at=0, bits="30", msg_id="animated-message"), bits_use(30, at=1, use="power_up")],
        (0, 0, 30),
        0,
    ),
    "power-up and a cheer alike": ([bits_use(30, at=0, use="power_up"), cheer(30, at=1)], (0, 0, 60), 2),
    "raid": ([RAIDED, raid(at=2)], (0, 0, 0), 1),
}
GIFTS = {
    "bomb": ([*BOMB, gift(2, at=1)], 2, 3),
    "bomb, told before its parts": ([*BOMB, gift(2, at=-2)], 2, 3),
    "bomb whose announcement got lost": ([*BOMB[1:], gift(2, at=1)], 2, 3),
    "bomb of which a member got lost too": ([BOMB[1], gift(2, at=1)], 2, 2),
    "bomb of which only the announcement came": ([BOMB[0], gift(2, at=1)], 2, 1),
    "single gift": ([SINGLE, gift(1, at=1)], 1, 1),
    "single gift, and its recipient": ([SINGLE, gift(1, at=1), subscribe("bob", at=1, is_gift=True)], 1, 1),
    "bomb, told twice under two ids": (
        [BOMB[0], gift(2, at=1, cumulative=9), gift(2, at=2, cumulative=9, message_id="again")],
        2,
        1,
    ),
    "two bombs alike": (
        [BOMB[0], gift_bomb("x", "y", user="judy", at=30, bomb="second")[0], gift(2, at=1), gift(2, at=31)],
        4,
        2,
    ),
    "two bombs alike, of which chat missed one": ([BOMB[0], gift(2, at=1), gift(2, at=31)], 4, 2),
    "a single gift and a bomb": ([SINGLE, BOMB[0], gift(1, at=0), gift(2, at=1)], 3, 2),
    "bomb of another number": ([BOMB[0], gift(5, at=1)], 7, 2),
    "bomb around midnight": (
        [*gift_bomb("bob", "carol", user="judy", at=DAY / 2 - 1)[:2], gift(2, at=DAY / 2 + 1)],
        2,
        2,
    ),
}


@pytest.mark.parametrize(("lines", "counted", "stand"), SAME.values(), ids=SAME.keys())
def test_what_both_tell_is_one_fact_in_any_order(lines, counted, stand):
    for _ in orders(*lines):
        assert (of("alice"), len(facts())) == (counted, stand)


@pytest.mark.parametrize(("lines", "gifts", "stand"), GIFTS.values(), ids=GIFTS.keys())
def test_gifts_that_both_tell_count_once_in_any_order(lines, gifts, stand):
    for _ in orders(*lines):
        assert (of("judy"), len(facts())) == ((0, gifts, 0), stand)


@pytest.mark.parametrize(
    ("frame", "viewer", "counted"),
    [
        pytest.param(subscribe(), "alice", (1, 0, 0), id="sub"),
        pytest.param(resubscribe(), "alice", (1, 0, 0), id="resub"),
        pytest.param(gift(5), "judy", (0, 5, 0), id="gifts"),
        pytest.param(cheer(100), "alice", (0, 0, 100), id="cheer"),
        pytest.param(bits_use(100), "alice", (0, 0, 100), id="bits"),
        pytest.param(bits_use(30, use="power_up"), "alice", (0, 0, 30), id="power-up"),
        pytest.param(bits_use(5, use="combo"), "alice", (0, 0, 5), id="bits for something new"),
        pytest.param(subscribe("bob", is_gift=True), "bob", (0, 0, 0), id="being given a sub"),
    ],
)
def test_what_only_eventsub_tells_counts(frame, viewer, counted):
    write([frame])
    assert of(viewer) == counted
    assert counters() == counted_again()


def test_what_stands_is_what_chat_told():
    write([resubscribe(at=1)], [RESUB])
    assert facts() == [("resub", "")]


def test_of_eventsub_alone_the_telling_with_words_stands():
    for _ in orders(subscribe(at=1), resubscribe(at=2, months=1, text="hi")):
        event = ChatEvent.objects.facts().get()
        assert (event.kind, event.text, event.amount) == ("resub", "hi", 1)


def test_what_stands_knows_what_the_other_telling_knew():
    silent = usernotice("resub", user="alice", at=0)
    for _ in orders(silent, resubscribe(at=2, months=9, text="nine months")):
        event = ChatEvent.objects.facts().get()
        assert (event.told_by, event.text, event.amount) == ("", "nine months", 9)


def test_a_cheer_is_the_same_as_its_message():
    write([cheer(100, at=1)], [CHEERED])
    assert ChatEvent.objects.get().same_as == id_of_message()


def id_of_message() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM chat_message")
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([usernotice("submysterygift", **ANONYMOUS, msg_param_mass_gift_count="5"), gift(5, user=None)],
                     id="gifts"),
        pytest.param([usernotice("subgift", **ANONYMOUS), gift(1, user=None, at=1)], id="single gift"),
    ],
)  # fmt: skip
def test_anonymous_gifts_are_one_fact_and_count_for_nobody(lines):
    for _ in orders(*lines):
        assert (len(facts()), ViewerTotal.objects.count()) == (1, 0)


def test_an_anonymous_cheer_is_the_message_of_whom_twitch_lends_a_name():
    for _ in orders(privmsg("Anon10", **ANONYMOUS_CHEERER, bits="10"), cheer(10, user=None, at=1)):
        assert (facts(), ViewerTotal.objects.get().bits) == ([], 10)


def test_a_mirrored_subscription_is_not_the_same_as_one_here():
    mirrored = usernotice("sharedchatnotice", user="alice", source_msg_id="sub", source_room_id="77")
    for _ in orders(mirrored, subscribe(at=1)):
        assert of("alice") == (1, 0, 0)


def test_a_notice_that_calls_itself_a_cheer_gives_no_bits():
    write([usernotice("cheer", user="alice", msg_param_value="5000"), privmsg(user="bob")])
    rollups.rebuild(channel(), rollups.countable(channel()))
    assert (of("alice"), counters()) == ((0, 0, 0), counted_again())
    assert not ViewerTotal.objects.filter(viewer=number_of("alice")).exists()


def test_a_viewer_has_a_day_on_which_they_were_seen_though_it_counts_on_another():
    for _ in orders(usernotice("sub", user="alice", at=DAY / 2 - 1), subscribe(at=DAY / 2 + 1)):
        assert list(ViewerDay.objects.order_by("day").values_list("subs", flat=True)) == [1, 0]


EVENING = [
    *(SUB, subscribe(at=2), RESUB, resubscribe(at=2), *BOMB, gift(2, at=1), SINGLE, gift(1, at=0)),
    *(CHEERED, cheer(100, at=2), bits_use(100, at=1), bits_use(30, at=1, use="power_up"), RAIDED, raid(at=2)),
    *(subscribe("bob", at=1, is_gift=True), cheer(10, user=None), subscribe("carol", at=5)),
]


def test_lines_that_come_again_change_nothing():
    write(EVENING)
    before = everything()
    write(EVENING, *[[line] for line in EVENING])
    assert everything() == before


@pytest.mark.parametrize("order", [1, -1])
def test_a_recount_finds_nothing(order):
    write(*[[line] for line in EVENING[::order]])
    assert sum(rollups.rebuild(channel(), rollups.countable(channel())).values()) == 0


def test_a_recount_mends_what_both_tell():
    write(EVENING)
    with connection.cursor() as cursor:
        for table in ("viewers_viewerday", "viewers_viewertotal", "streams_channelday", "streams_channeltotal"):
            cursor.execute(f"UPDATE {table} SET subs = 77, gifts = 77, bits = 77")
    rollups.rebuild(channel(), rollups.countable(channel()))
    assert counters() == counted_again()


@pytest.mark.parametrize("turn", range(3))
def test_two_writers_come_to_the_same_as_one(turn):
    write(EVENING)
    alone = counters()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM chat_message; DELETE FROM chat_chatevent")
        for table in ("viewers_viewerday", "viewers_viewertotal", "streams_channelday", "streams_channeltotal"):
            cursor.execute(f"DELETE FROM {table}")
        cursor.execute("DELETE FROM chat_chatminute")
    backwards = [[line] for line in reversed(EVENING[turn:] + EVENING[:turn])]
    writers = [in_thread(write, *[[line] for line in EVENING]), in_thread(write, *backwards)]
    for writer in writers:
        writer.result()
    assert counters() == counted_again() == alone


class PowerCutError(BaseException):
    """No error that the store could take for a bad line."""


def test_a_crash_between_any_two_statements_counts_nothing_twice():
    store = Store()
    store.write(mixed(*EVENING[::2]))
    for statements in count(1):
        if not crashes_after(statements, store):
            break
        assert counters() == counted_again()
    assert statements > 15
    assert counters() == counted_again()


def crashes_after(statements: int, store: Store) -> bool:
    left = count(statements - 1, -1)

    def execute(execute, *arguments):
        if not next(left):
            raise PowerCutError
        return execute(*arguments)

    try:
        with connection.execute_wrapper(execute):
            store.write(mixed(*EVENING))
    except PowerCutError:
        return True
    return False


# What was decided stays decided, whatever comes later


GIVEN = usernotice("subgift", user="judy", at=0, msg_param_recipient_id=number_of("bob"))
GIVEN_AGAIN = usernotice("subgift", user="ivan", at=601, msg_param_recipient_id=number_of("bob"))


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([RESUB, resubscribe(at=2), cheer(100, at=601)], id="sub"),
        pytest.param([RESUB, resubscribe(at=2), cheer(100, at=3601)], id="sub, an hour ago"),
        pytest.param([CHEERED, cheer(100, at=2), cheer(50, at=601)], id="cheer"),
        pytest.param([BOMB[0], gift(2, at=2), cheer(50, user="judy", at=601)], id="gifts"),
        pytest.param([GIVEN, subscribe("bob", at=2, is_gift=True), GIVEN_AGAIN], id="recipient of a gift"),
        pytest.param([RAIDED, raid(at=2), cheer(50, user="ivan", at=601)], id="raid"),
    ],
)
def test_what_is_one_fact_stays_one_when_something_else_comes_later(lines):
    write(lines[:2])
    before = dict(ChatEvent.objects.values_list("id", "same_as"))
    write(lines[2:])
    after = dict(ChatEvent.objects.values_list("id", "same_as"))
    assert {event: after[event] for event in before} == before
    assert counters() == counted_again()


@pytest.mark.parametrize(("told_at", "until"), [(2, 301), (2, 302), (2, 326), (2, 701), (-2, 299), (-2, 300)])
def test_what_is_one_fact_stays_one_though_it_is_further_away_than_can_be_seen(monkeypatch, told_at, until):
    """Bits without a pause, for longer than anything can have a say."""
    monkeypatch.setattr("chat.ingest.facts.REACH_MS", 300_000)
    lines = [line for at in range(0, until, 50) for line in (bits_of(at), bits_use(100, at=at + 1, text=str(at)))]
    write([usernotice("resub", user="alice", at=0), resubscribe(at=told_at)], lines)
    write([cheer(30, at=until)])
    assert ChatEvent.objects.facts().get(kind="resub").text == "nine months"
    assert of("alice") == (1, 0, 100 * len(lines) // 2 + 30)
    assert counters() == counted_again()


def bits_of(at: float) -> bytes:
    return privmsg(f"Cheer100 {at}", user="alice", at=at, bits="100")


CHAIN = [usernotice("resub", user="alice", at=at) for at in (0, 200)]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([resubscribe(at=110, months=3, text="hi"), *CHAIN[1:], *CHAIN[:1]], id="words of a sub"),
        pytest.param([resubscribe(at=90, text="a"), subscribe(at=-100), *CHAIN], id="words of either"),
        pytest.param(
            [subscribe(at=at) for at in (0, 100, 200)] + [resubscribe(at=150, text="hi")], id="EventSub alone"
        ),
    ],
)
def test_what_a_telling_borrowed_is_taken_back_when_it_is_the_same_as_another(lines):
    for _ in orders(*lines):
        assert counters() == counted_again()


def test_a_part_of_a_gift_is_the_same_row_whatever_is_told_of_the_other_parts():
    for _ in orders(BOMB[1], subscribe("bob", at=1, is_gift=True), BOMB[2]):
        assert counters() == counted_again()
