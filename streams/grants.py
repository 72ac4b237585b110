"""What people allowed us at Twitch: had, kept working, checked every hour, and given back.

Tokens leave this module only as `Token`, which shows none of it when printed.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import structlog
from django.core.cache import cache
from django.db import transaction
from django.db.models import Q

from streams import oauth, scopes
from streams.models import Channel, EventSubscription, TwitchGrant
from streams.oauth import Identity, InvalidToken, NotConfigured, OAuthError, Refused, Tokens, TwitchAway
from streams.sealed import seal, unseal

__all__ = ["GrantDead", "NotConfigured", "Token", "TwitchAway", "WrongAccount", "token_of"]

log = structlog.get_logger(__name__)

AT_ONCE = 10
"""How many tokens are checked at the same time."""
EARLY = timedelta(minutes=1)
"""A token is renewed before it ends: a question takes its time."""
APP_TOKEN = "streamstats:app-token"  # noqa: S105 - where it is kept, encrypted
NOT_MODERATOR = "streamstats:not-moderator:{}:{}"
NOT_MODERATOR_FOR_S = 60 * 60
UNREADABLE = (
    "The tokens of this connection cannot be read with any of TOKEN_KEYS: connect again, or put the old key back into"
    " TOKEN_KEYS."
)
TAKEN_BACK = "Disconnected here. Connect again to go on."
ENDED = (
    "Twitch no longer accepts this connection ({}). Connect again: the account may have changed its password, or have"
    " disconnected this application at Twitch."
)


class GrantDead(Exception):
    """Nothing can be done with a grant any more; the text says why and what to do."""


class WrongAccount(Exception):
    """Somebody allowed things for another account than was to be connected; the text says whose."""


@dataclass(frozen=True)
class Token:
    """What is put into a question to Twitch; `grant_id` None is the application's own."""

    value: str = field(repr=False)
    grant_id: int | None


class Connected(NamedTuple):
    """What became of a consent."""

    grant: TwitchGrant
    kept_old: bool
    """The new token would have taken scopes away from what the account is already, so the old one stays."""
    missing: list[str]
    """Scopes that were not allowed, of those that the account needs for all it is here."""


@dataclass
class Checked:
    """What became of the grants in one round of checks."""

    valid: int = 0
    renewed: int = 0
    dead: int = 0
    unreachable: int = 0

    def __str__(self) -> str:
        counts = f"{self.valid} valid, {self.renewed} of them renewed, {self.dead} dead"
        return counts + (f", {self.unreachable} not checked: Twitch is away" if self.unreachable else "")


# Tokens to work with.


def token_of(grant: TwitchGrant) -> Token:
    """The grant's token, renewed if its time is over."""
    if problem := problem_of(grant):
        raise GrantDead(problem)
    token = Token(grant.access_token, grant.pk)
    return token if grant.expires_at > datetime.now(UTC) + EARLY else renewed(token)


def problem_of(grant: TwitchGrant) -> str:
    """Why a grant cannot be used and what to do; empty where it can."""
    if grant.state != TwitchGrant.State.VALID:
        return grant.problem or ENDED.format("no reason is known")
    return "" if is_readable(grant) else UNREADABLE


def is_readable(grant: TwitchGrant) -> bool:
    """Whether one of our keys opens its tokens."""
    return bool(grant.access_token and grant.refresh_token)


def renewed(token: Token) -> Token:
    """A token in place of one that Twitch no longer takes (401), or that has run out.

    Whoever comes first refreshes, under a lock of the row; the others wait and are given what it got. Not to be called
    within a transaction: what Twitch handed out must stay, whatever becomes of the caller's work.
    """
    if token.grant_id is None:
        return _new_app_token(token.value)
    with transaction.atomic(durable=True):
        grant = TwitchGrant.objects.select_for_update().filter(pk=token.grant_id).first()
        if grant is None:
            raise GrantDead(TAKEN_BACK)
        problem = problem_of(grant)
        is_news = grant.access_token != token.value and grant.expires_at > datetime.now(UTC) + EARLY
        if not problem and not is_news:
            problem = _refresh(grant)
    if problem:  # outside: a dead grant is to stay written down as such
        raise GrantDead(problem)
    return Token(grant.access_token, grant.pk)


