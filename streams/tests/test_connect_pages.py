"""Connecting in the browser: from here to Twitch and back."""

import http.client
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from social_django.models import UserSocialAuth

from streams import connect, scopes
from streams.models import Channel, EventSubscription, TwitchGrant
from streams.tests.cast import make_channel
from streams.tests.granted import BOT, OWNER, STRANGER, make_grant, twitch
from streamstats.simulator.addresses import CLIENT_ID

__all__ = ["twitch"]
pytestmark = pytest.mark.django_db
BACK = "/connect/callback/"
GRANTS = "/admin/streams/twitchgrant/"


@pytest.fixture(autouse=True)
def redis(redis_client):
    """An empty one."""


@pytest.fixture
def lantern():
    return make_channel("lantern", twitch_id=OWNER.id)


def words(page):
    return " ".join(page.content.decode().split())


def begin(client, channel=None):
    """Press the button; return where it leads, and what is asked for there."""
    address = f"/connect/channel/{channel.pk}/" if channel else "/connect/bot/"
    answer = client.post(address)
    assert answer.status_code == 302
    return answer.url, {name: values[0] for name, values in parse_qs(urlsplit(answer.url).query).items()}


def consent(url, who):
    """Allow it at the simulated Twitch; return the address that it sends the browser back to."""
    place = urlsplit(url)
    there = http.client.HTTPConnection(place.hostname, place.port)
    there.request("GET", f"{place.path}?{place.query}&user={who}")
    answer = there.getresponse()
    there.close()
    assert answer.status == 302
    return answer.headers["Location"].removeprefix("http://localhost")


@pytest.fixture(autouse=True)
def at_localhost(client, admin_client):
    """Where Twitch lets applications be without TLS."""
    for one in (client, admin_client):
        one.defaults["HTTP_HOST"] = "localhost"


def came_back(client, channel, who=OWNER.login):
    url, _ = begin(client, channel)
    return client.get(consent(url, who))


# Getting there.


def test_the_page_says_what_is_asked_for_and_why(twitch, admin_client, lantern):
    page = words(admin_client.get(f"/connect/channel/{lantern.pk}/"))
    for feature in scopes.FEATURES.values():
        assert feature.why in page
    assert "http://localhost/connect/callback/" in page


def test_the_button_leads_to_twitch_with_the_scopes_of_what_is_switched_on(twitch, admin_client, lantern, settings):
    settings.TWITCH_FEATURES = ["bits", "presence"]
    url, asked = begin(admin_client, lantern)
    assert url.startswith(f"{settings.TWITCH_AUTH_URL}/authorize?")
    assert asked.pop("state")
    assert asked == {
        "client_id": CLIENT_ID,
        "force_verify": "true",
        "redirect_uri": "http://localhost/connect/callback/",
        "response_type": "code",
        "scope": "moderator:read:chatters bits:read",
    }


def test_a_bot_is_asked_for_little(twitch, admin_client):
    assert begin(admin_client)[1]["scope"] == "moderator:read:chatters"


def test_a_channel_whose_account_is_the_bot_too_is_asked_for_both(twitch, admin_client, lantern, settings):
    settings.TWITCH_FEATURES = ["bits"]
    make_grant(is_bot=True)
    assert begin(admin_client, lantern)[1]["scope"] == "bits:read moderator:read:chatters"


def test_looking_at_the_page_begins_nothing(twitch, admin_client, lantern):
    admin_client.get(f"/connect/channel/{lantern.pk}/")
    assert connect.SESSION_KEY not in admin_client.session


def test_browsers_may_be_led_on_to_twitch(client, settings):
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "form-action 'self' https://id.twitch.tv https://www.twitch.tv" in policy


# Coming back.


def test_a_channel_is_connected(twitch, admin_client, lantern):
    page = came_back(admin_client, lantern)
    kept = TwitchGrant.objects.get()
    assert (page.status_code, kept.channel, kept.login, kept.state) == (200, lantern, "lantern", "valid")
    assert "Connected" in words(page)


