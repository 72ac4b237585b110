"""Recaps of streams: which are due, and how one is written."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef

from chat.summaries import asking, making, reading, recapdigest, recapfacts, recapprompt, recapreading
from chat.summaries.checks import Draft
from chat.summaries.making import Told, Written
from chat.summaries.reading import Sample
from chat.summaries.recapfacts import Facts
from chat.summaries.recapreading import Reading
from streams.models import Stream
from viewers.models import Consent, Summary, SummaryPolicy

AFTER = timedelta(minutes=20)
"""A stream that comes back on air within ten minutes was not over, and what came late is counted by then."""
UNTIL = timedelta(hours=48)
LEAST_MESSAGES = 50
AT_ONCE = 20


def due(now: datetime) -> list[Stream]:
    """Streams that ended a while ago and have no recap, the one that ended first before the others."""
    ended = Stream.objects.filter(ended_at__gt=now - UNTIL, ended_at__lt=now - AFTER, counted_at__gt=F("ended_at"))
    wanted = ended.filter(channel__summary_policy__has_recaps=True, messages__gte=LEAST_MESSAGES)
    without = wanted.filter(~Exists(Summary.objects.filter(stream=OuterRef("pk"))))
    return list(without.select_related("channel").order_by("ended_at", "pk")[:AT_ONCE])


def give_out(now: datetime) -> list[int]:
    """Begin the recaps that are due; return their ids. Two who do it at once begin each once."""
    begun = []
    for stream in due(now):
        known = {"channel": stream.channel, "begun_at": now}
        summary, is_new = Summary.objects.get_or_create(stream=stream, number=1, defaults=known)
        begun += [summary.pk] if is_new else []
    return begun


def make(summary_id: int, now: datetime) -> str:
    """Write a recap that was begun; return what came of it, without anybody's words."""
    return making.make(summary_id, OfStream(), now)


class OfStream:
    """The recap of a stream. It is of many: all whose messages were read have to agree until it is kept."""

    secret = recapprompt.INSTRUCTIONS

    def __init__(self) -> None:
        self._facts = Facts([])
        self._reading = Reading(Sample([]), {})

    def holds(self, summary: Summary) -> bool:
        if transaction.get_connection().in_atomic_block:
            reading.hold(self._reading.sample.writers)
        is_on = SummaryPolicy.objects.filter(channel=summary.channel_id, has_recaps=True).exists()
        return is_on and reading.all_agree(self._reading.sample, Consent.Kind.RECAP)

    def read(self, summary: Summary) -> Sample:
        stream = _stream(summary)
        self._facts = recapfacts.of_stream(stream)
        self._reading = recapreading.of_stream(summary.channel, stream, self._facts, settings.AI_INPUT_TOKENS)
        return self._reading.sample

    def ask(self, summary: Summary, sample: Sample, told: Told | None) -> Written:
        answer = asking.ask(
            recapprompt.Recap,
            recapprompt.INSTRUCTIONS,
            recapprompt.content(self._facts, self._reading),
            channel=summary.channel,
            summary=summary,
            told=(lambda partial: told(self._drafts(partial))) if told else None,
            still_wanted=lambda: (
                self.holds(summary) and reading.still_holds(summary.channel, sample, Consent.Kind.RECAP)
            ),
        )
        return Written(self._drafts(answer.output), answer.provider, answer.model, recapprompt.PROMPT_VERSION)

    def compute(self, summary: Summary, sample: Sample) -> list[Draft]:
        return recapdigest.of_stream(self._facts)

    def _drafts(self, recap: recapprompt.Recap) -> list[Draft]:
        return recapprompt.drafts_of(recap, self._facts, self._reading)


def _stream(summary: Summary) -> Stream:
    if summary.stream is None:
        raise ValueError(f"{summary} is of no stream")
    return summary.stream
