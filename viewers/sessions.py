"""Sessions as Django keeps them, except for cookies that cannot be one: Postgres would refuse a NUL."""

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: str | None) -> bool:
        is_possible = bool(key) and str(key).isascii() and str(key).isalnum()
        return is_possible and super()._validate_session_key(key)  # type: ignore[misc]
