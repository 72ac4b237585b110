"""What Twitch's authorization server may answer, and what it is taken for."""

import pytest

from streams import oauth
from streams.oauth import InvalidToken, NotConfigured, OAuthError, Pending, Refused, Tokens, TwitchAway
from streams.tests.granted import tokens, twitch

__all__ = ["twitch"]
RIGHT = {"access_token": "a", "refresh_token": "r", "expires_in": 14400, "scope": ["bits:read"]}


def refusal(status, message):
    return oauth._refusal(status, {"status": status, "message": message})


def test_scopes_come_as_a_list_or_as_text():
    assert oauth._tokens(RIGHT) == Tokens("a", "r", 14400, ("bits:read",))
    assert oauth._tokens({**RIGHT, "scope": "bits:read chat:read"}).scopes == ("bits:read", "chat:read")


@pytest.mark.parametrize(
    "wrong",
    [
        {"access_token": None},
        {"access_token": ""},
        {"access_token": "a\r\nX: y"},
        {"access_token": ["a"]},
        {"refresh_token": 1},
        {"expires_in": "soon"},
        {"expires_in": -1},
        {"expires_in": None},
    ],
)
def test_an_answer_that_makes_no_sense_is_no_answer(wrong):
    with pytest.raises(TwitchAway, match="no sense"):
        oauth._tokens({**RIGHT, **wrong})


def test_a_lifetime_has_an_end():
    assert oauth._tokens({**RIGHT, "expires_in": 10**30}).expires_in == oauth.LONGEST_S


def test_scopes_that_are_none_are_left_out():
    odd = ["bits:read", "x" * 65, "\x00", None, {"a": 1}, "<b>"]
    assert oauth._tokens({**RIGHT, "scope": odd}).scopes == ("bits:read",)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "Invalid refresh token", Refused),
        (400, "authorization_pending", Pending),
        (400, "invalid client", NotConfigured),
        (403, "invalid client secret", NotConfigured),
        (404, "", NotConfigured),
        (401, "invalid access token", InvalidToken),
        (429, "slow down", TwitchAway),
        (503, "", TwitchAway),
        (302, "", TwitchAway),
    ],
)
def test_every_no_is_of_a_kind(status, message, kind):
    assert type(refusal(status, message)) is kind


def test_what_is_no_json_means_that_twitch_is_away():
    assert type(oauth._refusal(400, None)) is TwitchAway


def test_words_of_twitch_are_cut():
    assert len(str(refusal(400, "x" * 10_000))) < 300


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"\xff", b"[" * 100_000])
def test_only_an_object_is_an_answer(body):
    assert oauth._object(body) is None


def test_a_server_that_takes_too_long_is_away(twitch, monkeypatch):
    monkeypatch.setattr(oauth, "TIMEOUT_S", 0.05)
    twitch.do(twitch.fault("oauth", fault="slow", seconds=60))
    given = tokens()
    with pytest.raises(TwitchAway, match="does not answer"):
        oauth.ask(lambda server: server.validate(given.access_token))
    twitch.do(twitch.fault("oauth", fault="mend"))


def test_an_answer_that_is_too_long_is_not_read(twitch, monkeypatch):
    monkeypatch.setattr(oauth, "MAX_BODY_BYTES", 10)
    given = tokens()
    with pytest.raises(TwitchAway):
        oauth.ask(lambda server: server.validate(given.access_token))


def test_a_token_of_another_application_is_told(twitch, settings):
    given = tokens()
    settings.TWITCH_CLIENT_ID = "another"
    with pytest.raises(InvalidToken, match="TWITCH_CLIENT_ID has changed"):
        oauth.ask(lambda server: server.validate(given.access_token))


def test_giving_back_a_dead_token_is_no_error(twitch):
    given = tokens()
    for _ in range(2):
        oauth.ask(lambda server: server.revoke(given.access_token))


def test_a_token_in_an_error_is_not_shown(twitch):
    with pytest.raises(OAuthError) as refused:
        oauth.ask(lambda server: server.validate("s3cr3t"))
    assert "s3cr3t" not in str(refused.value)
