from datetime import timedelta

import pytest
from django.utils import timezone

from streams.models import Channel, ChannelDay, ChannelTotal
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


def test_the_channel_last_heard_comes_first(client):
    now = timezone.now()
    for login, heard in (("aaa", None), ("bbb", now - timedelta(hours=1)), ("ccc", now)):
        ChannelTotal.objects.create(channel=make_channel(login), messages=1, last_message_at=heard)
    assert [line.channel.login for line in client.get("/").context["lines"]] == ["ccc", "bbb", "aaa"]


def test_a_channel_that_lost_its_name_is_left_out(client):
    make_channel("gone")
    Channel.objects.update(login=None)
    assert client.get("/").context["lines"] == []


def test_it_takes_two_queries_for_any_number_of_channels(client, django_assert_num_queries):
    for number in range(5):
        channel = make_channel(f"channel{number}")
        ChannelTotal.objects.create(channel=channel, messages=1)
        ChannelDay.objects.create(channel=channel, day=timezone.now().date(), messages=1)
    with django_assert_num_queries(2):
        client.get("/")


def test_it_only_answers_to_reading(client):
    assert client.post("/").status_code == 405
