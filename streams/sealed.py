"""Text that only we can read: encrypted in the database with keys from the environment."""

import base64
import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models
from encrypted_fields.fields import EncryptedTextField


def seal(text: str) -> str:
    """Encrypt with the first of `settings.TOKEN_KEYS`."""
    return _box(tuple(settings.TOKEN_KEYS)).encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Decrypt with any of the keys. Empty for what none opens: the ciphertext must never be taken for the text."""
    try:
        return _box(tuple(settings.TOKEN_KEYS)).decrypt(sealed.encode()).decode()
    except InvalidToken:
        return ""


@lru_cache(maxsize=8)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    # Keys are random already: a digest only gives them the length Fernet wants.
    digests = (hashlib.sha256(key.encode()).digest() for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


if TYPE_CHECKING:  # the library is untyped
    TextField = models.TextField[str, str]
else:
    TextField = EncryptedTextField


class SealedTextField(TextField):
    """Written with the first of `settings.TOKEN_KEYS`, read with any of them: put a new key in front to rotate."""

    @property
    def f(self) -> MultiFernet:
        return _box(tuple(settings.TOKEN_KEYS))

    def get_prep_value(self, value: str | None) -> str:
        return super().get_prep_value(value) or ""

    def from_db_value(self, value: str | None, expression: object, connection: object) -> str | None:
        return unseal(value) if value else value

    def to_python(self, value: object) -> object:
        return value
