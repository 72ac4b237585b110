"""What every deed on a viewer's file begins with: whose file it is, held, and that whoever does it may."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction

from streams.models import Channel
from streams.reach import reach_of
from streamstats.lib.unseen import UNSEEN
from viewers.marks import mark_of
from viewers.models import Erasure, Progress, Viewer


class NotDone(Exception):
    """A deed that was not done; the text says why, and what to do."""


class File(NamedTuple):
    """A viewer, as the moderators of one channel look at them."""

    channel: Channel
    viewer: Viewer


@contextmanager
def held(file: File, by: User, *others: Viewer) -> Iterator[None]:
    """A transaction in which nobody else does anything to the files of these viewers. Raises PermissionDenied, NotDone.

    Whoever asks to be erased changes the row of the viewer, so that comes either before this or after all of it.
    """
    if not reach_of(by).moderates(file.channel.pk):
        raise PermissionDenied
    ids = sorted({file.viewer.pk, *(other.pk for other in others)})
    with transaction.atomic():
        here = Viewer.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
        if len(here) < len(ids) or _are_being_erased(ids):
            raise NotDone("This account is being erased: nothing more is kept about it.")
        yield


def _are_being_erased(ids: Sequence[str]) -> bool:
    going_on = Erasure.objects.exclude(state=Progress.DONE)
    return going_on.filter(mark__in=[mark_of(each) for each in ids]).exists()


def cleaned(text: str) -> str:
    """A text as it is kept: lines end as they do everywhere, and nothing is in it that cannot be seen."""
    lines = UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    return "\n".join(line.rstrip() for line in lines).strip()


def in_one_line(text: str) -> str:
    return " ".join(cleaned(text).split())
