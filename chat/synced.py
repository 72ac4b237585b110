"""Which rows the entries of the log of changes stand for: see streams/sync.py.

Who is hidden, or shown again, is one entry, and changes every row of that viewer. New messages are no entries at all,
for there may be twenty thousand a second: the log only has the minutes in which a transaction stored some, and each
message says which transaction it was.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from chat.models import ChatEvent, Redemption, ViewerEmote
from streams import sync
from viewers.models import Award, Profile, Standing, Summary, ViewSession

STORED = "stored"
"""An entry of messages that were stored: its key is the minute, counted from 1970."""

THINNED_AFTER = timedelta(minutes=30)
"""Of older entries only the newest of each minute may be left: it stands for all of that minute's messages then. They
are thinned when they are twice as old (chat/tasks.py)."""


def of_viewer(resource: str, channel_id: int) -> sync.OfViewer:
    """The keys of a viewer's rows in a resource of a channel. Raises KeyError where rows are nobody's."""
    return partial(OF_VIEWER[resource], channel_id)


def messages(channel_id: int, since: sync.Cursor, most: int) -> sync.Changes:
    """As `sync.changed`, for messages: which are new, were removed, or are gone before their time was over."""
    return sync.changed(channel_id, "messages", since, most, many={STORED: partial(_stored, channel_id)})


def _of_number(rows: QuerySet[Any]) -> Callable[[int, str, str, int], list[str]]:
    """Keys of rows that have a number of ours."""

    def keys(channel_id: int, viewer: str, after: str, most: int) -> list[str]:
        theirs = rows.filter(channel=channel_id, viewer=viewer, pk__gt=int(after or 0)).order_by("pk")
        return [str(key) for key in theirs.values_list("pk", flat=True)[:most]]

    return keys


def _of_name(rows: QuerySet[Any]) -> Callable[[int, str, str, int], list[str]]:
    """Keys of rows that have an id of Twitch's."""

    def keys(channel_id: int, viewer: str, after: str, most: int) -> list[str]:
        theirs = rows.filter(channel=channel_id, viewer=viewer, pk__gt=after).order_by("pk")
        return list(theirs.values_list("pk", flat=True)[:most])

    return keys


def _events(channel_id: int, viewer: str, after: str, most: int) -> list[str]:
    """What they did, and what was given to them: both name them."""
    theirs = ChatEvent.objects.filter(channel=channel_id, viewer=viewer, pk__gt=after)
    given = ChatEvent.objects.filter(channel=channel_id, recipient_id=viewer, pk__gt=after).exclude(recipient_id="")
    found = [rows.order_by("pk").values_list("pk", flat=True)[:most] for rows in (theirs, given)]
    return sorted({key for keys in found for key in keys})[:most]


def _usage(channel_id: int, viewer: str, after: str, most: int) -> list[str]:
    last = int(after.partition(":")[2] or 0)
    theirs = ViewerEmote.objects.filter(channel=channel_id, viewer=viewer, emote__gt=last).order_by("emote")
    return [f"{viewer}:{emote}" for emote in theirs.values_list("emote", flat=True)[:most]]


def _awards(channel_id: int, viewer: str, after: str, most: int) -> list[str]:
    theirs = Award.objects.filter(channel=channel_id, viewer=viewer).values_list("achievement", "level")
    keys = sorted(f"{viewer}:{achievement}:{level}" for achievement, level in theirs)
    return [key for key in keys if key > after][:most]


def _themselves(*tables: QuerySet[Any]) -> Callable[[int, str, str, int], list[str]]:
    """The one row that a viewer has, under their own id, where there is anything of them in one of these."""

    def keys(channel_id: int, viewer: str, after: str, most: int) -> list[str]:
        are_any = (rows.filter(channel=channel_id, viewer=viewer).exists() for rows in tables)
        return [viewer] if not after and any(are_any) else []

    return keys


OF_VIEWER: Mapping[str, Callable[[int, str, str, int], list[str]]] = {
    "viewers": _themselves(Standing.objects.filter(period="all")),
    "profiles": _themselves(Profile.objects.all(), Summary.objects.all()),
    "sessions": _of_number(ViewSession.objects.all()),
    "redemptions": _of_name(Redemption.objects.all()),
    "events": _events,
    "usage": _usage,
    "awards": _awards,
}

# The messages that some entries stand for, a few of each, by the index of the channel's messages by time. An entry of
# not long ago has the transaction that stored them; one that others were thinned into stands for the whole minute.
OF_MINUTES = """
SELECT number, said.sent_at, said.id
FROM unnest(%(minutes)s::timestamptz[], %(xids)s::bigint[], %(from)s::timestamptz[], %(ids)s::text[])
    WITH ORDINALITY AS told (minute, xid, start, id, number)
CROSS JOIN LATERAL (
    SELECT sent_at, id FROM chat_message
    WHERE channel_id = %(channel)s AND sent_at >= told.start AND sent_at < told.minute + interval '1 minute'
        AND (told.xid = 0 OR stored_in = told.xid)
        AND (sent_at, id) > (told.start, told.id)
    ORDER BY sent_at, id LIMIT %(most)s
) said
ORDER BY number, said.sent_at, said.id
"""


def _stored(
    channel_id: int, entries: Sequence[sync.Entry], start: sync.Place, most: int
) -> dict[sync.Place, list[sync.Row]]:
    rows: dict[sync.Place, list[sync.Row]] = {entry.place: [] for entry in entries}
    if not entries:
        return rows
    minutes = [datetime.fromtimestamp(int(entry.place.key) * 60, UTC) for entry in entries]
    behind = [_behind(entry, minute, start) for entry, minute in zip(entries, minutes, strict=True)]
    lately = datetime.now(UTC) - THINNED_AFTER
    values: dict[str, Any] = {
        "channel": channel_id,
        "minutes": minutes,
        "xids": [entry.place.xid if entry.at > lately else 0 for entry in entries],
        "from": [moment for moment, _ in behind],
        "ids": [message for _, message in behind],
        "most": most,
    }
    with connection.cursor() as cursor:
        cursor.execute(OF_MINUTES, values)
        for number, sent_at, message in cursor.fetchall():
            rows[entries[number - 1].place].append(sync.Row(f"{sent_at.isoformat()} {message}", message))
    return rows


def _behind(entry: sync.Entry, minute: datetime, start: sync.Place) -> tuple[datetime, str]:
    """Behind which message to go on: at the beginning of the minute, unless it was left in the middle."""
    if entry.place[:3] != start[:3] or not start.after:
        return minute, ""
    moment, _, message = start.after.partition(" ")
    return datetime.fromisoformat(moment), message
