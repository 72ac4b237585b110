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
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.functions import Least

from streams.locks import lock_channels
from streams.models import PresenceSource, Stream
from viewers import names, statements
from viewers.credit import STAGE_CREDIT, fold
from viewers.models import SessionCorrection, ViewSession
from viewers.unkept import Unkept

RECENT = timedelta(days=2)
FEW = 20_000
"""With fewer people than this, those who stay are added to the counters at each poll; otherwise each SELDOM."""
SELDOM = timedelta(minutes=30)


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
    credited_at: datetime | None
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
        unnamed = _stage(cursor, chatters, Unkept.now(cursor))
        after = max(filter(None, (standing.presence_at, standing.on_air_since)))
        values: dict[str, Any] = {
            "channel": stream.channel_id,
            "stream": stream.pk,
            "broadcaster": standing.broadcaster,
            "at": at,
            "today": at.astimezone(UTC).date(),
            "after": after,
            "credited_at": standing.credited_at,
            "few": FEW,
            "seldom": SELDOM,
            "source": source,
            "trusted": trusted(),
            "spoke_since": at - interval(),
            "unnamed": unnamed,
        }
        cursor.execute(names.LEARN_PRESENT, values)
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
        "stream": stream.pk,
        "at": at.replace(microsecond=0),
        "source": PresenceSource.CHATTERS,
        "problem": problem,
        "took_ms": took_ms,
    }
    with connection.cursor() as cursor:
        cursor.execute(statements.POLL_FAILED, values)


@transaction.atomic
def settle(channels: Iterable[int], at: datetime | None = None) -> None:
    """Make sessions fit what is known by now of when these channels were on air: to be called when that changes.

    `at` is the moment that became known of, if it is not a recent one.
    """
    with connection.cursor() as cursor:
        channels = sorted(set(channels))
        lock_channels(cursor, channels)
        _settle(cursor, streams_since(channels, (at or datetime.now(UTC)) - RECENT))


def streams_since(channels: Iterable[int], since: datetime) -> list[str]:
    """The streams of channels that were on air since a moment, or have sessions that nobody ended."""
    has_open = Exists(ViewSession.objects.filter(stream=OuterRef("pk"), ended_at=None))
    since_then = Q(ended_at=None) | Q(ended_at__gte=since) | Q(has_open)
    return sorted(Stream.objects.filter(since_then, channel__in=channels).values_list("pk", flat=True))


def settle_streams(streams: Iterable[Stream]) -> None:
    """As `settle`, for these streams, however long ago they were."""
    streams = list(streams)
    with transaction.atomic(), connection.cursor() as cursor:
        lock_channels(cursor, {stream.channel_id for stream in streams})
        _settle(cursor, [stream.pk for stream in streams])


def channels_of_open_sessions(cursor: CursorWrapper, viewer_id: str) -> list[int]:
    """Where a viewer is watching just now."""
    cursor.execute(statements.CHANNELS_OF_OPEN_SESSIONS, [viewer_id])
    return [channel for (channel,) in cursor.fetchall()]


def end_sessions(cursor: CursorWrapper, viewer_id: str, channels: list[int]) -> None:
    """End a viewer's open sessions in channels, whose locks are held, where they were last proven."""
    cursor.execute(STAGE_CREDIT)
    cursor.execute(statements.END_SESSIONS, {"viewer": viewer_id, "channels": channels})
    fold(cursor)


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
    Stream.objects.filter(pk=stream.pk).update(presence_at=at, credited_at=Least("credited_at", Value(at)))


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
    found = cursor.fetchone()
    if found is None:  # it turned out to be part of another one
        return Standing(None, None, "", None)
    presence_at, credited_at, broadcaster, spans = found
    current = next((span for span in spans or () if span.lower <= at and (span.upper is None or at < span.upper)), None)
    return Standing(
        presence_at,
        credited_at,
        broadcaster or "",
        current.lower if current else None,
    )


def _stage(cursor: CursorWrapper, chatters: Iterable[Present], unkept: Unkept) -> int:
    """Stage who is there; return how many are not, for nothing is kept of them: they are only counted."""
    present = {chatter.id: chatter for chatter in chatters}
    unnamed = unkept.among(present) if unkept else ()
    for viewer_id in unnamed:
        del present[viewer_id]
    with cursor.db.wrap_database_errors, cursor.cursor.copy(statements.COPY_PRESENT) as copy:
        copy.set_types(["text", "text", "text"])
        for chatter in present.values():
            copy.write_row((chatter.id, chatter.login, chatter.display_name))
    return len(unnamed)


def correct(
    session: ViewSession, started_at: datetime, ended_at: datetime | None, reason: str, user: AbstractBaseUser
) -> None:
    """Put a session right by hand, and write down what it was; without an end, the viewer was not there at all.

    Raises ValueError, with a sentence for people, for what cannot have been.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        lock_channels(cursor, [session.channel_id])
        known = ViewSession.objects.select_for_update().filter(pk=session.pk).first()
        if known is None:
            raise ValueError("This session is gone: what became known of the stream since has removed it.")
        if known.ended_at is None:
            raise ValueError("This session still goes on: it can be corrected when it has ended.")
        start = started_at.replace(microsecond=0)
        end = ended_at.replace(microsecond=0) if ended_at else start
        if ended_at:
            _refuse_impossible(cursor, known, start, end)
        SessionCorrection.objects.create(
            session=known if ended_at else None,
            stream_id=known.stream_id,
            viewer_id=known.viewer_id,
            made_by_id=user.pk,
            reason=reason,
            started_before=known.started_at,
            ended_before=known.ended_at,
            started_after=start,
            ended_after=end,
        )
        Stream.objects.filter(pk=known.stream_id).update(counted_at=None)
        _restage(cursor, known, start, end)
        if ended_at:
            known.started_at, known.ended_at, known.ended_by = start, end, ViewSession.EndedBy.MODERATOR
            known.save(update_fields=["started_at", "ended_at", "ended_by"])
        else:
            known.delete()


def _refuse_impossible(cursor: CursorWrapper, session: ViewSession, start: datetime, end: datetime) -> None:
    if end <= start:
        raise ValueError("The end has to be after the start. If the viewer was not there at all, say so instead.")
    cursor.execute(statements.IS_ON_AIR, {"stream": session.stream_id, "start": start, "end": end})
    is_on_air, is_ahead = cursor.fetchone()
    if not is_on_air:
        raise ValueError("The stream was not on air for all of this time.")
    if is_ahead:
        raise ValueError("The stream still goes on: a session can end no later than who was there was last asked for.")
    others = ViewSession.objects.filter(stream=session.stream_id, viewer=session.viewer_id).exclude(pk=session.pk)
    if others.filter(Q(ended_at=None) | Q(ended_at__gt=start), started_at__lt=end).exists():
        raise ValueError("The viewer has another session in this time. Correct that one, or end this one before it.")


def _restage(cursor: CursorWrapper, session: ViewSession, start: datetime, end: datetime) -> None:
    """Credit a session's new time in place of its old."""
    cursor.execute(STAGE_CREDIT)
    who = (session.channel_id, session.viewer_id)
    rows = [(*who, session.started_at, session.ended_at, -1), (*who, start, end, 1)]
    cursor.executemany("INSERT INTO credit VALUES (%s, %s, %s, %s, %s)", rows)
    fold(cursor)
