"""The recap on the page of a stream, and where moderators decide about it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from chat.models import Message
from chat.tests.crowd import make_message
from chat.tests.summaries.written import agree, make_claim, make_summary
from chat.tests.test_wiki_pages import as_user, user_of
from chat.views import recaps
from chat.views.summary import DECIDING
from streams.models import Stream
from streams.tests.cast import make_channel
from viewers import choices
from viewers.models import Consent, Summary
from viewers.tests.cast import make_viewer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

BEGAN = timezone.now() - timedelta(days=2)
PAGE = "/c/lantern/streams/s1/"
RECAP = f"{PAGE}recap/"
QUEUE = "/c/lantern/summaries/"
SAID = "It began with maps."


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def stream(channel):
    return Stream.objects.create(
        id="s1", channel=channel, started_at=BEGAN, ended_at=BEGAN + timedelta(hours=3), title="Maps"
    )


@pytest.fixture
def ann(channel):
    return make_viewer(channel, "ann")


@pytest.fixture
def owner(channel):
    return as_user(user_of(make_viewer(channel, "lantern", twitch_id=channel.twitch_id).pk))


@pytest.fixture
def other(ann):
    return as_user(user_of(ann.pk))


@pytest.fixture
def staff(channel):
    return as_user(User.objects.create_superuser("mo"))


@pytest.fixture
def recap(channel, stream, ann):
    summary = make_summary(channel, None, stream=stream)
    make_claim(summary, SAID, part="happened")
    make_claim(summary, "Most was written then.", part="peak", at=BEGAN + timedelta(minutes=70))
    make_claim(summary, "Kappa, mostly.", part="emotes")
    told = make_claim(summary, "ann found the lamp.", [make_message(channel, ann, BEGAN)], part="moment", at=BEGAN)
    told.people.add(ann)
    agree(ann, "recap")
    return summary


def text(browser=None, address=PAGE):
    return (browser or Client()).get(address).content.decode()


def state():
    return Summary.objects.get().state


@pytest.mark.parametrize("said", [SAID, "Most was written then.", "Kappa, mostly.", "ann found the lamp."])
def test_everybody_reads_what_happened(recap, said):
    assert said in text()


def test_it_says_who_wrote_it(recap):
    page = text()
    assert "Written by a language model (openai <bdi>gpt-4o</bdi>)" in page


def test_sources_are_times_alone(recap):
    page = text()
    assert f'from 1 message, <time datetime="{BEGAN:%Y-%m-%dT%H:%M:%SZ}"' in page
    assert "secret words" not in page


def test_a_peak_has_its_time(recap):
    at = BEGAN + timedelta(minutes=70)
    assert f'datetime="{at:%Y-%m-%dT%H:%M:%SZ}"' in text()


def test_hostile_words_are_escaped(channel, stream):
    words = "<script>alert(1)</script>"
    summary = make_summary(channel, None, stream=stream, model=words)
    for part in ("happened", "peak", "emotes", "people", "moment"):
        make_claim(summary, words, part=part)
    assert "<script>alert" not in text()


def test_a_stream_without_one_says_nothing_of_it(stream):
    assert 'id="recap"' not in text()


@pytest.mark.parametrize("state", ["waiting", "running", "review", "hidden", "refused", "failed"])
def test_what_is_not_shown_is_not_there(recap, owner, state):
    Summary.objects.update(state=state)
    assert SAID not in text() + text(owner)


def test_who_takes_it_back_is_in_none_at_once(recap, ann, settings):
    settings.PAGE_CACHE_SECONDS = 30
    assert "ann found the lamp." in text()
    choices.withdraw(ann, Consent.Kind.RECAP)
    page = text()
    assert "ann found the lamp." not in page
    assert SAID in page


def test_who_hides_is_in_none_at_once(recap, ann):
    choices.hide(ann)
    assert "ann found the lamp." not in text()


def test_a_removed_message_takes_its_sentence_along(recap):
    Message.objects.update(removed_at=timezone.now())
    assert "ann found the lamp." not in text()


# Moderators


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_moderators_are_led_to_its_versions(request, recap, who):
    assert f'href="{RECAP}"' in text(request.getfixturevalue(who))


def test_others_are_not(recap, other):
    assert RECAP not in text(other) + text()


def test_staff_who_may_not_moderate_are_not_either(recap):
    assert RECAP not in text(as_user(User.objects.create_user("clerk", is_staff=True)))


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_they_hide_it_and_show_it_again(request, recap, who):
    browser = request.getfixturevalue(who)
    address = f"{RECAP}1/decide/"
    assert "Version 1 is hidden." in browser.post(address, {"deed": "hide"}, follow=True).content.decode()
    assert (state(), SAID in text()) == ("hidden", False)
    assert "Version 1 is shown now." in browser.post(address, {"deed": "restore"}, follow=True).content.decode()
    assert (state(), SAID in text()) == ("shown", True)


def test_they_let_it_through(recap, owner):
    Summary.objects.update(state="review")
    assert 'value="let-through"' in text(owner, RECAP)
    owner.post(f"{RECAP}1/decide/", {"deed": "let-through"})
    assert state() == "shown"


@pytest.mark.parametrize("deed", ["", "delete"])
def test_what_cannot_be_done_is_said(recap, owner, deed):
    page = owner.post(f"{RECAP}1/decide/", {"deed": deed}, follow=True).content.decode()
    assert "Nothing was changed." in page


@pytest.mark.parametrize("address", [RECAP, QUEUE])
def test_nobody_else_comes_there(recap, other, address):
    for browser in (other, Client()):
        page = browser.get(address)
        assert page.status_code == 404
        assert "Only the moderators of Lantern" in page.content.decode()


def test_too_often_is_said(recap, owner, monkeypatch):
    monkeypatch.setattr(recaps, "DECIDING", DECIDING._replace(most=0))
    assert owner.post(f"{RECAP}1/decide/", {"deed": "hide"}).status_code == 429
    assert state() == "shown"


def test_nobody_else_decides(recap, other):
    for browser in (other, Client()):
        assert browser.post(f"{RECAP}1/decide/", {"deed": "hide"}).status_code == 404
    assert state() == "shown"


def test_nothing_is_decided_by_a_link_or_a_forged_form(recap, owner, channel):
    assert owner.get(f"{RECAP}1/decide/").status_code == 405
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(User.objects.create_superuser("so"), "django.contrib.auth.backends.ModelBackend")
    assert browser.post(f"{RECAP}1/decide/", {"deed": "hide"}).status_code == 403


@pytest.mark.parametrize(
    "address", ["/c/lantern/streams/nope/recap/", f"{RECAP}7/decide/", f"{RECAP}{'9' * 40}/decide/"]
)
def test_what_is_not_there_is_not_found(recap, owner, address):
    answer = owner.post(address, {"deed": "hide"}) if "decide" in address else owner.get(address)
    assert answer.status_code == 404


def test_what_waits_is_a_list(recap, channel, ann, owner):
    make_summary(channel, ann, 3, state="review")
    Summary.objects.filter(stream=recap.stream).update(state="review")
    page = text(owner, QUEUE)
    assert f"/c/lantern/viewers/ann/summary/3/?id={ann.pk}" in page
    assert RECAP in page


@pytest.mark.parametrize("login", ["<script>alert(1)</script>", "名前", "a b"])
def test_odd_names_wait_too(channel, owner, login):
    make_summary(channel, make_viewer(channel, login), state="review")
    page = owner.get(QUEUE)
    assert page.status_code == 200
    assert "<script>alert" not in page.content.decode()


# What it costs


def test_few_queries_for_a_stranger(recap, django_assert_max_num_queries):
    with django_assert_max_num_queries(10):
        text()


@pytest.mark.parametrize("who", ["owner", "staff", "other"])
def test_few_queries_for_who_is_logged_in(request, recap, django_assert_max_num_queries, who):
    browser = request.getfixturevalue(who)
    with django_assert_max_num_queries(12):
        assert SAID in text(browser)


@pytest.mark.parametrize("address", [RECAP, QUEUE])
def test_few_queries_for_moderators(channel, recap, owner, ann, address, django_assert_max_num_queries):
    for number in range(2, 6):
        make_claim(make_summary(channel, None, number, stream=recap.stream), "Again.", part="happened")
        make_summary(channel, ann, number, state="review")
    with django_assert_max_num_queries(9):
        assert owner.get(address).status_code == 200
