import re
from datetime import timedelta

import pytest
from django.utils import timezone

from chat.models import ChatMinute, EmoteDay, Redemption, Reward
from chat.tests.crowd import make_emote, make_message
from chat.views import channel as view
from streams.models import Channel, ChannelDay, ChannelTotal, Gap, Stream, StreamSample
from streams.tests.cast import make_channel
from viewers.models import Profile, Standing, Viewer
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

PAGE = "/c/lantern/"
NOW = "/c/lantern/now/"


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


@pytest.fixture
def place(channel, now):
    """What somebody comes to in this month."""

    def make(login, **counts):
        viewer = make_viewer(channel, login)
        Standing.objects.create(channel=channel, viewer=viewer, period=f"{now:%Y-%m}", **counts)
        return viewer

    return make


def leaders(client):
    context = client.get(PAGE).context
    return context["by"], [row.viewer.login for row in context["leaders"]]


def test_who_watched_most_this_month_leads(client, place):
    place("ann", watch_seconds=50, messages=9)
    place("bob", watch_seconds=500, messages=1)
    assert leaders(client) == ("watched", ["bob", "ann"])


def test_where_nobody_knows_who_watched_those_lead_who_wrote(client, place):
    place("ann", messages=9)
    place("silent")
    assert leaders(client) == ("messages", ["ann"])


def test_another_month_has_other_leaders(client, channel):
    Standing.objects.create(channel=channel, viewer=make_viewer(channel, "ann"), period="2025-11", watch_seconds=5)
    assert leaders(client) == ("watched", [])
    assert "Nobody yet this month" in text(client)


def redeem(channel, viewer, at, title="Hydrate", **fields):
    reward, _ = Reward.objects.get_or_create(channel=channel, twitch_id=f"r-{title}", defaults={"title": title})
    known = {"id": f"x{Redemption.objects.count()}", "status": "fulfilled", "text": "secret words", "cost": 100}
    return Redemption.objects.create(
        **{**known, "channel": channel, "viewer": viewer, "reward": reward, "redeemed_at": at, **fields}
    )


def test_what_points_were_spent_on_last_is_told_with_by_whom(client, channel, now):
    ann = make_viewer(channel, "ann")
    redeem(channel, ann, now - timedelta(minutes=5), "Song")
    redeem(channel, ann, now)
    redeem(channel, ann, now, "Refused", status="canceled")
    assert [row.reward.title for row in client.get(PAGE).context["redemptions"]] == ["Hydrate", "Song"]
    told = re.sub(r"\s+", " ", re.sub("<[^>]+>", "", text(client).split('id="spent"')[1]))
    assert "Hydrate by ann" in told


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


# Who is shown


@pytest.fixture
def everywhere(channel, now):
    """Somebody who is in every list of the page, under a name that nothing else has."""
    viewer = make_viewer(channel, "ann", display_name="Anemone")
    make_message(channel, viewer, now, is_first=True)
    Standing.objects.create(channel=channel, viewer=viewer, period=f"{now:%Y-%m}", watch_seconds=5, messages=5)
    redeem(channel, viewer, now)
    return viewer


def hide_everywhere(channel, viewer):
    Viewer.objects.filter(pk=viewer.pk).update(hidden_at=timezone.now())


def hide_here(channel, viewer):
    Profile.objects.create(channel=channel, viewer=viewer, visibility=Profile.Visibility.HIDDEN)


def remove_here(channel, viewer):
    Profile.objects.create(channel=channel, viewer=viewer, visibility=Profile.Visibility.REMOVED)


def only_who_asked(channel, viewer):
    Channel.objects.update(page_policy=Channel.PagePolicy.OPT_IN)


@pytest.mark.parametrize("address", [PAGE, NOW])
def test_a_shown_viewer_is_in_every_list(client, everywhere, address):
    assert client.get(address).content.decode().count("Anemone") == 3


@pytest.mark.parametrize("choose", [hide_everywhere, hide_here, remove_here, only_who_asked])
@pytest.mark.parametrize("address", [PAGE, NOW])
def test_a_viewer_who_is_not_shown_is_in_none(client, channel, everywhere, address, choose):
    choose(channel, everywhere)
    page = client.get(address).content.decode()
    assert "Anemone" not in page
    assert "viewers/ann/" not in page
    assert "Hydrate" in page


def test_who_hid_in_another_channel_is_shown_here(client, everywhere):
    hide_here(make_channel("elsewhere"), everywhere)
    assert text(client).count("Anemone") == 3


