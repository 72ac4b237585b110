"""manage.py demo: a history to look at, through the real store, and a channel that is connected."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from redis import Redis

from chat.ingest.coverage import KEY, Record, Span, missing
from chat.models import ChatEvent, DeadLetter, Emote, EmoteSetEntry, EmoteUsage, Message, Redemption, Replay
from streams.grants import token_of
from streams.models import Channel, Stream, StreamSample, TwitchGrant
from streams.scopes import for_channel
from streamstats.demo.summaries import WHO_AGREED
from streamstats.simulator.addresses import CLIENT_ID, addresses
from streamstats.simulator.facts import StatedFacts
from streamstats.simulator.moments import moment
from streamstats.simulator.oauth import OAuthServer
from streamstats.simulator.world import DEMO, World
from viewers import presence
from viewers.choices import WORDING
from viewers.models import Consent, PresencePoll, SummaryPolicy, Viewer, ViewSession

PORT = 8901
REAL = "the id of a real application"


def run(days: int = 1) -> str:
    out = io.StringIO()
    call_command("demo", days=days, port=PORT, stdout=out)
    return out.getvalue()


@pytest.fixture(autouse=True, scope="module")
def settings_as_they_were() -> Iterator[None]:
    """Put the settings back that the command points at the simulator."""
    with pytest.MonkeyPatch.context() as patch:
        for name in addresses(PORT):
            patch.setattr(settings, name, getattr(settings, name))
        settings.TWITCH_CLIENT_ID = REAL
        yield


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """One run for all who only look at it, or change it within a transaction; it is what the command said."""
    with django_db_blocker.unblock(), Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
        yield run()
        call_command("flush", verbosity=0, interactive=False)


@pytest.fixture
def channel(filled: str, db: None) -> Channel:
    return Channel.objects.get(twitch_id=DEMO.twitch_id)


@pytest.fixture
def live(channel: Channel) -> Stream:
    return Stream.objects.get(channel=channel, ended_at=None)


def grant() -> TwitchGrant:
    return TwitchGrant.objects.get(twitch_id=DEMO.twitch_id)


# What is there.


def test_it_fills_the_past_days_up_to_now(channel: Channel, filled: str) -> None:
    assert filled.endswith("streams of MoonlitMarta. Done.\n")
    assert Message.objects.filter(channel=channel).count() > 100
    assert EmoteUsage.objects.exists()
    assert not DeadLetter.objects.exists()


def test_its_channel_is_followed_and_on_air(channel: Channel, live: Stream) -> None:
    assert (channel.login, channel.display_name, channel.is_followed) == (DEMO.login, "MoonlitMarta", True)
    assert live.title
    assert live.category


def test_its_regulars_agreed_to_summaries_and_nobody_else(channel: Channel) -> None:
    policy = SummaryPolicy.objects.get()
    assert (policy.channel, policy.is_on, policy.has_recaps) == (channel, True, True)
    agreed = Consent.objects.filter(withdrawn_at=None, wording=WORDING[Consent.Kind.SUMMARY])
    regulars = {World().crowds[DEMO].regulars[rank].twitch_id for rank in WHO_AGREED}
    assert set(agreed.values_list("viewer", flat=True)) <= regulars
    assert agreed.exists()


def test_what_was_decided_about_summaries_stays(channel: Channel) -> None:
    SummaryPolicy.objects.update(is_on=False)
    Consent.objects.all().delete()
    run()
    assert not SummaryPolicy.objects.get().is_on
    assert not Consent.objects.exists()


def test_its_emotes_have_a_past_and_pictures_from_the_simulator(channel: Channel) -> None:
    assert EmoteSetEntry.objects.filter(channel=channel, since__isnull=False).exists()
    pictures = [emote.url for emote in Emote.objects.exclude(provider="emoji")]
    assert [url for url in pictures if not url.startswith(f"http://127.0.0.1:{PORT}/cdn/")] == []


def test_events_are_there_that_chat_never_tells(channel: Channel) -> None:
    assert Redemption.objects.filter(channel=channel).exists()
    assert ChatEvent.objects.filter(channel=channel, kind="follow").exists()


def test_who_watches_at_the_end_goes_on_to_be_watching(live: Stream) -> None:
    assert live.sessions.filter(ended_at=None).count() > 10
    assert live.presence_at
    assert datetime.now(UTC) - live.presence_at < presence.trusted()


def test_who_watches_was_asked_every_few_minutes_and_how_many_each_minute(live: Stream) -> None:
    """At some hours the stream is made of two broadcasts that follow each other, each asked about from its start: then
    one pause is longer, but not by more than another round."""
    assert live.presence_at
    joints = len(live.twitch_ids) - 1
    for model, most in ((PresencePoll, presence.interval()), (StreamSample, timedelta(minutes=1))):
        asked = list(model.objects.filter(stream=live).order_by("at").values_list("at", flat=True))
        pauses = sorted((later - at for at, later in pairwise(asked)), reverse=True)
        assert timedelta(0) < pauses[joints] <= most
        assert pauses[0] <= 2 * most


def test_every_stream_has_its_numbers(channel: Channel) -> None:
    for stream in channel.streams.all():
        assert stream.counted_at
        assert min(stream.messages, stream.watched_by, stream.watch_seconds, stream.average_viewers) > 0


def test_all_of_it_is_as_a_recount_has_it(channel: Channel) -> None:
    out = io.StringIO()
    call_command("rebuildrollups", dry_run=True, stdout=out)
    assert out.getvalue() == "Every counter was right.\nDone.\n"


def test_bots_watch_nothing(channel: Channel) -> None:
    assert set(Viewer.objects.filter(is_bot=True).values_list("login", flat=True)) == {"nightbot", "streamelements"}
    assert not ViewSession.objects.filter(viewer__is_bot=True).exists()


def test_what_is_missing_after_it_until_a_reader_begins_is_a_gap(channel: Channel) -> None:
    with Redis.from_url(settings.REDIS_URL) as client:
        written: Any = client.hget(KEY.format(DEMO.login), "demo")
    records = {"demo": Record.loads(written)}
    end_ms = records["demo"].spans[-1].end_ms
    records["reader"] = Record(end_ms + 60_000, True, (Span(end_ms + 5000, end_ms + 60_000),))
    gaps, _ = missing(records, decided_ms=0, now_ms=end_ms + 60_000)
    assert gaps == [Span(end_ms, end_ms + 5000, "the reader was not running")]
    assert Message.objects.order_by("-sent_at").values_list("sent_at", flat=True)[0] <= moment(end_ms)


# The connection.


def test_the_channel_is_connected_with_all_we_ask_for(channel: Channel) -> None:
    token = token_of(grant())
    identity = OAuthServer(StatedFacts()).check(f"Bearer {token.value}", CLIENT_ID)
    assert identity
    assert (identity.user_id, identity.scopes) == (DEMO.twitch_id, frozenset(for_channel()))
    assert grant().channel == channel


def test_an_id_that_is_configured_stays_out_of_it(channel: Channel) -> None:
    assert settings.TWITCH_CLIENT_ID == CLIENT_ID


def test_its_moderators_are_let_in(channel: Channel) -> None:
    regulars = World.watched_at(datetime.now(UTC)).crowds[DEMO].regulars
    moderators = {person.twitch_id for person in regulars if person.role == "moderator"}
    assert moderators
    assert moderators <= set(channel.moderators.values_list("twitch_id", flat=True))


def test_a_dead_connection_is_renewed_at_the_next_start(channel: Channel) -> None:
    TwitchGrant.objects.update(state=TwitchGrant.State.DEAD, problem="Twitch no longer accepts it.")
    run()
    assert (grant().state, grant().problem) == (TwitchGrant.State.VALID, "")


def test_a_connection_that_lacks_something_is_renewed_at_the_next_start(channel: Channel) -> None:
    TwitchGrant.objects.update(scopes=["bits:read"])
    run()
    assert grant().scopes == list(for_channel())


def test_one_that_works_is_left_as_it_is(channel: Channel) -> None:
    before = grant().access_token
    run()
    assert grant().access_token == before


def test_who_disconnected_the_channel_finds_it_disconnected(channel: Channel) -> None:
    TwitchGrant.objects.update(state=TwitchGrant.State.REVOKED)
    run()
    assert grant().state == TwitchGrant.State.REVOKED


# Again.


def test_a_second_run_does_nothing(channel: Channel) -> None:
    count = Message.objects.count()
    assert run() == "MoonlitMarta has its history already, nothing to do. Done.\n"
    assert Message.objects.count() == count


def test_what_went_on_and_off_air_since_is_left_to_those_who_ask(live: Stream) -> None:
    Stream.objects.filter(pk=live.pk).update(ended_at=live.started_at + timedelta(minutes=1), title="as asked")
    run()
    live.refresh_from_db()
    assert (live.ended_at, live.title) == (live.started_at + timedelta(minutes=1), "as asked")
    assert not Stream.objects.filter(ended_at=None).exists()


def test_it_is_done_only_when_all_is_done(filled: str, db: None) -> None:
    assert Replay.objects.get(digest="demo").lines_done >= Message.objects.count()


@pytest.mark.parametrize("days", [0, 367])
def test_it_refuses_a_span_that_makes_no_sense(days: int) -> None:
    with pytest.raises(CommandError, match="--days must be from 1 to 366"):
        run(days)
