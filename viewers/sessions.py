"""Sessions as Django keeps them, but for two things.

A cookie that cannot be one is none: Postgres would refuse a NUL. And whoever only began to log in has a session for an
hour: anybody can begin without end, and who logs in gets the time of those who are.
"""

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db

HOUR = 60 * 60


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: str | None) -> bool:
        is_possible = bool(key) and str(key).isascii() and str(key).isalnum()
        return is_possible and super()._validate_session_key(key)  # type: ignore[misc]

    def get_session_cookie_age(self) -> int:
        """Seconds, for the cookie and for the row."""
        return settings.SESSION_COOKIE_AGE if SESSION_KEY in self else HOUR