def _refresh(grant: TwitchGrant) -> str:
    """Have new tokens for a locked row, or mark it dead. Returns why, or nothing."""
    try:
        tokens = oauth.ask(lambda server: server.refresh(grant.refresh_token))
    except Refused as error:
        return _bury(grant, ENDED.format(str(error).rstrip(".")))
    grant.access_token, grant.refresh_token = tokens.access_token, tokens.refresh_token
    grant.refreshed_at, grant.expires_at = _now_and_end(tokens.expires_in)
    grant.scopes = list(tokens.scopes) or grant.scopes
    grant.save(update_fields=["access_token", "refresh_token", "refreshed_at", "expires_at", "scopes"])
    log.info("grant.refreshed", login=grant.login)
    return ""


def _bury(grant: TwitchGrant, problem: str) -> str:
    grant.state, grant.problem = TwitchGrant.State.DEAD, problem
    grant.save(update_fields=["state", "problem"])
    log.warning("grant.dead", login=grant.login, problem=problem)
    return problem


def _now_and_end(expires_in: int) -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    return now, now + timedelta(seconds=expires_in)


# The application's own token: kept in Redis, for there is nothing to lose: another one is had by asking.


def app_token() -> Token:
    """The application's own token, for what everybody may know."""
    oauth.require_application()
    value = unseal(cache.get(APP_TOKEN, ""))
    return Token(value, None) if value else _new_app_token("")


def _new_app_token(dead: str) -> Token:
    """Ask for one, unless somebody did since that one died. Two who ask at the same moment get one each: both work."""
    value = unseal(cache.get(APP_TOKEN, ""))
    if value and value != dead:
        return Token(value, None)
    tokens = oauth.ask(lambda server: server.app_token())
    cache.set(APP_TOKEN, seal(tokens.access_token), max(1, tokens.expires_in - EARLY.seconds))
    return Token(tokens.access_token, None)


# Who may read the chatters of a channel: its owner, or the bot that moderates it.


def chatters_grant(channel: Channel) -> TwitchGrant | None:
    return chatters_grants([channel]).get(channel.pk)


def chatters_grants(channels: Iterable[Channel]) -> dict[int, TwitchGrant]:
    """The grant to read the chatters of each channel with: its own, else a bot's. One question to each store.

    Nobody tells which channels a bot moderates without one more scope. So a bot is tried, and where Twitch says no,
    `not_moderator` has it left out for an hour.
    """
    keys = [channel.pk for channel in channels]
    usable = TwitchGrant.objects.valid().filter(scopes__contains=[scopes.CHATTERS])
    grants = [
        grant for grant in usable.filter(Q(channel__in=keys) | Q(is_bot=True)).order_by("pk") if is_readable(grant)
    ]
    own = {grant.channel_id: grant for grant in grants}
    bots = [grant for grant in grants if grant.is_bot]
    asked = {NOT_MODERATOR.format(bot.pk, key): (bot, key) for key in keys if key not in own for bot in bots}
    refused = cache.get_many(asked) if asked else {}
    of_bots: dict[int, TwitchGrant] = {}
    for name, (bot, key) in asked.items():
        if name not in refused:
            of_bots.setdefault(key, bot)
    return {key: own.get(key) or of_bots[key] for key in keys if key in own or key in of_bots}


def not_moderator(grant: TwitchGrant, channel: Channel) -> None:
    """Twitch said (403) that this bot does not moderate this channel: it is not tried again for an hour."""
    cache.set(NOT_MODERATOR.format(grant.pk, channel.pk), 1, NOT_MODERATOR_FOR_S)


# Connecting.


def asked_of(channel: Channel | None) -> tuple[str, ...]:
    """The scopes to ask the owner of a channel for, or those of a bot (None)."""
    if channel is None:
        return scopes.for_bot()
    # An account that is a bot as well is asked for both: the new token takes the place of the old one.
    accounts = TwitchGrant.objects.filter(twitch_id=channel.twitch_id, is_bot=True)
    return scopes.needed(is_bot=channel.twitch_id is not None and accounts.exists(), is_channel=True)


def connect_bot(tokens: Tokens) -> Connected:
    """Keep what an account allowed, as the bot that reads who is there."""
    return _connect(tokens, oauth.ask(lambda server: server.validate(tokens.access_token)), None)


def connect_channel(channel: Channel, tokens: Tokens) -> Connected:
    """Keep what the owner of a channel allowed. WrongAccount, and nothing kept, if it was somebody else."""
    identity = oauth.ask(lambda server: server.validate(tokens.access_token))
    if problem := _not_owner(channel, identity):
        give_back(tokens)
        raise WrongAccount(problem)
    return _connect(tokens, identity, channel)


def give_back(tokens: Tokens) -> None:
    """Tell Twitch that we do not want these after all."""
    try:
        oauth.ask(lambda server: server.revoke(tokens.access_token))
    except OAuthError as error:  # nobody has them but us, and we forget them now
        log.warning("grant.not_given_back", error=str(error))


