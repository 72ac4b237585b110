"""A poll of many channels costs as much as a poll of few, and two who write at once do not harm each other."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from streams.broadcasts import Live, Observed, changed, observe, went_offline, went_online
from streams.models import Channel, Stream, StreamReport, StreamSample, StreamSegment
from streams.tests.cast import make_channel

TEN = datetime(2026, 3, 14, 10, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return TEN + timedelta(minutes=minutes)


def live(channel: Channel, **told: Any) -> Live:
    number = (channel.twitch_id or "")[1:]
    return Live(**{"id": number, "channel_id": channel.twitch_id, "started_at": at(0), "title": "A", **told})


def channels(number: int) -> list[Channel]:
    return [make_channel(f"channel{n}") for n in range(number)]


def cost(minute: float, shown: list[Live], asked: list[Channel]) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        observe(shown, asked, at(minute))
    return len(captured)


def costs(number: int) -> list[int]:
    """Of polls in which streams begin, go on, change their title, are missed, and end; others are off air."""
    asked = channels(number)
    on = asked[: number // 2 + 1]
    return [
        cost(1, [live(channel) for channel in on], asked),
        cost(2, [live(channel) for channel in on], asked),
        cost(3, [live(channel, title="B", viewers=7) for channel in on], asked),
        cost(4, [], asked),
        cost(5, [], asked),
        cost(6, [live(channel, id=f"n{channel.pk}", started_at=at(5.5)) for channel in on], asked),
    ]


@pytest.mark.django_db
def test_many_channels_cost_as_much_as_few():
    few = costs(3)
    Channel.objects.all().delete()
    assert costs(50) == few
    assert max(few) <= 14


@pytest.mark.django_db
def test_asking_about_nobody_costs_nothing():
    with CaptureQueriesContext(connection) as captured:
        assert observe([], [], at(0)) == Observed()
    assert [query for query in captured if "SAVEPOINT" not in query["sql"]] == []


@pytest.mark.django_db
def test_it_says_what_a_poll_changed():
    one, two, three = channels(3)
    assert observe([live(one), live(two)], [one, two, three], at(1)) == Observed(2, 2, 0, [one.pk, two.pk])
    assert observe([live(one), live(two)], [one, two, three], at(2)) == Observed(2, 0, 0, [])
    assert observe([live(one)], [one, two, three], at(3)) == Observed(1, 0, 0, [])
    assert observe([live(one)], [one, two, three], at(4)) == Observed(1, 0, 1, [two.pk])


@pytest.mark.django_db
def test_each_channel_has_its_own_streams():
    one, two = channels(2)
    observe([live(one, title="A", viewers=1), live(two, title="B", viewers=2)], [one, two], at(1))
    assert set(Stream.objects.values_list("channel", "title", "samples__viewers")) == {
        (one.pk, "A", 1),
        (two.pk, "B", 2),
    }


@pytest.mark.django_db
def test_a_channel_whose_id_is_not_known_is_not_live():
    channel = make_channel(twitch_id=None)
    assert observe([], [channel], at(1)).live == 0
    assert not Stream.objects.exists()


@pytest.mark.django_db
def test_a_stream_of_somebody_who_was_not_asked_about_is_left_out():
    one, two = channels(2)
    assert observe([live(one), live(two)], [one], at(1)).live == 1
    assert Stream.objects.get().channel == one


@pytest.mark.django_db
def test_what_was_long_ago_is_not_read_again():
    channel = make_channel()
    day = 24 * 60
    for n in range(30):
        went_online(channel, f"s{n}", at(n * day), at(n * day))
        changed(channel, at(n * day + 1), f"title {n}", "", "")
        went_offline(channel, at(n * day + 60))
    with CaptureQueriesContext(connection) as captured:
        observe([live(channel, id="s30", started_at=at(30 * day))], [channel], at(30 * day + 1))
    [read] = [
        query["sql"] for query in captured if "streams_streamreport" in query["sql"] and "LATERAL" in query["sql"]
    ]
    assert len(list(StreamReport.objects.raw(read))) <= 8
    assert Stream.objects.count() == 31
    assert Stream.objects.get(pk="s0").title == "title 0"


@pytest.mark.django_db
def test_a_stream_of_long_ago_can_still_be_put_right():
    channel = make_channel()
    for n in range(9):
        observe([live(channel, id=f"s{n}", started_at=at(n * 100))], [channel], at(n * 100 + 1))
        observe([live(channel, id=f"s{n}", started_at=at(n * 100))], [channel], at(n * 100 + 30))
        for minute in (31, 32):
            observe([], [channel], at(n * 100 + minute))
    before = list(StreamSegment.objects.exclude(stream="s3").order_by("pk").values())
    went_offline(channel, at(330.5))
    changed(channel, at(310), "B", "", "")
    assert Stream.objects.get(pk="s3").ended_at == at(330.5)
    assert list(Stream.objects.get(pk="s3").segments.order_by("started_at").values_list("title", "ended_at")) == [
        ("A", at(310)),
        ("B", at(312)),
        ("A", at(330.5)),
    ]
    assert list(StreamSegment.objects.exclude(stream="s3").order_by("pk").values()) == before


# Whose time on air changed


def touched(minute: float, shown: list[Live], asked: list[Channel]) -> list[int]:
    return observe(shown, asked, at(minute)).touched


@pytest.mark.django_db
def test_only_those_are_named_whose_time_on_air_changed():
    begins, goes_on, is_off = asked = channels(3)
    assert touched(1, [live(goes_on)], asked) == [goes_on.pk]
    assert touched(2, [live(goes_on)], asked) == []
    assert touched(3, [live(goes_on), live(begins, started_at=at(2.5))], asked) == [begins.pk]
    assert is_off.pk not in touched(4, [live(goes_on)], asked)
    assert touched(5, [live(goes_on)], asked) == [begins.pk]


@pytest.mark.django_db
def test_another_title_changes_no_time_on_air():
    [channel] = channels(1)
    touched(1, [live(channel)], [channel])
    assert touched(2, [live(channel, title="B")], [channel]) == []
    assert StreamSegment.objects.count() == 2


@pytest.mark.django_db
def test_another_title_leaves_a_stream_counted_and_another_end_does_not():
    channel = make_channel()
    went_online(channel, "1", at(0), at(0))
    went_offline(channel, at(60))
    Stream.objects.update(counted_at=at(70))
    changed(channel, at(30), "B", "", "")
    assert Stream.objects.get().counted_at == at(70)
    assert StreamSegment.objects.count() == 2
    went_offline(channel, at(50))
    assert Stream.objects.get().counted_at is None


# At once


def at_once(*deeds: Any) -> None:
    def do(deed: Any) -> None:
        try:
            with transaction.atomic():
                deed()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(deeds)) as pool:
        for future in [pool.submit(do, deed) for deed in deeds]:
            future.result()


@pytest.mark.django_db(transaction=True)
def test_an_event_and_a_poll_at_once_make_one_stream():
    asked = channels(5)
    shown = [live(channel) for channel in asked]
    events = [lambda c=channel: went_online(c, c.twitch_id[1:], at(0), at(0)) for channel in asked]
    at_once(lambda: observe(shown, asked, at(1)), *events, lambda: observe(shown, asked[::-1], at(1)))
    assert Stream.objects.live().count() == 5
    assert StreamSample.objects.count() == 5
    assert StreamSegment.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_one_that_ends_and_one_that_begins_at_once_are_two():
    channel = make_channel()
    went_online(channel, "1", at(0), at(0))
    at_once(
        lambda: went_offline(channel, at(30)),
        lambda: went_online(channel, "2", at(60), at(60)),
        lambda: went_online(channel, "2", at(60), at(60)),
    )
    assert set(Stream.objects.values_list("pk", "ended_at")) == {("1", at(30)), ("2", None)}
