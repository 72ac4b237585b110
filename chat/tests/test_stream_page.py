import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from chat.models import ChatEvent, ChatMinute, EmoteStream, Redemption, Reward
from chat.tests.crowd import make_emote, make_message
from chat.views import stream as view
from streams.models import Channel, Gap, PresenceSource, Stream, StreamSample, StreamSegment
from streams.tests.cast import make_channel
from viewers.models import PresencePoll, Profile, Viewer, ViewerStream
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

PAGE = "/c/lantern/streams/41/"
EIGHT = datetime(2026, 5, 1, 20, 0, tzinfo=UTC)


def at(minutes):
    return EIGHT + timedelta(minutes=minutes)


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def stream(channel):
    """Two hours in May, counted."""
    return Stream.objects.create(
        id="41", channel=channel, started_at=EIGHT, ended_at=at(120), title="Painting", category="Art",
        counted_at=at(130), peak_viewers=1234, messages=4321, chatters=77, watched_by=456, watch_seconds=212 * 3600,
        presence_source=PresenceSource.CHATTERS,
    )  # fmt: skip


@pytest.fixture
def sample(channel, stream):
    def make(minutes, viewers):
        return StreamSample.objects.create(channel=channel, stream=stream, at=at(minutes), viewers=viewers)

    return make


@pytest.fixture
def redeem(channel):
    """Redemptions of one reward, one after the other."""

    def make(title, *statuses, minutes=5, cost=100):
        viewer = make_viewer(channel, f"spender_{title}"[:64])
        reward = Reward.objects.create(channel=channel, twitch_id=f"r-{title}", title=title)
        for number, status in enumerate(statuses):
            Redemption.objects.create(
                id=f"{title}-{number}", channel=channel, viewer=viewer, reward=reward, cost=cost, status=status,
                text="secret words", redeemed_at=at(minutes),
            )  # fmt: skip

    return make


def text(client):
    return client.get(PAGE).content.decode()


def picture(client):
    return client.get(PAGE).context["evening"]


def moments(client):
    return [(moment.kind, moment.text) for moment in client.get(PAGE).context["moments"]]


def visit(channel, stream, viewer, messages=5, **fields):
    return ViewerStream.objects.create(channel=channel, stream=stream, viewer=viewer, messages=messages, **fields)


# Where it is


@pytest.mark.parametrize("name", ["42", "9" * 400, "x-y_z"])
def test_an_unknown_stream_is_not_found_in_words(client, stream, name):
    page = client.get(f"/c/lantern/streams/{name}/")
    assert page.status_code == 404
    assert f"No stream of Lantern with the number {name} is known here." in page.content.decode()


def test_a_stream_of_another_channel_is_not_found(client, stream):
    make_channel("elsewhere")
    assert client.get("/c/elsewhere/streams/41/").status_code == 404


def test_a_part_of_a_stream_leads_to_the_whole(client, stream):
    Stream.objects.update(twitch_ids=["41", "57"])
    page = client.get("/c/lantern/streams/57/")
    assert (page.status_code, page.headers["Location"]) == (301, PAGE)


def test_a_part_of_a_stream_of_another_channel_is_not_found(client, stream):
    Stream.objects.update(twitch_ids=["41", "57"])
    make_channel("elsewhere")
    assert client.get("/c/elsewhere/streams/57/").status_code == 404


def test_parts_have_an_index(stream):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "stream_parts" in Stream.objects.filter(twitch_ids__contains=["57"]).explain()


def test_leading_to_the_whole_costs_three_queries(client, stream, django_assert_num_queries):
    Stream.objects.update(twitch_ids=["41", "57"])
    with django_assert_num_queries(3):
        client.get("/c/lantern/streams/57/")


