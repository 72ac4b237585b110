"""Messages are found by words, author and time, whichever way is quicker, each once and the newest first."""

from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat import partitions, search, wordindex
from chat.models import Message
from chat.search import Place, Query
from chat.tests.crowd import make_message
from chat.tests.writers import in_thread
from streams.models import Stream
from streams.prepared import ASKED_BEFORE, prepared
from streams.tests.cast import make_channel
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db(transaction=True)

MONTHS = [date(2031, 4, 1), date(2031, 5, 1), date(2031, 6, 1)]
NOW = datetime(2031, 6, 20, 18, tzinfo=UTC)
SAID = [
    "good evening chat",
    "Hello everybody",
    "the quick brown fox",
    "brown quick the fox",
    "LUL",
    "hello again, chat!",
]


@pytest.fixture
def channel():
    """Messages of three months and of today, some of one moment, some removed, and as many in another channel."""
    partitions.make(MONTHS)
    channel, other = make_channel("lantern"), make_channel("kitchen")
    people = [make_viewer(channel, name) for name in ("ann", "bob")]
    for number in range(120):
        at = datetime(2031, 4, 2, tzinfo=UTC) + timedelta(hours=16 * (number // 2))
        gone = {"removed_at": at} if number % 7 == 3 else {}
        make_message(channel, people[number % 3 // 2], at, text=SAID[number % len(SAID)], **gone)
        make_message(other, people[0], at, text=SAID[number % len(SAID)])
    make_message(channel, people[0], NOW, text="a pangram about a zebra")
    make_message(channel, people[0], datetime(2031, 4, 2, 5, tzinfo=UTC), text="zebra crossing")
    yield channel
    partitions.drop(partitions.existing())


@pytest.fixture(params=["nothing indexed", "read back", "looked up", "as it costs"])
def way(request, channel, monkeypatch):
    if request.param == "nothing indexed":
        return channel
    wordindex.make(NOW)
    monkeypatch.setattr(search, "PROBED", 5)
    monkeypatch.setattr(search, "READ_AT_ONCE", 9)
    if request.param != "as it costs":
        rare = request.param == "looked up"
        monkeypatch.setattr(search._Search, "_is_rare_in", lambda self, span: rare)
    return channel


def texts(channel, query, most=1000, **options):
    return [message.text for message in search.find(channel.pk, query, most=most, patience_s=60, **options).rows]


def everything(channel, query, most, **options):
    """What the pages of a search show together."""
    options = {"patience_s": 60.0} | options
    found = search.find(channel.pk, query, None, most, **options)
    rows = list(found.rows)
    while found.after:
        found = search.find(channel.pk, query, found.after, most, **options)
        rows += found.rows
    return [message.id for message in rows]


def plainly(channel, text, **conditions):
    rows = Message.objects.filter(channel=channel, text__regex=text, **conditions).order_by("-sent_at", "-id")
    return list(rows.values_list("id", flat=True))


QUERIES: list[tuple[Query, str, dict[str, Any]]] = [
    (Query("zebra"), "zebra", {}),
    (Query("hello"), "[Hh]ello", {}),
    (Query("CHAT hello"), "hello again", {}),
    (Query('"quick brown"'), "quick brown", {}),
    (Query("fox -zebra"), "fox", {}),
    (Query("zebra or lul"), "zebra|LUL", {}),
    (Query("nowhere"), "nowhere", {}),
    (Query(), "", {}),
    (Query("chat", author_ids=["2"]), "chat", {"viewer": "2"}),
    (Query("chat", removed=True), "chat", {"removed_at__isnull": False}),
    (Query("chat", removed=False), "chat", {"removed_at": None}),
    (
        Query("chat", since=datetime(2031, 4, 20, tzinfo=UTC), until=datetime(2031, 5, 4, 8, tzinfo=UTC)),
        "chat",
        {"sent_at__gte": datetime(2031, 4, 20, tzinfo=UTC), "sent_at__lt": datetime(2031, 5, 4, 8, tzinfo=UTC)},
    ),
]


def test_every_way_finds_the_same_page_after_page(way):
    for query, text, conditions in QUERIES:
        asked, expected = query, dict(conditions)
        if query.author_ids:
            bobs = Message.objects.filter(channel=way, viewer__login="bob").values_list("viewer", flat=True)[:1]
            asked, expected = query._replace(author_ids=list(bobs)), {"viewer": bobs[0]}
        wanted = plainly(way, text, **expected)
        assert everything(way, asked, most=7) == wanted, asked


def test_messages_of_authors_are_found_together_in_order(channel):
    both = list(Message.objects.filter(channel=channel).values_list("viewer", flat=True).distinct())
    assert len(both) == 2
    assert everything(channel, Query(author_ids=both), most=7) == plainly(channel, "")


def test_of_authors_only_their_own_are_read(channel):
    quiet = make_viewer(channel, "quiet")
    Message.objects.bulk_create(
        Message(id=f"b{n}", channel=channel, viewer_id="9", sent_at=NOW - timedelta(minutes=n), text="noise")
        for n in range(5000)
    )
    make_message(channel, quiet, NOW - timedelta(days=9), text="a word")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE chat_message")
    with CaptureQueriesContext(connection) as asked:
        assert texts(channel, Query(author_ids=[quiet.pk])) == ["a word"]
    (statement,) = [query["sql"] for query in asked if "LATERAL" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT TEXT) {statement}")
        plan = "\n".join(row for (row,) in cursor.fetchall())
    assert "channel_id_viewer_id_sent_at_idx" in plan
    assert "Rows Removed by Filter" not in plan


def test_of_a_stream_is_what_was_said_while_it_lasted(channel):
    begin = datetime(2031, 5, 10, tzinfo=UTC)
    stream = Stream.objects.create(id="s", channel=channel, started_at=begin, ended_at=begin + timedelta(days=4))
    span = {"sent_at__gte": stream.started_at, "sent_at__lt": stream.ended_at}
    assert everything(channel, Query("chat", stream=stream), most=50) == plainly(channel, "chat", **span) != []


@pytest.fixture
def meanwhile(channel, monkeypatch):
    """Has something done beside each search, as soon as it has looked for words in a part."""

    def begin(deed):
        monkeypatch.setattr(search, "PROBED", 9)
        monkeypatch.setattr(search, "READ_AT_ONCE", 9)
        rows = search._Search._rows

        def asked(self, statement, span):
            if "OFFSET" in statement:
                in_thread(deed).result()
            return rows(self, statement, span)

        monkeypatch.setattr(search._Search, "_rows", asked)

    return begin


def test_nothing_is_found_twice_while_chat_goes_on(channel, meanwhile):
    numbers = count()
    ann = Message.objects.filter(channel=channel)[0].viewer

    def write():
        for _ in range(3):
            number = next(numbers)
            make_message(channel, ann, NOW + timedelta(minutes=number), text="something new")

    wanted = plainly(channel, "[Hh]ello")
    meanwhile(write)
    assert everything(channel, Query("hello"), most=7) == wanted
    assert next(numbers)


def test_nothing_is_passed_over_while_messages_are_removed(channel, meanwhile):
    gone = iter(plainly(channel, "LUL", removed_at=None))

    def remove():
        Message.objects.filter(pk__in=[next(gone, ""), next(gone, "")]).update(removed_at=NOW)

    wanted = plainly(channel, "[Hh]ello", removed_at=None)
    meanwhile(remove)
    assert everything(channel, Query("hello", removed=False), most=7) == wanted


def test_who_waits_is_answered_in_time_and_goes_on_from_there(way):
    clock = count()
    found = search.find(way.pk, Query("crossing"), patience_s=0, clock=lambda: float(next(clock)))
    if found.after:
        assert found.searched_until == found.after.sent_at > datetime(2031, 4, 2, 5, tzinfo=UTC)
    assert everything(way, Query("crossing"), most=5, patience_s=0) == plainly(way, "crossing")


@pytest.mark.parametrize("typed", ["\x00", "'", '"', "-", "!!", "& | ( )", "💚", "a" * 5000, "%", "\\", "<->"])
def test_odd_words_do_no_harm(channel, typed):
    assert texts(channel, Query(typed)) == []


def test_a_place_from_nowhere_is_only_a_place(channel):
    found = search.find(channel.pk, Query("zebra"), Place(datetime(1970, 1, 1, tzinfo=UTC), ""))
    assert (found.rows, found.after) == ([], None)


def test_rare_words_are_looked_up_in_each_month_and_not_read(channel, monkeypatch):
    monkeypatch.setattr(search, "PROBED", 5)
    wordindex.make(NOW)
    with CaptureQueriesContext(connection) as asked:
        texts(channel, Query("crossing"))
    statements = [query["sql"] for query in asked if not query["sql"].startswith(("BEGIN", "SET", "COMMIT"))]
    assert len([sql for sql in statements if "MATERIALIZED" in sql]) == 2
    assert len(statements) <= 12


def test_how_many_there_are_is_estimated_and_not_counted(channel):
    wordindex.make(NOW)
    with CaptureQueriesContext(connection) as asked:
        about = search.about(channel.pk, Query("hello"))
    assert 5 <= about <= 80
    assert [query["sql"].startswith("EXPLAIN") for query in asked] == [True]


@pytest.mark.parametrize("query", [Query("zebra"), Query(removed=False), Query()])
def test_what_is_nobodys_is_not_found(way, query):
    before = everything(way, query, 10)
    Message.objects.filter(channel=way, text__contains="zebra").update(viewer="", text="zebra")
    gone = set(before) - set(everything(way, query, 10))
    assert gone == set(Message.objects.filter(viewer="").values_list("pk", flat=True))


def test_nothing_of_a_search_is_prepared_even_where_a_view_prepares_what_it_asks(channel):
    """A plan for any values could not use an index of words, whose messages end at a midnight."""
    wordindex.make(NOW)
    with prepared(), connection.cursor() as cursor:
        for _ in range(ASKED_BEFORE + 5):
            assert texts(channel, Query("crossing")) == ["zebra crossing"]
            search.about(channel.pk, Query("crossing"))
            cursor.execute("SELECT statement FROM pg_prepared_statements")
        statements = [statement for (statement,) in cursor.fetchall()]
    assert statements  # what the view itself asks is
    assert [statement for statement in statements if "chat_message" in statement or "tsquery" in statement] == []
