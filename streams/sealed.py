"""Text that only we can read: encrypted in the database with keys from the environment."""

import base64
import hashlib
from functools import cached_property

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from encrypted_fields.fields import EncryptedTextField


class SealedTextField(EncryptedTextField):  # type: ignore[misc]  # the library is untyped
    """Written with the first of `settings.TOKEN_KEYS`, read with any of them: put a new key in front to rotate."""

    @cached_property
    def keys(self) -> list[bytes]:
        # Keys are random already: a digest only gives them the length Fernet wants.
        return [base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()) for key in settings.TOKEN_KEYS]

    @cached_property
    def f(self) -> MultiFernet:
        return MultiFernet([Fernet(key) for key in self.keys])

    def get_prep_value(self, value: str | None) -> str:
        return super().get_prep_value(value) or ""

    def from_db_value(self, value: str | None, expression: object, connection: object) -> str | None:
        """Decrypt. Empty for what no key opens: the ciphertext must never be taken for the text."""
        if not value:
            return value
        try:
            return self.f.decrypt(value.encode()).decode()
        except InvalidToken:
            return ""

    def to_python(self, value: object) -> object:
        return value
