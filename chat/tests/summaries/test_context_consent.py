"""Somebody who is answered in a message of another's summary, and what becomes of it when they no longer agree."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chat.models import Message
from chat.summaries import asking, making, page
from chat.tests.crowd import make_message
from streams.quickredis import quick_redis
from streams.tests.cast import make_channel
from viewers import choices, summaries
from viewers.choices import WORDING
from viewers.models import Claim, Consent, Summary, SummaryPolicy
from viewers.tests.cast import make_viewer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

NOW = timezone.now()
ASKED = "which of the two games do you like better"
SAID = "the older one, by a mile or two"
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
        channel, people[0], NOW - timedelta(hours=1), text=SAID,
        reply_to_id=asked.pk, reply_to_viewer_id=people[1].pk,
    )  # fmt: skip
    return people


def begin(viewer, **fields):
    channel = SummaryPolicy.objects.get().channel
    known = {"number": Summary.objects.count() + 1, "begun_at": NOW}
    return Summary.objects.create(channel=channel, viewer=viewer, **{**known, **fields})


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
    making.make(summary.pk, making.OfViewer(), NOW + timedelta(hours=1))
    assert Summary.objects.get(pk=summary.pk).state == Summary.State.SHOWN
    assert ASKED not in providers.received[0].content


@pytest.mark.usefixtures("withdrawing")
def test_who_asked_for_it_is_told_to_ask_again(people, providers):
    summary = begin(people[0], is_asked=True)
    making.make(summary.pk, making.OfViewer(), NOW)
    assert "try again" in Summary.objects.get(pk=summary.pk).reason


class Changes(making.OfViewer):
    """Something happens once all is read, before anybody is asked."""

    def __init__(self, change):
        self.change = change

    def read(self, summary):
        sample = super().read(summary)
        self.change()
        return sample


def remove(text):
    assert Message.objects.filter(text=text).update(removed_at=NOW)


def test_nothing_is_sent_that_a_moderator_removed_since_it_was_read(people, providers):
    making.make(begin(people[0]).pk, Changes(lambda: remove(SAID)), NOW)
    assert providers.received == []


def test_nothing_is_sent_with_what_it_answers_once_that_was_removed(people, providers):
    making.make(begin(people[0]).pk, Changes(lambda: remove(ASKED)), NOW)
    assert providers.received == []


def test_nothing_is_sent_of_who_was_answered_and_hid_since(people, providers):
    making.make(begin(people[0]).pk, Changes(lambda: choices.hide(people[1])), NOW)
    assert providers.received == []


def test_who_is_hidden_has_a_summary_all_the_same(people, providers):
    providers.answer("openai", ANSWER)
    making.make(begin(people[0]).pk, Changes(lambda: choices.hide(people[0])), NOW)
    assert len(providers.received) == 1


# Once it is written


@pytest.fixture
def written(people, providers):
    """The summary of the first, with a claim that rests on what the second asked."""
    providers.answer("openai", ANSWER)
    summary = begin(people[0])
    making.make(summary.pk, making.OfViewer(), NOW)
    return summary


def on_page(people):
    return page.on_page(SummaryPolicy.objects.get().channel, people[0])


def test_a_claim_says_whose_words_it_rests_on_beside_those_of_its_viewer(people, written):
    assert list(written.claims.get().people.all()) == [people[1]]


def test_it_is_shown_while_both_agree(people, written):
    assert on_page(people)


def test_it_is_shown_whatever_they_say_of_recaps(people, written):
    Consent.objects.create(viewer=people[1], kind="recap", wording=WORDING[Consent.Kind.RECAP], withdrawn_at=NOW)
    assert on_page(people)


def hides(viewer):
    choices.hide(viewer)


def hides_here(viewer):
    choices.hide(viewer, SummaryPolicy.objects.get().channel)


def withdraws(viewer):
    choices.withdraw(viewer, "summary")


def agreed_to_other_words(viewer):
    Consent.objects.filter(viewer=viewer).update(wording="others")


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("choose", [hides, hides_here, withdraws, agreed_to_other_words])
def test_it_is_not_shown_once_who_was_answered_does_not_want_it(people, choose):
    choose(people[1])
    assert on_page(people) is None


@pytest.mark.usefixtures("written")
def test_it_is_deleted_once_who_was_answered_takes_it_back(people):
    choices.withdraw(people[1], "summary")
    assert not Claim.objects.exists()


@pytest.mark.usefixtures("written")
def test_it_is_deleted_once_who_was_answered_is_erased(people):
    summaries.forget(people[1].pk, *Consent.Kind)
    assert not Claim.objects.exists()


@pytest.mark.usefixtures("written")
def test_it_stays_where_they_take_back_what_they_said_of_recaps(people):
    choices.withdraw(people[1], "recap")
    assert Claim.objects.exists()


@pytest.mark.usefixtures("written")
def test_what_rests_on_the_words_of_others_is_not_told_to_the_next(people, providers):
    making.make(begin(people[0]).pk, making.OfViewer(), NOW)
    assert ANSWER["portrait"][0]["text"] not in providers.received[-1].content


def test_a_claim_is_not_kept_where_who_was_answered_took_it_back_while_it_was_written(people, providers, monkeypatch):
    providers.answer("openai", ANSWER)
    checked = making._checked

    def withdrawn(*args):
        choices.withdraw(people[1], "summary")
        return checked(*args)

    monkeypatch.setattr(making, "_checked", withdrawn)
    making.make(begin(people[0]).pk, making.OfViewer(), NOW)
    assert not Claim.objects.exists()


def test_what_rests_on_the_words_of_others_is_not_told_while_it_is_written(people, providers):
    claims = [{"text": text, "sources": ["m1"]} for text in ("They prefer the older game.", "They answer at once.")]
    providers.answer("openai", {"portrait": claims})
    summary = begin(people[0], is_asked=True)
    making.make(summary.pk, making.OfViewer(), NOW)
    told: Any = quick_redis().xrange(summaries.told_in(summary.pk))
    assert not [fields for _, fields in told if b"older" in fields[b"data"]]