def _not_owner(channel: Channel, identity: Identity) -> str:
    """Why this account cannot be this channel; empty where it is."""
    is_owner = channel.twitch_id == identity.twitch_id if channel.twitch_id else channel.login == identity.login
    if not is_owner:
        return (
            f"{identity.login} allowed this, but the channel to be connected is {channel.login}. Nothing was kept."
            f" Log in to Twitch as {channel.login}, and connect again."
        )
    known = Channel.objects.filter(twitch_id=identity.twitch_id).exclude(pk=channel.pk).first()
    if known:
        return f"The account {identity.login} is known here as the channel {known}. Nothing was kept. Connect that one."
    return ""


def _connect(tokens: Tokens, identity: Identity, channel: Channel | None) -> Connected:
    if not (identity.twitch_id and identity.login):
        raise Refused("That token is nobody's. Connect with an account.")
    names = {"login": identity.login, "display_name": channel.display_name if channel else ""}
    granted_at, expires_at = _now_and_end(tokens.expires_in)
    fresh = {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "scopes": list(identity.scopes),
        "granted_at": granted_at,
        "expires_at": expires_at,
        "validated_at": granted_at,
        "refreshed_at": None,
        "state": TwitchGrant.State.VALID,
        "problem": "",
    }
    with transaction.atomic(durable=True):
        if channel and channel.twitch_id is None:
            Channel.objects.filter(pk=channel.pk, twitch_id=None).update(twitch_id=identity.twitch_id)
        grants = TwitchGrant.objects.select_for_update()
        grant, is_new = grants.get_or_create(twitch_id=identity.twitch_id, defaults={**names, **fresh})
        kept_old = not is_new and _would_lose(grant, identity.scopes) and _still_works(grant)
        changes: dict[str, Any] = (
            {"login": identity.login} if kept_old or is_new else {"login": identity.login, **fresh}
        )
        if channel:
            changes |= {"channel": channel, "display_name": channel.display_name}
            TwitchGrant.objects.filter(channel=channel).exclude(pk=grant.pk).update(channel=None)
        else:
            changes["is_bot"] = True
        for name, value in changes.items():
            setattr(grant, name, value)
        grant.save(update_fields=changes.keys())
    if kept_old:
        give_back(tokens)
    needed = scopes.needed(is_bot=grant.is_bot, is_channel=grant.channel_id is not None)
    log.info("grant.connected", login=grant.login, is_bot=grant.is_bot, channel=channel and channel.login)
    return Connected(grant, kept_old, [scope for scope in needed if scope not in grant.scopes])


def _would_lose(grant: TwitchGrant, new: Sequence[str]) -> bool:
    """Whether the account could do less of what it does now with a token of these scopes."""
    needed = scopes.needed(is_bot=grant.is_bot, is_channel=grant.channel_id is not None)
    return bool(set(needed).intersection(grant.scopes).difference(new))


def _still_works(grant: TwitchGrant) -> bool:
    """Ask Twitch about the tokens of a locked row, and renew them if only their time is over."""
    if problem_of(grant):
        return False
    try:
        oauth.ask(lambda server: server.validate(grant.access_token))
    except InvalidToken:
        return not _refresh(grant)
    return True


def revoke(grant: TwitchGrant) -> bool:
    """Stop using a grant and forget its tokens. False where Twitch could not be told."""
    with transaction.atomic(durable=True):
        grant = TwitchGrant.objects.select_for_update().get(pk=grant.pk)
        access_token = grant.access_token
        changes = {"access_token": "", "refresh_token": "", "state": TwitchGrant.State.REVOKED, "problem": TAKEN_BACK}
        for name, value in changes.items():
            setattr(grant, name, value)
        grant.save(update_fields=changes.keys())
        EventSubscription.objects.filter(grant=grant).delete()
    log.info("grant.disconnected", login=grant.login)
    if not access_token:
        return False
    try:
        oauth.ask(lambda server: server.revoke(access_token))
    except OAuthError as error:
        log.warning("grant.not_given_back", login=grant.login, error=str(error))
        return False
    return True


# Once an hour, as Twitch demands of whoever holds tokens.


# Whoever waits for Twitch, or for the keys, looks at the row again before writing what it is: somebody may have
# connected or disconnected meanwhile, and that counts.
TO_CHECK = Q(state=TwitchGrant.State.VALID) | Q(problem=UNREADABLE)


