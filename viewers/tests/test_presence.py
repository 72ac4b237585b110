"""What polls, words and silence say about who was there."""

from datetime import timedelta
from itertools import pairwise
from math import inf
from random import Random

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from streams.models import PresenceSource, Stream
from viewers import presence
from viewers.credit import recount, recredit
from viewers.marks import mark_of
from viewers.models import Erasure, PresencePoll, Viewer, ViewerDay, ViewerName, ViewerTotal, ViewSession
from viewers.tests.presence import EIGHT, Chatter, Evening, at, said

pytestmark = pytest.mark.django_db

SPOKE = PresenceSource.SPOKE


@pytest.fixture
def evening():
    return Evening()


# A poll


def test_a_session_begins_with_the_first_poll_that_shows_the_viewer(evening):
    evening.poll(5, "ann")
    assert evening.sessions("ann") == [(5, None)]


def test_a_session_goes_on_while_polls_show_the_viewer(evening):
    evening.poll(5, "ann")
    evening.poll(10, "ann")
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(5, None)], 5)


def test_a_session_ends_with_the_first_poll_that_does_not_show_the_viewer(evening):
    evening.poll(5, "ann")
    evening.poll(10)
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(5, 10)], 5)


def test_who_comes_back_has_another_session(evening):
    for minutes, names in ((5, ["ann"]), (10, []), (15, ["ann"]), (20, [])):
        evening.poll(minutes, *names)
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(5, 10), (15, 20)], 10)


def test_an_ended_session_says_why(evening):
    evening.poll(5, "ann")
    evening.poll(10)
    assert ViewSession.objects.get().ended_by == "absent"


def test_a_poll_is_written_down_with_what_it_changed(evening):
    evening.poll(5, "ann", "bob")
    evening.poll(10, "bob", "cid")
    poll = PresencePoll.objects.get(at=at(10))
    assert (poll.chatters, poll.opened, poll.closed, poll.source) == (2, 1, 1, "chatters")


def test_the_same_poll_twice_counts_once(evening):
    evening.poll(5, "ann")
    evening.poll(10, "ann")
    assert evening.poll(10, "ann") is None
    assert evening.watched("ann") == 5


def test_a_poll_from_before_the_last_one_is_left_out(evening):
    evening.poll(10, "ann")
    assert evening.poll(9) is None
    assert evening.sessions("ann") == [(10, None)]


def test_nobody_is_counted_twice_in_a_list_with_repeats(evening):
    evening.poll(5, "ann", "ann")
    evening.poll(10, "ann", "ann")
    assert evening.watched("ann") == 5


def test_the_streamer_is_no_viewer_of_their_own_stream(evening):
    presence.reconcile(evening.stream, at(5), [Chatter("c1", "lantern", "Lantern")])
    assert not ViewSession.objects.exists()


def test_a_bot_has_no_session(evening):
    Viewer.objects.create(twitch_id="id-bot", login="bot", display_name="Bot", named_at=EIGHT, is_bot=True)
    evening.poll(5, "bot", "ann")
    assert set(ViewSession.objects.values_list("viewer", flat=True)) == {"id-ann"}


def test_a_poll_takes_eight_statements_however_many_there_are(evening):
    evening.poll(5, *(f"v{number}" for number in range(300)))
    with CaptureQueriesContext(
        connection,
    ) as captured:
        evening.poll(10, *(f"v{number}" for number in range(100, 500)))
    asked = [query for query in captured if "SAVEPOINT" not in query["sql"]]
    assert len(asked) + 1 <= 8  # COPY goes past what Django captures


def test_watch_time_is_split_at_midnight(evening):
    evening.poll(235, "ann")
    evening.poll(240 + 2, "ann")
    days = dict(ViewerDay.objects.values_list("day", "watch_seconds"))
    assert days == {EIGHT.date(): 300, EIGHT.date() + timedelta(days=1): 120}


# Many


@pytest.fixture
def crowded(evening, monkeypatch):
    """As if everybody were very many."""
    monkeypatch.setattr(presence, "FEW", 0)
    return evening


def test_where_many_stay_they_are_added_now_and_then(crowded):
    for minutes in (5, 10, 15):
        crowded.poll(minutes, "ann")
    assert crowded.watched("ann") == 0
    crowded.poll(35, "ann", speech=said(ann=(20, 28)))
    assert crowded.watched("ann") == 30


def test_where_many_stay_those_who_go_are_added_at_once(crowded):
    for minutes, names in ((5, ["ann"]), (10, ["ann"]), (15, [])):
        crowded.poll(minutes, *names)
    assert crowded.watched("ann") == 10


