import re
from datetime import timedelta

import pytest
from django.utils import timezone

from chat.models import ChatMinute, EmoteDay
from chat.tests.crowd import make_emote, make_message
from streams.models import Channel, ChannelDay, ChannelTotal, Gap, Stream, StreamSample
from streams.tests.cast import make_channel
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

PAGE = "/c/lantern/"


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def channel():
    return make_channel()


def text(client):
    return client.get(PAGE).content.decode()


def test_a_channel_nobody_wrote_in_has_a_page(client, channel):
    assert "waiting for the first message" in text(client)


def test_capitals_do_not_matter(client, channel):
    assert client.get("/c/LANTERN/").status_code == 200


def test_an_unknown_channel_is_not_found_in_words(client):
    page = client.get("/c/nobody/")
    assert page.status_code == 404
    assert "Nobody follows a channel called nobody here." in page.content.decode()


def test_today_and_all_time_are_told(client, channel, now):
    ChannelTotal.objects.create(channel=channel, messages=98_765, chatters=12)
    ChannelDay.objects.create(channel=channel, day=now.date(), messages=4321, chatters=7)
    page = text(client)
    assert "98,765" in page
    assert "4,321" in page


def test_one_message_is_not_called_messages(client, channel, now):
    ChannelTotal.objects.create(channel=channel, messages=1, chatters=2)
    ChatMinute.objects.create(channel=channel, minute=now.replace(second=0, microsecond=0), messages=1, chatters=1)
    nouns = dict(re.findall(r'data-noun="([a-z.]+)"[^>]*>(\w+)<', text(client)))
    assert nouns["rate"] == nouns["total.messages"] == "message"
    assert (nouns["total.chatters"], nouns["today.messages"]) == ("chatters", "messages")


def test_minutes_become_bars(client, channel, now):
    ChatMinute.objects.create(channel=channel, minute=now.replace(second=0, microsecond=0), messages=7, chatters=3)
    bars = client.get(PAGE).context["activity"].bars
    assert max(bar.height for bar in bars) == 120


def test_a_gap_is_drawn_as_a_gap(client, channel, now):
    started_at = now - timedelta(hours=2)
    Gap.objects.create(channel=channel, started_at=started_at, ended_at=now - timedelta(hours=1), reason="cable eaten")
    assert 'class="hole"' in text(client)
    assert "cable eaten" in text(client)


def test_emotes_of_the_last_minutes_are_counted_from_messages(client, channel, now):
    kappa, viewer = make_emote("Kappa"), make_viewer(channel, "ann")
    make_message(channel, viewer, now, emotes=[kappa.pk, kappa.pk])
    make_message(channel, viewer, now - timedelta(minutes=11), emotes=[kappa.pk])
    assert [(row["name"], row["count"]) for row in client.get(PAGE).context["emotes_now"]] == [("Kappa", 2)]


@pytest.mark.parametrize("fields", [{"removed_at": timezone.now()}, {"source_channel_id": "elsewhere"}])
def test_removed_and_mirrored_messages_do_not_count(client, channel, now, fields):
    make_message(channel, make_viewer(channel, "ann"), now, emotes=[make_emote().pk], **fields)
    assert client.get(PAGE).context["emotes_now"] == []


def test_emotes_of_the_week_are_summed(client, channel, now):
    kappa, clap = make_emote("Kappa"), make_emote("Clap")
    for back, emote, uses in ((0, kappa, 2), (6, kappa, 3), (7, kappa, 100), (0, clap, 4)):
        EmoteDay.objects.create(channel=channel, emote=emote, day=now.date() - timedelta(days=back), uses=uses)
    found = client.get(PAGE).context["emotes_week"]
    assert [(row["name"], row["count"]) for row in found] == [("Kappa", 5), ("Clap", 4)]


def test_who_wrote_for_the_first_time_is_a_newest_viewer(client, channel, now):
    ann, bob = make_viewer(channel, "ann"), make_viewer(channel, "bob")
    make_message(channel, ann, now, is_first=True)
    make_message(channel, bob, now)
    assert [viewer.login for viewer, _ in client.get(PAGE).context["newcomers"]] == ["ann"]


def test_who_wrote_most_leads(client, channel):
    make_viewer(channel, "ann", 5)
    make_viewer(channel, "bob", 50)
    assert [row.viewer.login for row in client.get(PAGE).context["leaders"]] == ["bob", "ann"]


def test_recent_streams_are_listed(client, channel, now):
    Stream.objects.create(id="1", channel=channel, started_at=now - timedelta(hours=3), title="A long evening")
    assert "A long evening" in text(client)


def test_a_recent_stream_leads_to_its_page(client, channel, now):
    Stream.objects.create(id="41", channel=channel, started_at=now - timedelta(hours=3), ended_at=now)
    assert 'href="/c/lantern/streams/41/"' in text(client)
    assert "on-air" not in text(client)


def test_a_live_stream_is_told_with_who_watches_now(client, channel, now):
    live = Stream.objects.create(id="41", channel=channel, started_at=now, title="Painting", category="Art")
    for minutes, viewers in ((2, 5), (1, 4321), (3, 6)):
        StreamSample.objects.create(channel=channel, stream=live, at=now - timedelta(minutes=minutes), viewers=viewers)
    told = text(client).split('class="on-air"')[1].split("</p>")[0]
    for part in ("Live", "Painting", "Art", "4,321</data> watching", "/c/lantern/streams/41/"):
        assert part in told


def test_a_channel_of_opt_in_pages_names_nobody(client, channel, now):
    Channel.objects.update(page_policy=Channel.PagePolicy.OPT_IN)
    viewer = make_viewer(channel, "ann", 5)
    make_message(channel, viewer, now, is_first=True)
    assert "ann<" not in text(client)


def test_what_was_written_is_not_on_the_page(client, channel, now):
    make_message(channel, make_viewer(channel, "ann"), now, is_first=True)
    assert "secret words" not in text(client)


def test_it_costs_eleven_queries_at_most(client, channel, now, django_assert_max_num_queries):
    for number in range(5):
        viewer = make_viewer(channel, f"viewer{number}", number)
        make_message(channel, viewer, now, is_first=True, emotes=[make_emote(f"emote{number}").pk])
        ended_at = now if number else None
        Stream.objects.create(id=str(number), channel=channel, started_at=now - timedelta(hours=1), ended_at=ended_at)
    with django_assert_max_num_queries(11):
        client.get(PAGE)
