"""A setting that cannot work is named at start, with a hint."""

from pathlib import Path

import pytest

from streamstats import checks


def ids(messages):
    return [message.id for message in messages]


def test_the_defaults_are_right():
    every = [checks.check_database, checks.check_redis, checks.check_services, checks.check_home, checks.check_port]
    every += [checks.check_login, checks.check_media, checks.check_language_models]
    every += [checks.check_language_model_addresses, checks.check_language_model_bounds]
    assert [message for check in every for message in check()] == []


@pytest.mark.parametrize(("client_id", "secret"), [("id", ""), ("", "secret")])
def test_half_of_an_application_is_refused(settings, client_id, secret):
    settings.TWITCH_CLIENT_ID, settings.TWITCH_CLIENT_SECRET = client_id, secret
    [message] = checks.check_login()
    assert message.id == "streamstats.E008"
    assert "TWITCH_CLIENT_ID" in message.msg
    assert "TWITCH_CLIENT_SECRET" in message.msg


@pytest.mark.parametrize(("client_id", "secret"), [("id", "secret"), ("", "")])
def test_a_whole_application_or_none_is_right(settings, client_id, secret):
    settings.TWITCH_CLIENT_ID, settings.TWITCH_CLIENT_SECRET = client_id, secret
    assert ids(checks.check_login()) == []


@pytest.mark.parametrize("below", ["", "media", "a/b"])
def test_exports_are_not_written_where_everybody_reads(settings, tmp_path, below):
    settings.STATIC_ROOT = tmp_path / "static"
    settings.MEDIA_ROOT = settings.STATIC_ROOT / below
    assert ids(checks.check_media()) == ["streamstats.E009"]


def test_exports_need_a_folder_that_can_be_written_to(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "file" / "media"
    assert ids(checks.check_media()) == []
    (tmp_path / "file").touch()
    assert ids(checks.check_media()) == ["streamstats.E010"]


@pytest.mark.parametrize("key", ["", None])
def test_a_missing_secret_key_is_named(settings, key):
    settings.SECRET_KEY = key
    assert ids(checks.check_secret_key()) == ["streamstats.E001"]


def test_a_secret_key_is_enough(settings):
    settings.SECRET_KEY = "something"
    assert ids(checks.check_secret_key()) == []


@pytest.mark.parametrize("database", [{}, {"ENGINE": "django.db.backends.sqlite3"}])
def test_another_database_is_refused(monkeypatch, settings, database):
    monkeypatch.setitem(settings.DATABASES, "default", database)
    assert ids(checks.check_database()) == ["streamstats.E002"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis",
        "http://127.0.0.1",
        "redis://",
        "redis://host:port",
        "unix://",
        "redis://host/x",
        "redis://host/٣",
        "redis://host/?db=x",
        "unix:///s?db=x",
    ],
)
def test_what_is_not_a_redis_is_refused(settings, url):
    settings.REDIS_URL = url
    assert ids(checks.check_redis()) == ["streamstats.E003"]


@pytest.mark.parametrize(
    "url", ["redis://:secret@host:6379/2", "rediss://host", "redis://host/", "unix:///run/redis.sock?db=1"]
)
def test_every_way_to_reach_redis_is_taken(settings, url):
    settings.REDIS_URL = url
    assert ids(checks.check_redis()) == []


@pytest.mark.parametrize("name", checks.SERVICE_SCHEMES)
@pytest.mark.parametrize("url", ["", "7tv.io", "ftp://7tv.io", "https://", "ws://", "http://host:port"])
def test_a_service_needs_a_whole_address(settings, name, url):
    setattr(settings, name, url)
    [message] = checks.check_services()
    assert (message.id, name in message.msg) == ("streamstats.E004", True)


@pytest.mark.parametrize("url", ["https://a;script-src *", "https://a/;b", "https://a b", "https://a,b", "https://a\n"])
def test_an_address_adds_nothing_to_the_policy_of_pages(settings, url):
    settings.TWITCH_CDN_URL = url
    assert ids(checks.check_services()) == ["streamstats.E004"]


@pytest.mark.parametrize("name", ["TWITCH_IRC_URL", "BTTV_WS_URL"])
def test_a_web_socket_cannot_be_a_page(settings, name):
    setattr(settings, name, "https://example.org")
    assert ids(checks.check_services()) == ["streamstats.E004"]


def test_a_home_below_a_file_is_refused(settings, tmp_path):
    (tmp_path / "file").touch()
    settings.STREAMSTATS_HOME = tmp_path / "file" / "home"
    assert ids(checks.check_home()) == ["streamstats.E005"]


def test_a_home_that_may_not_be_written_to_is_refused(settings, monkeypatch):
    monkeypatch.setattr("os.access", lambda folder, mode: folder != Path("/"))
    settings.STREAMSTATS_HOME = Path("/")
    assert ids(checks.check_home()) == ["streamstats.E005"]


def test_a_home_may_be_made_later(settings, tmp_path):
    settings.STREAMSTATS_HOME = tmp_path / "not" / "yet"
    assert ids(checks.check_home()) == []


@pytest.mark.parametrize("port", ["", "0", "65536", "-1", "http", "80.5", "٣"])
def test_what_is_not_a_port_is_refused(settings, port):
    settings.PORT = port
    assert ids(checks.check_port()) == ["streamstats.E006"]


