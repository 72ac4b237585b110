"""A recount mends every counter that is wrong, and changes none that is right."""

from datetime import date, timedelta
from io import StringIO
from itertools import count

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat import rollups
from chat.ingest.store import Store
from chat.tests.evening import EVENING
from chat.tests.factories import EntryFactory
from chat.tests.lines import DAY, NOON, moment, privmsg, read, usernotice
from chat.tests.tables import channel, counted_again, counters
from streams.models import Channel
from viewers.models import ViewerDay, ViewerTotal
from viewers.tests.presence import Evening

pytestmark = pytest.mark.django_db(transaction=True)

TODAY = NOON.date()
TABLES = {
    "viewer days": "viewers_viewerday",
    "viewer totals": "viewers_viewertotal",
    "emote uses": "chat_emoteusage",
    "emote days": "chat_emoteday",
    "minutes": "chat_chatminute",
    "channel days": "streams_channelday",
    "channel totals": "streams_channeltotal",
}


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def evening() -> None:
    EntryFactory.create(name="Emote")
    store = Store()
    store.load_all_sets()
    store.write(read(*EVENING[:-1], privmsg("three days later", user="bob", at=3 * DAY)))


def rebuild(*channels: str, **options: object) -> str:
    out = StringIO()
    call_command("rebuildrollups", *channels, stdout=out, stderr=out, **options)
    return out.getvalue()


def test_what_is_right_stays(evening):
    before = counters()
    assert rebuild() == "Every counter was right.\nDone.\n"
    assert counters() == before


WRONG = {
    "viewer days": ["messages = 77", "emotes = 77", "bits = 77", "subs = 77", "gifts = 77"],
    "viewer totals": ["messages = 77", "emotes = 77", "bits = 77", "subs = 77", "gifts = -7"],
    "emote uses": ["uses = 77"],
    "emote days": ["uses = 77"],
    "minutes": ["messages = 77", "chatters = 77"],
    "channel days": ["messages = 77", "chatters = 77", "gifts = 77"],
    "channel totals": ["messages = 77", "chatters = 77", "subs = 77", "last_message_at = NULL"],
}


@pytest.mark.parametrize(
    ("table", "wrong"), [(table, wrong) for table, values in WRONG.items() for wrong in values], ids=str
)
def test_a_wrong_value_is_mended(evening, table, wrong):
    execute(f"UPDATE {TABLES[table]} SET {wrong}")
    rebuild()
    assert counters() == counted_again()


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_missing_rows_are_put_back(evening, table):
    execute(f"DELETE FROM {table}")
    rebuild()
    assert counters() == counted_again()


def test_everything_can_be_counted_anew(evening):
    for table in TABLES.values():
        execute(f"DELETE FROM {table}")
    rebuild()
    assert counters() == counted_again()


SURPLUS = {
    "viewer days": """
        INSERT INTO viewers_viewerday (channel_id, viewer_id, day, messages, emotes, bits, subs, gifts, watch_seconds,
            points) SELECT id, 'nobody', '2026-03-14', 9, 9, 9, 9, 9, 0, 0 FROM streams_channel
    """,
    "viewer totals": """
        INSERT INTO viewers_viewertotal (channel_id, viewer_id, first_seen_at, last_seen_at, messages, emotes, bits,
            subs, gifts, watch_seconds, points)
        SELECT id, 'nobody', '2026-03-14', '2026-03-14', 9, 9, 9, 9, 9, 0, 0 FROM streams_channel
    """,
    "emote uses": """
        INSERT INTO chat_emoteusage (channel_id, viewer_id, emote_id, day, uses)
        SELECT id, 'nobody', (SELECT min(id) FROM chat_emote), '2026-03-14', 9 FROM streams_channel
    """,
    "emote days": """
        INSERT INTO chat_emoteday (channel_id, emote_id, day, uses)
        SELECT id, (SELECT max(id) + 1 FROM chat_emote), '2026-03-14', 9 FROM streams_channel
    """,
    "minutes": """
        INSERT INTO chat_chatminute (channel_id, minute, messages, chatters)
        SELECT id, '2026-03-14 13:37:00Z', 9, 9 FROM streams_channel
    """,
    "channel days": """
        INSERT INTO streams_channelday (channel_id, day, chatters, messages, emotes, bits, subs, gifts)
        SELECT id, '2026-03-16', 9, 9, 9, 9, 9, 9 FROM streams_channel WHERE login = 'example'
    """,
}
ZERO = {"viewer days", "viewer totals", "channel days"}


