"""Who sees a viewer's page, its recap and its picture: whoever is chosen against, at every address."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.utils import timezone
from social_django.models import UserSocialAuth

from chat.tests.portraits import make_day
from streams.models import Channel
from streams.tests.cast import make_channel
from viewers.models import Profile
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

YEAR = timezone.now().year
BASE = "/c/lantern/viewers/"
PAGES = ("", "?range=year", f"recap/{YEAR}/")
PICTURES = ("picture.png", f"recap/{YEAR}/picture.png")


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def ann(channel):
    viewer = make_viewer(channel, "ann", formerly="candle")
    make_day(viewer, channel, timezone.now().date(), messages=3)
    return viewer


def log_in(client, twitch_id="", **fields):
    user = User.objects.create(username=f"user{User.objects.count()}", **fields)
    if twitch_id:
        UserSocialAuth.objects.create(user=user, provider="twitch", uid=twitch_id)
    client.force_login(user)
    return user


def stranger(client, ann):
    pass


def another_viewer(client, ann):
    log_in(client, make_viewer(make_channel("elsewhere"), "bob").pk)


def self_(client, ann):
    log_in(client, ann.pk)


def streamer(client, ann):
    log_in(client, Channel.objects.get(login="lantern").twitch_id)


def streamer_of_another(client, ann):
    log_in(client, make_channel("elsewhere").twitch_id)


def superuser(client, ann):
    log_in(client, is_superuser=True, is_staff=True)


def moderator(client, ann):
    log_in(client, is_staff=True).user_permissions.add(Permission.objects.get(codename="change_profile"))


def staff(client, ann):
    log_in(client, is_staff=True)


def hidden_everywhere(channel, ann):
    ann.hidden_at = timezone.now()
    ann.save()


def hidden_here(channel, ann):
    Profile.objects.create(channel=channel, viewer=ann, visibility=Profile.Visibility.HIDDEN)


def removed(channel, ann):
    Profile.objects.create(channel=channel, viewer=ann, visibility=Profile.Visibility.REMOVED)


def opt_in(channel, ann):
    Channel.objects.update(page_policy=Channel.PagePolicy.OPT_IN)


def opt_in_and_hidden(channel, ann):
    opt_in(channel, ann)
    hidden_everywhere(channel, ann)
    Profile.objects.create(channel=channel, viewer=ann, visibility=Profile.Visibility.SHOWN)


def asked_for(channel, ann):
    opt_in(channel, ann)
    Profile.objects.create(channel=channel, viewer=ann, visibility=Profile.Visibility.SHOWN)


def stopped(channel, ann):
    ann.stopped_at = timezone.now()
    ann.save()


def open_(channel, ann):
    pass


def hidden_elsewhere(channel, ann):
    Profile.objects.create(channel=make_channel("third"), viewer=ann, visibility=Profile.Visibility.HIDDEN)


UNSEEN = (hidden_everywhere, hidden_here, removed, opt_in, opt_in_and_hidden)
SEEN = (open_, asked_for, stopped, hidden_elsewhere)
OUTSIDERS = (stranger, another_viewer, streamer_of_another, staff)
INSIDERS = (self_, streamer, superuser, moderator)


@pytest.mark.parametrize("who", OUTSIDERS)
@pytest.mark.parametrize("choice", UNSEEN)
def test_who_is_not_shown_is_not_there_for_others(client, channel, ann, choice, who):
    choice(channel, ann)
    who(client, ann)
    for login in ("ann", "candle", "ANN"):
        for page in (*PAGES, *PICTURES):
            assert client.get(f"{BASE}{login}/{page}").status_code == 404, page
    assert client.get(f"{BASE}ann/", {"id": ann.pk}).status_code == 404


@pytest.mark.parametrize("who", INSIDERS)
@pytest.mark.parametrize("choice", UNSEEN)
def test_the_viewer_and_moderators_see_it_with_a_note(client, channel, ann, choice, who):
    choice(channel, ann)
    who(client, ann)
    for page in PAGES:
        answer = client.get(f"{BASE}ann/{page}")
        assert answer.status_code == 200
        assert "can see this page." in answer.content.decode()
        assert '<meta name="robots" content="noindex">' in answer.content.decode()


@pytest.mark.parametrize("who", INSIDERS)
@pytest.mark.parametrize("choice", UNSEEN)
def test_who_is_not_shown_has_no_picture_for_anybody(client, channel, ann, choice, who):
    choice(channel, ann)
    who(client, ann)
    assert [client.get(f"{BASE}ann/{page}").status_code for page in PICTURES] == [404, 404]
    assert "og:image" not in client.get(f"{BASE}ann/").content.decode()


@pytest.mark.parametrize("who", [stranger, self_, moderator])
@pytest.mark.parametrize("choice", SEEN)
def test_who_is_shown_is_shown_to_everybody_without_a_note(client, channel, ann, choice, who):
    choice(channel, ann)
    who(client, ann)
    for page in (*PAGES, *PICTURES):
        answer = client.get(f"{BASE}ann/{page}")
        assert answer.status_code == 200
        assert b"can see this page." not in answer.content


def words(client, login):
    page = client.get(f"{BASE}{login}/")
    assert page.status_code == 404
    return page.content.decode().split("<main")[1].replace(f" {login} ", " X ")


@pytest.mark.parametrize("choice", UNSEEN)
def test_a_hidden_page_answers_in_the_words_of_one_that_never_was(client, channel, ann, choice):
    choice(channel, ann)
    assert words(client, "ann") == words(client, "candle") == words(client, "never_there")


def test_of_two_with_one_name_only_the_one_who_is_shown_is_offered(client, channel, ann):
    second = make_viewer(channel, "candle")
    hidden_everywhere(channel, ann)
    assert client.get(f"{BASE}candle/").context["viewer"] == second


def test_who_is_hidden_is_no_answer_to_the_question_who_is_meant(client, channel, ann):
    make_viewer(channel, "candle")
    third = make_viewer(channel, "third", formerly="candle")
    hidden_everywhere(channel, ann)
    page = client.get(f"{BASE}candle/")
    assert third.pk in page.content.decode()
    assert ann.pk not in page.content.decode()


def test_a_stopped_viewer_is_said_to_be_counted_no_more(client, channel, ann):
    stopped(channel, ann)
    assert "Nothing more is counted since" in client.get(f"{BASE}ann/").content.decode()


@pytest.mark.parametrize(
    ("choice", "told"),
    [(hidden_everywhere, "ann hid it."), (hidden_here, "ann hid it."), (removed, "A moderator hid it."),
     (opt_in, "only viewers who asked for a page have one")],
)  # fmt: skip
def test_moderators_are_told_why_a_page_is_not_shown(client, channel, ann, choice, told):
    choice(channel, ann)
    moderator(client, ann)
    assert told in client.get(f"{BASE}ann/").content.decode()


def test_who_hid_is_led_to_their_account(client, channel, ann):
    hidden_everywhere(channel, ann)
    self_(client, ann)
    page = client.get(f"{BASE}ann/").content.decode()
    assert "You hid it." in page
    assert 'href="/account/"' in page


def test_a_page_of_ones_own_is_for_no_cache_in_between(client, channel, ann):
    hidden_everywhere(channel, ann)
    self_(client, ann)
    assert client.get(f"{BASE}ann/")["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize(("who", "most"), [(self_, 12), (superuser, 12), (streamer, 12), (moderator, 12)])
def test_few_queries_for_who_is_logged_in(client, channel, ann, django_assert_max_num_queries, who, most):
    who(client, ann)
    with django_assert_max_num_queries(most):
        client.get(f"{BASE}ann/")


@pytest.mark.parametrize("choice", [hidden_everywhere, removed])
def test_few_queries_for_moderators_who_see_what_is_hidden(client, channel, ann, django_assert_max_num_queries, choice):
    choice(channel, ann)
    moderator(client, ann)
    with django_assert_max_num_queries(12):
        assert client.get(f"{BASE}ann/").status_code == 200


def test_a_permission_given_to_a_group_of_staff_counts_as_well(client, channel, ann):
    helpers = Group.objects.create(name="helpers")
    helpers.permissions.add(Permission.objects.get(codename="change_profile"))
    log_in(client, is_staff=True).groups.add(helpers)
    hidden_everywhere(channel, ann)
    assert client.get(f"{BASE}ann/").status_code == 200


@pytest.mark.parametrize("who", [streamer, superuser, moderator])
def test_moderators_find_their_tools_on_the_page(client, ann, who):
    who(client, ann)
    page = client.get(f"{BASE}ann/").content.decode()
    assert f'href="{BASE}ann/wiki/#moderate">lock it<' in page
    assert f'href="{BASE}ann/wiki/#moderate">hide this page<' in page
    assert 'id="moderate"' in client.get(f"{BASE}ann/wiki/").content.decode()


@pytest.mark.parametrize("who", [*OUTSIDERS, self_])
def test_nobody_else_sees_tools_of_moderators(client, ann, who):
    who(client, ann)
    assert "For moderators" not in client.get(f"{BASE}ann/").content.decode()


def test_whose_page_a_moderator_hid_is_told_whom_to_ask(client, channel, ann):
    removed(channel, ann)
    self_(client, ann)
    page = client.get(f"{BASE}ann/").content.decode()
    assert "you and moderators can see this page" in page
    assert "Ask the moderators of Lantern or its owner" in page
    assert "Change this in your account" not in page
