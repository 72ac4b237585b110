"""Who moderates a channel, kept in step with Twitch: by events as they come, and set straight by asking once a day.

In doubt somebody is out: whom Twitch names again is in again with the next question.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import F, Q

from chat.ingest.batch import Batch
from chat.ingest.eventsub_events import Deed
from streams import grants
from streams.grants import GrantDead
from streams.helix import Chatter, HelixError, TwitchAway, ask
from streams.models import Channel, ChannelModerator, TwitchGrant
from viewers.unkept import Unkept

log = structlog.get_logger(__name__)

MODERATION = "moderation:read"
ASKED_AGAIN_AFTER = timedelta(days=1)
RAISED, LOWERED = "mod", "unmod"
# What is told of long ago, by a replay for one, says nothing of today: the daily question knows better.
NEWS_FOR = timedelta(days=1)
# Twitch's clock and ours may differ by as much.
CLOCKS_DIFFER = "10 minutes"


class Change(NamedTuple):
    """Somebody was made a moderator of a room, or is none any more."""

    room_id: str
    is_raised: bool
    at_ms: int
    twitch_id: str
    login: str


def told_in(batch: Batch, now: datetime) -> list[Change]:
    """What a batch tells of who moderates, the newest of each person in each room."""
    since_ms = (now - NEWS_FOR).timestamp() * 1000
    found = {
        (told.room_id, told.fact.target_id): Change(
            told.room_id, told.fact.kind == RAISED, told.fact.at_ms, told.fact.target_id, told.fact.target_login
        )
        for told in sorted(batch.told, key=lambda told: told.sent_ms)
        if isinstance(told.fact, Deed) and told.fact.kind in (RAISED, LOWERED) and told.fact.at_ms >= since_ms
    }
    return list(found.values())


# Of each person what is newest, here and among the deeds that were stored before: events may come late.
_NEWEST = """
WITH told AS MATERIALIZED (
    SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[]) AS told (channel, person, login, at)
),
newest AS MATERIALIZED (
    SELECT told.* FROM told WHERE NOT EXISTS (
        SELECT FROM chat_moderationevent deed
        WHERE deed.channel_id = told.channel AND deed.target_id = told.person AND deed.occurred_at > told.at
            AND deed.kind = '{}'
    )
)
"""
LET_IN = (
    _NEWEST.format(LOWERED)
    + """
INSERT INTO streams_channelmoderator AS known (channel_id, twitch_id, login, since, told_at)
SELECT channel, person, login, at, at FROM newest ORDER BY channel, person
ON CONFLICT (channel_id, twitch_id) DO UPDATE
SET login = excluded.login, told_at = greatest(known.told_at, excluded.told_at)
"""
)
LET_OUT = (
    _NEWEST.format(RAISED)
    + f"""
DELETE FROM streams_channelmoderator known USING newest
WHERE known.channel_id = newest.channel AND known.twitch_id = newest.person
    AND known.told_at <= newest.at + interval '{CLOCKS_DIFFER}'
"""  # noqa: S608 - words of ours
)


def store(cursor: CursorWrapper, changes: Sequence[tuple[int, Change]], unkept: Unkept) -> None:
    """Let in who was raised, and out who was lowered, in the ingest's transaction. Each with the key of the channel.

    Nobody is let in of whom nothing is kept; let out is everybody.
    """
    gone = unkept.among(change.twitch_id for _, change in changes)
    raised = [each for each in changes if each[1].is_raised and each[1].twitch_id not in gone]
    lowered = [each for each in changes if not each[1].is_raised]
    for statement, part in ((LET_IN, raised), (LET_OUT, lowered)):
        if part:
            cursor.execute(statement, _columns(part))


def _columns(changes: Iterable[tuple[int, Change]]) -> list[list[object]]:
    rows = [
        (channel, change.twitch_id, change.login, datetime.fromtimestamp(change.at_ms / 1000, UTC))
        for channel, change in changes
    ]
    return [list(column) for column in zip(*rows, strict=True)]


# Asking.


def read_due(now: datetime) -> str:
    """Ask for the moderators of every channel that was connected since they were asked for, or a day ago.

    Channels that cannot be asked about have no moderators here: nobody could say who is one no longer.
    """
    # Without the grants of no channel: nothing is NOT IN what has a NULL in it.
    asking = TwitchGrant.objects.valid().filter(scopes__contains=[MODERATION]).exclude(channel=None)
    forgotten, _ = ChannelModerator.objects.exclude(channel__in=asking.values("channel")).delete()
    due = asking.filter(
        Q(moderators_at=None) | Q(moderators_at__lt=F("granted_at")) | Q(moderators_at__lt=now - ASKED_AGAIN_AFTER)
    )
    read = failed = 0
    is_away = False
    for grant in due.select_related("channel").order_by("pk"):
        try:
            read_of(grant)
            read += 1
        except (GrantDead, HelixError) as error:
            log.warning("moderators.not_read", channel=str(grant.channel), error=str(error))
            failed += 1
            is_away |= isinstance(error, TwitchAway)
    told = f"{read:,} channels read, {failed:,} could not be, {forgotten:,} moderators of channels without connection"
    if is_away:
        raise TwitchAway(told)
    return told


def read_of(grant: TwitchGrant) -> None:
    """Ask for the moderators of the channel of a grant, and set the list straight."""
    if grant.channel is None:
        raise ValueError("This grant is of no channel.")
    asked_at, owner = datetime.now(UTC), grant.twitch_id
    found = ask(grants.token_of(grant), lambda api: api.moderators(owner))
    keep(grant.channel, found, asked_at)
    TwitchGrant.objects.filter(pk=grant.pk).update(moderators_at=asked_at)


# Who was lowered while Twitch was asked stays out, and who was raised meanwhile stays in.
KEEP = f"""
INSERT INTO streams_channelmoderator AS known (channel_id, twitch_id, login, since, told_at)
SELECT %(channel)s, person, login, %(at)s, %(at)s
FROM unnest(%(people)s::text[], %(logins)s::text[]) AS told (person, login)
WHERE NOT EXISTS (
    SELECT FROM chat_moderationevent deed
    WHERE deed.channel_id = %(channel)s AND deed.target_id = person AND deed.kind = '{LOWERED}'
        AND deed.occurred_at >= %(at)s
)
ORDER BY person
ON CONFLICT (channel_id, twitch_id) DO UPDATE
SET login = excluded.login, told_at = greatest(known.told_at, excluded.told_at)
"""  # noqa: S608 - a word of ours


def keep(channel: Channel, found: Sequence[Chatter], asked_at: datetime) -> None:
    """Have exactly these as moderators, but for what was told since they were asked for."""
    with transaction.atomic(), connection.cursor() as cursor:
        gone = Unkept.now(cursor).among(person.id for person in found)
        kept = [person for person in found if person.id not in gone]
        people, logins = [person.id for person in kept], [person.login for person in kept]
        cursor.execute(KEEP, {"channel": channel.pk, "at": asked_at, "people": people, "logins": logins})
        others = ChannelModerator.objects.filter(channel=channel, told_at__lt=asked_at)
        others.exclude(twitch_id__in=people).delete()
