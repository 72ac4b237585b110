"""What the EventSub reader needs of the rest: who allowed what, Twitch to ask with it, and where outcomes are kept."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.utils import timezone

from chat.ingest.eventsub_reader import Account, Made, NotNow, Outcome, Permit, PermitGone, Refused, Unavailable
from chat.ingest.eventsub_session import shown
from chat.ingest.eventsub_topics import KINDS, Topic
from streams import grants, helix, oauth
from streams.grants import GrantDead, NotConfigured, Token
from streams.models import EventSubscription, TwitchGrant

log = structlog.get_logger(__name__)

LONGEST_ID = 64
HIGHEST_COST = 1000
ADVICE: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "StreamStats may have to be updated.",
    HTTPStatus.FORBIDDEN: "Connect the channel again, and allow everything it asks for.",
}

# What is said of a grant that was taken back or deleted meanwhile is said to nobody.
WRITE = """
INSERT INTO streams_eventsubscription
    (grant_id, type, version, condition, state, reason, twitch_id, cost, updated_at)
SELECT told.grant_id, told.type, told.version, told.condition::jsonb, told.state, told.reason, told.twitch_id,
    told.cost, told.updated_at
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[],
    %s::timestamptz[])
    AS told (grant_id, type, version, condition, state, reason, twitch_id, cost, updated_at)
JOIN streams_twitchgrant AS given ON given.id = told.grant_id AND given.state <> %s
ON CONFLICT (grant_id, type, condition) DO UPDATE SET
    version = excluded.version, state = excluded.state, reason = excluded.reason, twitch_id = excluded.twitch_id,
    cost = excluded.cost, updated_at = excluded.updated_at
"""


def permits() -> frozenset[Permit]:
    """Who allows us to listen now: valid grants of channels that are followed. One query.

    Bots are left out. What a moderator may hear of a channel whose owner never connected costs points, of which an
    account has ten, and nobody says which channels a bot moderates; polling reads who is there with it.
    """
    rows = TwitchGrant.objects.valid().filter(channel__is_followed=True)
    try:
        return frozenset(
            Permit(pk, twitch_id, login, frozenset(scopes), granted_at)
            for pk, twitch_id, login, scopes, granted_at in rows.values_list(
                "pk", "twitch_id", "login", "scopes", "granted_at"
            )
        )
    finally:
        connection.close()  # each call runs in a thread of its own


def begin() -> None:
    """Put right what a reader left that ended without a word: nothing arrives yet, and not all is still asked for."""
    try:
        EventSubscription.objects.exclude(type__in={kind.type for kind in KINDS}).delete()
        EventSubscription.objects.filter(state=EventSubscription.State.ENABLED).update(
            state=EventSubscription.State.LOST, reason="the reader was not running", updated_at=timezone.now()
        )
    finally:
        connection.close()


def write(outcomes: Sequence[Outcome]) -> None:
    """Keep what became of subscriptions, in one statement. Raises Unavailable."""
    columns: list[Any] = [list(column) for column in zip(*map(_row, outcomes), strict=True)]
    try:
        with connection.cursor() as cursor:
            cursor.execute(WRITE, [*columns, TwitchGrant.State.REVOKED.value])
    except (DatabaseError, InterfaceError) as error:
        raise Unavailable(str(error).strip()) from error
    finally:
        connection.close()


def _row(outcome: Outcome) -> tuple[Any, ...]:
    topic = outcome.topic
    condition = json.dumps(dict(topic.condition))
    id_ = shown(outcome.twitch_id)[:LONGEST_ID]
    cost = min(max(outcome.cost, 0), HIGHEST_COST)
    told = (outcome.state.value, outcome.reason, id_, cost, outcome.at)
    return (outcome.grant_id, topic.type, topic.version, condition, *told)


class HelixAccount:
    """Asks Helix with one token, which Helix renews where that is needed."""

    def __init__(self, api: helix.Helix) -> None:
        self.api = api

    async def subscribe(self, topic: Topic, session_id: str) -> Made:
        try:
            made = await self.api.subscribe(topic.type, topic.version, dict(topic.condition), session_id)
        except GrantDead as error:
            raise PermitGone(str(error)) from error
        except (helix.NotAllowed, helix.Refused) as error:
            return _refused(error)
        except (helix.HelixError, oauth.OAuthError, OperationalError) as error:
            raise NotNow(shown(str(error))) from error
        return Made(made.id, made.cost)


def _refused(error: helix.HelixError) -> Made:
    sentence = shown(str(error))
    match error.status:
        case HTTPStatus.CONFLICT:
            return Made()  # it is there: an answer of ours got lost
        case HTTPStatus.UNAUTHORIZED:
            raise PermitGone(sentence) from error
        case HTTPStatus.TOO_MANY_REQUESTS:
            raise NotNow(sentence) from error
        case status:
            raise Refused(f"{sentence} {ADVICE.get(status or 0, '')}".strip()) from error


def account_in(
    in_thread: Callable[[Callable[[], Token]], Awaitable[Token]],
) -> Callable[[Permit], AbstractAsyncContextManager[Account]]:
    """How to have a permit's account at Twitch; what would block is handed to a thread."""

    @asynccontextmanager
    async def account(permit: Permit) -> AsyncIterator[Account]:
        try:
            token = await in_thread(lambda: _token(permit.grant_id))
        except (GrantDead, TwitchGrant.DoesNotExist) as error:
            raise PermitGone(shown(str(error))) from error
        except (oauth.OAuthError, NotConfigured, OperationalError, InterfaceError) as error:
            raise NotNow(shown(str(error))) from error
        async with helix.Helix(token) as api:
            yield HelixAccount(api)

    return account


def _token(grant_id: int) -> Token:
    try:
        return grants.token_of(TwitchGrant.objects.get(pk=grant_id))
    finally:
        connection.close()
