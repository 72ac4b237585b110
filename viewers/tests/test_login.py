"""Logging in with Twitch, against the simulated one."""

import http.client
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from social_django.models import Nonce, UserSocialAuth

from streams import oauth
from streams.tests.granted import OWNER, STRANGER, twitch
from streamstats.simulator.addresses import CLIENT_ID
from viewers import login
from viewers.access import viewer_of
from viewers.marks import mark_of
from viewers.models import Erasure, Viewer, ViewerName

__all__ = ["twitch"]
pytestmark = pytest.mark.django_db
BEGIN = "/login/twitch/"
BACK = "/complete/twitch/"


@pytest.fixture(autouse=True)
def redis(redis_client):
    """An empty one."""


@pytest.fixture(autouse=True)
def at_localhost(client):
    """Where Twitch lets applications be without TLS."""
    client.defaults["HTTP_HOST"] = "localhost"


def words(page):
    return " ".join(page.content.decode().split())


def begin(client, **form):
    """Press the button; return where it leads."""
    answer = client.post(BEGIN, form)
    assert answer.status_code == 302
    return answer.url


def consent(url, who):
    """Allow it at the simulated Twitch; return the address that it sends the browser back to."""
    place = urlsplit(url)
    there = http.client.HTTPConnection(place.hostname, place.port)
    there.request("GET", f"{place.path}?{place.query}&user={who}")
    answer = there.getresponse()
    there.close()
    assert answer.status == 302
    return answer.headers["Location"].removeprefix("http://localhost")


def logged_in(client, who=STRANGER, **form):
    return client.get(consent(begin(client, **form), who.login))


def user_of(client):
    return User.objects.filter(pk=client.session.get("_auth_user_id")).first()


def erased(twitch_id, **fields):
    return Erasure.objects.create(mark=mark_of(twitch_id), receipt=f"r{twitch_id}", state="done", **fields)


# Getting there.


def test_the_page_says_what_is_asked_for(twitch, client):
    page = words(client.get(BEGIN))
    assert "no e-mail address" in page
    assert "<form" in page


def test_looking_at_the_page_begins_nothing(twitch, client):
    client.get(BEGIN)
    assert not Session.objects.exists()


def test_the_button_leads_to_twitch_and_asks_for_no_scope(twitch, client, settings):
    url = begin(client)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith(f"{settings.TWITCH_AUTH_URL}/authorize?")
    assert asked.pop("state")
    assert asked == {
        "client_id": CLIENT_ID,
        "redirect_uri": "http://localhost/complete/twitch/",
        "response_type": "code",
        "force_verify": "true",
    }


def test_a_form_of_another_site_begins_nothing(twitch):
    careful = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    assert careful.post(BEGIN).status_code == 403


def test_every_page_leads_there_and_back(twitch, client):
    assert 'href="/login/twitch/?next=%2F"' in words(client.get("/"))


def test_without_an_application_no_page_leads_there(client):
    assert "/login/twitch/" not in words(client.get("/"))


def test_who_is_logged_in_is_led_to_their_account(twitch, client):
    logged_in(client)
    page = words(client.get("/"))
    assert 'href="/account/"' in page
    assert "/login/twitch/" not in page


@pytest.mark.parametrize("method", ["get", "post"])
def test_without_an_application_it_is_told_how_to_have_one(client, method):
    page = getattr(client, method)(BEGIN)
    assert page.status_code == 503
    assert "https://dev.twitch.tv/console" in words(page)
    assert "http://localhost/complete/twitch/" in words(page)


def test_nobody_comes_back_where_there_is_no_application(client):
    assert client.get(BACK, {"code": "x", "state": "y"}).status_code == 503


def test_no_other_service_can_be_logged_in_with(client):
    assert client.get("/login/facebook/").status_code == 404


# Coming back.


def test_who_logs_in_is_known_by_the_id_of_twitch(twitch, client):
    answer = logged_in(client)
    assert (answer.status_code, answer.url) == (302, "/account/")
    user = user_of(client)
    assert (user.username, user.email, user.has_usable_password(), user.is_staff) == (STRANGER.id, "", False, False)
    assert UserSocialAuth.objects.get(user=user).uid == STRANGER.id


def test_who_logs_in_again_is_the_same(twitch, client):
    logged_in(client)
    client.post("/logout/")
    logged_in(client)
    assert User.objects.count() == 1


