"""Pages are kept ready for strangers, and no choice is ever missed."""

import gzip
import json
import os
import threading
import time

import pytest
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.db import connection, transaction
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.template import engines
from django.template.response import TemplateResponse
from django.test import RequestFactory
from redis import RedisError

from streams import pages
from streams.pages import NotNow, forget, forgetting, is_live, kept_briefly, kept_live, kept_ready
from streams.tests.cast import make_channel
from streams.topics import topic

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def caching(settings, redis_client, monkeypatch):
    settings.PAGE_CACHE_SECONDS = 30
    monkeypatch.setattr(pages, "keeper", pages.Keeper())


@pytest.fixture
def redis_away(settings):
    settings.REDIS_URL = "unix:///nowhere/redis.sock"


class Rendered:
    """A view whose page says how often it was rendered."""

    def __init__(self, make=None):
        self.times = 0
        self.make = make or (lambda request, text: HttpResponse(text))
        self.view = kept_ready(self._render)

    def _render(self, request, channel="", **rest):
        self.times += 1
        return self.make(request, f"page {self.times}")

    def get(self, address="/c/lantern/", channel="lantern", method="get", cookies=None, **headers):
        request = getattr(RequestFactory(headers=headers), method)(address)
        request.user, request.session = AnonymousUser(), SessionStore()
        request._messages = FallbackStorage(request)
        request.COOKIES.update(cookies or {})
        return self.view(request, **({"channel": channel} if channel else {}))


def test_a_page_is_rendered_once_for_all_strangers():
    page = Rendered()
    assert [page.get().content, page.get().content] == [b"page 1", b"page 1"]


def test_a_kept_page_is_the_same_answer():
    headers = {"Content-Type": "application/xml", "X-Robots-Tag": "noindex"}
    page = Rendered(lambda request, text: HttpResponse(text, headers=headers))
    first, second = page.get(), page.get()
    assert dict(first.headers) == dict(second.headers)
    assert headers.items() <= dict(second.headers).items()


@pytest.mark.parametrize("other", ["/c/lantern/?range=2026", "/c/Lantern/streams/"])
def test_another_address_is_another_page(other):
    page = Rendered()
    page.get()
    assert page.get(other).content == b"page 2"


def test_a_page_that_is_yet_to_be_rendered_is_kept_too():
    line = engines["django"].from_string("{{ text }}")
    page = Rendered(lambda request, text: TemplateResponse(request, line, {"text": text}))
    assert [page.get().content, page.get().content] == [b"page 1", b"page 1"]


def test_another_host_is_another_page_because_pages_name_theirs(settings):
    settings.ALLOWED_HOSTS = ["one.example", "two.example"]
    page = Rendered()
    page.get(Host="one.example")
    assert page.get(Host="two.example").content == b"page 2"


def test_the_order_of_parameters_does_not_matter():
    page = Rendered()
    page.get("/?range=2026&by=points", channel="")
    assert page.get("/?by=points&range=2026", channel="").content == b"page 1"


def test_the_order_of_the_same_parameter_does():
    page = Rendered()
    page.get("/?by=points&by=streak", channel="")
    assert page.get("/?by=streak&by=points", channel="").content == b"page 2"


def kept_for(redis_client):
    """Seconds for which the one page there is stays."""
    others = pages.GENERATION.encode(), pages.BYTES.encode()
    (key,) = (key for key in redis_client.keys(f"{pages.PREFIX}*") if not key.startswith(others))
    return redis_client.ttl(key)


def test_a_page_is_kept_no_longer_than_set(redis_client, settings):
    settings.PAGE_CACHE_SECONDS = 7
    Rendered().get()
    assert kept_for(redis_client) == 7


@pytest.mark.parametrize(
    ("keep", "most", "kept"), [(kept_live, 300, 30), (kept_live, 1, 1), (kept_briefly, 300, 2), (kept_briefly, 1, 1)]
)
def test_what_goes_on_now_is_kept_for_less(redis_client, settings, keep, most, kept):
    settings.PAGE_CACHE_SECONDS = most
    page = Rendered()
    page.view = keep(page._render)
    page.get()
    assert kept_for(redis_client) == kept


