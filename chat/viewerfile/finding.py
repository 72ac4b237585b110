"""Finding viewers by any name they ever had: login or display name."""

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Value
from django.db.models.functions import Lower

from streams.models import Channel
from viewers.models import Viewer, ViewerName, ViewerTotal
from viewers.models.viewer import DISPLAYED, IS_DISPLAYED_OTHERWISE

NAMES_SEARCHED = 1000
"""A single letter begins a good part of all names."""
MOST = 20


def beginning_with(typed: str) -> QuerySet[ViewerName, Any]:
    """The viewers, as a question of their keys, of the first names that begin with this."""
    prefix = tidied(typed)
    logins = ViewerName.objects.beginning_with(prefix).values("viewer")[:NAMES_SEARCHED]
    return logins.union(ViewerName.objects.displayed_as(prefix).values("viewer")[:NAMES_SEARCHED])


def called(channel: Channel, typed: str) -> list[Viewer]:
    """Who was seen in a channel and has, or ever had, exactly this name or id; who has it now comes first."""
    name = tidied(typed)
    if not name:
        return []
    displayed = ViewerName.objects.filter(IS_DISPLAYED_OTHERWISE).annotate(found=DISPLAYED)
    logins = ViewerName.objects.filter(login=name).values_list("viewer", flat=True)[:NAMES_SEARCHED]
    others = displayed.filter(found=Lower(Value(name))).values_list("viewer", flat=True)[:NAMES_SEARCHED]
    keys = {name, *logins.union(others)}  # asked first: with "or", the names of everybody would be looked through
    here = Exists(ViewerTotal.objects.filter(channel=channel, viewer=OuterRef("pk")))
    found = Viewer.objects.filter(here, pk__in=keys).order_by("-named_at", "pk")[:MOST]
    return sorted(found, key=lambda viewer: viewer.login != name)


def tidied(typed: str) -> str:
    """A name as names are kept: no more of it is looked for than names can have."""
    return typed.replace("\x00", "").strip().removeprefix("@").lower()[:64]
