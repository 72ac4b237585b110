"""What stands around every page."""

import re

import pytest
from django.contrib import messages
from django.contrib.auth.models import User
from django.db import connection
from django.http import Http404
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from streams.models import Stream
from streams.tests.cast import make_channel
from streamstats.errors import not_found
from streamstats.lib.keyset import Place


def meta(page, name):
    found = re.search(rf'<meta (?:name|property)="{name}" content="([^"]*)">', page.content.decode())
    return found and found[1]


def canonical(page):
    found = re.search(r'<link rel="canonical" href="([^"]*)">', page.content.decode())
    return found and found[1]


@pytest.fixture
def channel(db):
    return make_channel(display_name='Lan"<tern>')


def test_a_link_to_a_page_is_shown_with_its_own_title_and_description(client, channel):
    page = client.get("/c/lantern/streams/")
    assert meta(page, "og:title") == "Streams of Lan&quot;&lt;tern&gt; · StreamStats"
    assert meta(page, "og:description") == meta(page, "description")
    assert meta(page, "og:url") == canonical(page)


def test_a_link_to_a_page_is_shown_with_a_picture_that_anybody_can_fetch(client, channel):
    for page, picture in (("/", "/static/preview.png"), ("/c/lantern/streams/", "/c/lantern/picture.png")):
        assert meta(client.get(page), "og:image") == f"http://testserver{picture}"
        assert client.get(picture)["Content-Type"] == "image/png"


@pytest.mark.parametrize(
    ("address", "one"),
    [
        ("/", "/"),
        ("/?utm_source=mail", "/"),
        ("/c/LANTERN/streams/?fbclid=1", "/c/lantern/streams/"),
        (f"/c/lantern/streams/?after={Place('1', '9')}", "/c/lantern/streams/"),
        ("/c/lantern/?range=2026&utm_source=mail", "/c/lantern/?range=2026"),
    ],
)
def test_a_page_names_its_one_address(client, channel, address, one):
    page = client.get(address)
    assert page.status_code == 200
    assert canonical(page) == f"http://testserver{one}"


def test_a_page_that_is_not_there_has_no_address_and_no_preview(client, channel):
    page = client.get("/c/lantern/viewers/nobody/")
    assert (page.status_code, canonical(page), meta(page, "og:title")) == (404, None, None)
    assert meta(page, "robots") == "noindex"


# Who is logged in


def test_a_stranger_can_log_in_and_comes_back_to_the_page(client, channel, settings):
    settings.TWITCH_CLIENT_ID, settings.TWITCH_CLIENT_SECRET = "an", "application"
    assert 'href="/login/twitch/?next=%2Fc%2Flantern%2F"' in client.get("/c/lantern/").content.decode()


def test_a_page_for_strangers_sets_no_cookie(client, channel):
    assert not client.get("/c/lantern/").cookies


def test_who_is_logged_in_can_get_to_their_account_and_out(client, channel):
    client.force_login(User.objects.create_user("ann"))
    page = client.get("/c/lantern/").content.decode()
    assert 'href="/account/"' in page
    assert re.search(r'<form method="post" action="/logout/"><input type="hidden" name="csrfmiddlewaretoken"', page)


def test_being_logged_in_costs_two_queries(client, channel):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            client.get("/c/lantern/streams/")
        return len(queries)

    stranger = cost()
    client.force_login(User.objects.create_user("ann"))
    assert cost() == stranger + 2


def test_a_message_is_told_aloud(client, channel):
    request = client.get("/").wsgi_request
    messages.success(request, "Done <now>.")
    page = render_to_string("streams/front.html", request=request)
    assert '<div class="notices" role="status"><p class="notice success">Done &lt;now&gt;.</p></div>' in page


# Where nothing is


def test_what_is_missing_in_a_channel_leads_back_to_the_channel(client, channel):
    page = client.get("/c/LANTERN/nowhere").content.decode()
    assert 'href="/c/lantern/"' in page
    assert "There is no page at this address." in page


@pytest.mark.parametrize("address", ["/nowhere", "/c/", "/c/nobody/", "/c/%00/", "/c/lantern%0a/"])
def test_what_is_missing_elsewhere_leads_to_the_front_page(client, db, address):
    page = client.get(address)
    assert page.status_code == 404
    assert 'class="trail"' not in page.content.decode()


def test_the_words_for_what_is_missing_are_those_of_the_page(rf, db):
    page = not_found(rf.get("/"), Http404("No <such> stream."))
    assert "No &lt;such&gt; stream." in page.content.decode()


def test_what_is_missing_may_come_so_nobody_keeps_it(client, db):
    assert client.get("/nowhere")["Cache-Control"] == "no-cache"


def test_a_form_that_was_not_ours_is_refused_in_words(db):
    answer = Client(enforce_csrf_checks=True).post("/logout/")
    assert answer.status_code == 403
    assert "Nothing was changed." in answer.content.decode()


def test_where_we_are_is_marked_in_the_trail(client, channel):
    page = client.get("/c/lantern/streams/").content.decode()
    assert '<a href="/c/lantern/streams/" aria-current="page">Streams</a>' in page


def test_where_we_are_is_marked_on_a_page_below_too(client, channel):
    Stream.objects.create(id="41", channel=channel, started_at=timezone.now())
    page = client.get("/c/lantern/streams/41/").content.decode()
    assert '<a href="/c/lantern/streams/" aria-current="true">Streams</a>' in page
