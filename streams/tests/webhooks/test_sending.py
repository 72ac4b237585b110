"""Whatever answers there, it takes a bounded time and a bounded room, and no exception comes of it."""

import asyncio
import base64
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from streams.webhooks import guard, sending, signing

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def send(*urls):
    async def run():
        async with sending.session() as client:
            return [await sending.post(client, url, {"webhook-id": "one"}, b'{"a":1}') for url in urls]

    return asyncio.run(run())


def test_what_was_taken_is_told_with_status_and_words(receivers):
    (answer,) = send(receivers.url("take/it"))
    assert (answer.status, answer.text, answer.problem) == (200, "thanks", "")
    assert receivers.got[0].body == b'{"a":1}'


def test_a_request_says_who_sends_it_and_asks_for_nothing_packed(receivers):
    send(receivers.url("take"))
    headers = receivers.got[0].headers
    assert headers["User-Agent"] == "StreamStats-Webhooks/1"
    assert headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("fail", 500, "It answered 500"),
        ("gone", 410, "it is gone"),
        ("inward", 307, "Redirects are not followed"),
        ("inside", 302, "Redirects are not followed"),
    ],
)
def test_what_does_not_take_it_is_told_in_words(receivers, path, status, words):
    (answer,) = send(receivers.url(path))
    assert answer.status == status
    assert words in answer.problem
    assert not answer.is_taken


def test_no_redirect_is_followed_wherever_it_leads(receivers, monkeypatch):
    connected: list[str] = []
    make_socket = guard.make_socket

    def watched(info):
        connected.append(info[4][0])
        return make_socket(info)

    monkeypatch.setattr(guard, "make_socket", watched)
    send(receivers.url("inward"), receivers.url("inside"))
    assert receivers.paths() == ["/inward", "/inside"]
    assert connected == ["127.0.0.1", "127.0.0.1"]


def test_of_ten_megabytes_a_little_is_read_and_less_is_kept(receivers, monkeypatch):
    read = []
    beginning = sending._beginning

    async def counted(response):
        read.append(await beginning(response))
        return read[-1]

    monkeypatch.setattr(sending, "_beginning", counted)
    large, endless = send(receivers.url("large"), receivers.url("endless"))
    assert large.is_taken
    assert endless.is_taken
    assert [len(each) for each in read] == [sending.READ_BYTES] * 2
    assert large.text == "x" * sending.KEPT_CHARACTERS


def test_what_is_packed_is_not_unpacked(receivers):
    (answer,) = send(receivers.url("bomb"))
    assert answer.is_taken


def test_an_answer_is_kept_without_what_the_database_cannot_store(receivers):
    (answer,) = send(receivers.url("fail"))
    assert answer.text == "<b>broken</b>\ufffd"


def test_who_hangs_is_left_after_the_time_that_is_set(receivers, settings):
    settings.WEBHOOK_TIMEOUT_S = 0.1
    began = time.monotonic()
    (answer,) = send(receivers.url("hang"))
    assert time.monotonic() - began < 5
    assert answer.problem == "No answer within 0.1 seconds."


def test_who_said_that_it_took_it_and_never_ends_has_taken_it(receivers, settings):
    settings.WEBHOOK_TIMEOUT_S = 0.2
    half, late = send(receivers.odd_url("half"), receivers.odd_url("late"))
    assert half.is_taken
    assert late.is_taken


@pytest.mark.parametrize("path", ["no-http", "nothing", "headers"])
def test_what_speaks_no_http_is_told_in_words(receivers, path):
    (answer,) = send(receivers.odd_url(path))
    assert answer.problem == "What answers there broke off, or does not speak HTTP."


def test_an_address_where_nobody_is_is_told_in_words(receivers):
    (answer,) = send("http://127.0.0.1:1/")
    assert "Nobody answers" in answer.problem


def test_tls_is_asked_of_who_should_speak_it(receivers):
    (answer,) = send(receivers.url("take").replace("http://", "https://"))
    assert answer.status is None
    assert receivers.got == []


def test_no_cookie_is_brought_back(receivers):
    send(receivers.url("cookie"), receivers.url("take"))
    assert "Cookie" not in receivers.got[1].headers


def test_who_asks_to_be_left_alone_is_believed_for_an_hour_at_most(receivers):
    (answer,) = send(receivers.url("busy"))
    assert answer.later_s == 1200


def test_with_the_guard_up_this_machine_gets_nothing(receivers, settings):
    settings.WEBHOOK_ALLOW_PRIVATE = False
    answers = send(receivers.url("take"), f"https://127.0.0.1:{receivers.port}/")
    assert [answer.status for answer in answers] == [None, None]
    assert receivers.got == []


def test_a_signature_is_that_of_standard_webhooks():
    """The example of their specification."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signed = signing.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_every_secret_is_another_and_long():
    made = {signing.make_secret() for _ in range(50)}
    assert len(made) == 50
    assert all(len(base64.b64decode(secret.removeprefix("whsec_"))) == 32 for secret in made)


def test_a_rotated_secret_signs_beside_the_new_one_for_a_day(make_webhook):
    webhook = make_webhook("https://example.org/")
    old = webhook.secret
    new = signing.rotate(webhook, NOON)
    webhook.refresh_from_db()
    assert signing.secrets_of(webhook, NOON + timedelta(hours=23)) == [new, old]
    assert signing.secrets_of(webhook, NOON + timedelta(hours=24)) == [new]
    both = signing.headers([new, old], "one", NOON, b"{}")["webhook-signature"].split()
    assert both == [signing.signature(secret, "one", int(NOON.timestamp()), b"{}") for secret in (new, old)]


def test_a_secret_is_not_in_the_database_in_the_clear(make_webhook):
    webhook = make_webhook("https://example.org/")
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(webhook)::text FROM streams_webhook webhook")
        (row,) = cursor.fetchone()
    assert webhook.url in row
    assert webhook.secret.removeprefix("whsec_") not in row
