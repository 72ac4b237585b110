"""How long an emote has been in a set, whatever it was called there."""

from datetime import UTC, date, datetime, timedelta

import pytest

from chat import stays
from chat.models import EmoteSetEntry, EmoteTotal
from chat.tests.crowd import make_emote
from streams.tests.cast import make_channel

pytestmark = pytest.mark.django_db

TODAY = date(2026, 5, 1)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def channel():
    return make_channel()


def ago(days):
    return None if days is None else NOON - timedelta(days=days)


def enter(channel, emote, since=None, until=None, **fields):
    """An entry that came so many days ago and went so many days ago."""
    known = {"channel": channel, "emote": emote, "provider": "7tv", "name": emote.name}
    return EmoteSetEntry.objects.create(since=ago(since), until=ago(until), **{**known, **fields})


def use(channel, emote, days, uses=5):
    last = TODAY - timedelta(days=days)
    EmoteTotal.objects.create(channel=channel, emote=emote, uses=uses, first_day=last, last_day=last)


def unused(channel, days=30, provider="", **limits):
    found, _ = stays.unused(channel, provider, days, TODAY, **{"most": 50, **limits})
    return [stay.name for stay in found]


def gone(channel, provider=""):
    return stays.gone(channel, provider, most=50)[0]


def test_what_nobody_ever_used_is_unused(channel):
    enter(channel, make_emote("Kappa"))
    assert unused(channel) == ["Kappa"]


@pytest.mark.parametrize(("days", "expected"), [(30, []), (31, ["Kappa"])])
def test_what_was_used_in_time_is_not(channel, days, expected):
    kappa = make_emote("Kappa")
    enter(channel, kappa)
    use(channel, kappa, days)
    assert unused(channel) == expected


def test_uses_elsewhere_do_not_count(channel):
    kappa = make_emote("Kappa")
    enter(channel, kappa)
    use(make_channel("elsewhere"), kappa, 1)
    assert unused(channel) == ["Kappa"]


@pytest.mark.parametrize(("came", "expected"), [(29, []), (31, ["Kappa"])])
def test_what_came_in_lately_was_not_there_to_be_used(channel, came, expected):
    enter(channel, make_emote("Kappa"), came)
    assert unused(channel) == expected


def test_another_name_does_not_make_it_new(channel):
    kappa = make_emote("Kappa")
    enter(channel, kappa, None, 20, name="Keppo")
    enter(channel, kappa, 20, 3, name="Keppa")
    enter(channel, kappa, 3)
    ((stay,), known) = stays.unused(channel, "", 30, TODAY, most=50)
    assert (stay.name, stay.since, known) == ("Kappa", None, 1)


def test_what_went_and_came_back_is_as_new(channel):
    kappa = make_emote("Kappa")
    enter(channel, kappa, None, 60)
    enter(channel, kappa, 5)
    assert unused(channel) == []
    assert gone(channel) == []


def test_in_the_set_twice_at_once_it_is_there_since_the_first(channel):
    kappa = make_emote("Kappa")
    enter(channel, kappa, 90)
    enter(channel, kappa, 5, name="Keppo")
    ((stay,), _) = stays.unused(channel, "", 30, TODAY, most=50)
    assert (stay.since, stay.until) == (ago(90), None)


def test_global_sets_are_not_the_channels(channel):
    enter(None, make_emote("Kappa"))
    enter(make_channel("elsewhere"), make_emote("Clap"))
    assert unused(channel) == []


def test_a_provider_can_be_chosen(channel):
    enter(channel, make_emote("Kappa"))
    enter(channel, make_emote("Clap", provider="bttv"), provider="bttv")
    assert unused(channel, provider="bttv") == ["Clap"]


def test_the_longest_unused_comes_first(channel):
    for name, days in (("a", 40), ("b", 80), ("c", None), ("d", 60)):
        emote = make_emote(name)
        enter(channel, emote)
        if days:
            use(channel, emote, days)
    assert unused(channel) == ["c", "b", "d", "a"]
    assert unused(channel, days=90) == ["c"]
    assert unused(channel, most=2, skip=1) == ["b", "d"]


def test_what_went_is_told_with_its_last_name_and_its_uses(channel):
    kappa = make_emote("Kappa")
    enter(channel, kappa, 90, 50, name="Keppo")
    enter(channel, kappa, 50, 9)
    use(channel, kappa, 10, uses=77)
    assert gone(channel) == [stays.Stay(kappa.pk, "7tv", "Kappa", ago(90), ago(9), 77, TODAY - timedelta(days=10))]


def test_what_went_last_comes_first(channel):
    for name, days in (("a", 3), ("b", 1), ("c", 2)):
        enter(channel, make_emote(name), 50, days)
    assert [stay.name for stay in gone(channel)] == ["b", "c", "a"]


def test_how_many_there_are_is_told_for_every_page(channel):
    for number in range(5):
        enter(channel, make_emote(f"e{number}"))
    found, known = stays.unused(channel, "", 30, TODAY, most=2, skip=4)
    assert (len(found), known) == (1, 5)
