import json

import pytest
from django.core.management import CommandError, call_command

from chat.emotesets import apply_set
from chat.models import EmoteSetEntry
from chat.providers import SetEntry
from chat.tests.provided import serving
from streams.models import Channel
from streamstats.simulator.addresses import addresses
from streamstats.simulator.catalogue import Catalogue, SimEmote
from streamstats.simulator.providers import MALFORMED, SERVER_ERROR

SETS: dict[tuple[str, str | None], list[SimEmote]] = {
    ("7tv", None): [],
    ("bttv", None): [SimEmote("b1", "dog")],
    ("ffz", None): [],
    ("7tv", "1001"): [SimEmote("a1", "cat")],
}
OF_EXAMPLE = {**Catalogue.of(SETS).bodies["7tv"]["/users/twitch/1001"], "username": "Example"}


@pytest.fixture
def channel(transactional_db, redis_client):
    return Channel.objects.create(login="example", twitch_id="1001")


@pytest.fixture
def twitch(settings):
    with serving(Catalogue.of(SETS)) as found:
        for name, value in addresses(found.port).items():
            setattr(settings, name, value)
        yield found


@pytest.fixture
def file(tmp_path):
    def write(bodies):
        path = tmp_path / "sets.json"
        path.write_text(bodies if isinstance(bodies, str) else json.dumps(bodies))
        return path

    return write


def present():
    return set(EmoteSetEntry.objects.filter(until=None).values_list("provider", "channel__login", "name"))


def test_fetch_reads_the_sets_of_followed_channels_and_of_everybody(channel, twitch):
    call_command("emotesets", "fetch")
    assert present() == {("7tv", "example", "cat"), ("bttv", None, "dog")}


def test_fetch_says_what_changed(channel, twitch, capsys):
    call_command("emotesets", "fetch", "example")
    assert "7tv   example: 1 emotes, 1 new, 0 gone" in capsys.readouterr().out


@pytest.mark.parametrize("fault", [SERVER_ERROR, MALFORMED], ids=["server error", "malformed"])
def test_fetch_keeps_what_it_cannot_read(channel, twitch, fault):
    call_command("emotesets", "fetch")
    twitch.providers.fail("7tv", fault)
    with pytest.raises(CommandError, match="2 of 6 sets could not be read"):
        call_command("emotesets", "fetch")
    assert ("7tv", "example", "cat") in present()


def test_show_lists_present_names(channel, twitch, capsys):
    call_command("emotesets", "fetch")
    call_command("emotesets", "show", "Example")
    assert "7tv   example (1): cat" in capsys.readouterr().out


def test_show_lists_twitchs_own_where_they_were_read(channel, capsys):
    apply_set(channel, "twitch", [SetEntry("twitch", "e1", "exampleHi", "exampleHi", "")])
    call_command("emotesets", "show", "example")
    said = capsys.readouterr().out
    assert "twitch example (1): exampleHi" in said
    assert "twitch everywhere" not in said


def test_an_unknown_channel_is_refused(channel):
    with pytest.raises(CommandError, match="No channel named 'nobody' is known"):
        call_command("emotesets", "fetch", "nobody")


def test_a_channel_whose_id_is_not_known_is_refused(db):
    Channel.objects.create(login="example")
    with pytest.raises(CommandError, match="The Twitch id of 'example' is not known yet"):
        call_command("emotesets", "fetch", "example")


def test_sets_are_loaded_from_a_file(channel, file):
    call_command("emotesets", "--from", str(file({"7tv": {"/users/twitch/1001": OF_EXAMPLE}})))
    assert present() == {("7tv", "example", "cat")}


def test_a_file_may_bring_the_channel_it_names(transactional_db, redis_client, file):
    call_command("emotesets", "--from", str(file({"7tv": {"/users/twitch/1001": OF_EXAMPLE}})))
    assert Channel.objects.get(login="example").twitch_id == "1001"


def test_a_file_tells_the_id_of_a_channel_followed_by_name(transactional_db, redis_client, file):
    Channel.objects.create(login="example")
    call_command("emotesets", "--from", str(file({"7tv": {"/users/twitch/1001": OF_EXAMPLE}})))
    assert Channel.objects.get().twitch_id == "1001"


@pytest.mark.parametrize(
    ("bodies", "message"),
    [
        pytest.param("{", "sets.json: Expecting property name", id="no JSON"),
        pytest.param([], "there are no sets in it", id="no sets"),
        pytest.param({"odd": {"/": {}}}, "no provider 'odd'", id="no provider"),
        pytest.param({"ffz": {"/badges": {}}}, "ffz has no set at '/badges'", id="no such path"),
        pytest.param({"7tv": {"/users/twitch/1001": {}}}, "7tv would not send what is at", id="no set"),
        pytest.param(
            {"bttv": {"/cached/users/twitch/5": {"channelEmotes": []}}},
            "no channel with the Twitch id 5",
            id="no channel",
        ),
    ],
)
def test_a_bad_file_is_one_line_of_error(transactional_db, file, bodies, message):
    with pytest.raises(CommandError, match=message):
        call_command("emotesets", "--from", str(file(bodies)))


def test_a_bad_file_changes_nothing(channel, file):
    bodies = {
        "7tv": {"/users/twitch/1001": OF_EXAMPLE},
        "bttv": {"/cached/users/twitch/5": {"channelEmotes": []}},
    }
    with pytest.raises(CommandError):
        call_command("emotesets", "--from", str(file(bodies)))
    assert present() == set()


def test_a_missing_file_is_one_line_of_error(tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        call_command("emotesets", "--from", str(tmp_path / "none.json"))


def test_a_file_names_its_channels_itself(channel, file):
    with pytest.raises(CommandError, match="--from says itself"):
        call_command("emotesets", "fetch", "example", "--from", str(file({})))


def test_all_sets_are_written_even_if_redis_is_away(channel, twitch, settings):
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    with pytest.raises(CommandError, match="Redis could not be told"):
        call_command("emotesets", "fetch")
    assert present() == {("7tv", "example", "cat"), ("bttv", None, "dog")}


def test_a_file_is_written_even_if_redis_is_away(channel, file, settings):
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    with pytest.raises(CommandError, match="Redis could not be told"):
        call_command("emotesets", "--from", str(file({"7tv": {"/users/twitch/1001": OF_EXAMPLE}})))
    assert present() == {("7tv", "example", "cat")}
