"""The versions of a summary: who sees and decides what, and what they are told."""

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.test import Client
from django.utils import timezone
from redis.exceptions import ConnectionError as RedisAway

from chat import tasks
from chat.tests.crowd import make_message
from chat.tests.summaries.written import AT, agree, make_claim, make_summary
from chat.tests.test_wiki_pages import as_user, moderator, user_of  # noqa: F401 - a fixture
from chat.views import summary as pages
from streams.tests.cast import make_channel
from viewers.models import Claim, Summary, SummaryPolicy
from viewers.tests.cast import make_viewer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

ALL = "/c/lantern/viewers/ann/summary/"
ONE = f"{ALL}4/"
ASK = f"{ALL}ask/"
DECIDE = f"{ONE}decide/"
REPORT = f"{ONE}report/"
SAID = "They answer nearly everybody."
NOW = timezone.now()


@pytest.fixture
def channel():
    channel = make_channel()
    SummaryPolicy.objects.create(channel=channel, is_on=True)
    return channel


@pytest.fixture
def ann(channel):
    viewer = make_viewer(channel, "ann", 40)
    agree(viewer)
    return viewer


@pytest.fixture
def own(ann):
    return as_user(user_of(ann.pk))


@pytest.fixture
def other(channel, ann):
    return as_user(user_of(make_viewer(channel, "bob").pk))


@pytest.fixture
def owner(channel, ann):
    return as_user(user_of(make_viewer(channel, "lantern", twitch_id=channel.twitch_id).pk))


@pytest.fixture
def stranger(ann):
    return Client()


@pytest.fixture
def heard(monkeypatch):
    """The summaries that jobs were told to write."""
    told: list[int] = []
    monkeypatch.setattr(tasks, "write_summary", SimpleNamespace(delay=told.append))
    return told


@pytest.fixture
def version(channel, ann):
    summary = make_summary(channel, ann, 4, cost="0.012300", input_tokens=5000, dropped={"names others": 2})
    sources = [make_message(channel, ann, NOW - timedelta(days=days), text=f"hello {days} <b>") for days in (9, 4)]
    make_claim(summary, SAID, sources)
    make_claim(summary, "Maps of all kinds.", part="interest")
    return summary


def text(browser, address=ONE):
    return browser.get(address).content.decode()


def state():
    return Summary.objects.get(number=4).state


def answer(browser, address, **given):
    """What is said after something was posted."""
    return browser.post(address, given, follow=True).content.decode()


# Who comes here


@pytest.mark.parametrize("who", ["own", "owner", "moderator"])
@pytest.mark.parametrize("address", [ALL, ONE])
def test_the_viewer_and_moderators_see_versions(request, version, who, address):
    page = request.getfixturevalue(who).get(address)
    assert page.status_code == 200
    assert "private" in page["Cache-Control"]
    assert "no-store" in page["Cache-Control"]


@pytest.mark.parametrize("who", ["stranger", "other"])
@pytest.mark.parametrize("address", [ALL, ONE, f"{ONE}live"])
def test_nobody_else_does(request, version, who, address):
    page = request.getfixturevalue(who).get(address)
    assert page.status_code == 404
    assert "Only ann and the moderators of Lantern" in page.content.decode()
    assert SAID not in page.content.decode()


@pytest.mark.parametrize("who", ["stranger", "other"])
@pytest.mark.parametrize("address", [ASK, DECIDE, REPORT])
def test_nobody_else_decides(request, version, heard, who, address):
    page = request.getfixturevalue(who).post(address, {"deed": "hide", "claim": "0"})
    assert (page.status_code, state(), heard) == (404, "shown", [])
    assert not Claim.objects.filter(reported_at__isnull=False).exists()


def test_of_who_is_hidden_a_stranger_is_told_what_they_are_told_of_nobody(channel, ann, version, other):
    ann.hidden_at = NOW
    ann.save()
    assert "Nobody called ann was seen" in text(other, ALL)


@pytest.mark.parametrize("address", [ASK, DECIDE, REPORT])
def test_nothing_is_decided_by_a_link(own, version, address):
    assert own.get(address).status_code == 405


@pytest.mark.parametrize("address", [ASK, DECIDE, REPORT])
def test_nothing_is_decided_by_a_forged_form(ann, version, address):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user_of(ann.pk), "django.contrib.auth.backends.ModelBackend")
    assert browser.post(address, {"deed": "hide"}).status_code == 403


@pytest.mark.parametrize("number", ["7", "0", "9" * 12, "9" * 40])
def test_a_version_that_is_not_there_is_not_found(own, version, number):
    assert own.get(f"{ALL}{number}/").status_code == 404


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "1.5", "\x00"])
def test_a_broken_link_to_older_ones_is_not_found(own, version, before):
    assert own.get(ALL, {"before": before}).status_code == 404
    assert own.get(ONE, {"with": before}).status_code == 404


# What is there to read


@pytest.mark.parametrize("address", [ALL, ONE])
def test_the_one_on_the_page_is_named(own, channel, ann, version, address):
    make_summary(channel, ann, 3)
    assert text(own, address).count("on the page<") == 1


