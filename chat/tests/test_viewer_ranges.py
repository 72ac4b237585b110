"""The page of a viewer over a year, a month, a week and one stream, against rows made by hand."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from chat.models import Redemption
from chat.tests.crowd import make_emote, make_message
from chat.tests.portraits import at, make_day, make_redemption, make_stream, make_uses, make_visit
from streams.models import ChannelDay, StreamSegment
from streams.tests.cast import make_channel
from viewers.models import Standing, ViewerStream, ViewerTotal, ViewSession
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

PAGE = "/c/lantern/viewers/ann/"
YEARS_AGO = datetime(2023, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def ann(channel):
    """Seen on four days: two of March 2025 (one week), one of November 2025, one of 2024."""
    viewer = make_viewer(channel, "ann", 100)
    ViewerTotal.objects.update(first_seen_at=YEARS_AGO, watch_seconds=9 * 3600)
    for day, hours, messages in (
        ("2024-06-01", 1, 1),
        ("2025-03-03", 2, 10),
        ("2025-03-09", 1, 20),
        ("2025-11-05", 3, 40),
    ):
        make_visit(make_stream(channel, at(day, 20)), viewer, hours, messages=messages)
    make_stream(channel, at("2025-03-05", 20))  # one that ann did not come to
    return viewer


def told(client, span="", **query):
    page = client.get(PAGE, {**({"range": span} if span else {}), **query})
    assert page.status_code == 200
    return page.context


SUMS = {
    "2025": (6, 70, 3, 4),
    "2024": (1, 1, 1, 1),
    "2025-03": (3, 30, 2, 3),
    "2025-11": (3, 40, 1, 1),
    "2025-W10": (3, 30, 2, 3),
    "2025-W11": (0, 0, 0, 0),
    "2025-04": (0, 0, 0, 0),
    "all": (9, 100, 4, 5),
}


@pytest.mark.parametrize(("span", "expected"), SUMS.items())
def test_the_sentence_tells_of_the_range(client, ann, span, expected):
    context = told(client, span)
    sums, lists = context["sums"], context["lists"]
    found = (sums.watch_seconds / 3600, sums.messages, lists.attended_streams, lists.known_streams)
    assert found == expected


def test_a_week_that_begins_in_the_year_before_is_whole(client, channel, ann):
    make_day(ann, channel, date(2024, 12, 30), messages=5)
    make_day(ann, channel, date(2025, 1, 5), messages=7)
    assert told(client, "2025-W01")["sums"].messages == 12


def test_the_present_periods_are_named_by_their_kind(client, channel, ann):
    today = timezone.now().date()
    make_day(ann, channel, today, messages=3)
    for span in ("year", "month", "week"):
        assert told(client, span)["sums"].messages == 3


def box(client, span=""):
    """The rows of the box, and those below the line."""
    page = client.get(PAGE, {"range": span} if span else {}).content.decode()
    rows = page.split('class="infobox"')[1].split("</table>")[0]
    return rows.split("Of all time")


def test_the_busiest_day_lies_in_the_range(client, ann):
    assert "9 Mar 2025" not in box(client, "2025")[0]
    assert "Busiest day" in box(client, "2025-03")[0]
    assert "3 Mar 2025, " in box(client, "2025-03")[0]


def test_a_range_without_anything_has_no_busiest_day(client, ann):
    assert "Busiest day" not in "".join(box(client, "2025-04"))


def test_what_is_not_of_the_range_stands_below_a_line(client, ann):
    of_range, of_all = box(client, "2025-03")
    assert "First seen" not in of_range
    assert "First seen" in of_all
    assert len(box(client)) == 1


def test_a_month_is_outlined_in_its_year(client, ann):
    assert 'class="outline"' in client.get(PAGE, {"range": "2025-03"}).content.decode()
    assert 'class="outline"' not in client.get(PAGE, {"range": "2025"}).content.decode()


def place_told(client, **fields):
    Standing.objects.create(
        channel_id=ViewerTotal.objects.get().channel_id, viewer_id=ViewerTotal.objects.get().viewer_id, period="all",
        **fields,
    )  # fmt: skip
    return client.get(PAGE).content.decode().split('class="sentence">')[1].split("</p>")[0].strip()


def test_whoever_watched_has_their_place_by_time(client, ann):
    assert place_told(client, watch_seconds=9 * 3600, messages=100).endswith("1st by time watched")


def test_whoever_never_watched_has_their_place_by_messages(client, ann):
    ViewerTotal.objects.update(watch_seconds=0)
    assert place_told(client, messages=100).endswith("1st by messages")


def test_a_range_without_anything_says_so(client, ann):
    assert "ann was not seen in April 2025." in client.get(PAGE, {"range": "2025-04"}).content.decode()


# One stream


def test_a_stream_tells_what_was_counted_of_it(client, channel, ann):
    context = told(client, "stream-s2025110520")
    sums = context["sums"]
    assert (sums.watch_seconds, sums.messages, context["attendance"].share) == (3 * 3600, 40, 75)


def test_a_share_is_of_the_time_on_air(client, channel, ann):
    """Nobody can watch a drop-out."""
    channel.streams.filter(pk="s2025110520").update(off_air_seconds=3600)
    assert told(client, "stream-s2025110520")["attendance"].share == 100


def test_a_part_that_had_a_number_of_its_own_leads_to_its_stream(client, channel, ann):
    stream = channel.streams.get(pk="s2025110520")
    stream.twitch_ids = ["s2025110520", "later"]
    stream.save()
    assert told(client, "stream-later")["told"].stream == stream


def test_points_of_a_stream_are_those_spent_in_it(client, channel, ann):
    make_redemption(ann, channel, at("2025-11-05", 21), "Hydrate", 300)
    make_redemption(ann, channel, at("2025-11-06", 21), "Hydrate", 300)
    assert told(client, "stream-s2025110520")["sums"].points == 300


def test_emotes_of_a_stream_come_from_its_messages(client, channel, ann):
    kappa, clap = make_emote("Kappa"), make_emote("Clap")
    make_message(channel, ann, at("2025-11-05", 21), emotes=[kappa.pk, clap.pk, kappa.pk])
    make_message(channel, ann, at("2025-11-05", 19), emotes=[clap.pk] * 9)
    make_message(channel, ann, at("2025-11-05", 21), emotes=[clap.pk] * 9, source_channel_id="other")
    emotes = told(client, "stream-s2025110520")["emotes"]
    assert [(emote.name, emote.count) for emote in emotes] == [("Kappa", 2), ("Clap", 1)]


def test_emotes_of_a_stream_whose_messages_are_gone_are_said_to_be_unknown(client, channel, ann):
    ViewerStream.objects.filter(stream="s2025110520").update(emotes=3)
    page = client.get(PAGE, {"range": "stream-s2025110520"}).content.decode()
    assert "known as long as messages are kept: 90 days here" in page


def test_the_streams_beside_are_those_the_viewer_came_to(client, ann):
    picker = told(client, "stream-s2025030920")["picker"]
    assert [picker.earlier.name, picker.later.name] == ["3 Mar 2025", "5 Nov 2025"]


def test_a_stream_the_viewer_did_not_come_to_says_so(client, ann):
    page = client.get(PAGE, {"range": "stream-s2025030520"}).content.decode()
    assert "ann was not seen in the stream of 5 March 2025." in page


def test_a_stream_of_another_channel_is_not_found(client, ann):
    other = make_stream(make_channel("elsewhere"), at("2025-01-01"))
    assert client.get(PAGE, {"range": f"stream-{other.pk}"}).status_code == 404


# Emotes, points, categories, hours


def test_emotes_follow_the_range(client, channel, ann):
    make_uses(ann, channel, date(2025, 3, 3), Kappa=2, Clap=1)
    make_uses(ann, channel, date(2025, 3, 9), Clap=4)
    make_uses(ann, channel, date(2025, 4, 1), Kappa=50)
    emotes = told(client, "2025-03")["emotes"]
    assert [(emote.name, emote.count) for emote in emotes] == [("Clap", 5), ("Kappa", 2)]


def test_points_are_told_by_reward_without_what_was_given_back(client, channel, ann):
    march = at("2025-03-03", 21)
    make_redemption(ann, channel, march, "Hydrate", 300)
    make_redemption(ann, channel, march, "Hydrate", 200)
    make_redemption(ann, channel, march, "Song", 450)
    make_redemption(ann, channel, march, "Song", 9000, status=Redemption.Status.CANCELED)
    make_redemption(ann, channel, at("2025-04-01"), "Song", 9000)
    assert told(client, "2025-03")["lists"].rewards == [("Hydrate", 2, 500), ("Song", 1, 450)]


def test_points_of_others_are_not_told(client, channel, ann):
    make_redemption(make_viewer(channel, "bob"), channel, at("2025-03-03", 21), "Hydrate", 300)
    assert told(client, "2025-03")["lists"].rewards == []


def test_categories_are_what_the_stream_was_about_while_the_viewer_was_there(client, channel, ann):
    stream = make_stream(channel, at("2025-05-01", 10), 4, categories="Art,Chess")
    make_visit(stream, ann, 2, late=1)
    assert sorted(told(client, "2025-05")["lists"].categories) == [("Art", 1, 3600), ("Chess", 1, 3600)]


def test_a_stretch_without_a_category_is_none(client, channel, ann):
    make_visit(make_stream(channel, at("2025-05-01", 10), categories=""), ann, 2)
    assert told(client, "2025-05")["lists"].categories == []


def test_a_category_that_still_runs_counts_up_to_the_last_proof(client, channel, ann):
    stream = make_stream(channel, at("2025-05-01", 10))
    make_visit(stream, ann, 1)
    StreamSegment.objects.filter(stream=stream).update(ended_at=None)
    ViewSession.objects.filter(stream=stream).update(ended_at=None, ended_by="")
    stream.presence_at = at("2025-05-01", 12)
    stream.save()
    assert told(client, "2025-05")["lists"].categories == [("Art", 1, 7200)]


def test_visits_are_cut_into_hours_of_the_week(client, channel, ann):
    stream = make_stream(channel, at("2025-05-01", 22), 6)  # a Thursday
    make_visit(stream, ann, 2, late=1.5)
    assert told(client, "2025-05")["lists"].hours == {(3, 23): 1800, (4, 0): 3600, (4, 1): 1800}


def test_hours_are_cut_where_the_range_ends(client, channel, ann):
    stream = make_stream(channel, at("2025-04-30", 22), 6)
    make_visit(stream, ann, 4)
    assert told(client, "2025-04")["lists"].hours == {(2, 22): 3600, (2, 23): 3600}


def test_hours_are_utc_whatever_the_database_thinks(client, channel, ann):
    make_visit(make_stream(channel, at("2025-05-01", 22), 6), ann, 1)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'Asia/Kolkata'")
        assert told(client, "2025-05")["lists"].hours == {(3, 22): 3600}


# The calendar and the way to other ranges


@pytest.mark.parametrize(
    ("span", "first", "last"), [("2025", "2024-12-30", "2025-12-31"), ("2024-06", "2024-01-01", "2024-12-31")]
)
def test_the_calendar_is_of_the_year_of_the_range(client, ann, span, first, last):
    year = told(client, span)["calendar"].year
    assert (year.first, year.last) == (date.fromisoformat(first), date.fromisoformat(last))


def test_the_calendar_shows_time_watched_where_it_is_known(client, ann):
    calendar = told(client, "2025")["calendar"]
    assert calendar.shows_time
    assert [square.value for square in calendar.year.squares] == [120, 60, 180]


def test_a_day_of_words_alone_is_seen_among_days_of_watching(client, channel, ann):
    make_day(ann, channel, date(2025, 7, 1), messages=8)
    squares = {square.day: square.value for square in told(client, "2025")["calendar"].year.squares}
    assert squares[date(2025, 7, 1)] == 1


def test_days_to_come_are_not_drawn(client, channel, ann):
    today = timezone.now().date()
    ChannelDay.objects.create(channel=channel, day=date(today.year, 1, 1) - timedelta(days=40))
    quiet = told(client, "year")["calendar"].year.quiet
    first = date(today.year, 1, 1) - timedelta(days=date(today.year, 1, 1).weekday())
    assert quiet.count("M") == (today - first).days + 1


def test_the_periods_beside_are_linked(client, ann):
    picker = told(client, "2025-03")["picker"]
    assert [picker.earlier.address, picker.later.address] == [f"{PAGE}?range=2025-02", f"{PAGE}?range=2025-04"]


def test_nothing_is_linked_before_the_viewer_came_nor_after_today(client, ann):
    assert told(client, "2023")["picker"].earlier is None
    assert told(client, "year")["picker"].later is None


def test_the_chosen_range_is_marked(client, ann):
    tabs = told(client, "2025-W10")["picker"].tabs
    assert [tab.name for tab in tabs if tab.is_current] == ["The week of 3 Mar 2025"]


def test_links_to_ranges_keep_saying_who_is_meant(client, channel, ann):
    tabs = told(client, "2025", id=ann.pk)["picker"].tabs
    assert all(f"id={ann.pk}" in tab.address for tab in tabs)


def test_a_former_name_keeps_the_range(client, channel):
    make_viewer(channel, "ann", formerly="candle")
    answer = client.get("/c/lantern/viewers/candle/", {"range": "2025-03"})
    assert answer["Location"] == f"{PAGE}?range=2025-03"


HOSTILE = [
    "x", "2025-13", "2025-00", "2025-W54", "2025-W00", "0000", "9999", "-1", "2025-3", "2025-03-01", "ALL", "2099",
    "stream-", "stream-nobody", "stream-\x00", "stream-" + "9" * 500, "stream-' OR 1=1 --", "\x00", "é",
    "\uff12\uff10\uff12\uff15",
    "<script>alert(1)</script>", "2025\n", "%", "a" * 5000, "2025-W1", "month ", "[]", "2101",
]  # fmt: skip


@pytest.mark.parametrize("span", HOSTILE)
def test_a_range_that_is_none_is_not_found_in_words(client, ann, span):
    page = client.get(PAGE, {"range": span})
    assert page.status_code == 404
    assert "<script>alert" not in page.content.decode()


@pytest.mark.parametrize(
    "query", ["range=all&range=2025", "id=&range=", "range[]=2025", "%00=1", "&&&", "range", "q=%FF"]
)
def test_an_odd_query_string_gets_a_clean_page(client, ann, query):
    assert client.get(f"{PAGE}?{query}").status_code == 200


# What it costs


@pytest.mark.parametrize(("span", "most"), [("", 9), ("2025", 9), ("2025-03", 9), ("stream-s2025110520", 9)])
def test_few_queries_however_much_there_is(client, channel, ann, django_assert_max_num_queries, span, most):
    make_uses(ann, channel, date(2025, 3, 3), Kappa=2, Clap=1)
    with django_assert_max_num_queries(most):
        told(client, span)
