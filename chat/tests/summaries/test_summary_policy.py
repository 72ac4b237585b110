"""What the owner of a channel decides about its summaries, and viewers about theirs, in the account."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from chat.tests.test_wiki_pages import as_user, user_of
from chat.views import account
from streams.tests.cast import make_channel
from viewers.models import Consent, SummaryPolicy
from viewers.tests.cast import make_viewer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

SAVE = "/account/summaries/"
GIVEN = {"is_on": "on", "per_minute": "3", "per_day": "100", "blocked_words": ""}


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def owner(channel):
    return as_user(user_of(make_viewer(channel, "lantern", twitch_id=channel.twitch_id).pk))


@pytest.fixture
def own(channel):
    return as_user(user_of(make_viewer(channel, "ann").pk))


def saved(browser, **given):
    return browser.post(SAVE, {**GIVEN, **given}, follow=True)


def test_the_owner_switches_them_on(owner):
    page = saved(owner, has_recaps="on", needs_review="on", blocked_words="lamp\n candle  stick \n\nlamp")
    assert "This holds for summaries in Lantern from now on." in page.content.decode()
    policy = SummaryPolicy.objects.get()
    assert (policy.is_on, policy.has_recaps, policy.needs_review) == (True, True, True)
    assert (policy.per_minute, policy.per_day, policy.blocked_words) == (3, 100, "lamp\ncandle stick")


def test_and_off_again(owner):
    saved(owner)
    assert SummaryPolicy.objects.get().is_on
    owner.post(SAVE, {"per_minute": "3", "per_day": "100"})
    policy = SummaryPolicy.objects.get()
    assert (policy.is_on, policy.has_recaps) == (False, False)


def test_the_form_has_what_holds(owner):
    saved(owner, per_day="77", blocked_words="</textarea><script>alert(1)</script>")
    page = owner.get("/account/").content.decode()
    assert 'name="is_on" checked' in page
    assert 'max="10000" required value="77"' in page
    assert "<script>alert" not in page


def test_it_says_that_switching_off_hides_nothing(owner):
    assert "those that are there stay" in owner.get("/account/").content.decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("per_minute", value) for value in ("0", "61", "-1", "", "x", "1.5", "9" * 30)),
        *(("per_day", value) for value in ("0", "10001", "", "x")),
        ("blocked_words", "\n".join(f"word{n}" for n in range(201))),
        ("blocked_words", "x" * 61),
        ("blocked_words", "x" * 20_000),
    ],
)
def test_what_is_beyond_its_bounds_is_not_saved_and_not_lost(owner, name, value):
    page = saved(owner, **{name: value})
    assert page.status_code == 400
    assert not SummaryPolicy.objects.exists()
    assert "What has to be different is said below" in page.content.decode()
    assert f'id="{name}_problem"' in page.content.decode()


@pytest.mark.parametrize("words", ["\n".join(f"word{n}" for n in range(200)), "x" * 60])
def test_what_is_within_them_is_saved(owner, words):
    saved(owner, blocked_words=words)
    assert SummaryPolicy.objects.get().blocked_words == words


def test_whoever_owns_no_channel_decides_nothing(own):
    assert "Only the owner of a channel" in saved(own).content.decode()
    assert not SummaryPolicy.objects.exists()
    assert 'id="summaries"' not in own.get("/account/").content.decode()


def test_staff_decide_nothing_for_an_owner(channel):
    saved(as_user(User.objects.create_user("staff", is_staff=True)))
    assert not SummaryPolicy.objects.exists()


def test_a_stranger_is_led_to_log_in(channel):
    assert "/login/twitch/" in Client().post(SAVE, GIVEN)["Location"]


def test_too_often_is_said(owner, monkeypatch):
    monkeypatch.setattr(account, "CHOOSING", account.CHOOSING._replace(most=0))
    assert saved(owner).status_code == 429
    assert not SummaryPolicy.objects.exists()


def test_nothing_is_decided_by_a_link(owner):
    assert owner.get(SAVE).status_code == 405


def test_the_owners_account_costs_few_queries(owner, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        owner.get("/account/")


# What viewers find there


def test_summaries_and_recaps_are_agreed_to_one_by_one(own):
    page = own.get("/account/").content.decode()
    assert "<h3>Summaries by a language model</h3>" in page
    assert "<h3>Recaps of streams by a language model</h3>" in page
    own.post("/account/agree/", {"kind": "recap"})
    assert list(Consent.objects.values_list("kind", flat=True)) == ["recap"]


def test_a_viewer_is_led_to_the_versions_of_each_page(own):
    assert 'href="/c/lantern/viewers/ann/summary/"' in own.get("/account/").content.decode()


def test_what_was_agreed_to_can_be_taken_back(own):
    own.post("/account/agree/", {"kind": "summary"})
    assert "I no longer agree<span" in own.get("/account/").content.decode()


def test_agreeing_twice_is_once(own):
    for _ in range(2):
        own.post("/account/agree/", {"kind": "summary"})
    assert Consent.objects.count() == 1
