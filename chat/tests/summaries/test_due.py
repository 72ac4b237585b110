"""Whose summary is written next, and how many at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from chat import tasks
from chat.summaries import due
from chat.summaries.due import EVERY
from streams.tests.cast import make_channel
from viewers.choices import WORDING
from viewers.models import Consent, Summary, SummaryPolicy, SummaryTurn, Viewer, ViewerTotal
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def make_talker(channel, login, messages=EVERY):
    viewer = make_viewer(channel, login, messages)
    Consent.objects.create(viewer=viewer, kind="summary", wording=WORDING[Consent.Kind.SUMMARY])
    return viewer


def wrote(viewer, messages):
    ViewerTotal.objects.filter(viewer=viewer).update(messages=messages)


def given_out(now=NOW):
    due.give_out(now)
    return sorted(Summary.objects.values_list("viewer__login", "number", "messages_then"))


def done():
    Summary.objects.update(state="shown")


@pytest.fixture
def channel():
    channel = make_channel()
    SummaryPolicy.objects.create(channel=channel, is_on=True, per_minute=3, per_day=1000)
    return channel


def test_a_hundred_messages_make_a_turn(channel):
    make_talker(channel, "ann")
    assert given_out() == [("ann", 1, 100)]


def test_ninety_nine_do_not(channel):
    make_talker(channel, "ann", 99)
    assert given_out() == []


@pytest.mark.parametrize(("messages", "numbers"), [(199, [1]), (200, [1, 2]), (1000, [1, 2])])
def test_the_next_comes_a_hundred_messages_later(channel, messages, numbers):
    ann = make_talker(channel, "ann")
    given_out()
    done()
    wrote(ann, messages)
    assert [number for _, number, _ in given_out(NOW + MINUTE)] == numbers


def test_nobody_gets_a_second_one_of_the_same_hundred(channel):
    make_talker(channel, "ann")
    given_out()
    done()
    assert len(given_out(NOW + MINUTE)) == 1


def test_nobody_gets_another_while_one_is_being_written(channel):
    ann = make_talker(channel, "ann")
    given_out()
    wrote(ann, 500)
    assert len(given_out(NOW + MINUTE)) == 1


def test_a_turn_is_not_given_back_when_messages_are_counted_anew_and_are_fewer(channel):
    ann = make_talker(channel, "ann", 300)
    given_out()
    done()
    for messages in (150, 399):
        wrote(ann, messages)
        assert len(given_out(NOW + MINUTE)) == 1


def not_agreed(channel):
    Consent.objects.all().delete()


def withdrawn(channel):
    Consent.objects.update(withdrawn_at=NOW)


def agreed_to_other_words(channel):
    Consent.objects.update(wording="Less than today.")


def agreed_to_recaps_only(channel):
    Consent.objects.update(kind="recap")


def switched_off(channel):
    SummaryPolicy.objects.update(is_on=False)


def never_switched_on(channel):
    SummaryPolicy.objects.all().delete()


def stopped(channel):
    Viewer.objects.update(stopped_at=NOW)


def a_bot(channel):
    Viewer.objects.update(is_bot=True)


WITHOUT = [
    not_agreed,
    withdrawn,
    agreed_to_other_words,
    agreed_to_recaps_only,
    switched_off,
    never_switched_on,
    stopped,
]


@pytest.mark.parametrize("lacking", [*WITHOUT, a_bot], ids=lambda lacking: lacking.__name__)
def test_nothing_is_due_for_who_is(channel, lacking):
    make_talker(channel, "ann", 500)
    lacking(channel)
    assert given_out() == []


def test_the_other_channels_of_who_agreed_are_left_alone(channel):
    ann = make_talker(channel, "ann")
    other = make_channel("kitchen", twitch_id="c2")
    ViewerTotal.objects.create(channel=other, viewer=ann, messages=500, first_seen_at=NOW, last_seen_at=NOW)
    assert [summary.channel for summary in Summary.objects.filter(pk__in=due.give_out(NOW))] == [channel]


def test_as_many_are_begun_in_a_minute_as_the_channel_has(channel):
    for number in range(8):
        make_talker(channel, f"v{number}")
    begun = [len(due.give_out(NOW + number * MINUTE)) for number in range(4)]
    assert begun == [3, 3, 2, 0]


def test_looking_twice_in_a_minute_begins_no_more(channel):
    for number in range(8):
        make_talker(channel, f"v{number}")
    begun = [len(due.give_out(NOW + number * MINUTE / 4)) for number in range(5)]
    assert begun == [3, 0, 0, 0, 3]


def test_as_many_are_begun_in_a_day_as_the_channel_has_and_more_the_next(channel):
    SummaryPolicy.objects.update(per_day=4)
    for number in range(8):
        make_talker(channel, f"v{number}")
    begun = [len(due.give_out(NOW + number * MINUTE)) for number in range(3)]
    tomorrow = NOW.replace(hour=0) + timedelta(days=1)
    assert [*begun, len(due.give_out(tomorrow))] == [3, 1, 0, 3]


def test_who_wrote_most_since_comes_first(channel):
    for login, messages in (("a", 150), ("b", 900), ("c", 120), ("d", 400)):
        make_talker(channel, login, messages)
    assert [login for login, _, _ in given_out()] == ["a", "b", "d"]


def test_ten_thousand_drain_at_the_pace_and_nobody_twice(channel):
    """Each viewer has one turn, whatever happens in between: some are done, some are killed."""
    SummaryPolicy.objects.update(per_minute=500, per_day=100_000)
    many = 10_000
    make_crowd(channel, many)
    begun = []
    for minute in range(21):
        now = NOW + minute * MINUTE
        begun.append(len(due.give_out(now)))
        Summary.objects.filter(begun_at=now, viewer__twitch_id__endswith="7").update(state="failed")
        Summary.objects.filter(begun_at=now, state="waiting").update(state="shown")
    assert begun == [500] * 20 + [0]
    assert Summary.objects.values("viewer").distinct().count() == Summary.objects.count() == many


def make_crowd(channel, many):
    """Viewers who agreed and wrote a hundred messages, in few statements."""
    viewers = [str(number) for number in range(1, many + 1)]
    Viewer.objects.bulk_create(Viewer(twitch_id=viewer, login=f"v{viewer}", named_at=NOW) for viewer in viewers)
    ViewerTotal.objects.bulk_create(
        ViewerTotal(channel=channel, viewer_id=viewer, messages=EVERY, first_seen_at=NOW, last_seen_at=NOW)
        for viewer in viewers
    )
    Consent.objects.bulk_create(
        Consent(viewer_id=viewer, kind="summary", wording=WORDING[Consent.Kind.SUMMARY]) for viewer in viewers
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE viewers_viewer, viewers_viewertotal, viewers_consent")


@pytest.mark.django_db(transaction=True)
def test_two_who_look_at_once_begin_no_more_than_one(channel):
    for number in range(8):
        make_talker(channel, f"v{number}")

    def look(_):
        try:
            return len(due.give_out(NOW))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(look, range(4))) == 3
    assert SummaryTurn.objects.count() == 3


@pytest.mark.parametrize(
    ("state", "tried", "is_left"),
    [
        ("waiting", None, True),
        ("running", 11, True),
        ("running", 9, False),
        ("waiting", 9, False),
        ("shown", 11, False),
        ("failed", None, False),
    ],
)
def test_what_was_begun_and_not_written_is_tried_again_after_a_while(channel, state, tried, is_left):
    make_talker(channel, "ann")
    tried_at = NOW - tried * MINUTE if tried else None
    (summary,) = due.give_out(NOW - timedelta(hours=1))
    Summary.objects.filter(pk=summary).update(state=state, tried_at=tried_at)
    assert bool(due.left_behind(NOW)) == is_left


def test_what_was_just_begun_is_not_begun_again(channel):
    make_talker(channel, "ann")
    due.give_out(NOW)
    assert due.left_behind(NOW + MINUTE) == []


def test_the_job_has_those_written_that_are_due_and_those_that_were_left_behind(channel, monkeypatch, redis_client):
    sent: list[int] = []
    monkeypatch.setattr(tasks.write_summary, "delay", sent.append)
    ann, bob = make_talker(channel, "ann"), make_talker(channel, "bob", 0)
    left = Summary.objects.create(channel=channel, viewer=bob, number=1, begun_at=NOW)
    tasks.give_out_summaries()
    begun = Summary.objects.get(viewer=ann)
    assert sent == [begun.pk, left.pk]


def test_no_more_is_begun_while_no_worker_takes_what_was(channel, monkeypatch, redis_client):
    make_talker(channel, "ann")
    redis_client.rpush("summaries", *range(tasks.MOST_WAITING))
    assert tasks.give_out_summaries() == "none: those that were begun before are still waiting for a worker"
    assert not Summary.objects.exists()


def test_the_job_writes_it(channel, redis_client):
    make_talker(channel, "ann")
    (summary,) = due.give_out(NOW)
    tasks.write_summary(summary)
    assert Summary.objects.get(pk=summary).state == "shown"
