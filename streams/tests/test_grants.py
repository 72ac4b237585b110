"""Connections: had, kept working, checked, and given back."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from twitchAPI.type import AuthScope

from streams import grants, scopes
from streams.grants import GrantDead, NotConfigured, Token, TwitchAway, WrongAccount
from streams.models import Channel, EventSubscription, TwitchGrant
from streams.oauth import Refused
from streams.tasks import check_grants
from streams.tests.cast import make_channel
from streams.tests.granted import BOT, OWNER, STRANGER, make_grant, tokens, twitch

__all__ = ["twitch"]
pytestmark = pytest.mark.django_db
VALID, DEAD, REVOKED = TwitchGrant.State.VALID, TwitchGrant.State.DEAD, TwitchGrant.State.REVOKED
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
EVERYTHING = scopes.for_channel


@pytest.fixture
def lantern():
    return make_channel("lantern", twitch_id=OWNER.id)


@pytest.fixture(autouse=True)
def redis(redis_client):
    """An empty one."""


def refreshes(twitch):
    return twitch.oauth.asked.count("refresh_token")


# What is asked for.


def test_every_scope_is_one_that_twitch_has():
    known = {scope.value for scope in AuthScope}
    assert set(EVERYTHING() + scopes.for_bot()) <= known


def test_only_what_is_switched_on_is_asked_for(settings):
    settings.TWITCH_FEATURES = ["bits", "points"]
    assert EVERYTHING() == ("bits:read", "channel:read:redemptions")


def test_every_scope_has_a_reason():
    assert all(scopes.why(scope) for scope in EVERYTHING() + scopes.for_bot())


def test_what_cannot_work_is_named():
    assert scopes.without(set(EVERYTHING()) - {"channel:read:vips"}) == ["roles"]


# Tokens at work.


def test_a_grant_gives_its_token_without_asking_anybody(twitch):
    grant = make_grant()
    assert grants.token_of(grant) == Token(grant.access_token, grant.pk)
    assert twitch.oauth.asked == []


def test_a_token_is_not_shown_when_it_is_printed(twitch):
    token = grants.token_of(make_grant())
    assert token.value not in repr(token)
    assert token.value not in repr(tokens())


def test_a_token_whose_time_is_over_is_renewed_and_kept(twitch):
    grant = make_grant(expires_at=LONG_AGO)
    token = grants.token_of(grant)
    kept = TwitchGrant.objects.get()
    assert token.value == kept.access_token != grant.access_token
    assert kept.expires_at > datetime.now(UTC) + timedelta(hours=3)


def test_a_token_that_twitch_no_longer_takes_is_renewed(twitch):
    token = grants.token_of(make_grant())
    twitch.do(twitch.fault("oauth", fault="expire"))
    assert grants.renewed(token).value != token.value


def test_the_refresh_token_that_comes_with_it_is_kept(twitch):
    twitch.oauth.rotates = True
    token = grants.token_of(make_grant())
    assert grants.renewed(grants.renewed(token)).value != token.value


def test_a_token_that_somebody_else_renewed_is_not_renewed_again(twitch):
    token = grants.token_of(make_grant())
    newer = grants.renewed(token)
    assert grants.renewed(token) == newer
    assert refreshes(twitch) == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_who_need_a_new_token_refresh_once(twitch):
    twitch.oauth.rotates = True
    token = grants.token_of(make_grant())
    both, found = threading.Barrier(2), []

    def work():
        both.wait()
        found.append(grants.renewed(token))
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert refreshes(twitch) == 1
    assert found == [Token(TwitchGrant.objects.get().access_token, token.grant_id)] * 2


def test_what_twitch_will_not_renew_is_dead_and_says_what_to_do(twitch):
    token = grants.token_of(make_grant())
    twitch.do(twitch.fault("oauth", fault="revoke", user="lantern"))
    with pytest.raises(GrantDead, match="Connect again"):
        grants.renewed(token)
    kept = TwitchGrant.objects.get()
    assert (kept.state, "Connect again" in kept.problem) == (DEAD, True)


def test_a_dead_grant_is_not_tried_again(twitch):
    grant = make_grant(state=DEAD, problem="It ended.")
    with pytest.raises(GrantDead, match=r"It ended\."):
        grants.token_of(grant)
    with pytest.raises(GrantDead, match=r"It ended\."):
        grants.renewed(Token("x", grant.pk))
    assert refreshes(twitch) == 0


def test_a_grant_that_is_gone_is_dead(twitch):
    with pytest.raises(GrantDead):
        grants.renewed(Token("x", 404))


def test_while_twitch_is_away_no_grant_dies(twitch):
    token = grants.token_of(make_grant())
    twitch.do(twitch.fault("oauth", fault="error"))
    with pytest.raises(TwitchAway):
        grants.renewed(token)
    assert TwitchGrant.objects.get().state == VALID


@pytest.mark.parametrize(("name", "words"), [("TWITCH_CLIENT_SECRET", "secret"), ("TWITCH_CLIENT_ID", "client")])
def test_a_wrong_application_kills_no_grant(twitch, settings, name, words):
    token = grants.token_of(make_grant())
    setattr(settings, name, "wrong")
    with pytest.raises(NotConfigured, match=words):
        grants.renewed(token)
    assert TwitchGrant.objects.get().state == VALID


def test_no_token_is_in_the_log(twitch, caplog):
    token = grants.token_of(make_grant())
    newer = grants.renewed(token)
    twitch.do(twitch.fault("oauth", fault="revoke", user="lantern"))
    grants.validate_all()
    heard = " ".join(str(record.msg) for record in caplog.records)
    assert "grant.refreshed" in heard
    assert "grant.dead" in heard
    assert not [part for part in (token.value, newer.value, TwitchGrant.objects.get().refresh_token) if part in heard]


# The application's own token.


def test_the_application_has_one_token_for_everybody(twitch):
    assert grants.app_token() == grants.app_token()
    assert twitch.oauth.asked == ["client_credentials"]
    assert grants.app_token().grant_id is None


def test_the_applications_token_is_renewed_once(twitch):
    token = grants.app_token()
    newer = grants.renewed(token)
    assert newer != token
    assert grants.renewed(token) == grants.app_token() == newer


def test_the_applications_token_is_kept_encrypted(twitch, redis_client):
    token = grants.app_token()
    assert token.value.encode() not in b"".join(redis_client.get(key) for key in redis_client.keys("*"))


def test_without_an_application_nothing_is_asked(settings):
    settings.TWITCH_CLIENT_ID = ""
    with pytest.raises(NotConfigured, match=r"dev\.twitch\.tv"):
        grants.app_token()


# Who may read chatters.


def test_a_channel_reads_its_own_chatters(lantern):
    grant = make_grant(channel=lantern)
    make_grant(BOT, is_bot=True)
    assert grants.chatters_grant(lantern) == grant


def test_a_bot_stands_in_for_a_channel_that_is_not_connected(lantern):
    bot = make_grant(BOT, is_bot=True)
    assert grants.chatters_grant(lantern) == bot


@pytest.mark.parametrize("wrong", [{"state": DEAD}, {"scopes": ["bits:read"]}])
def test_a_bot_stands_in_for_a_grant_that_cannot_read_them(lantern, wrong):
    make_grant(channel=lantern, **wrong)
    bot = make_grant(BOT, is_bot=True)
    assert grants.chatters_grant(lantern) == bot


def test_a_bot_that_is_no_moderator_there_is_left_out_for_that_channel(lantern):
    quay = make_channel("quay")
    first, second = make_grant(BOT, is_bot=True), make_grant(STRANGER, is_bot=True)
    grants.not_moderator(first, lantern)
    assert grants.chatters_grants([lantern, quay]) == {lantern.pk: second, quay.pk: first}
    grants.not_moderator(second, lantern)
    assert grants.chatters_grant(lantern) is None


def test_that_a_bot_is_no_moderator_is_forgotten_after_an_hour(lantern, redis_client):
    grants.not_moderator(make_grant(BOT, is_bot=True), lantern)
    (key,) = redis_client.keys("*not-moderator*")
    assert 3500 < redis_client.ttl(key) <= 3600


def test_no_grant_reads_what_nobody_allowed(lantern):
    make_grant(STRANGER)
    assert grants.chatters_grant(lantern) is None


@pytest.mark.parametrize("number", [1, 5])
def test_the_grants_of_many_channels_are_one_query(django_assert_num_queries, number):
    channels = [make_channel(f"channel{n}") for n in range(number)]
    make_grant(channel=channels[0])
    make_grant(BOT, is_bot=True)
    with django_assert_num_queries(1):
        assert len(grants.chatters_grants(channels)) == number


# Connecting.


def test_a_channel_is_connected(twitch, lantern):
    connected = grants.connect_channel(lantern, tokens())
    kept = TwitchGrant.objects.get()
    assert (kept.twitch_id, kept.login, kept.channel, kept.is_bot, kept.state) == (
        "11",
        "lantern",
        lantern,
        False,
        VALID,
    )
    assert (kept.scopes, connected.missing, connected.kept_old) == (list(EVERYTHING()), [], False)


def test_a_bot_is_connected(twitch):
    grants.connect_bot(tokens(BOT, scopes.for_bot()))
    kept = TwitchGrant.objects.get()
    assert (kept.login, kept.channel, kept.is_bot) == ("lanternbot", None, True)


def test_a_consent_of_somebody_else_is_given_back_and_not_kept(twitch, lantern):
    given = tokens(STRANGER)
    with pytest.raises(WrongAccount, match=r"stranger allowed this, but .* is lantern"):
        grants.connect_channel(lantern, given)
    assert not TwitchGrant.objects.exists()
    assert twitch.oauth.check(f"Bearer {given.access_token}", "simulated0client0id0for0streamst") is None


def test_a_renamed_owner_is_still_the_owner(twitch):
    channel = make_channel("oldlantern", twitch_id=OWNER.id)
    assert grants.connect_channel(channel, tokens()).grant.channel == channel


def test_another_account_with_the_name_of_the_channel_is_not_its_owner(twitch):
    channel = make_channel("lantern", twitch_id="10")
    with pytest.raises(WrongAccount):
        grants.connect_channel(channel, tokens())


def test_the_id_of_a_channel_is_learnt_by_connecting_it(twitch):
    channel = make_channel("lantern", twitch_id=None)
    grants.connect_channel(channel, tokens())
    assert Channel.objects.get().twitch_id == OWNER.id


def test_an_account_that_is_another_channel_here_is_told(twitch):
    make_channel("oldlantern", twitch_id=OWNER.id)
    channel = make_channel("lantern", twitch_id=None)
    with pytest.raises(WrongAccount, match="Oldlantern"):
        grants.connect_channel(channel, tokens())


def test_consenting_again_replaces_the_tokens(twitch, lantern):
    grants.connect_channel(lantern, tokens())
    TwitchGrant.objects.update(state=DEAD, problem="It ended.")
    given = tokens()
    grants.connect_channel(lantern, given)
    kept = TwitchGrant.objects.get()
    assert (kept.access_token, kept.state, kept.problem) == (given.access_token, VALID, "")


def test_one_account_can_be_channel_and_bot(twitch, lantern):
    grants.connect_bot(tokens(OWNER, scopes.for_bot()))
    grants.connect_channel(lantern, tokens())
    kept = TwitchGrant.objects.get()
    assert (kept.is_bot, kept.channel, kept.scopes) == (True, lantern, list(EVERYTHING()))


def test_a_consent_that_allows_less_does_not_take_away_what_works(twitch, lantern):
    old, new = tokens(), tokens(OWNER, scopes.for_bot())
    grants.connect_channel(lantern, old)
    connected = grants.connect_bot(new)
    kept = TwitchGrant.objects.get()
    assert (connected.kept_old, kept.access_token, kept.is_bot) == (True, old.access_token, True)
    assert kept.scopes == list(EVERYTHING())
    assert twitch.oauth.check(f"Bearer {new.access_token}", "simulated0client0id0for0streamst") is None


def test_a_consent_that_allows_less_replaces_what_no_longer_works(twitch, lantern):
    grants.connect_channel(lantern, tokens())
    twitch.do(twitch.fault("oauth", fault="revoke", user="lantern"))
    new = tokens(OWNER, scopes.for_bot())
    connected = grants.connect_bot(new)
    assert (connected.kept_old, TwitchGrant.objects.get().access_token) == (False, new.access_token)
    assert "bits:read" in connected.missing


def test_an_old_token_whose_time_is_over_is_renewed_to_be_kept(twitch, lantern):
    grants.connect_channel(lantern, tokens())
    twitch.do(twitch.fault("oauth", fault="expire"))
    assert grants.connect_bot(tokens(OWNER, scopes.for_bot())).kept_old
    assert refreshes(twitch) == 1


def test_a_dead_token_connects_nothing(twitch, lantern):
    given = tokens(now=LONG_AGO)
    with pytest.raises(Refused):
        grants.connect_channel(lantern, given)
    assert not TwitchGrant.objects.exists()


# Disconnecting.


def test_a_grant_that_is_given_back_is_dead_everywhere(twitch, lantern):
    grant = make_grant(channel=lantern)
    EventSubscription.objects.create(grant=grant, type="x", version="1", state="enabled", updated_at=LONG_AGO)
    assert grants.revoke(grant)
    kept = TwitchGrant.objects.get()
    assert (kept.state, kept.access_token, kept.refresh_token) == (REVOKED, "", "")
    assert not EventSubscription.objects.exists()
    assert twitch.oauth.check(f"Bearer {grant.access_token}", "simulated0client0id0for0streamst") is None
    with pytest.raises(GrantDead, match="Disconnected"):
        grants.token_of(kept)


def test_a_grant_is_forgotten_even_while_twitch_is_away(twitch):
    twitch.do(twitch.fault("oauth", fault="error"))
    assert not grants.revoke(make_grant())
    assert TwitchGrant.objects.get().access_token == ""


# The hourly check.


def test_every_grant_is_asked_about(twitch):
    for account in (OWNER, BOT):
        make_grant(account, login="oldname", scopes=[])
    checked = grants.validate_all()
    kept = TwitchGrant.objects.get(twitch_id="11")
    assert (checked.valid, checked.dead, str(checked)) == (2, 0, "2 valid, 0 of them renewed, 0 dead")
    assert (kept.login, kept.scopes) == ("lantern", list(EVERYTHING()))
    assert kept.validated_at is not None
    assert kept.validated_at > datetime.now(UTC) - timedelta(minutes=1)


def test_what_has_run_out_is_renewed_by_the_check(twitch):
    make_grant()
    twitch.do(twitch.fault("oauth", fault="expire"))
    checked = grants.validate_all()
    assert (checked.valid, checked.renewed, checked.dead) == (1, 1, 0)
    assert TwitchGrant.objects.get().validated_at is not None


def test_a_consent_that_was_taken_back_is_dead_after_one_check(twitch):
    ended, other = make_grant(), make_grant(BOT, is_bot=True)
    twitch.do(twitch.fault("oauth", fault="revoke", user="lantern"))
    checked = grants.validate_all()
    assert (checked.valid, checked.dead) == (1, 1)
    with pytest.raises(GrantDead, match="disconnected this application at Twitch"):
        grants.token_of(TwitchGrant.objects.get(pk=ended.pk))
    assert grants.ended() == [ended]
    assert grants.token_of(TwitchGrant.objects.get(pk=other.pk)).value == other.access_token


@pytest.mark.parametrize("fault", ["error", "refuse"])
def test_a_check_while_twitch_is_away_changes_nothing(twitch, settings, fault):
    make_grant()
    make_grant(BOT)
    if fault == "error":
        twitch.do(twitch.fault("oauth", fault="error"))
    else:
        settings.TWITCH_AUTH_URL = "http://127.0.0.1:9/oauth2"
    checked = grants.validate_all()
    assert (checked.valid, checked.dead, checked.unreachable) == (0, 0, 2)
    assert "Twitch is away" in str(checked)
    assert TwitchGrant.objects.valid().filter(validated_at=None).count() == 2


def test_grants_that_ended_are_not_asked_about(twitch):
    make_grant(state=DEAD, problem="It ended.")
    make_grant(BOT, state=REVOKED)
    checked = grants.validate_all()
    assert (checked.valid, checked.dead) == (0, 0)


def test_tokens_that_became_others_during_the_check_are_left_alone(twitch, monkeypatch):
    grant = make_grant(scopes=[])
    write = grants._write_valid

    def write_late(found, asked):
        TwitchGrant.objects.update(access_token="newer")
        write(found, asked)

    monkeypatch.setattr(grants, "_write_valid", write_late)
    grants.validate_all()
    kept = TwitchGrant.objects.get(pk=grant.pk)
    assert (kept.access_token, kept.scopes, kept.validated_at) == ("newer", [], None)


def test_who_disconnects_while_others_are_renewed_stays_disconnected(twitch, monkeypatch):
    first, second = make_grant(), make_grant(BOT)
    twitch.do(twitch.fault("oauth", fault="expire"))
    renew = grants.renewed

    def renew_late(token):
        if token.grant_id == second.pk:
            grants.revoke(first)
        return renew(token)

    monkeypatch.setattr(grants, "renewed", renew_late)
    grants.validate_all()
    kept = TwitchGrant.objects.get(pk=first.pk)
    assert (kept.state, kept.problem, kept.access_token) == (REVOKED, grants.TAKEN_BACK, "")


def test_what_ended_while_twitch_was_asked_stays_ended(twitch, monkeypatch):
    make_grant()
    write = grants._write_valid

    def write_late(found, asked):
        TwitchGrant.objects.update(state=DEAD, problem="It ended.")
        write(found, asked)

    monkeypatch.setattr(grants, "_write_valid", write_late)
    grants.validate_all()
    kept = TwitchGrant.objects.get()
    assert (kept.state, kept.problem) == (DEAD, "It ended.")


@pytest.mark.parametrize("number", [1, 3])
def test_the_check_of_many_grants_takes_as_many_statements_as_of_one(twitch, django_assert_num_queries, number):
    for account in (OWNER, BOT, STRANGER)[:number]:
        make_grant(account)
    with django_assert_num_queries(5):  # of which 2 are savepoints, that the test's own transaction makes
        grants.validate_all()


def test_the_job_tells_what_it_found(twitch):
    make_grant()
    assert check_grants() == "1 valid, 0 of them renewed, 0 dead"


def test_the_job_is_tried_again_when_twitch_was_away(twitch):
    make_grant()
    twitch.do(twitch.fault("oauth", fault="error"))
    with pytest.raises(TwitchAway, match="1 not checked"):
        check_grants()


# Keys.


def stored():
    """What a stolen dump would show."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT streams_twitchgrant::text FROM streams_twitchgrant")
        return " ".join(row for (row,) in cursor.fetchall())


