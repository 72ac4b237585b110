"""Keyed hashes by which something is known again that must not be kept: an erased account, a message of nobody.

Without the key (`PRIVACY_KEY`) nobody can say whose they are, and with it only who already has the id can ask.
"""

import hmac
from functools import lru_cache
from hashlib import sha256

from django.conf import settings

REMEMBERED = 1 << 16
_BLOCK = 64
"""Bytes in a block of SHA-256."""


@lru_cache(maxsize=REMEMBERED)
def mark_of(twitch_id: str) -> str:
    """The mark of an account: what stays of it when it is erased. 64 hexadecimal digits."""
    return _keyed(f"account {twitch_id}").hex()


def anonymous_id(message_id: str) -> str:
    """The id that a message has once nobody wrote it: the same line, told again, still is the same message.

    Said of an id that already is one, it is that id.
    """
    if is_anonymous(message_id):
        return message_id
    return f"{ANONYMOUS}{_keyed(f'message {message_id}').hex()[:DIGITS]}"


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
    key = _key()
    key = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return {"inner_key": bytes(byte ^ 0x36 for byte in key), "outer_key": bytes(byte ^ 0x5C for byte in key)}


def _key() -> bytes:
    return str(settings.PRIVACY_KEY).encode()


def _keyed(text: str) -> bytes:
    return hmac.digest(_key(), text.encode(), "sha256")
