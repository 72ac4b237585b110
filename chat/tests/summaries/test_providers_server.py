"""The providers that tests talk to: what they keep of everything that comes."""

import json
from urllib.request import Request, urlopen

import pytest

from chat.tests.summaries.providers_server import (
    EVERYTHING,
    UNTOLD,
    Providers,
    assert_nothing_untold_was_told,
)


def post(providers: Providers, words: str) -> None:
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": words}]}).encode()
    with urlopen(Request(f"{providers.url}/openai/v1/chat/completions", data=body)) as answer:
        assert answer.status == 200


def test_what_nobody_agreed_to_is_noticed_in_what_came(providers: Providers):
    providers.say("openai", "yes")
    post(providers, f"somebody wrote: {UNTOLD} hello")
    with pytest.raises(AssertionError, match="did not agree"):
        assert_nothing_untold_was_told()
    EVERYTHING.remove(providers.received[0])


def test_everything_that_came_is_kept_past_the_test(providers: Providers):
    providers.say("openai", "yes")
    post(providers, "hello")
    assert EVERYTHING[-1] is providers.received[0]
