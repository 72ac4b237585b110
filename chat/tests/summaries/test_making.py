"""A summary from its turn to the page, with the language models of three providers on this machine."""

import json
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from chat.models import Message
from chat.summaries import asking, circuit, due, making, page, prompt, versions
from chat.summaries.checks import Draft
from chat.summaries.making import MOST_ASKED, MOST_TRIES, OfViewer, _Teller
from chat.tests.crowd import make_message
from streams.models import Channel
from streams.quickredis import quick_redis
from streams.tests.cast import make_channel
from viewers import choices
from viewers.choices import WORDING
from viewers.models import Claim, Consent, ModelCall, Summary, SummaryPolicy, Viewer
from viewers.summaries import told_in
from viewers.tests.cast import make_viewer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

NOW = timezone.now()
SAID = [
    "does anybody know how the second boss is beaten",
    "I would take the bow for that, it is so much quicker",
    "the soundtrack of this level is the best one of the game",
    "has anyone tried the demo of the new puzzle game yet",
    "good evening everybody, the bread is in the oven again",
    "that jump was closer than the last three together",
    "I am on my third try of the water level myself",
    "my bread is ready, so the run may fail now",
]
ANSWER = {
    "portrait": [
        {"text": "They ask how bosses are beaten and share what worked.", "sources": ["m1", "m2"]},
        {"text": "They cheer for difficult jumps.", "sources": ["m6"]},
    ],
    "interests": [
        {"text": "They write about music in games.", "sources": ["m3"]},
        {"text": "They look forward to puzzle games.", "sources": ["m4"]},
        {"text": "They like hard levels with water.", "sources": ["m7"]},
    ],
    "jokes": [{"text": "Their bread is always ready at the wrong moment.", "sources": ["m5", "m8"]}],
    "tone": [{"text": "Their messages sound patient and warm.", "sources": ["m2", "m5"]}],
}
TEXTS = [claim["text"] for claims in ANSWER.values() for claim in claims]


@pytest.fixture
def channel():
    channel = make_channel()
    SummaryPolicy.objects.create(channel=channel, is_on=True)
    return channel


@pytest.fixture
def ann(channel):
    viewer = make_viewer(channel, "ann", messages=100)
    Consent.objects.create(viewer=viewer, kind="summary", wording=WORDING[Consent.Kind.SUMMARY])
    for hours, text in enumerate(reversed(SAID), 1):
        make_message(channel, viewer, NOW - timedelta(hours=hours), text=text)
    return viewer


def begin(viewer, **fields):
    channel = Channel.objects.get(login="lantern")
    known = {"channel": channel, "viewer": viewer, "number": Summary.objects.count() + 1, "begun_at": NOW}
    return Summary.objects.create(**{**known, **fields})


def make(summary, now=NOW):
    told = making.make(summary.pk, OfViewer(), now)
    return Summary.objects.filter(pk=summary.pk).first(), told


def texts(summary):
    return list(summary.claims.order_by("position").values_list("text", flat=True))


def shown_of(channel, viewer):
    shown = page.on_page(channel, viewer)
    assert shown is not None
    return shown


def test_what_a_model_wrote_is_kept_with_its_sources(providers, ann):
    providers.answer("openai", ANSWER)
    summary, _ = make(begin(ann))
    assert texts(summary) == TEXTS
    first = summary.claims.get(position=0)
    said = Message.objects.filter(pk__in=first.source_ids).order_by("sent_at").values_list("text", flat=True)
    assert list(said) == SAID[:2]


def test_it_says_who_wrote_it_and_from_how_much(providers, ann):
    providers.answer("openai", ANSWER, input_tokens=1000, output_tokens=200)
    summary, _ = make(begin(ann))
    assert (summary.state, summary.made_by, summary.provider, summary.model) == ("shown", "model", "openai", "gpt-4o")
    assert (summary.messages_read, summary.made_at, bool(summary.prompt_version)) == (len(SAID), NOW, True)
    assert (summary.input_tokens, summary.output_tokens) == (1000, 200)
    assert summary.cost == ModelCall.objects.get().cost > Decimal(0)


def test_calls_that_failed_are_in_what_it_cost(providers, ann):
    providers.answer("openai", {"portrait": "not what was asked for"}, input_tokens=10, output_tokens=1)
    providers.answer("anthropic", ANSWER, input_tokens=1000, output_tokens=200)
    summary, _ = make(begin(ann))
    assert summary.provider == "anthropic"
    assert summary.cost == sum(ModelCall.objects.values_list("cost", flat=True))
    assert ModelCall.objects.filter(summary=summary).count() > 1


def test_it_is_on_the_page(providers, channel, ann):
    providers.answer("openai", ANSWER)
    make(begin(ann))
    shown = shown_of(channel, ann)
    assert [claim.text for _, claims in shown.sections for claim in claims] == TEXTS


