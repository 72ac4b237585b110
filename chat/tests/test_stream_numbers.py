"""What is counted of a stream: only what happened on air, each thing once, as often as one likes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from chat.models import EmoteStream
from chat.streamnumbers import count, count_due, due
from chat.tasks import count_streams
from chat.tests.crowd import make_emote, make_message
from streams.broadcasts import Live, changed, observe, went_offline, went_online
from streams.locks import CHANNELS, lock_channels, lock_counts
from streams.models import Channel, Stream, StreamSample
from streams.tests.cast import make_channel
from viewers.models import Viewer, ViewerStream, ViewerTotal, ViewSession

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
NUMBERS = (
    "messages", "chatters", "watched_by", "watch_seconds", "new_viewers", "returning_viewers", "peak_viewers",
    "average_viewers",
)  # fmt: skip


def at(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


@pytest.fixture
def channel() -> Channel:
    return make_channel()


@pytest.fixture
def stream(channel: Channel) -> Stream:
    """On air in the first and in the third quarter of an hour after noon."""
    went_online(channel, "1", at(0), at(0))
    went_offline(channel, at(15))
    went_online(channel, "2", at(20), at(20))
    stream = went_offline(channel, at(35))
    assert stream is not None
    assert stream.pk == "1"
    return stream


def viewer(channel: Channel, login: str, first_seen: float | None = None, **fields: object) -> Viewer:
    """A viewer, seen in the channel since so many minutes after noon; without them, not yet."""
    known = {"twitch_id": f"v-{login}", "login": login, "display_name": login, "named_at": NOON}
    made = Viewer.objects.create(**{**known, **fields})
    if first_seen is not None:
        ViewerTotal.objects.create(
            channel=channel, viewer=made, first_seen_at=at(first_seen), last_seen_at=at(first_seen)
        )
    return made


def watched(stream: Stream, viewer: Viewer, start: float, end: float | None) -> None:
    ViewSession.objects.create(
        channel=stream.channel,
        viewer=viewer,
        stream=stream,
        started_at=at(start),
        ended_at=None if end is None else at(end),
        source="chatters",
    )


def numbers(stream: Stream, *names: str) -> dict[str, int]:
    count(stream)
    return dict(Stream.objects.values(*(names or NUMBERS)).get(pk=stream.pk))


def of_viewers(stream: Stream) -> set[tuple[object, ...]]:
    rows = ViewerStream.objects.filter(stream=stream)
    return set(rows.values_list("viewer__login", "messages", "emotes", "watch_seconds", "is_new"))


def test_a_stream_in_which_nothing_happened_has_nothing(stream):
    assert set(numbers(stream).values()) == {0}
    assert Stream.objects.get().counted_at is not None


def test_messages_on_air_are_of_the_stream(channel, stream):
    ann, bob = viewer(channel, "ann", 0), viewer(channel, "bob", -99)
    for minute in (0, 14.99, 20, 34.99):
        make_message(channel, ann, at(minute))
    make_message(channel, bob, at(5))
    for minute in (-1, 15, 19.99, 35, 50):
        make_message(channel, bob, at(minute))
    assert numbers(stream, "messages", "chatters") == {"messages": 5, "chatters": 2}
    assert of_viewers(stream) == {("ann", 4, 0, 0, True), ("bob", 1, 0, 0, False)}


def test_messages_of_a_live_stream_are_counted_up_to_now(channel):
    stream = went_online(channel, "1", at(0), at(0))
    make_message(channel, viewer(channel, "ann", 0), at(500))
    assert numbers(stream, "messages") == {"messages": 1}


def test_copies_from_a_shared_chat_count_where_they_were_written(channel, stream):
    make_message(channel, viewer(channel, "ann"), at(1), source_channel_id="77")
    assert numbers(stream, "messages", "chatters") == {"messages": 0, "chatters": 0}
    assert of_viewers(stream) == set()


def test_messages_of_other_channels_are_not(channel, stream):
    make_message(make_channel("kitchen"), viewer(channel, "ann"), at(1))
    assert numbers(stream, "messages") == {"messages": 0}


def test_messages_that_were_removed_count(channel, stream):
    make_message(channel, viewer(channel, "ann"), at(1), removed_at=at(2))
    assert numbers(stream, "messages") == {"messages": 1}


def test_emotes_are_counted_for_the_stream_and_for_the_viewer(channel, stream):
    kappa, wave = make_emote("Kappa"), make_emote("Wave")
    ann, bob = viewer(channel, "ann", 0), viewer(channel, "bob", 0)
    make_message(channel, ann, at(1), emotes=[kappa.pk, kappa.pk, wave.pk])
    make_message(channel, bob, at(30), emotes=[kappa.pk])
    make_message(channel, bob, at(17), emotes=[kappa.pk])
    count(stream)
    assert set(EmoteStream.objects.values_list("emote__name", "uses")) == {("Kappa", 3), ("Wave", 1)}
    assert of_viewers(stream) == {("ann", 1, 3, 0, True), ("bob", 1, 1, 0, True)}


def test_who_watches_is_no_chatter(channel, stream):
    watched(stream, viewer(channel, "ann", 0), 0, 15)
    found = numbers(stream, "chatters", "messages", "watched_by", "watch_seconds")
    assert found == {"chatters": 0, "messages": 0, "watched_by": 1, "watch_seconds": 900}


def test_sessions_add_up(channel, stream):
    ann, bob = viewer(channel, "ann", 0), viewer(channel, "bob", 0)
    watched(stream, ann, 0, 10)
    watched(stream, ann, 20, 21)
    watched(stream, bob, 5, 6)
    assert numbers(stream, "watched_by", "watch_seconds") == {"watched_by": 2, "watch_seconds": 720}
    assert of_viewers(stream) == {("ann", 0, 0, 660, True), ("bob", 0, 0, 60, True)}


def test_an_open_session_counts_up_to_the_last_proof(channel):
    stream = went_online(channel, "1", at(0), at(0))
    watched(stream, viewer(channel, "ann", 0), 5, None)
    watched(stream, viewer(channel, "bob", 0), 12, None)
    Stream.objects.update(presence_at=at(10))
    assert numbers(stream, "watched_by", "watch_seconds") == {"watched_by": 2, "watch_seconds": 300}


def test_bots_write_but_do_not_watch_and_are_nobody_new(channel, stream):
    bot, quiet = viewer(channel, "bot", 0, is_bot=True), viewer(channel, "quiet", 0, is_bot=True)
    make_message(channel, bot, at(1))
    watched(stream, bot, 0, 10)
    watched(stream, quiet, 0, 10)
    found = numbers(stream)
    assert (found["chatters"], found["watched_by"], found["watch_seconds"]) == (1, 0, 0)
    assert (found["new_viewers"], found["returning_viewers"]) == (0, 0)
    assert {row[0] for row in of_viewers(stream)} == {"bot"}


@pytest.mark.parametrize(
    ("first_seen", "is_new"),
    [(0, True), (7, True), (-0.1, False), (None, True)],
    ids=["with the beginning", "in the middle", "just before", "never"],
)
def test_new_is_who_was_not_seen_here_before(channel, stream, first_seen, is_new):
    ann = viewer(channel, "ann", first_seen)
    watched(stream, ann, 7, 8)
    found = numbers(stream, "new_viewers", "returning_viewers")
    assert found == {"new_viewers": int(is_new), "returning_viewers": int(not is_new)}


def test_who_watched_an_earlier_stream_returns(channel, stream):
    ann = viewer(channel, "ann")
    earlier = Stream.objects.create(id="0", channel=channel, started_at=at(-99), ended_at=at(-60))
    watched(earlier, ann, -90, -80)
    watched(stream, ann, 7, 8)
    assert numbers(stream, "new_viewers", "returning_viewers") == {"new_viewers": 0, "returning_viewers": 1}


def test_who_was_seen_elsewhere_is_new_here(channel, stream):
    kitchen = make_channel("kitchen")
    ann = viewer(kitchen, "ann", -99)
    watched(stream, ann, 7, 8)
    assert numbers(stream, "new_viewers") == {"new_viewers": 1}


def test_peak_and_average_are_of_the_polls_while_it_lasted(channel, stream):
    for minute, viewers in ((1, 10), (2, 15), (30, 21), (35, 900)):
        StreamSample.objects.create(channel=channel, stream=stream, at=at(minute), viewers=viewers)
    assert numbers(stream, "peak_viewers", "average_viewers") == {"peak_viewers": 21, "average_viewers": 15}


# Again


def test_a_count_that_is_right_changes_nothing(channel, stream):
    ann = viewer(channel, "ann", 0)
    make_message(channel, ann, at(1), emotes=[make_emote().pk])
    watched(stream, ann, 1, 2)
    assert +count(stream) == {"viewers of streams": 1, "emotes of streams": 1, "streams": 1}
    assert not +count(stream)


def test_a_count_mends_the_time_off_air(channel, stream):
    """Code that does not know the column may have told a drop-out."""
    Stream.objects.update(off_air_seconds=0)
    assert count(stream)["streams"] == 1
    assert Stream.objects.get().off_air_seconds == 5 * 60


def test_what_is_gone_is_no_longer_counted(channel, stream):
    kept, gone = viewer(channel, "kept", 0), viewer(channel, "gone", 0)
    emotes = [make_emote("Kept").pk, make_emote("Gone").pk]
    make_message(channel, kept, at(1), emotes=emotes[:1])
    message = make_message(channel, gone, at(2), emotes=emotes)
    count(stream)
    message.delete()
    assert numbers(stream, "messages", "chatters", "new_viewers") == {"messages": 1, "chatters": 1, "new_viewers": 1}
    assert of_viewers(stream) == {("kept", 1, 1, 0, True)}
    assert set(EmoteStream.objects.values_list("emote__name", "uses")) == {("Kept", 1)}


def test_where_messages_are_past_retention_their_numbers_stay(channel, stream):
    ann, bob = viewer(channel, "ann", 0), viewer(channel, "bob", 0)
    message = make_message(channel, ann, at(1), emotes=[make_emote().pk])
    count(stream)
    message.delete()
    Channel.objects.update(messages_kept_from=at(2))
    watched(stream, bob, 5, 6)
    watched(stream, ann, 6, 7)
    assert numbers(stream, "messages", "chatters", "watched_by") == {"messages": 1, "chatters": 1, "watched_by": 2}
    assert of_viewers(stream) == {("ann", 1, 1, 60, True), ("bob", 0, 0, 60, True)}
    assert EmoteStream.objects.get().uses == 1


def test_a_dry_run_writes_nothing(channel, stream):
    make_message(channel, viewer(channel, "ann", 0), at(1))
    assert count(stream, dry_run=True)["streams"] == 1
    assert Stream.objects.get().messages == 0
    assert not ViewerStream.objects.exists()


def test_a_stream_that_is_gone_is_not_counted(stream):
    Stream.objects.all().delete()
    assert not count(stream)


def test_a_count_costs_the_same_however_many_were_there(channel, stream):
    costs = []
    for number in (1, 40):
        for n in range(number):
            ann = viewer(channel, f"v{number}-{n}", 0)
            make_message(channel, ann, at(1), emotes=[make_emote().pk])
            watched(stream, ann, 1, 2)
        with CaptureQueriesContext(connection) as captured:
            count(stream)
        costs.append(len(captured))
    assert costs[0] == costs[1] <= 17


def test_writers_are_not_kept_waiting_while_it_reads(stream):
    with CaptureQueriesContext(connection) as captured:
        count(stream)
    asked = [query["sql"] for query in captured]
    [locked] = [n for n, sql in enumerate(asked) if f"pg_advisory_xact_lock({CHANNELS}," in sql]
    assert max(n for n, sql in enumerate(asked) if "chat_message" in sql or "viewers_viewsession" in sql) < locked


@pytest.mark.django_db(transaction=True)
def test_two_who_count_one_stream_take_turns(stream):
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic(), connection.cursor() as cursor:
            lock_counts(cursor, stream.channel_id, [stream.pk])
            second = pool.submit(counting, stream)
            while not is_kept_waiting(cursor):
                assert not second.done()
        second.result(timeout=10)


def is_kept_waiting(cursor: Any) -> bool:
    cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    return bool(cursor.fetchone()[0])


def counting(stream: Stream) -> None:
    try:
        count(stream)
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_it_may_be_counted_twice_at_once_beside_a_writer(channel, stream):
    make_message(channel, viewer(channel, "ann", 0), at(1))

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic(), connection.cursor() as cursor:
            lock_channels(cursor, [channel.pk])
            both = [pool.submit(counting, stream), pool.submit(counting, stream)]
            make_message(channel, viewer(channel, "bob", 0), at(2))
        for future in both:
            future.result(timeout=10)
    assert numbers(stream, "messages") == {"messages": 2}


# When


NOW = at(60)


def counted(stream: Stream, ago: float) -> bool:
    """Whether a stream is due that was counted so many minutes ago."""
    Stream.objects.filter(pk=stream.pk).update(counted_at=NOW - timedelta(minutes=ago))
    return bool(due(NOW))


def live_for(channel: Channel, minutes: float) -> Stream:
    return went_online(channel, "1", NOW - timedelta(minutes=minutes), NOW)


def test_what_was_never_counted_is_due(channel, stream):
    Stream.objects.update(ended_at=at(-99999))
    assert due(NOW) == [stream]


def test_a_live_stream_is_due_every_time(channel):
    assert counted(live_for(channel, 240), ago=5)


def test_a_stream_that_lasts_for_days_is_due_less_often(channel):
    stream = live_for(channel, 10_000)
    assert not counted(stream, ago=99)
    assert counted(stream, ago=101)


def test_what_ended_is_due_until_an_hour_later(stream):
    assert counted(stream, ago=5)
    Stream.objects.update(ended_at=NOW - timedelta(minutes=70))
    assert counted(stream, ago=11)
    assert not counted(stream, ago=9)


def test_a_stream_that_turns_out_to_be_longer_is_due_again(channel):
    observe([Live("1", "c1", at(0))], [channel], at(1))
    for minute in (10, 20):
        observe([], [channel], at(minute))
    Stream.objects.update(counted_at=at(9999))
    assert due(at(9999)) == []
    went_offline(channel, at(9))
    assert len(due(at(9999))) == 1


def test_the_job_counts_all_that_are_due(channel, stream, redis_client):
    make_message(channel, viewer(channel, "ann", 0), at(1))
    went_online(channel, "9", at(500), at(500))
    assert count_streams() == "2 counted"
    assert Stream.objects.get(pk="1").messages == 1


def test_what_does_not_fit_into_a_run_is_left_for_the_next(channel, stream, monkeypatch):
    monkeypatch.setattr("chat.streamnumbers.ENOUGH_S", -1)
    assert count_due(NOW) == "0 counted, 1 left for the next time"


def rebuilt(*options: object, **named: object) -> str:
    out = StringIO()
    call_command("rebuildrollups", *options, stdout=out, stderr=out, **named)
    return out.getvalue()


def test_a_rebuild_counts_streams_again(channel, stream):
    make_message(channel, viewer(channel, "ann", 0), at(1))
    rebuilt()
    Stream.objects.update(messages=77)
    assert rebuilt(dry_run=True) == "streams: 1 differ\nDone.\n"
    assert rebuilt() == "streams: 1 mended\nDone.\n"
    assert rebuilt() == "Every counter was right.\nDone.\n"


def test_a_rebuild_of_other_days_leaves_it(channel, stream):
    rebuilt()
    Stream.objects.update(messages=77)
    rebuilt(first=NOON.date() + timedelta(days=1))
    rebuilt(end=NOON.date())
    assert Stream.objects.get().messages == 77
    rebuilt(first=NOON.date(), end=NOON.date() + timedelta(days=1))
    assert Stream.objects.get().messages == 0


def test_a_change_of_title_moves_no_number(channel):
    stream = went_online(channel, "1", at(0), at(0))
    make_message(channel, viewer(channel, "ann", 0), at(1))
    changed(channel, at(1), "B", "", "")
    assert numbers(stream, "messages") == {"messages": 1}
