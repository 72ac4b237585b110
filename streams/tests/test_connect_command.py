"""manage.py connect, for servers without a browser."""

import http.client
from io import StringIO
from urllib.parse import urlencode, urlsplit

import pytest
from django.core.management import CommandError, call_command

from streams import scopes
from streams.management.commands import connect
from streams.models import Channel, TwitchGrant
from streams.tests.cast import make_channel
from streams.tests.granted import BOT, OWNER, STRANGER, make_grant, tokens, twitch

__all__ = ["twitch"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def redis(redis_client):
    """An empty one."""


@pytest.fixture
def lantern():
    return make_channel("lantern", twitch_id=OWNER.id)


def run(*words):
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def answering(monkeypatch, twitch, *answers):
    """While the command waits, these happen: somebody enters the code, something else is done, or an error."""
    left, waited = list(answers), []

    def pause(seconds):
        waited.append(seconds)
        answer = left.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            answer()
        else:
            enter(twitch, *answer)

    monkeypatch.setattr(connect, "pause", pause)
    return waited


def enter(twitch, who, answer="allow"):
    (device,) = twitch.oauth.devices.values()
    there = http.client.HTTPConnection("127.0.0.1", twitch.port)
    form = urlencode({"device-code": device.user_code, "user": who, "answer": answer})
    there.request("POST", "/oauth2/activate", form, {"Content-Type": "application/x-www-form-urlencoded"})
    assert there.getresponse().status == 200
    there.close()


def test_a_channel_is_connected_with_a_code(twitch, lantern, monkeypatch):
    waited = answering(monkeypatch, twitch, lambda: None, ("lantern",))
    said = run("connect", "--channel", "https://twitch.tv/Lantern")
    kept = TwitchGrant.objects.get()
    assert (kept.channel, kept.scopes) == (lantern, list(scopes.for_channel()))
    assert waited == [5, 5]
    assert said.splitlines()[-1] == "Connected lantern."
    page = next(line.split()[1] for line in said.splitlines() if line.startswith("Open"))
    code = next(line.split()[1] for line in said.splitlines() if line.startswith("enter"))
    assert urlsplit(page).path == "/oauth2/activate"
    assert len(code) == 8


def test_a_bot_is_connected_with_a_code(twitch, monkeypatch):
    answering(monkeypatch, twitch, ("lanternbot",))
    run("connect", "--bot")
    assert TwitchGrant.objects.get().is_bot


def test_the_wrong_account_is_told(twitch, lantern, monkeypatch):
    answering(monkeypatch, twitch, (STRANGER.login,))
    with pytest.raises(CommandError, match="stranger allowed this"):
        run("connect", "--channel", "lantern")
    assert not TwitchGrant.objects.exists()


def test_a_no_is_told(twitch, lantern, monkeypatch):
    answering(monkeypatch, twitch, ("lantern", "deny"))
    with pytest.raises(CommandError, match="Twitch refused: invalid device code"):
        run("connect", "--channel", "lantern")


def test_a_code_that_nobody_entered_is_given_up(twitch, lantern, monkeypatch):
    times = iter([0.0, 0.0, 900.0, 1801.0])
    monkeypatch.setattr(connect, "clock", lambda: next(times))
    answering(monkeypatch, twitch, lambda: None, lambda: None)
    with pytest.raises(CommandError, match="in time"):
        run("connect", "--channel", "lantern")


def test_twitch_being_away_for_a_moment_is_waited_out(twitch, lantern, monkeypatch, capsys):
    answering(
        monkeypatch,
        twitch,
        lambda: twitch.do(twitch.fault("oauth", fault="error")),
        lambda: twitch.do(twitch.fault("oauth", fault="mend")),
        ("lantern",),
    )
    run("connect", "--channel", "lantern")
    assert "Twitch has trouble" in capsys.readouterr().err
    assert TwitchGrant.objects.exists()


def test_stopping_it_has_a_code_of_its_own(twitch, lantern, monkeypatch):
    answering(monkeypatch, twitch, KeyboardInterrupt())
    with pytest.raises(CommandError) as stopped:
        run("connect", "--channel", "lantern")
    assert stopped.value.returncode == 130


@pytest.mark.parametrize("name", ["nobody", "not a name", ""])
def test_a_channel_that_is_not_known_is_told(twitch, name):
    Channel.objects.create(login=None)
    with pytest.raises(CommandError, match=r"manage\.py follow"):
        run("connect", "--channel", name)


def test_without_an_application_it_is_told_how_to_have_one(lantern):
    with pytest.raises(CommandError, match=r"dev\.twitch\.tv"):
        run("connect", "--channel", "lantern")


@pytest.mark.parametrize("words", [[], ["--bot", "--list"]])
def test_one_thing_is_to_be_said(words):
    with pytest.raises(CommandError):
        run("connect", *words)


def test_a_consent_that_allows_less_is_told(twitch, lantern, monkeypatch):
    make_grant(channel=lantern)
    answering(monkeypatch, twitch, (OWNER.login,))
    assert "stays as it was" in run("connect", "--bot")


def test_what_is_connected_is_listed(lantern):
    make_grant(channel=lantern, is_bot=True)
    make_grant(BOT, state="dead", problem="It ended.")
    first, second = run("connect", "--list").splitlines()
    assert first.split() == ["lantern", "channel", "lantern", "and", "bot", "works"]
    assert second.split() == ["lanternbot", "-", "It", "ended."]


def test_that_nothing_is_connected_is_said():
    assert run("connect", "--list") == "Nothing is connected.\n"


def test_an_account_is_disconnected(twitch):
    make_grant()
    assert run("connect", "--disconnect", "Lantern") == "Disconnected lantern.\n"
    assert TwitchGrant.objects.get().access_token == ""


def test_disconnecting_while_twitch_is_away_says_what_is_left_to_do(twitch):
    make_grant()
    twitch.do(twitch.fault("oauth", fault="error"))
    assert "Twitch could not be told" in run("connect", "--disconnect", "lantern")


def test_what_is_not_connected_cannot_be_disconnected():
    with pytest.raises(CommandError, match="--list"):
        run("connect", "--disconnect", "lantern")


def test_tokens_are_encrypted_with_the_newest_key(settings):
    settings.TOKEN_KEYS = ["old"]
    make_grant()
    settings.TOKEN_KEYS = ["new", "old"]
    assert run("rotatekeys") == "Connections encrypted with the newest key: 1.\n"
    settings.TOKEN_KEYS = ["new"]
    assert TwitchGrant.objects.get().access_token


def test_what_no_key_opens_is_told(settings):
    settings.TOKEN_KEYS = ["old"]
    make_grant(given=tokens())
    settings.TOKEN_KEYS = ["new"]
    with pytest.raises(CommandError, match="No key opens 1 more"):
        run("rotatekeys")