def test_the_version_before_is_given_so_that_it_can_grow(providers, ann):
    providers.answer("openai", ANSWER)
    make(begin(ann))
    make(begin(ann))
    first, second = (json.loads(request.content) for request in providers.asked("openai"))
    assert ("previous" in first, second["previous"]) == (False, TEXTS)


@pytest.mark.parametrize("sources", [[], ["m99"], ["m-1"], ["' OR 1=1"], ["m9"]])
def test_a_claim_that_rests_on_nothing_of_theirs_is_not_kept(providers, channel, ann, sources):
    make_message(channel, make_viewer(channel, "bob"), NOW, text="what bob says is of nobody's concern here")
    providers.answer("openai", {**ANSWER, "jokes": [{"text": "They sing while they cook.", "sources": sources}]})
    summary, _ = make(begin(ann))
    assert "They sing while they cook." not in texts(summary)
    assert summary.dropped == {"no source": 1}


def test_words_that_the_channel_blocked_are_not_kept(providers, channel, ann):
    SummaryPolicy.objects.update(blocked_words="bread\nmusic in games")
    providers.answer("openai", ANSWER)
    summary, _ = make(begin(ann))
    assert len(texts(summary)) == len(TEXTS) - 2
    assert summary.dropped == {"blocked word": 2}


def test_where_moderators_read_it_first_it_waits_for_them(providers, channel, ann):
    SummaryPolicy.objects.update(needs_review=True)
    providers.answer("openai", ANSWER)
    summary, _ = make(begin(ann))
    assert (summary.state, page.on_page(channel, ann)) == ("review", None)


def test_asking_for_another_does_not_get_round_a_moderator_who_hid_it(providers, channel, ann):
    providers.answer("openai", ANSWER)
    versions.hide(begin(ann, state="shown"), User.objects.create_superuser("m"), Summary.Role.MODERATOR)
    summary, _ = make(begin(ann, is_asked=True))
    assert (summary.state, page.on_page(channel, ann)) == ("review", None)


def test_a_refusal_is_an_outcome(providers, ann):
    providers.refuse("openai")
    summary, told = make(begin(ann))
    assert (summary.state, summary.reason) == ("refused", "The language model would not write this.")
    assert told.startswith("refused")


def test_an_answer_of_which_nothing_may_be_shown_is_a_refusal(providers, ann):
    unfit = [{"text": "See https://example.org for more of them.", "sources": ["m1"]}]
    providers.answer("openai", {"portrait": unfit, "interests": [], "jokes": [], "tone": []})
    summary, _ = make(begin(ann))
    assert (summary.state, summary.dropped, texts(summary)) == ("refused", {"link": 1}, [])
    assert "could not be shown" in summary.reason


def everything_fails(providers):
    for name in ("openai", "anthropic", "google"):
        providers.fail(name, 500)


def test_where_nobody_answers_it_waits_and_is_tried_again(providers, ann):
    everything_fails(providers)
    summary, _ = make(begin(ann))
    assert (summary.state, summary.tried_at) == ("waiting", NOW)
    assert summary.reason.startswith("No language model could be reached")


def test_where_nobody_answered_four_times_it_is_computed(providers, ann):
    everything_fails(providers)
    summary, _ = make(begin(ann, tries=MOST_ASKED - 1))
    assert (summary.state, summary.made_by, summary.model) == ("shown", "digest", "")


def try_for(summary, hours):
    """When each try was begun, in minutes, where those are tried whose turn it is again every twenty minutes."""
    begun = []
    for minute in range(0, hours * 60, 20):
        at = NOW + timedelta(minutes=minute)
        tries = Summary.objects.get(pk=summary.pk).tries
        if minute == 0 or due.left_behind(at):
            with suppress(RuntimeError):
                making.make(summary.pk, OfViewer(), at)
        if Summary.objects.get(pk=summary.pk).tries > tries:
            begun.append(minute)
    return begun


def broken(*_args):
    raise RuntimeError("a mistake of ours")


def test_what_is_paid_for_and_cannot_be_read_is_asked_for_four_times_at_most(providers, ann, monkeypatch):
    monkeypatch.setattr(circuit, "FAILURES", 100)
    for name in ("openai", "anthropic", "google"):
        providers.answer(name, {"portrait": "x"})
    summary = begin(ann)
    assert try_for(summary, 24) == [0, 20, 100, 480]
    assert ModelCall.objects.filter(cost__gt=0).count() == 3 * MOST_ASKED
    assert Summary.objects.get().made_by == "digest"


def test_a_mistake_of_ours_is_not_paid_for_ever(providers, ann, monkeypatch):
    providers.answer("openai", ANSWER)
    monkeypatch.setattr(making, "_keep", broken)
    try_for(begin(ann), 48)
    assert len(providers.received) == MOST_ASKED


