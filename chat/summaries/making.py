"""Writing one summary, from its turn to the page: read, ask, check, keep.

Whoever it is of may take back what they agreed to at any moment. It is asked before their messages are read, before
each call, and once more under the lock of their row, in the transaction that keeps what came of it.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum

from chat.summaries import asking, before, checks, digest, progress, prompt, reading, versions
from chat.summaries.checks import Checked, Draft
from chat.summaries.due import may_be_tried
from chat.summaries.page import minded
from chat.summaries.reading import Sample, agreed
from streams.pages import forget_once_committed
from viewers.models import Claim, Consent, ModelCall, Summary, SummaryPolicy, Viewer
from viewers.summaries import tell_no_more

log = structlog.get_logger(__name__)

State = Summary.State
MOST_ASKED = 4
"""So often models are asked for it. After that it is computed from numbers."""
MOST_ASKED_OF_STREAM = 3
"""The same of a recap: anybody in it could have it paid for anew, by taking back what they agreed to meanwhile."""
MOST_TRIES = 6
"""So often it is tried at all."""
GONE = "not wanted any more"
TOO_OFTEN = "It was tried again and again, and could not be written. The next one may be."


class Written(NamedTuple):
    """What is to be said, and who says it: of a digest nobody."""

    drafts: list[Draft]
    provider: str = ""
    model: str = ""
    prompt_version: str = ""


Told = Callable[[list[Draft]], None]


class Writer(Protocol):
    """How one kind of summary is written."""

    def holds(self, summary: Summary) -> bool:
        """Whether it may be written now. Within a transaction this holds until its end."""

    def read(self, summary: Summary) -> Sample: ...

    def ask(self, summary: Summary, sample: Sample, told: Told | None) -> Written:
        """What a model says. Raises asking.NotAnswered and asking.Unwanted."""

    def compute(self, summary: Summary, sample: Sample) -> list[Draft]:
        """The same from numbers, without a model."""

    @property
    def secret(self) -> str: ...


class OfViewer:
    """The summary of a viewer in a channel."""

    secret = prompt.INSTRUCTIONS
    _sample = Sample([])
    """What was read."""

    def holds(self, summary: Summary) -> bool:
        viewer = _viewer(summary)
        if transaction.get_connection().in_atomic_block:
            reading.hold({viewer.pk, *self._sample.writers})
        present = Viewer.objects.filter(agreed(Consent.Kind.SUMMARY, "pk"), pk=viewer.pk, stopped_at=None)
        is_on = SummaryPolicy.objects.filter(channel=summary.channel_id, is_on=True).exists()
        return is_on and present.exists()

    def read(self, summary: Summary) -> Sample:
        self._sample = reading.of_viewer(summary.channel, _viewer(summary), settings.AI_INPUT_TOKENS)
        return self._sample

    def ask(self, summary: Summary, sample: Sample, told: Told | None) -> Written:
        try:
            answer = asking.ask(
                prompt.Portrait,
                prompt.INSTRUCTIONS,
                prompt.content(sample, before.said(summary.channel, _viewer(summary))),
                channel=summary.channel,
                summary=summary,
                told=(lambda partial: told(prompt.drafts_of(partial, sample))) if told else None,
                still_wanted=lambda: self.holds(summary) and self._is_as_read(summary, sample),
            )
        except asking.Unwanted as unwanted:
            if self.holds(summary):  # a message is gone, or somebody who was answered: it is tried without them
                raise asking.Unavailable from unwanted
            raise
        drafts = prompt.drafts_of(answer.output, sample)
        return Written(drafts, answer.provider, answer.model, prompt.PROMPT_VERSION)

    def _is_as_read(self, summary: Summary, sample: Sample) -> bool:
        return reading.still_holds(summary.channel, sample, Consent.Kind.SUMMARY, _viewer(summary).pk)

    def compute(self, summary: Summary, sample: Sample) -> list[Draft]:
        return digest.of_viewer(summary.channel, _viewer(summary), sample)


def make(summary_id: int, writer: Writer, now: datetime) -> str:
    """Write a summary whose turn it is; return what came of it, without anybody's words. Twice is as once."""
    begun = Summary.objects.filter(may_be_tried(now), pk=summary_id)
    if not begun.update(state=State.RUNNING, tried_at=now, tries=F("tries") + 1):
        return GONE
    summary = Summary.objects.select_related("channel", "viewer", "stream").get(pk=summary_id)
    if summary.tries > MOST_TRIES:
        return _end(writer, summary, State.FAILED, TOO_OFTEN)
    return _write(writer, summary, now)


def _write(writer: Writer, summary: Summary, now: datetime) -> str:
    if not writer.holds(summary):
        return _drop(summary)
    sample = writer.read(summary)
    _tell(summary, "reading", messages=len(sample.messages))
    try:
        written = _written(writer, summary, sample)
        checked = _checked(writer, summary, sample, written.drafts)
    except asking.Unwanted:
        return _drop(summary)
    except (checks.Refused, asking.Refused) as refusal:
        dropped = refusal.dropped if isinstance(refusal, checks.Refused) else {}
        return _end(writer, summary, State.REFUSED, str(refusal), messages_read=len(sample.messages), dropped=dropped)
    except asking.NotAnswered as error:
        return _not_answered(writer, summary, str(error))
    return _keep(writer, summary, sample, written, checked, now)


def _written(writer: Writer, summary: Summary, sample: Sample) -> Written:
    """By a model, or from numbers where there is none, nothing to read, or where it was asked for too often."""
    if not asking.is_set_up() or not sample.messages or summary.tries > _most_asked(summary):
        return Written(writer.compute(summary, sample))
    told = _Teller(writer, summary, sample) if summary.is_asked else None
    try:
        return writer.ask(summary, sample, told)
    except (asking.Refused, asking.Unwanted):
        raise
    except asking.NotAnswered:
        if summary.is_asked or summary.tries < _most_asked(summary):
            raise
        return Written(writer.compute(summary, sample))


