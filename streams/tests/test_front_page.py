import re
from datetime import timedelta

import pytest
from django.utils import timezone

from streams import views
from streams.models import Channel, ChannelDay, ChannelTotal, Stream, StreamSample
from streams.tests.cast import make_channel

pytestmark = pytest.mark.django_db


def test_with_no_channel_it_tells_the_next_step(client):
    assert "manage.py follow NAME" in client.get("/").content.decode()


def test_it_leads_to_each_channel(client):
    make_channel("lantern")
    assert 'href="/c/lantern/"' in client.get("/").content.decode()


def test_it_shows_the_numbers_of_today(client):
    channel = make_channel()
    ChannelTotal.objects.create(channel=channel, messages=98_765, last_message_at=timezone.now())
    ChannelDay.objects.create(channel=channel, day=timezone.now().date(), messages=4321)
    page = client.get("/").content.decode()
    assert "98,765" in page
    assert "4,321" in page


def test_what_is_live_is_told_with_who_watches(client):
    channel, now = make_channel(), timezone.now()
    make_channel("silent")
    live = Stream.objects.create(id="41", channel=channel, started_at=now, title="Painting", category="Art")
    Stream.objects.create(id="40", channel=channel, started_at=now - timedelta(days=1), ended_at=now, title="Before")
    for minutes, viewers in ((2, 5), (1, 4321)):
        StreamSample.objects.create(channel=channel, stream=live, at=now - timedelta(minutes=minutes), viewers=viewers)
    page = client.get("/").content.decode()
    told = page.split('class="on-air"')[1].split("</p>")[0]
    for part in ("Live", "Painting", "Art", "4,321</data> watching", "/c/lantern/streams/41/"):
        assert part in told
    assert page.count('class="on-air"') == 1
    assert ">1 live<" in page
    assert "Before" not in page


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_hostile_names_are_escaped(client, name):
    channel = make_channel(display_name=name)
    Stream.objects.create(id="41", channel=channel, started_at=timezone.now(), title=name, category=name)
    page = client.get("/").content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_the_channel_last_heard_comes_first(client):
    now = timezone.now()
    for login, heard in (("aaa", None), ("bbb", now - timedelta(hours=1)), ("ccc", now)):
        ChannelTotal.objects.create(channel=make_channel(login), messages=1, last_message_at=heard)
    assert [line.channel.login for line in client.get("/").context["lines"]] == ["ccc", "bbb", "aaa"]


def test_a_channel_that_lost_its_name_is_left_out(client):
    make_channel("gone")
    Channel.objects.update(login=None)
    assert client.get("/").context["lines"] == []


def test_it_takes_three_queries_for_any_number_of_channels(client, django_assert_num_queries):
    for number in range(5):
        channel = make_channel(f"channel{number}")
        ChannelTotal.objects.create(channel=channel, messages=1)
        ChannelDay.objects.create(channel=channel, day=timezone.now().date(), messages=1)
        Stream.objects.create(id=str(number), channel=channel, started_at=timezone.now())
    with django_assert_num_queries(3):
        client.get("/")


def test_followed_channels_come_before_those_with_a_history(client):
    ChannelTotal.objects.create(channel=make_channel("left", is_followed=False), messages=1)
    make_channel("new")
    assert [line.channel.login for line in client.get("/").context["lines"]] == ["new", "left"]


def test_a_channel_that_was_only_met_is_left_out(client):
    make_channel("met", is_followed=False)
    ChannelTotal.objects.create(channel=make_channel("silent", is_followed=False))
    assert client.get("/").context["lines"] == []


@pytest.fixture
def three_of_which_two_fit(monkeypatch):
    monkeypatch.setattr(views, "CHANNELS", 2)
    for number in range(3):
        ChannelTotal.objects.create(channel=make_channel(f"channel{number}"), messages=100)


def test_there_is_an_end_to_the_list(client, three_of_which_two_fit):
    assert [line.channel.login for line in client.get("/").context["lines"]] == ["channel0", "channel1"]


def test_what_is_not_listed_is_counted_and_said(client, three_of_which_two_fit):
    page = client.get("/").content.decode()
    assert "300" in page
    assert re.search("These are 2 of <data[^>]*>3 channels</data>", page)


def test_nothing_is_said_of_more_where_there_is_none(client):
    make_channel()
    assert "These are" not in client.get("/").content.decode()


def test_it_only_answers_to_reading(client):
    assert client.post("/").status_code == 405
