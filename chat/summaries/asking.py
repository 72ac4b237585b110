"""Asks a language model for something of a given shape: the first of AI_PROVIDERS that answers.

Nothing here, nor in what it uses, writes texts of questions or answers into a log or an error.
"""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import structlog
from asgiref.sync import async_to_sync

from chat.summaries import providers
from streams.models import Channel
from viewers.models import Summary

if TYPE_CHECKING:
    from pydantic import BaseModel

log = structlog.get_logger(__name__)

T = TypeVar("T", bound="BaseModel")


class Answer(NamedTuple, Generic[T]):
    """What a model answered. Tokens and cost (US dollars) are those of the call that answered; the ledger has all."""

    output: T
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cost: Decimal


class NotAnswered(Exception):
    """There is no answer. The text is a sentence for people."""

    sentence = "No language model answered."

    def __init__(self) -> None:
        super().__init__(self.sentence)

    @property
    def reason(self) -> str:
        return str(self)


class BudgetSpent(NotAnswered):
    sentence = "What may be spent on language models today is spent. It goes on tomorrow, at midnight UTC."


class Unavailable(NotAnswered):
    sentence = "No language model could be reached just now. Please try again in a while."


class Refused(NotAnswered):
    sentence = "The language model would not write this."


class Malformed(NotAnswered):
    sentence = "What the language model answered could not be used. Please try again in a while."


class Unwanted(NotAnswered):
    sentence = "Nobody wants this any more."


def is_set_up() -> bool:
    """Whether there is a model to ask. Imports nothing that takes time, and breaks no page: a check names mistakes."""
    try:
        return bool(providers.to_ask())
    except providers.Misnamed:
        return False


def ask(
    output: type[T],
    instructions: str,
    content: str,
    *,
    channel: Channel,
    summary: Summary | None,
    told: Callable[[T], None] | None = None,
    still_wanted: Callable[[], bool] = lambda: True,
) -> Answer[T]:
    """What the first model that can makes of the content. From a job, outside of transactions.

    Raises NotAnswered, and Misnamed where AI_PROVIDERS names what there is not.

    `told` is given the answer as it grows. When a model breaks off, the next one starts anew: each call of `told` holds
    all that there is, which can be less than before. `still_wanted` is asked right before every call.
    """
    from chat.summaries.meter import Failed, call  # noqa: PLC0415 - takes seconds

    failures = []
    for entry in providers.to_ask():
        began = time.monotonic()
        try:
            # Its callbacks and queries run in this thread, on this thread's connection.
            return async_to_sync(call)(
                entry,
                output,
                instructions,
                content,
                channel=channel,
                summary=summary,
                told=told,
                still_wanted=still_wanted,
            )
        except Failed as failure:
            seconds = round(time.monotonic() - began, 1)
            log.warning(
                "ai.not_answered", model=str(entry), why=failure.outcome, detail=failure.detail, seconds=seconds
            )
            failures.append(failure.outcome)
    if failures and set(failures) == {"malformed"}:
        raise Malformed
    raise Unavailable
