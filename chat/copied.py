"""What others may have copied of who is erased, or purged: told that it is gone, by a log that does not say who it was.

Anybody may read the API, so anybody may have a copy, and whoever has one is to delete it, too. Of what is a viewer's
that is told as when they hide: as the viewer, who is gone, and nothing of single rows. It is told where they were last
shown, so that who knew already hears nothing of it. All else that went, such as messages, is named by its key.

For that the log of changes has to name them for as long as somebody may come back with a cursor. It does so in entries
that only we can read (streams/sealed.py), until they are forgotten like all others: see docs/decisions/erasure.md.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any, NamedTuple

from django.db import connection
from django.db.backends.utils import CursorWrapper

from chat.api.events import TRACES
from chat.mentions import Mentions
from chat.models import ChatEvent
from streams import sync
from streams.models import Channel, Delivery
from streams.sealed import seal
from streams.sync import EVERYWHERE, SEALED, VISIBILITY, Choice, Departure
from streams.webhooks.events import GONE
from viewers.gone import ends_of, met_of

KEYS_AT_ONCE = 200
"""Keys in one sealed entry."""
NAMED_BY_VIEWER = ("viewers", "usage", "awards", "profiles", VISIBILITY)
"""Resources of the log whose keys begin with a viewer's id."""
OF_VIEWERS = (*NAMED_BY_VIEWER, "sessions", "redemptions", "events")
"""Those of which nothing is told of who is not shown, but that they are gone."""
GIVEN = "events"
"""Rows of others that name a viewer."""

Row = tuple[int | None, str, str]
"""Channel, resource and key."""

# What this transaction wrote into the log that may say what somebody did. Which minutes have new messages does not.
TAKE_WRITTEN = """
DELETE FROM streams_change
WHERE xid = pg_current_xact_id()::text::bigint AND sealed = '' AND resource <> ALL(%s) AND resource <> 'stored'
RETURNING channel_id, resource, key
"""
# What was written of the same rows before: they are gone now, which is all there is to be told. Not a join with the
# keys, which would read all that the log says of the channel's, or look through it once for each of them.
TAKE_EARLIER = """
DELETE FROM streams_change WHERE key = ANY(%s) AND channel_id = %s AND resource = %s AND sealed = ''
"""
TAKEN_EARLIER = ("messages", "moderation")
"""Of these everything is of one channel."""
# What this transaction wrote of these rows of others, which say nothing else than before to anybody.
FORGET_WRITTEN = """
DELETE FROM streams_change
WHERE xid = pg_current_xact_id()::text::bigint AND sealed = '' AND resource = %s AND key = ANY(%s)
"""
# No index has the viewers: an entry more for each row of each fold would cost more than to read the log now and then.
_VIEWER = "CASE WHEN resource = ANY(%(named)s) THEN split_part(key, ':', 1) ELSE whose END"
_NAMES_THEM_IN_CLEAR = f"""
sealed = '' AND (%(channel)s::bigint IS NULL OR channel_id = %(channel)s) AND resource = ANY(%(of_viewers)s)
    AND {_VIEWER} = ANY(%(viewers)s)
"""
FIND_NAMED = f"SELECT {_VIEWER}, id FROM streams_change WHERE {_NAMES_THEM_IN_CLEAR}"
FORGET_FOUND = "DELETE FROM streams_change WHERE id = ANY(%s) AND sealed = ''"
FORGET_SINCE = f"DELETE FROM streams_change WHERE xid >= %(until)s AND {_NAMES_THEM_IN_CLEAR}"
# The last that is known of whether these viewers are shown: in a channel, and everywhere. Asked for with one condition,
# both would be looked for among all channels.
LAST_CHOICES = """
SELECT DISTINCT ON (key, is_here) key, is_here, xid, at FROM (
    SELECT key, true AS is_here, xid, at FROM streams_change
    WHERE channel_id = %(channel)s AND resource = %(resource)s AND key = ANY(%(viewers)s) AND sealed = ''
    UNION ALL
    SELECT key, false, xid, at FROM streams_change
    WHERE channel_id IS NULL AND resource = %(resource)s AND key = ANY(%(viewers)s) AND sealed = ''
) chosen
ORDER BY key, is_here, xid DESC
"""
ADD_SEALED = """
INSERT INTO streams_change (channel_id, resource, key, sealed)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[])
"""
ADD_DEPARTURE = """
INSERT INTO streams_change (xid, at, channel_id, resource, key, sealed)
VALUES (coalesce(%s, pg_current_xact_id()::text::bigint), coalesce(%s, now()), %s, %s, %s, %s)
"""
# Whoever makes deliveries has read what is said in the clear still.
HOLD_WEBHOOKS = """
SELECT FROM streams_webhook WHERE %(channel)s::bigint IS NULL OR channel_id = %(channel)s
ORDER BY id FOR NO KEY UPDATE
"""