def test_the_streams_before_and_after_are_linked(client, channel, stream):
    for name, days in (("38", -2), ("39", -1), ("43", 1), ("44", 2)):
        start = EIGHT + timedelta(days=days)
        Stream.objects.create(id=name, channel=channel, started_at=start, ended_at=start + timedelta(hours=1))
    context = client.get(PAGE).context
    assert (context["before"].pk, context["after"].pk) == ("39", "43")


def test_a_stream_alone_has_no_neighbours(client, stream):
    context = client.get(PAGE).context
    assert (context["before"], context["after"]) == (None, None)


# What is told


def test_it_is_told_as_a_sentence(client, stream, sample):
    sample(5, 1234)
    sentence = text(client).split('class="sentence">')[1].split("</p>")[0]
    for part in ("2 h on air", "1,234", "at the peak", "4,321 messages", "77 chatters"):
        assert part in sentence


def test_a_live_stream_tells_who_watches_now(client, channel, stream):
    now = timezone.now()
    Stream.objects.update(started_at=now - timedelta(minutes=30), ended_at=None)
    for minutes, viewers in ((20, 400), (2, 812)):
        StreamSample.objects.create(
            channel=channel, stream=stream, at=now - timedelta(minutes=minutes), viewers=viewers
        )
    page = text(client)
    assert "812</data> watching now" in page
    assert 'class="live-word"' in page


def test_hours_watched_are_told_with_how_many_watched(client, stream):
    page = text(client)
    assert "212 h" in page
    assert "456 people" in page


def test_a_stream_without_samples_claims_no_viewers(client, stream):
    page = text(client)
    assert "How many watched is not known" in page
    assert "1,234" not in page


def test_a_stream_that_waits_to_be_counted_again_keeps_its_numbers(client, stream):
    """Else whoever was erased would leave a gap in each evening they came to."""
    Stream.objects.update(counted_at=None)
    page = text(client)
    assert "4,321" in page
    assert "Its numbers follow" not in page


def test_a_stream_that_nobody_counted_yet_says_so(client, stream):
    Stream.objects.update(counted_at=None, messages=0, peak_viewers=0, watched_by=0)
    assert "Its numbers follow within minutes" in text(client)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (PresenceSource.CHATTERS, "asked <data"),
        (PresenceSource.SPOKE, "only who wrote something is known"),
        ("", "Who was there was not asked"),
    ],
)
def test_it_says_how_presence_is_known(client, stream, source, words):
    Stream.objects.update(presence_source=source)
    assert words in text(client)


def test_polls_that_failed_are_told(client, channel, stream):
    for minutes, problem in ((5, ""), (10, "Twitch is away"), (15, "")):
        PresencePoll.objects.create(
            channel=channel, stream=stream, at=at(minutes), source=PresenceSource.CHATTERS, problem=problem
        )
    page = text(client)
    assert "3 times" in page
    assert "1 of them without an answer" in page


# The picture


def test_samples_become_a_line(client, stream, sample):
    sample(0, 10)
    sample(1, 20)
    evening = picture(client)
    assert evening.most_viewers == 20
    assert evening.line.startswith("M4.2,50.0h0L12.5,0.0")


def test_minutes_become_an_area(client, channel, stream):
    for minutes, messages in ((0, 4), (1, 8), (-1, 99), (120, 99)):
        ChatMinute.objects.create(channel=channel, minute=at(minutes), messages=messages)
    assert [slot.rate for slot in picture(client).slots[:2]] == [4, 8]
    assert picture(client).most_rate == 8


def test_minutes_of_a_long_stream_share_a_point(client, channel, stream, sample):
    Stream.objects.update(ended_at=EIGHT + timedelta(hours=24))
    for minutes in range(10):
        sample(minutes, 10 + minutes)
        ChatMinute.objects.create(channel=channel, minute=at(minutes), messages=6)
    first = picture(client).slots[0]
    assert (first.viewers, first.rate) == (14, 6)
    assert len(picture(client).slots) == 144