def test_a_page_may_turn_out_to_be_of_what_goes_on_now(redis_client, settings):
    settings.PAGE_CACHE_SECONDS = 300
    Rendered(lambda request, text: is_live(HttpResponse(text))).get()
    assert kept_for(redis_client) == 30


def test_pages_take_no_more_than_their_share_of_redis(redis_client, monkeypatch):
    page = Rendered(lambda request, text: HttpResponse(text + os.urandom(1000).hex()))
    monkeypatch.setattr(pages, "MOST_BYTES", 8000)
    monkeypatch.setattr(time, "time", lambda: 1e9)  # one share: another one begins after some time
    for number in range(20):
        page.get(f"/c/lantern/?page={number}")
    assert 4000 < sum(len(redis_client.get(key)) for key in redis_client.keys(f"{pages.PREFIX}*")) < 9000


def test_what_is_gone_in_two_seconds_takes_nothing_of_that_share(redis_client, monkeypatch):
    monkeypatch.setattr(pages, "MOST_BYTES", 0)
    page = Rendered()
    page.view = kept_briefly(page._render)
    assert [page.get().content, page.get().content] == [b"page 1", b"page 1"]
    assert redis_client.keys(f"{pages.BYTES}*") == []


@pytest.mark.parametrize("query", ["range=" + "x" * 300, "q=ann", "q=", "range=all&q=ann"])
def test_a_long_query_or_a_search_is_not_kept(redis_client, query):
    Rendered().get(f"/?{query}", channel="")
    assert redis_client.keys() == []


def test_a_large_page_is_not_kept(redis_client):
    page = Rendered(lambda request, text: HttpResponse("x" * (pages.LARGEST_BYTES + 1)))
    assert page.get().status_code == 200
    page.get()
    assert page.times == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda request, text: HttpResponse(text, status=404),
        lambda request, text: HttpResponse(text, status=302, headers={"Location": "/"}),
        lambda request, text: HttpResponse(text, status=500),
        lambda request, text: StreamingHttpResponse([text]),
    ],
    ids=["not found", "redirect", "error", "stream"],
)
def test_only_whole_pages_are_kept(make):
    page = Rendered(make)
    page.get()
    page.get()
    assert page.times == 2


def test_a_redirect_has_to_be_asked_for_again():
    page = Rendered(lambda request, text: HttpResponse(status=301, headers={"Location": "/"}))
    assert page.get()["Cache-Control"] == "no-cache"


def test_what_is_not_there_is_not_kept():
    def missing(request, text):
        raise Http404

    page = Rendered(missing)
    for _ in range(2):
        with pytest.raises(Http404):
            page.get()
    assert page.times == 2


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_what_writes_is_not_kept(method):
    page = Rendered()
    page.get(method=method)
    assert page.get(method=method).content == b"page 2"


def test_a_head_is_answered_from_what_is_kept():
    page = Rendered()
    page.get()
    assert page.get(method="head").headers == page.get().headers


# What is for one person


@pytest.mark.parametrize("cookie", ["sessionid", "messages"])
def test_who_may_see_something_of_their_own_gets_a_fresh_page(cookie):
    page = Rendered()
    page.get()
    own = page.get(cookies={cookie: "x"})
    assert own.content == b"page 2"
    assert own["Cache-Control"] == "private, no-cache"


def test_a_page_of_one_person_is_not_kept_for_others():
    page = Rendered()
    page.get(cookies={"sessionid": "x"})
    assert page.get().content == b"page 2"


def test_cookies_that_are_not_ours_do_not_matter():
    page = Rendered()
    page.get(cookies={"_ga": "1"})
    assert page.get(cookies={"_ga": "2"}).content == b"page 1"


def with_cookie(request, text):
    response = HttpResponse(text)
    response.set_cookie("theme", "dark")
    return response


def with_token(request, text):
    return HttpResponse(get_token(request))