# No index has what was sent and answered.
_DELIVERY_NAMES_THEM = """
(viewer_id = %(viewer)s OR body::text ~* %(anywhere)s OR answer ~* %(anywhere)s OR key = %(viewer)s)
"""
FIND_DELIVERIES = f"SELECT id FROM streams_delivery WHERE {_DELIVERY_NAMES_THEM}"
# In the order in which all take them who take many.
TAKE_DELIVERIES = f"""
SELECT id FROM streams_delivery
WHERE (id = ANY(%(found)s) OR made_at >= %(since)s OR tried_at >= %(since)s) AND {_DELIVERY_NAMES_THEM}
ORDER BY id FOR UPDATE
"""
# Of deliveries that tell who is gone, that alone stays, sealed, until it was told.
SEAL_DELIVERIES = """
UPDATE streams_delivery SET sealed = %(sealed)s
WHERE id = ANY(%(taken)s) AND event = %(gone)s AND key = %(viewer)s AND sealed = '' AND state = %(waiting)s
"""
EMPTY_DELIVERIES = """
UPDATE streams_delivery SET viewer_id = '', key = '', body = NULL, answer = '', problem = ''
WHERE id = ANY(%(taken)s) AND sealed <> ''
"""
DELETE_DELIVERIES = "DELETE FROM streams_delivery WHERE id = ANY(%(taken)s) AND sealed = ''"

WRITTEN_WITHIN = timedelta(hours=1)
"""Of the time that it says, a delivery is stored, and so is what came back of an attempt: both take minutes at most."""


class Named(NamedTuple):
    """What the log has in the clear that names some viewers, as it was found at one time."""

    channel: int | None
    """None: in every channel."""
    until: int
    """Every transaction below this number was over by then."""
    entries: Mapping[str, Sequence[int]]
    """By viewer."""


class Told(NamedTuple):
    """The deliveries that name a viewer, as they were found at one time."""

    since: datetime
    """What was made or tried before was seen."""
    deliveries: Sequence[int]


class Stand(NamedTuple):
    """Where the log has something, and when that was written."""

    xid: int
    at: datetime
    arm: str


def seal_departures(cursor: CursorWrapper, channel: Channel, viewers: Sequence[str]) -> None:
    """Have it told that these viewers are gone from a channel. Call it while everything of theirs is there.

    Where they are shown until now, it is told now. Of who hid it is told where that stands in the log; and of who did
    so longer ago than the log is kept, or was never shown there, nothing is.
    """
    shown = met_of(channel, viewers, TRACES)
    stands = _last_choices(cursor, channel.pk, [viewer for viewer in viewers if viewer not in shown])
    ends = {
        is_here: ends_of(
            channel,
            {
                viewer: Choice(here=stand.at) if is_here else Choice(everywhere=stand.at)
                for (viewer, of_channel), stand in stands.items()
                if of_channel is is_here
            },
            with_bots=True,
            traces=TRACES,
        )
        for is_here in (True, False)
    }
    gifts = _gifts_to(channel, viewers)
    for viewer in viewers:
        if viewer in shown:
            _depart(cursor, channel.pk, None, viewer, [event for event, _ in gifts[viewer]])
            continue
        told = [(stands[viewer, is_here], each[viewer]) for is_here, each in ends.items() if viewer in each]
        if told:
            stand, end = max(told)
            given = [event for event, at in gifts[viewer] if at < end.at]
            _depart(cursor, channel.pk, stand, viewer, given, was_seen=end.was_seen)


def _last_choices(cursor: CursorWrapper, channel: int, viewers: Sequence[str]) -> dict[tuple[str, bool], Stand]:
    """By viewer, and whether it is for this channel alone."""
    cursor.execute(LAST_CHOICES, {"channel": channel, "resource": VISIBILITY, "viewers": list(viewers)})
    return {
        (viewer, is_here): Stand(xid, at, VISIBILITY if is_here else f"{VISIBILITY}{EVERYWHERE}")
        for viewer, is_here, xid, at in cursor.fetchall()
    }


def _gifts_to(channel: Channel, viewers: Sequence[str]) -> dict[str, list[tuple[str, datetime]]]:
    """Events of others that name a viewer, and when they were."""
    gifts: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
    given = ChatEvent.objects.filter(channel=channel, recipient_id__in=viewers)
    for viewer, event, at in given.order_by("pk").values_list("recipient_id", "pk", "occurred_at"):
        gifts[viewer].append((event, at))
    return gifts


