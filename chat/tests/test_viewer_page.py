from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from chat.models import Badge, ViewerEmote
from chat.tests.crowd import make_emote, make_message
from streams.models import Channel, ChannelDay, ChannelTotal, Gap, PresenceSource, Stream
from streams.tests.cast import make_channel
from viewers.models import Award, SessionCorrection, ViewerDay, ViewerStream, ViewerTotal, ViewSession
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

LIST = "/c/lantern/viewers/"
TODAY = timezone.now().date()
NOON = datetime(2026, 5, 31, 12, tzinfo=UTC)


@pytest.fixture
def channel():
    return make_channel()


def text(client, login="ann"):
    return client.get(f"{LIST}{login}/").content.decode()


def test_totals_are_told_as_a_sentence(client, channel):
    ChannelTotal.objects.create(channel=channel, messages=5000, chatters=8310)
    viewer = make_viewer(channel, "ann", 1234)
    ViewerDay.objects.create(channel=channel, viewer=viewer, day=TODAY, messages=1234)
    sentence = client.get(f"{LIST}ann/").content.decode().split('class="sentence">')[1]
    words = " ".join(sentence.split("</p>")[0].replace("<", " <").split())
    assert "1,234 messages" in words


def test_days_of_the_year_are_squares(client, channel):
    viewer = make_viewer(channel, "ann")
    ViewerDay.objects.create(channel=channel, viewer=viewer, day=TODAY, messages=77)
    squares = client.get(f"{LIST}ann/").context["calendar"].year.squares
    assert [(square.day, square.value) for square in squares] == [(TODAY, 77)]


def test_days_before_the_channel_was_followed_are_not_known(client, channel):
    make_viewer(channel, "ann")
    ChannelDay.objects.create(channel=channel, day=TODAY - timedelta(days=9), messages=1)
    year = client.get(f"{LIST}ann/").context["calendar"].year
    assert year.quiet.count("M") == 10


def test_days_that_were_missed_are_not_known(client, channel):
    make_viewer(channel, "ann")
    ChannelDay.objects.create(channel=channel, day=TODAY - timedelta(days=900), messages=1)
    now = timezone.now()
    Gap.objects.create(
        channel=channel, started_at=now - timedelta(days=2000), ended_at=now - timedelta(days=300), reason="-"
    )
    year = client.get(f"{LIST}ann/").context["calendar"].year
    assert year.quiet.count("M") in (300, 301)


def used(channel, viewer, emote, uses, first_day=TODAY):
    """An emote as often as the fold would have it of all time."""
    ViewerEmote.objects.create(
        channel=channel, viewer=viewer, emote=emote, uses=uses, first_day=first_day, last_day=TODAY
    )


def test_favourite_emotes_are_those_used_most(client, channel):
    viewer, kappa, clap = make_viewer(channel, "ann"), make_emote("Kappa"), make_emote("Clap")
    used(channel, viewer, clap, 4)
    used(channel, viewer, kappa, 5)
    emotes = client.get(f"{LIST}ann/").context["emotes"]
    assert [(row.name, row.count) for row in emotes] == [("Kappa", 5), ("Clap", 4)]


def test_an_emote_is_an_image_with_its_size(client, channel):
    viewer = make_viewer(channel, "ann")
    used(channel, viewer, make_emote("Kappa"), 1)
    assert 'alt="Kappa" title="Kappa · 7tv" width="96" height="96" loading="lazy"' in text(client)


def test_former_names_are_told(client, channel):
    make_viewer(channel, "ann", formerly="damp_candle")
    assert "damp_candle" in text(client)


def test_a_former_name_leads_to_the_present_one(client, channel):
    make_viewer(channel, "ann", formerly="damp_candle")
    answer = client.get(f"{LIST}damp_candle/")
    assert (answer.status_code, answer["Location"]) == (302, f"{LIST}ann/")


def test_a_name_that_two_had_asks_which(client, channel):
    first, second = make_viewer(channel, "ann", formerly="candle"), make_viewer(channel, "candle")
    assert {person.viewer.pk for person in client.get(f"{LIST}candle/").context["people"]} == {first.pk, second.pk}


def test_the_answer_leads_to_the_page(client, channel):
    make_viewer(channel, "ann", formerly="candle")
    second = make_viewer(channel, "candle", 7)
    assert client.get(f"{LIST}candle/", {"id": second.pk}).context["viewer"] == second