def test_name_and_picture_are_known_from_then_on(twitch, client):
    logged_in(client)
    viewer = viewer_of(user_of(client))
    assert viewer
    assert (viewer.pk, viewer.login, viewer.display_name) == (STRANGER.id, "stranger", "Stranger")
    assert viewer.details_at is not None
    assert ViewerName.objects.get().login == "stranger"


def test_a_new_name_is_learnt(twitch, client):
    long_ago = datetime.now(UTC) - timedelta(days=9)
    Viewer.objects.create(pk=STRANGER.id, login="before", display_name="Before", named_at=long_ago)
    logged_in(client)
    assert Viewer.objects.get().login == "stranger"


def test_nothing_is_learnt_of_who_stopped_that(twitch, client):
    now = datetime.now(UTC)
    long_ago = now - timedelta(days=9)
    Viewer.objects.create(pk=STRANGER.id, login="before", display_name="", named_at=long_ago, stopped_at=now)
    logged_in(client)
    assert Viewer.objects.get().login == "before"
    assert not ViewerName.objects.exists()


def test_nothing_is_kept_of_who_was_erased(twitch, client):
    erased(STRANGER.id)
    assert logged_in(client).status_code == 302
    assert not Viewer.objects.exists()
    assert viewer_of(user_of(client)) is None


def test_who_allowed_it_again_is_known_again(twitch, client):
    erased(STRANGER.id, lifted_at=datetime.now(UTC))
    logged_in(client)
    assert Viewer.objects.get().pk == STRANGER.id


def test_no_token_is_kept(twitch, client):
    logged_in(client)
    assert UserSocialAuth.objects.get().extra_data == {}
    assert "token" not in str(dict(client.session))


def revoked(twitch):
    return len(twitch.oauth._revoked)


def test_the_token_is_given_back(twitch, client):
    logged_in(client)
    assert revoked(twitch) == 1


def test_the_token_is_given_back_also_where_nobody_is_logged_in(twitch, client):
    url = begin(client)
    address = consent(url, STRANGER.login)
    twitch.do(twitch.fault("helix", fault="away"))
    assert client.get(address).status_code == 503
    assert revoked(twitch) == 1


def test_a_token_that_cannot_be_given_back_keeps_nobody_out(twitch, client, monkeypatch):
    def away(question):
        raise oauth.TwitchAway("Twitch does not answer.")

    monkeypatch.setattr(oauth, "ask", away)
    assert logged_in(client).url == "/account/"
    assert user_of(client)


def test_the_session_has_another_key_afterwards(twitch, client):
    url = begin(client)
    before = client.session.session_key
    client.get(consent(url, STRANGER.login))
    assert client.session.session_key != before
    assert not Session.objects.filter(pk=before).exists()


def time_left(client):
    """Of the row, and of the cookie, in seconds."""
    key = client.cookies["sessionid"]
    expires = Session.objects.get(pk=key.value).expire_date
    return round((expires - datetime.now(UTC)).total_seconds(), -2), key["max-age"]


def test_whoever_only_begins_to_log_in_has_a_session_for_an_hour(twitch, client):
    begin(client)
    assert time_left(client) == (3600, 3600)
    assert login.forget(datetime.now(UTC) + timedelta(hours=1, minutes=1)).sessions == 1


def test_whoever_has_logged_in_stays_so_for_two_weeks(twitch, client, settings):
    logged_in(client)
    assert time_left(client) == (settings.SESSION_COOKIE_AGE, settings.SESSION_COOKIE_AGE)
    begin(client)  # as somebody else, and thinks better of it
    assert time_left(client) == (settings.SESSION_COOKIE_AGE, settings.SESSION_COOKIE_AGE)


def test_staff_who_began_with_twitch_and_log_in_with_a_password_stay_so_as_well(twitch, client, settings):
    User.objects.create_superuser("staff", password="secret")
    begin(client)
    client.post("/admin/login/", {"username": "staff", "password": "secret"})
    assert user_of(client).username == "staff"
    assert time_left(client) == (settings.SESSION_COOKIE_AGE, settings.SESSION_COOKIE_AGE)


def test_the_cookie_is_for_the_server_alone_and_stays_on_this_site(twitch, client, settings):
    logged_in(client)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


def test_logging_in_as_another_ends_the_first(twitch, client):
    logged_in(client)
    session = client.session
    session["left"] = "behind"
    session.save()
    logged_in(client, OWNER)
    assert user_of(client).username == OWNER.id
    assert "left" not in client.session


# Where it leads.


