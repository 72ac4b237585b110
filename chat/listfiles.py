"""Files of lists: viewers, sessions, messages and deeds of a channel, for a spreadsheet or a program.

A file is for who asked for it alone, and only while they moderate the channel; it is deleted after a week, and
withdrawn as soon as somebody is erased, who may be named in it.
"""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet

from chat import packedfiles
from chat.listrows import KINDS, Values
from chat.mentions import Mentions
from chat.packedfiles import KEPT_FOR, Overtaken, TooSoon, place
from streams import audit
from streams.models import AuditEntry, Channel
from streams.reach import reach_of
from viewers.models import ListFile, Progress
from viewers.models.job import MOST_TRIES

log = structlog.get_logger(__name__)

FOLDER = "lists"
MOST_A_DAY = 10
NOTED_EVERY = 2000
"""Rows after which whoever waits is told how far it is."""
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
    file.tries += 1
    about = KINDS[file.what].about(file.channel, file.query)
    path = packedfiles.begin(file, OPEN, FOLDER, "gz", tries=file.tries, expected=about)
    try:
        rows, size = _write(file, path)
        now = datetime.now(UTC)
        packedfiles.note(
            file, state=Progress.DONE, rows=rows, size=size, finished_at=now, expires_at=now + KEPT_FOR, problem=""
        )
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


def _write(file: ListFile, path: Path) -> tuple[int, int]:
    """How many rows were written, and how many bytes that became."""
    kind = KINDS[file.what]
    written = 0
    with packedfiles.opened(path) as text:
        add = WRITERS[ListFile.Format(file.format)](text, kind.columns)
        # One that is left half read would be closed when garbage is collected, perhaps in the middle of the next.
        with closing(kind.rows(file.channel, file.query)) as rows:  # type: ignore[type-var]  # all are generators
            for row in rows:
                add(row)
                written += 1
                if written % NOTED_EVERY == 0:
                    packedfiles.note(file, rows=written)
    return written, packedfiles.size_of(path)


WRITERS = {ListFile.Format.CSV: packedfiles.csv_lines, ListFile.Format.JSON_LINES: packedfiles.json_lines}


# What becomes of them


def may_fetch(file: ListFile, user: User) -> bool:
    """Whether a file may be downloaded: by who asked for it, as long as they moderate the channel."""
    is_there = file.state == Progress.DONE and file.withdrawn_at is None and bool(file.file)
    is_in_time = file.expires_at is not None and file.expires_at > datetime.now(UTC)
    return is_there and is_in_time and file.asked_by_id == user.pk and reach_of(user).moderates(file.channel_id)


def is_given_up(file: ListFile) -> bool:
    return file.state == Progress.FAILED and file.tries >= MOST_TRIES


def discard_about(mentions: Mentions) -> int:
    """Delete those whose question names somebody; how many they were."""
    named = [pk for pk, query in ListFile.objects.values_list("pk", "query") if mentions.are_in(json.dumps(query))]
    return packedfiles.discard(ListFile.objects.filter(pk__in=named)) if named else 0


def withdraw(files: QuerySet[ListFile], now: datetime) -> None:
    """Withdraw those of these that were written, and have those begin again that are being written, with all their
    tries. Killed in between, it is to be done again.
    """
    packedfiles.withdraw(files, now, tries=0)


def forget(now: datetime) -> int:
    """Delete what is past its time, and files that no row names; return how many rows they were."""
    past = Q(expires_at__lt=now) | Q(asked_at__lt=now - KEPT_FOR) & ~Q(state=Progress.DONE)
    return packedfiles.forget(ListFile.objects.all(), past, FOLDER, now)


def unfinished() -> list[int]:
    """Those that wait, or that something went wrong with, and that are not given up."""
    return list(ListFile.objects.filter(OPEN).order_by("asked_at").values_list("pk", flat=True))