def validate_all() -> Checked:
    """Ask Twitch about every grant, renew what has run out, and mark what has ended.

    Those that no key opened are looked at again: the key may be back.
    """
    grants = list(TwitchGrant.objects.filter(TO_CHECK).order_by("pk"))
    readable = [grant for grant in grants if is_readable(grant)]
    usable = [grant.pk for grant in readable if grant.state == TwitchGrant.State.VALID]
    unreadable = _write_readable({grant.pk for grant in grants}.difference(usable))
    answers = oauth.ask(lambda server: _ask_about(server, readable)) if readable else []
    alive = {grant.pk: found for grant, found in answers if isinstance(found, Identity)}
    _write_valid(alive, {grant.pk: grant.access_token for grant in readable})
    checked = Checked(valid=len(alive), dead=unreadable)
    checked.unreachable = sum(isinstance(found, TwitchAway) for _, found in answers)
    _renew_each([grant for grant, found in answers if found is None], checked)
    return checked


def _write_readable(keys: Collection[int]) -> int:
    """Mark as dead what no key opens, and as alive what one opens again. Returns how many are dead."""
    if not keys:
        return 0
    with transaction.atomic(durable=True):
        grants = list(TwitchGrant.objects.select_for_update().filter(TO_CHECK, pk__in=keys).order_by("pk"))
        for grant in grants:
            is_open = is_readable(grant)
            grant.state = TwitchGrant.State.VALID if is_open else TwitchGrant.State.DEAD
            grant.problem = "" if is_open else UNREADABLE
        TwitchGrant.objects.bulk_update(grants, ["state", "problem"])
    return sum(grant.state == TwitchGrant.State.DEAD for grant in grants)


async def _ask_about(
    server: oauth.AuthServer, grants: Iterable[TwitchGrant]
) -> list[tuple[TwitchGrant, Identity | TwitchAway | None]]:
    """What Twitch says of each, a few at a time: whose it is, nothing (it has to be renewed), or no answer."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def validate(grant: TwitchGrant) -> tuple[TwitchGrant, Identity | TwitchAway | None]:
        async with turn:
            try:
                return grant, await server.validate(grant.access_token)
            except InvalidToken:
                return grant, None
            except TwitchAway as error:
                return grant, error

    return await asyncio.gather(*map(validate, grants))


def _write_valid(found: dict[int, Identity], asked: dict[int, str]) -> None:
    """Note what Twitch said, unless the tokens became others while it was asked."""
    now = datetime.now(UTC)
    with transaction.atomic(durable=True):
        rows = list(TwitchGrant.objects.select_for_update().filter(TO_CHECK, pk__in=found).order_by("pk"))
        same = [grant for grant in rows if grant.access_token == asked[grant.pk]]
        for grant in same:
            identity = found[grant.pk]
            grant.login, grant.scopes = identity.login or grant.login, list(identity.scopes)
            grant.validated_at, grant.expires_at = now, now + timedelta(seconds=identity.expires_in)
        fields = ["login", "scopes", "validated_at", "expires_at"]
        TwitchGrant.objects.bulk_update(same, fields)


def _renew_each(grants: Sequence[TwitchGrant], checked: Checked) -> None:
    """One after the other, for each holds the lock of its row meanwhile; a fourth of all in an hour."""
    fresh: list[int] = []
    for number, grant in enumerate(grants):
        try:
            renewed(Token(grant.access_token, grant.pk))
        except GrantDead:
            checked.dead += 1
        except TwitchAway:  # and so it is for the rest
            checked.unreachable += len(grants) - number
            break
        else:
            fresh.append(grant.pk)
    checked.valid += len(fresh)
    checked.renewed += len(fresh)
    TwitchGrant.objects.valid().filter(pk__in=fresh).update(validated_at=datetime.now(UTC))


# For those who look after it.


def ended() -> list[TwitchGrant]:
    """Grants that should work and do not."""
    grants = TwitchGrant.objects.exclude(state=TwitchGrant.State.REVOKED).order_by("login")
    return [grant for grant in grants if problem_of(grant)]


def seal_again() -> tuple[int, int]:
    """Encrypt every token with the newest key. Returns how many grants that were, and how many no key opens."""
    with transaction.atomic(durable=True):
        grants = list(TwitchGrant.objects.select_for_update().exclude(state=TwitchGrant.State.REVOKED).order_by("pk"))
        readable = [grant for grant in grants if is_readable(grant)]
        TwitchGrant.objects.bulk_update(readable, ["access_token", "refresh_token"])
    return len(readable), len(grants) - len(readable)
