"""Messages that want something of the language model: they change nothing but the text they are quoted from."""

import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from chat.models import Message
from chat.summaries import checks, making, prompt, reading
from chat.summaries.quoting import has_link
from chat.tests.crowd import make_message
from chat.tests.summaries.injections import INJECTIONS, LINK, NAME, PROMPT
from chat.tests.summaries.providers_server import UNTOLD
from streams.models import Channel
from streams.tests.cast import make_channel
from streamstats.lib.unseen import visible
from viewers.choices import WORDING
from viewers.models import Claim, Consent, Summary, SummaryPolicy
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

NOW = timezone.now()
SAID = [
    "does anybody know how the second boss is beaten",
    "the soundtrack of this level is the best one of the game",
    "good evening everybody, the bread is in the oven again",
    "that jump was closer than the last three together",
]
HONEST = "They ask how difficult parts of the game are beaten."
PLENTY = 100_000
BY_NAME = [pytest.param(one, id=one.name) for one in INJECTIONS]


@pytest.fixture
def channel():
    channel = make_channel()
    SummaryPolicy.objects.create(channel=channel, is_on=True)
    for login, shown in (("marcus", "Marcus"), ("bob_2", "Bob_2"), ("carol99", "Carol99")):
        other = make_viewer(channel, login, display_name=shown)
        make_message(channel, other, NOW - timedelta(hours=1), text=f"nobody may read this {UNTOLD}")
    return channel


@pytest.fixture
def ann(channel):
    viewer = make_viewer(channel, "ann", messages=100)
    Consent.objects.create(viewer=viewer, kind="summary", wording=WORDING[Consent.Kind.SUMMARY])
    for hours, text in enumerate(SAID, 2):
        make_message(channel, viewer, NOW - timedelta(hours=hours), text=text)
    return viewer


def write(viewer, text, minutes=30):
    make_message(Channel.objects.get(login="lantern"), viewer, NOW - timedelta(minutes=minutes), text=text)


def content(viewer):
    sample = reading.of_viewer(Channel.objects.get(login="lantern"), viewer, PLENTY)
    return prompt.content(sample, ["They like bread."])


def bones(document):
    """All of a document but what is in its strings."""
    return re.sub(r'"(?:[^"\\]|\\.)*"', "_", document)


def test_there_are_many_of_them():
    assert len(INJECTIONS) >= 40
    assert len({one.name for one in INJECTIONS}) == len(INJECTIONS)


@pytest.mark.parametrize("injection", BY_NAME)
def test_only_the_text_of_its_own_message_is_another(ann, injection):
    write(ann, "nice stream tonight, is it not")
    harmless = content(ann)
    Message.objects.filter(text__startswith="nice stream tonight").update(text=injection.text)
    asked = content(ann)
    messages, beside = json.loads(asked)["messages"], json.loads(harmless)["messages"]
    if len(messages) == len(SAID):  # it holds a link, and is not read at all
        assert has_link(injection.text)
        assert messages == beside[:-1]
    else:
        assert bones(asked) == bones(harmless)
        assert messages[:-1] == beside[:-1]
        assert messages[-1] == beside[-1] | {"text": messages[-1]["text"]}
    assert {**json.loads(asked), "messages": ""} == {**json.loads(harmless), "messages": ""}
    assert_is_harmless(asked)


def assert_is_harmless(asked):
    """Nobody is named, nothing could be clicked, nothing is hidden, and nothing looks like the end of anything."""
    assert not any(name in asked.lower() for name in ("marcus", "bob_2", "carol99"))
    assert not has_link(asked.replace("[link]", ""))
    assert not re.search("[<>`]", asked)
    for message in json.loads(asked)["messages"]:
        assert message["text"] == visible(message["text"])


@pytest.mark.parametrize("injection", BY_NAME)
def test_nothing_is_published_of_what_a_model_does_that_obeys(channel, ann, injection):
    write(ann, injection.text)
    sample = reading.of_viewer(channel, ann, PLENTY)
    sources = [sample.messages[-1].alias, "m1"]
    said = [{"text": text, "sources": sources} for text in injection.demands]
    answer = prompt.Portrait.model_validate({"portrait": [{"text": HONEST, "sources": ["m1"]}], "interests": said})
    kept = checks.checked(prompt.drafts_of(answer, sample), sample, secret=prompt.INSTRUCTIONS)
    assert [claim.text for claim in kept.claims] == [HONEST]
    assert sum(kept.dropped.values()) == len(injection.demands)


def obeying(asked):
    """A model that does all that it is told by anybody."""
    aliases = [message["id"] for message in json.loads(asked.content)["messages"]]
    demands = [text for one in INJECTIONS for text in one.demands]
    honest = [{"text": HONEST, "sources": aliases[:1]}]
    return {
        "portrait": [{"text": text, "sources": aliases[:3]} for text in demands[::2]] + honest,
        "interests": [{"text": text, "sources": aliases[-3:]} for text in demands[1::2]],
        "jokes": [{"text": text, "sources": ["m999"]} for text in (HONEST, LINK)],
        "tone": [{"text": text, "sources": aliases} for text in (NAME, PROMPT)],
    }


@pytest.mark.usefixtures("redis_client")
@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_all_of_them_at_once_change_nothing_on_the_way_to_the_page(channel, ann, providers, settings, provider):
    settings.AI_PROVIDERS = [entry for entry in settings.AI_PROVIDERS if entry.startswith(provider)]
    settings.AI_INPUT_TOKENS = PLENTY
    providers.answer(provider, obeying)
    for minutes, injection in enumerate(INJECTIONS, 1):
        write(ann, injection.text, minutes)
    summary = Summary.objects.create(channel=channel, viewer=ann, number=1, begun_at=NOW)
    making.make(summary.pk, making.OfViewer(), NOW)
    (request,) = providers.received
    messages = json.loads(request.content)["messages"]
    assert [message["text"] for message in messages[: len(SAID)]] == SAID[::-1]
    assert all(set(message) == {"id", "at", "text"} for message in messages)
    assert len(messages) > 40
    for name in ("marcus", "bob_2", "carol99", UNTOLD, "evil.example"):
        assert name not in request.words.lower()
    assert [claim.text for claim in Claim.objects.filter(summary=summary)] == [HONEST]
