"""Packed files that people ask for: rows are written while they are read, so only some hundred are ever in memory.

A row of the database stands for each file (see `Asked`). It names the file before the file is there, and is deleted
after it, so no file is left of which nobody knows, whoever is killed. What is written meanwhile is not wanted any more
as soon as its row says something else.
"""

import csv
import gzip
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.db.models import Case, F, Q, QuerySet, Value, When

from streamstats.lib.spreadsheet import cell
from viewers.models import Export, ListFile, Progress

AT_ONCE = 500
"""Rows fetched at a time."""
KEPT_FOR = timedelta(days=7)
LEFT_FOR = timedelta(days=1)
"""Files that no row names may belong to a row that is just written."""
# Unless it begins so, Excel reads a CSV file in an old alphabet, and shows nonsense for every name beyond it.
BYTE_ORDER_MARK = "\ufeff"

Asked = Export | ListFile
Add = Callable[[Iterable[Any]], object]


class TooSoon(Exception):
    """No file is made now; the text says why, and what to do."""


class Overtaken(Exception):
    """What is written so far is not wanted any more: somebody was erased, whom it may name, or it was deleted."""


# Where they are


def place(name: str) -> Path:
    """Where a file is. Names are ours alone."""
    return Path(settings.MEDIA_ROOT) / name


def begin(asked: Asked, wanted: Q, folder: str, ending: str, **begun: Any) -> Path:
    """Where to write a file, whose row says `begun` from now on. Raises Overtaken where it is not `wanted` any more."""
    if asked.file:
        place(asked.file).unlink(missing_ok=True)
    file = f"{folder}/{secrets.token_urlsafe(24)}.{ending}"
    rows: QuerySet[Any] = type(asked)._default_manager.filter(wanted, pk=asked.pk)  # noqa: SLF001 (public)
    if not rows.update(state=Progress.RUNNING, file=file, rows=0, **begun):
        raise Overtaken
    asked.file = file
    path = place(file)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def note(asked: Asked, **fields: Any) -> None:
    """Say how far a file is that is being written. Raises Overtaken where it is not wanted any more."""
    rows: QuerySet[Any] = type(asked)._default_manager.all()  # noqa: SLF001 (public, whatever its name)
    if not rows.filter(pk=asked.pk, state=Progress.RUNNING, file=asked.file).update(**fields):
        raise Overtaken


# Writing


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """A new packed file that nobody else on this computer may read."""
    with (
        os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw,
        gzip.open(raw, "wt", encoding="utf-8", newline="") as text,
    ):
        yield text


def size_of(path: Path) -> int:
    """Bytes of a file that was written. Raises Overtaken where it was deleted meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        raise Overtaken from None


def csv_lines(text: TextIO, columns: Iterable[str]) -> Add:
    """Writes rows for a spreadsheet, their columns first."""
    text.write(BYTE_ORDER_MARK)
    writer = csv.writer(text)
    writer.writerow(columns)
    return lambda row: writer.writerow([cell(value) for value in row])


def json_lines(text: TextIO, columns: Iterable[str]) -> Add:
    """Writes rows for a program, each by itself."""
    names = tuple(columns)
    return lambda row: text.write(as_json(dict(zip(names, row, strict=True))) + "\n")


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_text)


def _text(value: Any) -> str:
    """Dates, times and money. Anything else would be a column that nobody thought of."""
    return str(value) if isinstance(value, Decimal) else str(value.isoformat())


# What becomes of them


def discard(rows: QuerySet[Any]) -> int:
    """Delete files and their rows, the files first: a row without a file can be deleted again."""
    for name in rows.exclude(file="").values_list("file", flat=True):
        place(name).unlink(missing_ok=True)
    return rows.delete()[0]


def withdraw(rows: QuerySet[Any], now: datetime, **again: Any) -> None:
    """Withdraw those that were written so far, and have those begin again that are being written; `again` is what
    their rows say then.

    For when somebody was erased, whom they may name. Their rows stay, to say what became of them. Killed in between,
    it is to be done again: files go before their names do.
    """
    is_done = Q(state=Progress.DONE)
    rows.filter(is_done & Q(withdrawn_at=None) | Q(state=Progress.RUNNING)).update(
        state=Case(When(is_done, then=F("state")), default=Value(Progress.WAITING)),
        withdrawn_at=Case(When(is_done, then=Value(now))),
        **again,
    )
    unwanted = rows.filter(Q(state=Progress.WAITING) | Q(withdrawn_at__isnull=False)).exclude(file="")
    names = list(unwanted.values_list("file", flat=True))
    for name in names:
        place(name).unlink(missing_ok=True)
    rows.filter(file__in=names).update(file="")


def forget(rows: QuerySet[Any], past: Q, folder: str, now: datetime) -> int:
    """Delete what is past its time, and files of a folder that no row names; return how many rows they were."""
    forgotten = discard(rows.filter(past))
    named = set(rows.exclude(file="").values_list("file", flat=True))
    inside = place(folder)
    for path in inside.iterdir() if inside.is_dir() else ():
        is_old = path.stat().st_mtime < (now - LEFT_FOR).timestamp()
        if is_old and f"{folder}/{path.name}" not in named:
            path.unlink(missing_ok=True)
    return forgotten
