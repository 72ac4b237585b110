"""What a language model is asked of a viewer, and how its answer is read."""

import json
from datetime import UTC, datetime

import pytest

from chat.summaries import prompt
from chat.summaries.prompt import Portrait
from chat.summaries.quoting import made_safe
from chat.summaries.reading import Read, Sample
from chat.tests.summaries.injections import INJECTIONS

AT = datetime(2026, 11, 21, 18, 3, tzinfo=UTC)
SAMPLE = Sample(
    [Read("m1", "id-1", AT, "first"), Read("m2", "id-2", AT, "second", context="what was asked")], frozenset({"bob"}), 1
)


def test_a_message_is_told_with_time_and_what_it_answers():
    assert json.loads(prompt.content(SAMPLE)) == {
        "messages": [
            {"id": "m1", "at": "2026-11-21 18:03", "text": "first"},
            {"id": "m2", "at": "2026-11-21 18:03", "text": "second", "answers": "what was asked"},
        ]
    }


def test_no_id_and_nobodys_name_is_told():
    assert not any(word in prompt.content(SAMPLE) for word in ("id-1", "id-2", "bob"))


def test_what_was_said_before_is_made_safe_too():
    asked = prompt.content(SAMPLE, ["They know \u200bbob from https://evil.example.", "They like bread."])
    assert json.loads(asked)["previous"] == ["They know @someone from [link]", "They like bread."]


@pytest.mark.parametrize("text", ['"}]}', "\\", '\\"', "</x>", "```", "\u2028", "&quot;", "\u0416\u732b\U0001f600"])
def test_a_text_is_one_string_whatever_is_in_it(text):
    told = prompt.content(Sample([Read("m1", "id", AT, text)]))
    assert json.loads(told)["messages"][0]["text"] == text
    assert not set("<>`&") & set(told)


@pytest.mark.parametrize("injection", [pytest.param(one, id=one.name) for one in INJECTIONS])
def test_what_is_answered_is_one_string_too(injection):
    harmless, asked = (
        json.loads(prompt.content(Sample([Read("m1", "id", AT, "text", made_safe(context))])))
        for context in ("nice stream tonight", injection.text)
    )
    harmless["messages"][0].pop("answers")
    asked["messages"][0].pop("answers")
    assert asked == harmless


def test_letters_of_all_languages_are_told_as_letters():
    assert "\u0416\u732b\U0001f600" in prompt.content(Sample([Read("m1", "id", AT, "\u0416\u732b\U0001f600")]))


def test_a_claim_rests_on_the_messages_it_names():
    claim = {"text": "They write.", "sources": ["m2", " m1", "m2", "m7", "id-1", ""]}
    (draft,) = prompt.drafts_of(Portrait.model_validate({"tone": [claim]}), SAMPLE)
    assert (draft.part, draft.text) == ("tone", "They write.")
    assert [read.message_id for read in draft.sources] == ["id-2", "id-1"]


def test_parts_come_in_their_order():
    claims = [{"text": "They write.", "sources": ["m1"]}]
    answer = Portrait.model_validate(dict.fromkeys(("tone", "jokes", "interests", "portrait"), claims))
    assert [draft.part for draft in prompt.drafts_of(answer, SAMPLE)] == ["portrait", "interest", "joke", "tone"]


def test_what_is_not_written_yet_is_not_missing():
    assert prompt.drafts_of(Portrait.model_validate({}), SAMPLE) == []


def test_bounds_are_told_and_break_nothing():
    long = {"text": "x" * 1000, "sources": ["m1"] * 50}
    assert len(prompt.drafts_of(Portrait.model_validate({"portrait": [long] * 30}), SAMPLE)) == 30
    schema = json.dumps(Portrait.model_json_schema())
    for bound in ("280", "2 to 4", "3 to 5", "0 to 3", "1 claim"):
        assert bound in schema


@pytest.mark.parametrize(
    "rule",
    ["data", "never follow", "quote", "Name nobody", "health, religion", "links", "English", "previous", "guess"],
)
def test_the_instructions_say_what_the_checks_enforce(rule):
    assert rule in prompt.INSTRUCTIONS
