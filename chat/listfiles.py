"""Files of lists: viewers, sessions, messages and deeds of a channel, for a spreadsheet or a program.

Rows are written as they are read, packed, so that never more than some hundred of them are in memory. A file is for who
asked for it alone, and only while they moderate the channel; it is deleted after a week, and withdrawn as soon as
somebody is erased, who may be named in it.
"""

import csv
import gzip
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import structlog
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When

from chat import search
from chat.export import place
from chat.mentions import Mentions
from chat.models import ModerationEvent
from chat.viewerfile import finding
from streams import audit
from streams.models import AuditEntry, Channel, Stream
from streams.reach import reach_of
from streamstats.lib.spreadsheet import cell
from viewers.models import ListFile, Progress, ViewerTotal, ViewSession
from viewers.models.job import MOST_TRIES

log = structlog.get_logger(__name__)

FOLDER = "lists"
KEPT_FOR = timedelta(days=7)
MOST_A_DAY = 10
AT_ONCE = 500
"""Rows fetched at a time."""
NOTED_EVERY = 2000
"""Rows after which whoever waits is told how far it is."""
PATIENCE_S = 5.0
"""For one page of a search, which nobody waits for in front of a browser."""
BEING_MADE = "A file is being made for you already. It is in the list of files when it is ready; then ask for the next."
TOO_MANY = f"You asked for {MOST_A_DAY} files within a day. Please ask again tomorrow, or fetch one of those."
TRIED_AGAIN = "Something went wrong; it is tried again within minutes."
GIVEN_UP = (
    f"Something went wrong {MOST_TRIES} times, so this file is given up. Ask for another one, of fewer days or words;"
    " if that fails, too, tell whoever runs this site."
)
ASKED = "listfile.ask"
OPEN = Q(state__in=(Progress.WAITING, Progress.RUNNING)) | Q(state=Progress.FAILED, tries__lt=MOST_TRIES)
"""Files that are there some time, unless they are given up."""
# Unless it begins so, Excel reads a CSV file in an old alphabet, and shows nonsense for every name beyond it.
BYTE_ORDER_MARK = "\ufeff"


class TooSoon(Exception):
    """No file is made now; the text says why, and what to do."""


class Overtaken(Exception):
    """What is written so far is not wanted any more: somebody was erased, or it was deleted."""