def test_where_many_stay_all_are_added_when_the_stream_ends(crowded):
    for minutes in (5, 10, 15):
        crowded.poll(minutes, "ann")
    crowded.off_air(18)
    crowded.settle()
    assert crowded.watched("ann") == 13


def test_where_many_stay_a_long_silence_adds_what_was_proven(crowded):
    for minutes in (5, 10, 15):
        crowded.poll(minutes, "ann")
    crowded.poll(60)
    assert (crowded.sessions("ann"), crowded.watched("ann")) == ([(5, 15)], 10)


# Names


def test_a_chatter_not_met_before_becomes_a_viewer(evening):
    evening.poll(5, "ann")
    assert Viewer.objects.get().login == "ann"
    assert ViewerName.objects.get().first_seen_at == at(5)


def test_a_chatter_with_a_new_name_is_renamed_and_keeps_the_old_one(evening):
    evening.poll(5, "ann")
    presence.reconcile(evening.stream, at(10), [Chatter("id-ann", "annie", "Annie")])
    assert Viewer.objects.get().login == "annie"
    assert list(ViewerName.objects.order_by("first_seen_at").values_list("login", flat=True)) == ["ann", "annie"]


def test_an_old_poll_does_not_bring_back_an_old_name(evening):
    Viewer.objects.create(twitch_id="id-ann", login="annie", display_name="Annie", named_at=at(60))
    evening.poll(5, "ann")
    assert Viewer.objects.get().login == "annie"


# Words


def test_who_writes_is_there_from_the_first_word(evening):
    evening.poll(5)
    evening.poll(10, "ann", speech=said(ann=(7, 9)))
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(7, None)], 3)


def test_who_wrote_and_left_before_the_poll_was_there_until_it(evening):
    evening.poll(5)
    evening.poll(10, speech=said(ann=7))
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(7, 10)], 3)


def test_who_writes_before_the_first_poll_of_a_stream_was_there(evening):
    evening.poll(5, speech=said(ann=2), source=PresenceSource.CHATTERS)
    assert evening.sessions("ann") == [(2, 5)]


def test_words_from_before_the_stream_prove_nothing():
    evening = Evening(started=10)
    evening.poll(12, speech=said(ann=8))
    assert evening.sessions("ann") == []


def test_without_a_list_those_are_there_who_wrote_within_the_interval(evening):
    evening.poll(5, speech=said(ann=4), source=SPOKE)
    evening.poll(10, speech=said(ann=(4, 9)), source=SPOKE)
    evening.poll(15, speech=said(ann=(4, 9)), source=SPOKE)
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(4, 15)], 11)


def test_the_stream_says_how_it_is_known_who_was_there(evening):
    evening.poll(5, source=SPOKE)
    assert Stream.objects.get().presence_source == "spoke"


# Silence


def test_a_failed_poll_ends_nobodys_session(evening):
    evening.poll(5, "ann")
    presence.poll_failed(evening.stream, at(10), "Twitch did not answer")
    evening.poll(15, "ann")
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(5, None)], 10)


def test_a_failed_poll_is_written_down_with_its_reason(evening):
    presence.poll_failed(evening.stream, at(10), "Twitch did not answer")
    poll = PresencePoll.objects.get()
    assert (poll.chatters, poll.problem) == (None, "Twitch did not answer")


def test_a_long_silence_ends_sessions_at_the_last_proof(evening):
    evening.poll(5, "ann", "bob")
    evening.poll(10, "ann", "bob")
    evening.poll(40, "ann")
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(5, 10), (40, None)], 5)
    assert (evening.sessions("bob"), evening.watched("bob")) == ([(5, 10)], 5)


def test_a_session_that_was_proven_once_before_a_long_silence_leaves_nothing(evening):
    evening.poll(5, "ann")
    evening.poll(40)
    assert (evening.sessions("ann"), evening.watched("ann")) == ([], 0)


def test_words_are_proof_during_a_long_silence(evening):
    evening.poll(5, "ann")
    evening.poll(35, "ann", speech=said(ann=(10, 18, 27)))
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(5, None)], 30)


def test_words_with_too_long_a_pause_do_not_bridge_a_silence(evening):
    evening.poll(5, "ann")
    evening.poll(60, "ann", speech=said(ann=(10, 14, 40, 45)))
    assert evening.sessions("ann") == [(5, 14), (40, 45), (60, None)]
    assert evening.watched("ann") == 14


