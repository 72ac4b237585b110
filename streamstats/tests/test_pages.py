"""What holds on every page."""

import re

import pytest
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.utils import timezone
from django.views import defaults

from streams.models import Stream
from streams.tests.cast import make_channel
from viewers.tests.cast import make_viewer

ADDRESSES = [
    "/",
    "/c/lantern/",
    "/c/lantern/streams/",
    "/c/lantern/streams/41/",
    "/c/lantern/streams/42/",
    "/c/lantern/emotes/",
    "/c/lantern/emotes/?show=unused-30",
    "/c/lantern/viewers/",
    "/c/lantern/viewers/?q=a",
    "/c/lantern/viewers/ann/",
    "/c/lantern/viewers/candle/",
    "/nowhere",
    "/c/nobody/",
    "/admin/login/",
]


@pytest.fixture
def site(db):
    channel = make_channel()
    make_viewer(channel, "ann", formerly="candle")
    make_viewer(channel, "candle")
    Stream.objects.create(id="41", channel=channel, started_at=timezone.now())


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_may_run_nothing_but_our_own_files(client, site, address):
    policy = client.get(address)["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_has_no_code_or_style_of_its_own(client, site, address):
    page = client.get(address).content.decode()
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:", page)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_says_its_language_title_and_width(client, site, address):
    page = client.get(address).content.decode()
    for needed in (
        r'<html lang="en',
        r"<title>[^<]*\w[^<]*</title>",
        r'<meta name="viewport" content="width=device-width',
    ):
        assert re.search(needed, page)


@pytest.mark.parametrize("address", [address for address in ADDRESSES if not address.startswith("/admin")])
def test_a_page_has_one_first_heading(client, site, address):
    assert client.get(address).content.decode().count("<h1") == 1


READ_ONLY = [
    "/",
    "/live",
    "/c/lantern/",
    "/c/lantern/live",
    "/c/lantern/streams/",
    "/c/lantern/streams/41/",
    "/c/lantern/emotes/",
    "/c/lantern/emotes/1/",
    "/c/lantern/now/",
    "/c/lantern/viewers/",
    "/c/lantern/viewers/ann/",
    "/healthz",
    "/readyz",
    "/favicon.ico",
]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("address", READ_ONLY)
def test_a_page_is_only_read(site, address, method):
    stranger = Client(enforce_csrf_checks=True)
    assert stranger.generic(method, address).status_code == 405


def test_forms_of_the_admin_are_protected_from_forgeries(site):
    assert Client(enforce_csrf_checks=True).post("/admin/login/").status_code == 403


def test_an_address_of_nothing_is_not_found_in_words(client):
    assert "There is no page at this address." in client.get("/nowhere").content.decode()


@pytest.mark.parametrize("view", [defaults.server_error, defaults.permission_denied, defaults.bad_request])
def test_an_error_page_needs_no_database(view):
    request = RequestFactory().get("/")
    answer = view(request) if view is defaults.server_error else view(request, Exception())
    assert b"StreamStats" in answer.content


def test_nothing_of_the_models_waits_for_a_migration(db):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_browsers_that_ask_for_an_icon_get_one(client):
    answer = client.get("/favicon.ico", follow=True)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
