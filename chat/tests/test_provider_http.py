import asyncio
from datetime import UTC, datetime

import pytest

from chat.providers.etiquette import Absent, Failed, Fetched, Unchanged
from chat.providers.http import USER_AGENT, Asker, open_session, retry_after_s
from chat.tests.provided import sources_on
from streamstats.simulator.catalogue import Catalogue, SimEmote
from streamstats.simulator.providers import MALFORMED, NOT_FOUND, SERVER_ERROR, Fault, slow, too_many_requests
from streamstats.simulator.server import SimulatedTwitch

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SETS: dict[tuple[str, str | None], list[SimEmote]] = {("bttv", None): [SimEmote("5f1b0186", "catJAM")]}


def asking(ask, *, max_bytes=1_000_000):
    """Run `ask(asker, url, hub)` against a provider."""

    async def run():
        async with SimulatedTwitch(catalogue=Catalogue.of(SETS)) as twitch, open_session() as session:
            asker = Asker(session, now=lambda: NOW, max_bytes=max_bytes)
            return await ask(asker, sources_on(twitch.port).url("bttv", None), twitch.providers)

    return asyncio.run(run())


def answer_to(fault):
    async def ask(asker, url, hub):
        hub.fail("bttv", fault)
        return await asker.ask(url)

    return asking(ask)


def test_a_set_comes_with_its_etag():
    answer = asking(lambda asker, url, hub: asker.ask(url))
    assert (answer.body[0]["code"], bool(answer.etag)) == ("catJAM", True)


def test_a_set_that_is_known_is_not_sent_again():
    async def ask(asker, url, hub):
        first = await asker.ask(url)
        return await asker.ask(url, first.etag)

    assert asking(ask) == Unchanged()


def test_a_set_that_changed_is_sent_again():
    async def ask(asker, url, hub):
        first = await asker.ask(url)
        await hub.add("bttv", None, SimEmote("a", "new"))
        return await asker.ask(url, first.etag)

    assert [emote["code"] for emote in asking(ask).body] == ["catJAM", "new"]


def test_it_says_who_it_is():
    async def ask(asker, url, hub):
        await asker.ask(url)
        return hub.asked[-1].headers["User-Agent"]

    assert asking(ask) == USER_AGENT


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        pytest.param(NOT_FOUND, Absent(), id="not found"),
        pytest.param(SERVER_ERROR, Failed("status 500"), id="server error"),
        pytest.param(too_many_requests("120"), Failed("status 429", 120.0), id="too many, for seconds"),
        pytest.param(
            too_many_requests("Thu, 01 Jan 2026 12:01:00 GMT"), Failed("status 429", 60.0), id="too many, until a time"
        ),
        pytest.param(Fault(503, {"Retry-After": "5"}, ""), Failed("status 503", 5.0), id="unavailable for a while"),
        pytest.param(Fault(204, text=""), Failed("status 204"), id="no content"),
    ],
)
def test_bad_answers_are_told_apart(fault, answer):
    assert answer_to(fault) == answer


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(MALFORMED, id="cut off"),
        pytest.param(Fault(text="[" * 100_000), id="too deep"),
        pytest.param(Fault(text="\x00"), id="no JSON"),
        pytest.param(Fault(302, {"Location": "http://"}, ""), id="led nowhere"),
        pytest.param(Fault(text="9" * 5000), id="a number too long"),
    ],
)
def test_an_unreadable_answer_is_a_failure(fault):
    assert isinstance(answer_to(fault), Failed)


def test_a_body_larger_than_any_set_is_not_read():
    assert asking(lambda asker, url, hub: asker.ask(url), max_bytes=10) == Failed("more than 10 bytes")


def test_a_provider_that_is_not_there_is_a_failure():
    async def ask(asker, url, hub):
        return await asker.ask("http://127.0.0.1:1/")

    assert isinstance(asking(ask), Failed)


def test_an_answer_that_never_comes_is_a_failure():
    async def ask(asker, url, hub):
        held = asyncio.Event()
        hub.fail("bttv", slow(held))
        async with open_session(timeout_s=0.01) as hasty:
            answer = await Asker(hasty, now=lambda: NOW).ask(url)
        held.set()
        return answer

    assert isinstance(asking(ask), Failed)


def test_a_slow_answer_is_waited_for():
    async def ask(asker, url, hub):
        held = asyncio.Event()
        hub.fail("bttv", slow(held))
        asked = asyncio.create_task(asker.ask(url))
        await hub.until(lambda: hub.waiting == 1)
        held.set()
        return await asked

    assert isinstance(asking(ask), Fetched)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("17", 17),
        ("-3", 0),
        ("soon", 0),
        ("٣", 0),
        ("9" * 400, 999999999),
        ("Thu, 01 Jan 2026 12:01:00 GMT", 60),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0),
        ("Thu, 01 Jan 2026 12:01:00", 60),
        ("Thu, 01 Jan 99999999999 12:01:00 GMT", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    assert retry_after_s(value, NOW) == seconds
