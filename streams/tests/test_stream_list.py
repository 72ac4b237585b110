import re
from datetime import UTC, datetime, timedelta

import pytest

from streams import views
from streams.models import PresenceSource, Stream, StreamSample
from streams.tests.cast import make_channel

pytestmark = pytest.mark.django_db

LIST = "/c/lantern/streams/"
EIGHT = datetime(2026, 5, 1, 20, 0, tzinfo=UTC)


@pytest.fixture
def channel():
    return make_channel()


def make_stream(channel, name="41", days=0, *, live=False, **fields):
    """A stream of three hours, so many days after the first of May."""
    started_at = EIGHT + timedelta(days=days)
    known = {"started_at": started_at, "ended_at": None if live else started_at + timedelta(hours=3)}
    return Stream.objects.create(id=name, channel=channel, **{**known, "counted_at": EIGHT, **fields})


def rows(client, **query):
    return [stream.pk for stream in client.get(LIST, query).context["streams"]]


def text(client):
    return client.get(LIST).content.decode()


def test_the_newest_stream_comes_first(client, channel):
    make_stream(channel, "1")
    make_stream(channel, "2", days=1)
    assert rows(client) == ["2", "1"]


def test_a_live_stream_has_its_mark(client, channel):
    make_stream(channel, "1", live=True)
    assert 'class="live-word"' in text(client)


def test_a_stream_that_is_over_has_none(client, channel):
    make_stream(channel, "1")
    assert "live-word" not in text(client)


def test_a_stream_is_told_in_numbers(client, channel):
    stream = make_stream(
        channel, title="Painting", category="Art", peak_viewers=1234, average_viewers=987, messages=4321, chatters=77,
        watched_by=456, watch_seconds=212 * 3600, presence_source=PresenceSource.CHATTERS,
    )  # fmt: skip
    StreamSample.objects.create(channel=channel, stream=stream, at=EIGHT, viewers=1234)
    page = text(client)
    for part in ("Painting", "Art", "1 May 2026", "3 h", "1,234", "987", "4,321", "77 chatters", "212 h", "456 people"):
        assert part in page
    assert 'title="not known"' not in page


def test_the_length_of_a_stream_is_its_time_on_air(client, channel):
    make_stream(channel, off_air_seconds=1620)
    assert " · 2 h 33 m" in client.get(LIST).content.decode()


def test_what_nobody_could_ask_is_not_known(client, channel):
    make_stream(channel)
    assert text(client).count('title="not known"') == 2


def test_a_stream_that_is_not_counted_says_so(client, channel):
    make_stream(channel, counted_at=None)
    assert "not counted yet" in text(client)


def test_streams_of_other_channels_are_not_listed(client, channel):
    make_stream(make_channel("elsewhere"))
    assert rows(client) == []


def test_no_stream_yet_has_words(client, channel):
    assert "No stream of <bdi>Lantern</bdi> is known yet" in text(client)


def test_pages_hold_every_stream_once_among_equals(client, channel, monkeypatch):
    monkeypatch.setattr(views, "STREAMS", 2)
    for number in range(7):
        make_stream(channel, f"s{number}", days=number // 3)
    address: str | None = LIST
    found: list[str] = []
    while address:
        page = client.get(address)
        found += [stream.pk for stream in page.context["streams"]]
        link = re.search(r'rel="next" href="([^"]+)"', page.content.decode())
        address = LIST + link[1] if link else None
    assert found == ["s6", "s3", "s4", "s5", "s0", "s1", "s2"]


def test_the_end_of_the_list_has_words(client, channel):
    assert "The list ends here" in client.get(LIST, {"after": "0-1"}).content.decode()


@pytest.mark.parametrize("after", ["x", "1", "-", "1-\x00", "x-1", "9" * 18 + "-1", "9" * 30 + "-1", "٣-1"])
def test_a_made_up_place_is_not_found(client, channel, after):
    assert client.get(LIST, {"after": after}).status_code == 404


@pytest.mark.parametrize("title", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_a_hostile_title_is_escaped(client, channel, title):
    make_stream(channel, title=title, category=title)
    page = text(client)
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_a_stream_without_a_title_has_a_link_too(client, channel):
    make_stream(channel, title="")
    assert 'href="/c/lantern/streams/41/"><bdi>Untitled</bdi>' in text(client)


def test_a_page_costs_three_queries(client, channel, django_assert_num_queries):
    for number in range(5):
        make_stream(channel, str(number), days=number)
    with django_assert_num_queries(3):
        client.get(LIST)


def test_an_unknown_channel_is_not_found_in_words(client, db):
    page = client.get(LIST)
    assert page.status_code == 404
    assert "Nobody follows a channel called lantern here." in page.content.decode()
