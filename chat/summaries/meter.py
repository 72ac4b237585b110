"""One call of one model: allowed and entered in the ledger before it is made, closed with what came of it.

Importing this takes seconds: it brings the clients of the providers along.
"""

import json
import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.conf import settings
from pydantic_ai import Agent, NativeOutput, RunContext
from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelTimeoutError,
    UnexpectedModelBehavior,
)
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from chat.summaries import circuit, ledger
from chat.summaries.asking import Answer, BudgetSpent, Refused, T, Unwanted
from chat.summaries.prices import guessed_price, known_price
from chat.summaries.providers import Entry, model_of
from streams.models import Channel
from viewers.models import ModelCall, Summary

Outcome = ModelCall.Outcome

MOST_OUTPUT_TOKENS = 1200
TEMPERATURE = 0.2
# How often whoever waits is told more.
TOLD_EVERY_S: float | None = 0.1
# No model reads or writes as many. Whoever says so is not believed: neither the ledger nor the budget would bear it.
MOST_TOKENS = 10_000_000
# What providers add to a question: marks between its parts, and how the output is to look.
ADDED_TOKENS = 500
# A trial of a model whose circuit was open may take this much longer than a call.
CIRCUIT_MARGIN_S = 30
CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")


class Failed(Exception):
    """A model did not answer; another one may. `detail`: status and code, no words of anybody."""

    def __init__(self, outcome: ModelCall.Outcome, detail: str) -> None:
        super().__init__(outcome, detail)
        self.outcome = outcome
        self.detail = detail


class Ending(NamedTuple):
    """How a call ended."""

    outcome: ModelCall.Outcome
    detail: str = ""
    is_billed: bool = True
    counts: bool = True
    """As a failure of the model: what we asked wrongly does not."""
    retry_after_s: float | None = None


async def call(
    entry: Entry,
    output: type[T],
    instructions: str,
    content: str,
    *,
    channel: Channel,
    summary: Summary | None,
    told: Callable[[T], None] | None,
    still_wanted: Callable[[], bool],
) -> Answer[T]:
    """Ask one model once. Raises Failed where another may be asked, and NotAnswered where none is to be."""
    meter = Meter(entry, channel, summary, still_wanted)
    agent = Agent(
        meter,
        output_type=NativeOutput(output) if meter.profile.get("supports_json_schema_output") else output,
        instructions=instructions,
        retries=0,
        model_settings=ModelSettings(
            max_tokens=MOST_OUTPUT_TOKENS,
            temperature=TEMPERATURE,
            # What a model thinks is paid for, and would leave nothing of these tokens for the answer.
            thinking=False,
            timeout=settings.AI_TIMEOUT_S,
            request_timeout=settings.AI_TIMEOUT_S,
            max_retries=0,
        ),
    )
    agent.instrument = False
    ending = Ending(Outcome.ERROR, "broke off", counts=False)
    try:
        async with agent:
            answered = await (_streamed(agent, content, told) if told else _whole(agent, content))
        ending = Ending(Outcome.REFUSED if meter.is_refused else Outcome.OK)
    except AgentRunError as error:
        # Errors of the library quote what was asked: none of them leaves this function, not even as a cause.
        ending = Ending(Outcome.REFUSED) if meter.is_refused else _ending(error)
    finally:
        cost = await meter.close(ending)
    if ending.outcome == Outcome.REFUSED:
        raise Refused
    if ending.outcome != Outcome.OK:
        raise Failed(ending.outcome, ending.detail)
    return Answer(answered, entry.provider, entry.model, meter.input_tokens, meter.output_tokens, cost)


async def _whole(agent: Agent[None, T], content: str) -> T:
    return (await agent.run(content)).output


async def _streamed(agent: Agent[None, T], content: str, told: Callable[[T], None]) -> T:
    last = None
    async with agent.run_stream(content) as run:
        async for so_far in run.stream_output(debounce_by=TOLD_EVERY_S):
            if so_far != last:
                await sync_to_async(told)(so_far)
                last = so_far
        return await run.get_output()