@pytest.mark.parametrize("port", ["1", "8000", "65535"])
def test_a_port_is_taken(settings, port):
    settings.PORT = port
    assert ids(checks.check_port()) == []


def test_every_message_has_a_hint(settings):
    settings.SECRET_KEY = settings.REDIS_URL = settings.PORT = settings.FFZ_URL = ""
    wrong = [checks.check_secret_key, checks.check_redis, checks.check_port, checks.check_services]
    assert all(message.hint for check in wrong for message in check())


def test_a_feature_that_there_is_not_is_named(settings):
    settings.TWITCH_FEATURES = ["presence", "watching"]
    (message,) = checks.check_features()
    assert message.id == "streamstats.E007"
    assert "watching" in message.msg
    assert "hype-trains" in str(message.hint)


def test_a_key_of_erased_accounts_that_changes_with_another_is_named(settings):
    settings.SECRET_KEY = settings.PRIVACY_KEY = "one"
    [message] = checks.check_privacy_key()
    assert (message.id, bool(message.hint)) == ("streamstats.W001", True)
    settings.SECRET_KEY = "another"
    assert ids(checks.check_privacy_key()) == []


def test_no_feature_or_some_are_right(settings):
    for settings.TWITCH_FEATURES in ([], ["presence", "hype-trains"]):
        assert ids(checks.check_features()) == []


# Language models


@pytest.mark.parametrize(
    "entry", ["gpt-4o", "openai:", ":gpt-4o", "", "mistral:large", "openai:gpt 4o", "openai:" + "x" * 101]
)
def test_what_names_no_language_model_is_told(settings, entry):
    settings.AI_PROVIDERS = ["anthropic:claude-haiku-4-5", entry]
    settings.ANTHROPIC_API_KEY = "key"
    [message] = checks.check_language_models()
    assert (message.id, entry in message.msg, bool(message.hint)) == ("streamstats.E011", True, True)


@pytest.mark.parametrize(
    ("entry", "key", "url"),
    [
        ("openai:gpt-4o", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
        ("anthropic:claude-haiku-4-5", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
        ("google:gemini-2.5-flash", "GEMINI_API_KEY", "GEMINI_BASE_URL"),
    ],
)
def test_a_language_model_needs_its_key_or_a_server_of_ones_own(settings, entry, key, url):
    settings.AI_PROVIDERS = [entry]
    [message] = checks.check_language_models()
    assert (message.id, key in message.msg) == ("streamstats.E012", True)
    setattr(settings, key, "a key")
    assert ids(checks.check_language_models()) == []
    setattr(settings, key, "")
    setattr(settings, url, "http://127.0.0.1:11434/v1")
    assert ids(checks.check_language_models()) == []


@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GEMINI_BASE_URL"])
def test_a_server_of_ones_own_needs_a_whole_address(settings, name):
    setattr(settings, name, "localhost:11434")
    [message] = checks.check_language_model_addresses()
    assert (message.id, name in message.msg) == ("streamstats.E013", True)


@pytest.mark.parametrize("amount", ["", "much", "-1", "1,50", "1e3", "NaN", "Infinity", "٣"])
def test_a_budget_has_to_be_an_amount(settings, amount):
    settings.AI_DAILY_BUDGET = amount
    assert ids(checks.check_language_model_bounds()) == ["streamstats.E014"]


@pytest.mark.parametrize("amount", ["0", "1", "2.50", "0.000001"])
def test_a_budget_may_be_small_or_nothing(settings, amount):
    settings.AI_DAILY_BUDGET = amount
    assert ids(checks.check_language_model_bounds()) == []


@pytest.mark.parametrize("name", ["AI_TIMEOUT_S", "AI_INPUT_TOKENS"])
def test_an_answer_needs_time_and_something_to_read(settings, name):
    setattr(settings, name, 0)
    assert ids(checks.check_language_model_bounds()) == ["streamstats.E015"]


def test_sending_webhooks_anywhere_is_warned_of_unless_one_is_trying_it_out(settings):
    assert ids(checks.check_webhook_guard()) == []
    settings.WEBHOOK_ALLOW_PRIVATE = True
    assert ids(checks.check_webhook_guard()) == ["streamstats.W002"]
    settings.DEBUG = True
    assert ids(checks.check_webhook_guard()) == []


@pytest.mark.parametrize(
    ("seconds", "found"),
    [
        (15.0, []),
        (0, []),
        (0.0001, ["streamstats.E017"]),
        (-1, ["streamstats.E017"]),
        (float("inf"), ["streamstats.E017"]),
    ],
)
def test_a_request_waits_for_the_database_for_a_time_that_can_be(settings, seconds, found):
    settings.STATEMENT_TIMEOUT_S = seconds
    assert ids(checks.check_statement_timeout()) == found


@pytest.mark.parametrize(
    ("seconds", "found"), [(10.0, []), (0.5, []), (0, ["streamstats.E016"]), (31, ["streamstats.E016"])]
)
def test_a_receiver_has_some_time_and_not_for_ever(settings, seconds, found):
    settings.WEBHOOK_TIMEOUT_S = seconds
    assert ids(checks.check_webhook_timeout()) == found
