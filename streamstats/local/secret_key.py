"""The key that signs sessions, made once for a home that was given none."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

BYTES = 50


def read_or_make_secret_key(path: Path) -> str:
    """Return the key in `path`, or "" where none can be kept (a system check then says what to do)."""
    with suppress(OSError):
        if not path.exists():
            _make(path)
        return path.read_text(encoding="ascii").strip()
    return ""


def _make(path: Path) -> None:
    """Write beside, then link: processes that start together all read the same whole key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(BYTES))
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        path.hardlink_to(draft)
    draft.unlink()