@pytest.mark.parametrize("table", SURPLUS)
def test_a_surplus_row_counts_nothing_any_more(evening, table):
    execute(SURPLUS[table])
    rebuild()
    found, expected = counters(), counted_again()
    surplus = [row for row in found[table] if row not in expected[table]]
    assert all(set(row[-7:-2] if "viewer" in table else row[-5:]) == {0} for row in surplus)
    found[table] = [row for row in found[table] if row not in surplus]
    assert found == expected
    assert bool(surplus) == (table in ZERO)


# What it says


@pytest.mark.parametrize(("table", "wrong"), [(table, values[0]) for table, values in WRONG.items()])
def test_it_says_what_it_mended(evening, table, wrong):
    execute(f"UPDATE {TABLES[table]} SET {wrong}")
    assert any(line.startswith(f"{table}: ") and line.endswith(" mended") for line in rebuild().splitlines())


def test_a_dry_run_says_what_differs_and_changes_nothing(evening):
    execute(
        "UPDATE viewers_viewerday SET messages = 77 WHERE viewer_id = (SELECT min(viewer_id) FROM viewers_viewerday)"
    )
    execute("UPDATE chat_chatminute SET messages = 77")
    before = counters()
    said = rebuild(dry_run=True)
    assert "viewer days: 1 differ" in said
    assert "minutes: " in said
    assert counters() == before


def test_a_second_run_finds_nothing(evening):
    execute("UPDATE viewers_viewerday SET messages = 77")
    rebuild()
    assert rebuild() == "Every counter was right.\nDone.\n"


def test_the_day_it_ends_before_is_not_counted(evening):
    execute("UPDATE viewers_viewerday SET messages = 77")
    call_command("rebuildrollups", f"--to={TODAY}", stdout=StringIO())
    assert set(ViewerDay.objects.filter(day=TODAY).values_list("messages", flat=True)) == {77}


def test_the_messages_of_a_day_are_read_only_to_count_them(evening):
    """What is compared with the counters is what they were counted to: a busy day takes no square of its messages."""
    with CaptureQueriesContext(connection) as captured:
        rollups.rebuild_day(channel(), TODAY)
    reading = [query["sql"].split() for query in captured if "chat_message" in query["sql"]]
    assert [words[:4] for words in reading] == [
        ["CREATE", "TEMP", "TABLE", "recount"],
        ["CREATE", "TEMP", "TABLE", "recount_emotes"],
        ["CREATE", "TEMP", "TABLE", "recount_minutes"],
    ]


def test_only_the_named_channel_is_counted(evening):
    execute("UPDATE streams_channeltotal SET messages = 77")
    rebuild("Another")
    assert (channel("another").counts.messages, channel().counts.messages) == (2, 77)


def test_only_the_named_days_are_counted(evening):
    execute("UPDATE viewers_viewerday SET messages = 77")
    rebuild(first=TODAY, end=TODAY + timedelta(days=1))
    wrong = ViewerDay.objects.filter(messages=77).values_list("day", flat=True)
    assert TODAY not in wrong
    assert wrong.exists()


def test_a_channel_nobody_knows_is_one_line():
    with pytest.raises(CommandError, match=r"^No channel named 'nobody' is known\.$"):
        rebuild("nobody")


def test_a_span_without_length_is_one_line():
    with pytest.raises(CommandError, match=r"^--from 2026-03-14 is not before --to 2026-03-14\.$"):
        rebuild(first=TODAY, end=TODAY)