def test_what_cannot_be_written_at_all_is_not_waited_for_for_ever(providers, ann, monkeypatch):
    monkeypatch.setattr(making, "_keep", broken)
    providers.answer("openai", ANSWER)
    summary = begin(ann)
    assert len(try_for(summary, 48)) == MOST_TRIES + 1
    summary.refresh_from_db()
    assert (summary.state, summary.reason) == ("failed", making.TOO_OFTEN)


def test_a_job_that_is_handed_out_twice_tries_once(providers, ann):
    everything_fails(providers)
    summary = begin(ann)
    make(summary)
    assert make(summary)[1] == making.GONE
    assert len(providers.received) == 3


@pytest.mark.parametrize("tokens", [10**13, -1])
def test_what_a_provider_says_of_its_tokens_is_not_believed_whatever_it_is(providers, ann, tokens):
    providers.answer("openai", ANSWER, input_tokens=tokens, output_tokens=tokens)
    summary, _ = make(begin(ann))
    call = ModelCall.objects.get()
    assert (summary.state, call.is_priced) == ("shown", False)
    assert 0 < call.cost == summary.cost < 1


def test_who_asked_hears_why_it_failed(providers, ann):
    everything_fails(providers)
    summary, _ = make(begin(ann, is_asked=True))
    assert summary.state == "failed"
    assert told_of(summary)[-1] == ("failed", {"reason": summary.reason})


def test_without_a_provider_it_is_computed_from_numbers(channel, ann):
    summary, _ = make(begin(ann))
    assert (summary.state, summary.made_by, summary.provider, summary.cost) == ("shown", "digest", "", 0)
    assert shown_of(channel, ann).is_digest
    assert any(claim.source_ids for claim in summary.claims.all())


# What viewers choose meanwhile


def withdraw(viewer):
    choices.withdraw(viewer, Consent.Kind.SUMMARY)


def switch_off(viewer):
    SummaryPolicy.objects.update(is_on=False)


CHOICES = {"withdraws": withdraw, "stops": choices.stop, "is erased": choices.ask_to_erase, "is off": switch_off}


@pytest.mark.parametrize("choose", CHOICES.values(), ids=CHOICES)
def test_nothing_is_asked_of_who_does_not_want_it_any_more(providers, ann, choose):
    summary = begin(ann)
    choose(ann)
    assert make(summary) == (None, making.GONE)
    assert providers.received == []


@pytest.mark.parametrize("choose", CHOICES.values(), ids=CHOICES)
def test_what_was_written_meanwhile_is_thrown_away(providers, ann, choose):
    """The choice is made while the model writes."""
    summary = begin(ann)

    def answer(_asked):
        chosen.append(True)
        return ANSWER

    chosen: list[bool] = []
    providers.answer("openai", answer)
    writer = ChoosesMeanwhile(lambda: choose(ann))
    assert making.make(summary.pk, writer, NOW) == making.GONE
    assert chosen == [True]
    assert not Claim.objects.exists()
    assert not Summary.objects.exists()
    assert told_of(summary) == []


class ChoosesMeanwhile(OfViewer):
    """Somebody whose choice comes when the model has answered."""

    def __init__(self, choose):
        super().__init__()
        self._choose = choose

    def ask(self, summary, sample, told):
        written = super().ask(summary, sample, told)
        self._choose()
        return written


def test_it_is_written_once_however_often_the_job_runs(providers, ann):
    providers.answer("openai", ANSWER)
    summary = begin(ann)
    make(summary)
    assert make(summary)[1] == making.GONE
    assert len(providers.received) == 1
    assert Claim.objects.count() == len(TEXTS)


def test_one_whose_worker_was_killed_is_written(providers, ann):
    providers.answer("openai", ANSWER)
    summary, _ = make(begin(ann, state="running", tried_at=NOW - timedelta(hours=1)))
    assert summary.state == "shown"


# What the page that waits hears


def told_of(summary):
    rows: Any = quick_redis().xrange(told_in(summary.pk))
    return [(fields[b"event"].decode(), json.loads(fields[b"data"])) for _, fields in rows]


def test_who_asked_sees_it_come_in(providers, ann):
    providers.answer("openai", ANSWER)
    summary, _ = make(begin(ann, is_asked=True))
    told = told_of(summary)
    assert told[0] == ("reading", {"messages": len(SAID)})
    assert [data["text"] for event, data in told if event == "claim"] == TEXTS[:-1]
    assert told[-1] == ("done", {"state": "shown"})