def test_a_dump_shows_no_token():
    grant = make_grant()
    assert grant.login in stored()
    assert grant.access_token not in stored()
    assert grant.refresh_token not in stored()


def test_an_old_key_still_reads(settings):
    settings.TOKEN_KEYS = ["old"]
    grant = make_grant()
    settings.TOKEN_KEYS = ["new", "old"]
    assert TwitchGrant.objects.get().access_token == grant.access_token


def test_what_is_sealed_again_needs_the_old_key_no_more(settings):
    settings.TOKEN_KEYS = ["old"]
    grant = make_grant()
    settings.TOKEN_KEYS = ["new", "old"]
    assert grants.seal_again() == (1, 0)
    settings.TOKEN_KEYS = ["new"]
    kept = TwitchGrant.objects.get()
    assert (kept.access_token, kept.refresh_token) == (grant.access_token, grant.refresh_token)


def test_what_no_key_opens_is_dead_and_says_what_to_do(twitch, settings, lantern):
    settings.TOKEN_KEYS = ["old"]
    make_grant(channel=lantern)
    settings.TOKEN_KEYS = ["new"]
    with pytest.raises(GrantDead, match="put the old key back into TOKEN_KEYS"):
        grants.token_of(TwitchGrant.objects.get())
    assert grants.chatters_grant(lantern) is None


