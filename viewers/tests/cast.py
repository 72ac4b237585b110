"""Viewers for tests."""

from datetime import UTC, datetime
from typing import Any

from streams.models import Channel
from viewers.models import Viewer, ViewerName, ViewerTotal

LONG_AGO = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATELY = datetime(2026, 5, 1, 12, tzinfo=UTC)


def make_viewer(channel: Channel, login: str, messages: int = 1, *, formerly: str = "", **fields: Any) -> Viewer:
    """A viewer who wrote so many messages in the channel, perhaps under another name before."""
    number = str(Viewer.objects.count() + 1000)
    viewer = Viewer.objects.create(
        **{"twitch_id": number, "login": login, "display_name": login, "named_at": LATELY, **fields}
    )
    for name in filter(None, (formerly, login)):
        ViewerName.objects.create(
            viewer=viewer, login=name, display_name=name, first_seen_at=LONG_AGO, last_seen_at=LATELY
        )
    ViewerTotal.objects.create(
        channel=channel, viewer=viewer, messages=messages, first_seen_at=LONG_AGO, last_seen_at=LATELY
    )
    return viewer