def test_where_pages_are_opt_in_those_are_shown_who_asked(client, channel, everywhere):
    only_who_asked(channel, everywhere)
    Profile.objects.create(channel=channel, viewer=everywhere, visibility=Profile.Visibility.SHOWN)
    assert text(client).count("Anemone") == 3


def test_bots_are_in_no_list_of_people(client, everywhere):
    Viewer.objects.update(is_bot=True)
    context = client.get(PAGE).context
    assert (context["newcomers"], context["leaders"]) == ([], [])


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202egnp.exe"])
@pytest.mark.parametrize("address", [PAGE, NOW])
def test_hostile_names_are_escaped(client, channel, everywhere, now, address, name):
    Viewer.objects.update(display_name=name, login=name)
    redeem(channel, everywhere, now, name)
    make_message(channel, everywhere, now, emotes=[make_emote(name, image_url="").pk])
    page = client.get(address).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_the_part_that_is_fetched_again_is_that_of_the_page(client, everywhere):
    part = client.get(NOW).content.decode()
    assert part in text(client)
    assert "<html" not in part


def test_the_part_of_an_unknown_channel_is_not_found(client, channel):
    assert client.get("/c/nobody/now/").status_code == 404


def test_who_has_no_row_does_no_harm(client, channel, now):
    ann = make_viewer(channel, "ann")
    make_message(channel, ann, now, is_first=True, viewer_id="")
    redeem(channel, ann, now, viewer_id="")
    context = client.get(PAGE).context
    assert (context["newcomers"], context["redemptions"]) == ([], [])


def test_who_wrote_for_the_first_time_long_before_the_newest_messages_is_not_new(client, channel, now, monkeypatch):
    monkeypatch.setattr(view, "NEWEST_MESSAGES", 2)
    ann, bob = make_viewer(channel, "ann"), make_viewer(channel, "bob")
    make_message(channel, ann, now - timedelta(minutes=3), is_first=True)
    make_message(channel, bob, now - timedelta(minutes=2), is_first=True)
    make_message(channel, bob, now)
    assert [viewer.login for viewer, _ in client.get(PAGE).context["newcomers"]] == ["bob"]


def test_a_live_stream_is_told_in_numbers(client, channel, now):
    live = Stream.objects.create(
        id="41", channel=channel, started_at=now - timedelta(hours=1), counted_at=now, messages=4321, chatters=77,
        watched_by=55, watch_seconds=7200, presence_source="chatters", new_viewers=3,
    )  # fmt: skip
    told = text(client).split('aria-label="In numbers"')[1].split("</p>")[0]
    for part in ("4,321 messages", "77 chatters", "2 h", "55 people", ">3</data> of them here for the first time"):
        assert part in told
    Stream.objects.filter(pk=live.pk).update(ended_at=now)
    assert "This stream" not in text(client)


def test_an_emoji_is_shown_as_itself(client, channel, now):
    heart = make_emote(":red_heart:", provider="emoji", provider_id="❤", image_url="")
    EmoteDay.objects.create(channel=channel, emote=heart, day=now.date(), uses=2)
    make_message(channel, make_viewer(channel, "ann"), now, emotes=[heart.pk])
    assert text(client).count(">❤</span>") == 2


def test_emotes_lead_to_their_pages(client, channel, now):
    kappa = make_emote("Kappa")
    EmoteDay.objects.create(channel=channel, emote=kappa, day=now.date(), uses=2)
    make_message(channel, make_viewer(channel, "ann"), now, emotes=[kappa.pk])
    assert text(client).count(f'href="/c/lantern/emotes/{kappa.pk}/"') == 2


def test_what_was_written_is_not_on_the_page(client, channel, now):
    make_message(channel, make_viewer(channel, "ann"), now, is_first=True)
    assert "secret words" not in text(client)


@pytest.mark.parametrize(("address", "queries"), [(PAGE, 9), (NOW, 4)])
def test_it_costs_few_queries(client, channel, place, now, django_assert_num_queries, address, queries):
    for number in range(5):
        viewer = place(f"viewer{number}", watch_seconds=5)
        make_message(channel, viewer, now, is_first=True, emotes=[make_emote(f"emote{number}").pk])
        redeem(channel, viewer, now)
        ended_at = now if number else None
        Stream.objects.create(id=str(number), channel=channel, started_at=now - timedelta(hours=1), ended_at=ended_at)
    with django_assert_num_queries(queries):
        client.get(address)