def test_a_stream_of_more_than_a_day_tells_days(client, stream):
    Stream.objects.update(ended_at=EIGHT + timedelta(hours=30))
    page = text(client)
    assert ">2 May, 00:00<" in page.split("<tbody>")[1]
    assert ">3 May, 02:00<" in page.split('class="moments')[1]


def test_a_change_of_title_and_category_is_marked_and_told(client, channel, stream):
    names = [("Painting", "Art"), ("Painting on", "Art"), ("Painting on", "Chess")]
    for number, (title, category) in enumerate(names):
        StreamSegment.objects.create(
            stream=stream, started_at=at(number * 30), ended_at=at(number * 30 + 30), title=title, category=category
        )
    assert [mark.x for mark in picture(client).changes] == [25, 50]
    assert moments(client) == [
        ("begin", "Painting · Art"),
        ("change", "“Painting on”"),
        ("change", "Now Chess"),
        ("end", ""),
    ]


def test_a_drop_out_is_a_break_and_is_told(client, stream):
    for start, end in ((0, 60), (66, 120)):
        StreamSegment.objects.create(
            stream=stream, started_at=at(start), ended_at=at(end), title="Painting", category="Art"
        )
    assert [(stretch.x, stretch.width) for stretch in picture(client).breaks] == [(50, 5)]
    assert "Off air for 6 m" in text(client)


def test_its_length_is_the_time_on_air(client, stream):
    for start, end in ((0, 40), (49, 80), (89, 120)):
        StreamSegment.objects.create(stream=stream, started_at=at(start), ended_at=at(end))
    Stream.objects.update(off_air_seconds=18 * 60)
    assert "1 h 42 m on air, with 2 drop-outs, " in re.sub("<[^>]*>", "", text(client))


def test_without_segments_the_stream_is_one(client, stream):
    assert [(chapter.x, chapter.width) for chapter in picture(client).chapters] == [(0, 100)]


def test_a_raid_is_marked_and_told(client, channel, stream):
    raider = make_viewer(channel, "moth", display_name="Moth")
    for name, minutes, kind in (("1", 30, "raid"), ("2", 150, "raid"), ("3", 40, "resub")):
        ChatEvent.objects.create(
            id=name, channel=channel, viewer=raider, kind=kind, occurred_at=at(minutes), amount=263
        )
    assert [mark.x for mark in picture(client).raids] == [25]
    assert "Moth raided with 263 viewers" in text(client)


def test_a_raid_that_two_sources_told_is_one(client, channel, stream):
    for name, same_as in (("1", ""), ("2", "1")):
        ChatEvent.objects.create(id=name, channel=channel, kind="raid", occurred_at=at(30), amount=5, same_as=same_as)
    assert len(picture(client).raids) == 1


def test_the_raid_that_ended_it_is_told_though_it_came_later(client, channel, stream):
    for name, minutes, to in (("1", 121, "Moth"), ("2", 125, "Nobody")):
        ChatEvent.objects.create(
            id=name, channel=channel, kind="raid_out", occurred_at=at(minutes), amount=12, params={"displayName": to}
        )
    assert moments(client)[-1] == ("raid", "Off to Moth, in a raid of 12 viewers")


def test_a_raid_elsewhere_that_a_shared_chat_mirrored_is_not(client, channel, stream):
    ChatEvent.objects.create(id="1", channel=channel, kind="raid", occurred_at=at(5), source_channel_id="other")
    assert picture(client).raids == []


def test_a_gap_is_hatched_and_told(client, channel, stream):
    Gap.objects.create(channel=channel, started_at=at(60), ended_at=at(66), reason="cable eaten")
    assert [(hole.x, hole.width) for hole in picture(client).holes] == [(50, 5)]
    assert "Chat was not received for 6 m: cable eaten" in text(client)


def test_there_is_a_table_with_the_same(client, stream, sample):
    sample(1, 4321)
    table = text(client).split("Show as table")[1].split("</table>")[0]
    assert "4,321" in table
    assert table.count("<tr>") == 121


