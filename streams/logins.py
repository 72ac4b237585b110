"""What people type for a channel, and the login it means."""

import re

LOGIN = re.compile(r"[a-z0-9_]{1,25}")
ADDRESS = re.compile(r"(?:https?://)?(?:(?:www|m)\.)?twitch\.tv/([^/?#]+)(?:[/?#].*)?")


def login_of(text: str) -> str | None:
    """Return the login in `Name`, `#name`, `@name` or the address of a channel; None if it is none."""
    text = text.strip().lower()
    if address := ADDRESS.fullmatch(text):
        text = address[1]
    login = text.removeprefix("#").removeprefix("@")
    return login if LOGIN.fullmatch(login) else None
