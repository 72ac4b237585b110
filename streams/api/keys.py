"""Keys of the API: how they are made, known again, and taken back.

A key is shown once. What is kept is its SHA-256, which is enough for 192 random bits: nobody guesses them, so it need
not be slow. Each process remembers the keys it has seen; Redis holds a word that changes with every change of a key, so
that one that is taken back is out everywhere with the next request. While Redis is away, keys are remembered for a
second.
"""

import hmac
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_network
from secrets import token_hex
from typing import Any, NamedTuple, cast

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from redis.exceptions import RedisError

from streams import audit
from streams.models import ApiKey, Channel
from streams.quickredis import quick_redis

log = structlog.get_logger(__name__)

BEGINNING = "ss_"
SECRET_BYTES = 24
PREFIX_LENGTH = 11
WRITTEN = re.compile(r"ss_[0-9a-f]{48}", re.ASCII)
GENERATION = "streamstats:api:keys"
REMEMBERED_S = 1.0
MOST_REMEMBERED = 10_000
MOST_OF_CHANNEL = MOST_A_DAY = 10
FULL = (
    f"A channel has {MOST_OF_CHANNEL} working keys at most, those among them that were replaced and still work."
    " Take one of them back first. One that you replace may also end at once: after 0 days."
)
TOO_MANY = f"A channel gets {MOST_A_DAY} new keys a day (UTC) at most. Make the next one tomorrow."


class Made(NamedTuple):
    """A new key, and what is shown of it once."""

    key: ApiKey
    secret: str


class NoRoom(ValueError):
    """A channel may have no other key now; the message is a sentence that says what to do."""


class Known(NamedTuple):
    """A key as this process read it, the word under which it is remembered, and when that was (monotonic seconds)."""

    key: ApiKey
    generation: bytes | None
    at: float


def digest_of(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def secret_for(key: ApiKey) -> str:
    """Give a key that is not stored yet its secret: only the hash of it stays with the key."""
    secret = BEGINNING + token_hex(SECRET_BYTES)
    key.prefix, key.digest = secret[:PREFIX_LENGTH], digest_of(secret)
    return secret


def check_new(channel_id: int, instead_of: Sequence[int] = ()) -> None:
    """Raise NoRoom where a channel may not get another key. Call it in the transaction in which that is made.

    Each key has its requests of a day, so those that ended today count as well.
    """
    check_room(channel_id, instead_of)
    today = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if ApiKey.objects.filter(channel=channel_id, made_at__gte=today).count() >= MOST_A_DAY:
        raise NoRoom(TOO_MANY)


def check_room(channel_id: int, instead_of: Sequence[int] = ()) -> None:
    """Raise NoRoom where as many keys of a channel work as may. Call it in the transaction in which one begins to."""
    Channel.objects.select_for_update(no_key=True, of=("self",)).get(pk=channel_id)  # two at once, one after the other
    if ApiKey.objects.usable().filter(channel=channel_id).exclude(pk__in=instead_of).count() >= MOST_OF_CHANNEL:
        raise NoRoom(FULL)


def make(by: User | None, **fields: Any) -> Made:
    """Make a key with the fields of `ApiKey`; the caller has asked whether they own its channel, and `check_new`."""
    key = ApiKey(**fields, made_by=by)
    secret = secret_for(key)
    with transaction.atomic():
        key.save()
        _note(by, "apikey.add", key, scopes=key.scopes, networks=key.networks, expires_at=_iso(key.expires_at))
    return Made(key, secret)


def rotate(by: User | None, key: ApiKey, until: datetime) -> Made:
    """Make a key that may do the same. The old one works until then, so that nobody has to change both ends at once.

    Raises ValueError for a key that was taken back, or has one in its place already, and NoRoom.
    """
    with transaction.atomic():
        old = ApiKey.objects.select_for_update().get(pk=key.pk)
        if old.revoked_at or old.replaced_by_id:
            raise ValueError("This key was taken back, or another was made in its place already.")
        check_new(old.channel_id, instead_of=[old.pk] if until <= timezone.now() else [])
        same = ("channel", "name", "scopes", "networks", "mail", "per_minute", "per_day")
        made = make(by, **{name: getattr(old, name) for name in same}, expires_at=_later(old))
        old.replaced_by = made.key
        old.expires_at = min(filter(None, [old.expires_at, until]))
        old.save(update_fields=["replaced_by", "expires_at"])
        _note(by, "apikey.rotate", old, into=made.key.prefix, until=_iso(old.expires_at))
        forget_once_committed()
    return made


def revoke(by: User | None, key: ApiKey) -> None:
    """Take a key back: it is out with its next request, in every process."""
    with transaction.atomic():
        taken = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
        if taken:
            _note(by, "apikey.revoke", key)
        forget_once_committed()


def forget_once_committed() -> None:
    """Have every process read keys anew. Whoever changes a key calls it in that transaction."""
    transaction.on_commit(_forget)


def _forget() -> None:
    try:
        quick_redis().set(GENERATION, token_hex(8))
    except RedisError as error:  # then nobody remembers keys for longer than a second
        log.warning("api.keys_not_forgotten", error=str(error))


def _later(old: ApiKey) -> datetime | None:
    """A new key lives for as long as the old one was meant to."""
    return old.expires_at and timezone.now() + (old.expires_at - old.made_at)


def _note(by: User | None, action: str, key: ApiKey, **detail: Any) -> None:
    audit.note(by, action, channel=key.channel_id, target=f"{key.name} ({key.prefix}…)", detail=detail)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


class Keyring:
    """The keys that this process has seen."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}

    def find(self, secret: str) -> ApiKey | None:
        """The key with this secret, whether it still may be used or not; None if there never was one."""
        if not WRITTEN.fullmatch(secret):
            return None
        return self._with(digest_of(secret))

    def remembered(self, secret: str) -> Known | None:
        """The key with this secret as it was when it was read; whoever uses it asks whether that word still holds."""
        return self._known.get(digest_of(secret))

    def again(self, key: ApiKey) -> ApiKey | None:
        """A key as it is now, for who goes on with it for long; None if it is gone."""
        return self._with(key.digest)

    def _with(self, digest: str) -> ApiKey | None:
        generation, now = self._generation(), time.monotonic()
        known = self._known.get(digest)
        if known and (now - known.at < REMEMBERED_S if generation is None else known.generation == generation):
            return known.key
        key = ApiKey.objects.select_related("channel").filter(digest=digest).first()
        if key is None or not hmac.compare_digest(key.digest, digest):
            self._known.pop(digest, None)
            return None
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[digest] = Known(key, generation, now)
        return key

    @staticmethod
    def _generation() -> bytes | None:
        """The word under which keys are remembered; None if it cannot be known."""
        try:
            found = cast(bytes | None, quick_redis().get(GENERATION))
            if found is None:
                quick_redis().set(GENERATION, token_hex(8), nx=True)
                found = cast(bytes | None, quick_redis().get(GENERATION))
        except RedisError:
            return None
        return found


keyring = Keyring()


def is_from(key: ApiKey, address: IPv4Address | IPv6Address | None) -> bool:
    """Whether a key may be used from an address."""
    if not key.networks:
        return True
    return address is not None and any(address in ip_network(network, strict=False) for network in key.networks)
