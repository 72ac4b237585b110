"""Keeps the log of changes small: of what changed often only the last is told, and nothing after thirty days."""

from datetime import datetime, timedelta

from django.db import connection, transaction

from streams.models import Change, ChangeMark

KEPT_FOR = timedelta(days=30)
"""For how long somebody may stay away and still be told what changed."""
THIN_AFTER = timedelta(hours=1)
"""Who reads all the time sees every change; who comes later wants to know what is now."""
DAY = timedelta(days=1)

# Of each row the newest entry. Sealed ones stand for many rows, and none of them will change again.
THIN = """
DELETE FROM streams_change known USING (
    SELECT id, row_number() OVER (PARTITION BY channel_id, resource, key ORDER BY xid DESC, id DESC) AS number
    FROM streams_change WHERE xid >= %s AND xid < %s AND sealed = ''
) told
WHERE known.id = told.id AND told.number > 1
"""


def thin(now: datetime, span: timedelta) -> int:
    """Forget entries of the given span before the last hour that later ones in it repeat; return how many."""
    until = _number_at(now - THIN_AFTER)
    if until is None:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(THIN, [_number_at(now - THIN_AFTER - span) or 0, until])
        return int(cursor.rowcount)


def forget(now: datetime) -> int:
    """Forget what nobody may come back for any more; return how many entries.

    The oldest mark that is left says from where on the log is whole: see streams/sync.py.
    """
    oldest = ChangeMark.objects.filter(at__lte=now - KEPT_FOR).order_by("-at").first()
    if oldest is None:
        return 0
    with transaction.atomic():
        ChangeMark.objects.filter(at__lt=oldest.at).delete()
        return Change.objects.filter(xid__lt=oldest.xid).delete()[0]


def _number_at(moment: datetime) -> int | None:
    """Every transaction below this number was over by then; None where nothing is known of so long ago."""
    return ChangeMark.objects.filter(at__lte=moment).order_by("-at").values_list("xid", flat=True).first()
