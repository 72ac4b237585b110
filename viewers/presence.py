"""Who is there: each look at a channel's chatters opens, keeps and ends view sessions.

A poll proves who is there at its moment; writing something proves it too. Whoever is proven by two polls in a row
was there between them. Whoever the next poll no longer shows was there until that poll: being found late and being
missed late even each other out. A poll that fails proves nothing and ends nothing. After a silence longer than two
intervals nobody knows, so sessions end where they were last proven. Nothing is credited while a stream is off air.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from streams.locks import lock_channels
from streams.models import PresenceSource, Stream
from viewers import statements
from viewers.credit import STAGE_CREDIT, fold

RECENT = timedelta(days=2)


class Present(Protocol):
    """Somebody who is connected to a chat."""

    @property
    def id(self) -> str: ...

    @property
    def login(self) -> str: ...

    @property
    def display_name(self) -> str: ...


class Reconciled(NamedTuple):
    """What a poll changed."""

    present: int
    opened: int
    closed: int


class Standing(NamedTuple):
    """What is known of a stream under its lock."""

    presence_at: datetime | None
    broadcaster: str
    on_air_since: datetime | None
    """When the stream came on air, or came back; None while it is off air."""


def interval() -> timedelta:
    """The time between two polls."""
    return timedelta(minutes=settings.PRESENCE_MINUTES)


def trusted() -> timedelta:
    """The longest time between two proofs in which somebody is taken to have stayed."""
    return 2 * interval()


@transaction.atomic
def reconcile(
    stream: Stream,
    at: datetime,
    chatters: Iterable[Present],
    *,
    source: PresenceSource = PresenceSource.CHATTERS,
    speech: str = statements.NOBODY_SPOKE,
) -> Reconciled | None:
    """Make the sessions of a stream what a poll at this moment says; None if the stream was off air by then.

    `speech` is a SELECT of (viewer_id, at): who wrote in %(channel)s in (%(after)s, %(at)s]. Without a list of
    chatters (source SPOKE), those are there who wrote within the last interval.
    """
    at = at.replace(microsecond=0)
    with connection.cursor() as cursor:
        lock_channels(cursor, [stream.channel_id])
        standing = _standing(cursor, stream, at)
        if standing.presence_at and standing.presence_at - at > trusted():
            _wind_back(cursor, stream, at)
            return None
        if standing.on_air_since is None or at <= (standing.presence_at or standing.on_air_since):
            return None
        cursor.execute(statements.STAGE_PRESENT)
        _stage(cursor, chatters)
        after = max(filter(None, (standing.presence_at, standing.on_air_since)))
        values: dict[str, Any] = {
            "channel": stream.channel_id,
            "stream": stream.pk,
            "broadcaster": standing.broadcaster,
            "at": at,
            "after": after,
            "source": source,
            "trusted": trusted(),
            "spoke_since": at - interval(),
        }
        for statement in (statements.LEARN_VIEWERS, statements.LEARN_NAMES):
            cursor.execute(statement, {"at": at})
        if at - after > trusted():
            speech = _bridge(cursor, speech, values)
        is_listed = source == PresenceSource.CHATTERS
        present = statements.PRESENT_BY_LIST if is_listed else statements.PRESENT_BY_SPEECH
        cursor.execute(statements.RECONCILE.format(speech=speech, present=present), values)
        found = Reconciled(*cursor.fetchone())
        cursor.execute("TRUNCATE present")
    return found


def poll_failed(stream: Stream, at: datetime, problem: str, *, took_ms: int = 0) -> None:
    """Write down that nobody could be asked who is there, and why. It ends nobody's session."""
    values: dict[str, Any] = {
        "channel": stream.channel_id,
        "stream": stream.pk,
        "at": at.replace(microsecond=0),
        "source": PresenceSource.CHATTERS,
        "problem": problem,
        "took_ms": took_ms,
    }
    with connection.cursor() as cursor:
        cursor.execute(statements.POLL_FAILED, values)


@transaction.atomic
def settle(channels: Iterable[int]) -> None:
    """Make sessions fit what is known by now of when these channels were on air: to be called when that changes."""
    with connection.cursor() as cursor:
        channels = sorted(set(channels))
        lock_channels(cursor, channels)
        since = datetime.now(UTC) - RECENT
        _settle(cursor, streams_since(channels, since))


def streams_since(channels: Iterable[int], since: datetime) -> list[str]:
    """The streams of channels that were on air since a moment, or have sessions that nobody ended."""
    of_channels = Stream.objects.filter(channel__in=channels)
    recent = of_channels.exclude(ended_at__lt=since)
    open_ended = of_channels.filter(sessions__ended_at=None, sessions__isnull=False)
    return sorted({*recent.values_list("pk", flat=True), *open_ended.values_list("pk", flat=True)})


def settle_streams(streams: Iterable[Stream]) -> None:
    """As `settle`, for these streams, however long ago they were."""
    streams = list(streams)
    with transaction.atomic(), connection.cursor() as cursor:
        lock_channels(cursor, {stream.channel_id for stream in streams})
        _settle(cursor, [stream.pk for stream in streams])


def _settle(cursor: CursorWrapper, streams: list[str], until: datetime | None = None) -> None:
    values: dict[str, Any] = {"streams": streams, "trusted": trusted(), "until": until}
    cursor.execute(statements.FIND_UNSETTLED, values)
    if cursor.rowcount:
        cursor.execute(STAGE_CREDIT)
        for statement in statements.SETTLE:
            cursor.execute(statement)
        fold(cursor)
    cursor.execute("DROP TABLE unsettled")


def _wind_back(cursor: CursorWrapper, stream: Stream, at: datetime) -> None:
    """Our clock was ahead, and has been put right: what was credited of the future is taken back."""
    _settle(cursor, [stream.pk], until=at)
    Stream.objects.filter(pk=stream.pk).update(presence_at=at)


def _bridge(cursor: CursorWrapper, speech: str, values: dict[str, Any]) -> str:
    """End what a long silence ended; return where the words are that reach up to now."""
    cursor.execute(statements.STAGE_SPEECH)
    cursor.execute(STAGE_CREDIT)
    cursor.execute("TRUNCATE spoke")
    cursor.execute(statements.BRIDGE.format(speech=speech), values)
    fold(cursor)
    return statements.BRIDGED_SPEECH


def _standing(cursor: CursorWrapper, stream: Stream, at: datetime) -> Standing:
    cursor.execute(statements.READ_STREAM, {"stream": stream.pk})
    presence_at, broadcaster, spans = cursor.fetchone()
    current = next((span for span in spans or () if span.lower <= at and (span.upper is None or at < span.upper)), None)
    return Standing(presence_at, broadcaster or "", current.lower if current else None)


def _stage(cursor: CursorWrapper, chatters: Iterable[Present]) -> None:
    with cursor.db.wrap_database_errors, cursor.cursor.copy(statements.COPY_PRESENT) as copy:
        copy.set_types(["text", "text", "text"])
        for chatter in {chatter.id: chatter for chatter in chatters}.values():
            copy.write_row((chatter.id, chatter.login, chatter.display_name))