def test_a_bot_is_connected(twitch, admin_client):
    page = came_back(admin_client, None, BOT.login)
    assert (page.status_code, TwitchGrant.objects.get().is_bot) == (200, True)


def test_a_page_shows_no_token(twitch, admin_client, lantern):
    page = came_back(admin_client, lantern)
    kept = TwitchGrant.objects.get()
    shown = words(page) + words(admin_client.get(f"{GRANTS}{kept.pk}/change/")) + words(admin_client.get(GRANTS))
    assert kept.access_token not in shown
    assert kept.refresh_token not in shown


def test_a_consent_that_allows_less_is_told(twitch, admin_client, lantern):
    came_back(admin_client, lantern)
    assert "stays as it was" in words(came_back(admin_client, None, OWNER.login))


def test_what_was_not_allowed_is_told(twitch, admin_client, lantern):
    make_grant(channel=lantern, state="dead")
    page = words(came_back(admin_client, None, OWNER.login))
    assert "bits and power-ups" in page
    assert f'href="/connect/channel/{lantern.pk}/"' in page


def problem(page, status, *said):
    assert page.status_code == status
    for part in said:
        assert part in words(page)


def test_a_refusal_is_explained(twitch, admin_client, lantern):
    _, asked = begin(admin_client, lantern)
    page = admin_client.get(BACK, {"error": "access_denied", "state": asked["state"]})
    problem(page, 400, "Not allowed", "you chose not to allow this", f'href="/connect/channel/{lantern.pk}/"')
    assert not TwitchGrant.objects.exists()


def test_another_error_is_shown_as_text_and_not_at_length(twitch, admin_client):
    _, asked = begin(admin_client)
    told = {"error": "server_error", "error_description": "<b>" + "x" * 5000, "state": asked["state"]}
    page = admin_client.get(BACK, told)
    problem(page, 400, "server_error: &lt;b&gt;xxx")
    assert "x" * 300 not in words(page)


@pytest.mark.parametrize("state", ["", "x", "a:b:c", "\x00", "é" * 9])
def test_a_state_that_is_not_ours_connects_nothing(twitch, admin_client, state):
    problem(admin_client.get(BACK, {"code": "x", "state": state}), 400, "a state that is not ours")
    assert twitch.oauth.asked == []


def test_the_words_of_a_link_without_a_state_are_not_shown(twitch, admin_client):
    page = admin_client.get(BACK, {"error": "call", "error_description": "this number"})
    assert "this number" not in words(page)


def test_a_state_is_good_in_one_session(twitch, admin_client, lantern):
    url, _ = begin(admin_client, lantern)
    address = consent(url, "lantern")
    admin_client.logout()
    admin_client.force_login(User.objects.get())
    problem(admin_client.get(address), 400, "begun in another browser")
    assert not TwitchGrant.objects.exists()


def test_a_state_is_good_once(twitch, admin_client, lantern):
    url, _ = begin(admin_client, lantern)
    address = consent(url, "lantern")
    admin_client.get(address)
    problem(admin_client.get(address), 400, "loaded the page again")


def test_a_state_is_good_for_ten_minutes(twitch, admin_client, lantern, monkeypatch):
    url, _ = begin(admin_client, lantern)
    address = consent(url, "lantern")
    monkeypatch.setattr(connect, "LASTS", timedelta(seconds=-1))
    problem(admin_client.get(address), 400, "more than ten minutes")


def test_two_may_be_on_their_way_at_once(twitch, admin_client, lantern):
    first, _ = begin(admin_client, lantern)
    came_back(admin_client, None, BOT.login)
    assert admin_client.get(consent(first, "lantern")).status_code == 200
    assert TwitchGrant.objects.count() == 2