def test_what_no_key_opens_lives_again_with_its_key(twitch, settings):
    settings.TOKEN_KEYS = ["old"]
    grant = make_grant()
    settings.TOKEN_KEYS = ["new"]
    assert grants.seal_again() == (0, 1)
    assert grants.validate_all().dead == 1
    assert TwitchGrant.objects.get().state == DEAD
    settings.TOKEN_KEYS = ["new", "old"]
    assert grants.validate_all().valid == 1
    kept = TwitchGrant.objects.get()
    assert (kept.state, kept.problem, kept.access_token) == (VALID, "", grant.access_token)


def after_the_keys_are_tried(monkeypatch, do):
    """Something happens once it is found that no key opens a grant."""
    try_keys = grants.is_readable
    left = [do]

    def is_readable(grant):
        is_open = try_keys(grant)
        if not is_open and left:
            left.pop()()
        return is_open

    monkeypatch.setattr(grants, "is_readable", is_readable)


def test_a_new_consent_for_what_no_key_opens_lives(twitch, settings, lantern, monkeypatch):
    settings.TOKEN_KEYS = ["old"]
    make_grant(channel=lantern)
    settings.TOKEN_KEYS = ["new"]
    given = tokens()
    after_the_keys_are_tried(monkeypatch, lambda: grants.connect_channel(lantern, given))
    checked = grants.validate_all()
    kept = TwitchGrant.objects.get()
    assert (kept.state, kept.problem, kept.access_token) == (VALID, "", given.access_token)
    assert checked.dead == 0


def test_what_no_key_opens_and_is_disconnected_stays_disconnected(twitch, settings, monkeypatch):
    settings.TOKEN_KEYS = ["old"]
    grant = make_grant()
    settings.TOKEN_KEYS = ["new"]
    after_the_keys_are_tried(monkeypatch, lambda: grants.revoke(grant))
    grants.validate_all()
    kept = TwitchGrant.objects.get()
    assert (kept.state, kept.problem) == (REVOKED, grants.TAKEN_BACK)


def test_what_no_key_opened_for_long_is_renewed_once_one_does(twitch, settings):
    settings.TOKEN_KEYS = ["old"]
    make_grant(state=DEAD, problem=grants.UNREADABLE)
    twitch.do(twitch.fault("oauth", fault="expire"))
    checked = grants.validate_all()
    assert (checked.valid, checked.renewed, TwitchGrant.objects.get().state) == (1, 1, VALID)


def test_an_applications_token_that_no_key_opens_is_asked_for_again(twitch, settings):
    settings.TOKEN_KEYS = ["old"]
    grants.app_token()
    settings.TOKEN_KEYS = ["new"]
    assert grants.app_token().value
    assert twitch.oauth.asked == ["client_credentials"] * 2
    assert cache.get(grants.APP_TOKEN)
