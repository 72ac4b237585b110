"""Where a person can cost us most, it is counted how often."""

import pytest
from django.test import Client

from chat.tests.test_wiki_pages import EDIT, LOCK, RESTORE, WITHDRAW, as_user, user_of, written
from chat.views import account
from chat.views import wiki as wiki_pages
from streams.tests.cast import make_channel
from viewers import entrance, views
from viewers.models import Consent, Export, WikiRevision
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

ONE, OTHER = "8.8.8.8", "9.9.9.9"
SEARCH = "/c/lantern/viewers/?q=ann"


@pytest.fixture(autouse=True)
def clock(redis_client, monkeypatch):
    """An empty Redis, and a time at which a window begins."""
    monkeypatch.setattr("streams.limits.time.time", lambda: 3600.0 * 500_000)


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def ann(channel):
    return make_viewer(channel, "ann")


@pytest.fixture
def own(ann):
    return as_user(user_of(ann.pk))


@pytest.fixture
def few(monkeypatch):
    """Each of them once, so that the second is too often."""
    for module, name in (
        *((entrance, name) for name in ("BEGINNING", "COMING_BACK")),
        *((account, name) for name in ("CHOOSING", "EXPORTING")),
        (views, "SEARCHING"),
        (wiki_pages, "WRITING"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name)._replace(most=1))


@pytest.fixture
def application(settings):
    settings.TWITCH_CLIENT_ID = settings.TWITCH_CLIENT_SECRET = "x"


def is_refused(page):
    told = page.content.decode()
    is_said = page["Retry-After"] in {"60", "600", "3600"} and "Try again in" in told
    return page.status_code == 429 and is_said and "no-store" in page["Cache-Control"]


ASKED = {
    "search": lambda client: client.get(SEARCH),
    "begin": lambda client: client.post("/login/twitch/"),
    "come back": lambda client: client.get("/complete/twitch/?error=access_denied&state=x"),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_an_address_that_asks_too_often_is_told_when_to_come_back(channel, few, application, ask):
    one, other = (Client(REMOTE_ADDR=address, HTTP_HOST="localhost") for address in (ONE, OTHER))
    assert ask(one).status_code != 429
    assert is_refused(ask(one))
    assert ask(other).status_code != 429


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7"])
def test_people_behind_a_proxy_that_is_not_known_are_not_counted_as_one(channel, few, application, address, ask):
    client = Client(REMOTE_ADDR=address, HTTP_HOST="localhost")
    assert 429 not in {ask(client).status_code for _ in range(3)}


def test_looking_is_never_too_often(channel, few, application):
    client = Client(REMOTE_ADDR=ONE, HTTP_HOST="localhost")
    for address in ("/c/lantern/viewers/", "/c/lantern/viewers/?q=", "/login/twitch/"):
        assert {client.get(address).status_code for _ in range(3)} == {200}


def test_nobody_who_types_comes_near_the_end_of_searches():
    assert views.SEARCHING.most / views.SEARCHING.per_s >= 5


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("/account/hide/", {}),
        ("/account/show/", {}),
        ("/account/agree/", {"kind": "summary"}),
        ("/account/allow/", {}),
        ("/account/export/", {}),
    ],
)
def test_an_account_that_decides_or_asks_too_often_is_told_when_to_come_back(
    few, own, ann, address, form, tmp_path, settings
):
    settings.MEDIA_ROOT = tmp_path
    assert own.post(address, form).status_code == 302
    before = Export.objects.count(), Consent.objects.count()
    assert is_refused(own.post(address, form))
    assert (Export.objects.count(), Consent.objects.count()) == before


def test_the_owner_of_a_channel_who_decides_too_often_is_told_when_to_come_back(few, channel):
    owner = as_user(user_of(channel.twitch_id))
    assert owner.post("/account/channel/", {"pages": "opt-in"}).status_code == 302
    assert is_refused(owner.post("/account/channel/", {"pages": "open"}))
    channel.refresh_from_db()
    assert not channel.is_open


def test_whoever_chose_too_often_can_still_be_erased(few, own, ann):
    for _ in range(2):
        own.post("/account/hide/")
    answer = own.post("/account/erase/", {"login": "ann"})
    assert (answer.status_code, "/erased/" in answer["Location"]) == (302, True)


@pytest.mark.parametrize("address", [RESTORE, WITHDRAW])
def test_texts_that_are_changed_too_often_stay_as_they_are(few, own, channel, ann, address):
    written(channel, ann, "one", "two", "three")
    own.post(EDIT, {"text": "# four", "based_on": 3, "preview": "1"})
    assert is_refused(own.post(address))
    assert list(WikiRevision.objects.filter(withdrawn_at=None).values_list("number", flat=True).order_by("number")) == [
        1,
        2,
        3,
    ]


def test_a_moderator_who_changes_too_often_is_told_when_to_come_back(few, channel, ann):
    owner = as_user(user_of(channel.twitch_id))
    assert owner.post(LOCK, {"locked": "1"}).status_code == 302
    assert is_refused(owner.post(LOCK, {"locked": "0"}))


@pytest.mark.parametrize("button", ["preview", "save"])
def test_what_was_typed_is_still_in_the_form(few, own, button):
    own.post(EDIT, {"text": "one", "based_on": 0, "preview": "1"})
    page = own.post(EDIT, {"text": "two", "based_on": 0, button: "1"})
    assert (page.status_code, page["Retry-After"]) == (429, "3600")
    assert "\ntwo</textarea>" in page.content.decode()
    assert not WikiRevision.objects.exists()
