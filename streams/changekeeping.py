"""Keeps the log of changes small: of what changed often only the last is told, and nothing after thirty days."""

from datetime import datetime, timedelta

from django.db import connection

from streams.models import ChangeMark

KEPT_FOR = timedelta(days=30)
"""For how long somebody may stay away and still be told what changed."""
THIN_AFTER = timedelta(hours=1)
"""Who reads all the time sees every change; who comes later wants to know what is now."""
DAY = timedelta(days=1)

AT_ONCE = 20_000
"""Deleted in a transaction: while one goes on, nobody is told of anything that was written since it began."""

# All but the newest entry of each row. Sealed ones stand for many rows, and none of them will change again.
REPEATED = """
SELECT id FROM (
    SELECT id, row_number() OVER (PARTITION BY channel_id, resource, key ORDER BY xid DESC, id DESC) AS number
    FROM streams_change WHERE xid >= %s AND xid < %s AND sealed = ''
) told
WHERE number > 1
"""
THIN = "DELETE FROM streams_change WHERE id = ANY (%s)"
FORGET = """
DELETE FROM streams_change WHERE id = ANY (ARRAY(SELECT id FROM streams_change WHERE xid < %s ORDER BY xid LIMIT %s))
"""


def thin(now: datetime, span: timedelta) -> int:
    """Forget entries of the given span before the last hour that later ones in it repeat; return how many.

    Not in a transaction. They are looked for once, which holds up nobody, and deleted some at a time.
    """
    until = _number_at(now - THIN_AFTER)
    if until is None:
        return 0
    thinned = 0
    with connection.chunked_cursor() as repeated, connection.cursor() as cursor:
        repeated.execute(REPEATED, [_number_at(now - THIN_AFTER - span) or 0, until])
        while ids := [number for (number,) in repeated.fetchmany(AT_ONCE)]:
            cursor.execute(THIN, [ids])
            thinned += int(cursor.rowcount)
    return thinned


def forget(now: datetime) -> int:
    """Forget what nobody may come back for any more; return how many entries. Not in a transaction.

    The oldest mark that is left says from where on the log is whole: see streams/sync.py. So marks go first.
    """
    oldest = ChangeMark.objects.filter(at__lte=now - KEPT_FOR).order_by("-at").first()
    if oldest is None:
        return 0
    ChangeMark.objects.filter(at__lt=oldest.at).delete()
    forgotten = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(FORGET, [oldest.xid, AT_ONCE])
            gone = int(cursor.rowcount)
            forgotten += gone
            if gone < AT_ONCE:
                return forgotten


def _number_at(moment: datetime) -> int | None:
    """Every transaction below this number was over by then; None where nothing is known of so long ago."""
    return ChangeMark.objects.filter(at__lte=moment).order_by("-at").values_list("xid", flat=True).first()