def test_the_list_says_who_wrote_each(own, version):
    page = text(own, ALL)
    assert "by <bdi>gpt-4o</bdi> from" in page
    assert "on the page" in page


@pytest.mark.parametrize("state", ["refused", "failed"])
def test_the_list_says_why_one_was_not_written(channel, ann, own, state):
    make_summary(channel, ann, state=state, made_at=None, reason="Nobody <b>answered</b>.")
    page = text(own, ALL)
    assert "not written" in page
    assert "Nobody &lt;b&gt;answered&lt;/b&gt;." in page


def test_many_versions_are_a_list_of_pages(channel, ann, own):
    for number in range(1, 61):
        make_summary(channel, ann, number)
    assert 'href="?before=11"' in text(own, ALL)
    assert f'href="{ALL}10/"' in text(own, f"{ALL}?before=11")


@pytest.mark.parametrize(
    "told",
    ["gpt-4o", "0.0123 US dollars", "Version 4", ">212<", "version 1", "names others", "From 2 messages"],
)
def test_a_version_says_how_it_was_made(own, version, told):
    assert told in text(own)


@pytest.mark.parametrize("who", ["own", "owner", "moderator"])
def test_the_messages_behind_a_sentence_are_there(request, version, who):
    assert '<q dir="auto">hello 9 &lt;b&gt;</q>' in text(request.getfixturevalue(who))


def test_a_message_that_is_gone_has_no_text(channel, ann, own):
    summary = make_summary(channel, ann, 4)
    message = make_message(channel, ann, AT)
    make_claim(summary, SAID, [message])
    message.delete()
    page = text(own)
    assert SAID in page
    assert "This message is no longer kept." in page


def test_a_removed_message_takes_the_sentence_with_it_here_too(channel, ann, own, version):
    Claim.objects.get(text=SAID)
    message = make_message(channel, ann, NOW, text="slander")
    make_claim(version, "They slander.", [message])
    message.removed_at = NOW
    message.save()
    page = text(own)
    assert "slander" not in page
    assert "was removed from chat" in page


def test_texts_of_others_are_not_there(channel, ann, own, version):
    bob = make_viewer(channel, "bob")
    make_claim(version, "About bob.", [make_message(channel, bob, NOW, text="by bob")])
    assert "by bob" not in text(own)


def test_what_changed_since_the_one_before_is_told(channel, ann, own, version):
    make_claim(make_summary(channel, ann, 3), "They answer hardly anybody.")
    page = text(own)
    assert "What changed since version 3" in page
    assert "<ins>nearly</ins>" in page


def test_any_two_are_compared(channel, ann, own, version):
    for number, said in ((2, "They ask."), (3, "They sing.")):
        make_claim(make_summary(channel, ann, number), said)
    page = text(own, f"{ONE}?with=2")
    assert "What changed since version 2" in page
    assert "Portrait: They ask." in page.replace("<del>", "").replace("</del>", "")


def test_hostile_words_are_escaped(channel, ann, own):
    words = "<script>alert(1)</script>"
    summary = make_summary(channel, ann, 4, model=words, provider=words[:32], reason=words, dropped={words: 1})
    make_claim(summary, words, [make_message(channel, ann, NOW, text=words)])
    make_claim(make_summary(channel, ann, 3, model=words), words)
    assert "<script>alert" not in text(own) + text(own, ALL)


# Deciding


@pytest.mark.parametrize(("who", "role"), [("own", "viewer"), ("owner", "moderator"), ("moderator", "moderator")])
def test_a_version_is_hidden_and_shown_again(request, version, who, role):
    browser = request.getfixturevalue(who)
    assert "Version 4 is hidden." in answer(browser, DECIDE, deed="hide")
    assert (state(), Summary.objects.get().decided_as) == ("hidden", role)
    assert "Version 4 is shown now." in answer(browser, DECIDE, deed="restore")
    assert state() == "shown"


def test_what_a_moderator_hid_the_viewer_does_not_show_again(own, owner, version):
    owner.post(DECIDE, {"deed": "hide"})
    assert "Only they can show it again" in answer(own, DECIDE, deed="restore")
    assert 'value="restore"' not in text(own)
    assert state() == "hidden"


@pytest.mark.parametrize("who", ["owner", "moderator"])
def test_a_moderator_lets_one_through(request, version, who):
    Summary.objects.update(state="review")
    assert "is shown now" in answer(request.getfixturevalue(who), DECIDE, deed="let-through")
    assert state() == "shown"


def test_a_viewer_does_not_let_their_own_through(own, version):
    Summary.objects.update(state="review")
    assert 'value="let-through"' not in text(own)
    assert "Only the moderators of Lantern" in answer(own, DECIDE, deed="let-through")
    assert state() == "review"


@pytest.mark.parametrize("deed", ["", "delete", "let-through\x00"])
def test_what_cannot_be_done_is_said(own, version, deed):
    assert "Nothing was changed." in answer(own, DECIDE, deed=deed)


