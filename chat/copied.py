"""What others may have copied of who is erased, or purged: told that it is gone, by a log that does not say who it was.

Anybody may read the API, so anybody may have a copy, and whoever has one is to delete it, too. For that the log of
changes has to name what went for as long as somebody may come back with a cursor. It does so in entries that only we
can read (streams/sealed.py), until they are forgotten like all others: see docs/decisions/erasure.md.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from secrets import token_hex

from django.db.backends.utils import CursorWrapper

from chat.mentions import Mentions
from streams.sealed import seal

KEYS_AT_ONCE = 200
"""Keys in one sealed entry."""

Row = tuple[int | None, str, str]
"""Channel, resource and key."""

# What this transaction wrote into the log. Which minutes have new messages says nothing of anybody.
TAKE_WRITTEN = """
DELETE FROM streams_change WHERE xid = pg_current_xact_id()::text::bigint AND sealed = '' AND resource <> 'stored'
RETURNING channel_id, resource, key
"""
# What was written of the same rows before: they are gone now, which is all there is to be told.
TAKE_EARLIER = """
DELETE FROM streams_change earlier USING unnest(%s::text[]) AS gone (key)
WHERE earlier.channel_id IS NOT DISTINCT FROM %s AND earlier.resource = %s AND earlier.key = gone.key
    AND earlier.sealed = ''
"""
# Entries that name viewers. Who owns a channel is listed by it: that is no viewer.
TAKE_NAMED = """
DELETE FROM streams_change
WHERE sealed = '' AND resource <> 'channels' AND (%(channel)s::bigint IS NULL OR channel_id = %(channel)s)
    AND (split_part(key, ':', 1) = ANY(%(viewers)s) OR whose = ANY(%(viewers)s))
RETURNING channel_id, resource, key
"""
ADD_SEALED = """
INSERT INTO streams_change (channel_id, resource, key, sealed)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[])
"""

# Of deliveries that tell who is gone, that alone stays, sealed, until it was told.
_NAMES_THEM = "(viewer_id = %(viewer)s OR body::text ~* %(anywhere)s OR answer ~* %(anywhere)s OR key = %(viewer)s)"
DELETE_DELIVERIES = f"DELETE FROM streams_delivery WHERE sealed = '' AND {_NAMES_THEM}"
EMPTY_DELIVERIES = f"""
UPDATE streams_delivery SET viewer_id = '', key = '', body = NULL, answer = '', problem = ''
WHERE sealed <> '' AND {_NAMES_THEM}
"""


def seal_written(cursor: CursorWrapper) -> None:
    """Seal what this transaction wrote into the log of changes, and forget what was written of the same before."""
    cursor.execute(TAKE_WRITTEN)
    _seal(cursor, cursor.fetchall())


def seal_named(cursor: CursorWrapper, viewers: Sequence[str], channel: int | None = None) -> None:
    """Seal every entry that has one of these viewers' ids in it: of everywhere, or of one channel."""
    cursor.execute(TAKE_NAMED, {"viewers": list(viewers), "channel": channel})
    _seal(cursor, cursor.fetchall())


def forget_deliveries(cursor: CursorWrapper, viewer_id: str, mentions: Mentions) -> int:
    """Delete what webhooks were told of somebody; how many deliveries that were."""
    cursor.execute(EMPTY_DELIVERIES, values := {"viewer": viewer_id, "anywhere": mentions.anywhere})
    cursor.execute(DELETE_DELIVERIES, values)
    return int(cursor.rowcount)


def _seal(cursor: CursorWrapper, taken: Iterable[Row]) -> None:
    keys: dict[tuple[int | None, str], set[str]] = defaultdict(set)
    for channel, resource, key in taken:
        keys[channel, resource].add(key)
    rows = []
    for (channel, resource), some in keys.items():
        cursor.execute(TAKE_EARLIER, [sorted(some), channel, resource])
        rows += [(channel, resource, f"~{token_hex(16)}", seal(json.dumps(part))) for part in _parts(sorted(some))]
    if rows:
        cursor.execute(ADD_SEALED, [list(column) for column in zip(*rows, strict=True)])


def _parts(keys: list[str]) -> Iterator[list[str]]:
    return (keys[start : start + KEYS_AT_ONCE] for start in range(0, len(keys), KEYS_AT_ONCE))
