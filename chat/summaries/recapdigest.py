"""The recap of a stream without a language model: its facts, as they are."""

from chat.summaries.checks import Draft
from chat.summaries.recapfacts import Facts


def of_stream(facts: Facts) -> list[Draft]:
    return [Draft(fact.part, fact.text, [], fact.at, is_counted=True, is_ours=True) for fact in facts.facts]