def _most_asked(summary: Summary) -> int:
    return MOST_ASKED if summary.viewer_id else MOST_ASKED_OF_STREAM


def _checked(writer: Writer, summary: Summary, sample: Sample, drafts: list[Draft]) -> Checked:
    policy = SummaryPolicy.objects.filter(channel=summary.channel_id).first()
    not_again = before.not_again(summary.channel, summary.viewer) if summary.viewer else ()
    return checks.checked(drafts, sample, policy.blocked_words if policy else "", writer.secret, not_again)


class _Teller:
    """Tells whoever waits the claims that are whole and may be shown, while the rest is still being written."""

    def __init__(self, writer: Writer, summary: Summary, sample: Sample) -> None:
        self._writer, self._summary, self._sample = writer, summary, sample
        self._whole: list[str] = []
        self._told: set[str] = set()

    def __call__(self, drafts: list[Draft]) -> None:
        if [draft.text for draft in drafts[: len(self._whole)]] != self._whole:  # another provider begins anew
            self._whole, self._told = [], set()
            _tell(self._summary, "again")
        whole = drafts[:-1]  # the last one may still be growing
        if len(whole) == len(self._whole):
            return
        self._whole = [draft.text for draft in whole]
        try:
            claims = _checked(self._writer, self._summary, self._sample, whole).claims
        except checks.Refused:  # nothing of it may be shown yet
            return
        for claim in claims:
            if claim.text not in self._told and not claim.people:  # who may take back what they agreed to
                self._told.add(claim.text)
                _tell(self._summary, "claim", part=claim.part, text=claim.text)


def _keep(writer: Writer, summary: Summary, sample: Sample, written: Written, checked: Checked, now: datetime) -> str:
    with transaction.atomic():
        state = State.REVIEW if versions.needs_review(summary) else State.SHOWN
        running = Summary.objects.filter(pk=summary.pk, state=State.RUNNING)
        if not writer.holds(summary) or not running.update(
            state=state,
            made_at=now,
            made_by=Summary.Source.MODEL if written.model else Summary.Source.DIGEST,
            provider=written.provider,
            model=written.model,
            prompt_version=written.prompt_version,
            messages_read=len(sample.messages),
            dropped=checked.dropped,
            reason="",
            **_spent(summary),
        ):
            return _drop(summary)
        _keep_claims(summary, checked.claims)
        minded(summary).delete()  # who was answered may have taken it back since they were read
        forget_once_committed([summary.channel.login])
    _tell(summary, "done", state=state)
    return f"{len(checked.claims)} claims, {sum(checked.dropped.values())} dropped, {state}"


def _keep_claims(summary: Summary, drafts: list[Draft]) -> None:
    claims = Claim.objects.bulk_create(
        Claim(
            summary=summary,
            position=position,
            part=draft.part,
            text=draft.text,
            source_ids=[read.message_id for read in draft.sources],
            source_times=[read.sent_at for read in draft.sources],
            at=draft.at,
        )
        for position, draft in enumerate(drafts)
    )
    people = Claim.people.through
    people.objects.bulk_create(
        people(claim_id=claim.pk, viewer_id=viewer)
        for claim, draft in zip(claims, drafts, strict=True)
        for viewer in dict.fromkeys(draft.people)
    )


def _tell(summary: Summary, event: str, **data: Any) -> None:
    """Tell its viewer. For a recap nobody waits, and its words are of many."""
    if summary.viewer_id:
        progress.tell(summary.pk, event, **data)


def _not_answered(writer: Writer, summary: Summary, reason: str) -> str:
    """Who asked hears at once why not. What was due is due still, and is tried again."""
    if summary.is_asked:
        return _end(writer, summary, State.FAILED, reason)
    return _leave(writer, summary, State.WAITING, reason) or f"not answered: {reason}"


def _end(writer: Writer, summary: Summary, state: Summary.State, reason: str, **more: Any) -> str:
    if gone := _leave(writer, summary, state, reason, **more, **_spent(summary)):
        return gone
    _tell(summary, "failed", reason=reason)
    return f"{state}: {reason}"


def _leave(writer: Writer, summary: Summary, state: Summary.State, reason: str, **more: Any) -> str:
    """Leave it unwritten; what came of it where it is not wanted any more, else empty."""
    with transaction.atomic():
        running = Summary.objects.filter(pk=summary.pk, state=State.RUNNING)
        if writer.holds(summary) and running.update(state=state, reason=reason[:300], **more):
            return ""
    return _drop(summary)


def _drop(summary: Summary) -> str:
    """Nothing of it stays: not what was told of it, either.

    A recap has nothing of anybody before it is written. It is tried again, and stays so that it is known how often.
    """
    tell_no_more([summary.pk])
    unwritten = Summary.objects.filter(pk=summary.pk)
    if summary.viewer_id:
        unwritten.delete()
    else:
        is_over = summary.tries >= MOST_TRIES
        unwritten.filter(state=State.RUNNING).update(
            state=State.FAILED if is_over else State.WAITING, reason=TOO_OFTEN if is_over else ""
        )
    return GONE


def _spent(summary: Summary) -> dict[str, Any]:
    spent = ModelCall.objects.filter(summary=summary).aggregate(
        input_tokens=Sum("input_tokens", default=0),
        output_tokens=Sum("output_tokens", default=0),
        cost=Sum("cost", default=Decimal(0)),
    )
    return dict(spent)


def _viewer(summary: Summary) -> Viewer:
    if summary.viewer is None:
        raise ValueError(f"{summary} is of no viewer")
    return summary.viewer