def test_somebody_new_who_writes_during_a_silence_is_there_while_they_do(evening):
    evening.poll(5)
    evening.poll(60, "bob", speech=said(ann=(20, 25), bob=(52, 58), cid=55))
    assert evening.sessions("ann") == [(20, 25)]
    assert (evening.sessions("bob"), evening.watched("bob")) == ([(52, None)], 8)
    assert evening.sessions("cid") == [(55, 60)]


def test_a_clock_that_was_ahead_takes_back_what_it_credited(evening):
    evening.poll(5, "ann")
    evening.poll(10, "ann")
    evening.poll(190, "ann")
    evening.poll(195, "ann")
    evening.poll(15, "ann")  # the clock was put right
    evening.poll(20, "ann")
    evening.poll(25, "ann")
    assert evening.watched("ann") == 5 + 5
    assert all(end is None or end <= 25 for _, end in evening.sessions("ann"))


# On and off air


def test_a_session_ends_when_the_stream_does(evening):
    evening.poll(5, "ann")
    evening.off_air(8)
    evening.settle()
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(5, 8)], 3)
    assert ViewSession.objects.get().ended_by == "offline"


def test_a_session_last_proven_long_before_the_end_ends_at_its_last_proof(evening):
    evening.poll(5, "ann")
    evening.poll(10, "ann")
    evening.off_air(60)
    evening.settle()
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(5, 10)], 5)


def test_what_was_credited_after_the_end_is_taken_back(evening):
    for minutes in (5, 10, 15):
        evening.poll(minutes, "ann")
    evening.off_air(12)
    evening.settle()
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(5, 12)], 7)


def test_who_came_after_the_end_was_never_there(evening):
    evening.poll(5)
    evening.poll(10, "ann")
    evening.poll(15, "ann")
    evening.off_air(8)
    evening.settle()
    assert (evening.sessions("ann"), evening.watched("ann")) == ([], 0)


def test_a_session_that_ended_after_the_end_is_cut(evening):
    for minutes, names in ((5, ["ann"]), (10, ["ann"]), (15, [])):
        evening.poll(minutes, *names)
    evening.off_air(12)
    evening.settle()
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(5, 12)], 7)


def test_nothing_is_credited_in_a_drop_out(evening):
    evening.poll(5, "ann")
    evening.off_air(8)
    evening.settle()
    evening.on_air(12)
    evening.poll(15, "ann")
    evening.poll(20, "ann")
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(5, 8), (15, None)], 8)


def test_a_drop_out_that_is_told_late_is_cut_out(evening):
    for minutes in (5, 10, 15, 20):
        evening.poll(minutes, "ann")
    evening.off_air(8)
    evening.on_air(12)
    evening.settle()
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(5, 8), (12, None)], 11)


def test_a_session_cut_by_a_late_drop_out_goes_on(evening):
    for minutes in (5, 10, 15, 20):
        evening.poll(minutes, "ann")
    evening.off_air(8)
    evening.on_air(12)
    evening.settle()
    evening.poll(25, "ann")
    assert evening.watched("ann") == 16


def test_an_end_that_was_taken_too_early_is_moved(evening):
    evening.poll(5, "ann")
    evening.off_air(7)
    evening.settle()
    evening.stream.segments.update(ended_at=at(9))
    evening.settle()
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(5, 9)], 4)


def test_an_end_that_was_none_opens_the_sessions_again(evening):
    evening.poll(5, "ann")
    evening.off_air(7)
    evening.settle()
    evening.stream.segments.update(ended_at=None)
    evening.settle()
    evening.poll(10, "ann")
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(5, None)], 5)


def test_settling_twice_changes_nothing_more(evening):
    for minutes in (5, 10, 15):
        evening.poll(minutes, "ann", "bob")
    evening.off_air(12)
    evening.settle()
    before = list(ViewSession.objects.order_by("pk").values())
    evening.settle()
    assert list(ViewSession.objects.order_by("pk").values()) == before
    assert evening.watched("ann") == 7


def test_nobody_is_polled_in_while_the_stream_is_off_air(evening):
    evening.off_air(8)
    assert evening.poll(10, "ann") is None
    assert evening.sessions("ann") == []


def test_a_poll_that_took_longer_than_the_stream_lasted_credits_nobody_twice(evening):
    evening.poll(5, "ann")
    evening.off_air(9)
    evening.settle()
    evening.poll(8, "ann", "bob")
    evening.settle()
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(5, 9)], 4)
    assert (evening.sessions("bob"), evening.watched("bob")) == ([(8, 9)], 1)


