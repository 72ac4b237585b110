"""The lists of a channel that can be written into files: viewers, sessions, messages and deeds of moderators."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Q, QuerySet, prefetch_related_objects

from chat import packedfiles, search
from chat.models import ModerationEvent
from chat.viewerfile import finding
from streams.models import Channel, Stream
from viewers.models import ViewerTotal, ViewSession

PATIENCE_S = 5.0
"""For one page of a search, which nobody waits for in front of a browser."""

Values = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A list that can be written: its columns, which questions it takes, its rows, and about how many there are."""

    name: str
    columns: tuple[str, ...]
    asks: frozenset[str]
    rows: Callable[[Channel, Values], Iterator[tuple[Any, ...]]]
    about: Callable[[Channel, Values], int]


VIEWER = ("viewer_id", "login", "display_name")
OF_VIEWER = ("viewer_id", "viewer__login", "viewer__display_name")
COUNTED = ("messages", "emotes", "bits", "subs", "gifts", "watch_seconds", "points")
DEED = ("target_id", "target_login", "moderator_id", "duration_seconds", "reason", "message_id")
MOMENTS = frozenset({"since", "until"})


def _viewers(channel: Channel, _query: Values) -> QuerySet[ViewerTotal]:
    return ViewerTotal.objects.filter(channel=channel).order_by("viewer")


def _sessions(channel: Channel, query: Values) -> QuerySet[ViewSession]:
    within = _within(query, "started_at")
    return ViewSession.objects.filter(within, channel=channel).order_by("viewer", "-started_at")


def _deeds(channel: Channel, query: Values) -> QuerySet[ModerationEvent]:
    within = _within(query, "occurred_at")
    return ModerationEvent.objects.filter(within, channel=channel, same_as=None).order_by("-occurred_at", "-pk")


def _within(query: Values, name: str) -> Q:
    since, until = _span(query)
    found = Q()
    if since:
        found &= Q(**{f"{name}__gte": since})
    if until:
        found &= Q(**{f"{name}__lt": until})
    return found


def _span(query: Values) -> tuple[datetime | None, datetime | None]:
    """From the first day to the end of the last one (UTC)."""
    since, until = (date.fromisoformat(query[name]) if query.get(name) else None for name in ("since", "until"))
    return (
        datetime.combine(since, time.min, UTC) if since else None,
        datetime.combine(until + timedelta(days=1), time.min, UTC) if until else None,
    )


def _rows_of(rows: Callable[[Channel, Values], QuerySet[Any]], *names: str) -> Callable[..., Iterator[tuple[Any, ...]]]:
    def found(channel: Channel, query: Values) -> Iterator[tuple[Any, ...]]:
        yield from rows(channel, query).values_list(*names).iterator(chunk_size=packedfiles.AT_ONCE)

    return found


def _about(rows: Callable[[Channel, Values], QuerySet[Any]]) -> Callable[[Channel, Values], int]:
    """How many rows Postgres expects: nobody counts millions for a bar."""

    def expected(channel: Channel, query: Values) -> int:
        [plan] = json.loads(rows(channel, query).order_by().explain(format="json"))
        return int(plan["Plan"]["Plan Rows"])

    return expected


def _messages(channel: Channel, query: Values) -> Iterator[tuple[Any, ...]]:
    wanted, before = _asked(channel, query), None
    while wanted is not None:
        found = search.find(channel.pk, wanted, before, packedfiles.AT_ONCE, patience_s=PATIENCE_S)
        prefetch_related_objects(found.rows, "viewer")
        for said in found.rows:
            who = (said.viewer_id, said.viewer.login, said.viewer.display_name) if said.viewer_id else ("", "", "")
            yield (said.sent_at, *who, said.text, said.bits, said.removed_at, said.id)
        if found.after is None:
            return
        before = found.after


def _about_messages(channel: Channel, query: Values) -> int:
    wanted = _asked(channel, query)
    return 0 if wanted is None else search.about(channel.pk, wanted)


def _asked(channel: Channel, query: Values) -> search.Query | None:
    """What is searched for; None where that is in a stream which is not there any more: nothing was said in it."""
    since, until = _span(query)
    stream = Stream.objects.filter(channel=channel, pk=query["stream"]).first() if query.get("stream") else None
    if stream is None and query.get("stream"):
        return None
    return search.Query(
        words=query.get("words", ""),
        author_ids=_authors(channel, query),
        since=since,
        until=until,
        stream=stream,
        removed=query.get("removed"),
    )


def _authors(channel: Channel, query: Values) -> list[str] | None:
    """Whose messages are asked for, as the search has it: by a name, else by their ids; None for everybody's."""
    if query.get("author"):
        return [viewer.pk for viewer in finding.called(channel, query["author"])]
    return query.get("viewer") or None


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "viewers",
            (*VIEWER, "first_seen_at", "last_seen_at", *COUNTED, "is_bot"),
            frozenset(),
            _rows_of(_viewers, *OF_VIEWER, "first_seen_at", "last_seen_at", *COUNTED, "viewer__is_bot"),
            _about(_viewers),
        ),
        Kind(
            "sessions",
            (*VIEWER, "stream", "started_at", "ended_at", "source", "ended_by"),
            MOMENTS,
            _rows_of(_sessions, *OF_VIEWER, "stream_id", "started_at", "ended_at", "source", "ended_by"),
            _about(_sessions),
        ),
        Kind(
            "messages",
            ("sent_at", *VIEWER, "text", "bits", "removed_at", "id"),
            MOMENTS | {"words", "author", "viewer", "stream", "removed"},
            _messages,
            _about_messages,
        ),
        Kind(
            "deeds",
            ("occurred_at", "kind", *DEED),
            MOMENTS,
            _rows_of(_deeds, "occurred_at", "kind", *DEED),
            _about(_deeds),
        ),
    )
}
