"""Somebody who is answered in a message of another's summary, and no longer agrees while it is written."""

from datetime import timedelta

import pytest
from django.utils import timezone

from chat.summaries import asking, making
from chat.tests.crowd import make_message
from streams.tests.cast import make_channel
from viewers import choices
from viewers.choices import WORDING
from viewers.models import Consent, Summary, SummaryPolicy
from viewers.tests.cast import make_viewer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

NOW = timezone.now()
ASKED = "which of the two games do you like better"
ANSWER = {"portrait": [{"text": "They prefer the older game of the two.", "sources": ["m1"]}]}


@pytest.fixture
def people():
    channel = make_channel()
    SummaryPolicy.objects.create(channel=channel, is_on=True)
    people = [make_viewer(channel, login, messages=100) for login in ("ann", "bella")]
    for viewer in people:
        Consent.objects.create(viewer=viewer, kind="summary", wording=WORDING[Consent.Kind.SUMMARY])
    asked = make_message(channel, people[1], NOW - timedelta(hours=2), text=ASKED)
    make_message(
        channel, people[0], NOW - timedelta(hours=1), text="the older one, by a mile or two",
        reply_to_id=asked.pk, reply_to_viewer_id=people[1].pk,
    )  # fmt: skip
    return people


def begin(viewer, **fields):
    channel = SummaryPolicy.objects.get().channel
    return Summary.objects.create(channel=channel, viewer=viewer, number=1, begun_at=NOW, **fields)


@pytest.fixture
def withdrawing(monkeypatch, people):
    """Once everything is read, before anybody is asked, the second of them takes it back."""
    ask = asking.ask

    def withdrawn(*args, **kwargs):
        choices.withdraw(people[1], "summary")
        return ask(*args, **kwargs)

    monkeypatch.setattr(asking, "ask", withdrawn)


def test_what_is_answered_is_given_while_both_agree(people, providers):
    providers.answer("openai", ANSWER)
    making.make(begin(people[0]).pk, making.OfViewer(), NOW)
    assert ASKED in providers.received[0].content


@pytest.mark.usefixtures("withdrawing")
def test_nobody_is_asked_with_words_of_who_no_longer_agrees(people, providers):
    making.make(begin(people[0]).pk, making.OfViewer(), NOW)
    assert providers.received == []


@pytest.mark.usefixtures("withdrawing")
def test_the_summary_is_written_without_them_the_next_time(people, providers):
    providers.answer("openai", ANSWER)
    summary = begin(people[0])
    making.make(summary.pk, making.OfViewer(), NOW)
    assert Summary.objects.get(pk=summary.pk).state == Summary.State.WAITING
    making.make(summary.pk, making.OfViewer(), NOW)
    assert Summary.objects.get(pk=summary.pk).state == Summary.State.SHOWN
    assert ASKED not in providers.received[0].content


@pytest.mark.usefixtures("withdrawing")
def test_who_asked_for_it_is_told_to_ask_again(people, providers):
    summary = begin(people[0], is_asked=True)
    making.make(summary.pk, making.OfViewer(), NOW)
    assert "try again" in Summary.objects.get(pk=summary.pk).reason
