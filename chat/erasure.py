"""Erases somebody: out of every table, file and page, until nothing is left but proof that it was done.

What becomes of each column is declared in chat/personal.py, and why in docs/decisions/erasure.md. When it begins, the
choice is stored already (viewers/choices.py): no page shows them, and whatever starts to write keeps nothing of them.

It goes in steps, channel by channel, in batches under the lock of the channel. Every batch is one transaction, with
what it removed noted in it, so it may be killed anywhere: the step that was not finished is done again.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection

from chat import personal
from chat.cleaning import find_messages, find_rows
from chat.eraser import MENTION, Eraser, Show, StillOnItsWay, names_of, rows_in, tables_of_others
from chat.loginerasure import logins_of
from chat.mentions import Mentions
from streams.models import Channel
from viewers.models import Erasure, Progress

log = structlog.get_logger(__name__)


class GoesOn(Exception):
    """Somebody else is erasing this account just now."""


class SomeFailed(Exception):
    """Some could not be erased; the text says how many, and names nobody."""


def erase(erasure: Erasure, show: Show = lambda _done, _steps, _words: None) -> bool:
    """Erase whom it says, from where it stopped. False if that has to wait for the ingest: try again later.

    Raises GoesOn where somebody else is at it.
    """
    with _alone(erasure):
        erasure.refresh_from_db()
        if erasure.state == Progress.DONE:
            return True
        if erasure.state == Progress.WAITING:
            erasure.step = ""
        erasure.state = Progress.RUNNING
        erasure.save(update_fields=["state", "step"])
        try:
            Eraser(erasure, show).run()
        except StillOnItsWay:
            return False
    return True


def erase_all() -> str:
    """Erase all who wait for it, one after the other; say how many they were. Raises SomeFailed after the last."""
    outcomes: Counter[str] = Counter()
    tried: list[int] = []
    while erasure := _next(tried):
        tried.append(erasure.pk)
        try:
            outcomes["erased" if erase(erasure) else "waiting for the ingest"] += 1
        except GoesOn:
            outcomes["being erased already"] += 1
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the others must not wait for it
            outcomes["failed"] += 1
            _note_failure(erasure, error)
    said = ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(outcomes.items())) or "nobody waits"
    if outcomes["failed"]:
        raise SomeFailed(f"{said}; tried again in some minutes, and the log says where it failed")
    return said


def would_remove(viewer_id: str) -> dict[str, int]:
    """How many rows of each table an erasure would touch, as `Erasure.removed` has them."""
    channels = list(Channel.objects.values_list("pk", flat=True))
    mentions = Mentions(viewer_id, names_of(viewer_id))
    found = {label: rows_in(label, viewer_id, channels).count() for label in personal.own_tables()}
    found["auth.User"] = len(logins_of(viewer_id))
    said = (len(rows) for channel in channels for rows in find_messages(channel, mentions))
    found[f"{MENTION}chat.Message"] = sum(said)
    for label in tables_of_others():
        found[f"{MENTION}{label}"] = sum(map(len, find_rows(label, mentions)))
    return {label: rows for label, rows in found.items() if rows}


def _next(tried: Sequence[int]) -> Erasure | None:
    return Erasure.objects.exclude(state=Progress.DONE).exclude(pk__in=tried).order_by("asked_at", "pk").first()


def _note_failure(erasure: Erasure, error: Exception) -> None:
    """Not what the error says: it may be a row."""
    log.error("erasure.failed", erasure=erasure.pk, step=erasure.step, error=type(error).__name__)
    connection.close_if_unusable_or_obsolete()
    Erasure.objects.filter(pk=erasure.pk).exclude(state=Progress.DONE).update(state=Progress.FAILED)


@contextmanager
def _alone(erasure: Erasure) -> Iterator[None]:
    """Two who erase the same account would do no harm, but count what they removed twice."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(7308336, %s::int)", [erasure.pk])
        if not cursor.fetchone()[0]:
            raise GoesOn
    try:
        yield
    finally:
        if connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(7308336, %s::int)", [erasure.pk])
