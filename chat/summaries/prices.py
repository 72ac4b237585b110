"""What calls of language models cost, as far as anybody knows. Importing this takes seconds."""

from decimal import Decimal

from genai_prices import calc_price
from pydantic_ai.usage import RequestUsage

from chat.summaries.providers import Entry

MILLION = 1_000_000
# Of models whose price nobody knows, US dollars a million tokens: more than any usual one takes.
DEAREST_INPUT = Decimal(20)
DEAREST_OUTPUT = Decimal(100)


def known_price(entry: Entry, used: RequestUsage) -> Decimal | None:
    """What this costs in US dollars."""
    try:
        return calc_price(used, entry.model, provider_id=entry.provider).total_price
    except LookupError:
        return None


def guessed_price(entry: Entry, used: RequestUsage) -> Decimal:
    """A model without a known price is free where its server is one's own, else dearer than any."""
    if entry.own_url:
        return Decimal(0)
    return (used.input_tokens * DEAREST_INPUT + used.output_tokens * DEAREST_OUTPUT) / MILLION
