"""The summary on the page of a viewer: who sees it, what of it, and what it costs."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from chat.portrait import lists
from chat.tests.crowd import make_message
from chat.tests.summaries.written import AT, agree, make_claim, make_summary
from chat.tests.test_wiki_pages import as_user, user_of
from streams.tests.cast import make_channel
from viewers import choices
from viewers.models import Claim, Profile, Summary, SummaryPolicy, Viewer, ViewerTotal
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

PAGE = "/c/lantern/viewers/ann/"
TITLE = "in a few words"
SAID = "They answer nearly everybody."


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def policy(channel):
    return SummaryPolicy.objects.create(channel=channel, is_on=True)


@pytest.fixture
def ann(channel):
    return make_viewer(channel, "ann", 40)


@pytest.fixture
def own(ann):
    return as_user(user_of(ann.pk))


@pytest.fixture
def owner(channel, ann):
    return as_user(user_of(make_viewer(channel, "lantern", twitch_id=channel.twitch_id).pk))


@pytest.fixture
def written(channel, ann):
    summary = make_summary(channel, ann, 4)
    messages = [make_message(channel, ann, AT - timedelta(days=days)) for days in (9, 4, 0)]
    make_claim(summary, SAID, messages)
    make_claim(summary, "Maps of all kinds.", messages[:1], part="interest")
    make_claim(summary, "The lamp that is never on.", messages[1:], part="joke")
    make_claim(summary, "Dry and kind.", part="tone")
    return summary


def text(browser=None, query=""):
    return (browser or Client()).get(f"{PAGE}{query}").content.decode()


def test_everybody_reads_it_with_who_wrote_it(written):
    page = text()
    assert "Written by a language model (openai <bdi>gpt-4o</bdi>) from " in page
    assert ">212 messages<" in page
    assert ", version&nbsp;4</p>" in page


@pytest.mark.parametrize("said", [SAID, "Maps of all kinds.", "The lamp that is never on.", "Dry and kind."])
def test_everything_it_says_is_there(written, said):
    assert said in text()


def test_each_sentence_says_how_many_messages_it_rests_on_and_from_when(written):
    page = text()
    assert 'title="from 3 messages, 25 Oct to 3 Nov 2026"' in page
    assert '<li id="source-3">From 2 messages, 30 Oct to 3 Nov 2026</li>' in page


def test_a_sentence_from_numbers_has_no_source(channel, ann):
    make_claim(make_summary(channel, ann, made_by="digest", model="", provider=""), SAID)
    page = text()
    assert "Computed from numbers and" in page
    assert "no language model" in page
    assert 'id="source-' not in page


def test_no_message_is_on_it(written):
    assert "secret words" not in text()


@pytest.mark.parametrize("words", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7|add:7 }}"])
def test_hostile_words_are_escaped(channel, ann, words):
    summary = make_summary(channel, ann, provider=words[:32], model=words)
    for part in ("portrait", "interest", "joke", "tone"):
        make_claim(summary, words, [make_message(channel, ann, AT)], part=part)
    page = text()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "14" not in page.split(TITLE)[1].split("</section>")[0]


@pytest.mark.parametrize("state", ["waiting", "running", "review", "hidden", "refused", "failed"])
def test_what_is_not_shown_is_on_no_page(written, own, owner, state):
    Summary.objects.update(state=state)
    assert [SAID in page for page in (text(), text(own), text(owner))] == [False] * 3


def test_the_newest_that_is_shown_is_on_it(channel, ann, written):
    make_claim(make_summary(channel, ann, 5), "Something newer.")
    make_claim(make_summary(channel, ann, 6, state="hidden"), "Something hidden.")
    page = text()
    assert "Something newer." in page
    assert SAID not in page


def test_it_is_of_all_time_and_on_no_page_of_a_month(written):
    assert TITLE not in text(query="?range=month")


def test_it_is_not_in_what_links_to_the_page_show(written):
    assert SAID not in text().split("</head>")[0]


def test_a_removed_message_takes_what_rests_on_it_along(channel, ann, written):
    message = make_message(channel, ann, AT + timedelta(hours=1))
    make_claim(written, "They once said it all.", [message])
    message.removed_at = timezone.now()
    message.save()
    assert "They once said it all." not in text()


def test_what_was_reported_is_gone(written):
    Claim.objects.filter(text=SAID).update(reported_at=timezone.now())
    assert SAID not in text()


@pytest.mark.django_db(transaction=True)
def test_taken_back_it_is_gone_at_once(redis_client, settings, ann, written):
    settings.PAGE_CACHE_SECONDS = 30
    agree(ann)
    assert SAID in text()
    choices.withdraw(ann, "summary")
    assert TITLE not in text()


@pytest.mark.django_db(transaction=True)
def test_of_who_hides_nothing_of_it_is_left_at_once(redis_client, settings, channel, ann, written):
    settings.PAGE_CACHE_SECONDS = 30
    assert SAID in text()
    choices.hide(ann)
    page = Client().get(PAGE)
    assert page.status_code == 404
    assert SAID not in page.content.decode()


@pytest.mark.django_db(transaction=True)
def test_of_whom_a_moderator_hides_nothing_is_left_at_once(redis_client, settings, channel, ann, written):
    settings.PAGE_CACHE_SECONDS = 30
    assert SAID in text()
    choices.remove_page(ann, channel)
    assert Client().get(PAGE).status_code == 404
    assert Profile.objects.get(viewer=ann).visibility == "removed"


# What the viewer can do about it


def test_a_viewer_is_led_to_the_versions_and_a_stranger_is_not(written, own):
    assert f'href="{PAGE}summary/"' in text(own)
    assert f'href="{PAGE}summary/4/"' in text(own)
    assert f"{PAGE}summary/" not in text()


def test_a_moderator_is_led_to_the_versions(written, owner):
    assert f'href="{PAGE}summary/"' in text(owner)


def test_without_one_a_stranger_reads_nothing_of_it(policy, ann, owner):
    assert [TITLE in page for page in (text(), text(owner))] == [False, False]


def test_where_a_channel_has_none_its_viewers_read_nothing_of_it(own):
    assert TITLE not in text(own)


def test_who_did_not_agree_is_told_where(policy, own):
    assert 'href="/account/#agree-summary"' in text(own)


def test_who_agreed_is_told_how_many_messages_are_missing(policy, ann, own):
    agree(ann)
    page = text(own)
    assert ">60 more messages<" in page
    assert f'<a href="{PAGE}summary/">Ask for one now</a>' in page


def test_who_wrote_enough_is_told_that_it_comes(policy, ann, own):
    agree(ann)
    ViewerTotal.objects.update(messages=100)
    assert "comes within minutes" in text(own)


def test_who_agreed_to_other_words_has_to_agree_again(policy, ann, own):
    agree(ann)
    ann.consents.update(wording="older words")
    assert 'href="/account/#agree-summary"' in text(own)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("running", "is being written"),
        ("waiting", "is being written"),
        ("review", "waits for a moderator"),
        ("hidden", "is hidden"),
        ("refused", "See why"),
        ("failed", "See why"),
    ],
)
def test_a_viewer_is_told_what_became_of_the_newest(policy, channel, ann, own, state, words):
    agree(ann)
    make_summary(channel, ann, state=state)
    assert words in text(own).split(TITLE)[1].split("</section>")[0]


# What it costs


def test_without_one_it_costs_no_query(channel, ann, django_assert_max_num_queries):
    with django_assert_max_num_queries(9):
        text()


def test_it_costs_one_query(written, django_assert_max_num_queries):
    with django_assert_max_num_queries(10):
        text()


@pytest.mark.parametrize("who", ["own", "owner"])
def test_few_queries_for_who_is_logged_in(request, policy, written, django_assert_max_num_queries, who):
    browser = request.getfixturevalue(who)
    with django_assert_max_num_queries(12):
        assert SAID in text(browser)


def test_few_queries_for_who_is_told_what_to_do(policy, own, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        assert TITLE in text(own)


def test_whether_there_is_one_is_found_by_its_index(channel, ann):
    viewers = Viewer.objects.bulk_create(
        Viewer(twitch_id=f"5{n}", login=f"v{n}", display_name=f"v{n}", named_at=AT) for n in range(2000)
    )
    Summary.objects.bulk_create(
        Summary(channel=channel, viewer=viewer, number=1, state="shown", begun_at=AT) for viewer in viewers
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE viewers_summary")
        cursor.execute(f"EXPLAIN {lists.SUMMARY}", {"channel": channel.pk, "viewer": ann.pk})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "summary_version_of_viewer" in plan
