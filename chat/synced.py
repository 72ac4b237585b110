"""Which rows the entries of the log of changes stand for: see streams/sync.py.

Who is shown again is one entry, and brings every row of that viewer. New messages are no entries at all,
for there may be twenty thousand a second: the log only has the minutes in which a transaction stored some, and each
message says which transaction it was.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection
from django.db.models import Exists, QuerySet

from chat.models import ChatEvent, Redemption, ViewerEmote
from streams import sync
from streams.models import Channel
from streams.sync import Choice
from viewers.gone import ends_of
from viewers.models import Award, Profile, Standing, Summary, Viewer, ViewSession
from viewers.visibility import people_in, shown_in

STORED = "stored"
"""An entry of messages that were stored: its key is the minute, counted from 1970."""

Keys = Callable[[Channel, str, Choice, str, int], list[str]]

THINNED_AFTER = timedelta(minutes=30)
"""Of older entries only the newest of each minute may be left: it stands for all of that minute's messages then. They
are thinned when they are twice as old (chat/tasks.py)."""


def of_viewer(resource: str, channel: Channel) -> sync.OfViewer:
    """The keys of rows that say something else since a viewer is shown. Raises KeyError where rows are nobody's.

    Of who is not shown, there are none: see viewers/gone.py.
    """
    return partial(OF_VIEWER[resource], channel)


def messages(channel_id: int, since: sync.Cursor, most: int) -> sync.Changes:
    """As `sync.changed`, for messages: which are new, were removed, or are gone before their time was over."""
    return sync.changed(channel_id, "messages", since, most, many={STORED: partial(_stored, channel_id)})


def _by_key(rows: QuerySet[Any], first: str | int) -> Keys:
    """Of rows that have a key of their own, of which each is later than `first`."""

    def keys(channel: Channel, viewer: str, _choice: Choice, after: str, most: int) -> list[str]:
        theirs = rows.filter(people_in(channel), channel=channel, viewer=viewer, pk__gt=after or first).order_by("pk")
        return [str(key) for key in theirs.values_list("pk", flat=True)[:most]]

    return keys


def _events(channel: Channel, viewer: str, choice: Choice, after: str, most: int) -> list[str]:
    """What they did, and what was given to them: both name them.

    What was given to somebody who is hidden stays with who gave it, and names them no more. What was given after they
    hid, or where they were not shown, never did, and is not told anew: that would say to whom it was.
    """
    of_channel = ChatEvent.objects.filter(channel=channel, pk__gt=after)
    theirs = of_channel.filter(people_in(channel), viewer=viewer)
    given = of_channel.filter(recipient_id=viewer).exclude(recipient_id="")
    if end := ends_of(channel, {viewer: choice}, with_bots=True, traces=()).get(viewer):
        given = given.filter(occurred_at__lt=end.at)
    else:
        given = given.filter(Exists(Viewer.objects.filter(shown_in(channel, "pk"), pk=viewer)))
    found = [rows.order_by("pk").values_list("pk", flat=True)[:most] for rows in (theirs, given)]
    return sorted({key for keys in found for key in keys})[:most]


def _usage(channel: Channel, viewer: str, _choice: Choice, after: str, most: int) -> list[str]:
    last = int(after.partition(":")[2] or 0)
    theirs = ViewerEmote.objects.filter(people_in(channel), channel=channel, viewer=viewer, emote__gt=last)
    return [f"{viewer}:{emote}" for emote in theirs.order_by("emote").values_list("emote", flat=True)[:most]]


def _awards(channel: Channel, viewer: str, _choice: Choice, after: str, most: int) -> list[str]:
    theirs = Award.objects.filter(people_in(channel), channel=channel, viewer=viewer)
    earned = theirs.values_list("achievement", "level")
    keys = sorted(f"{viewer}:{achievement}:{level}" for achievement, level in earned)
    return [key for key in keys if key > after][:most]


def _themselves(*tables: QuerySet[Any]) -> Keys:
    """The one row that a viewer has, under their own id, where there is anything of them in one of these."""

    def keys(channel: Channel, viewer: str, _choice: Choice, after: str, most: int) -> list[str]:
        theirs = (rows.filter(shown_in(channel), channel=channel, viewer=viewer) for rows in tables)
        return [viewer] if not after and any(rows.exists() for rows in theirs) else []

    return keys


OF_VIEWER: Mapping[str, Keys] = {
    "viewers": _themselves(Standing.objects.filter(period="all")),
    "profiles": _themselves(Profile.objects.all(), Summary.objects.all()),
    "sessions": _by_key(ViewSession.objects.all(), 0),
    "redemptions": _by_key(Redemption.objects.all(), ""),
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
