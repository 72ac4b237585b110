"""What a page shows of a summary: the newest version that is shown, without what may not be any more."""

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet

from chat.models import Message
from chat.summaries.reading import agreed
from streams.models import Channel, Stream
from streams.rowvalues import are_given
from streams.statement import GivenChannel, Statement
from viewers.models import Claim, Consent, Summary, Viewer
from viewers.visibility import shown_in


class Section(NamedTuple):
    """The claims of one part."""

    part: Claim.Part
    claims: list[Claim]


class Shown(NamedTuple):
    """A version, and what of it is shown."""

    summary: Summary
    sections: list[Section]

    @property
    def is_digest(self) -> bool:
        return self.summary.made_by == Summary.Source.DIGEST

    def of_part(self, part: str) -> list[Claim]:
        return next((section.claims for section in self.sections if section.part == part), [])

    @property
    def sourced(self) -> list[Claim]:
        """The claims that rest on messages, in order."""
        return [claim for claim in self._claims if claim.source_times]

    @property
    def first_source_at(self) -> datetime | None:
        return min((at for claim in self._claims for at in claim.source_times), default=None)

    @property
    def last_source_at(self) -> datetime | None:
        return max((at for claim in self._claims for at in claim.source_times), default=None)

    @property
    def _claims(self) -> Iterable[Claim]:
        return (claim for section in self.sections for claim in section.claims)


def on_page(channel: Channel, viewer: Viewer) -> Shown | None:
    """The summary of a viewer that anybody may see who may see the viewer. One query."""
    return _shown(channel, Summary.objects.of_viewer(channel, viewer))


def of_stream(channel: Channel, stream: Stream) -> Shown | None:
    """The recap of a stream, without people who are not shown or no longer agree. One query."""
    return _shown(channel, Summary.objects.of_stream(stream))


def version(summary: Summary) -> Shown:
    """One version as it may be shown now, for whoever may see all versions. One query."""
    return Shown(summary, _sections(presentable(summary.channel, Claim.objects.filter(summary=summary))))


def of_all(channel: Channel, summaries: Iterable[Summary]) -> list[Shown]:
    """Versions of one channel as they may be shown now, those of which anything may. One query."""
    known = {summary.pk: summary for summary in summaries}
    claims = CLAIMS.ask(channel.is_open, channel=channel.pk, summary=list(known))
    found = groupby(claims, lambda claim: claim.summary_id)
    return [Shown(known[summary], _sections(these)) for summary, these in found]


def _claims(is_open: bool) -> QuerySet[Claim]:
    channel: Any = GivenChannel(is_open)
    told = presentable(channel, Claim.objects.filter(are_given({"summary": "bigint"})))
    return told.order_by("summary", "position")


CLAIMS = Statement(_claims)


def _shown(channel: Channel, versions: QuerySet[Summary]) -> Shown | None:
    newest = versions.filter(state=Summary.State.SHOWN).order_by("-number").values("pk")[:1]
    claims = list(presentable(channel, Claim.objects.filter(summary=newest)).select_related("summary"))
    return Shown(claims[0].summary, _sections(claims)) if claims else None


def presentable(channel: Channel, claims: "QuerySet[Claim]") -> "QuerySet[Claim]":
    """Those that nobody reported, that rest on nothing that a moderator removed, and of nobody who minds."""
    removed = Message.objects.filter(
        # The times are for the index; the ids tell apart what was sent at the same moment.
        _is_among("sent_at", OuterRef("source_times")),
        _is_among("id", OuterRef("source_ids")),
        channel=channel,
        removed_at__isnull=False,
    )
    return claims.filter(~Exists(removed), ~Exists(who_mind(channel)), reported_at=None).order_by(F("position"))


def minded(summary: Summary) -> "QuerySet[Claim]":
    """The claims of a version that somebody minds who is not its viewer."""
    return Claim.objects.filter(Exists(who_mind(summary.channel)), summary=summary)


def who_mind(channel: Channel) -> QuerySet[Any]:
    """Of the people of a claim, an outer row, those who are not shown or agree no longer to what it is part of."""
    is_of_stream = Q(claim__summary__viewer=None)
    agrees = is_of_stream & Q(agreed(Consent.Kind.RECAP)) | ~is_of_stream & Q(agreed(Consent.Kind.SUMMARY))
    people: QuerySet[Any] = Claim.people.through.objects.filter(claim=OuterRef("pk"))
    return people.filter(~Q(shown_in(channel)) | ~agrees)


def _is_among(field: str, array: OuterRef) -> Func:
    """A condition: that a column has one of the values of an array, for which Django has no word."""
    return Func(F(field), array, template="%(expressions)s)", arg_joiner=" = ANY(", output_field=BooleanField())


def _sections(claims: Iterable[Claim]) -> list[Section]:
    return [Section(Claim.Part(part), list(these)) for part, these in groupby(claims, lambda claim: claim.part)]
