import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from chat.models import EmoteDay, EmoteSetEntry, EmoteStream, EmoteTotal, EmoteYear
from chat.tests.crowd import make_emote
from chat.views import emotes as view
from streams.models import ChannelDay, Stream
from streams.tests.cast import make_channel

pytestmark = pytest.mark.django_db

LIST = "/c/lantern/emotes/"
HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202egnp.exe", "夜" * 128, "{{ 7|add:7 }}"]


@pytest.fixture
def today():
    return timezone.now().date()


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def use(channel, today):
    """Uses of an emote on one day, added up as the jobs do it."""

    def make(emote, uses, back=0, day=None):
        day = day or today - timedelta(days=back)
        EmoteDay.objects.create(channel=channel, emote=emote, day=day, uses=uses)
        days = {"first_day": day, "last_day": day}
        for model, more in ((EmoteTotal, {}), (EmoteYear, {"year": day.year})):
            total, _ = model.objects.get_or_create(channel=channel, emote=emote, **more, defaults=days)
            model.objects.filter(pk=total.pk).update(uses=total.uses + uses)

    return make


def told(client, **query):
    return [(row.emote.name, row.uses) for row in client.get(LIST, query).context["listed"].rows]


def text(client, **query):
    return client.get(LIST, query).content.decode()


def test_the_most_used_comes_first_with_its_share(client, use):
    use(make_emote("Kappa"), 1)
    use(make_emote("Clap"), 3)
    rows = client.get(LIST).context["listed"].rows
    assert [(row.emote.name, row.uses, row.share) for row in rows] == [("Clap", 3, 75), ("Kappa", 1, 25)]


def test_an_emoji_is_shown_as_itself_and_named_in_words(client, use):
    use(make_emote(":red_heart:", provider="emoji", provider_id="❤", image_url=""), 1)
    tile = text(client).split("emote-grid")[1].split("</li>")[0]
    assert ">❤</span>" in tile
    assert ">red heart</bdi>" in tile


def test_all_uses_and_emotes_are_told(client, use):
    for number in range(3):
        use(make_emote(f"e{number}"), 700)
    headline = text(client).split("<h1")[1].split("</h1>")[0]
    assert "2,100 uses" in headline
    assert "3 emotes" in headline


def test_an_emote_leads_to_its_page(client, use):
    kappa = make_emote("Kappa")
    use(kappa, 1)
    assert f'href="/c/lantern/emotes/{kappa.pk}/"' in text(client)


def test_pictures_have_their_sizes(client, use):
    use(make_emote("Kappa"), 1)
    for picture in re.findall("<img[^>]*>", text(client)):
        assert re.search(r'width="\d+" height="\d+"', picture)


@pytest.mark.parametrize(("kind", "uses"), [("week", 1), ("month", 1 + 20), ("year", 1 + 20 + 300), ("all", 4321)])
def test_a_range_counts_its_own_days(client, use, monkeypatch, kind, uses):
    """On a Wednesday in May; what was used in the year before counts for all time only."""
    monkeypatch.setattr("django.utils.timezone.now", lambda: datetime(2026, 5, 20, 12, tzinfo=UTC))
    kappa = make_emote("Kappa")
    days = (date(2026, 5, 18), 1), (date(2026, 5, 17), 20), (date(2026, 1, 1), 300), (date(2025, 12, 31), 4000)
    for day, count in days:
        use(kappa, count, day=day)
    assert told(client, range=kind) == [("Kappa", uses)]


@pytest.mark.parametrize(("named", "uses"), [("2025", 2), ("2025-11", 2), ("2025-W47", 2), ("2024", None)])
def test_a_past_range_can_be_named(client, use, named, uses):
    use(make_emote("Kappa"), 2, day=date(2025, 11, 19))
    assert told(client, range=named) == ([("Kappa", uses)] if uses else [])


def test_the_emotes_of_one_stream_can_be_seen(client, channel, use):
    kappa = make_emote("Kappa")
    use(kappa, 100)
    for name, uses in (("41", 7), ("42", 9)):
        stream = Stream.objects.create(id=name, channel=channel, started_at=timezone.now(), ended_at=timezone.now())
        EmoteStream.objects.create(channel=channel, stream=stream, emote=kappa, uses=uses)
    assert told(client, range="stream-41") == [("Kappa", 7)]


def test_a_stream_of_another_channel_cannot(client, channel):
    Stream.objects.create(id="41", channel=make_channel("elsewhere"), started_at=timezone.now())
    assert client.get(LIST, {"range": "stream-41"}).status_code == 404


def test_a_part_that_had_a_number_of_its_own_leads_to_its_stream(client, channel):
    stream = Stream.objects.create(pk="41", twitch_ids=["41", "42"], channel=channel, started_at=timezone.now())
    EmoteStream.objects.create(channel=channel, stream=stream, emote=make_emote("Kappa"), uses=7)
    assert told(client, range="stream-42") == [("Kappa", 7)]
    assert "range=stream-41&amp;provider=" in text(client, range="stream-42")


def test_what_lies_ahead_is_not_found_in_words(client, channel):
    page = client.get(LIST, {"range": "2100-12"})
    assert (page.status_code, "it lies ahead" in page.content.decode()) == (404, True)


def test_a_provider_can_be_chosen(client, use):
    use(make_emote("Kappa"), 1)
    use(make_emote("Clap", provider="bttv"), 3)
    rows = client.get(LIST, {"provider": "bttv"}).context["listed"].rows
    assert [(row.emote.name, row.share) for row in rows] == [("Clap", 100)]