def test_where_pages_cannot_be_told_nothing_is_decided(own, version, monkeypatch):
    def away(_logins):
        raise RedisAway

    monkeypatch.setattr("streams.pages.forget", away)
    assert "could not be kept just now" in answer(own, DECIDE, deed="hide")
    assert state() == "shown"


def test_a_moderator_may_hide_for_good_what_the_viewer_hid(own, owner, version):
    answer(own, DECIDE, deed="hide")
    assert "Hide it as a moderator" in text(owner)
    assert "Hide it as a moderator" not in text(own)
    answer(owner, DECIDE, deed="hide")
    assert "A moderator hid this version" in answer(own, DECIDE, deed="restore")


def test_who_shows_one_again_is_told_that_a_moderator_reads_it_first(own, version):
    answer(own, DECIDE, deed="hide")
    SummaryPolicy.objects.update(needs_review=True)
    assert "waits for a moderator to read it" in answer(own, DECIDE, deed="restore")
    assert state() == "review"


def test_the_one_on_the_page_is_known_however_many_newer_ones_are_hidden(own, channel, ann, version):
    for number in range(5, 5 + pages.AT_ONCE):
        make_summary(channel, ann, number, state="hidden")
    assert own.get(ALL).context["current"] == version


# Saying that something is wrong


def test_a_sentence_that_is_wrong_is_gone_at_once(own, stranger, version, settings):
    settings.PAGE_CACHE_SECONDS = 30
    assert SAID in text(stranger, "/c/lantern/viewers/ann/")
    assert "shown to nobody any more" in answer(own, REPORT, claim="0")
    assert SAID not in text(stranger, "/c/lantern/viewers/ann/")
    assert SAID not in text(own)
    assert "said it is wrong" in text(own)


@pytest.mark.parametrize("claim", ["", "9", "-1", "x", "\x00", "9" * 30, "1.0"])
def test_a_sentence_that_is_not_there_is_not_reported(own, version, claim):
    assert "not there any more" in answer(own, REPORT, claim=claim)
    assert not Claim.objects.filter(reported_at__isnull=False).exists()


@pytest.mark.parametrize("who", ["owner", "moderator"])
def test_moderators_hide_versions_and_report_nothing(request, version, who):
    browser = request.getfixturevalue(who)
    assert browser.post(REPORT, {"claim": "0"}).status_code == 404
    assert "This is wrong" not in text(browser)


# Asking for a fresh one


def test_a_viewer_asks_for_a_fresh_one(own, version, heard):
    assert own.post(ASK)["Location"] == ALL
    asked = Summary.objects.get(number=5)
    assert (asked.state, asked.is_asked, heard) == ("waiting", True, [asked.pk])


def test_who_waits_is_told_where_it_comes_in(own, version, heard):
    own.post(ASK)
    page = text(own, ALL)
    assert f'data-coming="{ALL}5/live"' in page
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page
    assert "Write a fresh one" not in page


def test_twice_is_once(own, version, heard):
    own.post(ASK)
    assert "is being written already" in answer(own, ASK)
    assert len(heard) == 1


def test_a_moderator_asks_for_nobody(owner, version, heard):
    assert (owner.post(ASK).status_code, heard) == (404, [])
    assert "A fresh one" not in text(owner, ALL)


def test_who_did_not_agree_is_told_so(own, ann, version, heard):
    ann.consents.update(withdrawn_at=NOW)
    assert "only after you agreed" in answer(own, ASK)
    assert 'href="/account/#agree-summary"' in text(own, ALL)
    assert heard == []


def test_away_from_its_queue_it_waits_and_says_so(own, version, monkeypatch):
    def away(_summary):
        raise RedisAway

    monkeypatch.setattr(tasks, "write_summary", SimpleNamespace(delay=away))
    assert "begins by itself within a quarter of an hour" in answer(own, ASK)
    assert Summary.objects.get(number=5).state == "waiting"


@pytest.mark.parametrize(
    ("limit", "address", "given"),
    [("ASKING", ASK, {}), ("DECIDING", DECIDE, {"deed": "hide"}), ("DECIDING", REPORT, {"claim": "0"})],
)
def test_too_often_is_said(own, version, heard, monkeypatch, limit, address, given):
    monkeypatch.setattr(pages, limit, getattr(pages, limit)._replace(most=0))
    page = own.post(address, given)
    assert page.status_code == 429
    assert (state(), heard) == ("shown", [])


# What it costs


@pytest.mark.parametrize("who", ["own", "owner", "moderator"])
@pytest.mark.parametrize("address", [ALL, ONE])
def test_few_queries_however_many_there_are(
    request, channel, ann, version, django_assert_max_num_queries, who, address
):
    for number in (1, 2, 3):
        older = make_summary(channel, ann, number)
        for day in range(6):
            make_claim(older, f"On day {day}.", [make_message(channel, ann, NOW - timedelta(days=day))])
            make_claim(version, f"On day {day}.", [make_message(channel, ann, NOW - timedelta(days=day))])
    browser = request.getfixturevalue(who)
    with django_assert_max_num_queries(12):
        assert browser.get(address).status_code == 200


def test_json_of_what_was_dropped_is_told_in_words(own, version):
    assert json.dumps(version.dropped) not in text(own)