Values = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A list that can be written: its columns, which questions it takes, its rows, and about how many there are."""

    name: str
    columns: tuple[str, ...]
    asks: frozenset[str]
    rows: Callable[[Channel, Values], Iterator[tuple[Any, ...]]]
    about: Callable[[Channel, Values], int]


# What can be asked


def ask(by: User, channel: Channel, what: str, query: Values, written_as: str) -> ListFile:
    """Have a file made. `query` is as the form has it, all of it JSON. Raises TooSoon, PermissionDenied, KeyError."""
    kind = KINDS[what]
    if not reach_of(by).moderates(channel.pk):
        raise PermissionDenied(f"Only the moderators of {channel} have its lists written into files.")
    query = {name: value for name, value in query.items() if name in kind.asks and value not in (None, "", [])}
    since = datetime.now(UTC) - timedelta(days=1)
    try:
        with transaction.atomic():
            User.objects.select_for_update(no_key=True).get(pk=by.pk)  # who asks twice at once asks one after the other
            # As the audit log has them, of which nothing can be deleted: whoever asked may delete a file, and its row.
            asked = AuditEntry.objects.filter(by=by, action=ASKED, at__gt=since)
            if len(asked[:MOST_A_DAY]) == MOST_A_DAY:
                raise TooSoon(TOO_MANY)
            file = ListFile.objects.create(
                channel=channel, asked_by=by, what=what, query=query, format=ListFile.Format(written_as)
            )
            detail = {"list": what, "query": query, "format": written_as}
            audit.note(by, ASKED, channel=channel, target=file, detail=detail)
    except IntegrityError:
        raise TooSoon(BEING_MADE) from None
    return file


# Making it


def make(file_id: int) -> str:
    """Write a file; what it says names nobody: it stands in a log.

    Where somebody is erased meanwhile, it begins again.
    """
    file = _wanted(file_id)
    while file is not None:
        if file.tries >= MOST_TRIES:  # the worker was killed in the middle of the last one
            _fail(file)
            return "given up"
        try:
            return _made(file)
        except Overtaken:
            file = _wanted(file_id)
    return "not wanted any more"


def _wanted(file_id: int) -> ListFile | None:
    return ListFile.objects.select_related("channel").filter(OPEN, pk=file_id).first()


def _made(file: ListFile) -> str:
    path = _begun(file)
    try:
        rows, size = _write(file, path)
        now = datetime.now(UTC)
        _note(file, state=Progress.DONE, rows=rows, size=size, finished_at=now, expires_at=now + KEPT_FOR, problem="")
    except Overtaken:
        path.unlink(missing_ok=True)
        raise
    except BaseException as error:
        path.unlink(missing_ok=True)
        # Not what the error says: it may be a row.
        log.error("listfile.failed", file=file.pk, error=type(error).__name__)
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        _fail(file)
        raise
    return f"{rows:,} rows, {size:,} bytes"


def _fail(file: ListFile) -> None:
    if file.file:
        place(file.file).unlink(missing_ok=True)
    problem = GIVEN_UP if file.tries >= MOST_TRIES else TRIED_AGAIN
    failed = {"state": Progress.FAILED, "file": "", "problem": problem}
    ListFile.objects.filter(pk=file.pk, file=file.file).update(**failed)


def _begun(file: ListFile) -> Path:
    """Where to write it. The row names the file before it is there, so that it can be deleted whoever is killed."""
    if file.file:
        place(file.file).unlink(missing_ok=True)
    begun: Values = {"file": f"{FOLDER}/{secrets.token_urlsafe(24)}.gz", "rows": 0, "tries": file.tries + 1}
    begun["expected"] = KINDS[file.what].about(file.channel, file.query)
    if not ListFile.objects.filter(OPEN, pk=file.pk).update(state=Progress.RUNNING, **begun):
        raise Overtaken
    file.file, file.tries = str(begun["file"]), begun["tries"]
    path = place(file.file)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def _note(file: ListFile, **fields: Any) -> None:
    if not ListFile.objects.filter(pk=file.pk, state=Progress.RUNNING, file=file.file).update(**fields):
        raise Overtaken


def _write(file: ListFile, path: Path) -> tuple[int, int]:
    """How many rows were written, and how many bytes that became."""
    kind = KINDS[file.what]
    written = 0
    with _opened(path) as raw, gzip.open(raw, "wt", encoding="utf-8", newline="") as text:
        add = _csv(text, kind) if file.format == ListFile.Format.CSV else _json_lines(text, kind)
        # One that is left half read would be closed when garbage is collected, perhaps in the middle of the next.
        with closing(kind.rows(file.channel, file.query)) as rows:  # type: ignore[type-var]  # all are generators
            for row in rows:
                add(row)
                written += 1
                if written % NOTED_EVERY == 0:
                    _note(file, rows=written)
        text.close()
        return written, raw.tell()


def _opened(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _csv(text: TextIO, kind: Kind) -> Callable[[Iterable[Any]], object]:
    text.write(BYTE_ORDER_MARK)
    writer = csv.writer(text)
    writer.writerow(kind.columns)
    return lambda row: writer.writerow([cell(value) for value in row])


def _json_lines(text: TextIO, kind: Kind) -> Callable[[Iterable[Any]], object]:
    def add(row: Iterable[Any]) -> None:
        told = dict(zip(kind.columns, row, strict=True))
        text.write(json.dumps(told, ensure_ascii=False, default=lambda moment: moment.isoformat()) + "\n")

    return add


# What becomes of them


def may_fetch(file: ListFile, user: User) -> bool:
    """Whether a file may be downloaded: by who asked for it, as long as they moderate the channel."""
    is_there = file.state == Progress.DONE and file.withdrawn_at is None and bool(file.file)
    is_in_time = file.expires_at is not None and file.expires_at > datetime.now(UTC)
    return is_there and is_in_time and file.asked_by_id == user.pk and reach_of(user).moderates(file.channel_id)


def is_given_up(file: ListFile) -> bool:
    return file.state == Progress.FAILED and file.tries >= MOST_TRIES


def discard(files: QuerySet[ListFile]) -> int:
    """Delete files and their rows, the files first: a row without a file can be deleted again."""
    for name in files.exclude(file="").values_list("file", flat=True):
        place(name).unlink(missing_ok=True)
    return files.delete()[0]


def discard_about(mentions: Mentions) -> int:
    """Delete those whose question names somebody; how many they were."""
    named = [pk for pk, query in ListFile.objects.values_list("pk", "query") if mentions.are_in(json.dumps(query))]
    return discard(ListFile.objects.filter(pk__in=named)) if named else 0


def withdraw(files: QuerySet[ListFile], now: datetime) -> None:
    """Withdraw those of these that were written, and have those begin again that are being written.

    For when somebody was erased who may be named in them. Killed in between, it is to be done again: files go before
    their names do.
    """
    is_done = Q(state=Progress.DONE)
    files.filter(is_done & Q(withdrawn_at=None) | Q(state=Progress.RUNNING)).update(
        state=Case(When(is_done, then=F("state")), default=Value(Progress.WAITING)),
        withdrawn_at=Case(When(is_done, then=Value(now))),
        tries=0,
    )
    unwanted = files.filter(Q(state=Progress.WAITING) | Q(withdrawn_at__isnull=False)).exclude(file="")
    names = list(unwanted.values_list("file", flat=True))
    for name in names:
        place(name).unlink(missing_ok=True)
    ListFile.objects.filter(file__in=names).update(file="")


def forget(now: datetime) -> int:
    """Delete what is past its time, and files that no row names; return how many rows they were."""
    past = Q(expires_at__lt=now) | Q(asked_at__lt=now - KEPT_FOR) & ~Q(state=Progress.DONE)
    forgotten = discard(ListFile.objects.filter(past))
    named = set(ListFile.objects.exclude(file="").values_list("file", flat=True))
    folder = place(FOLDER)
    for path in folder.iterdir() if folder.is_dir() else ():
        is_old = path.stat().st_mtime < (now - timedelta(days=1)).timestamp()
        if is_old and f"{FOLDER}/{path.name}" not in named:
            path.unlink(missing_ok=True)
    return forgotten


def unfinished() -> list[int]:
    """Those that wait, or that something went wrong with, and that are not given up."""
    return list(ListFile.objects.filter(OPEN).order_by("asked_at").values_list("pk", flat=True))


# The lists

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
        yield from rows(channel, query).values_list(*names).iterator(chunk_size=AT_ONCE)

    return found


def _about(rows: Callable[[Channel, Values], QuerySet[Any]]) -> Callable[[Channel, Values], int]:
    """How many rows Postgres expects: nobody counts millions for a bar."""

    def expected(channel: Channel, query: Values) -> int:
        [plan] = json.loads(rows(channel, query).order_by().explain(format="json"))
        return int(plan["Plan"]["Plan Rows"])

    return expected


def _messages(channel: Channel, query: Values) -> Iterator[tuple[Any, ...]]:
    wanted, before = _asked(channel, query), None
    while True:
        found = search.find(channel.pk, wanted, before, AT_ONCE, patience_s=PATIENCE_S)
        for said in found.rows:
            who = (said.viewer_id, said.viewer.login, said.viewer.display_name) if said.viewer_id else ("", "", "")
            yield (said.sent_at, *who, said.text, said.bits, said.removed_at, said.id)
        if found.after is None:
            return
        before = found.after


def _about_messages(channel: Channel, query: Values) -> int:
    return search.about(channel.pk, _asked(channel, query))


def _asked(channel: Channel, query: Values) -> search.Query:
    since, until = _span(query)
    stream = Stream.objects.filter(channel=channel, pk=query["stream"]).first() if query.get("stream") else None
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