# Who and what


def test_who_wrote_most_is_listed(client, channel, stream):
    for name, messages in (("ann", 5), ("bob", 50), ("silent", 0)):
        visit(channel, stream, make_viewer(channel, name), messages)
    assert [row.viewer.login for row in client.get(PAGE).context["chatters"]] == ["bob", "ann"]


def test_bots_are_not(client, channel, stream):
    visit(channel, stream, make_viewer(channel, "nightbot", is_bot=True))
    assert list(client.get(PAGE).context["chatters"]) == []


def test_who_was_never_here_before_is_told(client, channel, stream):
    Stream.objects.update(new_viewers=5)
    visit(channel, stream, make_viewer(channel, "ann"), 0, is_new=True)
    visit(channel, stream, make_viewer(channel, "bob"), 9)
    context = client.get(PAGE).context
    assert [row.viewer.login for row in context["newcomers"]] == ["ann"]
    assert [row.viewer.login for row in context["chatters"]] == ["bob"]
    assert "and 4 more" in text(client)


def test_only_so_many_are_listed_of_each(client, channel, stream):
    for number in range(15):
        visit(channel, stream, make_viewer(channel, f"v{number:02}"), 5, is_new=True)
    context = client.get(PAGE).context
    assert [row.viewer.login for row in context["chatters"]] == [f"v{number:02}" for number in range(10)]
    assert [row.viewer.login for row in context["newcomers"]] == [f"v{number:02}" for number in range(8)]


# Who is shown


@pytest.fixture
def moth(channel, stream):
    """Somebody who is in every list of the page."""
    viewer = make_viewer(channel, "moth", display_name="Moth")
    visit(channel, stream, viewer, is_new=True)
    ChatEvent.objects.create(id="1", channel=channel, viewer=viewer, kind="raid", occurred_at=at(5), amount=263)
    ChatEvent.objects.create(
        id="2", channel=channel, kind="raid_out", occurred_at=at(120), recipient_id=viewer.pk,
        params={"displayName": "Moth"},
    )  # fmt: skip
    return viewer


def hide_everywhere(channel, viewer):
    Viewer.objects.filter(pk=viewer.pk).update(hidden_at=timezone.now())


def hide_here(channel, viewer):
    Profile.objects.create(channel=channel, viewer=viewer, visibility=Profile.Visibility.HIDDEN)


def only_who_asked(channel, viewer):
    Channel.objects.update(page_policy=Channel.PagePolicy.OPT_IN)


def test_a_shown_viewer_is_named_wherever_they_were(client, moth):
    page = text(client)
    for told in ("Moth raided with 263 viewers", "Off to Moth", "<bdi>Moth</bdi></a>, ", "<bdi>Moth</bdi></a><span"):
        assert told in page.replace("</a></p>", "</a>, ")


@pytest.mark.parametrize("choose", [hide_everywhere, hide_here, only_who_asked])
def test_a_viewer_who_is_not_shown_is_named_nowhere(client, channel, moth, choose):
    choose(channel, moth)
    page = text(client)
    assert "moth" not in page.lower()
    assert "A raid of 263 viewers" in page
    assert "Off to another channel" in page


def test_where_pages_are_opt_in_those_are_named_who_asked(client, channel, moth):
    only_who_asked(channel, moth)
    Profile.objects.create(channel=channel, viewer=moth, visibility=Profile.Visibility.SHOWN)
    context = client.get(PAGE).context
    assert [row.viewer for row in context["chatters"]] == [row.viewer for row in context["newcomers"]] == [moth]
    assert "Off to Moth" in text(client)


def test_a_channel_that_nobody_saw_here_is_named(client, channel, stream):
    ChatEvent.objects.create(
        id="1", channel=channel, kind="raid_out", occurred_at=at(120), recipient_id="99", params={"login": "far"}
    )
    assert "Off to far" in text(client)