def test_what_may_not_be_shown_is_not_told_either(providers, ann):
    unfit = {"text": "Write to @somebody about it all.", "sources": ["m1"]}
    providers.answer("openai", {**ANSWER, "portrait": [unfit, *ANSWER["portrait"]]})
    summary, _ = make(begin(ann, is_asked=True))
    assert "somebody" not in json.dumps(told_of(summary))


def test_after_a_model_that_broke_off_it_begins_again(providers, ann):
    providers.cut("openai", ANSWER)
    providers.answer("anthropic", ANSWER)
    summary, _ = make(begin(ann, is_asked=True))
    told = [event for event, _ in told_of(summary)]
    assert told[-1] == "done"
    assert texts(summary) == TEXTS


@pytest.mark.parametrize("agrees_again", [False, True])
@pytest.mark.parametrize("ending", [asking.Unavailable, asking.Refused])
def test_nothing_stays_told_of_who_took_it_back_however_it_ends(ann, monkeypatch, ending, agrees_again):
    def ask(*_args, told, **_more):
        withdraw(ann)
        if agrees_again:
            choices.agree(ann, "summary")
        told(prompt.Portrait.model_validate(ANSWER))
        raise ending

    monkeypatch.setattr(asking, "is_set_up", lambda: True)
    monkeypatch.setattr(asking, "ask", ask)
    summary = begin(ann, is_asked=True)
    assert make(summary) == (None, making.GONE)
    assert told_of(summary) == []


def test_what_was_paid_for_is_kept_while_redis_is_away(providers, ann, monkeypatch):
    providers.answer("openai", ANSWER)
    away = Redis(host="127.0.0.1", port=9, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr("chat.summaries.progress.quick_redis", lambda: away)
    monkeypatch.setattr(making, "forget_once_committed", lambda _logins: None)
    summary, _ = make(begin(ann, is_asked=True))
    assert texts(summary) == TEXTS


def drafts(sample, *texts):
    return [Draft(Claim.Part.PORTRAIT, text, sample.messages[:1]) for text in texts]


def test_another_model_that_says_more_at_once_than_the_first_did_is_told_apart(ann, redis_client):
    summary = begin(ann)
    sample = OfViewer().read(summary)
    tell = _Teller(OfViewer(), summary, sample)
    tell(drafts(sample, "They ask about bosses.", "They che"))
    tell(drafts(sample, "They like hard levels.", "They bake while they play.", "Th"))
    assert [event for event, _ in told_of(summary)] == ["claim", "again", "claim", "claim"]


# Nothing of anybody who did not agree


def test_no_word_of_who_did_not_agree_is_sent(providers, channel, ann):
    bob = make_viewer(channel, "bob")
    asked = make_message(channel, bob, NOW - timedelta(hours=9), text="untold: which bow do you mean, I am bob")
    make_message(
        channel, ann, NOW, text="@bob the one from the second shop of course", reply_to_id=asked.pk,
        reply_to_viewer_id=bob.pk,
    )  # fmt: skip
    providers.answer("openai", ANSWER)
    make(begin(ann))
    sent = providers.received[0].words.lower()
    assert ("second shop" in sent, "bob" in sent, "untold" in sent) == (True, False, False)


def test_no_message_that_was_removed_is_sent(providers, channel, ann):
    make_message(channel, ann, NOW, text="what I should not have said about pineapples", removed_at=NOW)
    providers.answer("openai", ANSWER)
    make(begin(ann))
    assert "pineapples" not in providers.received[0].words


# What is shown changes with what happens to its sources


def test_a_claim_goes_when_a_moderator_removes_a_message_it_rests_on(providers, channel, ann):
    providers.answer("openai", ANSWER)
    summary, _ = make(begin(ann))
    Message.objects.filter(pk=summary.claims.get(position=2).source_ids[0]).update(removed_at=NOW)
    shown = shown_of(channel, ann)
    assert [claim.position for _, claims in shown.sections for claim in claims] == [0, 1, 3, 4, 5, 6]


def test_a_claim_stays_when_its_messages_are_past_retention(providers, channel, ann):
    providers.answer("openai", ANSWER)
    make(begin(ann))
    Message.objects.all().delete()
    assert page.on_page(channel, ann) is not None


def test_withdrawing_takes_every_version_with_it(providers, channel, ann):
    providers.answer("openai", ANSWER)
    summary, _ = make(begin(ann))
    withdraw(Viewer.objects.get(pk=ann.pk))
    assert told_of(summary) == []
    assert not Summary.objects.exists()
    assert page.on_page(channel, ann) is None


def test_what_a_page_shows_is_one_question(providers, channel, ann, django_assert_num_queries):
    providers.answer("openai", ANSWER)
    make(begin(ann))
    with django_assert_num_queries(1):
        shown = shown_of(channel, ann)
        assert shown.summary.channel_id
        assert [section.part for section in shown.sections]
