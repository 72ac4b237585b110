"""The job that asks which channels are live, against a Twitch that is simulated."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, OperationalError, connection

from chat import streampolls
from chat.streampolls import poll
from chat.tasks import poll_streams
from streams import broadcasts
from streams.helix import Chatter, NotAllowed
from streams.models import Channel, JobRun, Stream, StreamSample
from streams.tests.cast import make_channel
from streamstats.simulator.facts import Account, OnAir, StatedFacts
from streamstats.simulator.tests.threaded import simulated_twitch
from viewers.models import ViewerTotal, ViewSession
from viewers.presence import reconcile

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_client")]

LANTERN, KITCHEN = Account("11", "lantern", "Lantern"), Account("12", "kitchen", "Kitchen")
NOW = datetime.now(UTC).replace(microsecond=0)
SINCE = NOW - timedelta(hours=1)
ON_AIR = OnAir("901", "11", SINCE, "Hello", "33", "Harbours", 42)


@pytest.fixture
def twitch():
    with simulated_twitch(StatedFacts([LANTERN, KITCHEN], live={"11": ON_AIR})) as running:
        yield running


def later(minutes):
    return NOW + timedelta(minutes=minutes)


def test_a_live_channel_has_a_stream(twitch):
    channel = make_channel("lantern", twitch_id="11")
    make_channel("kitchen", twitch_id="12")
    assert poll_streams() == "1 of 2 channels live; 1 streams began, 0 ended"
    stream = Stream.objects.get()
    assert (stream.pk, stream.channel, stream.started_at, stream.ended_at) == ("901", channel, SINCE, None)
    assert (stream.title, stream.category_id, stream.category, stream.language) == ("Hello", "33", "Harbours", "en")
    assert list(StreamSample.objects.values_list("viewers", flat=True)) == [42]
    assert JobRun.objects.get().outcome == JobRun.Outcome.DONE


def test_a_channel_that_was_never_heard_gets_its_id(twitch):
    channel = make_channel("lantern", twitch_id=None)
    make_channel("nobody", twitch_id=None)
    assert poll(NOW) == "1 of 1 channels live; 1 streams began, 0 ended"
    channel.refresh_from_db()
    assert channel.twitch_id == "11"
    assert Stream.objects.get().channel == channel


def test_a_channel_that_was_renamed_is_still_one(twitch):
    make_channel("lighthouse", twitch_id="11")
    make_channel("lantern", twitch_id=None)
    poll(NOW)
    assert Channel.objects.get().login == "lantern"
    assert Stream.objects.get().channel == Channel.objects.get()


def test_without_an_application_it_says_what_to_do(twitch, settings):
    settings.TWITCH_CLIENT_ID = ""
    make_channel("lantern", twitch_id="11")
    assert "TWITCH_CLIENT_ID" in (poll_streams() or "")
    assert not Stream.objects.exists()


def test_nobody_is_asked_about_nobody(twitch):
    assert poll(NOW) == "no channels to ask about"
    assert not twitch.helix.asked


def test_who_is_followed_no_longer_is_asked_about_until_the_stream_is_over(twitch):
    make_channel("lantern", twitch_id="11", is_followed=False)
    assert poll(NOW) == "no channels to ask about"
    Channel.objects.update(is_followed=True)
    poll(NOW)
    Channel.objects.update(is_followed=False)
    assert poll(later(1)).startswith("1 of 1")
    twitch.facts.live.clear()
    assert poll(later(2)).endswith("0 ended")
    assert poll(later(3)).endswith("1 ended")
    assert poll(later(4)) == "no channels to ask about"


def test_an_answer_that_fails_ends_nothing(twitch):
    make_channel("lantern", twitch_id="11")
    poll(NOW)
    twitch.do(twitch.fault("helix", fault="forbidden", path="streams"))
    for minute in range(1, 4):
        with pytest.raises(NotAllowed):
            poll(later(minute))
    twitch.do(twitch.fault("helix", fault="mend"))
    assert Stream.objects.get().ended_at is None


def test_the_sessions_of_a_stream_that_is_over_end_with_it(twitch):
    make_channel("lantern", twitch_id="11")
    poll(NOW)
    for minute in (0, 1):
        reconcile(Stream.objects.get(), later(minute), [Chatter("1000", "ann", "Ann")])
    assert ViewerTotal.objects.get().watch_seconds == 60
    twitch.facts.live.clear()
    poll(later(2))
    poll(later(3))
    assert Stream.objects.filter(ended_at__lt=NOW).exists()
    assert not ViewSession.objects.exists()
    assert ViewerTotal.objects.get().watch_seconds == 0


def test_many_channels_are_asked_about_in_hundreds(twitch):
    for number in range(150):
        make_channel(f"channel{number}", twitch_id=str(1000 + number))
    make_channel("lantern", twitch_id="11")
    assert poll(NOW) == "1 of 151 channels live; 1 streams began, 0 ended"
    assert [asked.path for asked in twitch.helix.asked] == ["streams", "streams"]


# Trouble with one channel


@pytest.fixture
def refused_stream():
    """Postgres refuses to store the stream 666."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE streams_stream ADD CONSTRAINT test_refused CHECK (id <> '666')")
    yield
    with connection.cursor() as cursor:  # another connection: the job may have closed the one before
        cursor.execute("ALTER TABLE streams_stream DROP CONSTRAINT test_refused")


def go_live(twitch, *numbers):
    for number in numbers:
        make_channel(f"channel{number}", twitch_id=str(number))
        twitch.facts.people.append(Account(str(number), f"channel{number}", f"Channel {number}"))
        twitch.facts.live[str(number)] = OnAir(str(number), str(number), SINCE, "Hello", "33", "Harbours", 42)


@pytest.mark.usefixtures("refused_stream")
def test_one_channel_that_cannot_be_stored_stops_no_other(twitch, caplog):
    go_live(twitch, *range(650, 675))
    assert poll(NOW) == "25 of 25 channels live; 24 streams began, 0 ended; 1 channels could not be stored, see the log"
    assert Stream.objects.count() == 24
    assert "streams.not_storable" in caplog.text
    assert "Channel666" in caplog.text
    assert "Failing row" not in caplog.text


@pytest.mark.usefixtures("refused_stream")
def test_where_no_channel_can_be_stored_the_job_fails(twitch):
    go_live(twitch, 666)
    with pytest.raises(IntegrityError):
        poll_streams()
    assert JobRun.objects.get().outcome == JobRun.Outcome.FAILED


def test_a_database_that_is_away_is_left_to_the_job(twitch, monkeypatch):
    asked = []

    def away(live, channels, at):
        asked.append(len(channels))
        raise OperationalError("server closed the connection")

    go_live(twitch, 650, 651)
    monkeypatch.setattr(streampolls, "observe", away)
    with pytest.raises(OperationalError):
        poll(NOW)
    assert asked == [2]


def test_few_channels_wait_for_one_another(twitch, monkeypatch):
    together = []

    def observe(live, channels, at):
        together.append(len(channels))
        return really_observe(live, channels, at)

    really_observe = broadcasts.observe
    go_live(twitch, *range(700, 745))
    monkeypatch.setattr(streampolls, "observe", observe)
    poll(NOW)
    assert together == [20, 20, 5]
    assert Stream.objects.count() == 45
