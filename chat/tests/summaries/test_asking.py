"""A language model is asked, through the real clients of three providers: who answers, what it costs, how it fails."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pydantic import BaseModel

from chat.summaries import asking, ledger, meter
from chat.summaries.asking import BudgetSpent, Malformed, Refused, Unavailable, Unwanted, ask
from chat.summaries.providers import PROVIDERS
from chat.tests.factories import ChannelFactory
from chat.tests.summaries.providers_server import NAMES
from viewers.models import ModelCall, Summary, Viewer

pytestmark = pytest.mark.django_db

MODELS = {"openai": "gpt-4o", "anthropic": "claude-haiku-4-5", "google": "gemini-2.5-flash"}
# Dollars for a million tokens that are read, and written.
PRICES = {"openai": ("2.5", "10"), "anthropic": ("1", "5"), "google": ("0.3", "2.5")}
KIND: dict[str, Any] = {"title": "Kind", "lines": ["is here every evening", "drinks tea"]}
CALM: dict[str, Any] = {"title": "Calm", "lines": ["likes puzzles"]}
SECRET = "secretsentence"


class Page(BaseModel):
    title: str
    lines: list[str]


@pytest.fixture
def channel(redis_client):
    return ChannelFactory(login="lantern")


@pytest.fixture
def asked(channel, providers):
    """Ask for a page, with words that may be nowhere but in the question."""

    def ask_for_a_page(**how):
        how = {"summary": None} | how
        return ask(Page, f"Be kind. {SECRET}", f"<messages>{SECRET}</messages>", channel=channel, **how)

    return ask_for_a_page


def only(settings, provider):
    settings.AI_PROVIDERS = [f"{provider}:{MODELS[provider]}"]


def rows():
    return list(ModelCall.objects.order_by("pk").values_list("provider", "outcome"))


def cost_of(provider, input_tokens, output_tokens):
    read, written = (Decimal(price) for price in PRICES[provider])
    return ledger.rounded((input_tokens * read + output_tokens * written) / 1_000_000)


# An answer


@pytest.mark.parametrize("provider", NAMES)
@pytest.mark.parametrize("told", [None, lambda so_far: None], ids=["whole", "in pieces"])
def test_each_provider_answers_in_the_shape_that_was_asked_for(settings, providers, asked, provider, told):
    only(settings, provider)
    providers.answer(provider, KIND, input_tokens=1234, output_tokens=56)
    answer = asked(told=told)
    assert answer.output == Page(**KIND)
    assert (answer.provider, answer.model) == (provider, MODELS[provider])
    assert (answer.input_tokens, answer.output_tokens) == (1234, 56)
    assert answer.cost == cost_of(provider, 1234, 56)
    assert providers.received[0].is_streamed == bool(told)


@pytest.mark.parametrize("provider", NAMES)
def test_what_is_asked_comes_with_its_shape_and_its_bounds(settings, providers, asked, provider):
    only(settings, provider)
    providers.answer(provider, KIND)
    asked()
    [request] = providers.received
    assert request.model == MODELS[provider]
    assert f"<messages>{SECRET}</messages>" in request.content
    assert "Be kind." in request.words
    assert '"lines"' in request.words
    limits = request.body.get("generationConfig") or request.body
    most = ("maxOutputTokens", "max_completion_tokens", "max_tokens")
    assert [limits[name] for name in most if name in limits] == [1200]
    assert limits["temperature"] == 0.2


def test_gemini_does_not_think_before_it_answers(settings, providers, asked):
    only(settings, "google")
    providers.answer("google", KIND)
    asked()
    assert list(providers.received[0].body["generationConfig"]["thinkingConfig"].values()) == [0]


@pytest.mark.parametrize(
    ("provider", "header", "value"),
    [
        ("openai", "authorization", "Bearer key-of-openai"),
        ("anthropic", "authorization", "Bearer key-of-anthropic"),
        ("google", "x-goog-api-key", "key-of-gemini"),
    ],
)
def test_each_is_asked_with_its_own_key(settings, providers, asked, provider, header, value):
    only(settings, provider)
    providers.answer(provider, KIND)
    asked()
    assert providers.received[0].headers[header] == value


@pytest.mark.parametrize("provider", NAMES)
def test_a_server_of_ones_own_needs_no_key(settings, providers, asked, provider):
    only(settings, provider)
    settings.OPENAI_API_KEY = settings.ANTHROPIC_API_KEY = settings.GEMINI_API_KEY = ""
    providers.answer(provider, KIND)
    assert asked().output == Page(**KIND)


def test_a_model_that_knows_no_schemas_is_given_a_tool(settings, providers, asked):
    settings.AI_PROVIDERS = ["anthropic:claude-3-5-haiku-latest"]
    providers.answer("anthropic", KIND)
    assert asked().output == Page(**KIND)
    assert providers.received[0].body["tools"][0]["input_schema"]["required"] == ["title", "lines"]


@pytest.mark.parametrize(
    ("model", "name"),
    [("llama3.1:8b", "max_tokens"), ("gpt-oss:20b", "max_tokens"), ("gpt-5", "max_completion_tokens")],
)
def test_a_server_of_ones_own_is_told_in_words_it_knows_how_much_to_write(settings, providers, asked, model, name):
    settings.AI_PROVIDERS = [f"openai:{model}"]
    providers.answer("openai", KIND)
    asked()
    assert providers.received[0].body[name] == 1200


def test_the_first_that_answers_is_the_only_one_that_is_asked(providers, asked):
    providers.answer("openai", KIND)
    assert asked().provider == "openai"
    assert [request.provider for request in providers.received] == ["openai"]


# In pieces


@pytest.mark.parametrize("provider", NAMES)
def test_whoever_waits_is_told_more_and_more(settings, providers, asked, provider, monkeypatch):
    monkeypatch.setattr(meter, "TOLD_EVERY_S", None)
    only(settings, provider)
    providers.answer(provider, KIND, is_paced=True)
    heard: list[Page] = []
    for _ in range(1000):
        providers.go()
    asked(told=heard.append)
    assert len(heard) >= 3
    assert heard[-1] == Page(**KIND)
    assert all(KIND["title"].startswith(page.title) for page in heard)
    assert [len(page.lines) for page in heard] == sorted(len(page.lines) for page in heard)


@pytest.mark.parametrize("provider", NAMES)
def test_when_one_breaks_off_in_the_middle_the_next_starts_anew(settings, providers, asked, provider, monkeypatch):
    monkeypatch.setattr(meter, "TOLD_EVERY_S", None)
    other = next(name for name in NAMES if name != provider)
    settings.AI_PROVIDERS = [f"{name}:{MODELS[name]}" for name in (provider, other)]
    providers.cut(provider, KIND)
    providers.answer(other, CALM)
    heard: list[Page] = []
    assert asked(told=heard.append).output == Page(**CALM)
    titles = [page.title for page in heard if page.title]
    assert titles[0][0] == "K"
    assert titles[-1] == "Calm"
    assert rows() == [(provider, "error"), (other, "ok")]


# Failures


FAILURES = {
    "500": (lambda providers, name: providers.fail(name, 500), "error", "HTTP 500"),
    "429": (lambda providers, name: providers.fail(name, 429, retry_after=20), "limited", "HTTP 429"),
    "401": (lambda providers, name: providers.fail(name, 401), "error", "HTTP 401"),
    "hang": (lambda providers, name: providers.hang(name), "timeout", "Timeout"),
    "drip": (lambda providers, name: providers.drip(name), "timeout", "Timeout"),
    "stall": (lambda providers, name: providers.stall(name, KIND), "timeout", "Timeout"),
    "cut": (lambda providers, name: providers.cut(name, KIND), "error", "ModelConnectionError"),
    "mangled": (lambda providers, name: providers.mangle(name), "malformed", "no JSON"),
    "words": (lambda providers, name: providers.say(name, "Sure! Here it is."), "malformed", "UnexpectedModelBehavior"),
    "misfit": (lambda providers, name: providers.answer(name, {"titel": 3}), "malformed", "UnexpectedModelBehavior"),
}
SILENT = {"hang", "drip", "stall"}
BILLED = {"hang", "drip", "stall", "cut", "mangled", "words", "misfit"}


@pytest.fixture
def soon(settings):
    """Wait half a second for the first that is asked where it will say nothing, and long for the next."""

    def still_wanted():
        settings.AI_TIMEOUT_S = 10.0
        return True

    def wait(failure):
        settings.AI_TIMEOUT_S = 0.5 if failure in SILENT else 10.0
        return {"still_wanted": still_wanted}

    return wait


@pytest.mark.parametrize("told", [None, lambda so_far: None], ids=["whole", "in pieces"])
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("provider", NAMES)
def test_after_a_failure_of_any_kind_the_next_is_asked(settings, providers, asked, provider, failure, told, soon):
    other = next(name for name in NAMES if name != provider)
    settings.AI_PROVIDERS = [f"{name}:{MODELS[name]}" for name in (provider, other)]
    arrange, outcome, detail = FAILURES[failure]
    arrange(providers, provider)
    providers.answer(other, KIND)
    answer = asked(told=told, **soon(failure))
    assert (answer.provider, answer.output) == (other, Page(**KIND))
    assert rows() == [(provider, outcome), (other, "ok")]
    # The client does not try again by itself. On a busy machine its time may be over before it is connected.
    assert len(providers.asked(provider)) <= 1
    row = ModelCall.objects.get(provider=provider)
    assert detail in row.detail
    assert (row.cost > 0) == (failure in BILLED)


def test_who_cannot_be_reached_costs_nothing(settings, providers, asked):
    settings.OPENAI_BASE_URL = "http://127.0.0.1:9/v1"
    providers.answer("anthropic", KIND)
    assert asked().provider == "anthropic"
    row = ModelCall.objects.get(provider="openai")
    assert (row.outcome, row.cost) == ("error", Decimal(0))


@pytest.mark.parametrize("failure", [500, 429])
def test_when_all_fail_nothing_is_answered(providers, asked, failure):
    for name in NAMES:
        providers.fail(name, failure)
    with pytest.raises(Unavailable, match=r"could be reached"):
        asked()
    assert [request.provider for request in providers.received] == list(NAMES)


def test_when_none_answers_in_the_shape_that_is_told(providers, asked):
    for name in NAMES:
        providers.say(name, "Sure!")
    with pytest.raises(Malformed, match="could not be used"):
        asked()


def test_without_a_provider_nothing_is_answered(settings, providers, asked):
    settings.AI_PROVIDERS = []
    with pytest.raises(Unavailable):
        asked()


def test_an_answer_that_was_too_long_is_not_used(settings, providers, asked):
    only(settings, "openai")
    providers.say("openai", json.dumps(KIND)[:20])
    with pytest.raises(Malformed):
        asked()


def test_a_model_that_wants_to_be_asked_again_is_not(settings, providers, asked, monkeypatch):
    only(settings, "anthropic")
    monkeypatch.setattr("chat.tests.summaries.providers_server.Anthropic.finish", "pause_turn")
    providers.answer("anthropic", KIND)
    with pytest.raises(Malformed):
        asked()
    assert len(providers.received) == 1
    assert rows() == [("anthropic", "malformed")]


# Refusals


@pytest.mark.parametrize("said", ["", KIND], ids=["at once", "in the middle"])
@pytest.mark.parametrize("told", [None, lambda so_far: None], ids=["whole", "in pieces"])
@pytest.mark.parametrize("provider", NAMES)
def test_a_refusal_is_final(settings, providers, asked, provider, told, said):
    other = next(name for name in NAMES if name != provider)
    settings.AI_PROVIDERS = [f"{name}:{MODELS[name]}" for name in (provider, other)]
    providers.refuse(provider, said)
    with pytest.raises(Refused, match="would not write this"):
        asked(told=told)
    assert rows() == [(provider, "refused")]
    assert ModelCall.objects.get().cost == cost_of(provider, 1000, 3)


@pytest.mark.parametrize("told", [None, lambda so_far: None], ids=["whole", "in pieces"])
def test_a_question_that_gemini_does_not_even_ask_is_refused(settings, providers, asked, told):
    only(settings, "google")
    providers.block()
    with pytest.raises(Refused):
        asked(told=told)
    assert rows() == [("google", "refused")]


# The ledger


def test_a_call_is_entered_before_it_is_made(settings, providers, asked):
    only(settings, "openai")
    providers.answer("openai", KIND)
    found: list[tuple[str, str]] = []
    asked(told=lambda so_far: found.extend(rows()))
    assert found[0] == ("openai", "open")


def test_what_a_call_used_is_entered(settings, providers, asked, channel):
    only(settings, "anthropic")
    providers.answer("anthropic", KIND, input_tokens=2000, output_tokens=300)
    asked()
    row = ModelCall.objects.get()
    assert (row.channel, row.provider, row.model) == (channel, "anthropic", "claude-haiku-4-5")
    assert (row.outcome, row.input_tokens, row.output_tokens) == ("ok", 2000, 300)
    assert (row.cost, row.is_priced, row.detail) == (Decimal("0.003500"), True, "")


def test_a_call_is_entered_with_the_summary_it_is_for(settings, providers, asked, channel):
    viewer = Viewer.objects.create(twitch_id="77", login="ada", display_name="Ada", named_at=timezone.now())
    summary = Summary.objects.create(channel=channel, viewer=viewer, number=1, begun_at=timezone.now())
    only(settings, "openai")
    providers.answer("openai", KIND)
    asked(summary=summary)
    assert ModelCall.objects.get().summary == summary


def test_an_answer_that_did_not_come_whole_is_taken_to_cost_the_most_that_it_could(settings, providers, asked):
    only(settings, "openai")
    providers.cut("openai", KIND)
    with pytest.raises(Unavailable):
        asked(told=lambda so_far: None)
    row = ModelCall.objects.get()
    assert row.cost > cost_of("openai", 0, 1200)
    assert not row.is_priced


def test_a_model_of_ones_own_is_free(settings, providers, asked):
    settings.AI_PROVIDERS = ["openai:llama3.1:8b"]
    settings.AI_DAILY_BUDGET = "0"
    providers.answer("openai", KIND)
    assert asked().cost == 0
    assert not ModelCall.objects.get().is_priced


def test_a_model_without_a_price_is_taken_to_be_dear(settings, providers, asked, monkeypatch):
    settings.AI_PROVIDERS = ["openai:gpt-of-tomorrow"]
    monkeypatch.setattr("chat.summaries.providers.Entry.own_url", "")
    usual = {"openai": PROVIDERS["openai"]._replace(usual_url=settings.OPENAI_BASE_URL)}
    monkeypatch.setattr("chat.summaries.providers.PROVIDERS", usual)
    providers.answer("openai", KIND, input_tokens=1000, output_tokens=100)
    assert asked().cost == Decimal("0.03")
    assert not ModelCall.objects.get().is_priced


# Money


def test_a_call_that_could_pass_the_budget_is_not_made(settings, providers, asked):
    settings.AI_DAILY_BUDGET = "0.001"
    with pytest.raises(BudgetSpent, match="today is spent"):
        asked()
    assert providers.received == []
    assert rows() == []


def test_when_the_budget_is_spent_no_cheaper_one_is_asked(settings, providers, asked, channel):
    spent = {"provider": "openai", "model": "gpt-4o", "outcome": "ok", "began_at": timezone.now()}
    ModelCall.objects.create(channel=channel, cost=Decimal("0.99"), **spent)
    with pytest.raises(BudgetSpent):
        asked()
    assert providers.received == []


def test_money_that_is_spent_in_the_middle_stops_the_next_call(settings, providers, asked):
    # Enough for what the first may cost and did not, and not for the second beside it.
    settings.AI_DAILY_BUDGET = "0.02"
    providers.cut("openai", KIND)
    with pytest.raises(BudgetSpent):
        asked()
    assert [request.provider for request in providers.received] == ["openai"]


# Whoever asked


def test_what_nobody_wants_any_more_is_not_asked(providers, asked):
    with pytest.raises(Unwanted):
        asked(still_wanted=lambda: False)
    assert providers.received == []
    assert rows() == []


def test_it_is_asked_before_every_call_whether_it_is_wanted(providers, asked):
    providers.fail("openai", 500)
    wanted = [True, False]
    with pytest.raises(Unwanted):
        asked(still_wanted=lambda: wanted.pop(0))
    assert [request.provider for request in providers.received] == ["openai"]


def test_a_summary_that_was_deleted_is_not_asked_for(settings, providers, asked, channel):
    gone = Summary(pk=12345, channel=channel, number=1, begun_at=timezone.now())
    with pytest.raises(Unwanted):
        asked(summary=gone)
    assert providers.received == []


def test_a_mistake_of_ours_is_not_taken_for_theirs(settings, providers, asked):
    only(settings, "openai")
    providers.answer("openai", KIND)

    def told(so_far):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asked(told=told)
    assert rows() == [("openai", "error")]


# What is told of it


def chain_of(error: BaseException | None) -> list[str]:
    """An error, and whatever it came from."""
    return [repr(error), *chain_of(error.__cause__ or error.__context__)] if error else []


@pytest.mark.parametrize("failure", sorted(FAILURES.keys() - {"drip", "stall"}))
@pytest.mark.parametrize("provider", NAMES)
def test_nothing_of_what_was_asked_is_written_anywhere(settings, providers, asked, provider, failure, caplog, soon):
    only(settings, provider)
    FAILURES[failure][0](providers, provider)
    with caplog.at_level(logging.DEBUG), pytest.raises(asking.NotAnswered) as raised:
        asked(told=lambda so_far: None, **soon(failure))
    written = "\n".join([*chain_of(raised.value), caplog.text, *ModelCall.objects.values_list("detail", flat=True)])
    assert SECRET not in written
    assert "Kind" not in written


def test_a_code_that_is_no_code_is_not_kept(settings, providers, asked, monkeypatch):
    only(settings, "openai")
    monkeypatch.setattr(
        "chat.tests.summaries.providers_server.OpenAI.error",
        lambda wire, message: {"error": {"message": message, "type": message, "code": message, "param": None}},
    )
    providers.fail("openai", 500)
    with pytest.raises(Unavailable):
        asked()
    assert ModelCall.objects.get().detail == "HTTP 500"


# The circuit


def test_a_model_that_failed_three_times_is_left_alone(providers, asked):
    providers.fail("openai", 500)
    providers.answer("anthropic", KIND)
    for _ in range(4):
        asked()
    assert len(providers.asked("openai")) == 3
    assert len(providers.asked("anthropic")) == 4


def test_a_model_that_says_when_to_come_back_is_left_alone_until_then(providers, asked, monkeypatch):
    now = 1_767_225_600.0
    monkeypatch.setattr("chat.summaries.circuit.clock", lambda: now)
    providers.fail("openai", 429, retry_after=20)
    providers.answer("openai", KIND)
    providers.answer("anthropic", CALM)
    assert asked().provider == "anthropic"
    now += 19
    assert asked().provider == "anthropic"
    now += 2
    assert asked().provider == "openai"


def test_a_refusal_is_no_failure(settings, providers, asked):
    providers.refuse("openai")
    for _ in range(4):
        with pytest.raises(Refused):
            asked()
    assert len(providers.asked("openai")) == 4


def test_a_question_that_is_wrong_is_no_failure_of_the_model(providers, asked):
    providers.fail("openai", 400)
    providers.answer("anthropic", KIND)
    for _ in range(4):
        asked()
    assert len(providers.asked("openai")) == 4


# Many workers


@pytest.mark.django_db(transaction=True)
def test_other_workers_see_a_call_before_it_is_made(settings, providers, asked):
    only(settings, "openai")

    def answer(request):
        try:
            seen.extend(rows())
        finally:
            connection.close()
        return KIND

    seen: list[tuple[str, str]] = []
    providers.answer("openai", answer)
    asked()
    assert seen == [("openai", "open")]


@pytest.mark.django_db(transaction=True)
def test_while_a_call_could_spend_what_is_left_no_other_is_made(settings, providers, asked):
    settings.AI_DAILY_BUDGET = "0.02"  # one call can come to more than half of it
    only(settings, "openai")
    providers.answer("openai", KIND)
    refused: list[type] = []

    def meanwhile():
        try:
            asked()
        finally:
            connection.close()

    def told(so_far):
        with ThreadPoolExecutor(1) as another:
            error = another.submit(meanwhile).exception()
            refused.append(type(error))

    asked(told=told)
    assert set(refused) == {BudgetSpent}
    asked()  # what the first did cost leaves enough
    assert len(providers.received) == 2