def _depart(
    cursor: CursorWrapper, channel: int, stand: Stand | None, viewer: str, given: list[str], *, was_seen: bool = True
) -> None:
    xid, at, arm = stand or (None, None, VISIBILITY)
    for number, part in enumerate(_parts(given) if given else [[]]):
        named = viewer if was_seen and not number else ""
        departure = Departure(named, {GIVEN: part} if part else {}, viewer, arm)
        if departure.viewer or part:
            cursor.execute(ADD_DEPARTURE, [xid, at, channel, VISIBILITY, _key(), departure.sealed()])


def seal_written(cursor: CursorWrapper) -> None:
    """Seal what this transaction wrote into the log of changes, and forget what was written of the same before.

    Not of what is a viewer's: that tells nobody anything, and is forgotten with all that names them.
    """
    cursor.execute(TAKE_WRITTEN, [list(OF_VIEWERS)])
    _seal(cursor, cursor.fetchall())


def forget_given(cursor: CursorWrapper, events: Sequence[str]) -> None:
    """Tell nobody of gifts that this transaction gave to nobody: they named whoever hid no more."""
    cursor.execute(FORGET_WRITTEN, [GIVEN, list(events)])


def find_named(viewers: Sequence[str], channel: int | None = None) -> Named:
    """Look for the entries that have one of these viewers' ids in them: of everywhere, or of one channel.

    It reads the log from end to end, a second for some million entries. So ask before anybody has to wait.
    """
    until = sync.begin().place.xid  # before the log is read: what that does not see has no lower number
    entries: dict[str, list[int]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(FIND_NAMED, _named(viewers, channel))
        for viewer, entry in cursor.fetchall():
            entries[viewer].append(entry)
    return Named(channel, until, entries)


def forget_named(cursor: CursorWrapper, viewers: Sequence[str], named: Named) -> None:
    """Forget every entry that has one of these viewers' ids in it: what was found of them, and what came since."""
    found = sorted(entry for viewer in viewers for entry in named.entries.get(viewer, ()))
    cursor.execute(FORGET_FOUND, [found])
    cursor.execute(FORGET_SINCE, _named(viewers, named.channel) | {"until": named.until})


def _named(viewers: Sequence[str], channel: int | None) -> dict[str, Any]:
    resources = {"named": list(NAMED_BY_VIEWER), "of_viewers": list(OF_VIEWERS)}
    return {"viewers": list(viewers), "channel": channel, **resources}


def hold_webhooks(cursor: CursorWrapper, channel: int | None = None) -> None:
    """Wait for who makes deliveries from what the log says in the clear; until this transaction ends, nobody does."""
    cursor.execute(HOLD_WEBHOOKS, {"channel": channel})


def find_deliveries(viewer_id: str, mentions: Mentions) -> Told:
    """Look for what webhooks were told of somebody. It reads all deliveries: ask before anybody has to wait."""
    since = datetime.now(UTC) - WRITTEN_WITHIN
    with connection.cursor() as cursor:
        cursor.execute(FIND_DELIVERIES, {"viewer": viewer_id, "anywhere": mentions.anywhere})
        return Told(since, [delivery for (delivery,) in cursor.fetchall()])


def forget_deliveries(cursor: CursorWrapper, viewer_id: str, mentions: Mentions, told: Told) -> int:
    """Delete what webhooks were told of somebody, found or since; how many deliveries that were. That they are gone is
    told still.
    """
    names = {"viewer": viewer_id, "anywhere": mentions.anywhere}
    found: dict[str, Any] = {"found": told.deliveries, "since": told.since}
    cursor.execute(TAKE_DELIVERIES, found | names)
    values: dict[str, Any] = {"viewer": viewer_id, "taken": [delivery for (delivery,) in cursor.fetchall()]}
    waiting = {"gone": GONE, "waiting": Delivery.State.WAITING, "sealed": seal(viewer_id)}
    cursor.execute(SEAL_DELIVERIES, values | waiting)
    cursor.execute(EMPTY_DELIVERIES, values)
    cursor.execute(DELETE_DELIVERIES, values)
    return int(cursor.rowcount)


def _seal(cursor: CursorWrapper, taken: Iterable[Row]) -> None:
    keys: dict[tuple[int | None, str], set[str]] = defaultdict(set)
    for channel, resource, key in taken:
        keys[channel, resource].add(key)
    rows = []
    for (channel, resource), some in keys.items():
        if resource in TAKEN_EARLIER:
            cursor.execute(TAKE_EARLIER, [sorted(some), channel, resource])
        rows += [(channel, resource, _key(), seal(json.dumps(part))) for part in _parts(sorted(some))]
    if rows:
        cursor.execute(ADD_SEALED, [list(column) for column in zip(*rows, strict=True)])


def _parts(keys: list[str]) -> Iterator[list[str]]:
    return (keys[start : start + KEYS_AT_ONCE] for start in range(0, len(keys), KEYS_AT_ONCE))


def _key() -> str:
    """Behind all that was written in the same transaction."""
    return f"{SEALED}{token_hex(16)}"
