"""Streams are told from events and polls, whatever comes first, twice, late or not at all."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import permutations
from typing import Any

import pytest
from django.db import connection

from streams.broadcasts import Live, changed, observe, on_air, went_offline, went_online
from streams.models import Channel, Stream, StreamReport, StreamSample, StreamSegment
from streams.models.stream import TIME_ON_AIR
from streams.tests.cast import make_channel

pytestmark = pytest.mark.django_db

TEN = datetime(2026, 3, 14, 10, tzinfo=UTC)

Deed = Callable[[Channel], object]


def at(minutes: float) -> datetime:
    """So many minutes after ten."""
    return TEN + timedelta(minutes=minutes)


def on(twitch_id: str, began: float, told: float | None = None) -> Deed:
    return lambda channel: went_online(channel, twitch_id, at(began), at(began if told is None else told))


def off(when: float) -> Deed:
    return lambda channel: went_offline(channel, at(when))


def named(title: str, when: float, category: str = "Chess") -> Deed:
    return lambda channel: changed(channel, at(when), title, category.lower(), category)


def poll(when: float, twitch_id: str = "", began: float = 0, title: str = "A", viewers: int = 10) -> Deed:
    """A poll that shows this stream; without an id, none."""

    def ask(channel: Channel) -> object:
        live = Live(twitch_id, channel.twitch_id or "", at(began), title, "chess", "Chess", viewers, "en")
        return observe([live] if twitch_id else [], [channel], at(when))

    return ask


def polls(first: float, last: float, twitch_id: str = "", began: float = 0, title: str = "A") -> list[Deed]:
    """One each minute."""
    return [poll(first + n, twitch_id, began, title) for n in range(int(last - first) + 1)]


def happen(*deeds: Deed, channel: Channel | None = None) -> Channel:
    channel = channel or Channel.objects.first() or make_channel()
    for deed in deeds:
        deed(channel)
    return channel


def minutes(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - TEN) / timedelta(minutes=1)


def streams() -> list[tuple[Any, ...]]:
    """(ids, began, ended) of every stream, in minutes after ten."""
    return [(s.twitch_ids, minutes(s.started_at), minutes(s.ended_at)) for s in Stream.objects.order_by("started_at")]


def segments(stream: str = "1") -> list[tuple[Any, ...]]:
    rows = StreamSegment.objects.filter(stream=stream).order_by("started_at")
    return [(minutes(row.started_at), minutes(row.ended_at), row.title) for row in rows]


def rows() -> list[Any]:
    """Everything that is stored of streams, but for the keys that count up."""
    fields = list(Stream._meta.concrete_fields)
    return [
        sorted(tuple(str(getattr(row, field.attname)) for field in fields) for row in Stream.objects.all()),
        sorted(map(str, StreamSegment.objects.values_list("stream", "started_at", "ended_at", "title", "category"))),
        sorted(map(str, StreamSample.objects.values_list("stream", "at", "viewers"))),
    ]


# Events alone


def test_a_stream_begins_and_ends():
    happen(on("1", 0), off(60))
    assert streams() == [(["1"], 0, 60)]
    assert segments() == [(0, 60, "")]


def test_the_beginning_is_when_twitch_says_it_was():
    stream = went_online(make_channel(), "1", at(0), at(0.5))
    assert (stream.pk, stream.started_at, stream.ended_at) == ("1", at(0), None)


def test_a_short_drop_out_does_not_end_it():
    channel = happen(on("1", 0), off(60), on("2", 69))
    assert streams() == [(["1", "2"], 0, None)]
    assert on_air(Stream.objects.get()) == [(at(0), at(60)), (at(69), None)]
    assert went_online(channel, "2", at(69), at(69)).pk == "1"


def test_its_drop_outs_are_no_time_on_air():
    happen(on("1", 0), off(40), on("2", 49), named("B", 55), off(80), on("3", 89), off(120))
    stream = Stream.objects.get()
    assert (stream.off_air_seconds, stream.lasted) == (18 * 60, timedelta(minutes=102))


def test_a_live_stream_was_on_air_up_to_now_but_for_its_drop_outs():
    happen(on("1", 0), off(40), on("2", 49))
    stream = Stream.objects.get()
    assert (stream.lasted, stream.on_air_until(at(60))) == (None, timedelta(minutes=51))


def test_a_drop_out_that_becomes_known_late_is_taken_off():
    channel = happen(on("1", 0), off(120))
    happen(on("2", 49), off(40), channel=channel)
    assert Stream.objects.get().off_air_seconds == 9 * 60


@pytest.mark.parametrize(
    "deeds",
    [[on("1", 0), on("2", 5), off(65)], [on("1", 0), off(60), on("2", 65), on("3", 700)], [on("1", 0), off(60)]],
)
def test_it_was_on_air_for_as_long_as_its_segments(deeds):
    """Also where its first part, or its last, is known by its beginning alone."""
    happen(*deeds)
    stream = Stream.objects.get(pk="1")
    assert stream.lasted == sum((end - start for start, end in on_air(stream) if end), timedelta()) == at(60) - TEN


def test_what_a_question_says_of_the_time_on_air_is_what_a_stream_says():
    happen(on("1", 0), off(40), on("2", 49), off(80))
    assert Stream.objects.values_list(TIME_ON_AIR).get() == (timedelta(minutes=71),)
    assert Stream.objects.get().lasted == timedelta(minutes=71)


def test_streams_from_before_that_was_kept_are_filled_from_their_segments():
    happen(
        on("1", 0), off(40), on("2", 49), named("B", 55), off(80), on("3", 89), off(100), on("9", 700), named("C", 710)
    )
    Stream.objects.update(off_air_seconds=0)
    with connection.cursor() as cursor:
        cursor.execute(import_module("streams.migrations.0010_time_off_air").FILL)
    assert dict(Stream.objects.values_list("pk", "off_air_seconds")) == {"1": 18 * 60, "9": 0}


def test_a_long_break_does():
    happen(on("1", 0), off(60), on("2", 70))
    assert streams() == [(["1"], 0, 60), (["2"], 70, None)]


def test_the_break_is_a_setting(settings):
    settings.STREAM_BREAK_MINUTES = 11
    happen(on("1", 0), off(60), on("2", 70))
    assert streams() == [(["1", "2"], 0, None)]


def test_the_same_id_is_the_same_stream_however_long_it_was_away():
    happen(on("1", 0), off(60), on("1", 0, told=120))
    assert streams() == [(["1"], 0, None)]
    assert segments() == [(0, 60, ""), (120, None, "")]


def test_it_may_say_that_it_began_anew():
    happen(on("1", 0), off(60), on("1", 61))
    assert segments() == [(0, 60, ""), (61, None, "")]


def test_an_end_at_the_next_beginning_is_of_the_stream_before():
    happen(on("1", 0), on("2", 20), off(20))
    assert streams() == [(["1", "2"], 0, None)]


def test_an_event_that_comes_twice_changes_nothing():
    channel = happen(on("1", 0), named("B", 5), off(60))
    before = rows()
    happen(on("1", 0), on("1", 0, told=0.2), named("B", 5), off(60), channel=channel)
    assert rows() == before


def test_an_end_from_before_the_beginning_concerns_the_stream_before():
    happen(on("1", 0), on("2", 100), off(60))
    assert streams() == [(["1"], 0, 60), (["2"], 100, None)]


def test_an_end_of_nothing_is_nothing():
    assert went_offline(make_channel(), at(0)) is None
    assert streams() == []


def test_a_channel_that_is_off_air_may_change_its_title():
    happen(named("B", -5))
    assert streams() == []


def test_a_title_from_before_the_beginning_holds():
    happen(named("B", -5), on("1", 0))
    assert segments() == [(0, None, "B")]
    assert Stream.objects.get().title == "B"


def test_each_title_has_its_time():
    happen(named("A", -1), on("1", 0), named("B", 10), named("B", 20, "Go"), off(60))
    assert segments() == [(0, 10, "A"), (10, 20, "B"), (20, 60, "B")]
    stream = Stream.objects.get()
    assert (stream.title, stream.category_id, stream.category) == ("B", "go", "Go")


def test_a_title_that_is_told_again_is_no_change():
    happen(named("A", -1), on("1", 0), named("A", 10))
    assert segments() == [(0, None, "A")]


def test_titles_of_one_second_leave_the_last():
    happen(on("1", 0), named("B", 10), named("C", 10.005))
    assert segments() == [(0, 10, ""), (10, None, "C")]


def test_what_twitch_sends_has_to_fit():
    happen(on("1", 0), named("\x00" + "x" * 300, 5, "y" * 200))
    stream = Stream.objects.get()
    assert (stream.title, len(stream.category_id), len(stream.category)) == ("x" * 255, 32, 128)


def test_times_are_whole_seconds():
    happen(on("1", 0.0101), named("B", 5.0101), off(60.0101))
    assert streams() == [(["1"], 0, 60)]
    assert segments() == [(0, 5, ""), (5, 60, "B")]


def test_nobody_else_is_touched():
    other = make_channel("other")
    happen(on("9", 0), channel=other)
    before = rows()
    happen(on("1", 0), off(10), channel=make_channel())
    Stream.objects.filter(pk="1").delete()
    assert rows() == before


def test_what_others_keep_of_a_stream_stays():
    channel = happen(on("1", 0))
    kept = {"presence_at": at(3), "presence_source": "spoke", "messages": 7, "watch_seconds": 9}
    Stream.objects.update(**kept)
    happen(named("B", 5), poll(6, "1"), off(60), channel=channel)
    assert Stream.objects.values(*kept).get() == kept


def test_a_live_stream_that_somebody_else_wrote_down_goes_on():
    channel = make_channel()
    stream = Stream.objects.create(id="1", channel=channel, twitch_ids=["1"], started_at=at(0), title="A")
    stream.segments.create(started_at=at(0), ended_at=at(10), title="A")
    stream.segments.create(started_at=at(10), title="B")
    happen(poll(20, "1", title="C"), off(60), channel=channel)
    assert streams() == [(["1"], 0, 60)]
    assert segments() == [(0, 10, "A"), (10, 20, "B"), (20, 60, "C")]


def test_a_live_stream_that_somebody_else_wrote_down_ends_with_the_next():
    channel = make_channel()
    Stream.objects.create(id="1", channel=channel, twitch_ids=["1"], started_at=at(0), seen_at=at(30))
    happen(on("2", 100), channel=channel)
    assert streams() == [(["1"], 0, 28), (["2"], 100, None)]


# Polls alone


def test_a_poll_opens_what_was_missed():
    happen(poll(30, "1", began=0, viewers=12))
    assert streams() == [(["1"], 0, None)]
    assert segments() == [(0, None, "A")]
    stream = Stream.objects.get()
    assert (stream.seen_at, stream.language) == (at(30), "en")
    assert [(s.at, s.viewers) for s in stream.samples.all()] == [(at(30), 12)]


def test_a_change_that_only_polls_show_is_at_the_poll():
    happen(poll(1, "1"), poll(2, "1", title="B"))
    assert segments() == [(0, 2, "A"), (2, None, "B")]


def test_one_poll_that_misses_a_stream_does_not_end_it():
    happen(poll(1, "1"), poll(2), poll(3, "1"), poll(4), poll(5, "1"))
    assert streams() == [(["1"], 0, None)]
    assert segments() == [(0, None, "A")]


def test_two_in_a_row_do_and_it_ended_where_a_list_that_lags_last_proved_it():
    happen(*polls(1, 20, "1"), poll(21), poll(22), poll(23))
    assert streams() == [(["1"], 0, 18)]
    assert segments() == [(0, 18, "A")]


def test_seeing_it_again_takes_back_that_it_ended():
    happen(*polls(1, 5, "1"), *polls(6, 20), poll(21, "1"))
    assert streams() == [(["1"], 0, None)]
    assert segments() == [(0, None, "A")]


def test_two_polls_have_to_miss_it_after_it_began():
    happen(*polls(-10, 0), on("1", 0), poll(1))
    assert streams() == [(["1"], 0, None)]
    happen(poll(2))
    assert streams() == [(["1"], 0, 0)]
    assert segments() == []
    happen(poll(3, "1"))
    assert streams() == [(["1"], 0, None)]


def test_polls_that_were_not_made_end_nothing():
    happen(poll(1, "1"), poll(100, "1"))
    assert segments() == [(0, None, "A")]


def test_another_id_in_a_poll_ends_the_one_before():
    happen(*polls(1, 10, "1"), poll(30, "2", began=20))
    assert streams() == [(["1"], 0, 8), (["2"], 20, None)]


def test_a_poll_that_comes_late_says_nothing():
    channel = happen(poll(1, "1"), poll(3, "1", title="B"))
    before = rows()
    happen(poll(2, "1", title="C"), poll(2), poll(3, "1", title="C"), channel=channel)
    assert rows() == before


# Both


def test_an_event_says_more_exactly_when_it_ended():
    happen(poll(1, "1"), poll(2, "1"), poll(3), off(2.5))
    assert streams() == [(["1"], 0, 2.5)]


def test_it_may_say_so_after_the_polls_have_decided():
    happen(poll(1, "1"), poll(2, "1"), poll(3), poll(4), off(2.5))
    assert streams() == [(["1"], 0, 2.5)]


def test_an_event_from_after_that_decision_is_of_something_else():
    happen(*polls(1, 10, "1"), *polls(11, 20), off(19))
    assert streams() == [(["1"], 0, 8)]


def test_a_list_that_lags_does_not_bring_a_stream_back():
    happen(poll(59, "1"), off(60), poll(61, "1"), poll(62, "1"), poll(63), poll(64))
    assert streams() == [(["1"], 0, 60)]


def test_a_list_that_goes_on_showing_it_does():
    happen(poll(59, "1"), off(60), *polls(61, 70, "1"))
    assert streams() == [(["1"], 0, None)]
    assert segments() == [(0, None, "A")]


def test_what_comes_back_under_the_same_id_was_off_air_in_between():
    happen(poll(59, "1"), off(60), *polls(61, 64), *polls(65, 70, "1"))
    assert streams() == [(["1"], 0, None)]
    assert segments() == [(0, 60, "A"), (65, None, "A")]


def test_a_change_that_an_event_told_is_not_changed_again_by_the_poll():
    happen(poll(1, "1"), named("B", 1.5), poll(2, "1", title="B"))
    assert segments() == [(0, 1.5, "A"), (1.5, None, "B")]


def test_a_list_that_lags_does_not_bring_back_a_title():
    happen(poll(1, "1"), named("B", 1.5), poll(2, "1"), poll(3, "1"), poll(4, "1", title="B"))
    assert segments() == [(0, 1.5, "A"), (1.5, None, "B")]


def test_nor_where_it_is_the_first_that_the_list_says():
    happen(named("B", 1.5), poll(2, "1"), poll(3, "1"), poll(4, "1", title="B"))
    assert segments() == [(0, 1.5, ""), (1.5, None, "B")]


def test_a_title_that_polls_showed_of_a_stream_is_not_that_of_the_next():
    happen(*polls(1, 2, "1"), *polls(3, 4), on("2", 100))
    assert segments("2") == [(100, None, "")]


def test_a_title_that_the_list_goes_on_showing_is_right():
    happen(poll(1, "1"), named("B", 1.5), *polls(2, 10, "1"))
    assert segments() == [(0, 1.5, "A"), (1.5, 3.5, "B"), (3.5, None, "A")]


def test_what_only_a_later_event_tells_makes_two_streams_one():
    happen(poll(0.5, "1"), poll(30, "2", began=20))
    assert len(streams()) == 2
    happen(off(12))
    assert streams() == [(["1", "2"], 0, None)]
    assert segments() == [(0, 12, "A"), (20, None, "A")]
    assert StreamSample.objects.filter(stream="1").count() == 2


def test_a_stream_whose_first_id_comes_late_takes_its_key_from_it():
    channel = happen(poll(70, "2", began=65), named("B", 72))
    Stream.objects.update(presence_at=at(71), presence_source="chatters")
    happen(off(60), on("1", 0), channel=channel)
    stream = Stream.objects.get()
    assert (stream.pk, stream.twitch_ids) == ("1", ["1", "2"])
    assert segments() == [(0, 60, ""), (65, 72, "A"), (72, None, "B")]
    assert list(stream.samples.values_list("at", flat=True)) == [at(70)]
    assert (stream.presence_at, stream.presence_source) == (at(71), "chatters")


def test_what_turns_out_to_be_two_streams_is_two():
    channel = happen(on("1", 0), off(40), on("2", 45), poll(46, "2", began=45))
    assert len(streams()) == 1
    happen(on("0.5", 30), channel=channel)
    assert streams() == [(["1"], 0, 0), (["0.5", "2"], 30, None)]
    assert list(StreamSample.objects.values_list("stream", flat=True)) == ["0.5"]


# Any order


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_events_in_any_order_tell_the_same(order):
    deeds = [on("1", 0), named("B", 20), off(50), on("2", 55)]
    happen(*(deeds[n] for n in order))
    assert streams() == [(["1", "2"], 0, None)]
    assert segments() == [(0, 20, ""), (20, 50, "B"), (55, None, "B")]


EVENTS: list[Deed] = [
    named("A", -3), on("1", 0, told=0.1), named("B", 8), off(15), named("C", 19), on("2", 20, told=20.2), off(35),
    on("3", 60), off(80),
]  # fmt: skip
POLLS: list[Deed] = [
    *polls(-2, 0), *polls(1, 7, "1"), *polls(8, 15, "1", title="B"), *polls(16, 20),
    *polls(21, 23, "2", 20, title="C"), poll(24), *polls(25, 35, "2", 20, title="C"), *polls(36, 40),
    poll(65, "3", 60, "D"), *polls(81, 83),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_events_in_any_order_among_polls_tell_the_same(seed):
    happen(*EVENTS, *POLLS)
    expected = rows()
    forget_everything()
    chance = random.Random(seed)
    deeds = list(POLLS)
    for event in [*EVENTS, *chance.sample(EVENTS, 3)]:
        deeds.insert(chance.randint(0, len(deeds)), event)
    happen(*deeds)
    assert streams() == [(["1", "2"], 0, 35), (["3"], 60, 80)]
    assert segments() == [(0, 8, "A"), (8, 15, "B"), (20, 35, "C")]
    assert segments("3") == [(60, 80, "D")]
    assert rows() == expected


WILD: list[Deed] = [
    on("1", 0), on("2", 14), on("3", 15.5, told=18), on("4", 40), on("1", 0, told=9),
    off(3), off(11), off(14), off(20), off(39), off(41),
    named("B", -4), named("C", 2), named("D", 16), named("C", 16.5), named("E", 30),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happened_any_order_of_it_tells_the_same(seed):
    chance = random.Random(1000 + seed)
    events = chance.sample(WILD, 8)
    found = []
    for _ in range(3):
        chance.shuffle(events)
        happen(*events)
        found.append(rows())
        forget_everything()
    assert found[0] == found[1] == found[2]


def forget_everything() -> None:
    Stream.objects.all().delete()
    StreamReport.objects.all().delete()


def test_polls_that_say_the_same_take_one_row():
    happen(*polls(1, 50, "1"), *polls(51, 90))
    assert StreamReport.objects.count() == 2