def test_a_session_remembers_no_more_than_some_beginnings(twitch, admin_client):
    for _ in range(15):
        begin(admin_client)
    assert len(admin_client.session[connect.SESSION_KEY]) == connect.MOST_BEGUN


def test_a_missing_code_is_told(twitch, admin_client):
    _, asked = begin(admin_client)
    problem(admin_client.get(BACK, {"state": asked["state"]}), 400, "without a code")


def test_a_code_that_twitch_does_not_take_is_told(twitch, admin_client):
    _, asked = begin(admin_client)
    page = admin_client.get(BACK, {"code": "made up\n", "state": asked["state"]})
    problem(page, 400, "Invalid authorization code")


def test_the_wrong_account_is_told_and_not_kept(twitch, admin_client, lantern):
    problem(
        came_back(admin_client, lantern, STRANGER.login), 400, "stranger allowed this", "Log in to Twitch as lantern"
    )
    assert not TwitchGrant.objects.exists()


def test_twitch_being_away_is_told(twitch, admin_client, lantern):
    url, _ = begin(admin_client, lantern)
    address = consent(url, "lantern")
    twitch.do(twitch.fault("oauth", fault="error"))
    problem(admin_client.get(address), 503, "Twitch is away", "Nothing was connected")


def test_a_wrong_secret_is_told_without_being_shown(twitch, admin_client, lantern, settings):
    url, _ = begin(admin_client, lantern)
    address = consent(url, "lantern")
    settings.TWITCH_CLIENT_SECRET = "s3cr3t"
    page = admin_client.get(address)
    problem(page, 503, "Compare TWITCH_CLIENT_ID and TWITCH_CLIENT_SECRET")
    assert "s3cr3t" not in words(page)


def test_an_unknown_channel_is_told(twitch, admin_client):
    problem(admin_client.get("/connect/channel/4711/"), 404, "no such channel")


def test_a_channel_that_went_meanwhile_is_told(twitch, admin_client, lantern):
    _, asked = begin(admin_client, lantern)
    Channel.objects.all().delete()
    problem(admin_client.get(BACK, {"code": "x", "state": asked["state"]}), 404, "no longer here")


@pytest.mark.parametrize("method", ["get", "post"])
def test_without_an_application_it_is_told_how_to_have_one(admin_client, method):
    page = getattr(admin_client, method)("/connect/bot/")
    problem(page, 503, "https://dev.twitch.tv/console", "http://localhost/connect/callback/")


# Who may.


@pytest.mark.parametrize("address", ["/connect/bot/", "/connect/channel/1/", BACK, "/connect/1/disconnect/"])
def test_strangers_are_asked_to_log_in(client, address):
    answer = client.get(address)
    assert (answer.status_code, answer.url.partition("?")[0]) == (302, "/admin/login/")


def log_in_as(client, twitch_id):
    user = User.objects.create_user(twitch_id)
    UserSocialAuth.objects.create(user=user, provider="twitch", uid=twitch_id)
    client.force_login(user)


def test_an_owner_connects_and_disconnects_their_own_channel_and_nothing_else(twitch, client):
    own, other = make_channel(twitch_id=OWNER.id), make_channel("kitchen", twitch_id="c9")
    grants = make_grant(channel=own), make_grant(STRANGER, channel=other)
    log_in_as(client, OWNER.id)
    for name, one, status in (("own", grants[0], 200), ("other", grants[1], 403)):
        assert client.get(f"/connect/channel/{one.channel_id}/").status_code == status, name
        assert client.get(reverse("streams:disconnect", args=[one.pk])).status_code == status, name
    assert client.get("/connect/bot/").status_code == 403


def test_what_came_back_for_another_channel_is_refused(twitch, client, rf):
    make_channel(twitch_id=OWNER.id)
    other = make_channel("kitchen", twitch_id="c9")
    log_in_as(client, OWNER.id)
    request = rf.get("/")
    request.session = client.session
    state = connect.remember(request, connect.Begun(other.pk))
    request.session.save()
    assert client.get("/connect/callback/", {"state": state, "code": "x"}).status_code == 403