def test_it_leads_back_to_where_one_was(twitch, client):
    assert logged_in(client, next="/c/lantern/?range=2026").url == "/c/lantern/?range=2026"


def test_the_page_keeps_where_one_was(twitch, client):
    page = client.get(BEGIN, {"next": "/c/lantern/"})
    assert 'name="next" value="/c/lantern/"' in words(page)


ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example",
    "/\\evil.example",
    "http:evil.example",
    "javascript:alert(1)",
    "\t//evil.example",
    "evil",
    "/" + "x" * 3000,
    "/a\r\nSet-Cookie: x=y",
    "\x00",
]


@pytest.mark.parametrize("address", ELSEWHERE)
def test_it_leads_to_no_other_site(twitch, client, address):
    assert logged_in(client, next=address).url == "/account/"


@pytest.mark.parametrize("address", ELSEWHERE)
def test_logging_out_leads_to_no_other_site(client, address):
    assert client.post("/logout/", {"next": address}).url == "/"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "/logout/"])
def test_the_address_that_twitch_comes_back_to_cannot_say_where_to_go(twitch, client, elsewhere):
    address = consent(begin(client), STRANGER.login)
    assert client.get(f"{address}&next={elsewhere}").url == "/account/"


# What goes wrong.


def problem(page, status, *said):
    assert page.status_code == status
    for part in said:
        assert part in words(page)
    assert 'href="/login/twitch/"' in words(page)


def test_a_refusal_is_explained(twitch, client):
    begin(client)
    problem(client.get(BACK, {"error": "access_denied"}), 400, "you chose not to say who you are")


def test_the_words_of_a_link_are_not_shown(twitch, client):
    page = client.get(BACK, {"error": "call", "error_description": "this number"})
    problem(page, 503)
    assert "this number" not in words(page)


@pytest.mark.parametrize("state", ["", "x", "\x00", "é" * 200])
def test_a_state_that_is_not_ours_logs_nobody_in(twitch, client, state):
    begin(client)
    problem(client.get(BACK, {"code": "x", "state": state}), 400, "That did not begin here")
    assert twitch.oauth.asked == []
    assert user_of(client) is None


def test_a_state_is_good_in_one_browser(twitch, client):
    address = consent(begin(client), STRANGER.login)
    problem(Client(headers={"host": "localhost"}).get(address), 400, "begun in another browser")


def test_a_state_is_good_once(twitch, client):
    address = consent(begin(client), STRANGER.login)
    client.get(address)
    problem(client.get(address), 400, "is over already")


def test_a_code_that_twitch_does_not_take_is_told(twitch, client):
    [state] = parse_qs(urlsplit(begin(client)).query)["state"]
    problem(client.get(BACK, {"code": "made up", "state": state}), 400, "Too late")


@pytest.mark.parametrize(("server", "fault"), [("oauth", "error"), ("helix", "away"), ("helix", "garbage")])
def test_twitch_being_away_is_told(twitch, client, server, fault):
    address = consent(begin(client), STRANGER.login)
    twitch.do(twitch.fault(server, fault=fault))
    problem(client.get(address), 503, "Twitch is away")
    assert user_of(client) is None


def test_a_twitch_that_is_not_there_is_told(twitch, client, settings):
    address = consent(begin(client), STRANGER.login)
    settings.TWITCH_AUTH_URL = "http://127.0.0.1:9/oauth2"
    problem(client.get(address), 503, "Twitch is away")


@pytest.mark.parametrize("answer", [b"[]", b'{"data": []}', b'{"data": [{"id": ""}]}', b'{"data": 7}', b"<html>"])
def test_an_answer_that_makes_no_sense_logs_nobody_in(twitch, client, monkeypatch, answer):
    whole = requests.request

    def odd(method, url, **options):
        response = whole(method, url, **options)
        if url.endswith("/users"):
            response._content = answer
        return response

    address = consent(begin(client), STRANGER.login)
    monkeypatch.setattr(requests, "request", odd)
    problem(client.get(address), 503, "nothing that makes sense")
    assert not User.objects.exists()


def test_a_wrong_secret_is_told_without_being_shown(twitch, client, settings):
    address = consent(begin(client), STRANGER.login)
    settings.TWITCH_CLIENT_SECRET = "s3cr3t"
    page = client.get(address)
    problem(page, 503, "compare TWITCH_CLIENT_ID and TWITCH_CLIENT_SECRET")
    assert "s3cr3t" not in words(page)


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_nobody_is_logged_in_by_a_form(twitch, client, method):
    assert getattr(client, method)(BACK).status_code == 405


