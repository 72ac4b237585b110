"""Everything that is kept about a viewer (chat/exportparts.py), written into one file that only they can fetch.

A line of JSON for each row, so that it can be read line by line, too.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from django.db import IntegrityError, transaction
from django.db.models import Q

from chat import packedfiles
from chat.exportparts import PARTS, subject_of
from chat.packedfiles import KEPT_FOR, Overtaken, TooSoon, as_json
from viewers.models import Export, Progress, Viewer

FOLDER = "exports"
PAUSE = timedelta(hours=1)
NOTED_EVERY = 5000
"""Rows after which the page that waits is told how far it is."""
BEING_MADE = "Your export is being made already. It appears here when it is ready."
OPEN = (Progress.WAITING, Progress.RUNNING, Progress.FAILED)


# Asking for one.


def ask(viewer: Viewer, now: datetime) -> Export:
    """Have an export made; TooSoon while one is being made, and for an hour after one was."""
    if reason := why_not(_last(viewer), now):
        raise TooSoon(reason)
    try:
        with transaction.atomic():
            return Export.objects.create(viewer=viewer, parts=len(PARTS))
    except IntegrityError:
        raise TooSoon(BEING_MADE) from None


def why_not(last: Export | None, now: datetime) -> str:
    """Why no other export is made after this one yet; empty where one may be asked for."""
    if last and last.state in OPEN:
        return BEING_MADE
    if last and not last.withdrawn_at and last.finished_at and last.finished_at > now - PAUSE:
        return "Your last export is less than an hour old. Fetch that one, or ask again in an hour."
    return ""


def _last(viewer: Viewer) -> Export | None:
    return Export.objects.filter(viewer=viewer).order_by("-asked_at").first()


# Making it.


def make(export_id: int) -> str:
    """Write the file of an export, and delete those before it. What it says names nobody: it stands in a log.

    Where somebody is erased meanwhile, it begins again.
    """
    export = Export.objects.filter(pk=export_id, state__in=OPEN).first()
    while export is not None:
        try:
            return _made(export)
        except Overtaken:
            export = Export.objects.filter(pk=export_id, state=Progress.WAITING).first()
    return "not wanted any more"


def _made(export: Export) -> str:
    path = packedfiles.begin(export, Q(state__in=OPEN), FOLDER, "json.gz", parts=len(PARTS), parts_done=0)
    try:
        rows = _write(export, path)
        now = datetime.now(UTC)
        done = {"size": packedfiles.size_of(path), "rows": rows, "parts_done": len(PARTS)}
        packedfiles.note(export, state=Progress.DONE, finished_at=now, expires_at=now + KEPT_FOR, **done)
    except Overtaken:
        path.unlink(missing_ok=True)
        raise
    except BaseException:
        path.unlink(missing_ok=True)
        Export.objects.filter(pk=export.pk, file=export.file).update(state=Progress.FAILED, file="")
        raise
    packedfiles.discard(Export.objects.filter(viewer=export.viewer_id, state=Progress.DONE).exclude(pk=export.pk))
    return f"{rows:,} rows, {done['size']:,} bytes"


def withdraw_all(now: datetime) -> None:
    """Withdraw every export: those of others name who was given something, and who was written about."""
    packedfiles.withdraw(Export.objects.all(), now)


def forget(now: datetime) -> int:
    """Delete what is past its time, and files that no export names; return how many exports they were."""
    past = Q(expires_at__lt=now) | Q(asked_at__lt=now - KEPT_FOR, state__in=OPEN)
    return packedfiles.forget(Export.objects.all(), past, FOLDER, now)


def unfinished() -> list[int]:
    """Exports that wait, or that something went wrong with."""
    return list(Export.objects.filter(state__in=OPEN).order_by("asked_at").values_list("pk", flat=True))


def _write(export: Export, path: Path) -> int:
    subject = subject_of(export.viewer_id)
    written = 0
    with packedfiles.opened(path) as file:
        file.write(f'{{"about": {as_json(_about(export))},\n"parts": {{')
        for number, part in enumerate(PARTS):
            file.write(f'{"," if number else ""}\n{as_json(part.name)}: {{"about": {as_json(part.about)}, "rows": [')
            # One that is left half read would be closed when garbage is collected, perhaps in the middle of the next.
            with closing(part.rows(subject)) as rows:
                written = _write_rows(export, rows, file, written)
            file.write("]}")
            packedfiles.note(export, parts_done=number + 1, rows=written)
        file.write("\n}}\n")
    return written


def _write_rows(export: Export, rows: Iterator[Mapping[str, Any]], file: TextIO, written: int) -> int:
    for number, row in enumerate(rows):
        file.write(f"{',' if number else ''}\n{as_json(row)}")
        written += 1
        if written % NOTED_EVERY == 0:
            packedfiles.note(export, rows=written)
    return written


def _about(export: Export) -> dict[str, str]:
    return {
        "what": "Everything that this StreamStats keeps about one Twitch account.",
        "twitch_id": export.viewer_id,
        "made_at": datetime.now(UTC).isoformat(),
        "times": "All times are UTC. Days are UTC days.",
        "not_in_it": "Numbers that are counted of everybody together, and what others wrote.",
    }
