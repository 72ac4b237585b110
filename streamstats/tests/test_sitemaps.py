"""What search engines are told."""

import re
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.utils import timezone

from chat.models import EmoteTotal
from chat.tests.factories import EmoteFactory
from streams.models import Channel, ChannelTotal, Stream
from streams.tests.cast import make_channel
from streamstats import sitemaps
from viewers.models import Profile, Viewer, ViewerTotal
from viewers.tests.cast import make_viewer

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def addresses(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    return re.findall(r"<loc>http://testserver([^<]*)</loc>", answer.content.decode())


@pytest.fixture
def channel(db):
    return make_total(make_channel())


def make_total(channel, chatters=3):
    ChannelTotal.objects.create(channel=channel, chatters=chatters, messages=10, last_message_at=NOON)
    return Channel.objects.get(pk=channel.pk)


def test_robots_are_led_to_the_site_map_and_away_from_what_is_not_for_them(client):
    text = client.get("/robots.txt").content.decode()
    assert "Sitemap: http://testserver/sitemap.xml" in text
    for path in ("/account/", "/admin/", "/api/", "/live", "/c/*/live$", "/*?*after="):
        assert f"Disallow: {path}\n" in text


def test_the_index_names_what_a_channel_has(client, channel):
    Stream.objects.create(id="41", channel=channel, started_at=NOON)
    assert addresses(client, "/sitemap.xml") == [
        "/sitemap-site.xml",
        "/sitemap-channel-lantern.xml",
        "/sitemap-streams-lantern.xml",
        "/sitemap-viewers-lantern.xml",
    ]


def test_an_index_of_many_channels_asks_once(client, db, django_assert_num_queries):
    for number in range(5):
        make_total(make_channel(f"channel{number}"))
    with django_assert_num_queries(1):
        client.get("/sitemap.xml")


def test_streams_are_named_with_when_they_ended(client, channel):
    Stream.objects.create(id="41", channel=channel, started_at=NOON, ended_at=NOON)
    assert addresses(client, "/sitemap-streams-lantern.xml") == ["/c/lantern/streams/41/"]
    assert b"<lastmod>2026-11-21</lastmod>" in client.get("/sitemap-streams-lantern.xml").content


def test_emotes_are_named_the_most_used_first(client, channel):
    few, many = EmoteFactory.create(name="few"), EmoteFactory.create(name="many")
    for emote, uses in ((few, 1), (many, 9)):
        EmoteTotal.objects.create(channel=channel, emote=emote, uses=uses, first_day=NOON, last_day=NOON)
    named = addresses(client, "/sitemap-emotes-lantern.xml")
    assert named == [f"/c/lantern/emotes/{many.pk}/", f"/c/lantern/emotes/{few.pk}/"]


def test_viewers_are_named(client, channel):
    make_viewer(channel, "ann", messages=5)
    assert addresses(client, "/sitemap-viewers-lantern.xml") == ["/c/lantern/viewers/ann/"]


def test_bots_and_who_never_wrote_are_not(client, channel):
    make_viewer(channel, "helper", messages=5, is_bot=True)
    make_viewer(channel, "quiet", messages=0)
    assert addresses(client, "/sitemap-viewers-lantern.xml") == []


def test_a_name_that_means_something_in_xml_is_no_harm(client, channel):
    make_viewer(channel, "a&<b>", messages=5)
    assert addresses(client, "/sitemap-viewers-lantern.xml") == ["/c/lantern/viewers/a&amp;%3Cb%3E/"]


@pytest.mark.parametrize("where", ["everywhere", "here", "by a moderator"])
def test_a_viewer_who_is_hidden_is_not_named(client, channel, where):
    viewer = make_viewer(channel, "ann", messages=5)
    if where == "everywhere":
        Viewer.objects.filter(pk=viewer.pk).update(hidden_at=timezone.now())
    else:
        hidden = Profile.Visibility.HIDDEN if where == "here" else Profile.Visibility.REMOVED
        Profile.objects.create(channel=channel, viewer=viewer, visibility=hidden)
    assert addresses(client, "/sitemap-viewers-lantern.xml") == []


def test_where_pages_are_opt_in_only_who_asked_is_named(client, channel):
    Channel.objects.update(page_policy=Channel.PagePolicy.OPT_IN)
    make_viewer(channel, "ann", messages=5)
    asked = make_viewer(channel, "bob", messages=5)
    Profile.objects.create(channel=channel, viewer=asked, visibility=Profile.Visibility.SHOWN)
    assert addresses(client, "/sitemap-viewers-lantern.xml") == ["/c/lantern/viewers/bob/"]


@pytest.fixture
def small_files(monkeypatch):
    monkeypatch.setattr(sitemaps, "FILE", 2)


def test_many_viewers_are_told_in_files_that_leave_nobody_out(client, db, small_files):
    channel = make_total(make_channel(), chatters=5)
    for name, messages in (("a", 3), ("b", 3), ("c", 3), ("d", 2), ("e", 1)):
        make_viewer(channel, name, messages=messages)
    index = [address for address in addresses(client, "/sitemap.xml") if "viewers" in address]
    assert index == ["/sitemap-viewers-lantern.xml"] + [f"/sitemap-viewers-lantern.xml?p={n}" for n in (2, 3)]
    files = [addresses(client, address) for address in index]
    assert [[path.split("/")[-2] for path in file] for file in files] == [["a", "b"], ["c", "d"], ["e"]]


def test_who_is_hidden_moves_nobody_into_another_file(client, db, small_files):
    channel = make_total(make_channel(), chatters=4)
    people = [make_viewer(channel, name, messages=3) for name in "abcd"]
    Viewer.objects.filter(pk=people[0].pk).update(hidden_at=timezone.now())
    assert len(addresses(client, "/sitemap-viewers-lantern.xml")) == 1
    assert len(addresses(client, "/sitemap-viewers-lantern.xml?p=2")) == 2


def test_a_file_of_many_viewers_asks_four_times(client, channel, django_assert_num_queries):
    for number in range(20):
        make_viewer(channel, f"viewer{number}", messages=number)
    with django_assert_num_queries(4):
        client.get("/sitemap-viewers-lantern.xml")


@pytest.mark.parametrize(
    "path",
    [
        "/sitemap-nothing.xml",
        "/sitemap-nothing-lantern.xml",
        "/sitemap-viewers-nobody.xml",
        "/sitemap-viewers-lantern.xml?p=0",
        "/sitemap-viewers-lantern.xml?p=2",
        "/sitemap-viewers-lantern.xml?p=x",
        "/sitemap-viewers-lantern.xml?p=99999999999999999999",
    ],
)
def test_a_file_that_is_not_there_is_not_found(client, channel, path):
    assert client.get(path).status_code == 404


def test_a_file_of_viewers_is_a_stretch_of_an_index_however_many_wrote_as_much(db, monkeypatch):
    monkeypatch.setattr(sitemaps, "FILE", 100)
    channels = [make_total(make_channel(login), chatters=3000) for login in ("lantern", "harbour")]
    people = [Viewer(twitch_id=str(n), login=f"n{n}", display_name=f"n{n}", named_at=NOON) for n in range(3000)]
    Viewer.objects.bulk_create(people)
    seen = {"first_seen_at": NOON, "last_seen_at": NOON}
    ViewerTotal.objects.bulk_create(
        ViewerTotal(channel=channel, viewer=one, messages=max(1, 250 - n), **seen)
        for channel in channels
        for n, one in enumerate(people)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    for first in (0, 200, 500):
        plan = sitemaps.ViewerPages(channels[0]).rows(first).explain(analyze=True)
        looked_at = [int(rows) for rows in re.findall(r"viewertotal_most_messages.*actual time.* rows=(\d+)", plan)]
        assert looked_at, plan
        assert sum(looked_at) <= 100
        assert "Rows Removed by Filter" not in plan