def test_the_other_answer_leads_on_to_the_present_name(client, channel):
    first = make_viewer(channel, "ann", formerly="candle")
    make_viewer(channel, "candle")
    answer = client.get(f"{LIST}candle/", {"id": first.pk})
    assert answer["Location"] == f"{LIST}ann/?id={first.pk}"


@pytest.mark.parametrize("chosen", ["x", "\x00", "9" * 5000])
def test_an_answer_that_was_not_offered_is_not_found(client, channel, chosen):
    make_viewer(channel, "ann")
    assert client.get(f"{LIST}ann/", {"id": chosen}).status_code == 404


def test_capitals_do_not_matter(client, channel):
    make_viewer(channel, "ann")
    assert client.get(f"{LIST}ANN/")["Location"] == f"{LIST}ann/"


def test_who_never_wrote_here_is_not_found_in_words(client, channel):
    make_viewer(make_channel("elsewhere"), "ann")
    page = client.get(f"{LIST}ann/")
    assert page.status_code == 404
    assert "Nobody called ann was seen in the chat of Lantern." in page.content.decode()


@pytest.mark.parametrize("name", ["%00", "%FF", "a" * 5000, "%E2%80%AE", "'%22%3Cscript%3E"])
def test_an_odd_name_is_not_found(client, channel, name):
    assert client.get(f"{LIST}{name}/").status_code == 404


def test_a_channel_of_opt_in_pages_says_so(client, channel):
    make_viewer(channel, "ann")
    Channel.objects.update(page_policy=Channel.PagePolicy.OPT_IN)
    page = client.get(f"{LIST}ann/")
    assert page.status_code == 404
    assert "shows only viewers who asked for a page" in page.content.decode()


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "夜空", "\u202egnp"])
def test_a_hostile_display_name_is_escaped(client, channel, name):
    make_viewer(channel, "ann", display_name=name)
    page = text(client)
    assert "<script>alert" not in page
    assert "<img src=x" not in page


@pytest.mark.parametrize("login", ["<script>", "with/slash", "夜空", "per%cent", "a?b#c", "BoB", "İ", "a\\b", "a" * 64])
def test_a_hostile_login_has_a_page_that_its_list_leads_to(client, channel, login):
    viewer = make_viewer(channel, login, display_name="somebody")
    page = client.get(LIST).content.decode()
    address = page.split('class="person" href="')[1].split('"')[0]
    assert client.get(address).context["viewer"] == viewer


@pytest.mark.parametrize("login", ["", ".", "..", "\u202e"])
def test_a_login_that_cannot_be_in_an_address_is_linked_by_id(client, channel, login):
    viewer = make_viewer(channel, login, display_name="somebody")
    page = client.get(LIST).content.decode()
    address = page.split('class="person" href="')[1].split('"')[0]
    assert address == f"{LIST}-/?id={viewer.pk}"
    assert client.get(address).context["viewer"] == viewer


def test_a_login_in_capitals_is_not_taken_for_another(client, channel):
    make_viewer(channel, "bob")
    viewer = make_viewer(channel, "BoB")
    assert client.get(f"{LIST}BoB/").context["viewer"] == viewer


def test_a_color_that_is_none_is_not_used(client, channel):
    make_viewer(channel, "ann", color='"/><x>')
    assert 'class="plain"' in text(client)


def test_what_was_written_is_not_on_the_page(client, channel):
    make_message(channel, make_viewer(channel, "ann"), timezone.now())
    assert "secret words" not in text(client)


# Badges


def make_badge(name, channel=None, **fields):
    set_id, version = name.split("/")
    where = "everywhere" if channel is None else channel.login
    known = {"title": f"{set_id} of {where}", "image_url": f"https://static-cdn.jtvnw.net/badges/{where}/{set_id}"}
    return Badge.objects.create(channel=channel, set_id=set_id, version=version, **{**known, **fields})


def badges(client):
    return [badge.title for badge in client.get(f"{LIST}ann/").context["lists"].badges]


def test_badges_are_those_of_the_newest_message_in_its_order(client, channel):
    ann = make_viewer(channel, "ann")
    for name in ("vip/1", "bits/100", "subscriber/3"):
        make_badge(name)
    make_message(channel, ann, NOON, badges="bits/100")
    make_message(channel, ann, NOON + timedelta(hours=1), badges="vip/1,subscriber/3,nobody-knows/1")
    assert badges(client) == ["vip of everywhere", "subscriber of everywhere"]


def test_the_channels_own_badge_comes_before_that_of_everywhere(client, channel):
    make_message(channel, make_viewer(channel, "ann"), NOON, badges="subscriber/3")
    make_badge("subscriber/3")
    make_badge("subscriber/3", channel)
    make_badge("subscriber/3", make_channel("elsewhere"))
    assert badges(client) == ["subscriber of lantern"]


