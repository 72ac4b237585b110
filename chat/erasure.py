"""Erases somebody: out of every table, file and page, until nothing is left but proof that it was done.

What becomes of each column is declared in chat/personal.py, and why in docs/decisions/erasure.md. When it begins, the
choice is stored already (viewers/choices.py): no page shows them, and whatever starts to write keeps nothing of them.

It goes in steps, channel by channel, in batches under the lock of the channel. Every batch is one transaction, with
what it removed noted in it, so it may be killed anywhere: the step that was not finished is done again.

To find somebody in what others wrote, every text is read. So whoever waits shares one pass over them, and between two
passes of the job there is a pause: however many ask, the database spends most of its time on something else.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection
from django.db.models import Q

from chat import personal
from chat.cleaning import find_messages, find_rows
from chat.eraser import Eraser, Show, StillOnItsWay, clean_texts, tables_of_others
from chat.leaving import MENTION, names_of, rows_in
from chat.loginerasure import logins_of
from chat.mentions import Mentions
from streams.locks import ERASURES, GoesOn, alone
from streams.models import Channel
from viewers.models import Erasure, Progress

log = structlog.get_logger(__name__)

MOST_TOGETHER = 50
"""In one pass: each of them makes finding a little slower."""
PAUSE = timedelta(minutes=10)
"""Between two passes."""


class SomeFailed(Exception):
    """Some could not be erased; the text says how many, and names nobody."""


def _show_nobody(_done: int, _steps: int, _words: str) -> None:
    """Nobody looks at it."""


def erase(erasure: Erasure, show: Show = _show_nobody) -> bool:
    """Erase whom it says, from where it stopped. False if that has to wait for the ingest: try again later.

    Raises GoesOn where somebody else is at it.
    """
    with alone(ERASURES, erasure.pk):  # two would do no harm, but count what they removed twice
        erasure.refresh_from_db()
        if erasure.state == Progress.DONE:
            return True
        eraser = _begun(erasure, show, _channels())
        try:
            eraser.leave()
        except StillOnItsWay:
            return False
        clean_texts([eraser], eraser.channels)
        eraser.finish()
    return True


def erase_all() -> str:
    """Erase who waits for it, as many as share one pass; say how many they were. Raises SomeFailed after the last.

    What is theirs goes at once; where the last pass is not long ago, the rest waits for the next.
    """
    outcomes: Counter[str] = Counter()
    channels = _channels()
    with ExitStack() as held:
        erasers = [eraser for erasure in _open() if (eraser := _left(erasure, channels, held, outcomes))]
        if erasers and _was_just_done():
            outcomes["waiting for the next pass"] = len(erasers)
        else:
            _erase_together(erasers, channels, outcomes)
    said = ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(outcomes.items())) or "nobody waits"
    if outcomes["failed"]:
        raise SomeFailed(f"{said}; tried again in some minutes, and the log says where it failed")
    return said


def would_remove(viewer_id: str) -> dict[str, int]:
    """How many rows of each table an erasure would touch, as `Erasure.removed` has them."""
    channels = list(Channel.objects.values_list("pk", flat=True))
    mentions = [Mentions(viewer_id, names_of(viewer_id))]
    found = {label: rows_in(label, viewer_id, channels).count() for label in personal.own_tables()}
    found["auth.User"] = len(logins_of(viewer_id))
    said = (len(rows) for channel in channels for rows in find_messages(channel, mentions))
    found[f"{MENTION}chat.Message"] = sum(said)
    for label in tables_of_others():
        found[f"{MENTION}{label}"] = sum(map(len, find_rows(label, mentions)))
    return {label: rows for label, rows in found.items() if rows}


def _open() -> list[Erasure]:
    """Those that failed come last, or they would take the places of all others for ever."""
    unfinished = Erasure.objects.exclude(state=Progress.DONE).alias(has_failed=Q(state=Progress.FAILED))
    return list(unfinished.order_by("has_failed", "asked_at", "pk")[:MOST_TOGETHER])


def _was_just_done() -> bool:
    return Erasure.objects.filter(finished_at__gt=datetime.now(UTC) - PAUSE).exists()


def _channels() -> list[Channel]:
    return list(Channel.objects.order_by("pk"))


def _begun(erasure: Erasure, show: Show, channels: Sequence[Channel]) -> Eraser:
    if erasure.state == Progress.WAITING:
        erasure.step = ""
    erasure.state = Progress.RUNNING
    erasure.save(update_fields=["state", "step"])
    return Eraser(erasure, show, channels)


def _left(erasure: Erasure, channels: Sequence[Channel], held: ExitStack, outcomes: Counter[str]) -> Eraser | None:
    """Who has nothing of their own here any more, held by us; None where that could not be."""
    try:
        held.enter_context(alone(ERASURES, erasure.pk))
        erasure.refresh_from_db()
        if erasure.state == Progress.DONE:
            return None
        eraser = _begun(erasure, _show_nobody, channels)
        eraser.leave()
    except GoesOn:
        outcomes["being erased already"] += 1
    except StillOnItsWay:
        outcomes["waiting for the ingest"] += 1
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the others must not wait for it
        outcomes["failed"] += 1
        _note_failure(erasure, error)
    else:
        return eraser
    return None


def _erase_together(erasers: Sequence[Eraser], channels: Sequence[Channel], outcomes: Counter[str]) -> None:
    """Clean the texts of others, in halves where that fails: whoever it fails for holds up nobody else."""
    if not erasers:
        return
    try:
        clean_texts(erasers, channels)
        for eraser in erasers:
            eraser.finish()
            outcomes["erased"] += 1
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        still = [eraser for eraser in erasers if eraser.erasure.state != Progress.DONE]
        if len(still) == 1:
            outcomes["failed"] += 1
            _note_failure(still[0].erasure, error)
            return
        _erase_together(still[: len(still) // 2], channels, outcomes)
        _erase_together(still[len(still) // 2 :], channels, outcomes)


def _note_failure(erasure: Erasure, error: Exception) -> None:
    """Not what the error says: it may be a row."""
    log.error("erasure.failed", erasure=erasure.pk, step=erasure.step, error=type(error).__name__)
    connection.close_if_unusable_or_obsolete()
    Erasure.objects.filter(pk=erasure.pk).exclude(state=Progress.DONE).update(state=Progress.FAILED)
