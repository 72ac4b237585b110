"""`manage.py` has servers where a command needs them, and says in one sentence what its user can put right."""

import os
import re

import psycopg
import pytest
import redis
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, ProgrammingError

from streamstats.local import manage
from streamstats.local.errors import LocalError


def caused(error, cause):
    error.__cause__ = cause
    return error


REFUSED = psycopg.OperationalError("connection failed: connection to server failed: Connection refused\n\tMore.")


@pytest.mark.parametrize("command", ["migrate", "replay", "ingest", "shell", "createsuperuser", "dbshell"])
def test_servers_are_there_for_commands_that_use_them(command):
    assert manage.needs_servers(["manage.py", command])


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["help"],
        ["--help"],
        ["--version"],
        ["migrate", "--help"],
        ["replay", "-h"],
        ["no-such-command"],
        ["check"],
        ["collectstatic", "--no-input"],
        ["run"],
    ],
)
def test_no_server_is_started_for_nothing(words):
    assert not manage.needs_servers(["manage.py", *words])


@pytest.mark.parametrize("words", [["run", "--channel", "somebody"], ["run", "--channel=somebody"]])
def test_a_real_channel_has_a_home_of_its_own(words, monkeypatch):
    monkeypatch.delenv("STREAMSTATS_HOME")
    manage._choose_home(["manage.py", *words])
    assert os.environ["STREAMSTATS_HOME"] == str(manage.LIVE_HOME)


@pytest.mark.parametrize("words", [["run"], ["follow", "--channel"], []])
def test_everything_else_uses_the_usual_home(words, monkeypatch):
    monkeypatch.delenv("STREAMSTATS_HOME")
    manage._choose_home(["manage.py", *words])
    assert "STREAMSTATS_HOME" not in os.environ


def test_a_home_that_was_named_is_used_for_a_real_channel_too(monkeypatch):
    monkeypatch.setenv("STREAMSTATS_HOME", "/srv/mine")
    manage._choose_home(["manage.py", "run", "--channel", "somebody"])
    assert os.environ["STREAMSTATS_HOME"] == "/srv/mine"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (caused(OperationalError(str(REFUSED)), REFUSED), r"^Postgres at .* does not answer: .*Connection refused$"),
        (PermissionError(13, "Permission denied", "/srv/file"), r"^/srv/file may not be used by this user"),
        (redis.ConnectionError("Error 111"), r"^Redis at .* does not answer: Error 111$"),
        (redis.TimeoutError("too slow"), r"^Redis at .* does not answer: too slow$"),
        (caused(ProgrammingError("?"), psycopg.errors.UndefinedTable("?")), r"run `manage\.py migrate`"),
        (caused(ProgrammingError("?"), psycopg.errors.UndefinedColumn("?")), r"run `manage\.py migrate`"),
    ],
)
def test_what_the_user_can_put_right_is_one_sentence(error, sentence, monkeypatch, capsys):
    monkeypatch.setattr(manage, "execute_from_command_line", raising(error))
    assert manage.execute(["manage.py", "check"]) == 1
    said = capsys.readouterr().err
    assert re.search(sentence, said.strip().removeprefix("streamstats: "))
    assert said.count("\n") == 1


@pytest.mark.parametrize("error", [LocalError("it is so"), ImproperlyConfigured("it is so")])
def test_our_own_sentences_are_said_as_they_are(error, monkeypatch, capsys):
    monkeypatch.setattr(manage, "execute_from_command_line", raising(error))
    assert manage.execute(["manage.py", "check"]) == 1
    assert capsys.readouterr().err == "streamstats: it is so\n"


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("ours"),
        redis.ResponseError("ours"),
        PermissionError("ours"),
        caused(OperationalError("deadlock"), psycopg.errors.DeadlockDetected("deadlock")),
        caused(ProgrammingError("syntax"), psycopg.errors.SyntaxError("syntax")),
    ],
)
def test_a_mistake_of_ours_keeps_its_stack(error, monkeypatch):
    monkeypatch.setattr(manage, "execute_from_command_line", raising(error))
    with pytest.raises(type(error)):
        manage.execute(["manage.py", "check"])


def test_the_stack_can_be_asked_for(monkeypatch):
    monkeypatch.setattr(manage, "execute_from_command_line", raising(redis.ConnectionError("gone")))
    with pytest.raises(redis.ConnectionError):
        manage.execute(["manage.py", "check", "--traceback"])


def test_ctrl_c_is_quiet(monkeypatch, capsys):
    monkeypatch.setattr(manage, "execute_from_command_line", raising(KeyboardInterrupt()))
    assert manage.execute(["manage.py", "check"]) == 130
    assert capsys.readouterr().err == ""


def test_that_nothing_is_installed_to_embed_is_said(monkeypatch):
    monkeypatch.setattr(manage, "find_spec", lambda name: None)
    with pytest.raises(LocalError, match=r"requirements-local\.txt"):
        manage.require_local_packages()


def test_settings_that_are_no_text_are_said(tmp_path, monkeypatch, capsys):
    file = tmp_path / "settings"
    file.write_bytes(b"PORT=8000\nSECRET_KEY=\xff\n")
    monkeypatch.setenv("ENV_FILE", str(file))
    assert manage.execute(["manage.py", "check"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"streamstats: {file} is not UTF-8 text (")
    assert said.count("\n") == 1


def test_a_password_is_not_said():
    assert manage._redis_place("redis://:secret@host:7000/1") == "host:7000"


def raising(error):
    def raise_it(argv):
        raise error

    return raise_it
