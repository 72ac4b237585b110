"""Logging in with Twitch, against the simulated one."""

import http.client
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from social_django.models import UserSocialAuth

from streams.tests.granted import STRANGER, twitch

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


def test_who_logs_in_is_known_by_the_id_of_twitch(twitch, client):
    answer = logged_in(client)
    assert (answer.status_code, answer.url) == (302, "/account/")
    user = User.objects.get()
    assert (user.username, user.email, user.has_usable_password(), user.is_staff) == (STRANGER.id, "", False, False)
    assert UserSocialAuth.objects.get(user=user).uid == STRANGER.id


def test_no_token_is_kept(twitch, client):
    logged_in(client)
    assert UserSocialAuth.objects.get().extra_data == {}
