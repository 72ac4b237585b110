"""Details of accounts: picture, age, the name of today. Asked for in hundreds, applied set against set.

Asked for when a viewer is first met, once more in each stream they come to, and after a week where Twitch no longer
knew them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from streams.helix import HelixUser
from viewers import bots, names
from viewers.unkept import Unkept

HUNDRED = 100
NEW_IN_A_RUN = 3000
PRESENT_IN_A_RUN = 2000
MISSING_IN_A_RUN = 500
MISSING_FOR = timedelta(days=7)

# Each arm has an index and a bound of its own: a million who were never asked for keep nobody else waiting.
_DUE = """
(
    SELECT twitch_id FROM viewers_viewer WHERE details_at IS NULL AND stopped_at IS NULL
    ORDER BY named_at DESC LIMIT %(new)s
) UNION (
    SELECT viewer.twitch_id
    FROM streams_stream stream
    JOIN viewers_viewsession session ON session.stream_id = stream.id
    JOIN viewers_viewer viewer ON viewer.twitch_id = session.viewer_id
    WHERE stream.ended_at IS NULL AND viewer.details_at < stream.started_at AND viewer.stopped_at IS NULL
    LIMIT %(present)s
) UNION (
    SELECT twitch_id FROM viewers_viewer
    WHERE is_missing AND details_at < %(missing_before)s AND stopped_at IS NULL
    ORDER BY details_at LIMIT %(missing)s
)
"""

# Rows are held in the order that everybody takes them in. Who is missing keeps what was known.
_APPLY = """
WITH held AS (
    SELECT twitch_id FROM viewers_viewer WHERE twitch_id = ANY(%(asked)s) ORDER BY twitch_id FOR NO KEY UPDATE
)
UPDATE viewers_viewer viewer SET
    details_at = %(at)s,
    is_missing = told.id IS NULL,
    avatar_url = coalesce(told.avatar_url, viewer.avatar_url),
    account_created_at = coalesce(told.created_at, viewer.account_created_at)
FROM held LEFT JOIN unnest(%(ids)s::text[], %(avatars)s::text[], %(created)s::timestamptz[])
    AS told (id, avatar_url, created_at) ON told.id = held.twitch_id
WHERE viewer.twitch_id = held.twitch_id
RETURNING viewer.is_missing
"""

_LEARN_NAMES = names.learn("""(
    SELECT id AS viewer_id, login, display_name, NULL::text AS color, %(at)s::timestamptz AS at
    FROM unnest(%(ids)s::text[], %(logins)s::text[], %(display_names)s::text[]) AS told (id, login, display_name)
) named""")

# A login that somebody has now is nobody else's any more. What the others are called is not ours to guess.
_ASK_FOR_FORMER_HOLDERS = """
UPDATE viewers_viewer SET details_at = NULL
WHERE login = ANY(%(logins)s) AND twitch_id <> ALL(%(ids)s) AND details_at < %(at)s AND NOT is_missing
"""


class Learnt(NamedTuple):
    """How many Twitch told of, and how many it no longer knows."""

    told: int = 0
    missing: int = 0

    def __str__(self) -> str:
        return f"{self.told:,} accounts told, {self.missing:,} missing"


def ask_for_accounts(ask: Callable[[Sequence[str]], Iterable[HelixUser]], now: datetime) -> Learnt:
    """Ask for those who are due, a hundred ids at a time, and keep what is told, whatever becomes of the rest."""
    learnt = Learnt()
    for asked in _hundreds(due(now)):
        told, missing = learn(asked, ask(asked), datetime.now(UTC))
        learnt = Learnt(learnt.told + told, learnt.missing + missing)
    return learnt


def due(now: datetime) -> list[str]:
    """Whom to ask for, in the order of their ids."""
    values: dict[str, Any] = {
        "new": NEW_IN_A_RUN,
        "present": PRESENT_IN_A_RUN,
        "missing": MISSING_IN_A_RUN,
        "missing_before": now - MISSING_FOR,
    }
    with connection.cursor() as cursor:
        cursor.execute(_DUE, values)
        return sorted(viewer_id for (viewer_id,) in cursor.fetchall())


def learn(asked: Sequence[str], accounts: Iterable[HelixUser], at: datetime) -> Learnt:
    """Keep what Twitch told at a moment about those we asked for. Whom it did not mention, it does not know."""
    with transaction.atomic(), connection.cursor() as cursor:
        wanted = set(asked) - Unkept.now(cursor).among(asked)  # somebody may have chosen while Twitch was asked
        found = [account for account in accounts if account.id in wanted]
        learnt = keep(sorted(wanted), found, at)
    forget_former_holders(found, at)
    return learnt


def keep(asked: Sequence[str], found: Sequence[HelixUser], at: datetime) -> Learnt:
    """The part of it that needs no other rows than theirs, within a transaction."""
    values = {**_values(found, at), "asked": list(asked)}
    with connection.cursor() as cursor:
        cursor.execute(_APPLY, values)
        missing = sum(is_missing for (is_missing,) in cursor.fetchall())
        for statement in _LEARN_NAMES:
            cursor.execute(statement, values)
    return Learnt(len(found), missing)


def forget_former_holders(found: Sequence[HelixUser], at: datetime) -> None:
    """The rest of it, outside of the transaction: these are other rows, held by others in an order of their own."""
    with connection.cursor() as cursor:
        cursor.execute(_ASK_FOR_FORMER_HOLDERS, _values(found, at))
    bots.mark_known([account.login for account in found])


def _values(found: Sequence[HelixUser], at: datetime) -> dict[str, Any]:
    return {
        "at": at,
        "ids": [account.id for account in found],
        "avatars": [account.avatar_url for account in found],
        "created": [account.created_at for account in found],
        "logins": [account.login for account in found],
        "display_names": [account.display_name for account in found],
    }


def _hundreds(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + HUNDRED] for start in range(0, len(ids), HUNDRED))
