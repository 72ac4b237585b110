"""Signatures as Standard Webhooks has them (standardwebhooks.com), so that its libraries check ours.

webhook-id: the same for every attempt; webhook-timestamp: seconds since 1970, of the attempt;
webhook-signature: `v1,` and the base64 of HMAC-SHA256 over "id.timestamp.body", one for each secret that holds.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from streams.models import Webhook

PREFIX = "whsec_"
SECRET_BYTES = 32
OLD_SECRET_HOLDS = timedelta(days=1)


def make_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers(held: Iterable[str], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """What is sent with a body: signed with each of the secrets, separated by blanks."""
    timestamp = int(at.timestamp())
    signatures = " ".join(signature(secret, message_id, timestamp, body) for secret in held)
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": signatures}


def secrets_of(webhook: Webhook, now: datetime) -> list[str]:
    """Those that hold: for a day after a rotation, the one before it too."""
    has_old = webhook.old_secret and webhook.old_secret_until and now < webhook.old_secret_until
    return [webhook.secret, webhook.old_secret] if has_old else [webhook.secret]


def rotate(webhook: Webhook, now: datetime) -> str:
    """Give it another secret, which is returned. The one before holds for a day."""
    webhook.old_secret, webhook.secret = webhook.secret, make_secret()
    webhook.old_secret_until = now + OLD_SECRET_HOLDS
    webhook.save(update_fields=["secret", "old_secret", "old_secret_until"])
    return webhook.secret
