"""Twitch's own emotes, badges and cheers, as Helix tells them."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat import catalogue
from chat.catalogue import Told
from chat.emotesets import CHANGED
from chat.models import Badge, Cheermote, Emote, EmoteSet, EmoteSetEntry
from chat.tasks import read_catalogue, read_new_catalogues
from streams import helix
from streams.helix import CheerTier, HelixBadge, HelixCheermote, HelixEmote
from streams.models import JobRun
from streams.tests.cast import make_channel
from streamstats.simulator.facts import StatedFacts
from streamstats.simulator.tests.threaded import simulated_twitch

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

ROOM = "1001"


def emote_row(id_, name, *formats):
    return {"id": id_, "name": name, "images": {}, "format": ["static", *formats], "emote_type": "subscriptions"}


def badge_row(set_id, *versions):
    picture = "https://static-cdn.jtvnw.net/badges/v1/{}/2"
    return {
        "set_id": set_id,
        "versions": [{"id": id_, "title": f"{set_id} {id_}", "image_url_2x": picture.format(id_)} for id_ in versions],
    }


def cheer_row(prefix):
    images = {"dark": {"animated": {"2": "https://d3aqoihi2n8ty8.cloudfront.net/actions/cheer/dark/animated/1/2.gif"}}}
    tiers = [{"min_bits": bits, "id": str(bits), "color": "#979797", "images": images} for bits in (100, 1)]
    return {"prefix": prefix, "tiers": tiers}


@pytest.fixture
def channel():
    return make_channel(twitch_id=ROOM)


@pytest.fixture
def facts():
    return StatedFacts(
        emote_lists={None: [emote_row("25", "Kappa")], ROOM: [emote_row("emotesv2_a1", "lanternHi", "animated")]},
        badge_lists={None: [badge_row("moderator", "1")], ROOM: [badge_row("subscriber", "0", "12")]},
        cheermote_lists={None: [cheer_row("Cheer")], ROOM: [cheer_row("Lantern")]},
    )


@pytest.fixture
def twitch(facts):
    with simulated_twitch(facts) as running:
        yield running


def present(channel):
    return set(
        EmoteSetEntry.objects.filter(channel=channel, provider="twitch", until=None).values_list("name", flat=True)
    )


def badges(channel):
    return set(Badge.objects.filter(channel=channel).values_list("set_id", "version"))


def prefixes(channel):
    return set(Cheermote.objects.filter(channel=channel).values_list("prefix", flat=True))


def test_emotes_have_names_and_pictures(channel, twitch):
    read_catalogue()
    assert (present(None), present(channel)) == ({"Kappa"}, {"lanternHi"})
    emote = Emote.objects.get(name="lanternHi")
    assert (emote.provider, emote.provider_id, emote.is_animated) == ("twitch", "emotesv2_a1", True)
    assert emote.url.endswith("/emoticons/v2/emotesv2_a1/default/dark/2.0")


def test_an_emote_that_was_met_in_chat_is_the_same_one(channel, twitch):
    Emote.objects.create(provider="twitch", provider_id="25", name="Kappa")
    read_catalogue()
    assert Emote.objects.filter(name="Kappa").count() == 1


def test_badges_of_a_channel_and_of_everywhere_are_kept_apart(channel, twitch):
    read_catalogue()
    assert badges(None) == {("moderator", "1")}
    assert badges(channel) == {("subscriber", "0"), ("subscriber", "12")}
    badge = Badge.objects.get(set_id="subscriber", version="12")
    assert (badge.title, badge.image_url) == ("subscriber 12", "https://static-cdn.jtvnw.net/badges/v1/12/2")


def test_a_channel_has_only_those_cheers_that_are_its_own(channel, twitch):
    read_catalogue()
    assert (prefixes(None), prefixes(channel)) == ({"Cheer"}, {"Lantern"})


def test_the_tiers_of_a_cheer_begin_with_the_least(channel, twitch):
    read_catalogue()
    tiers = Cheermote.objects.get(prefix="Cheer").tiers
    assert [tier["min_bits"] for tier in tiers] == [1, 100]
    assert set(tiers[0]) == {"min_bits", "color", "image_url"}


def test_what_is_gone_at_twitch_is_gone_here(channel, facts, twitch):
    read_catalogue()
    facts.emote_lists[ROOM] = []
    facts.badge_lists[ROOM] = [badge_row("subscriber", "0")]
    facts.cheermote_lists[ROOM] = []
    read_catalogue()
    assert (present(channel), badges(channel), prefixes(channel)) == (set(), {("subscriber", "0")}, set())
    assert (present(None), badges(None), prefixes(None)) == ({"Kappa"}, {("moderator", "1")}, {"Cheer"})


def test_what_is_new_takes_the_place_of_what_was(channel, facts, twitch):
    read_catalogue()
    row = badge_row("subscriber", "0", "12")
    row["versions"][0]["title"] = "A year"
    facts.badge_lists[ROOM] = [row]
    read_catalogue()
    assert Badge.objects.get(channel=channel, version="0").title == "A year"


def test_a_second_read_changes_nothing(channel, twitch):
    read_catalogue()
    read_catalogue()
    assert list(JobRun.objects.order_by("pk").values_list("detail", flat=True)) == [
        "1 channels read, 7 rows changed",
        "1 channels read, 0 rows changed",
    ]


def test_writers_are_told(channel, twitch, redis_client):
    with redis_client.pubsub() as heard:
        heard.subscribe(CHANGED)
        heard.get_message(timeout=1)
        read_catalogue()
        messages = []
        while message := heard.get_message(timeout=0.2):
            messages.append(message["data"])
    assert {b"global", str(channel.pk).encode()} <= set(messages)


def test_a_channel_that_twitch_refuses_stops_no_other(twitch, monkeypatch):
    refused, channel = make_channel("gone", twitch_id="1000"), make_channel("lantern", twitch_id=ROOM)
    ask = helix.ask

    def ask_or_refuse(token, question):
        if question.keywords["channel"] == refused:
            raise helix.Refused("No such channel.")
        return ask(token, question)

    monkeypatch.setattr(helix, "ask", ask_or_refuse)
    read_new_catalogues()
    assert present(channel) == {"lanternHi"}
    assert JobRun.objects.get().detail.endswith("Twitch would not tell of Gone")


def test_a_new_channel_is_read_soon_and_once(channel, twitch):
    read_new_catalogues()
    assert present(channel) == {"lanternHi"}
    asked = len(twitch.helix.asked)
    read_new_catalogues()
    assert len(twitch.helix.asked) == asked
    later = make_channel("kitchen", twitch_id="1002")
    read_new_catalogues()
    assert EmoteSet.objects.filter(channel=later, provider="twitch").exists()


def test_channels_that_are_neither_followed_nor_connected_are_not_asked_about(facts, twitch):
    make_channel(twitch_id=ROOM, is_followed=False)
    make_channel("unknown", twitch_id=None)
    read_catalogue()
    assert EmoteSet.objects.get().channel is None


def test_it_takes_as_many_statements_for_many(channel):
    def statements(place, count):
        told = Told(
            [HelixEmote(f"{place}-{n}", f"e{n}", "", False, "", "", "") for n in range(count)],
            [HelixBadge("subscriber", str(n), "t", "https://x.test/1") for n in range(count)],
            [HelixCheermote(f"p{n}", (CheerTier(1, "#ffffff", ""),)) for n in range(count)],
        )
        with CaptureQueriesContext(connection) as captured:
            catalogue.keep(place, told)
        return len(captured)

    assert statements(channel, 2) == statements(make_channel("kitchen"), 300)


def test_without_an_application_at_twitch_it_is_left_out(channel, settings):
    settings.TWITCH_CLIENT_ID = ""
    read_catalogue()
    assert JobRun.objects.get().outcome == JobRun.Outcome.SKIPPED
