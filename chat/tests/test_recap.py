"""A year in a few large facts, against rows made by hand."""

import re
from datetime import date

import pytest
from django.utils import timezone

from chat.models import EmoteYear
from chat.tests.crowd import make_emote
from chat.tests.portraits import at, make_day, make_redemption, make_stream, make_uses, make_visit
from streams.models import ChannelDay, Stream
from streams.tests.cast import make_channel
from viewers.models import Standing
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

CHANNEL = "/c/lantern/"
ANN = f"{CHANNEL}viewers/ann/"


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def ann(channel):
    viewer = make_viewer(channel, "ann", 100)
    for day, hours, messages in (("2024-06-01", 1, 30), ("2025-03-03", 2, 10), ("2025-03-09", 3, 12)):
        make_visit(make_stream(channel, at(day, 20), categories="Art,Chess"), viewer, hours, messages=messages)
    return viewer


def recap(client, year, base=ANN):
    return client.get(f"{base}recap/{year}/").context["recap"]


def words(client, year, base=ANN):
    page = client.get(f"{base}recap/{year}/")
    assert page.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", page.content.decode()).split())


def test_a_year_is_summed(client, ann):
    sums = recap(client, 2025).sums
    assert (sums.watch_seconds, sums.messages, sums.days) == (5 * 3600, 22, 2)


def test_a_year_is_held_against_the_one_before(client, ann):
    told = words(client, 2025)
    assert "4 h more than in 2024" in told
    assert "8 fewer than in 2024" in told


def test_the_first_year_is_held_against_nothing(client, ann):
    assert "than in" not in words(client, 2024)


def test_what_stood_out_is_told(client, channel, ann):
    make_uses(ann, channel, date(2025, 3, 3), Kappa=2, Clap=7)
    make_redemption(ann, channel, at("2025-03-03", 21), "Hydrate", 300)
    make_day(ann, channel, date(2025, 3, 3), points=300)
    Standing.objects.create(channel=channel, viewer=ann, period="2025", streak=2)
    told = words(client, 2025)
    for part in (
        "2 streams come to", "2 of them in a row", "Clap was used most: 7 times", "9 March was the busiest day",
        "Art was watched most: 4 h in 2 streams", "300 channel points spent", "“ Hydrate ”",
        "2 days here, from 3 March to 9 March",
    ):  # fmt: skip
        assert part in told


def test_the_present_year_is_told_so_far(client, channel, ann):
    today = timezone.now().date()
    make_day(ann, channel, today, messages=3)
    assert f"{today.year}, so far" in words(client, today.year)


def test_who_only_watched_was_silent(client, channel):
    lurker = make_viewer(channel, "ann", 0)
    make_visit(make_stream(channel, at("2025-03-03")), lurker, 1)
    assert "Silent all year" in words(client, 2025)


def test_a_channel_was_on_air_without_its_drop_outs(client, channel, ann):
    assert recap(client, 2025, CHANNEL).streams.seconds == 8 * 3600
    Stream.objects.filter(started_at__year=2025).update(off_air_seconds=1620)
    assert "7 h 6 m on air in 2 streams" in words(client, 2025, CHANNEL)


@pytest.mark.parametrize("year", [2022, 2023, 2026, 2099, 0, 1, 9999, 99999999999999999999])
@pytest.mark.parametrize("base", [CHANNEL, ANN])
@pytest.mark.parametrize("page", ["", "picture.png"])
def test_a_year_without_anything_is_not_found(client, ann, base, year, page):
    assert client.get(f"{base}recap/{year}/{page}").status_code == 404


@pytest.mark.parametrize("year", ["-1", "x", "２０２５", "2025.0", "%00"])  # noqa: RUF001
def test_what_is_no_year_is_not_found(client, ann, year):
    assert client.get(f"{ANN}recap/{year}/").status_code == 404


def test_the_years_beside_are_linked_where_there_is_something(client, ann):
    context = client.get(f"{ANN}recap/2025/").context
    assert (context["earlier"], context["later"]) == (f"{ANN}recap/2024/", "")
    assert client.get(f"{ANN}recap/2024/").context["later"] == f"{ANN}recap/2025/"


def test_a_former_name_leads_to_the_recap_under_the_present_one(client, channel):
    make_viewer(channel, "ann", formerly="candle")
    assert client.get(f"{CHANNEL}viewers/candle/recap/2025/")["Location"] == f"{ANN}recap/2025/"


def test_a_recap_has_a_picture_for_links(client, ann):
    page = client.get(f"{ANN}recap/2025/").content.decode()
    assert f'<meta property="og:image" content="http://testserver{ANN}recap/2025/picture.png">' in page


def test_a_recap_costs_few_queries(client, ann, django_assert_max_num_queries):
    with django_assert_max_num_queries(6):
        recap(client, 2025)


# A channel's year


@pytest.fixture
def year(channel, ann):
    for day, messages in (("2024-06-01", 30), ("2025-03-03", 500), ("2025-03-09", 700)):
        ChannelDay.objects.filter(day=day).update(messages=messages, chatters=9, subs=2)
    Stream.objects.filter(pk="s2025030920").update(peak_viewers=321, new_viewers=4, watch_seconds=7200)
    once = date(2025, 3, 3)
    EmoteYear.objects.create(
        channel=channel, emote=make_emote("Clap"), year=2025, uses=5, first_day=once, last_day=once
    )
    Standing.objects.create(channel=channel, viewer=ann, period="2025", watch_seconds=5 * 3600)


def test_a_channels_year_is_told(client, year):
    told = words(client, 2025, CHANNEL)
    for part in (
        "8 h on air in 2 streams", "4 h more than in 2024", "1,200 messages", "1,170 more than in 2024",
        "2 h watched by everybody together", "Clap was used most: 5 times", "4 viewers came for the first time",
        "9 March was the busiest day: 700 messages by 9 chatters", "321 viewers at once", "Of s2025030920",
        "Art was on most: 4 h, before Chess (4 h)", "Who watched most A ann 5 h",
    ):  # fmt: skip
        assert part in told


@pytest.mark.parametrize("choice", ["hidden", "bot", "opt-in"])
def test_who_is_not_shown_is_not_among_those_who_watched_most(client, channel, year, ann, choice):
    if choice == "hidden":
        ann.hidden_at = timezone.now()
    ann.is_bot = choice == "bot"
    ann.save()
    if choice == "opt-in":
        channel.page_policy = "opt-in"
        channel.save()
    assert recap(client, 2025, CHANNEL).people == []


def test_a_channels_year_costs_few_queries(client, year, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        recap(client, 2025, CHANNEL)