def test_links_keep_what_else_was_chosen(client, use):
    use(make_emote("Kappa"), 1)
    page = text(client, provider="7tv", range="2026-11")
    assert 'href="?range=2026-11&amp;provider=bttv"' in page
    assert 'href="?show=gone&amp;range=2026-11&amp;provider=7tv"' in page


def test_pages_hold_every_emote_once_among_equals(client, use, monkeypatch):
    monkeypatch.setattr(view, "PAGE", 2)
    for number in range(5):
        use(make_emote(f"e{number}"), 3)
    pages = [told(client, page=number) for number in (1, 2, 3)]
    assert [name for page in pages for name, _ in page] == [f"e{number}" for number in range(5)]
    assert 'rel="next"' not in text(client, page=3)
    assert 'rel="next"' in text(client, page=2)


def test_behind_the_last_page_is_nothing(client, use):
    use(make_emote("Kappa"), 1)
    page = client.get(LIST, {"page": 2})
    assert page.status_code == 404
    assert "ends before this page" in page.content.decode()


# What could go, and what went


def enter(channel, emote, **fields):
    EmoteSetEntry.objects.create(channel=channel, emote=emote, provider=emote.provider, name=emote.name, **fields)


def test_what_nobody_used_is_listed_with_since_when_it_is_there(client, channel, today):
    enter(channel, make_emote("Kappa"), since=timezone.now() - timedelta(days=200))
    row = text(client, show="unused-90").split("<tbody>")[1]
    assert "Kappa" in row
    assert ">never<" in row
    assert f"{today - timedelta(days=200):%-d %b %Y}" in row


def test_what_was_used_two_months_ago_is_unused_for_30_days_only(client, channel, use, today):
    kappa = make_emote("Kappa")
    enter(channel, kappa)
    use(kappa, 5, back=60)
    found = {show: client.get(LIST, {"show": show}).context["listed"].known for show in ("unused-30", "unused-90")}
    assert found == {"unused-30": 1, "unused-90": 0}


def test_where_counting_began_lately_it_says_so(client, channel, today):
    ChannelDay.objects.create(channel=channel, day=today - timedelta(days=40))
    assert "Counting began here on" in text(client, show="unused-90")
    assert "Counting began here on" not in text(client, show="unused-30")


def test_what_went_is_listed(client, channel, use):
    kappa = make_emote("Kappa")
    enter(channel, kappa, until=timezone.now())
    use(kappa, 1234)
    row = text(client, show="gone").split("<tbody>")[1]
    assert "Kappa" in row
    assert "1,234" in row


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "No emote was used yet"),
        ({"range": "month"}, "No emote was used in"),
        ({"range": "2025-11"}, "Nothing is known of November 2025: counting began here on"),
        ({"provider": "ffz"}, "No emote from there was used yet"),
        ({"show": "unused-30"}, "Every emote of these sets was used"),
        ({"show": "gone"}, "No emote has left these sets"),
    ],
)
def test_an_empty_list_has_words(client, channel, query, words):
    assert words in text(client, **query)


def test_the_way_back_ends_on_the_first_day_that_is_known(client, channel, use):
    ChannelDay.objects.create(channel=channel, day=date(2026, 3, 5))
    assert client.get(LIST, {"range": "2026-04"}).context["earlier"].text == "March 2026"
    assert client.get(LIST, {"range": "2026-03"}).context["earlier"] is None
    assert client.get(LIST, {"range": "2026-01"}).context["later"] is None


def test_who_provides_what_is_not_used_is_said(client, channel):
    enter(channel, make_emote("Kappa"))
    assert '<span class="muted">7TV</span>' in text(client, show="unused-30")


# What nobody should be able to break


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_escaped(client, channel, use, name):
    shown, listed = make_emote(name, image_url=""), make_emote(name)
    for emote in (shown, listed):
        use(emote, 1, back=100)
        enter(channel, emote, until=None if emote == shown else timezone.now())
    for show in view.SHOWS:
        page = text(client, show=show)
        assert "<script>alert" not in page
        assert "<img src=x" not in page


ODD = ["\x00", "x", "%", "-1", "0", "9" * 50, "٣", "1.5", "2026-13", "2026-W54", "9999", "stream-", "stream-\x00",
       "stream-" + "9" * 400, "'; drop table", "<script>alert(1)</script>", "\ud7ff", "a" * 5000]  # fmt: skip


@pytest.mark.parametrize("name", ["range", "provider", "show", "page"])
@pytest.mark.parametrize("value", ODD)
def test_an_odd_question_is_not_found_in_words(client, channel, name, value):
    page = client.get(LIST, {name: value})
    assert page.status_code == 404
    assert "<script>alert" not in page.content.decode()


def test_bytes_that_are_no_text_do_no_harm(client, channel):
    assert client.get(f"{LIST}?provider=%ff%fe").status_code == 404


@pytest.mark.parametrize(
    ("query", "queries"),
    [("", 3), ("?range=month", 4), ("?range=stream-41", 4), ("?show=unused-30", 4), ("?show=gone", 3)],
)
def test_it_costs_few_queries(client, channel, use, django_assert_num_queries, query, queries):
    stream = Stream.objects.create(id="41", channel=channel, started_at=timezone.now())
    for number in range(5):
        emote = make_emote(f"e{number}")
        use(emote, 5)
        EmoteStream.objects.create(channel=channel, stream=stream, emote=emote, uses=1)
        enter(channel, make_emote(f"unused{number}"))
        enter(channel, make_emote(f"gone{number}"), until=timezone.now())
    with django_assert_num_queries(queries):
        client.get(LIST + query)