@pytest.mark.parametrize("permissions", [[], ["change_channel", "change_profile"]])
def test_nobody_else_connects_anything_whatever_their_permissions(twitch, client, permissions):
    channel = make_channel(twitch_id=OWNER.id)
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(staff)
    for address in ("/connect/bot/", f"/connect/channel/{channel.pk}/"):
        assert client.post(address).status_code == 403
    assert connect.SESSION_KEY not in client.session


def test_a_form_of_another_site_begins_nothing(twitch, admin_user):
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(admin_user)
    assert careful.post("/connect/bot/").status_code == 403


# Disconnecting, and what the administration shows.


def test_disconnecting_is_asked_about_first(twitch, admin_client):
    grant = make_grant()
    assert "Disconnect" in words(admin_client.get(f"/connect/{grant.pk}/disconnect/"))
    assert TwitchGrant.objects.get().state == "valid"


def test_disconnecting_forgets_the_tokens(twitch, admin_client):
    grant = make_grant()
    page = words(admin_client.post(f"/connect/{grant.pk}/disconnect/"))
    assert (TwitchGrant.objects.get().access_token, "Twitch could not be told" in page) == ("", False)


def test_disconnecting_while_twitch_is_away_says_what_is_left_to_do(twitch, admin_client):
    grant = make_grant()
    twitch.do(twitch.fault("oauth", fault="error"))
    assert "Twitch could not be told" in words(admin_client.post(f"/connect/{grant.pk}/disconnect/"))


def test_what_is_not_there_cannot_be_disconnected(admin_client):
    problem(admin_client.post("/connect/4711/disconnect/"), 404, "no such connection")


def test_a_connection_shows_what_it_allows_and_what_was_refused(admin_client, lantern):
    grant = make_grant(channel=lantern)
    EventSubscription.objects.create(
        grant=grant, type="channel.follow", version="2", state="refused", reason="<i>no</i>", updated_at=timezone.now()
    )
    page = words(admin_client.get(f"{GRANTS}{grant.pk}/change/"))
    assert "<code>bits:read</code>: bits and power-ups" in page
    assert "channel.follow" in page
    assert "refused by Twitch" in page
    assert "&lt;i&gt;no&lt;/i&gt;" in page
    assert f'href="/connect/{grant.pk}/disconnect/"' in page


def test_a_dead_connection_says_why_in_the_list(admin_client):
    make_grant(state="dead", problem="It ended. Connect again.")
    page = words(admin_client.get(GRANTS))
    assert "It ended. Connect again." in page
    assert 'href="/connect/bot/"' in page


def test_a_connection_cannot_be_edited(admin_client):
    grant = make_grant()
    assert admin_client.post(f"{GRANTS}{grant.pk}/change/", {"state": "dead"}).status_code == 403


@pytest.mark.parametrize("number", [1, 3])
def test_the_list_of_connections_takes_as_many_queries_for_many(admin_client, django_assert_num_queries, number):
    for account in (OWNER, BOT, STRANGER)[:number]:
        make_grant(account, channel=make_channel(account.login))
    with django_assert_num_queries(5):
        admin_client.get(GRANTS)


def test_a_channel_says_how_it_is_connected(admin_client, lantern):
    address = f"/admin/streams/channel/{lantern.pk}/change/"
    assert "Not connected" in words(admin_client.get(address))
    make_grant(channel=lantern)
    assert "Works." in words(admin_client.get(address))
    TwitchGrant.objects.update(state="dead", problem="It ended.")
    assert "It ended." in words(admin_client.get(address))


def test_a_new_channel_is_added_before_it_is_connected(admin_client):
    assert "Add it first." in words(admin_client.get("/admin/streams/channel/add/"))