def test_the_polls_of_a_stream_that_is_over_may_be_told_afterwards(evening):
    evening.off_air(30)
    evening.poll(5, "ann")
    evening.poll(10, "ann")
    evening.settle()
    assert evening.watched("ann") == 5


def test_settling_a_channel_takes_its_recent_streams(evening):
    evening.poll(5, "ann")
    evening.off_air(8)
    presence.settle([evening.channel.pk])
    assert evening.sessions("ann") == [(5, 8)]


def test_a_stream_that_became_part_of_another_is_left_alone(evening):
    stream = evening.stream
    Stream.objects.filter(pk=stream.pk).delete()
    assert presence.reconcile(stream, at(5), [Chatter("1", "ann", "Ann")]) is None
    presence.poll_failed(stream, at(6), "Twitch did not answer")
    assert not PresencePoll.objects.exists()


def test_a_counter_that_was_too_low_does_not_stop_what_follows(evening):
    for minutes in (5, 10, 15):
        evening.poll(minutes, "ann")
    ViewerDay.objects.update(watch_seconds=1)
    ViewerTotal.objects.update(watch_seconds=1)
    evening.off_air(8)
    evening.settle()
    assert evening.watched("ann") == 0


# The numbers of the stream are counted again when its sessions change afterwards


@pytest.fixture
def counted(evening):
    evening.poll(5, "ann")
    evening.poll(10, "ann")
    evening.off_air(12)
    evening.settle()
    Stream.objects.update(counted_at=at(13))
    return evening


def is_to_be_counted():
    return Stream.objects.get().counted_at is None


def test_they_are_after_settling(counted):
    counted.stream.segments.update(ended_at=at(11))
    counted.settle()
    assert is_to_be_counted()


def test_they_are_not_where_settling_changed_nothing(counted):
    counted.settle()
    assert not is_to_be_counted()


def test_they_are_after_somebody_was_marked_as_a_bot(counted):
    Viewer.objects.update(is_bot=True)
    recredit(["id-ann"])
    assert is_to_be_counted()


def test_they_are_after_a_correction(counted):
    presence.correct(ViewSession.objects.get(), at(0), at(3), "because", User.objects.create(username="mod"))
    assert is_to_be_counted()


# Counting again


@pytest.fixture
def busy_evening(evening):
    """A bit of everything, over midnight."""
    evening.poll(5, "ann", "bob")
    evening.poll(10, "ann", speech=said(cid=7))
    evening.poll(40, "ann", "bob", speech=said(bob=(20, 24), ann=12))
    for minutes in range(45, 300, 5):
        evening.poll(minutes, "ann", *(["bob"] if minutes % 3 else []))
    evening.off_air(297)
    evening.settle()
    return evening


def test_a_recount_of_what_was_counted_right_changes_nothing(busy_evening):
    first = EIGHT.date()
    assert sum(recount(busy_evening.channel, first, first + timedelta(days=2)).values()) == 0


def test_a_recount_puts_wrong_numbers_right(busy_evening):
    right = dict(ViewerTotal.objects.values_list("viewer", "watch_seconds"))
    ViewerDay.objects.update(watch_seconds=7)
    ViewerTotal.objects.update(watch_seconds=9)
    recount(busy_evening.channel, EIGHT.date(), EIGHT.date() + timedelta(days=2))
    assert dict(ViewerTotal.objects.values_list("viewer", "watch_seconds")) == right


def test_a_dry_recount_only_says_what_is_wrong(busy_evening):
    ViewerDay.objects.update(watch_seconds=7)
    changed = recount(busy_evening.channel, EIGHT.date(), EIGHT.date() + timedelta(days=2), dry_run=True)
    assert sum(changed.values()) > 0
    assert set(ViewerDay.objects.values_list("watch_seconds", flat=True)) == {7}


def test_a_viewer_who_turns_out_to_be_a_bot_loses_the_watch_time(busy_evening):
    Viewer.objects.filter(pk="id-ann").update(is_bot=True)
    recredit(["id-ann"])
    assert (busy_evening.watched("ann"), busy_evening.watched("bob") > 0) == (0, True)


def test_a_bot_that_turns_out_to_be_a_person_has_the_watch_time_back(busy_evening):
    before = busy_evening.watched("ann")
    for is_bot in (True, False):
        Viewer.objects.filter(pk="id-ann").update(is_bot=is_bot)
        recredit(["id-ann"])
    assert busy_evening.watched("ann") == before


def test_a_bot_from_the_first_moment_that_turns_out_to_be_a_person_is_counted(evening):
    evening.poll(5, "ann")
    evening.poll(10)
    ViewerTotal.objects.all().delete()  # it never had one
    ViewerDay.objects.all().delete()
    recredit(["id-ann"])
    assert evening.watched("ann") == 5