# Staff.


def test_staff_whose_username_is_a_twitch_id_are_not_taken_over(twitch, client):
    staff = User.objects.create_superuser(STRANGER.id, password="pass")
    problem(logged_in(client), 409, "That name is taken")
    assert user_of(client) is None
    assert not UserSocialAuth.objects.filter(user=staff).exists()


def test_staff_whose_username_is_a_twitch_login_are_not_taken_over(twitch, client):
    staff = User.objects.create_superuser("stranger", password="pass")
    logged_in(client)
    assert user_of(client) != staff
    assert not UserSocialAuth.objects.filter(user=staff).exists()


def test_no_twitch_account_is_added_to_whoever_is_logged_in(twitch, client, admin_user):
    client.force_login(admin_user, "django.contrib.auth.backends.ModelBackend")
    logged_in(client)
    assert user_of(client).username == STRANGER.id
    assert not UserSocialAuth.objects.filter(user=admin_user).exists()


def test_superusers_log_in_with_a_password_as_ever(client):
    User.objects.create_superuser("staff", password="pass")
    client.post("/admin/login/", {"username": "staff", "password": "pass"})
    assert client.get("/admin/").status_code == 200


def test_who_logged_in_with_twitch_is_no_staff(twitch, client):
    logged_in(client)
    assert client.get("/admin/").status_code == 403


def test_who_logged_in_with_twitch_may_be_made_staff(twitch, client):
    logged_in(client)
    User.objects.update(is_staff=True, is_superuser=True)
    assert client.get("/admin/").status_code == 200


def test_nobody_can_use_a_password_with_an_account_of_twitch(twitch, client):
    logged_in(client)
    client.post("/logout/")
    assert not any(client.login(username=STRANGER.id, password=guess) for guess in ("", "!", STRANGER.id))


def test_an_account_that_was_closed_stays_out(twitch, client):
    logged_in(client)
    client.post("/logout/")
    User.objects.update(is_active=False)
    problem(logged_in(client), 403, "has closed this account")
    assert user_of(client) is None


# Out.


def test_logging_out_ends_the_session(twitch, client):
    logged_in(client)
    answer = client.post("/logout/")
    assert (answer.url, Session.objects.count()) == ("/", 0)


def test_a_link_logs_nobody_out(twitch, client):
    logged_in(client)
    assert client.get("/logout/").status_code == 405
    assert user_of(client)


def test_a_form_of_another_site_logs_nobody_out(twitch):
    careful = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    assert careful.post("/logout/").status_code == 403


# What is left.


def test_who_was_erased_is_forgotten_again_when_they_log_out(twitch, client):
    erased(STRANGER.id)
    logged_in(client)
    client.post("/logout/")
    assert not User.objects.exists()
    assert not UserSocialAuth.objects.exists()


def test_who_is_known_stays_a_user_when_they_log_out(twitch, client):
    logged_in(client)
    client.post("/logout/")
    assert User.objects.get().username == STRANGER.id


def test_logging_out_deletes_no_staff(client):
    staff = User.objects.create_superuser("staff")
    client.force_login(staff, "django.contrib.auth.backends.ModelBackend")
    client.post("/logout/")
    assert User.objects.get() == staff


def test_who_was_erased_is_forgotten_when_their_session_is_over(twitch, client):
    erased(STRANGER.id)
    logged_in(client)
    logged_in(Client(headers={"host": "localhost"}), OWNER)
    soon, later = (datetime.now(UTC) + timedelta(days=days) for days in (13, 15))
    assert str(login.forget(soon)).endswith("0 users forgotten")
    assert login.forget(later) == (2, 0, 1)
    assert User.objects.get().username == OWNER.id


def test_beginnings_that_led_nowhere_are_forgotten_after_a_day(twitch, client):
    begin(client)
    assert login.forget(datetime.now(UTC)).beginnings == 0
    assert login.forget(datetime.now(UTC) + timedelta(days=1, minutes=1)).beginnings == 1
    assert not Nonce.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("cookie", ['"\\000aaaaaaaaa"', "äääääääääää", "a" * 5000, "'; --aaaaaaa"])
def test_a_cookie_that_is_no_session_is_a_stranger(client, cookie):
    client.cookies["sessionid"] = "x"
    response = client.get("/account/", headers={"Cookie": f"sessionid={cookie}"})
    assert response.status_code == 302