def test_a_channel_without_messages_has_nothing_to_count():
    Channel.objects.create(login="silent")
    assert rebuild() == "Every counter was right.\nDone.\n"
    assert not any(counters().values())


# Days that can be counted


def test_a_day_with_nothing_but_a_subscription_is_counted(evening):
    Store().write(read(usernotice("sub", user="bob", at=60 * DAY)))
    execute("UPDATE viewers_viewerday SET subs = 77")
    rebuild()
    assert counters() == counted_again()


def test_a_channel_with_nothing_but_a_subscription_is_counted():
    Store().write(read(usernotice("sub", user="bob")))
    execute("UPDATE viewers_viewerday SET subs = 77")
    rebuild()
    assert counters() == counted_again()


@pytest.fixture
def partly_forgotten() -> Channel:
    """Two days of which the messages of the first, and the morning of the second, are past retention."""
    store = Store()
    for day in range(4):
        store.write(read(privmsg(f"day {day}", at=day * DAY), usernotice("sub", at=day * DAY)))
    execute("DELETE FROM chat_message WHERE text = 'day 0'")
    Channel.objects.update(messages_kept_from=moment(DAY - 3600))
    return channel()


def test_days_past_retention_are_left_alone(partly_forgotten):
    before = counters()
    rebuild()
    assert counters() == before


def test_wrong_counters_past_retention_are_left_alone(partly_forgotten):
    execute("UPDATE viewers_viewerday SET messages = 77")
    rebuild()
    messages = ViewerDay.objects.order_by("day").values_list("messages", flat=True)
    assert list(messages) == [77, 77, 1, 1]


def test_it_says_which_days_are_past_retention(partly_forgotten):
    assert "messages before 2026-03-16 are gone" in rebuild(first=TODAY)


@pytest.mark.parametrize(
    ("first", "end", "span"),
    [
        pytest.param(None, None, (2, 4), id="all"),
        pytest.param(0, None, (2, 4), id="from before"),
        pytest.param(3, None, (3, 4), id="from within"),
        pytest.param(None, 3, (2, 3), id="to within"),
        pytest.param(None, 40, (2, 4), id="to after"),
    ],
)
def test_the_span_that_can_be_counted(partly_forgotten, first, end, span):
    def day(number: int | None) -> date | None:
        return None if number is None else TODAY + timedelta(days=number)

    assert rollups.countable(partly_forgotten, day(first), day(end)) == rollups.Span(
        *(TODAY + timedelta(days=number) for number in span)
    )


# After a crash


class PowerCutError(BaseException):
    """No error that the store could take for a bad line."""


def test_counters_are_right_after_a_crash_between_any_two_statements():
    EntryFactory.create(name="Emote")
    store = Store()
    store.load_all_sets()
    store.write(read(*EVENING[:10]))
    for statements in count(1):
        if not crashes_after(statements, store):
            break
        assert counters() == counted_again()
    assert statements > 20
    assert counters() == counted_again()


def crashes_after(statements: int, store: Store) -> bool:
    """Write the evening, but let the power be cut after so many statements, if it takes that many."""
    left = count(statements - 1, -1)

    def execute(execute, *arguments):
        if not next(left):
            raise PowerCutError
        return execute(*arguments)

    try:
        with connection.execute_wrapper(execute):
            store.write(read(*EVENING))
    except PowerCutError:
        return True
    return False


def test_the_command_counts_watch_time_again_from_the_sessions():
    evening = Evening()
    evening.poll(5, "ann")
    evening.poll(10, "ann")
    ViewerDay.objects.update(watch_seconds=1)
    ViewerTotal.objects.update(watch_seconds=2)
    call_command("rebuildrollups", stdout=StringIO())
    assert evening.watched("ann") == 5


def test_somebody_who_only_watches_does_not_make_a_channel_heard_of():
    evening = Evening()
    evening.poll(5, "ann")
    evening.poll(10, "ann")
    rollups.rebuild_totals(evening.channel)
    assert evening.channel.counts.last_message_at is None