def test_the_open_session_of_a_bot_ends_at_the_last_proof(evening):
    evening.poll(5, "ann")
    evening.poll(10, "ann")
    Viewer.objects.filter(pk="id-ann").update(is_bot=True)
    recredit(["id-ann"])
    evening.poll(15, "ann")
    assert evening.sessions("ann") == [(5, 10)]
    assert evening.watched("ann") == 0


# Chance


@pytest.mark.parametrize("few", [presence.FEW, 0])
@pytest.mark.parametrize("seed", range(10))
def test_whatever_happens_sessions_stay_true_to_the_stream_and_the_counters_to_them(seed, few, monkeypatch):
    monkeypatch.setattr(presence, "FEW", few)
    dice, evening, minute = Random(seed), Evening(), 0.0
    air, is_live = [(0.0, inf)], True
    for _ in range(40):
        minute += dice.choice((1, 4, 5, 5, 5, 5, 6, 25))
        happening, start = dice.random(), air[-1][0]
        if happening < 0.12 and is_live:
            air[-1], is_live = (start, max(start + 1, minute - dice.choice((0, 0, 2, 7)))), False
            evening.off_air(air[-1][1])
            evening.settle()
        elif happening < 0.5 and not is_live:
            air.append((max(air[-1][1] + 1, minute - dice.choice((0, 0, 2))), inf))
            is_live = True
            evening.on_air(air[-1][0])
            evening.settle()
        elif happening > 0.3:
            names = [name for name in ("ann", "bob", "cid", "dee") if dice.random() < 0.6]
            words = {name: minute - dice.random() * 9 for name in ("ann", "eve") if dice.random() < 0.4}
            evening.poll(minute, *names, speech=said(**words))
    for name in ("ann", "bob", "cid", "dee", "eve"):
        spans = [(start, minute if end is None else end) for start, end in evening.sessions(name)]
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
        assert all(any(a <= start and end <= b for a, b in air) for start, end in spans)
        evening.watched(name)
    assert sum(recount(evening.channel, EIGHT.date(), EIGHT.date() + timedelta(days=3)).values()) == 0


# Those of whom nothing is kept


@pytest.fixture
def stopped(evening):
    Viewer.objects.create(pk="id-ann", login="ann", display_name="Ann", named_at=at(0), stopped_at=at(0))


@pytest.fixture
def erased(evening):
    Erasure.objects.create(mark=mark_of("id-ann"), receipt="r", state="done")


def test_who_stopped_is_counted_and_nothing_more(evening, stopped):
    for minutes in (5, 10):
        evening.poll(minutes, "ann", "bob")
    assert (evening.sessions("ann"), evening.watched("ann")) == ([], 0)
    assert list(PresencePoll.objects.values_list("chatters", "opened")) == [(2, 1), (2, 0)]
    assert not ViewerName.objects.filter(viewer="id-ann").exists()


def test_who_was_erased_is_not_met_again(evening, erased):
    for minutes in (5, 10):
        evening.poll(minutes, "ann", "bob")
    assert (evening.sessions("ann"), PresencePoll.objects.latest("at").chatters) == ([], 2)
    for table in (Viewer, ViewerName, ViewerTotal, ViewerDay):
        assert "id-ann" not in repr(list(table.objects.values()))


def test_what_somebody_wrote_before_they_stopped_opens_nothing(evening, stopped):
    evening.poll(5, "bob")
    evening.poll(10, "bob", speech=said(ann=7))
    evening.poll(60, "bob", speech=said(ann=(20, 25, 59)))
    assert evening.sessions("ann") == []


def test_who_stopped_is_not_taken_to_be_there_where_nobody_can_be_asked(evening, stopped):
    evening.poll(5, source=SPOKE, speech=said(ann=4, bob=4))
    assert (evening.sessions("ann"), evening.sessions("bob")) == ([], [(4, None)])


def test_a_session_that_ended_with_the_stream_is_not_opened_again_for_who_stopped(evening):
    evening.poll(5, "ann", "bob")
    evening.poll(10, "ann", "bob")
    evening.off_air(10)
    evening.settle()
    Viewer.objects.filter(pk="id-ann").update(stopped_at=at(11))
    Stream.objects.update(ended_at=None)
    evening.stream.segments.update(ended_at=None)
    evening.settle()
    assert (evening.sessions("ann"), evening.sessions("bob")) == ([(5, 10)], [(5, None)])
