"""Summaries for tests, as if somebody had written them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from chat.models import Message
from streams.models import Channel
from viewers.choices import WORDING
from viewers.models import Claim, Consent, Summary, Viewer

AT = datetime(2026, 11, 3, 20, tzinfo=UTC)
MODEL: dict[str, Any] = {
    "made_by": "model", "provider": "openai", "model": "gpt-4o", "prompt_version": "1", "messages_read": 212
}  # fmt: skip


def agree(viewer: Viewer, kind: str = "summary") -> None:
    Consent.objects.create(viewer=viewer, kind=kind, wording=WORDING[Consent.Kind(kind)])


def make_summary(channel: Channel, viewer: Viewer | None, number: int = 1, **fields: Any) -> Summary:
    """A version without a word in it, shown unless told otherwise."""
    made = {"state": "shown", "begun_at": AT, "made_at": AT, "messages_then": 300, **MODEL}
    return Summary.objects.create(channel=channel, viewer=viewer, number=number, **{**made, **fields})


def make_claim(summary: Summary, text: str, sources: Iterable[Message] = (), **fields: Any) -> Claim:
    rests_on = list(sources)
    return Claim.objects.create(
        summary=summary,
        position=Claim.objects.filter(summary=summary).count(),
        text=text,
        source_ids=[message.pk for message in rests_on],
        source_times=[message.sent_at for message in rests_on],
        **{"part": "portrait", **fields},
    )