class Meter(WrapperModel):
    """A model that answers once, if it is allowed to, and says what that cost."""

    def __init__(
        self, entry: Entry, channel: Channel, summary: Summary | None, still_wanted: Callable[[], bool]
    ) -> None:
        super().__init__(model_of(entry))
        self._entry = entry
        self._channel = channel
        self._summary = summary
        self._still_wanted = still_wanted
        self._number: int | None = None
        self._began = 0.0
        self._most = Decimal(0)
        self._answered: ModelResponse | StreamedResponse | None = None

    @property
    def response(self) -> ModelResponse | None:
        """What came so far."""
        return self._answered.get() if isinstance(self._answered, StreamedResponse) else self._answered

    @property
    def is_refused(self) -> bool:
        """Whether the model, or its provider, would not go on: also in the middle."""
        return self.response is not None and self.response.finish_reason == "content_filter"

    @property
    def input_tokens(self) -> int:
        return _within_reason(self.response.usage.input_tokens) if self.response else 0

    @property
    def output_tokens(self) -> int:
        return _within_reason(self.response.usage.output_tokens) if self.response else 0

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        await sync_to_async(self._enter)(messages, model_request_parameters)
        self._answered = await super().request(messages, model_settings, model_request_parameters)
        return self._answered

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        await sync_to_async(self._enter)(messages, model_request_parameters)
        async with super().request_stream(
            messages, model_settings, model_request_parameters, run_context
        ) as self._answered:
            yield self._answered

    async def close(self, ending: Ending) -> Decimal:
        """Enter how it ended, if there was a call; what it cost, or may have."""
        return await sync_to_async(self._close)(ending)

    def _enter(self, messages: list[ModelMessage], parameters: ModelRequestParameters) -> None:
        """Raises Unwanted, Failed, BudgetSpent: no call is made."""
        if self._number is not None:
            raise UnexpectedModelBehavior("it was to be asked once")
        if not self._still_wanted():
            raise Unwanted
        if not circuit.lets_through(str(self._entry), settings.AI_TIMEOUT_S + CIRCUIT_MARGIN_S):
            raise Failed(Outcome.ERROR, "left alone for a while")
        most = RequestUsage(input_tokens=_most_tokens(messages, parameters), output_tokens=MOST_OUTPUT_TOKENS)
        known = known_price(self._entry, most)
        self._most = guessed_price(self._entry, most) if known is None else known
        self._began = time.monotonic()
        try:
            self._number = ledger.enter(
                self._channel,
                self._summary,
                self._entry.provider,
                self._entry.model,
                self._most,
                is_priced=known is not None,
            )
        except ledger.NoMoney:
            raise BudgetSpent from None
        except ledger.NoSummary:
            raise Unwanted from None

    def _close(self, ending: Ending) -> Decimal:
        if self._number is None:
            return Decimal(0)
        if ending.outcome in {Outcome.OK, Outcome.REFUSED}:
            circuit.succeeded(str(self._entry))
        elif ending.counts:
            circuit.failed(str(self._entry), ending.retry_after_s)
        cost = self._cost(ending)
        ledger.close(
            self._number,
            ending.outcome,
            took_ms=round((time.monotonic() - self._began) * 1000),
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost=cost,
            detail=ending.detail,
        )
        return ledger.rounded(self._most if cost is None else cost)

    def _cost(self, ending: Ending) -> Decimal | None:
        """What it cost. None where that cannot be known: an answer that did not come whole is paid for too."""
        if not ending.is_billed:
            return Decimal(0)
        response = self.response
        if response is None or response.state != "complete" or not self.input_tokens:
            return None
        if any(count != _within_reason(count) for count in _counts(response.usage)):
            return None
        known = known_price(self._entry, response.usage)
        return guessed_price(self._entry, response.usage) if known is None else known


def _counts(used: RequestUsage) -> list[int]:
    return [count for count in vars(used).values() if isinstance(count, int)]


def _within_reason(tokens: int) -> int:
    return max(0, min(tokens, MOST_TOKENS))


def _most_tokens(messages: list[ModelMessage], parameters: ModelRequestParameters) -> int:
    """Tokens that a question cannot have more of: each is a byte at least."""
    shapes = [tool.parameters_json_schema for tool in parameters.output_tools]
    if parameters.output_object:
        shapes.append(parameters.output_object.json_schema)
    return len(ModelMessagesTypeAdapter.dump_json(messages)) + len(json.dumps(shapes)) + ADDED_TOKENS


def _ending(error: AgentRunError) -> Ending:
    """What an error of the library means."""
    if not isinstance(error, ModelAPIError):
        return Ending(Outcome.MALFORMED, type(error).__name__)
    if isinstance(error.__cause__, ValueError) and not isinstance(error, ModelHTTPError):
        return Ending(Outcome.MALFORMED, "no JSON")
    was_billed = error.in_stream or not isinstance(error, ModelHTTPError)
    if isinstance(error, ModelConnectionError) and error.phase in {"pool", "connect"}:
        was_billed = False
    is_ours = isinstance(error, ModelRequestRejectedError) and not isinstance(
        error, ModelAuthenticationError | ModelNotFoundError
    )
    return Ending(_outcome(error), _detail(error), was_billed, not is_ours, error.retry_after)


def _outcome(error: ModelAPIError) -> ModelCall.Outcome:
    if isinstance(error, ModelRateLimitError | ModelQuotaExceededError):
        return Outcome.LIMITED
    if isinstance(error, ModelTimeoutError | ModelRequestTimeout):
        return Outcome.TIMEOUT
    return Outcome.ERROR


def _detail(error: ModelAPIError) -> str:
    """Status and code, or what kind of error it was. Its text quotes what was asked."""
    if not isinstance(error, ModelHTTPError):
        return type(error).__name__
    code = error.provider_error_code or error.provider_error_type or ""
    return f"HTTP {error.status_code} {code if CODE.fullmatch(code) else ''}".strip()