def test_badges_of_messages_that_are_not_shown_or_not_of_here_are_not_worn(client, channel):
    ann = make_viewer(channel, "ann")
    make_badge("vip/1")
    make_message(channel, ann, NOON, badges="vip/1", removed_at=NOON)
    make_message(channel, ann, NOON, badges="vip/1", source_channel_id="other")
    make_message(channel, make_viewer(channel, "bob"), NOON, badges="vip/1")
    assert badges(client) == []


@pytest.mark.parametrize("worn", ["subscriber,/,bits/1/2", ",,,", "/", "a" * 5000, "'--/1", "%s/%(x)s"])
def test_badges_that_nobody_can_read_are_left_out(client, channel, worn):
    make_message(channel, make_viewer(channel, "ann"), NOON, badges=worn)
    make_badge("vip/1")
    assert badges(client) == []


def test_a_badge_is_an_image_with_its_size_from_where_images_may_come(client, channel):
    make_message(channel, make_viewer(channel, "ann"), NOON, badges="vip/1")
    make_badge("vip/1", title='"><script>')
    page = client.get(f"{LIST}ann/")
    told = 'alt="&quot;&gt;&lt;script&gt;" title="&quot;&gt;&lt;script&gt;" width="18" height="18"'
    assert (
        f'<img class="badge" src="https://static-cdn.jtvnw.net/badges/everywhere/vip" {told}>' in page.content.decode()
    )
    assert "https://static-cdn.jtvnw.net" in page["Content-Security-Policy"].split("img-src")[1].split(";")[0]


# Streaks


def reached(channel, viewer, *streaks, live=False):
    """Streams in a row, the newest first, with the streak that the viewer had in each; None where they did not come."""
    for back, streak in enumerate(streaks):
        start = NOON - timedelta(days=back)
        is_live = live and back == 0
        stream = Stream.objects.create(
            id=f"r{back}", channel=channel, started_at=start, ended_at=None if is_live else start, presence_at=start
        )
        if streak is not None:
            ViewerStream.objects.create(channel=channel, stream=stream, viewer=viewer, messages=1, streak=streak)


@pytest.mark.parametrize(
    ("streaks", "live", "now"),
    [((4, 3), False, 4), ((None, 3), False, 0), ((None, 3), True, 3), ((4, 3), True, 4), ((), False, 0)],
)
def test_the_present_streak_is_told(client, channel, streaks, live, now):
    reached(channel, make_viewer(channel, "ann"), *streaks, live=live)
    assert client.get(f"{LIST}ann/").context["streak_now"] == now


# Achievements


def test_achievements_are_told_with_their_day(client, channel):
    Award.objects.create(
        channel=channel, viewer=make_viewer(channel, "ann"), achievement="first-words", level=1, earned_at=NOON, value=1
    )
    told = text(client).split('id="achievements"')[1]
    assert "First words" in told
    assert "31 May 2026" in told


# Watch time


@pytest.fixture
def watched(channel):
    """Makes a viewer watch: by default half of a stream of four hours, counted."""

    def watch(viewer, days_ago=1, hours=2, *, live=False, counted=True, **fields):
        start = NOON - timedelta(days=days_ago)
        stream, _ = Stream.objects.get_or_create(
            id=f"s{days_ago}", channel=channel, started_at=start, ended_at=None if live else start + timedelta(hours=4),
            title=f"Painting {days_ago}", presence_at=start + timedelta(hours=hours),
        )  # fmt: skip
        if counted:
            ViewerStream.objects.create(
                channel=channel, stream=stream, viewer=viewer, watch_seconds=hours * 3600, messages=7
            )
        ViewerTotal.objects.filter(viewer=viewer).update(watch_seconds=F("watch_seconds") + hours * 3600)
        known = {"source": PresenceSource.CHATTERS, "ended_by": "" if live else "absent"}
        ended_at = None if live else start + timedelta(hours=hours)
        return ViewSession.objects.create(
            channel=channel, stream=stream, viewer=viewer, started_at=start, ended_at=ended_at, **{**known, **fields}
        )

    return watch


def visits(client, stream_id="s1"):
    page = client.get(f"{LIST}ann/", {"range": f"stream-{stream_id}"}).content.decode()
    return page.split('class="visits"')[1].split("</ol>")[0]


