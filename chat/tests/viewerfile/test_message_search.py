"""Messages are found by words, author, time and stream, page after page, and shown among those around them."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chat import search
from chat.searchadmin import AROUND, AT_ONCE, marks_of
from chat.tests.crowd import make_message
from chat.tests.viewerfile.people import NOON
from streams.models import Stream
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
SEARCH = "/admin/chat/message/search/"


@pytest.fixture
def client(mod):
    client = Client()
    client.force_login(mod)
    return client


@pytest.fixture
def said(channel, ann, bob):
    """What three people say in a minute each, over two days."""
    cid = make_viewer(channel, "cid")
    lines = [
        (ann, 0, "the lantern burns", {}),
        (bob, 1, "burns the lantern", {}),
        (cid, 2, "no light here", {"removed_at": NOON}),
        (ann, 24 * 60, "Lantern again", {}),
    ]
    return [make_message(channel, who, NOON + at * MINUTE, text=text, **more) for who, at, text, more in lines]


def found(client, channel, **query):
    """The texts on a page, without what marks words in them."""
    page = client.get(SEARCH, {"channel": channel.pk, **query})
    assert page.status_code == 200
    texts = re.findall(r'<span class="file-text[^"]*">(.*?)</span>', page.content.decode())
    return [unescape(re.sub("</?mark>", "", text)) for text in texts]


def test_without_a_question_there_is_everything_newest_first(client, channel, said):
    assert found(client, channel) == [message.text for message in reversed(said)]


QUESTIONS = [
    ({"words": "lantern"}, [3, 1, 0]),
    ({"words": '"the lantern"'}, [1, 0]),
    ({"words": "lantern -burns"}, [3]),
    ({"words": "light or again"}, [3, 2]),
    ({"author": "Damp"}, [3, 0]),
    ({"author": "@ann", "words": "burns"}, [0]),
    ({"since": "2026-05-02"}, [3]),
    ({"until": "2026-05-01"}, [2, 1, 0]),
    ({"since": "2026-05-01", "until": "2026-05-02"}, [3, 2, 1, 0]),
    ({"removed": "yes"}, [2]),
    ({"removed": "no"}, [3, 1, 0]),
    ({"stream": "s1"}, [2, 1]),
    ({"stream": "s1", "author": "bob", "words": "burns", "removed": "no", "since": "2026-05-01"}, [1]),
    ({"words": "nowhere"}, []),
    ({"author": "nobody"}, []),
    ({"words": "-"}, []),
    ({"until": "9999-12-31"}, [3, 2, 1, 0]),
]


def test_a_question_finds_what_it_asks_for(client, channel, said):
    Stream.objects.create(id="s1", channel=channel, started_at=NOON + MINUTE, ended_at=NOON + 3 * MINUTE)
    for query, numbers in QUESTIONS:
        assert found(client, channel, **query) == [said[number].text for number in numbers], query


def test_it_says_who_the_author_is_and_how_many_there_are_about(client, channel, said):
    page = client.get(SEARCH, {"author": "damp"}).content.decode()
    assert "the name “damp”" in page
    assert "Fewer than a hundred" in page


def test_an_author_whom_nobody_ever_saw_is_looked_for_among_viewers(client, channel, said, elsewhere):
    make_viewer(elsewhere, "eve")
    page = client.get(SEARCH, {"author": "eve"}).content.decode()
    assert "Nobody called so was ever seen in Lantern" in page
    assert "viewer/?q=eve" in page


def test_pages_follow_each_other_without_a_loss(client, channel, ann):
    for number in range(2 * AT_ONCE + 5):
        make_message(channel, ann, NOON + number // 2 * MINUTE, text=f"word {number}")
    texts, address, pages = [], SEARCH + "?words=word", 0
    while address:
        page = client.get(address).content.decode()
        texts += re.findall(r"<mark>word</mark> \d+", page)
        older = re.search(r'class="file-button" href="([^"]*)"', page)
        address = SEARCH + unescape(older[1]) if older else ""
        pages += 1
    assert (len(texts), len(set(texts)), pages) == (2 * AT_ONCE + 5, 2 * AT_ONCE + 5, 3)
    assert "To the newest" in page


def test_a_search_that_ran_out_of_time_says_how_far_it_came(client, channel, said, monkeypatch):
    place = search.Place(NOON, "m1")
    monkeypatch.setattr(search, "find", lambda *_: search.Found([], place, NOON))
    page = client.get(SEARCH, {"words": "rare"}).content.decode()
    assert "Searched back to 1 May 2026, 12:00, and nothing was found since" in page
    assert "Search further back" in page


REFUSED = [
    ({"since": "soon"}, "Enter a valid date."),
    ({"since": "2026-05-02", "until": "2026-05-01"}, "This day is before the first one."),
    ({"stream": "s-elsewhere"}, "Select a valid choice."),
    ({"words": "x" * 201}, "at most 200 characters"),
    ({"words": "\x00"}, "Null characters are not allowed."),
]
ODD = [
    {"before": "x"},
    {"before": "0001-01-01 x"},
    {"before": "2026-05-01T12:00:00+20:33 x"},
    {"before": "\x00 \x00"},
    {"viewer": "\x00"},
    {"stream": "\x00"},
]


def test_what_cannot_be_looked_for_is_told(client, channel, said, elsewhere):
    Stream.objects.create(id="s-elsewhere", channel=elsewhere, started_at=NOON)
    for query, words in REFUSED:
        page = client.get(SEARCH, {"channel": channel.pk, **query})
        assert page.status_code == 200, query
        assert words in page.content.decode(), query


def test_odd_questions_do_no_harm(client, channel, said):
    for query in ODD:
        assert client.get(SEARCH, query).status_code == 200, query


def test_the_words_are_marked_where_they_stand_whole(client, channel, ann):
    make_message(channel, ann, NOON, text="<i>Lantern</i> lanterns")
    page = client.get(SEARCH, {"words": 'lantern -dark "a b"'}).content.decode()
    assert found(client, channel, words='lantern -dark "a b"') == []
    page = client.get(SEARCH, {"words": "lantern -dark"}).content.decode()
    assert "&lt;i&gt;<mark>Lantern</mark>&lt;/i&gt; lanterns" in page
    assert marks_of("- -x") is None


def test_another_channel_is_not_there(client, channel, elsewhere, ann, said):
    message = make_message(elsewhere, ann, NOON, text="kitchen secret")
    assert "kitchen secret" not in found(client, channel)
    for address in (f"{SEARCH}?channel={elsewhere.pk}", context_of(message)):
        assert client.get(address).status_code == 404
    assert Client().get(SEARCH).status_code == 302


def test_it_costs_few_queries(client, channel, said):
    for address in (f"{SEARCH}?words=lantern&author=ann", context_of(said[0])):
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        assert len([query for query in captured if "django_session" not in query["sql"]]) <= 16


# In context


def context_of(message):
    return f"{reverse('admin:chat_message_context')}?channel={message.channel_id}&id={message.pk}"


def test_a_hit_is_marked_among_those_before_and_after_it(client, channel, ann):
    lines = [make_message(channel, ann, NOON + number * MINUTE, text=f"line {number}.") for number in range(60)]
    page = client.get(context_of(lines[30])).content.decode()
    assert [f"line {number}." in page for number in (30 - AROUND - 1, 30 - AROUND, 30 + AROUND, 30 + AROUND + 1)] == [
        False, True, True, False,
    ]  # fmt: skip
    assert "line 30." in page.split('aria-current="true"')[1].split("</li>")[0]
    [earlier] = map(unescape, re.findall(r'href="([^"]*)">Earlier', page))
    page = client.get(reverse("admin:chat_message_context") + earlier).content.decode()
    assert ["line 0." in page, "line 30." in page, "line 31." in page] == [True, True, False]


def test_messages_of_one_moment_are_each_there_once(client, channel, ann):
    lines = [make_message(channel, ann, NOON, text=f"line {number}.") for number in range(9)]
    page = client.get(context_of(lines[4])).content.decode()
    assert [page.count(f"line {number}.") for number in range(9)] == [1] * 9


def test_it_says_during_which_stream_it_was(client, channel, ann):
    Stream.objects.create(id="s1", channel=channel, started_at=NOON, ended_at=NOON + MINUTE, title="Maps")
    assert "Maps" in client.get(context_of(make_message(channel, ann, NOON))).content.decode()
    assert "off air" in client.get(context_of(make_message(channel, ann, NOON + MINUTE))).content.decode()


def test_a_message_that_is_not_kept_says_so(client, channel, said):
    page = client.get(context_of(said[0]).replace(said[0].pk, "gone"))
    assert "This message is not kept" in page.content.decode()
    assert client.get(context_of(said[0]).replace(said[0].pk, "%00")).status_code == 404
