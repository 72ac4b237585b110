"""Who moderates a channel is who Twitch says: by events at once, and asked for where they may have been missed."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat import moderators
from chat.tasks import read_moderators
from chat.tests.frames import moderate, told, who
from chat.tests.lines import NOON, number_of, privmsg
from chat.tests.orders import write
from streams.helix import Chatter
from streams.models import Channel, ChannelModerator, TwitchGrant
from streams.reach import reach_of
from streams.tests.cast import make_channel
from streams.tests.granted import BOT, OWNER, STRANGER, make_grant, tokens
from streamstats.simulator.facts import StatedFacts
from streamstats.simulator.tests.threaded import simulated_twitch
from viewers.marks import mark_of
from viewers.models import ChoiceClock, Erasure
from viewers.tests.accounts import make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_client")]


def ago(seconds: float) -> float:
    """A moment as frames name it."""
    return (datetime.now(UTC) - NOON).total_seconds() - seconds


def raised(user: str = "erin", *, seconds_ago: float = 10) -> bytes:
    return told("channel.moderator.add", user=user, at=ago(seconds_ago))


def lowered(user: str = "erin", *, seconds_ago: float = 5) -> bytes:
    return told("channel.moderator.remove", user=user, at=ago(seconds_ago))


def known() -> set[str]:
    return set(ChannelModerator.objects.values_list("twitch_id", flat=True))


@pytest.fixture
def room():
    write([privmsg("channel")])


@pytest.mark.usefixtures("room")
class TestByEvents:
    def test_who_is_raised_is_in(self):
        write([raised()])
        assert known() == {number_of("erin")}

    def test_who_is_lowered_is_out(self):
        write([raised()], [lowered()])
        assert known() == set()

    def test_the_same_told_as_a_deed_of_somebody_counts_as_well(self):
        write([moderate("mod", who("user", "erin"), at=ago(10))])
        assert known() == {number_of("erin")}
        write([moderate("unmod", who("user", "erin"), at=ago(5))])
        assert known() == set()

    def test_in_one_batch_the_newest_holds(self):
        write([lowered(), raised()])
        assert known() == set()
        write([raised("bob", seconds_ago=3), lowered("bob", seconds_ago=8)])
        assert known() == {number_of("bob")}

    def test_what_comes_late_does_not_bring_back_who_was_lowered_since(self):
        write([lowered()], [raised()])
        assert known() == set()

    def test_what_comes_late_does_not_put_out_who_was_raised_since(self):
        write([raised(seconds_ago=5)], [lowered(seconds_ago=10)])
        assert known() == {number_of("erin")}

    def test_old_news_say_nothing(self):
        write([raised(seconds_ago=3 * 86_400)])
        assert known() == set()

    def test_nobody_is_let_in_who_was_erased(self):
        Erasure.objects.create(mark=mark_of(number_of("erin")), receipt="x")
        ChoiceClock.objects.update(version=9)
        write([raised()])
        assert known() == set()

    def test_whoever_is_erased_is_let_out_all_the_same(self):
        write([raised()])
        Erasure.objects.create(mark=mark_of(number_of("erin")), receipt="x")
        ChoiceClock.objects.update(version=9)
        write([lowered()])
        assert known() == set()

    def test_an_open_session_is_out_with_its_next_request(self, client):
        write([raised()])
        client.force_login(make_user(number_of("erin")))
        assert client.get("/admin/").status_code == 200
        write([lowered()])
        assert client.get("/admin/").status_code == 403


class TestByAsking:
    @pytest.fixture
    def facts(self):
        return StatedFacts([OWNER, BOT, STRANGER], mods={OWNER.id: [BOT.id, STRANGER.id]})

    @pytest.fixture(autouse=True)
    def twitch(self, facts):
        with simulated_twitch(facts) as running:
            yield running

    @pytest.fixture
    def channel(self):
        return make_channel(twitch_id=OWNER.id)

    @pytest.fixture
    def grant(self, channel):
        return make_grant(channel=channel)

    def test_the_list_is_as_twitch_has_it(self, channel, grant, facts):
        ChannelModerator.objects.create(channel=channel, twitch_id="gone", since=NOON, told_at=NOON)
        read_moderators()
        assert known() == {BOT.id, STRANGER.id}
        facts.mods[OWNER.id] = [BOT.id]
        TwitchGrant.objects.update(moderators_at=NOON)
        read_moderators()
        assert known() == {BOT.id}

    def test_it_is_asked_once_a_day_and_when_somebody_connects_again(self, grant, twitch):
        def times_asked():
            return sum(asked.path == "moderation/moderators" for asked in twitch.helix.asked)

        read_moderators()
        read_moderators()
        assert times_asked() == 1
        TwitchGrant.objects.update(granted_at=datetime.now(UTC) + timedelta(seconds=1))
        read_moderators()
        assert times_asked() == 2

    def test_of_long_lists_all_pages_are_read(self, grant, twitch):
        twitch.helix.largest_page = 1
        read_moderators()
        assert known() == {BOT.id, STRANGER.id}

    def test_a_channel_that_is_not_connected_any_more_has_no_moderators_here(self, grant):
        read_moderators()
        TwitchGrant.objects.update(state=TwitchGrant.State.DEAD)
        read_moderators()
        assert known() == set()

    def test_nor_has_it_where_somebody_is_connected_who_has_no_channel_here(self, grant):
        read_moderators()
        make_grant(STRANGER)
        TwitchGrant.objects.filter(pk=grant.pk).update(state=TwitchGrant.State.DEAD)
        read_moderators()
        assert known() == set()

    def test_without_the_permission_nobody_is_asked(self, channel):
        make_grant(given=tokens(wanted=["bits:read"]), channel=channel)
        assert read_moderators() == "0 channels read, 0 could not be, 0 moderators of channels without connection"

    def test_a_channel_that_cannot_be_asked_about_does_not_hold_others_up(self, grant, facts):
        other = make_channel("other", twitch_id=STRANGER.id)
        facts.mods[STRANGER.id] = [BOT.id]
        make_grant(STRANGER, channel=other)
        TwitchGrant.objects.filter(pk=grant.pk).update(access_token="x", refresh_token="y")
        assert str(read_moderators()).startswith("1 channels read, 1 could not be")
        assert set(ChannelModerator.objects.values_list("channel", "twitch_id")) == {(other.pk, BOT.id)}

    def test_nobody_is_entered_who_was_erased(self, grant):
        Erasure.objects.create(mark=mark_of(BOT.id), receipt="x")
        read_moderators()
        assert known() == {STRANGER.id}

    def test_who_was_lowered_while_twitch_was_asked_stays_out(self, channel):
        asked_at = datetime.now(UTC) - timedelta(seconds=60)
        write([told("channel.moderator.remove", user="erin", channel=channel.login, at=ago(5))])
        room = Channel.objects.get(twitch_id=number_of(channel.login))
        moderators.keep(room, [helix_user("erin")], asked_at)
        assert known() == set()

    def test_who_was_raised_while_twitch_was_asked_stays_in(self, channel):
        asked_at = datetime.now(UTC) - timedelta(seconds=60)
        write([told("channel.moderator.add", user="erin", channel=channel.login, at=ago(5))])
        room = Channel.objects.get(twitch_id=number_of(channel.login))
        moderators.keep(room, [], asked_at)
        assert known() == {number_of("erin")}

    def test_many_moderators_cost_no_more_questions_than_one(self, channel):
        with CaptureQueriesContext(connection) as one:
            moderators.keep(channel, [helix_user("erin")], datetime.now(UTC))
        with CaptureQueriesContext(connection) as many:
            moderators.keep(channel, [helix_user(f"erin{n}") for n in range(200)], datetime.now(UTC))
        assert len(many) == len(one)

    def test_who_moderates_reaches_the_channel(self, channel, grant):
        read_moderators()
        reach = reach_of(make_user(BOT.id))
        assert reach.moderates(channel.pk)
        assert not reach.owns(channel.pk)


def helix_user(name: str) -> Chatter:
    return Chatter(number_of(name), name, name)