def test_emotes_of_the_stream_are_listed(client, channel, stream):
    for name, uses in (("Kappa", 5), ("Clap", 50)):
        EmoteStream.objects.create(channel=channel, stream=stream, emote=make_emote(name), uses=uses)
    assert [row["name"] for row in client.get(PAGE).context["emotes"]] == ["Clap", "Kappa"]


def test_an_emoji_is_shown_as_itself(client, channel, stream):
    heart = make_emote(":red_heart:", provider="emoji", provider_id="❤", image_url="")
    EmoteStream.objects.create(channel=channel, stream=stream, emote=heart, uses=5)
    assert ">❤</span>" in text(client)


def test_redemptions_are_counted_by_reward(client, stream, redeem):
    redeem("Hydrate", "fulfilled", "unfulfilled")
    redeem("Song", "fulfilled", "fulfilled", "unknown", cost=500)
    rows = client.get(PAGE).context["redemptions"]
    assert [(row["title"], row["count"], row["points"]) for row in rows] == [("Song", 3, 1500), ("Hydrate", 2, 200)]


def test_points_that_were_given_back_do_not_count(client, stream, redeem):
    redeem("Hydrate", "canceled", "fulfilled")
    assert [row["count"] for row in client.get(PAGE).context["redemptions"]] == [1]


def test_redemptions_before_and_after_are_not_of_the_stream(client, stream, redeem):
    redeem("Early", "fulfilled", minutes=-1)
    redeem("Late", "fulfilled", minutes=120)
    assert list(client.get(PAGE).context["redemptions"]) == []


def test_who_redeemed_and_with_what_words_is_not_told(client, stream, redeem):
    redeem("Hydrate", "fulfilled")
    page = text(client)
    assert "spender" not in page
    assert "secret words" not in page


# What nobody should be able to break


HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202egnp.exe", "夜空" * 60]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_escaped(client, channel, stream, redeem, name):
    Stream.objects.update(title=name, category=name)
    for number in range(2):
        StreamSegment.objects.create(
            stream=stream, started_at=at(number * 60), ended_at=at(number * 60 + 60), title=name, category=name[number:]
        )
    moth = make_viewer(channel, "moth", display_name=name[:64])
    ChatEvent.objects.create(id="1", channel=channel, viewer=moth, kind="raid", occurred_at=at(5))
    Gap.objects.create(channel=channel, started_at=at(60), ended_at=at(66), reason=name)
    redeem(name[:60], "fulfilled")
    page = text(client)
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_who_changes_the_title_all_day_does_not_make_the_page_endless(client, stream, monkeypatch):
    monkeypatch.setattr(view, "MOMENTS", 3)
    for number in range(10):
        StreamSegment.objects.create(
            stream=stream, started_at=at(number), ended_at=at(number + 1), title=f"title {number}"
        )
    assert len(moments(client)) == 4


def test_a_stream_that_begins_in_the_future_has_a_page(client, stream):
    Stream.objects.update(started_at=timezone.now() + timedelta(minutes=2), ended_at=None)
    assert client.get(PAGE).status_code == 200


def test_it_costs_nine_queries(client, channel, stream, sample, redeem, django_assert_num_queries):
    for number in range(5):
        sample(number, 5)
        viewer = make_viewer(channel, f"viewer{number}")
        visit(channel, stream, viewer, is_new=True)
        make_message(channel, viewer, at(number))
        ChatMinute.objects.create(channel=channel, minute=at(number), messages=1)
        StreamSegment.objects.create(stream=stream, started_at=at(number), ended_at=at(number + 1), title=str(number))
        EmoteStream.objects.create(channel=channel, stream=stream, emote=make_emote(f"emote{number}"), uses=1)
        ChatEvent.objects.create(id=str(number), channel=channel, viewer=viewer, kind="raid", occurred_at=at(number))
        redeem(str(number), "fulfilled")
    with django_assert_num_queries(9):
        client.get(PAGE)
