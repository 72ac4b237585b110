"""Who is in chat, asked of the simulated Twitch, and told to presence."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat import presence, tasks
from chat.tests.crowd import make_message
from streams import broadcasts, grants
from streams.models import Stream, TwitchGrant
from streams.scopes import CHATTERS
from streams.tests.cast import make_channel
from streamstats.simulator import oauth
from streamstats.simulator.facts import Account, StatedFacts
from streamstats.simulator.tests.threaded import simulated_twitch
from viewers.models import PresencePoll, Viewer, ViewSession
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 5, 1, 20, tzinfo=UTC)
OWNER, ANN, BOB = (
    Account(f"{number}", login, login.title()) for number, login in ((1, "lantern"), (2, "ann"), (3, "bob"))
)


@pytest.fixture
def facts():
    return StatedFacts(people=[OWNER, ANN, BOB], present={"1": ["1", "2", "3"]})


@pytest.fixture
def twitch(facts, settings, redis_client):
    with simulated_twitch(facts) as twitch:
        yield twitch


@pytest.fixture
def stream():
    channel = make_channel("lantern", twitch_id="1")
    return broadcasts.went_online(channel, "s1", NOW, NOW)


def connect(account, channel=None):
    """Connect an account, as its own channel or as a bot."""
    tokens = oauth.issue(account.id, [CHATTERS])
    return TwitchGrant.objects.create(
        twitch_id=account.id,
        login=account.login,
        channel=channel,
        is_bot=channel is None,
        scopes=[CHATTERS],
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_at=datetime.now(UTC) + timedelta(hours=4),
        granted_at=NOW,
    )


def poll(stream, minutes):
    stream.refresh_from_db()
    return presence.poll(stream, NOW + timedelta(minutes=minutes))


def present():
    return set(ViewSession.objects.filter(ended_at=None).values_list("viewer__login", flat=True))


def test_everybody_in_chat_but_the_streamer_has_a_session(twitch, stream):
    connect(OWNER, stream.channel)
    poll(stream, 1)
    assert present() == {"ann", "bob"}


def test_a_bot_that_moderates_may_be_asked_instead(twitch, facts, stream):
    facts.mods["1"] = ["3"]
    connect(BOB)
    poll(stream, 1)
    assert present() == {"ann", "bob"}


def test_a_bot_that_does_not_moderate_leaves_those_who_write(twitch, stream):
    connect(BOB)
    cid = make_viewer(stream.channel, "cid")
    make_message(stream.channel, cid, NOW + timedelta(minutes=3))
    poll(stream, 5)
    assert (present(), Stream.objects.get().presence_source) == ({"cid"}, "spoke")


def test_a_channel_nobody_connected_goes_by_who_writes(stream, redis_client):
    cid = make_viewer(stream.channel, "cid")
    make_message(stream.channel, cid, NOW + timedelta(minutes=3))
    poll(stream, 5)
    assert present() == {"cid"}


def test_who_writes_is_there_from_then_on(twitch, stream):
    connect(OWNER, stream.channel)
    poll(stream, 1)
    cid = make_viewer(stream.channel, "cid")
    make_message(stream.channel, cid, NOW + timedelta(minutes=3))
    poll(stream, 6)
    session = ViewSession.objects.get(viewer=cid)
    assert (session.started_at, session.ended_at) == (NOW + timedelta(minutes=3), NOW + timedelta(minutes=6))


def test_copies_from_a_shared_chat_prove_nothing(twitch, stream):
    connect(OWNER, stream.channel)
    cid = make_viewer(stream.channel, "cid")
    make_message(stream.channel, cid, NOW + timedelta(minutes=3), source_channel_id="99")
    poll(stream, 6)
    assert not ViewSession.objects.filter(viewer=cid).exists()


def test_a_poll_that_twitch_does_not_answer_ends_no_session(twitch, stream):
    connect(OWNER, stream.channel)
    poll(stream, 1)
    twitch.do(twitch.fault("helix", fault="forbidden"))
    poll(stream, 6)
    assert (present(), PresencePoll.objects.latest("at").chatters) == ({"ann", "bob"}, None)


def test_a_connection_that_was_lost_ends_no_session_right_away(twitch, stream):
    grant = connect(OWNER, stream.channel)
    poll(stream, 1)
    grants.revoke(grant)
    poll(stream, 6)
    assert present() == {"ann", "bob"}


def test_a_connection_that_is_lost_for_long_leaves_those_who_write(twitch, stream):
    grant = connect(OWNER, stream.channel)
    poll(stream, 1)
    poll(stream, 6)
    grants.revoke(grant)
    poll(stream, 20)
    assert present() == set()
    assert set(ViewSession.objects.values_list("ended_by", flat=True)) == {"silence"}


# When


@pytest.mark.parametrize(
    ("polled", "now", "is_due"),
    [(None, 1, True), (0, 3, False), (0, 4.5, False), (0, 4.7, True), (0, 60, True)],
)
def test_a_stream_is_due_an_interval_after_it_was_asked_for_last(stream, polled, now, is_due):
    if polled is not None:
        Stream.objects.update(presence_at=NOW + timedelta(minutes=polled))
    assert bool(presence.due(NOW + timedelta(minutes=now))) is is_due


def test_a_stream_that_came_back_on_air_is_due_at_once(stream):
    Stream.objects.update(presence_at=NOW + timedelta(minutes=4))
    broadcasts.went_offline(stream.channel, NOW + timedelta(minutes=5))
    broadcasts.went_online(stream.channel, "s2", NOW + timedelta(minutes=6), NOW + timedelta(minutes=6))
    assert presence.due(NOW + timedelta(minutes=7))


def test_a_stream_that_is_off_air_is_not_due(stream):
    broadcasts.went_offline(stream.channel, NOW + timedelta(minutes=5))
    assert not presence.due(NOW + timedelta(minutes=6))


def test_a_new_title_is_no_reason_to_ask_again(stream):
    Stream.objects.update(presence_at=NOW + timedelta(minutes=4))
    broadcasts.changed(stream.channel, NOW + timedelta(minutes=5), "another", "1", "Chess")
    assert not presence.due(NOW + timedelta(minutes=6))


def test_finding_what_is_due_costs_the_same_for_many(django_assert_num_queries):
    for number in range(5):
        broadcasts.went_online(make_channel(f"c{number}", twitch_id=f"x{number}"), f"t{number}", NOW, NOW)
    with django_assert_num_queries(2):
        assert len(presence.due(NOW + timedelta(minutes=1))) == 5


# The jobs


@pytest.fixture
def live_now(twitch):
    now = datetime.now(UTC).replace(microsecond=0)
    stream = broadcasts.went_online(make_channel("lantern", twitch_id="1"), "s1", now - timedelta(minutes=1), now)
    connect(OWNER, stream.channel)
    return stream


def test_the_job_asks_for_every_channel_that_is_due(live_now):
    assert tasks.poll_chatters() == "1 due"
    assert present() == {"ann", "bob"}


def test_a_channel_that_was_just_asked_for_is_left_alone(live_now):
    tasks.poll_chatters()
    assert tasks.poll_channel(live_now.pk) == "not due any more"


def test_the_job_ends_what_is_still_open_after_a_stream(live_now):
    tasks.poll_chatters()
    broadcasts.went_offline(live_now.channel, datetime.now(UTC) + timedelta(seconds=30))
    tasks.poll_chatters()
    assert present() == set()


def test_a_poll_asks_the_database_a_fixed_number_of_times(twitch, facts, stream):
    connect(OWNER, stream.channel)

    def asked(minutes):
        stream.refresh_from_db()
        with CaptureQueriesContext(connection) as captured:
            poll(stream, minutes)
        return len(captured)

    poll(stream, 1)
    few = asked(6)
    facts.people += [Account(f"{number}", f"v{number}", "V") for number in range(100, 150)]
    facts.present["1"] += [account.id for account in facts.people]
    assert asked(11) == few
    assert Viewer.objects.count() == 53  # the streamer too
