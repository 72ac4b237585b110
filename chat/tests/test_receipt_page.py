"""The receipt of an erasure, and the page that says what is kept."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from chat.tests.everything import make_somebody
from chat.tests.factories import ChannelFactory
from chat.tests.lines import NOON
from viewers.models import Erasure, Progress

pytestmark = pytest.mark.django_db

RECEIPT = "x" * 32


def make(**fields: object) -> Erasure:
    told = {"mark": "m" * 64, "receipt": RECEIPT, "viewer_id": "98765432", **fields}
    return Erasure.objects.create(**told)


def page(client: Client) -> str:
    response = client.get(f"/erased/{RECEIPT}/")
    assert response.status_code == 200
    assert "98765432" not in response.content.decode()
    return response.content.decode()


def test_a_receipt_that_waits_says_so_and_looks_again(client):
    make()
    said = page(client)
    assert "Waiting for its turn" in said
    assert '<meta http-equiv="refresh" content="3">' in said


def test_a_receipt_that_runs_says_how_far_it_is(client):
    make(state=Progress.RUNNING, step="messages 12", steps_done=1, steps=4)
    assert "25 %: your messages" in page(client)


def test_one_that_failed_says_that_it_goes_on(client):
    make(state=Progress.FAILED, step="dead 0", steps_done=1, steps=4)
    assert "it goes on by itself" in page(client)


def test_one_that_is_done_says_what_was_removed_and_what_stays(client):
    removed = {
        "chat.Message": 18204,
        "viewers.ViewerDay": 412,
        "mention chat.Message": 7,
        "mention streams.JobRun": 1,
        "kept streams.TwitchGrant": 1,
    }
    make(state=Progress.DONE, viewer_id="", finished_at=NOON, steps=4, steps_done=4, removed=removed)
    said = page(client)
    kept = "messages: they still count for their channel, without text and without you"
    assert f"<span>{kept}</span> <strong>18,204</strong>" in said
    assert "<span>days of your numbers</span> <strong>412</strong>" in said
    assert "<span>messages</span> <strong>7</strong></li>" in said
    assert "Your channel is connected to this site, and stays connected" in said
    assert "m" * 64 in said
    assert "refresh" not in said


def test_one_whose_account_is_counted_again_says_so(client):
    make(state=Progress.DONE, viewer_id="", finished_at=NOON, lifted_at=NOON)
    assert "asked to be counted again" in page(client)


def test_nobody_indexes_or_keeps_a_receipt(client):
    make()
    response = client.get(f"/erased/{RECEIPT}/")
    assert response["X-Robots-Tag"] == "noindex"
    assert "no-store" in response["Cache-Control"]
    assert '<meta name="robots" content="noindex">' in response.content.decode()


@pytest.mark.parametrize("number", ["y" * 32, "0", "x" * 500, "%00", "X" * 32])
def test_a_receipt_that_does_not_exist_is_not_found(client, number):
    make()
    assert client.get(f"/erased/{number}/").status_code == 404


def test_a_receipt_can_only_be_read(client):
    make()
    assert client.post(f"/erased/{RECEIPT}/").status_code == 405


def test_a_receipt_takes_one_question(client, django_assert_num_queries):
    make(state=Progress.DONE, viewer_id="", finished_at=NOON)
    with django_assert_num_queries(1):
        page(client)


def test_the_page_about_privacy_names_channels_and_how_long_they_keep_text(client, django_assert_num_queries):
    ChannelFactory.create(retention_days=30)
    with django_assert_num_queries(1):
        said = client.get("/privacy/").content.decode()
    assert "<td>30</td>" in said
    assert "has not said yet how to reach them" in said


def test_every_page_that_says_what_an_erasure_keeps_says_the_same(client):
    ann = make_somebody(ChannelFactory.create(), "ann")
    client.force_login(User.objects.get(username=ann.pk), "viewers.login.TwitchLogin")
    make(state=Progress.DONE, viewer_id="", finished_at=NOON)
    asking, receipt = client.get("/account/erase/").content.decode(), page(client)
    for said in (client.get("/privacy/").content.decode(), asking, receipt):
        assert "with their time, emotes and bits" in said
        assert "a mark made of the Twitch id with a secret key" in said
        assert "Where moderators had hidden a page or locked its text" in said
        assert "own channel, if it is known here" in said


@pytest.mark.parametrize(
    ("contact", "shown"),
    [
        ("me@example.org", '<a href="mailto:me@example.org">me@example.org</a>'),
        ("https://example.org/me", '<a href="https://example.org/me">https://example.org/me</a>'),
        ("ask <b>Ann</b> in chat", "ask &lt;b&gt;Ann&lt;/b&gt; in chat"),
        ("javascript:alert(1)", ": javascript:alert(1)"),
    ],
)
def test_it_says_how_to_reach_who_runs_the_site(client, settings, contact, shown):
    settings.CONTACT = contact
    assert shown in client.get("/privacy/").content.decode()


MODELS = ["openai:gpt-4o", "anthropic:claude-haiku-4-5", "google:gemini-2.5-flash", "openai:gpt-4o-mini"]


def test_it_names_who_is_given_messages_for_summaries(client, settings):
    settings.AI_PROVIDERS = MODELS
    settings.ANTHROPIC_BASE_URL = "https://models.lantern.example/v1"
    page = client.get("/privacy/").content.decode()
    assert "<bdi>OpenAI</bdi>, <bdi>models.lantern.example</bdi> or <bdi>Google</bdi>" in page


def test_it_says_that_nothing_is_passed_on_where_no_model_is_set_up(client, settings):
    settings.AI_PROVIDERS = []
    assert "nothing is passed on" in client.get("/privacy/").content.decode()