def with_session(request, text):
    request.session["seen"] = True
    return HttpResponse(text)


def with_message(request, text):
    messages.info(request, "hello")
    return HttpResponse(text)


@pytest.mark.parametrize("make", [with_cookie, with_token, with_session, with_message])
def test_a_page_with_something_for_one_visitor_is_not_kept(make):
    page = Rendered(make)
    page.get()
    page.get()
    assert page.times == 2


def test_an_answer_depends_on_the_cookie_and_the_encoding():
    assert Rendered().get()["Vary"] == "Cookie, Accept-Encoding"


# Caches in between


def test_caches_in_between_have_to_ask_every_time():
    page = Rendered()
    assert {page.get()["Cache-Control"] for _ in range(2)} == {"no-cache"}


def test_who_has_the_page_is_told_that_nothing_changed():
    page = Rendered()
    again = page.get(**{"If-None-Match": page.get()["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (again["ETag"], again["Cache-Control"]) == (page.get()["ETag"], "no-cache")


@pytest.mark.parametrize("tag", ['W/{}, "other"', "*"])
def test_a_tag_may_come_in_any_form(tag):
    page = Rendered()
    assert page.get(**{"If-None-Match": tag.format(page.get()["ETag"])}).status_code == 304


@pytest.mark.parametrize("tag", ['"other"', "nonsense", ""])
def test_another_tag_brings_the_page(tag):
    page = Rendered()
    assert page.get(**{"If-None-Match": tag}).content == b"page 1"


def test_another_content_has_another_tag(db):
    page = Rendered()
    before = page.get()["ETag"]
    forget(["lantern"])
    assert page.get()["ETag"] != before


@pytest.mark.parametrize("accepted", ["gzip", "br, gzip;q=0.5", "deflate, gzip"])
def test_a_browser_that_unpacks_gets_it_packed(accepted):
    answer = Rendered().get(**{"Accept-Encoding": accepted})
    assert answer["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.content) == b"page 1"


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "gzip; q=0.0, br", "xgzipped"])
def test_any_other_gets_it_plain(accepted):
    answer = Rendered().get(**{"Accept-Encoding": accepted})
    assert (answer.content, answer.has_header("Content-Encoding")) == (b"page 1", False)


def test_packed_and_plain_have_different_tags():
    page = Rendered()
    packed = page.get(**{"Accept-Encoding": "gzip"})["ETag"]
    assert page.get(**{"If-None-Match": packed}).status_code == 200
    assert page.get(**{"If-None-Match": packed, "Accept-Encoding": "gzip"}).status_code == 304


def test_a_page_asked_for_with_anything_made_up_is_not_kept(redis_client):
    Rendered().get("/c/lantern/?x=1")
    assert redis_client.keys(f"{pages.PREFIX}*") == []


def test_channels_that_are_not_there_are_forgotten_again(redis_client):
    Rendered().get("/c/nobody/", channel="nobody")
    assert 0 < redis_client.ttl(f"{pages.GENERATION}nobody") <= pages.GENERATION_SECONDS


def test_a_choice_is_no_longer_remembered_than_pages_can_be(redis_client):
    forget(["lantern"])
    assert 0 < redis_client.ttl(f"{pages.GENERATION}lantern") <= pages.GENERATION_SECONDS


# Choices


def test_a_choice_throws_away_what_was_kept():
    page = Rendered()
    page.get()
    forget(["lantern"])
    assert page.get().content == b"page 2"


def test_a_name_in_capitals_is_the_same_channel():
    page = Rendered()
    page.get("/c/LANTERN/", channel="LANTERN")
    forget(["lantern"])
    assert page.get("/c/LANTERN/", channel="LANTERN").content == b"page 2"


def test_pages_of_no_channel_go_with_every_choice():
    page = Rendered()
    page.get("/", channel="")
    forget(["lantern"])
    assert page.get("/", channel="").content == b"page 2"


def test_pages_of_other_channels_stay():
    page = Rendered()
    page.get()
    forget(["harbour"])
    assert page.get().content == b"page 1"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("channel", ["lantern", ""])
def test_a_page_rendered_before_a_choice_and_stored_after_it_is_never_served(channel):
    begun, chosen = threading.Event(), threading.Event()

    def slow(request, text):
        begun.set()
        assert chosen.wait(10)
        return HttpResponse(text)

    page = Rendered(slow)

    def read():
        page.get(channel=channel)
        connection.close()

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(10)
    forget(["lantern"])
    chosen.set()
    reader.join(10)
    assert page.get(channel=channel).content == b"page 2"


def test_a_page_rendered_in_the_first_generation_is_not_served_in_the_first_of_another_redis(redis_client):
    def lost_meanwhile(request, text):
        redis_client.flushdb()
        return HttpResponse(text)

    page = Rendered(lost_meanwhile)
    page.get()
    page.make = lambda request, text: HttpResponse(text)
    assert page.get().content == b"page 2"


def test_open_pages_are_told_to_look_again(redis_client):
    channel = make_channel()
    with redis_client.pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe(topic(channel.pk))
        heard.get_message(timeout=1)
        forget(["lantern"])
        told = heard.get_message(timeout=1)
    assert json.loads(told["data"]) == {"refresh": True}


@pytest.mark.django_db(transaction=True)
def test_a_change_that_strangers_see_forgets_before_it_and_after_its_commit():
    page = Rendered()
    page.get()
    with transaction.atomic():
        with forgetting(["lantern", None]):
            assert page.get().content == b"page 2"
        assert page.get().content == b"page 2"
    assert page.get().content == b"page 3"


@pytest.mark.django_db(transaction=True)
def test_a_change_that_was_not_made_empties_nothing_more():
    page = Rendered()
    with transaction.atomic(), forgetting(["lantern"]):
        page.get()
        transaction.set_rollback(True)
    assert page.get().content == b"page 1"


def test_forgetting_asks_the_database_once(django_assert_num_queries):
    for login in ("lantern", "harbour"):
        make_channel(login)
    with django_assert_num_queries(1):
        forget(["lantern", "harbour"])


# Without Redis


def test_without_redis_a_page_is_rendered_and_not_kept(redis_away):
    page = Rendered()
    assert [page.get().content, page.get().content] == [b"page 1", b"page 2"]


def test_without_redis_the_log_says_so_once_a_moment(redis_away, caplog):
    page = Rendered()
    for _ in range(3):
        page.get()
    assert [record.levelname for record in caplog.records if "pages are not kept" in str(record.msg)] == ["WARNING"]


def test_without_redis_forgetting_fails_aloud(redis_away):
    with pytest.raises(RedisError):
        forget(["lantern"])


def test_without_redis_what_strangers_see_is_not_changed(redis_away):
    with pytest.raises(NotNow, match="could not be kept just now, and nothing was changed"), forgetting(["lantern"]):
        raise AssertionError("it was changed")


def test_pages_are_kept_again_as_soon_as_redis_is_back(redis_away, settings, monkeypatch):
    page = Rendered()
    page.get()
    settings.REDIS_URL = settings.LAYOUT.redis_url if settings.EMBEDS_REDIS else os.environ["REDIS_URL"]
    now = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now + pages.PAUSE_SECONDS)
    page.get()
    assert page.get().content == b"page 2"


# The whole way


def test_a_kept_page_asks_the_database_nothing(client, django_assert_num_queries):
    make_channel()
    first = client.get("/")
    with django_assert_num_queries(0):
        second = client.get("/")
    assert first.content == second.content
    assert b"Lantern" in second.content


def test_a_kept_page_asks_redis_once(redis_client):
    page = Rendered()
    page.get()
    before = redis_client.info("commandstats")["cmdstat_mget"]["calls"]
    commands = redis_client.info("stats")["total_commands_processed"]
    page.get()
    assert redis_client.info("commandstats")["cmdstat_mget"]["calls"] == before + 1
    # Beside the two questions of this test.
    assert redis_client.info("stats")["total_commands_processed"] - commands <= 3
