"""Keyed hashes by which something is known again that must not be kept: an erased account, a message of nobody.

Without the key (`PRIVACY_KEY`) nobody can say whose they are, and with it only who already has the id can ask.
"""

from functools import cache, lru_cache
from hashlib import sha256
from typing import Any

from django.conf import settings

REMEMBERED = 1 << 16
_BLOCK = 64
"""Bytes in a block of SHA-256."""


@lru_cache(maxsize=REMEMBERED)
def mark_of(twitch_id: str) -> str:
    """The mark of an account: what stays of it when it is erased. 64 hexadecimal digits."""
    return _keyed(f"account {twitch_id}")


def anonymous_id(message_id: str) -> str:
    """The id that a message has once nobody wrote it: the same line, told again, still is the same message.

    Said of an id that already is one, it is that id.
    """
    if is_anonymous(message_id):
        return message_id
    return f"{ANONYMOUS}{_keyed(f'message {message_id}')[:DIGITS]}"


def is_anonymous(message_id: str) -> bool:
    return message_id.startswith(ANONYMOUS)


ANONYMOUS = "anon-"
DIGITS = 40

# `anonymous_id` in SQL, for many at once: `ANONYMOUS_ID.format("column")`, with the values of `anonymous_keys()`.
# HMAC (RFC 2104) in the two rounds it is made of, for Postgres itself has only the hash.
ANONYMOUS_ID = f"""
CASE WHEN {{0}} LIKE '{ANONYMOUS}%%' THEN {{0}} ELSE '{ANONYMOUS}' || left(encode(
    sha256(%(outer_key)s || sha256(%(inner_key)s || convert_to('message ' || {{0}}, 'UTF8'))), 'hex'
), {DIGITS}) END
"""


def anonymous_keys() -> dict[str, bytes]:
    """What `ANONYMOUS_ID` asks for."""
    return dict(zip(("inner_key", "outer_key"), _keys(str(settings.PRIVACY_KEY)), strict=True))


def _keys(key: str) -> tuple[bytes, bytes]:
    """What each of the two rounds of HMAC begins with."""
    secret = key.encode()
    block = (sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(_BLOCK, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


@cache
def _rounds(key: str) -> tuple[Any, Any]:
    """The two rounds, begun: it takes half as long to go on from here, and there may be a hundred thousand marks."""
    inner, outer = _keys(key)
    return sha256(inner), sha256(outer)


def _keyed(text: str) -> str:
    """HMAC-SHA256, in hexadecimal digits."""
    inner, outer = (begun.copy() for begun in _rounds(settings.PRIVACY_KEY))
    inner.update(text.encode())
    outer.update(inner.digest())
    return str(outer.hexdigest())
