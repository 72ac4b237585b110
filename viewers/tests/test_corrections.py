"""What a moderator may put right, and what that does to the numbers."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection

from viewers.credit import recount
from viewers.models import SessionCorrection, ViewSession
from viewers.presence import correct
from viewers.tests.presence import EIGHT, Evening, at, said

pytestmark = pytest.mark.django_db


@pytest.fixture
def evening():
    """Ann watched from 5 to 20 and from 30 to 40; the stream was on air for an hour."""
    evening = Evening()
    for minutes in (5, 10, 15):
        evening.poll(minutes, "ann")
    evening.poll(20)
    evening.poll(25)
    evening.poll(30, "ann")
    evening.poll(35, "ann")
    evening.poll(40)
    evening.off_air(60)
    evening.settle()
    return evening


@pytest.fixture
def moderator():
    return User.objects.create(username="mod")


def first():
    return ViewSession.objects.earliest("started_at")


def test_a_correction_moves_the_session_and_its_credit(evening, moderator):
    correct(first(), at(0), at(10), "was seen earlier", moderator)
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(0, 10), (30, 40)], 20)


def test_a_correction_is_written_down(evening, moderator):
    correct(first(), at(0), at(10), "was seen earlier", moderator)
    made = SessionCorrection.objects.get()
    assert (made.started_before, made.ended_before) == (at(5), at(20))
    assert (made.started_after, made.ended_after, made.reason, made.made_by) == (
        at(0),
        at(10),
        "was seen earlier",
        moderator,
    )


def test_a_session_that_was_none_goes_and_what_it_was_stays_written_down(evening, moderator):
    correct(first(), at(5), None, "a friend used the account", moderator)
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(30, 40)], 10)
    assert SessionCorrection.objects.get().ended_before == at(20)


def test_a_correction_stays_when_the_stream_is_settled_again(evening, moderator):
    correct(first(), at(0), at(10), "was seen earlier", moderator)
    evening.settle()
    assert evening.sessions("ann") == [(0, 10), (30, 40)]


def test_a_corrected_session_that_turns_out_to_be_off_air_goes_and_its_correction_stays(evening, moderator):
    correct(ViewSession.objects.latest("started_at"), at(31), at(38), "was seen later", moderator)
    evening.stream.segments.update(ended_at=at(25))
    evening.settle()
    connection.check_constraints()
    assert evening.sessions("ann") == [(5, 20)]
    assert SessionCorrection.objects.get().session is None


def test_a_recount_agrees_with_a_correction(evening, moderator):
    correct(first(), at(0), at(10), "was seen earlier", moderator)
    assert sum(recount(evening.channel, EIGHT.date(), EIGHT.date() + timedelta(days=1)).values()) == 0


@pytest.mark.parametrize(
    ("start", "end", "problem"),
    [
        (10, 10, "after the start"),
        (15, 10, "after the start"),
        (-5, 10, "not on air"),
        (50, 61, "not on air"),
        (5, 31, "another session"),
    ],
)
def test_what_cannot_have_been_is_refused(evening, moderator, start, end, problem):
    with pytest.raises(ValueError, match=problem):
        correct(first(), at(start), at(end), "because", moderator)
    assert (evening.sessions("ann"), evening.watched("ann")) == ([(5, 20), (30, 40)], 25)


def test_an_open_session_cannot_be_corrected_yet(moderator):
    evening = Evening()
    evening.poll(5, "ann")
    with pytest.raises(ValueError, match="still goes on"):
        correct(first(), at(0), at(3), "because", moderator)


@pytest.fixture
def live(moderator):
    """Ann was there from 5 to 10, and the stream goes on."""
    evening = Evening()
    evening.poll(5, "ann")
    evening.poll(10)
    return evening


def test_a_session_cannot_be_made_to_end_after_the_last_look(live, moderator):
    with pytest.raises(ValueError, match="still goes on"):
        correct(first(), at(5), at(60_000), "a slip of the finger", moderator)
    assert live.watched("ann") == 5


def test_words_within_a_corrected_session_count_once(live, moderator):
    live.poll(15)
    correct(first(), at(5), at(14), "was there", moderator)
    live.poll(20, "ann", speech=said(ann=16))
    assert (live.sessions("ann"), live.watched("ann")) == ([(5, 14), (16, None)], 13)