def test_watch_time_is_told_as_a_sentence(client, channel, watched):
    ann, bob = make_viewer(channel, "ann"), make_viewer(channel, "bob")
    for days_ago in (1, 2):
        watched(ann, days_ago=days_ago, hours=3)
    watched(bob, days_ago=3)
    sentence = text(client).split('class="sentence">')[1].split("</p>")[0]
    words = " ".join(sentence.replace("<", " <").split())
    assert "6 h" in words
    assert words.index(">2 </data> of") < words.index("3 streams")


def test_who_never_wrote_has_a_page_too(client, channel, watched):
    ann = make_viewer(channel, "ann", 0)
    watched(ann)
    ViewerDay.objects.create(channel=channel, viewer=ann, day=TODAY, watch_seconds=7200)
    context = client.get(f"{LIST}ann/").context
    assert "no message yet" in text(client)
    assert (context["calendar"].shows_time, context["calendar"].busiest.day) == (True, TODAY)


def test_nobody_watched_more_than_all_of_a_stream(client, channel, watched):
    watched(make_viewer(channel, "ann"), hours=5)
    assert [entry.share for entry in client.get(f"{LIST}ann/").context["attended"]] == [100]


def test_who_never_watched_is_told_no_watch_time(client, channel):
    make_viewer(channel, "ann")
    page = text(client)
    assert "watched</h2>" not in page
    assert "watched in" not in page


def test_streams_attended_are_listed_with_the_share_watched(client, channel, watched):
    ann = make_viewer(channel, "ann")
    watched(ann, days_ago=2)
    watched(ann, days_ago=1, hours=4)
    attended = client.get(f"{LIST}ann/").context["attended"]
    assert [(entry.row.stream_id, entry.share) for entry in attended] == [("s1", 100), ("s2", 50)]
    assert 'href="/c/lantern/streams/s1/"' in text(client)


def test_a_session_says_how_it_is_known(client, channel, watched):
    watched(make_viewer(channel, "ann"))
    told = visits(client)
    for part in ("2 h", "seen in chat", "gone by then"):
        assert part in told


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"source": "spoke"}, "came with a message"),
        ({"ended_by": "offline"}, "stayed until the stream went off air"),
        ({"ended_by": "silence"}, "nobody could be asked for a while"),
        ({"ended_by": "moderator"}, "put right by a moderator"),
        ({"ended_by": "bot"}, "found to be a bot"),
    ],
)
def test_what_began_and_ended_a_session_is_said_in_words(client, channel, watched, fields, words):
    watched(make_viewer(channel, "ann"), **fields)
    assert words in visits(client)


def test_an_open_session_counts_up_to_the_last_proof(client, channel, watched):
    watched(make_viewer(channel, "ann"), live=True, hours=3)
    told = visits(client)
    assert "watching now" in told
    assert "3 h</data> so far" in told


def test_a_session_that_was_corrected_says_so_once(client, channel, watched):
    ann = make_viewer(channel, "ann")
    session = watched(ann)
    for _ in range(2):
        SessionCorrection.objects.create(
            session=session, stream=session.stream, viewer=ann, reason="left it running",
            started_before=NOON, ended_before=NOON, started_after=NOON, ended_after=NOON,
        )  # fmt: skip
    assert visits(client).count("put right by a moderator") == 1
    assert "left it running" not in text(client)


def test_visits_are_those_to_this_stream_the_first_one_first(client, channel, watched):
    ann = make_viewer(channel, "ann")
    watched(ann, days_ago=2)
    later = watched(ann)
    noon = later.started_at
    first = ViewSession.objects.create(
        channel=channel, stream=later.stream, viewer=ann, source="spoke",
        started_at=noon - timedelta(hours=1), ended_at=noon - timedelta(minutes=30),
    )  # fmt: skip
    page = client.get(f"{LIST}ann/", {"range": "stream-s1"})
    assert [visit.session for visit in page.context["visits"]] == [first, later]


# The account


def test_an_avatar_is_shown_where_it_is_known(client, channel):
    make_viewer(channel, "ann", avatar_url="https://static-cdn.jtvnw.net/ann.png")
    assert '<img class="face" src="https://static-cdn.jtvnw.net/ann.png" alt="" width="72" height="72"' in text(client)


def test_when_the_account_was_made_is_told(client, channel):
    make_viewer(channel, "ann", account_created_at=datetime(2019, 3, 1, tzinfo=UTC))
    assert "1 Mar 2019" in text(client)


def test_an_account_that_is_gone_says_so(client, channel):
    make_viewer(channel, "ann", is_missing=True)
    assert "Twitch no longer knows it: suspended, or deleted" in text(client)
