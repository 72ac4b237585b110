"""A word that means nothing to a setting is refused, with the name of the setting."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from streamstats.environment import log_level, switch
from streamstats.local.manage import PROJECT


@pytest.mark.parametrize(
    ("word", "is_on"),
    [
        ("true", True),
        ("True", True),
        ("1", True),
        ("on", True),
        ("false", False),
        ("no", False),
        ("0", False),
        ("", False),
    ],
)
def test_a_switch_is_on_or_off(monkeypatch, word, is_on):
    monkeypatch.setenv("DEBUG", word)
    assert switch("DEBUG") is is_on


def test_a_switch_nobody_touched_is_off(monkeypatch):
    monkeypatch.delenv("DEBUG", raising=False)
    assert not switch("DEBUG")


def test_a_switch_halfway_is_refused(monkeypatch):
    monkeypatch.setenv("DEBUG", "maybe")
    with pytest.raises(ImproperlyConfigured, match=r"^DEBUG \(maybe\) is neither on nor off"):
        switch("DEBUG")


@pytest.mark.parametrize(("word", "level"), [("WARNING", "WARNING"), ("debug", "DEBUG")])
def test_a_level_is_taken_in_any_case(monkeypatch, word, level):
    monkeypatch.setenv("LOG_LEVEL", word)
    assert log_level("LOG_LEVEL", "INFO") == level


def test_a_level_there_is_not_is_refused(monkeypatch):
    monkeypatch.setenv("LOG_LEVEL", "NOPE")
    with pytest.raises(ImproperlyConfigured, match=r"^LOG_LEVEL \(NOPE\) is none of .*WARNING"):
        log_level("LOG_LEVEL", "INFO")


def run(*words, **environment):
    """What a Python of its own says, with only these settings."""
    known = {name: value for name, value in os.environ.items() if name in ("PATH", "STREAMSTATS_HOME")}
    return subprocess.run(
        [sys.executable, *words],
        cwd=PROJECT,
        env={**known, "ENV_FILE": os.devnull, **environment},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(("name", "word"), [("LOG_LEVEL", "NOPE"), ("DEBUG", "maybe"), ("LOG_JSON", "2")])
def test_a_command_says_it_in_one_line(name, word):
    answer = run("manage.py", "check", **{name: word})
    assert (answer.returncode, answer.stderr.count("\n")) == (1, 1)
    assert answer.stderr.startswith(f"streamstats: {name} ({word}) is ")


def test_a_connection_of_the_pool_is_tried_before_it_is_used():
    """A restart of Postgres leaves dead ones in the pool, and each would cost a page."""
    asked = "from streamstats import settings; print(settings.DATABASES['default']['CONN_HEALTH_CHECKS'])"
    assert run("-c", asked, DATABASE_POOL="true").stdout == "True\n"


@pytest.mark.parametrize(
    ("process", "environment", "said"),
    [
        ("streamstats.asgi", {}, "-c statement_timeout=15000"),
        ("streamstats.asgi", {"STATEMENT_TIMEOUT_S": "0"}, "None"),
        (
            "streamstats.asgi",
            {"STATEMENT_TIMEOUT_S": "2.5", "DATABASE_URL": "postgres://127.0.0.1/x?options=-c%20statement_timeout%3D9"},
            "-c statement_timeout=2500 -c statement_timeout=9",
        ),
        ("streamstats.celery", {}, "None"),
    ],
)
def test_only_a_web_process_gives_up_what_the_database_takes_long_for(process, environment, said):
    asked = (
        f"import os; os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'streamstats.settings'); import {process};"
        "from django.conf import settings; print(settings.DATABASES['default'].get('OPTIONS', {}).get('options'))"
    )
    assert run("-c", asked, SECRET_KEY="tests", **environment).stdout == f"{said}\n"
